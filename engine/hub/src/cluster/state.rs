//! How a hub stands in its cluster: what its tasks note, and what pages, verbs and agents are told.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch::Receiver;
use windfire_cluster::limits::LEASE_TTL;
use windfire_cluster::{BrokerState, HubId, HubSeen, Progress, StreamState};
use windfire_engine::counters::Counter;
use windfire_engine::limits::SHARDS;

use super::copies::Copies;
use super::judge::Judge;
use super::lag::{Ends, Lag};
use crate::limits::{CUT_OFF_MIN, LAG_READY_MAX, REGISTRY_QUIET_MIN, REGISTRY_STALE_MIN};
use crate::moment::Moment;

/// How a hub stands in its cluster.
#[derive(Debug)]
pub(crate) struct State {
    /// The cluster's name.
    pub(crate) cluster: String,
    /// This hub.
    pub(crate) hub: HubId,
    /// The brokers as they were at the start.
    pub(crate) brokers: Vec<BrokerState>,
    /// The operator states that they sync each write.
    pub(crate) is_sync_stated: bool,
    /// What is unsafe and was allowed.
    pub(crate) warnings: Vec<String>,
    /// By number.
    pub(crate) partitions: Vec<Partition>,
    /// The registry, of which every hub has all.
    pub(crate) registry: Partition,
    /// When a message of a partition was applied.
    agent_heard: Moment,
    publish_us_total: Counter,
    standing: Mutex<Standing>,
    lease_until: Mutex<Option<Instant>>,
    hubs: Mutex<Vec<Hub>>,
    judge: Mutex<Judge>,
    copies: Mutex<Copies>,
    is_cut_off: AtomicBool,
    is_ready: AtomicBool,
    is_registry_stale: Arc<AtomicBool>,
}

/// What was found at the start.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) brokers: Vec<BrokerState>,
    pub(super) is_sync_stated: bool,
    pub(super) warnings: Vec<String>,
}

/// One stream: what this hub wrote into it, and what it took from it.
#[derive(Debug, Default)]
pub(crate) struct Partition {
    pub(crate) published: Counter,
    pub(crate) published_bytes: Counter,
    pub(crate) applied: Counter,
    pub(crate) applied_bytes: Counter,
    progress: OnceLock<Receiver<Progress>>,
    /// When the brokers stored the newest message that was applied, Unix milliseconds; 0 before the first.
    stored_ms: AtomicI64,
    ends: Mutex<Ends>,
}

/// What was seen at the last look.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    /// The broker to which there is a connection.
    pub(crate) broker: Option<String>,
    /// By partition. Empty before the first look.
    pub(crate) lags: Vec<Lag>,
    pub(crate) registry: Lag,
}

/// A hub of the cluster.
#[derive(Debug, Clone)]
pub(crate) struct Hub {
    pub(crate) id: HubId,
    revision: u64,
    /// When it was seen that the hub renewed its id.
    renewed: Instant,
}

impl Hub {
    /// How long ago it renewed its id, as far as it was seen.
    pub(crate) fn renewed_ago(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.renewed)
    }

    /// Whether it runs.
    pub(crate) fn runs(&self, now: Instant) -> bool {
        self.renewed_ago(now) < LEASE_TTL
    }
}

