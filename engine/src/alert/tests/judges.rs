//! Two hubs of a cluster with the registry's stream between them: one judges, the other takes over, and people are at
//! either.

mod lapses;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::*;
use crate::alert::rule::RuleEdit;
use crate::alert::state::{AlertOptions, AlertState};
use crate::alert::{AlertView, SendFailure};
use crate::registry::FollowRegistry;
use crate::{Followed, Ledger, Member, Membership, Proposal, Proposed};

/// What happens before a proposal arrives.
type Rival = Box<dyn FnOnce() + Send>;

/// The registry's stream.
#[derive(Default)]
struct Stream(Mutex<Vec<Vec<u8>>>);

/// How one hub reaches it.
struct HubLedger {
    stream: Arc<Stream>,
    /// For each of the next proposals, if anything happens before it.
    rivals: Mutex<VecDeque<Option<Rival>>>,
    /// Whether proposals arrive without an answer, and the hub hears of nothing.
    is_deaf: Mutex<bool>,
}

struct Hub {
    folder: TempDir,
    engine: Arc<Engine>,
    ledger: Arc<HubLedger>,
}

struct Cluster {
    stream: Arc<Stream>,
    hubs: Vec<Hub>,
    time: AlertTime,
    sequence: u64,
    channel: u64,
    rule: u64,
}

impl Stream {
    /// Lets a hub follow to the end.
    fn bring(&self, from: u64, follow: &FollowRegistry<'_>) {
        let mut position = from;
        let get = |position: u64| self.0.lock().get(usize::try_from(position).expect("few") - 1).cloned();
        while let Some(message) = get(position) {
            assert_eq!(follow(position, &message), Ok(Followed::Applied), "message {position}");
            position += 1;
        }
    }

    fn len(&self) -> usize {
        self.0.lock().len()
    }
}

impl Ledger for HubLedger {
    fn propose(&self, proposal: &Proposal<'_>) -> Proposed {
        let rival = self.rivals.lock().pop_front().flatten();
        if let Some(act) = rival {
            act();
        }
        let is_next = {
            let mut messages = self.stream.0.lock();
            let is_next = messages.len() as u64 == proposal.expected;
            if is_next {
                messages.push(proposal.bytes.to_vec());
            }
            is_next
        };
        if *self.is_deaf.lock() {
            return Proposed::Unknown;
        }
        self.stream.bring(proposal.expected + 1, proposal.follow);
        if is_next { Proposed::Stored } else { Proposed::Overtaken }
    }

    fn patience(&self) -> Duration {
        Duration::ZERO
    }
}

fn open_hub(folder: &TempDir, ledger: &Arc<HubLedger>, member: Member) -> Arc<Engine> {
    let following = Some(Membership { member, ledger: Arc::clone(ledger) as _ });
    let alerts = AlertOptions { group_wait_ms: 0, group_interval_ms: 0, ..AlertOptions::default() };
    let options = Options { following, alerts, ..Options::default() };
    Arc::new(Engine::open(&folder.path().join("store"), options).expect("a store"))
}

