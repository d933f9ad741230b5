//! The messages of one partition, on their way to its stream: one at a time.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use windfire_cluster::Publisher;
use windfire_engine::{Engine, Outcome};

use super::state::State;

/// What a publisher needs.
pub(super) struct Publishing {
    pub(super) engine: Arc<Engine>,
    pub(super) state: Arc<State>,
    pub(super) partition: usize,
    /// Changes when a session may have offered something.
    pub(super) offered: watch::Receiver<()>,
    /// Wakes sessions.
    pub(super) moved: Arc<Notify>,
}

impl Publishing {
    /// Publishes whatever sessions offer, for as long as it is polled. While a message is on its way, more gathers for
    /// the next. Returns why that cannot go on.
    pub(super) async fn run(mut self, mut publisher: Publisher) -> String {
        loop {
            self.offered.mark_unchanged();
            let Some(message) = self.engine.next_message(self.partition) else {
                if self.offered.changed().await.is_err() {
                    // The listeners have ended, and nothing more is offered.
                    std::future::pending::<()>().await;
                }
                continue;
            };
            // There is room again for what did not fit.
            self.moved.notify_one();
            let (begun, bytes) = (Instant::now(), message.bytes.len());
            // Otherwise this hub's own follower would take the message for one that it has applied.
            publisher.after(self.engine.followed(self.partition));
            if let Err(error) = publisher.publish(Bytes::from_owner(message.bytes)).await {
                return error.to_string();
            }
            self.engine.settled(self.partition, message.number, Outcome::Stored);
            self.state.note_published(self.partition, bytes, begun.elapsed());
        }
    }
}
