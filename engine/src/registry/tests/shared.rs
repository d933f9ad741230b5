//! Hubs of a cluster with one registry, and its stream between them, in one process.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tempfile::TempDir;
use windfire_wire::Down;

use super::{NOW_S, hello, new_rule, set_disk_full, wish};
use crate::alert::rule::RuleEdit;
use crate::error::ChangeError;
use crate::limits::CHANGE_TRIES;
use crate::registry::{FollowRegistry, Ledger, Proposal, Proposed};
use crate::server::{NewServer, ServerEdit, ServerRecord};
use crate::session::Session;
use crate::slot::{Slot, shard_of};
use crate::status::Status;
use crate::token::{NewToken, Scopes};
use crate::user::{PasswordHash, Role, UserEdit};
use crate::{Engine, FollowError, Followed, Member, Membership, Options, Outcome, Selection};

/// What happens to a proposal.
enum Plan {
    /// Something else happens before it arrives.
    After(Box<dyn FnOnce() + Send>),
    /// It is stored, and nobody says so. Whether the hub follows.
    Unanswered { follows: bool },
    /// It does not arrive.
    Lost,
    /// It arrives later.
    Late,
}

/// The registry's stream, as one hub reaches it.
#[derive(Default)]
struct Stream {
    messages: Mutex<Vec<Vec<u8>>>,
    /// Proposals on their way: where each is to be stored.
    late: Mutex<Vec<(u64, Vec<u8>)>>,
}

struct HubLedger {
    stream: Arc<Stream>,
    plans: Mutex<VecDeque<Plan>>,
}

impl Stream {
    fn store(&self, expected: u64, bytes: &[u8]) -> Proposed {
        let mut messages = self.messages.lock();
        if messages.len() as u64 != expected {
            return Proposed::Overtaken;
        }
        messages.push(bytes.to_vec());
        Proposed::Stored
    }

    /// The message at a position, from 1.
    fn get(&self, position: u64) -> Option<Vec<u8>> {
        let index = usize::try_from(position).expect("few").checked_sub(1)?;
        self.messages.lock().get(index).cloned()
    }

    fn bring(&self, from: u64, follow: &FollowRegistry<'_>) {
        let mut position = from;
        while let Some(message) = self.get(position) {
            assert_eq!(follow(position, &message), Ok(Followed::Applied), "message {position}");
            position += 1;
        }
    }

    fn land_late(&self) -> Vec<Proposed> {
        self.late.lock().drain(..).map(|(expected, bytes)| self.store(expected, &bytes)).collect()
    }
}

impl Ledger for HubLedger {
    fn propose(&self, proposal: &Proposal<'_>) -> Proposed {
        let plan = self.plans.lock().pop_front();
        let (expected, bytes) = (proposal.expected, proposal.bytes);
        let (answer, follows) = match plan {
            Some(Plan::Lost) => return Proposed::Unknown,
            Some(Plan::Late) => {
                self.stream.late.lock().push((expected, bytes.to_vec()));
                return Proposed::Unknown;
            }
            Some(Plan::Unanswered { follows }) => {
                self.stream.store(expected, bytes);
                (Proposed::Unknown, follows)
            }
            Some(Plan::After(act)) => {
                act();
                (self.stream.store(expected, bytes), true)
            }
            None => (self.stream.store(expected, bytes), true),
        };
        if follows {
            self.stream.bring(expected + 1, proposal.follow);
        }
        answer
    }

    fn patience(&self) -> Duration {
        Duration::ZERO
    }
}

struct Hub {
    folder: TempDir,
    engine: Arc<Engine>,
    ledger: Arc<HubLedger>,
    id: u32,
}

struct Cluster {
    stream: Arc<Stream>,
    hubs: Vec<Hub>,
}

fn open(folder: &TempDir, ledger: &Arc<HubLedger>, (hub_id, boot_id): (u32, u64)) -> Arc<Engine> {
    let member = Member { hub_id, boot_id };
    let following = Some(Membership { member, ledger: Arc::clone(ledger) as _ });
    let options = Options { following, ..Options::default() };
    Arc::new(Engine::open(&folder.path().join("store"), options).expect("a store"))
}

