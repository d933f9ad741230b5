//! Takes a reading at every interval and puts it into the outbox.
//!
//! A disk may hang, and the outbox may be on one. So readings wait in a queue until the outbox has them, and tasks that
//! use the outbox wait for it without blocking the thread: sampling, the connection and a stop continue.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedMutexGuard, mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use windfire_wire::limits::{FRAME_AGE_S_MAX, SAMPLES_PER_FRAME_MAX};
use windfire_wire::{Host, Report};

use crate::collector::Collector;
use crate::limits::READINGS_WAITING_MAX;
use crate::outbox::{Outbox, PushError};

/// Time between two looks at the facts, which rarely change.
const HOST_INTERVAL: Duration = Duration::from_secs(60);
/// Time after which an outbox that does not take a reading is logged as hanging.
const OUTBOX_PATIENCE: Duration = Duration::from_secs(10);

/// The state that sampler and link share.
#[derive(Clone)]
pub struct Feed {
    /// Reports that the hub does not have on disk yet.
    outbox: Arc<tokio::sync::Mutex<Outbox>>,
    /// Notified when there is enough for a frame.
    pub pushed: Arc<Notify>,
    /// Notified after every ack.
    pub acked: Arc<Notify>,
    /// Time between readings. The hub may ask for another one within the agent's bounds.
    pub interval: watch::Sender<Duration>,
    /// How many samples make a frame.
    pub gather: Arc<Gather>,
    /// Counts readings, whether there is room to keep them or not.
    pub readings: watch::Sender<u64>,
    /// Whether the hub is reached.
    pub contact: watch::Sender<Contact>,
    /// Uptime of the newest reading, seconds, and when it was taken.
    newest: Arc<Mutex<Option<(u64, Instant)>>>,
}

/// Whether the hub is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contact {
    /// The hub of that name has welcomed the agent.
    Made {
        /// As configured.
        hub: String,
    },
    /// No hub is reached.
    Lost {
        /// Since when: the start, or the end of the newest connection.
        at: Instant,
    },
}

/// How many samples make a frame. Every packet costs the hub the same, so a busy hub asks for fuller ones.
#[derive(Debug)]
pub struct Gather {
    /// As the hub asked, within the agent's bounds.
    samples: AtomicU32,
    /// For the next frame only.
    next: AtomicU32,
}

impl Gather {
    /// Frames of `samples` from now on, as far as the agent allows. The first is randomly shorter, so that agents that
    /// get their pace at one moment do not always send at the same moment.
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
        let in_time = (u128::from(FRAME_AGE_S_MAX) * 1000) / interval.as_millis().max(1);
        u64::from(self.next.load(Ordering::Relaxed)).min(u64::try_from(in_time).unwrap_or(u64::MAX)).max(1)
    }
}

impl Feed {
    /// A feed into `outbox`, at `interval`.
    pub fn new(outbox: Outbox, interval: Duration) -> Self {
        Self {
            outbox: Arc::new(tokio::sync::Mutex::new(outbox)),
            pushed: Arc::new(Notify::new()),
            acked: Arc::new(Notify::new()),
            interval: watch::Sender::new(interval),
            gather: Arc::new(Gather { samples: AtomicU32::new(1), next: AtomicU32::new(1) }),
            readings: watch::Sender::new(0),
            contact: watch::Sender::new(Contact::Lost { at: Instant::now() }),
            newest: Arc::default(),
        }
    }
}

impl Feed {
    /// The outbox, for calls that do not touch a disk. Waits while another task uses it.
    pub async fn outbox(&self) -> OwnedMutexGuard<Outbox> {
        Arc::clone(&self.outbox).lock_owned().await
    }

    /// The same, for a thread that may wait.
    ///
    /// # Panics
    /// On a thread that drives tasks.
    pub fn outbox_now(&self) -> OwnedMutexGuard<Outbox> {
        Arc::clone(&self.outbox).blocking_lock_owned()
    }