impl State {
    /// A hub that has seen nothing yet.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self::new("main".to_owned(), "a".parse().expect("an id"), Found::default(), Arc::default())
    }

    /// `is_registry_stale` is shared with those who must know it at once.
    pub(super) fn new(cluster: String, hub: HubId, found: Found, is_registry_stale: Arc<AtomicBool>) -> Self {
        let Found { brokers, is_sync_stated, warnings } = found;
        Self {
            cluster,
            hub,
            brokers,
            is_sync_stated,
            warnings,
            partitions: (0..SHARDS).map(|_| Partition::default()).collect(),
            registry: Partition::default(),
            agent_heard: Moment::default(),
            publish_us_total: Counter::default(),
            standing: Mutex::default(),
            lease_until: Mutex::default(),
            hubs: Mutex::default(),
            judge: Mutex::default(),
            copies: Mutex::default(),
            is_cut_off: AtomicBool::new(false),
            is_ready: AtomicBool::new(false),
            is_registry_stale,
        }
    }

    /// The follower of a partition says from now on how far it is.
    pub(super) fn watch(&self, partition: usize, progress: Receiver<Progress>) {
        if let Some(partition) = self.partitions.get(partition) {
            let _watched_once = partition.progress.set(progress);
        }
    }

    /// The follower of the registry says from now on how far it is.
    pub(super) fn watch_registry(&self, progress: Receiver<Progress>) {
        let _watched_once = self.registry.progress.set(progress);
    }

    /// A message of this hub is stored.
    pub(super) fn note_published(&self, partition: usize, bytes: usize, took: Duration) {
        if let Some(partition) = self.partitions.get(partition) {
            partition.published.add(1);
            partition.published_bytes.add(bytes as u64);
        }
        self.publish_us_total.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// A message of a partition is applied: some hub has heard an agent.
    pub(crate) fn note_applied(&self, partition: usize, bytes: usize, stored_ms: i64, now: Instant) {
        self.agent_heard.note(now);
        if let Some(partition) = self.partitions.get(partition) {
            partition.note_applied(bytes, stored_ms);
        }
    }

    /// How long ago the streams brought something of any agent, at whichever hub it is. `None` when they never did.
    pub(crate) fn agent_heard_ago(&self, now: Instant) -> Option<Duration> {
        self.agent_heard.ago(now)
    }

    /// A message of the registry's stream is applied.
    pub(super) fn note_registry(&self, bytes: usize, stored_ms: i64) {
        self.registry.note_applied(bytes, stored_ms);
    }

    /// This hub has its id until then.
    pub(super) fn hold_until(&self, until: Option<Instant>) {
        *self.lease_until.lock() = until;
    }

    /// Looks how far each follower is. `broker` is the one to which there is a connection.
    pub(super) fn look(&self, broker: Option<String>, now: Instant, now_ms: i64) {
        let lags: Vec<Lag> = self.partitions.iter().map(|partition| partition.lag(now, now_ms)).collect();
        let is_silent = |lag: &Lag| lag.silence.is_some_and(|silence| silence >= CUT_OFF_MIN);
        self.is_cut_off.store(lags.iter().all(is_silent), Ordering::Relaxed);
        let registry = self.registry.lag(now, now_ms);
        let is_silent = registry.silence.is_none_or(|silence| silence >= REGISTRY_STALE_MIN);
        self.is_registry_stale.store(is_silent || registry.time >= REGISTRY_STALE_MIN, Ordering::Relaxed);
        let standing = Standing { broker, lags, registry };
        self.is_ready.store(standing.why_not_ready().is_none(), Ordering::Relaxed);
        *self.standing.lock() = standing;
    }

    /// This hub judges alerts until then.
    pub(super) fn judge_until(&self, until: Instant, now: Instant) {
        self.judge.lock().hold(until, now);
    }

    /// Another hub judges alerts. `holder` is the hub and its process.
    pub(super) fn see_judge(&self, holder: &str) {
        self.judge.lock().see(holder);
    }

    /// Whether this hub is the one that judges alerts and tells people.
    pub(crate) fn is_judge(&self, now: Instant) -> bool {
        self.judge_term(now).is_some()
    }

    /// The number of the term in which this hub judges alerts, if it does: another one after each end of its lease.
    pub(crate) fn judge_term(&self, now: Instant) -> Option<u64> {
        self.judge.lock().term(now)
    }

    /// The hub that judges alerts, as far as this one knows.
    pub(crate) fn judge(&self, now: Instant) -> Option<String> {
        let judge = self.judge.lock();
        if judge.term(now).is_some() { Some(self.hub.to_string()) } else { judge.other().map(str::to_owned) }
    }

    /// Notes which hubs hold their ids.
    pub(super) fn see(&self, seen: Vec<HubSeen>, now: Instant) {
        let mut hubs = self.hubs.lock();
        let before = std::mem::take(&mut *hubs);
        let hub = |seen: HubSeen| {
            let known = before.iter().find(|hub| hub.id == seen.hub && hub.revision == seen.revision);
            Hub { renewed: known.map_or(now, |hub| hub.renewed), id: seen.hub, revision: seen.revision }
        };
        *hubs = seen.into_iter().map(hub).collect();
    }

    /// Notes how many copies the streams have.
    pub(super) fn count_copies(&self, streams: Vec<StreamState>) {
        self.copies.lock().count(streams);
    }

    /// The fewest copies that a stream has. `None` before the first look.
    pub(crate) fn copies(&self) -> Option<usize> {
        self.copies.lock().fewest()
    }

    /// The stream with the fewest copies, if it lacks one.
    pub(crate) fn missing_copies(&self) -> Option<String> {
        self.copies.lock().missing()
    }

    /// What was seen at the last look.
    pub(crate) fn standing(&self) -> Standing {
        self.standing.lock().clone()
    }

    /// The hubs of the cluster, sorted by id.
    pub(crate) fn hubs(&self) -> Vec<Hub> {
        self.hubs.lock().clone()
    }

    /// Time for which this hub has its id, unless it renews that.
    pub(crate) fn lease_left(&self, now: Instant) -> Duration {
        self.lease_until.lock().map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// Seconds that publishing took, in total.
    pub(crate) fn publish_s(&self) -> f64 {
        self.publish_us_total.get() as f64 / 1e6
    }

    /// Whether no broker was heard for so long that agents should go to another hub.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.is_cut_off.load(Ordering::Relaxed)
    }

    /// Whether what this hub shows is as new as what the others show.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Relaxed)
    }

    /// Why it is not.
    pub(crate) fn why_not_ready(&self) -> Option<String> {
        self.standing.lock().why_not_ready()
    }

    /// Whether this hub may not have heard for some seconds what another one has decided.
    pub(crate) fn is_registry_stale(&self) -> bool {
        self.is_registry_stale.load(Ordering::Relaxed)
    }

    /// The same, for those who look at it with every request.
    pub(crate) fn registry_staleness(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_registry_stale)
    }

    /// Whether this hub may lack a server that another one has made.
    pub(crate) fn is_registry_behind(&self, now: Instant) -> bool {
        let Some(progress) = self.registry.progress() else { return true };
        let silence = progress.heard.map(|at| now.saturating_duration_since(at.into_std()));
        progress.lag() > 0 || silence.is_none_or(|silence| silence >= REGISTRY_QUIET_MIN)
    }
}