impl Cluster {
    /// Two hubs, the first of which judges. Servers of these names are well, and there are a channel and a rule.
    fn new(names: impl Iterator<Item = String>) -> Self {
        let stream = Arc::new(Stream::default());
        let hub = |hub_id| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let ledger =
                HubLedger { stream: Arc::clone(&stream), rivals: Mutex::default(), is_deaf: Mutex::new(false) };
            let ledger = Arc::new(ledger);
            let engine = open_hub(&folder, &ledger, Member { hub_id, boot_id: 1 });
            Hub { folder, engine, ledger }
        };
        let hubs: Vec<Hub> = (0..2).map(hub).collect();
        let registry = hubs[0].engine.registry();
        names.for_each(|name| {
            drop(registry.add_server(NewServer { name, ..NewServer::default() }, 0).expect("room"));
        });
        let channel = NewChannel::of("ops", ChannelKind::Slack { url: "https://hooks.example.org/secret".into() });
        let channel = registry.add_channel(channel, 0).expect("room");
        let condition = Condition { measure: Measure::Cpu, operator: Operator::Above, value: 90.0, clear: None };
        let mut rule = NewRule::of("busy", Severity::Critical, vec![condition]);
        (rule.keep_s, rule.channels) = (0, vec![channel]);
        let rule = registry.add_rule(rule, 0).expect("a rule");
        let time = AlertTime { now_ms: START_MS, uptime_ms: 1_000_000 };
        let mut cluster = Self { stream, hubs, time, sequence: 0, channel, rule };
        cluster.bring(1);
        cluster.engine(0).alerts().take_over().expect("nobody else does");
        cluster.report_all(1.0);
        cluster.pass(0).expect("it judges");
        cluster
    }

    fn small() -> Self {
        Self::new((0..3).map(|number| format!("s{number}")))
    }

    fn engine(&self, hub: usize) -> &Engine {
        &self.hubs[hub].engine
    }

    /// Before the hub's next proposals but `after` arrive, the other hub does something.
    fn plan_rival(&self, hub: usize, after: usize, act: impl FnOnce(&Engine) + Send + 'static) {
        let other = Arc::clone(&self.hubs[1 - hub].engine);
        let mut rivals = self.hubs[hub].ledger.rivals.lock();
        rivals.extend((0..after).map(|_| None));
        rivals.push_back(Some(Box::new(move || act(&other))));
    }

    fn bring(&self, hub: usize) {
        let engine = self.engine(hub);
        let follow = |position: u64, message: &[u8]| engine.follow_registry(position, message);
        self.stream.bring(engine.registry_followed() + 1, &follow);
    }

    /// A server's report, which all hubs have.
    fn report(&mut self, id: u64, cpu: f64) {
        self.sequence += 1;
        let sample = Sample { time_ms: self.time.now_ms, cpu, ..Sample::default() };
        for hub in &self.hubs {
            let slot = hub.engine.registry().slot(id).expect("a server");
            slot.status.lock().replay(self.sequence, sample.clone(), self.time.now_ms);
        }
    }

    fn report_all(&mut self, cpu: f64) {
        let count = self.engine(0).registry().server_count() as u64;
        (1..=count).for_each(|id| self.report(id, cpu));
    }

    fn pass(&mut self, hub: usize) -> Result<Passed, ChangeError> {
        self.time.now_ms += PASS_MS;
        self.time.uptime_ms += PASS_MS;
        let outside = Outside { quiet_ms: Some(0), sessions: 3, ..Outside::default() };
        self.engine(hub).alerts().evaluate(self.time, &outside)
    }

    /// What that hub is to send now.
    fn due(&self, hub: usize) -> Vec<Notice> {
        let due = self.engine(hub).alerts().due_notices(self.time.now_ms, 100);
        due.into_iter().map(|due| due.notice).collect()
    }

    /// That hub sends what is due, and says so to the other.
    fn tell(&self, hub: usize) -> Vec<Notice> {
        let alerts = self.engine(hub).alerts();
        let due = self.due(hub);
        due.iter().for_each(|notice| alerts.sent(notice.sequence, self.time.now_ms).expect("noted"));
        alerts.share_sent().expect("nobody else is there");
        due
    }

    fn list(&self, hub: usize) -> Vec<AlertView> {
        self.engine(hub).alerts().list(&AlertFilter::default(), self.time.now_ms)
    }

    fn log(&self, hub: usize) -> Vec<AlertEvent> {
        self.engine(hub).alerts().log(i64::MIN, i64::MAX, &|_| true, usize::MAX).expect("readable")
    }

    fn events(&self, hub: usize) -> Vec<EventKind> {
        self.log(hub).iter().rev().map(|event| event.what).collect()
    }

    /// Both hubs follow to the end, and show the same.
    fn assert_equal(&self) {
        (0..2).for_each(|hub| self.bring(hub));
        assert_eq!(self.list(0), self.list(1));
        assert_eq!(self.log(0), self.log(1));
        let waiting = |hub: usize| self.engine(hub).alerts().notices_waiting();
        assert_eq!(waiting(0), waiting(1));
    }

    /// Ends a hub without a word, and starts it again.
    fn restart(&mut self, hub: usize, boot_id: u64) {
        let spare = tempfile::tempdir().expect("a temporary folder");
        let nothing = Arc::new(Engine::open(spare.path(), Options::default()).expect("a new store"));
        let of = &mut self.hubs[hub];
        of.ledger.rivals.lock().clear();
        // The folder is locked until the old one is gone.
        drop(std::mem::replace(&mut of.engine, nothing));
        of.engine = open_hub(&of.folder, &of.ledger, Member { hub_id: u32::try_from(hub).expect("few"), boot_id });
    }
}