    /// Makes a call to the outbox that may touch a disk: then another thread waits for the disk. Returns the outbox
    /// too, for calls that must follow before another task uses it.
    pub(crate) async fn on_disk<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Outbox) -> R + Send + 'static,
    ) -> (OwnedMutexGuard<Outbox>, R) {
        let mut outbox = self.outbox().await;
        if !outbox.is_on_disk() {
            let done = act(&mut outbox);
            return (outbox, done);
        }
        let waiting = spawn_blocking(move || {
            let done = act(&mut outbox);
            (outbox, done)
        });
        waiting.await.unwrap_or_else(|error| resume_unwind(error.into_panic()))
    }

    /// Keeps a report, and wakes the link when there are enough for a frame.
    ///
    /// # Errors
    /// See [`Outbox::push`]. The report was not kept.
    pub async fn push(&self, report: Report) -> Result<(), PushError> {
        *self.newest.lock() = Some((report.uptime_s, Instant::now()));
        let (outbox, pushed) = self.on_disk(|outbox| outbox.push(report)).await;
        // A spool that can be used again has other readings to send first, in a connection of their own.
        if pushed.is_err() || outbox.has_moved_on() || outbox.unsent() >= self.frame_samples() {
            self.pushed.notify_one();
        }
        pushed
    }

    /// Uptime of the machine as its readings have it, milliseconds; 0 before the first reading. Readings in a container
    /// count from the container's start, and the system's clocks from the machine's.
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

/// Samples until `stop` becomes true, and ends when the outbox has every reading. `unix_ms` is the agent's clock.
pub async fn run(
    collector: Collector,
    feed: Feed,
    host: watch::Sender<Host>,
    mut stop: watch::Receiver<bool>,
    unix_ms: impl Fn() -> i64,
) {
    let (sender, readings) = mpsc::channel(READINGS_WAITING_MAX);
    let sampling = async {
        tokio::select! {
            never = sample(collector, &feed, sender, host, unix_ms) => match never {},
            _ = stop.wait_for(|stop| *stop) => {}
        }
    };
    tokio::join!(sampling, keep(&feed, readings));
}

/// Takes readings until dropped.
async fn sample(
    mut collector: Collector,
    feed: &Feed,
    readings: mpsc::Sender<Report>,
    host: watch::Sender<Host>,
    unix_ms: impl Fn() -> i64,
) -> std::convert::Infallible {
    let mut period = feed.interval.subscribe();
    let mut host_due = Instant::now() + HOST_INTERVAL;
    let mut has_room = true;
    loop {
        let interval = *period.borrow_and_update();
        let mut ticks = interval_at(Instant::now() + interval, interval);
        // A machine that slept has no readings of that time. Catching up would invent them.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = period.changed() => break,
            }
            let had_room = has_room;
            let reading = collector.read(unix_ms());
            feed.readings.send_modify(|count| *count += 1);
            has_room = readings.try_send(reading).is_ok();
            if had_room && !has_room {
                tracing::warn!(
                    waiting = READINGS_WAITING_MAX,
                    "too many readings wait for the outbox: sampling pauses"
                );
            }
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

/// Puts readings into the outbox until there are no more.
async fn keep(feed: &Feed, mut readings: mpsc::Receiver<Report>) {
    let mut missed: u64 = 0;
    while let Some(report) = readings.recv().await {
        let mut pushed = std::pin::pin!(feed.push(report));
        let pushed = match timeout(OUTBOX_PATIENCE, &mut pushed).await {
            Ok(pushed) => pushed,
            Err(_) => {
                let patience_s = OUTBOX_PATIENCE.as_secs();
                tracing::warn!(patience_s, "the spool's disk does not answer: readings wait in memory");
                let pushed = pushed.await;
                tracing::info!(waiting = readings.len(), "the spool's disk answers again");
                pushed
            }
        };
        match (&pushed, missed > 0) {
            (Ok(()), true) => tracing::info!(missed, "sampling continues: these readings were not kept"),
            (Err(PushError::Full), false) => {
                tracing::warn!("the outbox is full: sampling pauses until the hub has taken some");
            }
            (Err(PushError::Full), true) | (Ok(()), false) => {}
            (Err(error), _) => tracing::error!(%error, "a reading could not be kept"),
        }
        missed = if pushed.is_err() { missed + 1 } else { 0 };
    }
}
