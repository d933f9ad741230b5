//! Which faults there are, and how often each happens under a seed. A seed leaves about half of them out, because a fault
//! that always happens hides what only shows without it.

use std::collections::BTreeSet;

use crate::random::Random;

/// Makes the faults, their names and their usual rates of one table.
macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident $name:literal $usual:literal;)*) => {
        /// A kind of trouble.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Fault {
            $($(#[$doc])* $fault,)*
        }

        impl Fault {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$fault),*];

            /// Its name in arguments.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$fault => $name,)*
                }
            }

            /// How often it happens, in thousandths of what it may happen to.
            const fn usual(self) -> u64 {
                match self {
                    $(Self::$fault => $usual,)*
                }
            }
        }
    };
}

faults! {
    /// A connection breaks, after any byte.
    Break "break" 50;
    /// Bytes are late, and frames come in pieces.
    Delay "delay" 400;
    /// The hub notices late that a connection is gone: what was on its way still arrives, also beside a newer session.
    Linger "linger" 500;
    /// Nothing that the hub says on a connection arrives after its welcome.
    Deaf "deaf" 150;
    /// The hub is killed.
    Kill "kill" 12;
    /// The power goes: what was not synced is lost.
    Power "power" 12;
    /// The hub dies at a write or a named point of the engine.
    Point "point" 20;
    /// The disk refuses writes for a while.
    Refuse "refuse" 12;
    /// The disk says for a while that writes failed that are on it.
    Torn "torn" 12;
    /// The hub's wall clock steps.
    HubClock "hub-clock" 8;
    /// An agent's wall clock steps.
    AgentClock "agent-clock" 10;
    /// Clocks run too fast or too slow.
    Drift "drift" 1000;
    /// Two agents have the same credential.
    Twin "twin" 1000;
    /// A spool's folder is copied to another machine.
    Copy "copy" 10;
    /// An agent lies about its numbers.
    Liar "liar" 200;
    /// An agent starts again.
    Restart "restart" 15;
    /// An agent starts again with nothing in its outbox.
    Replace "replace" 8;
    /// An agent has no network for a while.
    Away "away" 12;
    /// Hours pass.
    Jump "jump" 20;
    /// A backup is taken.
    Backup "backup" 12;
    /// A checkpoint of all shards is written.
    Checkpoint "checkpoint" 40;
    /// The hub is busy, and asks for larger frames.
    Pace "pace" 30;
    /// An operator changes the registry.
    Change "change" 40;
    /// The answer to what a hub published is lost.
    Lost "lost" 100;
    /// What a hub publishes, the answers, and what a stream brings are late.
    Late "late" 300;
    /// A stream has no leader for a while: it takes nothing and says nothing.
    Leader "leader" 15;
    /// A hub has no connection to the brokers for a while.
    CutOff "cut-off" 12;
    /// A stream brings messages again.
    Again "again" 50;
    /// An agent goes to another hub, though its own is well.
    Move "move" 30;
}

/// Faults that only a cluster has.
const OF_CLUSTER: [Fault; 6] = [Fault::Lost, Fault::Late, Fault::Leader, Fault::CutOff, Fault::Again, Fault::Move];

/// Faults that a simulated cluster does without.
const NOT_OF_CLUSTER: [Fault; 5] = [Fault::Refuse, Fault::Torn, Fault::Liar, Fault::Jump, Fault::Backup];

impl Fault {
    /// The fault of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fault| fault.name() == name)
    }

    /// The seed's own numbers for this fault in a step.
    pub(crate) fn random(self, seed: u64, step: u64) -> Random {
        Random::new(seed, step * 64 + 1 + self as u64)
    }
}

/// How often each fault happens under a seed.
#[derive(Debug, Clone)]
pub(crate) struct Rates(Vec<u64>);

impl Rates {
    /// How many of so many bytes arrive now. In the calm, all of them.
    pub(crate) fn portion(&self, random: &mut Random, is_calm: bool, bytes: usize) -> usize {
        let is_delayed = random.chance(self.of_fault(Fault::Delay)) && !is_calm;
        let is_late = random.chance(300);
        let some = random.index(bytes + 1);
        match (is_delayed, is_late) {
            (false, _) => bytes,
            (true, true) => 0,
            (true, false) => some,
        }
    }

    /// The rates of a seed for a single hub or a cluster, without some.
    pub(crate) fn of(seed: u64, without: &BTreeSet<Fault>, is_cluster: bool) -> Self {
        let absent: &[Fault] = if is_cluster { &NOT_OF_CLUSTER } else { &OF_CLUSTER };
        let rate = |fault: &Fault| {
            let mut random = fault.random(seed, 1 << 40);
            let is_on = random.chance(500);
            let quarters = [1, 2, 4, 8][random.index(4)];
            let may_be = !without.contains(fault) && !absent.contains(fault);
            if is_on && may_be { (fault.usual() * quarters / 4).max(1) } else { 0 }
        };
        Self(Fault::ALL.iter().map(rate).collect())
    }

    /// Thousandths.
    pub(crate) fn of_fault(&self, fault: Fault) -> u64 {
        self.0.get(fault as usize).copied().unwrap_or(0)
    }

    /// Whether it happens at all.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.of_fault(fault) > 0
    }

    /// The faults that happen.
    pub(crate) fn all(&self) -> impl Iterator<Item = Fault> {
        Fault::ALL.iter().copied().filter(move |fault| self.has(*fault))
    }
}
