//! The registry's stream, and how each hub reaches it. What it has stored it never loses. It takes a message only right
//! behind the one that the hub has built on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use windfire_engine::{Ledger, Proposal, Proposed};

/// The stream of the registry. Positions count from 1.
#[derive(Debug, Default)]
pub(crate) struct RegistryStream {
    messages: Vec<Arc<[u8]>>,
    /// On their way to the stream. They arrive though their hub has died.
    requests: Vec<Request>,
    /// Steps until it has a leader.
    pub(crate) leaderless: u64,
}

#[derive(Debug)]
struct Request {
    expected: u64,
    bytes: Arc<[u8]>,
    arrives: u64,
}

/// The stream of the registry, as all hubs have it.
#[derive(Debug, Clone, Default)]
pub(crate) struct RegistryHandle(Arc<Mutex<RegistryStream>>);

/// What becomes of the proposals of a hub.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reach {
    /// They are not lost on their way.
    pub(crate) arrives: bool,
    /// The tick in which they arrive, if that is later.
    pub(crate) arrives_at: Option<u64>,
    /// The answers are not lost.
    pub(crate) is_answered: bool,
    /// The hub's follower hears of what is stored before the change gives up.
    pub(crate) follows: bool,
}

/// How one hub reaches the stream.
#[derive(Debug, Default)]
pub(crate) struct SimLedger {
    stream: RegistryHandle,
    reach: Mutex<Reach>,
}

impl RegistryStream {
    /// Whether the message is stored.
    fn store(&mut self, expected: u64, bytes: Arc<[u8]>) -> bool {
        let is_next = self.end() == expected;
        if is_next {
            self.messages.push(bytes);
        }
        is_next
    }

    /// The message at a position.
    fn get(&self, position: u64) -> Option<Arc<[u8]>> {
        self.messages.get(usize::try_from(position).ok()?.checked_sub(1)?).cloned()
    }

    /// The position of the last message.
    pub(crate) fn end(&self) -> u64 {
        self.messages.len() as u64
    }
}

impl RegistryHandle {
    /// The stream. A hub may have died while it had it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, RegistryStream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The message at a position, unless there is no leader to ask.
    pub(crate) fn get(&self, position: u64) -> Option<Arc<[u8]>> {
        let stream = self.lock();
        if stream.leaderless == 0 { stream.get(position) } else { None }
    }

    /// Late proposals arrive. How many of them are stored, and how many find another message in their place.
    pub(crate) fn land(&self, tick: u64) -> (u64, u64) {
        let mut stream = self.lock();
        if stream.leaderless > 0 {
            return (0, 0);
        }
        let requests = std::mem::take(&mut stream.requests).into_iter();
        let (due, later): (Vec<Request>, Vec<Request>) = requests.partition(|of| of.arrives <= tick);
        stream.requests = later;
        let (mut stored, mut refused) = (0, 0);
        for Request { expected, bytes, .. } in due {
            if stream.store(expected, bytes) { stored += 1 } else { refused += 1 }
        }
        (stored, refused)
    }
}

impl SimLedger {
    pub(crate) fn new(stream: RegistryHandle) -> Self {
        Self { stream, reach: Mutex::default() }
    }

    /// What becomes of the hub's proposals from now on.
    pub(crate) fn set_reach(&self, reach: Reach) {
        *self.reach.lock().unwrap_or_else(PoisonError::into_inner) = reach;
    }
}

impl Ledger for SimLedger {
    fn propose(&self, proposal: &Proposal<'_>) -> Proposed {
        let reach = *self.reach.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Arc<[u8]> = proposal.bytes.into();
        let is_stored = {
            let mut stream = self.stream.lock();
            if !reach.arrives {
                return Proposed::Unknown;
            }
            if reach.arrives_at.is_some() || stream.leaderless > 0 {
                let arrives = reach.arrives_at.unwrap_or(0);
                stream.requests.push(Request { expected: proposal.expected, bytes, arrives });
                return Proposed::Unknown;
            }
            stream.store(proposal.expected, bytes)
        };
        if reach.follows {
            let mut position = proposal.expected + 1;
            while let Some(message) = self.stream.get(position)
                && (proposal.follow)(position, &message).is_ok()
            {
                position += 1;
            }
        }
        match (reach.is_answered, is_stored) {
            (false, _) => Proposed::Unknown,
            (true, true) => Proposed::Stored,
            (true, false) => Proposed::Overtaken,
        }
    }

    /// There is one thread: nobody follows while a change waits.
    fn patience(&self) -> Duration {
        Duration::ZERO
    }
}
