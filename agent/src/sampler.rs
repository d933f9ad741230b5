//! Takes a reading at every interval and puts it into the outbox.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use windfire_wire::Host;

use crate::outbox::{Outbox, PushError};
use crate::probe::Probe;

/// Time between two looks at the facts, which rarely change.
const HOST_INTERVAL: Duration = Duration::from_secs(60);

/// What sampler and link share.
#[derive(Clone)]
pub struct Feed {
    /// Reports that the hub does not have on disk yet.
    pub outbox: Arc<Mutex<Outbox>>,
    /// Told after every push.
    pub pushed: Arc<Notify>,
    /// Told after every ack.
    pub acked: Arc<Notify>,
    /// Time between readings; the hub may ask for another within the agent's bounds.
    pub interval: watch::Sender<Duration>,
}

impl Feed {
    /// A feed into `outbox`, at `interval`.
    pub fn new(outbox: Outbox, interval: Duration) -> Self {
        Self {
            outbox: Arc::new(Mutex::new(outbox)),
            pushed: Arc::new(Notify::new()),
            acked: Arc::new(Notify::new()),
            interval: watch::Sender::new(interval),
        }
    }
}

/// Samples until dropped. `unix_ms` is the agent's clock.
pub async fn run(mut probe: Probe, feed: Feed, host: watch::Sender<Host>, unix_ms: impl Fn() -> i64) {
    let mut period = feed.interval.subscribe();
    let mut is_paused = false;
    let mut host_due = Instant::now() + HOST_INTERVAL;
    loop {
        let interval = *period.borrow_and_update();
        let mut ticks = interval_at(Instant::now() + interval, interval);
        // A machine that slept has no readings of that time; catching up would make them up.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = period.changed() => break,
            }
            let pushed = feed.outbox.lock().push(probe.read(unix_ms()));
            match (&pushed, is_paused) {
                (Ok(()), true) => tracing::info!("sampling goes on"),
                (Err(PushError::Full), false) => {
                    tracing::warn!("the outbox is full: sampling pauses until the hub has taken some");
                }
                (Err(PushError::Full), true) | (Ok(()), false) => {}
                (Err(error), _) => tracing::error!(%error, "a reading could not be kept"),
            }
            is_paused = pushed.is_err();
            feed.pushed.notify_one();
            if Instant::now() >= host_due {
                host_due = Instant::now() + HOST_INTERVAL;
                let facts = probe.host();
                host.send_if_modified(|known| {
                    let is_new = *known != facts;
                    if is_new {
                        *known = facts;
                    }
                    is_new
                });
            }
        }
    }
}
