//! Takes a reading at every interval and puts it into the outbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use windfire_wire::{Host, Report};

use crate::collector::Collector;
use crate::limits::{FRAME_AGE_MAX, SAMPLES_PER_FRAME_MAX};
use crate::outbox::{Outbox, PushError};

/// Time between two looks at the facts, which rarely change.
const HOST_INTERVAL: Duration = Duration::from_secs(60);

/// What sampler and link share.
#[derive(Clone)]
pub struct Feed {
    /// Reports that the hub does not have on disk yet.
    pub outbox: Arc<Mutex<Outbox>>,
    /// Told when there is enough for a frame.
    pub pushed: Arc<Notify>,
    /// Told after every ack.
    pub acked: Arc<Notify>,
    /// Time between readings; the hub may ask for another within the agent's bounds.
    pub interval: watch::Sender<Duration>,
    /// How many samples make a frame.
    pub gather: Arc<Gather>,
    /// Uptime of the newest reading, seconds, and when it was taken.
    newest: Arc<Mutex<Option<(u64, Instant)>>>,
}

/// How many samples make a frame. A packet costs the hub the same whatever it holds, so a busy hub asks for fuller ones.
#[derive(Debug)]
pub struct Gather {
    /// As the hub asked, within the agent's bounds.
    samples: AtomicU32,
    /// For the next frame only.
    next: AtomicU32,
}

impl Gather {
    /// Frames of `samples` from now on, as far as the agent allows. The first is shorter by chance: agents that are told at
    /// one moment must not send at one moment ever after.
    pub(crate) fn set(&self, samples: u32) {
        let samples = samples.clamp(1, SAMPLES_PER_FRAME_MAX);
        self.samples.store(samples, Ordering::Relaxed);
        self.next.store(fastrand::u32(1..=samples), Ordering::Relaxed);
    }

    /// A frame was sent.
    pub(crate) fn sent(&self) {
        self.next.store(self.samples.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Samples of the next frame, taken every `interval`.
    pub(crate) fn due(&self, interval: Duration) -> u64 {
        let in_time = FRAME_AGE_MAX.as_millis() / interval.as_millis().max(1);
        u64::from(self.next.load(Ordering::Relaxed)).min(u64::try_from(in_time).unwrap_or(u64::MAX)).max(1)
    }
}

impl Feed {
    /// A feed into `outbox`, at `interval`.
    pub fn new(outbox: Outbox, interval: Duration) -> Self {
        Self {
            outbox: Arc::new(Mutex::new(outbox)),
            pushed: Arc::new(Notify::new()),
            acked: Arc::new(Notify::new()),
            interval: watch::Sender::new(interval),
            gather: Arc::new(Gather { samples: AtomicU32::new(1), next: AtomicU32::new(1) }),
            newest: Arc::default(),
        }
    }
}

impl Feed {
    /// Keeps a report, and wakes the link when there are enough for a frame.
    ///
    /// # Errors
    /// See [`Outbox::push`]. The report was not kept.
    pub fn push(&self, report: Report) -> Result<(), PushError> {
        *self.newest.lock() = Some((report.uptime_s, Instant::now()));
        let (pushed, unsent) = {
            let mut outbox = self.outbox.lock();
            (outbox.push(report), outbox.unsent())
        };
        if pushed.is_err() || unsent >= self.frame_samples() {
            self.pushed.notify_one();
        }
        pushed
    }

    /// How long the machine is up as its readings have it, milliseconds; 0 before the first reading. Readings in a container
    /// count from its start, and clocks of the system from the machine's.
    pub(crate) fn uptime_ms(&self) -> u64 {
        let since_ms = |at: Instant| u64::try_from(at.elapsed().as_millis()).unwrap_or(0);
        let newest = *self.newest.lock();
        newest.map_or(0, |(uptime_s, at)| uptime_s.saturating_mul(1000).saturating_add(since_ms(at)))
    }

    /// Samples that the next frame waits for.
    pub(crate) fn frame_samples(&self) -> u64 {
        self.gather.due(*self.interval.borrow())
    }
}

/// Samples until dropped. `unix_ms` is the agent's clock.
pub async fn run(mut collector: Collector, feed: Feed, host: watch::Sender<Host>, unix_ms: impl Fn() -> i64) {
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
            let pushed = feed.push(collector.read(unix_ms()));
            match (&pushed, is_paused) {
                (Ok(()), true) => tracing::info!("sampling goes on"),
                (Err(PushError::Full), false) => {
                    tracing::warn!("the outbox is full: sampling pauses until the hub has taken some");
                }
                (Err(PushError::Full), true) | (Ok(()), false) => {}
                (Err(error), _) => tracing::error!(%error, "a reading could not be kept"),
            }
            is_paused = pushed.is_err();
            if Instant::now() >= host_due {
                host_due = Instant::now() + HOST_INTERVAL;
                let facts = collector.host(unix_ms() / 1000);
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