fn kinds(notices: &[Notice]) -> Vec<(NoticeKind, u64)> {
    notices.iter().map(|notice| (notice.kind, notice.count)).collect()
}

#[test]
fn the_next_judge_continues_where_the_last_one_was() {
    let mut cluster = Cluster::small();
    cluster.report(1, 95.0);
    assert_eq!(cluster.pass(0).expect("it judges").fired, 1);
    assert_eq!(kinds(&cluster.tell(0)), [(NoticeKind::Firing, 1)]);
    cluster.assert_equal();
    assert_eq!(cluster.list(1).len(), 1);
    assert_eq!(cluster.pass(1), Err(ChangeError::Overtaken), "the other one judges");

    cluster.engine(1).alerts().take_over().expect("nobody is faster");
    for _ in 0..40 {
        // The others report too: servers that are away are another rule's.
        cluster.report_all(1.0);
        cluster.report(1, 95.0);
        assert_eq!(cluster.pass(1).map(|passed| passed.fired), Ok(0));
        assert!(cluster.tell(1).is_empty(), "it was told");
    }
    cluster.assert_equal();
    assert_eq!(cluster.pass(0), Err(ChangeError::Overtaken));
    assert!(cluster.engine(1).alerts().is_judge() && !cluster.engine(0).alerts().is_judge());
    cluster.report(1, 5.0);
    assert_eq!(cluster.pass(1).expect("it judges").resolved, 1);
    assert_eq!(kinds(&cluster.tell(1)), [(NoticeKind::Resolved, 1)]);
    cluster.assert_equal();
    assert_eq!((cluster.events(0), cluster.list(0).len()), (vec![EventKind::Fired, EventKind::Resolved], 0));

    // What is new is judged, and a hub that starts again knows all of it.
    cluster.report(2, 95.0);
    cluster.pass(1).expect("it judges");
    cluster.assert_equal();
    let listed = cluster.list(0);
    cluster.restart(0, 2);
    assert_eq!((cluster.list(0), cluster.engine(0).alerts().notices_waiting()), (listed, 1));
    cluster.engine(0).alerts().take_over().expect("nobody is faster");
    cluster.report(2, 95.0);
    assert_eq!(cluster.pass(0).expect("it judges").fired, 0);
    assert_eq!(kinds(&cluster.tell(0)), [(NoticeKind::Firing, 1)], "what waited is sent by the next one");
}

#[test]
fn what_was_pending_continues_and_all_hubs_show_it() {
    let mut cluster = Cluster::small();
    let edit = RuleEdit { for_s: Some(60), keep_s: Some(30), ..RuleEdit::default() };
    cluster.engine(0).registry().edit_rule(cluster.rule, edit).expect("a rule");
    let judge_for = |cluster: &mut Cluster, hub: usize, passes: usize, cpu: f64| {
        for _ in 0..passes {
            cluster.report(1, cpu);
            cluster.pass(hub).expect("it judges");
        }
        cluster.assert_equal();
        cluster.list(1 - hub).iter().map(|view| view.alert.state).collect::<Vec<_>>()
    };
    assert_eq!(judge_for(&mut cluster, 0, 7, 95.0), [AlertState::Pending]);
    cluster.engine(1).alerts().stand_by(cluster.time.now_ms).expect("readable");
    cluster.engine(1).alerts().take_over().expect("nobody is faster");
    assert_eq!(judge_for(&mut cluster, 1, 5, 95.0), [AlertState::Pending], "not yet a minute");
    assert_eq!(judge_for(&mut cluster, 1, 2, 95.0), [AlertState::Firing]);
    assert_eq!(judge_for(&mut cluster, 1, 1, 5.0), [AlertState::Clearing]);
    assert!(judge_for(&mut cluster, 1, 7, 5.0).is_empty());
}