impl Cluster {
    fn new() -> Self {
        let stream = Arc::new(Stream::default());
        let hub = |id| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let ledger = Arc::new(HubLedger { stream: Arc::clone(&stream), plans: Mutex::default() });
            let engine = open(&folder, &ledger, (id, 1));
            Hub { folder, engine, ledger, id }
        };
        let hubs = (0..2).map(hub).collect();
        Self { stream, hubs }
    }

    fn engine(&self, hub: usize) -> &Engine {
        &self.hubs[hub].engine
    }

    fn plan(&self, hub: usize, plan: Plan) {
        self.hubs[hub].ledger.plans.lock().push_back(plan);
    }

    /// Before the hub's next proposal arrives, the other one does something.
    fn plan_rival(&self, hub: usize, act: impl FnOnce(&Engine) + Send + 'static) {
        let other = Arc::clone(&self.hubs[1 - hub].engine);
        self.plan(hub, Plan::After(Box::new(move || act(&other))));
    }

    /// Lets a hub follow to the end.
    fn bring(&self, hub: usize) {
        let engine = self.engine(hub);
        let follow = |position: u64, message: &[u8]| engine.follow_registry(position, message);
        self.stream.bring(engine.registry_followed() + 1, &follow);
    }

    /// Both hubs follow to the end, and have the same.
    fn assert_equal(&self) {
        (0..2).for_each(|hub| self.bring(hub));
        assert_eq!(seen(self.engine(0)), seen(self.engine(1)));
    }

    /// Ends a hub without a word, and starts it again.
    fn restart(&mut self, hub: usize, boot_id: u64) {
        let spare = tempfile::tempdir().expect("a temporary folder");
        let nothing = Arc::new(Engine::open(spare.path(), Options::default()).expect("a new store"));
        let of = &mut self.hubs[hub];
        // The folder is locked until the old one is gone.
        of.ledger.plans.lock().clear();
        drop(std::mem::replace(&mut of.engine, nothing));
        of.engine = open(&of.folder, &of.ledger, (of.id, boot_id));
    }
}

/// Everything that people decide.
pub(super) fn seen(engine: &Engine) -> Vec<String> {
    let registry = engine.registry();
    let servers = engine.snapshot(Selection::All).into_iter().map(|view| format!("{:?}", view.record));
    let mut seen: Vec<String> = servers.collect();
    seen.extend(registry.tokens().iter().map(|token| format!("{token:?}")));
    seen.extend(registry.enrol_tokens().iter().map(|token| format!("{token:?}")));
    seen.extend(registry.users().iter().map(|user| format!("{user:?}")));
    seen.extend(registry.rules().iter().map(|rule| format!("{rule:?}")));
    seen.extend(registry.channels().iter().map(|channel| format!("{channel:?}")));
    seen.extend(registry.silences().iter().map(|silence| format!("{silence:?}")));
    seen
}

fn named(name: &str) -> NewServer {
    NewServer { name: name.to_owned(), ..NewServer::default() }
}

fn names(engine: &Engine) -> Vec<String> {
    engine.snapshot(Selection::All).iter().map(|view| view.record.name.clone()).collect()
}

#[test]
fn what_is_changed_on_any_hub_is_on_all_and_whoever_changed_it_sees_it() {
    let cluster = Cluster::new();
    let (first, second) = (cluster.engine(0).registry(), cluster.engine(1).registry());
    assert_eq!(first.add_server(named("a"), NOW_S).expect("room").id, 1);
    assert_eq!((names(cluster.engine(0)), names(cluster.engine(1))), (vec!["a".to_owned()], vec![]));
    cluster.bring(1);
    assert_eq!(second.add_server(named("b"), NOW_S).expect("room").id, 2, "ids go on where the other hub was");
    let edit = ServerEdit { note: Some("rack 4".into()), ..ServerEdit::default() };
    assert_eq!(second.edit_server(1, edit).expect("there").note, "rack 4");
    second.retag_servers(&[1, 2], "eu").expect("there");
    let rotated = second.rotate_credential(2).expect("there").credential;
    cluster.bring(0);
    assert!(first.slot_by_credential(&rotated).is_some_and(|slot| slot.id == 2));
    let (token, text) = first.add_token(NewToken { scopes: Scopes::V0, ..NewToken::of_v0("") }, NOW_S).expect("room");
    let (enrol_token, _) = first.add_enrol_token(String::new(), String::new(), None, None, NOW_S).expect("room");
    let user = first.add_user("ada".into(), Role::Admin, PasswordHash::of_nobody(), NOW_S).expect("room");
    first.begin_rules(NOW_S).expect("room");
    let rule = first.add_rule(new_rule(), NOW_S).expect("room");
    let channel = first.add_channel(super::new_channel(), NOW_S).expect("room");
    let silence = first.add_silence(super::new_silence(), NOW_S).expect("room");
    first.edit_rule(rule, RuleEdit { channels: Some(vec![channel]), ..RuleEdit::default() }).expect("right");
    cluster.assert_equal();
    second.begin_rules(NOW_S).expect("nothing to do");
    assert_eq!(second.rules().len(), 6, "a hub that joins does not bring the rules of a new one");
    assert!(second.token_grant(&text, NOW_S).is_some());
    let bob = second.add_user("bob".into(), Role::Viewer, PasswordHash::of_nobody(), NOW_S).expect("room");
    assert_eq!(bob, user + 1);
    second.remove_user(bob).expect("there");
    second.remove_token(token).expect("there");
    second.remove_enrol_token(enrol_token).expect("there");
    second.remove_rule(rule).expect("there");
    second.remove_channel(channel).expect("no rule names it any more");
    second.remove_silence(silence).expect("there");
    second.remove_servers(&[1]).expect("there");
    cluster.assert_equal();
    assert!(first.token_grant(&text, NOW_S).is_none() && first.rules().len() == 5 && first.server_count() == 1);
    assert_eq!(first.add_server(named("c"), NOW_S).expect("room").id, 3, "no id is given out twice");
}

