//! The messages of one partition's stream, as they are applied.

use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use windfire_cluster::{Apply, Delivery, Follower};
use windfire_engine::{Engine, FollowError, Followed};

use super::state::State;
use crate::limits::FOLLOW_RETRY;

/// What a follower needs.
pub(super) struct Following {
    pub(super) engine: Arc<Engine>,
    pub(super) state: Arc<State>,
    pub(super) partition: usize,
    /// Wakes sessions.
    pub(super) moved: Arc<Notify>,
    /// Changes when the registry does.
    pub(super) registry: watch::Receiver<u64>,
    /// The message that cannot be applied.
    pub(super) failed: Arc<OnceLock<FollowError>>,
}

impl Following {
    /// Applies what the stream has, for as long as it is polled. Returns why that cannot go on.
    pub(super) async fn run(self, follower: Follower) -> String {
        let failed = Arc::clone(&self.failed);
        match (follower.run(self).await, failed.get()) {
            (Err(error), _) => error.to_string(),
            (Ok(()), Some(error)) => error.to_string(),
            (Ok(()), None) => "a stream is not followed any more".to_owned(),
        }
    }
}

impl Apply for Following {
    async fn apply(&mut self, delivery: Delivery) -> ControlFlow<()> {
        let Delivery { sequence, bytes, stored_ms, .. } = delivery;
        loop {
            self.registry.mark_unchanged();
            match self.engine.follow(self.partition, sequence, &bytes) {
                Ok(Followed::Applied | Followed::Known) => break,
                // The next commit makes room, or the next round of upkeep. Until then nothing more is read.
                Ok(Followed::Full) => sleep(FOLLOW_RETRY).await,
                // The hub that wrote it knew more of the registry. The registry waits for no partition, so this ends.
                Ok(Followed::Waits) => {
                    if self.registry.changed().await.is_err() {
                        // Its follower has ended, and so will this one.
                        std::future::pending::<()>().await;
                    }
                }
                Err(error) => {
                    let _first = self.failed.set(error);
                    return ControlFlow::Break(());
                }
            }
        }
        self.state.note_applied(self.partition, bytes.len(), stored_ms, Instant::now());
        self.moved.notify_one();
        ControlFlow::Continue(())
    }
}
