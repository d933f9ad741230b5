//! The thread that creates servers for agents with enrolment tokens. It waits for the disk, so that no listener does.
//!
//! ```text
//! conversation ── Enrolments::ask ──► queue ──► Enroller: all that wait, one write ──► listener's mailbox ──► conversation
//! ```
//! With a slow disk the batches get larger. The queue never exceeds its limit.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};

use windfire_engine::Engine;
use windfire_engine::error::Refusal;
use windfire_engine::token::Enrolment;
use windfire_wire::RefuseReason;

use crate::clock::Clock;
use crate::counters::Counters;
use crate::limits::{ENROLMENTS_PER_WRITE_MAX, ENROLMENTS_WAITING_MAX, LOOP_BEAT_INTERVAL};
use crate::pulse::Pulse;

/// Takes the result of an enrolment: the server, or the refusal. Called once, unless the hub stops before.
pub(crate) type Enrolled = Box<dyn FnOnce(Result<u64, Refusal>) + Send>;

struct Waiting {
    wish: Enrolment,
    enrolled: Enrolled,
}

/// The sending end of the queue.
#[derive(Clone)]
pub(crate) struct Enrolments(SyncSender<Waiting>);

/// The receiving end of the queue.
pub(crate) struct Enroller {
    engine: Arc<Engine>,
    counters: Arc<Counters>,
    clock: Clock,
    waiting: Receiver<Waiting>,
}

impl Enrolments {
    /// A queue, and the thread that empties it.
    pub(crate) fn new(engine: Arc<Engine>, counters: Arc<Counters>, clock: Clock) -> (Self, Enroller) {
        let (sender, waiting) = sync_channel(ENROLMENTS_WAITING_MAX);
        (Self(sender), Enroller { engine, counters, clock, waiting })
    }

    /// Queues the request, and calls `enrolled` with its result. Does not wait.
    pub(crate) fn ask(&self, wish: Enrolment, enrolled: Enrolled) -> Result<(), Refusal> {
        let why = match self.0.try_send(Waiting { wish, enrolled }) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(_)) => {
                format!("{ENROLMENTS_WAITING_MAX} agents already wait for their enrolment: try again later")
            }
            Err(TrySendError::Disconnected(_)) => "the hub no longer enrols agents: try again later".to_owned(),
        };
        Err(Refusal::new(RefuseReason::Full, why))
    }
}

impl Enroller {
    /// Enrols until all senders are dropped.
    pub(crate) fn run(self, pulse: &Pulse) {
        loop {
            pulse.beat();
            let first = match self.waiting.recv_timeout(LOOP_BEAT_INTERVAL) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            pulse.beat_before_disk();
            let others = self.waiting.try_iter().take(ENROLMENTS_PER_WRITE_MAX - 1);
            let (wishes, told): (Vec<Enrolment>, Vec<Enrolled>) =
                std::iter::once(first).chain(others).map(|Waiting { wish, enrolled }| (wish, enrolled)).unzip();
            let results = self.engine.registry().enrol(&wishes, (self.clock)().div_euclid(1000));
            let made = results.iter().filter(|result| result.is_ok()).count();
            self.counters.servers_enrolled.add(made as u64);
            self.counters.enrolment_writes.add(1);
            tracing::debug!(asked = wishes.len(), made, "agents enrolled");
            told.into_iter().zip(results).for_each(|(enrolled, result)| enrolled(result));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use windfire_engine::Options;

    use super::*;
    use crate::pulse::Pulses;

    fn wish(token: &str, number: usize) -> Enrolment {
        Enrolment { token: token.to_owned(), name: String::new(), credential: format!("{number:032}") }
    }

    #[test]
    fn a_queue_that_is_full_pushes_back_and_what_waits_is_all_answered() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let engine = Arc::new(Engine::open(folder.path(), Options::default()).expect("a new store"));
        let (_, token) = engine.registry().add_enrol_token(String::new(), String::new(), None, None, 0).expect("room");
        let (enrolments, enroller) = Enrolments::new(Arc::clone(&engine), Arc::default(), Arc::new(|| 0));
        let (sender, answers) = channel();
        let ask = |number| {
            let sender = sender.clone();
            enrolments.ask(wish(&token, number), Box::new(move |result| sender.send(result).expect("awaited")))
        };
        (0..ENROLMENTS_WAITING_MAX).for_each(|number| ask(number).expect("room"));
        let refused = ask(ENROLMENTS_WAITING_MAX).expect_err("no room");
        assert_eq!(refused.reason, RefuseReason::Full);
        assert!(refused.detail.contains("try again later"));
        drop((enrolments, sender));
        enroller.run(&Pulses::new().add("enrolments"));
        assert_eq!(answers.iter().filter(Result::is_ok).count(), ENROLMENTS_WAITING_MAX);
        assert_eq!(engine.registry().server_count(), ENROLMENTS_WAITING_MAX);
    }
}