#[test]
fn whoever_is_overtaken_makes_the_change_again_from_the_newer_state() {
    let cluster = Cluster::new();
    let (first, second) = (cluster.engine(0).registry(), cluster.engine(1).registry());
    cluster.plan_rival(0, |other| {
        assert_eq!(other.registry().add_server(named("faster"), NOW_S).expect("room").id, 1);
    });
    assert_eq!(first.add_server(named("slower"), NOW_S).expect("room").id, 2);
    cluster.assert_equal();
    assert_eq!(names(cluster.engine(1)), ["faster", "slower"]);
    // A token for one server, and an agent at each hub that brings it.
    let (_, token) = first.add_enrol_token(String::new(), String::new(), Some(1), None, NOW_S).expect("room");
    cluster.bring(1);
    let of_rival = token.clone();
    cluster.plan_rival(0, move |other| {
        assert_eq!(other.registry().enrol(&[wish(&of_rival, 1)], NOW_S), [Ok(3)]);
    });
    let answers = first.enrol(&[wish(&token, 2), wish(&token, 1)], NOW_S);
    assert!(answers[0].is_err() && answers[1] == Ok(3), "{answers:?}");
    // What somebody read is not what is there any more.
    let version = first.server(1).expect("there").version();
    cluster.plan_rival(0, |other| {
        let edit = ServerEdit { name: Some("other".into()), ..ServerEdit::default() };
        other.registry().edit_server(1, edit).expect("there");
    });
    let edit = ServerEdit { name: Some("mine".into()), version: Some(version), ..ServerEdit::default() };
    assert_eq!(first.edit_server(1, edit), Err(ChangeError::Changed { what: "server", id: 1 }));
    // The last two administrators remove each other.
    let ada = second.add_user("ada".into(), Role::Admin, PasswordHash::of_nobody(), NOW_S).expect("room");
    let bob = second.add_user("bob".into(), Role::Admin, PasswordHash::of_nobody(), NOW_S).expect("room");
    cluster.bring(0);
    cluster.plan_rival(0, move |other| other.registry().remove_user(bob).expect("there"));
    assert_eq!(first.remove_user(ada), Err(ChangeError::LastAdmin));
    cluster.assert_equal();
}

#[test]
fn a_change_is_tried_five_times_and_then_nothing_is_changed() {
    let cluster = Cluster::new();
    for number in 0..CHANGE_TRIES {
        cluster.plan_rival(0, move |other| {
            other.registry().add_server(named(&format!("rival {number}")), NOW_S).expect("room");
        });
    }
    let registry = cluster.engine(0).registry();
    assert_eq!(registry.add_server(named("unlucky"), NOW_S), Err(ChangeError::Overtaken));
    cluster.assert_equal();
    assert_eq!(registry.server_count(), CHANGE_TRIES);
    assert_eq!(registry.add_server(named("lucky"), NOW_S).expect("room").id, CHANGE_TRIES as u64 + 1);
}

