//! Changes of the registry, on their way to its stream.
//!
//! ```text
//! a thread that may wait ─► engine ─► RegistryLedger::propose ─► queue ─► Proposals (cluster's runtime) ─► brokers
//!                                            ▲                                │
//!                                            └──────────── answer ◄───────────┘
//! ```
//! The thread waits on a channel and never inside a runtime. What it waits for runs on the cluster's thread, which
//! takes no lock that a change holds meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use windfire_cluster::{Outcome, RegistryPublisher};
use windfire_engine::limits::CHANGE_PATIENCE_MS;
use windfire_engine::{Ledger, Proposal, Proposed};

use crate::limits::{PROPOSAL_ANSWER_MAX, PROPOSALS_WAITING_MAX};

/// The engine's way to the registry's stream.
pub(super) struct RegistryLedger {
    sender: Sender<Waiting>,
    /// Whether this hub has not heard of the stream for so long that no change would be made in time.
    is_stale: Arc<AtomicBool>,
}

/// The other end of it: what is to be published.
pub(super) struct Proposals(Receiver<Waiting>);

/// A change, and who waits for its fate.
struct Waiting {
    bytes: Bytes,
    expected: u64,
    answer: SyncSender<Proposed>,
}

impl RegistryLedger {
    /// A ledger, and what it is given.
    pub(super) fn new(is_stale: Arc<AtomicBool>) -> (Self, Proposals) {
        let (sender, receiver) = channel(PROPOSALS_WAITING_MAX);
        (Self { sender, is_stale }, Proposals(receiver))
    }

    /// Whether a change would be in vain: the brokers are away, or the hub stops.
    fn is_away(&self) -> bool {
        self.is_stale.load(Ordering::Relaxed) || self.sender.is_closed()
    }
}

impl Ledger for RegistryLedger {
    fn propose(&self, proposal: &Proposal<'_>) -> Proposed {
        if self.is_away() {
            return Proposed::Unknown;
        }
        let (answer, answered) = sync_channel(1);
        let bytes = Bytes::copy_from_slice(proposal.bytes);
        if self.sender.try_send(Waiting { bytes, expected: proposal.expected, answer }).is_err() {
            return Proposed::Unknown;
        }
        answered.recv_timeout(PROPOSAL_ANSWER_MAX).unwrap_or(Proposed::Unknown)
    }

    fn patience(&self) -> Duration {
        // Whoever signs in or out while the brokers are away is not to wait for them.
        if self.is_away() { Duration::ZERO } else { Duration::from_millis(CHANGE_PATIENCE_MS) }
    }
}

impl Proposals {
    /// Publishes what is proposed, for as long as it is polled.
    pub(super) async fn run(mut self, publisher: RegistryPublisher) -> String {
        while let Some(Waiting { bytes, expected, answer }) = self.0.recv().await {
            let proposed = match publisher.publish(bytes, expected).await {
                Ok(Outcome::Written(_)) => Proposed::Stored,
                Ok(Outcome::Overtaken) => Proposed::Overtaken,
                Ok(Outcome::Unknown) => Proposed::Unknown,
                Err(error) => {
                    // The engine makes none that is too large.
                    tracing::error!(%error, "a change of the registry was not published");
                    Proposed::Unknown
                }
            };
            let _may_have_given_up = answer.send(proposed);
        }
        "nothing proposes changes of the registry any more".to_owned()
    }
}

/// For a process that changes nothing: it reads the store of a hub of a cluster.
pub(super) struct NoLedger;

impl Ledger for NoLedger {
    fn propose(&self, _: &Proposal<'_>) -> Proposed {
        Proposed::Unknown
    }

    fn patience(&self) -> Duration {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use windfire_engine::{FollowError, Followed};

    use super::*;
    use crate::threads::runtime;

    fn follow(_: u64, _: &[u8]) -> Result<Followed, FollowError> {
        Ok(Followed::Applied)
    }

    #[test]
    fn a_proposal_waits_for_its_answer_also_inside_a_runtime() {
        let (ledger, mut proposals) = RegistryLedger::new(Arc::default());
        let answering = thread::spawn(move || {
            let waiting = proposals.0.blocking_recv().expect("a proposal");
            assert_eq!((&waiting.bytes[..], waiting.expected), (&b"change"[..], 7));
            waiting.answer.send(Proposed::Overtaken).expect("awaited");
            proposals
        });
        let proposal = Proposal { expected: 7, bytes: b"change", follow: &follow };
        // A change is made on a blocking thread, which belongs to a runtime.
        let proposed = runtime().expect("a runtime").block_on(async { ledger.propose(&proposal) });
        assert_eq!(proposed, Proposed::Overtaken);
        assert_eq!(ledger.patience(), Duration::from_millis(CHANGE_PATIENCE_MS));
        drop(answering.join().expect("answered"));
        assert_eq!((ledger.propose(&proposal), ledger.patience()), (Proposed::Unknown, Duration::ZERO), "it stops");
    }

    #[test]
    fn nobody_waits_while_the_brokers_are_away() {
        let is_stale = Arc::new(AtomicBool::new(true));
        let (ledger, mut proposals) = RegistryLedger::new(Arc::clone(&is_stale));
        let proposal = Proposal { expected: 0, bytes: b"change", follow: &follow };
        assert_eq!((ledger.propose(&proposal), ledger.patience()), (Proposed::Unknown, Duration::ZERO));
        assert!(proposals.0.try_recv().is_err(), "nothing is sent later");
    }
}