impl Partition {
    /// The newest message that was applied.
    pub(crate) fn position(&self) -> u64 {
        self.progress().map_or(0, |progress| progress.applied)
    }

    fn progress(&self) -> Option<Progress> {
        self.progress.get().map(|progress| *progress.borrow())
    }

    fn note_applied(&self, bytes: usize, stored_ms: i64) {
        self.applied.add(1);
        self.applied_bytes.add(bytes as u64);
        self.stored_ms.store(stored_ms, Ordering::Relaxed);
    }

    fn lag(&self, now: Instant, now_ms: i64) -> Lag {
        let Some(progress) = self.progress() else { return Lag::default() };
        let stored_ms = Some(self.stored_ms.load(Ordering::Relaxed)).filter(|stored_ms| *stored_ms != 0);
        let age_ms = stored_ms.map(|stored_ms| now_ms.saturating_sub(stored_ms).max(0).unsigned_abs());
        self.ends.lock().look(&progress, now, age_ms.map(Duration::from_millis))
    }
}

impl Standing {
    fn why_not_ready(&self) -> Option<String> {
        let lags = || self.lags.iter().chain([&self.registry]);
        if self.lags.is_empty() || lags().any(|lag| lag.silence.is_none()) {
            return Some("the brokers have not said yet how far the streams are".to_owned());
        }
        let silence = lags().filter_map(|lag| lag.silence).max().unwrap_or_default();
        if silence >= LAG_READY_MAX {
            let silence_s = silence.as_secs();
            return Some(format!("the brokers were not heard for {silence_s} s: what comes in is not acknowledged"));
        }
        let time = lags().map(|lag| lag.time).max().unwrap_or_default();
        if time >= LAG_READY_MAX {
            let messages: u64 = lags().map(|lag| lag.messages).sum();
            let time_s = time.as_secs();
            let behind = format!("{time_s} s, or {messages} messages, behind its cluster");
            return Some(format!("this hub is {behind}: what it shows is old"));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;

    const NOW_MS: i64 = 1_790_000_000_000;

    fn progress(applied: u64, last: u64, heard: Instant) -> Progress {
        Progress { applied, last, heard: Some(heard.into()) }
    }

    /// A hub whose followers all are at that place. The last one is the registry's.
    fn followed(progress: Progress) -> (State, Vec<watch::Sender<Progress>>) {
        let state = State::sample();
        let senders = (0..=SHARDS).map(|stream| {
            let (sender, receiver) = watch::channel(progress);
            if stream == SHARDS {
                state.watch_registry(receiver);
            } else {
                state.watch(stream, receiver);
            }
            sender
        });
        let senders = senders.collect();
        (state, senders)
    }

    #[test]
    fn a_hub_is_ready_once_it_has_heard_of_every_stream_and_is_not_behind() {
        let now = Instant::now();
        let (state, senders) = followed(Progress { applied: 0, last: 0, heard: None });
        state.look(None, now, NOW_MS);
        assert!(!state.is_ready() && state.why_not_ready().is_some_and(|why| why.contains("have not said yet")));
        for sender in &senders[1..] {
            sender.send_replace(progress(5, 5, now));
        }
        state.look(None, now, NOW_MS);
        assert!(!state.is_ready(), "one stream is missing");
        senders[0].send_replace(progress(5, 9, now));
        state.look(None, now, NOW_MS);
        assert!(state.why_not_ready().is_some_and(|why| why.contains("4 messages")), "{:?}", state.why_not_ready());
        senders[0].send_replace(progress(9, 9, now));
        state.look(None, now, NOW_MS);
        assert!(state.is_ready() && !state.is_cut_off());
    }

    #[test]
    fn a_hub_that_lags_is_not_ready_whichever_clock_is_wrong_and_one_that_follows_is() {
        // The clock of this hub is an hour behind that of the brokers, right, and an hour ahead.
        for ahead_ms in [-3_600_000, 0, 3_600_000] {
            let begun = Instant::now();
            let (state, senders) = followed(progress(0, 0, begun));
            state.look(None, begun, NOW_MS);
            // A message comes each second, and under load there is always one more.
            let pass = |second: u64, applied: u64| {
                let (now, now_ms) = (begun + Duration::from_secs(second), NOW_MS + second.cast_signed() * 1000);
                for (partition, sender) in senders.iter().enumerate() {
                    let applied = if partition == 3 { applied } else { second - 1 };
                    sender.send_replace(progress(applied, second, now));
                    state.note_applied(partition, 1, now_ms - ahead_ms, now);
                }
                state.look(None, now, now_ms);
                state.why_not_ready()
            };
            for second in 1..=20 {
                assert_eq!(pass(second, second - 1), None, "second {second}, {ahead_ms} ms ahead");
            }
            // Message 21 came after the brokers had said that there are 20.
            for second in 21..=29 {
                assert_eq!(pass(second, 20), None, "second {second}, {ahead_ms} ms ahead");
            }
            let why = pass(30, 20).expect("it lags by ten seconds");
            // Each of the other streams has one more.
            let behind = format!("10 s, or {} messages, behind its cluster", 10 + SHARDS);
            assert!(why.contains(&behind), "{why}");
            assert!(pass(40, 25).is_some_and(|why| why.contains("15 s")), "it applies some, and still lags");
            assert_eq!(pass(41, 40), None, "{ahead_ms} ms ahead");
        }
    }

    #[test]
    fn brokers_that_fall_silent_are_told_and_agents_leave_only_when_all_streams_are_silent() {
        let now = Instant::now();
        let (state, senders) = followed(progress(5, 5, now));
        state.look(None, now, NOW_MS);
        let later = now + CUT_OFF_MIN;
        senders[0].send_replace(progress(5, 5, later));
        state.look(None, later, NOW_MS);
        assert!(state.why_not_ready().is_some_and(|why| why.contains("not heard")) && !state.is_cut_off());
        state.look(None, later + CUT_OFF_MIN, NOW_MS);
        assert!(state.is_cut_off());
        for sender in &senders {
            sender.send_replace(progress(5, 5, later + CUT_OFF_MIN));
        }
        state.look(None, later + CUT_OFF_MIN, NOW_MS);
        assert!(state.is_ready() && !state.is_cut_off());
    }

    #[test]
    fn a_hub_whose_id_is_not_renewed_does_not_run() {
        let (now, state) = (Instant::now(), State::sample());
        let seen = |id: &str, revision| HubSeen { hub: id.parse().expect("an id"), holder: String::new(), revision };
        state.see(vec![seen("a", 1), seen("b", 2)], now);
        let later = now + LEASE_TTL;
        state.see(vec![seen("a", 3), seen("b", 2)], later);
        let runs: Vec<(String, bool)> = state.hubs().iter().map(|hub| (hub.id.to_string(), hub.runs(later))).collect();
        assert_eq!(runs, [("a".to_owned(), true), ("b".to_owned(), false)]);
    }

    #[test]
    fn a_hub_that_lags_behind_the_registry_or_hears_nothing_of_it_knows_that() {
        let now = Instant::now();
        let (state, senders) = followed(progress(5, 5, now));
        let registry = &senders[SHARDS];
        state.look(None, now, NOW_MS);
        assert!(!state.is_registry_stale() && !state.is_registry_behind(now));
        assert!(state.is_registry_behind(now + REGISTRY_QUIET_MIN), "another hub may have made a server");
        registry.send_replace(progress(5, 6, now));
        state.look(None, now, NOW_MS);
        assert!(!state.is_registry_stale() && state.is_registry_behind(now));
        let later = now + REGISTRY_STALE_MIN + Duration::from_secs(1);
        registry.send_replace(progress(5, 7, later));
        state.look(None, later, NOW_MS);
        assert!(state.is_registry_stale(), "it hears of messages and does not apply them");
        registry.send_replace(progress(7, 7, later));
        state.look(None, later, NOW_MS);
        assert!(!state.is_registry_stale() && state.registry.position() == 7);
        state.look(None, later + REGISTRY_STALE_MIN, NOW_MS);
        assert!(state.is_registry_stale(), "silence");
    }
}