#[test]
fn a_change_whose_answer_was_lost_is_there_once_or_never() {
    let cluster = Cluster::new();
    let registry = cluster.engine(0).registry();
    // The follower meets it: that is an answer, too.
    cluster.plan(0, Plan::Unanswered { follows: true });
    assert_eq!(registry.add_server(named("a"), NOW_S).expect("stored").id, 1);
    // It is stored, and this hub does not hear of it for a while.
    cluster.plan(0, Plan::Unanswered { follows: false });
    assert_eq!(registry.add_server(named("b"), NOW_S), Err(ChangeError::Undecided));
    assert_eq!(names(cluster.engine(0)), ["a"]);
    // It is behind: what it proposes next is overtaken by its own change.
    assert_eq!(registry.add_server(named("c"), NOW_S).expect("room").id, 3);
    assert_eq!(names(cluster.engine(0)), ["a", "b", "c"]);
    cluster.plan(0, Plan::Lost);
    assert_eq!(registry.add_server(named("never"), NOW_S), Err(ChangeError::Undecided));
    assert_eq!(registry.add_server(named("d"), NOW_S).expect("room").id, 4, "its id was given to nobody");
    // On its way for so long that another change is in its place.
    cluster.plan(0, Plan::Late);
    assert_eq!(registry.add_server(named("never"), NOW_S), Err(ChangeError::Undecided));
    assert_eq!(registry.add_server(named("e"), NOW_S).expect("room").id, 5);
    assert_eq!(cluster.stream.land_late(), [Proposed::Overtaken]);
    cluster.plan(0, Plan::Late);
    assert_eq!(registry.add_server(named("f"), NOW_S), Err(ChangeError::Undecided));
    assert_eq!(cluster.stream.land_late(), [Proposed::Stored]);
    cluster.assert_equal();
    assert_eq!(names(cluster.engine(1)), ["a", "b", "c", "d", "e", "f"]);
}

#[test]
fn a_hub_that_starts_again_goes_on_where_its_store_ends() {
    let mut cluster = Cluster::new();
    cluster.engine(0).registry().add_server(named("a"), NOW_S).expect("room");
    cluster.restart(0, 2);
    assert_eq!((cluster.engine(0).registry_followed(), names(cluster.engine(0))), (1, vec!["a".to_owned()]));
    // A write that fails stores neither a change nor its position, and shows nothing.
    cluster.bring(1);
    let first = cluster.stream.get(1).expect("stored");
    assert_eq!(cluster.engine(0).follow_registry(1, &first), Ok(Followed::Known));
    cluster.engine(0).registry().add_server(named("b"), NOW_S).expect("room");
    let message = cluster.stream.get(2).expect("stored");
    set_disk_full(cluster.engine(1), true);
    assert!(matches!(cluster.engine(1).follow_registry(2, &message), Err(FollowError::Store(_))));
    assert_eq!((cluster.engine(1).registry_followed(), names(cluster.engine(1))), (1, vec!["a".to_owned()]));
    cluster.restart(1, 2);
    assert_eq!((cluster.engine(1).registry_followed(), names(cluster.engine(1))), (1, vec!["a".to_owned()]));
    cluster.assert_equal();
    cluster.restart(1, 3);
    assert_eq!(cluster.engine(1).registry().add_server(named("c"), NOW_S).expect("room").id, 3);
    cluster.assert_equal();
}

#[test]
fn a_message_of_the_registry_that_does_not_fit_changes_nothing() {
    let cluster = Cluster::new();
    cluster.engine(0).registry().add_server(named("a"), NOW_S).expect("room");
    let (message, other) = (cluster.stream.get(1).expect("stored"), cluster.engine(1));
    assert_eq!(other.follow_registry(2, &message), Err(FollowError::RegistryGap { followed: 0, found: 2 }));
    let mut newer = message.clone();
    newer[0] += 1;
    assert_eq!(other.follow_registry(1, &newer), Err(FollowError::NewerFormat { found: 2, supported: 1 }));
    for at in 0..message.len() {
        let mut damaged = message.clone();
        damaged[at] ^= 0x40;
        assert!(other.follow_registry(1, &damaged).is_err(), "byte {at}");
        assert!(other.follow_registry(1, &message[..at]).is_err(), "{at} bytes");
    }
    assert_eq!((other.registry_followed(), other.registry().server_count()), (0, 0));
    assert_eq!(other.follow_registry(1, &message), Ok(Followed::Applied));
    assert_eq!(other.follow_registry(1, &message), Ok(Followed::Known));
    let (_folder, alone) = super::engine();
    assert_eq!((alone.follow_registry(1, &message), alone.registry_followed()), (Err(FollowError::Alone), 0));
}

#[test]
fn a_change_that_no_message_has_room_for_is_refused() {
    let cluster = Cluster::new();
    let registry = cluster.engine(0).registry();
    let name = "n".repeat(100);
    // In memory only: so many changes would take long.
    let record = {
        let id = registry.add_server(named(&name), NOW_S).expect("room").id;
        registry.server(id).expect("there")
    };
    for id in 2..10_000 {
        let record = ServerRecord { id, ..ServerRecord::clone(&record) };
        registry.servers.write().by_id.insert(id, Arc::new(Slot::new(record, Status::default())));
    }
    let ids: Vec<u64> = (1..10_000).collect();
    assert!(matches!(registry.retag_servers(&ids, "eu"), Err(ChangeError::TooLarge { .. })));
    assert_eq!(cluster.stream.messages.lock().len(), 1);
    registry.retag_servers(&ids[..1000], "eu").expect("fewer at once");
}

