//! The thread that tells people: takes notices that are due, sends them, and notes how that went.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Runtime;
use tokio::task::{JoinError, JoinSet, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, timeout};
use windfire_engine::alert::channel::{Channel, ChannelKind};
use windfire_engine::alert::notice::{Message, Notice, NoticeKind};
use windfire_engine::alert::state::AlertFilter;
use windfire_engine::alert::{DueNotice, SendFailure};
use windfire_engine::{Engine, Selection};
use windfire_outbound::{Facts, Outbound, SendError, next_try_ms};

use super::alertmanager::{Told, test_alert};
use super::wait_for_history;
use crate::clock::Clock;
use crate::cluster::State;
use crate::limits::{NOTICE_INTERVAL, NOTICE_STOP_TIMEOUT, SENDS_MAX, SHARE_SENT_INTERVAL};
use crate::pulse::Pulse;
use crate::threads::{Phase, Stop};

/// Sends with what it needs.
#[derive(Clone)]
pub(crate) struct NoticeThread {
    pub(crate) engine: Arc<Engine>,
    pub(crate) clock: Clock,
    pub(crate) outbound: Outbound,
    /// Where the panel is, for links.
    pub(crate) public_url: Option<String>,
    /// How the hub stands in its cluster. `None` if it is alone.
    pub(crate) cluster: Option<Arc<State>>,
    pub(crate) stop: Stop,
}

/// Something that was sent, or tried.
enum Done {
    Notice,
    /// To that channel.
    Alerts(u64, Told),
}

impl NoticeThread {
    /// Sends until the hub stops. What is under way then has a little time.
    pub(crate) fn run(self, runtime: Runtime, pulse: &Pulse) {
        if wait_for_history(&self.engine, &self.stop, pulse) {
            runtime.block_on(self.send_all(pulse));
        }
        // A name that is being looked up must not hold up the stop.
        runtime.shutdown_timeout(NOTICE_STOP_TIMEOUT);
    }

    async fn send_all(self, pulse: &Pulse) {
        let (mut sends, mut managers) = (JoinSet::new(), Managers::default());
        let (mut stop, mut ticks) = (self.stop.clone(), interval(NOTICE_INTERVAL));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut shared = Instant::now();
        loop {
            tokio::select! {
                () = stop.reached(Phase::Draining) => break,
                Some(done) = sends.join_next(), if !sends.is_empty() => managers.take_back(done),
                _ = ticks.tick() => {}
            }
            pulse.beat();
            let room = SENDS_MAX.saturating_sub(sends.len());
            if room > 0 && self.engine.alerts().notices_waiting() > 0 {
                pulse.beat_before_disk();
                for due in self.take_due(room).await {
                    if matches!(due.channel.kind, ChannelKind::Alertmanager { .. }) {
                        managers.due.insert(due.channel.id, due);
                    } else {
                        sends.spawn(self.clone().send(due));
                    }
                }
            }
            if self.cluster.is_some() && shared.elapsed() >= SHARE_SENT_INTERVAL {
                pulse.beat_before_disk();
                self.share_sent().await;
                shared = Instant::now();
            }
            pulse.beat();
            managers.begin(&self, self.is_judge(), &mut sends);
        }
        let rest = async { while sends.join_next().await.is_some() {} };
        if timeout(NOTICE_STOP_TIMEOUT, rest).await.is_err() {
            tracing::info!("messages under way are given up: the next start sends them");
        }
        // The hub that judges next would send them again.
        if self.cluster.is_some() && timeout(NOTICE_STOP_TIMEOUT, self.share_sent()).await.is_err() {
            tracing::info!("the other hubs do not know of the newest messages: they may be sent again");
        }
    }

    /// Tells the other hubs of the cluster what was sent. That waits for the brokers.
    async fn share_sent(&self) {
        let engine = Arc::clone(&self.engine);
        let shared = spawn_blocking(move || engine.alerts().share_sent()).await;
        if let Ok(Err(error)) = shared {
            tracing::debug!(%error, "the other hubs do not know yet what was sent");
        }
    }

    /// Whether this hub has the lease, if it is one of several.
    fn is_judge(&self) -> bool {
        self.cluster.as_ref().is_none_or(|cluster| cluster.is_judge(Instant::now()))
    }

    /// Notices that are due. That may wait for the disk, and sends under way must not. While another hub of the cluster
    /// judges, only tests are sent: somebody has asked this hub for them.
    async fn take_due(&self, max: usize) -> Vec<DueNotice> {
        let (thread, now_ms) = (self.clone(), (self.clock)());
        let take = move || thread.engine.alerts().due_notices_while(&|| thread.is_judge(), now_ms, max);
        spawn_blocking(take).await.unwrap_or_default()
    }

    async fn send(self, due: DueNotice) -> Done {
        let DueNotice { notice, channel, rule } = due;
        let message = notice.message(rule.as_deref(), self.link());
        let facts = self.facts_of(&message);
        let result = self.outbound.send(&message, &channel, facts.as_ref()).await;
        self.answer(&notice, &channel, result).await;
        Done::Notice
    }