#[test]
fn a_pass_does_not_count_behind_the_message_with_which_another_hub_took_over() {
    let mut cluster = Cluster::small();
    cluster.report(1, 95.0);
    cluster.plan_rival(0, 0, |other| other.alerts().take_over().expect("it is faster"));
    assert_eq!(cluster.pass(0), Err(ChangeError::Overtaken));
    cluster.assert_equal();
    assert_eq!((cluster.list(0).len(), cluster.log(0).len()), (0, 0));
    assert!(cluster.due(0).is_empty());
    cluster.report(1, 95.0);
    assert_eq!(cluster.pass(1).expect("it judges").fired, 1);
    assert_eq!(kinds(&cluster.tell(1)), [(NoticeKind::Firing, 1)]);
    cluster.assert_equal();
    assert_eq!(cluster.events(0), [EventKind::Fired]);
}

#[test]
fn a_pass_whose_fate_is_not_known_is_told_once() {
    let mut cluster = Cluster::small();
    cluster.report(1, 95.0);
    *cluster.hubs[0].ledger.is_deaf.lock() = true;
    assert_eq!(cluster.pass(0), Err(ChangeError::Undecided));
    *cluster.hubs[0].ledger.is_deaf.lock() = false;
    assert!(cluster.due(0).is_empty() && cluster.list(0).is_empty(), "nothing counts before it is followed");
    cluster.bring(0);
    let told = cluster.tell(0);
    for _ in 0..3 {
        cluster.report(1, 95.0);
        assert_eq!(cluster.pass(0).expect("it judges").fired, 0);
        assert!(cluster.tell(0).is_empty());
    }
    cluster.report(1, 5.0);
    assert_eq!(cluster.pass(0).expect("it judges").resolved, 1);
    assert_eq!(kinds(&told), [(NoticeKind::Firing, 1)]);
    assert_eq!(kinds(&cluster.tell(0)), [(NoticeKind::Resolved, 1)]);
    cluster.assert_equal();
}

#[test]
fn a_notice_whose_sending_is_not_shared_is_sent_again_under_the_same_key() {
    let mut cluster = Cluster::small();
    cluster.report(1, 95.0);
    cluster.pass(0).expect("it judges");
    let first = cluster.due(0);
    assert_eq!(first.len(), 1);
    cluster.bring(1);
    cluster.engine(1).alerts().take_over().expect("nobody is faster");
    let second = cluster.due(1);
    assert_eq!((second.len(), second[0].key()), (1, first[0].key()));
    // The first hub hears that it failed for now, then that it was sent. The other one need not send it any more.
    let failure = SendFailure { now_ms: cluster.time.now_ms, why: "away".into(), retry_ms: Some(cluster.time.now_ms) };
    let stored = cluster.stream.len();
    cluster.engine(0).alerts().failed(first[0].sequence, failure).expect("noted");
    assert_eq!(cluster.stream.len(), stored, "when it is tried again is of one hub only");
    cluster.engine(0).alerts().sent(first[0].sequence, cluster.time.now_ms).expect("noted");
    cluster.engine(0).alerts().share_sent().expect("it may say so");
    cluster.assert_equal();
    assert_eq!(cluster.engine(1).alerts().notices_waiting(), 0);
    cluster.bring(0);
    assert!(cluster.due(0).is_empty());
}

#[test]
fn alerts_that_join_later_are_not_lost_with_a_notice_that_was_being_sent() {
    let mut cluster = Cluster::small();
    cluster.report(1, 95.0);
    cluster.pass(0).expect("it judges");
    cluster.bring(1);
    // The other hub sends it, and has not said so when the first one judges again.
    cluster.engine(1).alerts().take_over().expect("nobody is faster");
    let sent = cluster.due(1);
    assert_eq!(kinds(&sent), [(NoticeKind::Firing, 1)]);
    cluster.engine(0).alerts().take_over().expect("nobody is faster");
    (1..=2).for_each(|id| cluster.report(id, 95.0));
    assert_eq!(cluster.pass(0).expect("it judges").fired, 1);
    cluster.engine(1).alerts().sent(sent[0].sequence, cluster.time.now_ms).expect("noted");
    cluster.engine(1).alerts().share_sent().expect("it may say so");
    cluster.bring(0);
    let told = cluster.tell(0);
    assert_eq!((told.len(), told[0].servers[0].id), (1, 2));
    assert_ne!(told[0].key(), sent[0].key());
}