#[test]
fn a_message_about_a_server_waits_until_the_hub_knows_the_server() {
    let cluster = Cluster::new();
    let (first, second) = (cluster.engine(0), cluster.engine(1));
    let made = first.registry().add_server(named("a"), NOW_S).expect("room");
    let partition = shard_of(made.id);
    let mut session = Session::new(String::new(), Box::new(|_| {}));
    session.on_frame(first, hello(made.credential, None), NOW_S * 1000).expect("a known server");
    let message = first.next_message(partition).expect("a marker");
    first.settled(partition, message.number, Outcome::Stored);
    assert_eq!(second.follow(partition, 1, &message.bytes), Ok(Followed::Waits));
    assert_eq!((second.followed(partition), second.counters().reports_of_no_server.get()), (0, 0));
    cluster.bring(1);
    for engine in [first, second] {
        assert_eq!(engine.follow(partition, 1, &message.bytes), Ok(Followed::Applied));
    }
    assert!(matches!(session.on_watermark(first), Some(Down::Welcome(welcome)) if welcome.server_id == made.id));
    assert_eq!(
        first.registry().slot(made.id).map(|slot| slot.status.lock().session()),
        second.registry().slot(made.id).map(|slot| slot.status.lock().session())
    );
    // The server is removed. One hub hears of its next session before that, the other one after it.
    let mut next = Session::new(String::new(), Box::new(|_| {}));
    let credential = first.registry().rotate_credential(made.id).expect("there").credential;
    next.on_frame(first, hello(credential, None), NOW_S * 1000).expect("a known server");
    let message = first.next_message(partition).expect("a marker");
    cluster.bring(1);
    second.registry().remove_servers(&[made.id]).expect("there");
    assert_eq!(first.follow(partition, 2, &message.bytes), Ok(Followed::Applied));
    assert_eq!(second.follow(partition, 2, &message.bytes), Ok(Followed::Applied));
    cluster.assert_equal();
    assert_eq!((first.registry().server_count(), first.followed(partition)), (0, second.followed(partition)));
}

#[test]
fn logins_are_on_all_hubs_and_their_uses_are_not() {
    let cluster = Cluster::new();
    let (first, second) = (cluster.engine(0).registry(), cluster.engine(1).registry());
    let user = first.add_user("ada".into(), Role::Admin, PasswordHash::of_nobody(), NOW_S).expect("room");
    let sign_in = || first.add_login(None, "ada".into(), NOW_S).expect("room");
    let login = sign_in();
    assert!(login.is_stored);
    cluster.bring(1);
    let messages = || cluster.stream.messages.lock().len();
    let before = messages();
    assert!(second.login_user(&login.cookie, NOW_S + 3600).is_some());
    second.store_uses().expect("room");
    assert_eq!(messages(), before);
    // The brokers are away: the user gets in, on this hub.
    cluster.plan(0, Plan::Lost);
    let kept = sign_in();
    assert!(!kept.is_stored && first.login_user(&kept.cookie, NOW_S).is_some());
    first.store_uses().expect("room");
    assert_eq!(messages(), before);
    cluster.bring(1);
    assert!(second.login_user(&kept.cookie, NOW_S).is_none());
    // Signing out, too.
    cluster.plan(0, Plan::Lost);
    assert!(!first.end_login(&login.cookie, false));
    assert!(first.login_user(&login.cookie, NOW_S).is_none() && second.login_user(&login.cookie, NOW_S).is_some());
    first.share_logins().expect("the brokers are back");
    cluster.bring(1);
    assert!(second.login_user(&login.cookie, NOW_S).is_none() && second.login_user(&kept.cookie, NOW_S).is_some());
    first.share_logins().expect("nothing to tell");
    assert_eq!(messages(), before + 1);
    // A login that only one hub knows ends with a new password, wherever that is set.
    cluster.plan(0, Plan::Lost);
    let hidden = sign_in();
    second.edit_user(user, UserEdit::default(), None).expect("there");
    cluster.bring(0);
    assert!(first.login_user(&hidden.cookie, NOW_S).is_none() && first.login_user(&kept.cookie, NOW_S).is_none());
    cluster.assert_equal();
}