    /// Tells an Alertmanager all alerts, and answers the notice that wanted it. Without `told`, another hub of the
    /// cluster does that, and only a test is sent.
    async fn send_alerts(self, channel: Arc<Channel>, notice: Option<Notice>, told: Option<Told>) -> Done {
        let (id, now_ms, link) = (channel.id, (self.clock)(), self.link());
        let engine = Arc::clone(&self.engine);
        let is_test = notice.as_ref().is_some_and(|notice| notice.kind == NoticeKind::Test);
        let all = spawn_blocking(move || {
            let is_judge = told.is_some();
            let alerts = if is_judge { engine.alerts().list(&AlertFilter::default(), now_ms) } else { Vec::new() };
            let mut told = told.unwrap_or_else(Told::nothing);
            let mut all = told.what(alerts, id, link.as_ref(), now_ms);
            all.extend(is_test.then(|| test_alert(link, now_ms)));
            (all, told)
        });
        // A runtime that ends takes no more work.
        let Ok((all, mut told)) = all.await else { return Done::Alerts(id, Told::nothing()) };
        let result = if all.is_empty() { Ok(()) } else { self.outbound.send_alerts(&all, &channel).await };
        told.note(Instant::now());
        match notice {
            Some(notice) => self.answer(&notice, &channel, result).await,
            None => {
                if let Err(SendError { text, .. }) = result {
                    tracing::debug!(channel = id, reason = text, "an Alertmanager was not told: it is told again soon");
                }
            }
        }
        Done::Alerts(id, told)
    }

    /// Notes how a send went.
    async fn answer(&self, notice: &Notice, channel: &Channel, result: Result<(), SendError>) {
        let (engine, now_ms, sequence) = (Arc::clone(&self.engine), (self.clock)(), notice.sequence);
        let failure = result.err().map(|SendError { text: why, retry }| {
            let retry_ms = next_try_ms(retry, notice.attempts, notice.created_ms, now_ms, fastrand::f64());
            SendFailure { now_ms, why, retry_ms }
        });
        if let Some(SendFailure { why, retry_ms, .. }) = &failure {
            let (name, kind) = (&channel.name, channel.kind.name());
            match retry_ms {
                None => tracing::warn!(channel = name, kind, reason = why, "a message was not sent, and is given up"),
                Some(_) if notice.attempts == 0 => {
                    tracing::warn!(channel = name, kind, reason = why, "a message was not sent: it is tried again");
                }
                Some(_) => tracing::debug!(channel = name, kind, reason = why, "a message was not sent again"),
            }
        }
        let noted = spawn_blocking(move || match failure {
            None => engine.alerts().sent(sequence, now_ms),
            Some(failure) => engine.alerts().failed(sequence, failure),
        });
        if let Ok(Err(error)) = noted.await {
            tracing::warn!(%error, "how a message was sent is not on disk: a start may send it again");
        }
    }

    fn link(&self) -> Option<String> {
        self.public_url.as_ref().map(|url| format!("{url}/alerts"))
    }

    /// The only server that a message names, as templates know it.
    fn facts_of(&self, message: &Message) -> Option<Facts> {
        let id = match &message.servers[..] {
            [server] if message.count == 1 && server.id != 0 => server.id,
            _ => return None,
        };
        let view = self.engine.snapshot(Selection::Ids(&[id])).pop()?;
        let has_reported = view.latest.last_active_ms.is_some();
        Some(Facts { record: view.record, latest: has_reported.then(|| Arc::new(view.latest)) })
    }
}

/// Channels that are Alertmanagers.
#[derive(Default)]
struct Managers {
    /// Those that are not being told at this moment.
    idle: HashMap<u64, Told>,
    busy: HashSet<u64>,
    /// Notices for them, one of a channel at most.
    due: HashMap<u64, DueNotice>,
}

impl Managers {
    fn take_back(&mut self, done: Result<Done, JoinError>) {
        if let Ok(Done::Alerts(id, told)) = done {
            self.busy.remove(&id);
            self.idle.insert(id, told);
        }
    }

    /// Begins to tell those whose time it is, or for which there is a notice.
    fn begin(&mut self, thread: &NoticeThread, is_judge: bool, sends: &mut JoinSet<Done>) {
        let mut channels = thread.engine.registry().channels();
        channels.retain(|channel| channel.enabled && matches!(channel.kind, ChannelKind::Alertmanager { .. }));
        if !is_judge {
            channels.clear();
        }
        self.idle.retain(|id, _| channels.iter().any(|channel| channel.id == *id));
        // A notice that was taken is answered, whatever has become of its channel since.
        channels.extend(self.due.values().map(|due| Arc::clone(&due.channel)));
        for channel in channels {
            let is_due = self.due.contains_key(&channel.id)
                || self.idle.get(&channel.id).is_none_or(|told| told.is_due(Instant::now()));
            if is_due && sends.len() < SENDS_MAX && self.busy.insert(channel.id) {
                let told = self.idle.remove(&channel.id).unwrap_or_else(Told::nothing);
                let told = Some(told).filter(|_| is_judge);
                let notice = self.due.remove(&channel.id).map(|due| due.notice);
                sends.spawn(thread.clone().send_alerts(channel, notice, told));
            }
        }
    }
}