#[test]
fn an_acknowledgement_at_any_hub_holds_at_all() {
    let mut cluster = Cluster::small();
    cluster.report(1, 95.0);
    cluster.pass(0).expect("it judges");
    cluster.tell(0);
    cluster.bring(1);
    // While the judge proposes what its pass has found.
    let (rule, now_ms) = (cluster.rule, cluster.time.now_ms);
    cluster.plan_rival(0, 0, move |other| other.alerts().acknowledge(rule, 1, "ada", now_ms).expect("it fires"));
    (1..=2).for_each(|id| cluster.report(id, 95.0));
    assert_eq!(cluster.pass(0), Err(ChangeError::Overtaken), "it was made of what was before");
    cluster.report(2, 95.0);
    assert_eq!(cluster.pass(0).expect("it judges").fired, 1);
    cluster.assert_equal();
    let by = |hub: usize| cluster.list(hub).into_iter().map(|view| view.alert.acknowledged_by).collect::<Vec<_>>();
    assert_eq!(by(0), [Some("ada".to_owned()), None]);
    cluster.engine(1).alerts().take_over().expect("nobody is faster");
    cluster.report(1, 95.0);
    cluster.pass(1).expect("it judges");
    assert_eq!(cluster.list(1)[0].alert.acknowledged_by.as_deref(), Some("ada"));
    assert_eq!(cluster.events(1), [EventKind::Fired, EventKind::Acknowledged, EventKind::Fired]);
    let none = cluster.engine(0).alerts().acknowledge(cluster.rule, 3, "ada", now_ms);
    assert!(matches!(none, Err(ChangeError::NoSuch { id: 3, .. })), "{none:?}");
}

#[test]
fn a_pass_that_finds_very_much_is_several_messages_and_each_alert_is_told_once() {
    const SERVERS: u64 = 2_000;
    // The longest names: rows of the log alone are more than a message.
    let mut cluster = Cluster::new((0..SERVERS).map(|number| format!("{number:04}{}", "\u{1f525}".repeat(124))));
    cluster.report_all(95.0);
    let before = cluster.stream.len();
    // After the first message, the other hub takes over.
    cluster.plan_rival(0, 1, |other| other.alerts().take_over().expect("it is faster"));
    assert_eq!(cluster.pass(0), Err(ChangeError::Overtaken));
    cluster.assert_equal();
    let found = cluster.list(1).len() as u64;
    println!("{found} of {SERVERS} alerts in {} messages", cluster.stream.len() - before - 1);
    assert!(found > 0 && found < SERVERS);
    let told = |notices: Vec<Notice>| notices.iter().map(|notice| notice.count).sum::<u64>();
    assert_eq!(told(cluster.tell(1)), found, "an alert and what is told of it are in one message");
    cluster.report_all(95.0);
    assert_eq!(cluster.pass(1).expect("it judges").fired as u64, SERVERS - found);
    assert_eq!(told(cluster.tell(1)), SERVERS - found);
    cluster.assert_equal();
    assert_eq!((cluster.list(0).len() as u64, cluster.log(0).len() as u64), (SERVERS, SERVERS));
}

#[test]
fn a_test_of_a_channel_is_of_the_hub_that_was_asked() {
    let cluster = Cluster::small();
    let (stored, now_ms) = (cluster.stream.len(), cluster.time.now_ms);
    for hub in 0..2 {
        (0..2).for_each(|_| cluster.engine(hub).alerts().test(cluster.channel, now_ms).expect("a channel"));
    }
    let due = |hub: usize| cluster.engine(hub).alerts().due_notices_while(&|| false, now_ms, 9);
    let (first, second) = (due(0), due(1));
    assert_eq!((first.len(), second.len()), (1, 1));
    let (first, second) = (&first[0].notice, &second[0].notice);
    assert_ne!(first.key(), second.key());
    cluster.engine(1).alerts().sent(second.sequence, now_ms).expect("noted");
    cluster.engine(1).alerts().share_sent().expect("nothing to share");
    assert_eq!((cluster.stream.len(), cluster.engine(1).alerts().notices_waiting()), (stored, 0));
    let failure = SendFailure { now_ms, why: "away".into(), retry_ms: None };
    cluster.engine(0).alerts().failed(first.sequence, failure).expect("noted");
    cluster.engine(0).alerts().share_sent().expect("nobody else is there");
    cluster.assert_equal();
    assert_eq!(cluster.events(1), [EventKind::Undelivered], "the log of all says that it was given up");
}
