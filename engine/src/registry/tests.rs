mod alerts;
mod competing;
mod shared;

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use windfire_wire::{Enrol, Hello, PROTOCOL_VERSION, RefuseReason, Up};

use crate::alert::channel::{ChannelEdit, ChannelKind, NewChannel};
use crate::alert::measure::Measure;
use crate::alert::rule::{Condition, NewRule, Operator, RuleEdit, Severity};
use crate::alert::silence::{NewSilence, SilenceEdit, Window};
use crate::error::ChangeError;
use crate::server::{NewServer, ServerEdit};
use crate::session::{Flow, Session};
use crate::store::StoreError;
use crate::token::{Enrolment, NewToken, Scopes};
use crate::user::{PasswordHash, Role, UserEdit};
use crate::{Engine, Options, Selection};

const NOW_S: i64 = 1_790_000_000;

fn engine() -> (TempDir, Engine) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = Engine::open(folder.path(), Options::default()).expect("a new store");
    (folder, engine)
}

fn reopened(folder: &TempDir, engine: Engine) -> Engine {
    drop(engine);
    Engine::open(folder.path(), Options::default()).expect("the store")
}

/// Lets no write succeed any more, or every one.
fn set_disk_full(engine: &Engine, is_full: bool) {
    let refuse = || Err(StoreError::DiskFull { folder: "data".into() });
    *engine.store().at_write.lock() = is_full.then(|| Box::new(refuse) as _);
}

/// A credential of the length that enrolment asks for.
fn credential(number: usize) -> String {
    format!("{number:032}")
}

fn wish(token: &str, number: usize) -> Enrolment {
    Enrolment { token: token.to_owned(), name: format!("machine-{number}"), credential: credential(number) }
}

fn hello(credential: String, enrol: Option<Enrol>) -> Up {
    Up::Hello(Hello {
        protocol: PROTOCOL_VERSION,
        credential,
        enrol,
        agent_version: String::new(),
        outbox_id: 1,
        clock: None,
    })
}

/// A rule that is right.
fn new_rule() -> NewRule {
    let condition = Condition { measure: Measure::Cpu, operator: Operator::Above, value: 90.0, clear: None };
    NewRule::of("busy", Severity::Warning, vec![condition])
}

/// A channel that is right.
fn new_channel() -> NewChannel {
    NewChannel::of("ops", ChannelKind::Slack { url: "https://hooks.example.org/secret".into() })
}

/// A silence that is right.
fn new_silence() -> NewSilence {
    let window = Window::Span { from_s: NOW_S, to_s: NOW_S + 60 };
    NewSilence { comment: String::new(), rules: vec![], tags: vec![], ids: vec![], window, by: "admin".into() }
}

/// Everything that loops ask of the registry.
fn ask_as_loops_do(engine: &Engine, cookie: &str, token: &str, enrol_token: &str, server: &str) {
    engine.registry().login_user(cookie, NOW_S);
    engine.registry().token_grant(token, NOW_S);
    engine.registry().user("admin");
    engine.registry().users();
    engine.registry().tokens();
    engine.registry().enrol_tokens();
    engine.registry().rules();
    engine.registry().channels();
    engine.registry().silences();
    engine.snapshot(Selection::All);
    engine.registry().server_count();
    engine.visit(|_, _| {});
    engine.store_failure();
    let open = |up| Session::new(String::new(), Box::new(|_| {})).on_frame(engine, up, NOW_S * 1000);
    open(hello(server.to_owned(), None)).expect("a known server");
    let enrol = Enrol { token: enrol_token.to_owned(), name: "new".into() };
    assert_eq!(open(hello(credential(99), Some(enrol))), Ok(Flow::Enrol));
}

#[test]
fn nobody_who_looks_waits_for_a_change_that_waits_for_the_disk() {
    type Change = fn(&Engine, &str);
    let changes: [(&str, Change); 25] = [
        ("add_login", |engine, _| drop(engine.registry().add_login(None, "admin".into(), NOW_S))),
        ("end_login", |engine, cookie| {
            engine.registry().end_login(cookie, true);
        }),
        ("store_uses", |engine, cookie| {
            engine.registry().login_user(cookie, NOW_S + 3600);
            drop(engine.registry().store_uses());
        }),
        ("edit_user", |engine, _| drop(engine.registry().edit_user(1, UserEdit::default(), None))),
        ("remove_user", |engine, _| drop(engine.registry().remove_user(2))),
        ("add_user", |engine, _| {
            drop(engine.registry().add_user("new".into(), Role::Viewer, PasswordHash::of_nobody(), NOW_S));
        }),
        ("add_token", |engine, _| drop(engine.registry().add_token(NewToken::of_v0("new"), NOW_S))),
        ("remove_token", |engine, _| drop(engine.registry().remove_token(1))),
        ("add_enrol_token", |engine, _| {
            drop(engine.registry().add_enrol_token(String::new(), String::new(), None, None, NOW_S));
        }),
        ("remove_enrol_token", |engine, _| drop(engine.registry().remove_enrol_token(2))),
        ("add_server", |engine, _| drop(engine.registry().add_server(NewServer::default(), NOW_S))),
        ("edit_server", |engine, _| drop(engine.registry().edit_server(1, ServerEdit::default()))),
        ("retag_servers", |engine, _| drop(engine.registry().retag_servers(&[1, 2], "tag"))),
        ("rotate_credential", |engine, _| drop(engine.registry().rotate_credential(2))),
        ("remove_servers", |engine, _| drop(engine.registry().remove_servers(&[2]))),
        ("mend_store", |engine, _| drop(engine.mend_store())),
        ("add_rule", |engine, _| drop(engine.registry().add_rule(new_rule(), NOW_S))),
        ("edit_rule", |engine, _| drop(engine.registry().edit_rule(6, RuleEdit::default()))),
        ("remove_rule", |engine, _| drop(engine.registry().remove_rule(6))),
        ("add_channel", |engine, _| drop(engine.registry().add_channel(new_channel(), NOW_S))),
        ("edit_channel", |engine, _| drop(engine.registry().edit_channel(1, ChannelEdit::default()))),
        ("remove_channel", |engine, _| drop(engine.registry().remove_channel(1))),
        ("add_silence", |engine, _| drop(engine.registry().add_silence(new_silence(), NOW_S))),
        ("edit_silence", |engine, _| drop(engine.registry().edit_silence(1, SilenceEdit::default()))),
        ("remove_silence", |engine, _| drop(engine.registry().remove_silence(1))),
    ];
    for (name, change) in changes {
        let (_folder, engine) = engine();
        for user in ["admin", "other"] {
            engine.registry().add_user(user.into(), Role::Admin, PasswordHash::of_nobody(), NOW_S).expect("room");
        }
        let cookie = engine.registry().add_login(None, "admin".into(), NOW_S).expect("room").cookie;
        let (_, token) = engine.registry().add_token(NewToken::of_v0(""), NOW_S).expect("room");
        let enrol_token =
            || engine.registry().add_enrol_token(String::new(), String::new(), None, None, NOW_S).expect("room").1;
        let (enrol_token, _) = (enrol_token(), enrol_token());
        let server = engine.registry().add_server(NewServer::default(), NOW_S).expect("room").credential;
        engine.registry().add_server(NewServer::default(), NOW_S).expect("room");
        assert_eq!(engine.registry().add_rule(new_rule(), NOW_S), Ok(6), "after those of a new hub");
        engine.registry().add_channel(new_channel(), NOW_S).expect("room");
        engine.registry().add_silence(new_silence(), NOW_S).expect("room");

        let (entered, is_writing) = channel();
        let (let_go, may_go) = channel::<()>();
        *engine.store().at_write.lock() = Some(Box::new(move || {
            entered.send(()).expect("awaited");
            may_go.recv().expect("let go");
            Ok(())
        }));
        thread::scope(|threads| {
            threads.spawn(|| change(&engine, &cookie));
            is_writing.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|_| panic!("{name} writes"));
            let (done, is_done) = channel();
            let (engine, cookie, token, enrol_token, server) = (&engine, &cookie, &token, &enrol_token, &server);
            threads.spawn(move || {
                ask_as_loops_do(engine, cookie, token, enrol_token, server);
                done.send(())
            });
            let answered = is_done.recv_timeout(Duration::from_secs(20));
            // All writes are released in any case. Otherwise a failed test would never end.
            (0..4).for_each(|_| let_go.send(()).expect("still writing"));
            answered.unwrap_or_else(|_| panic!("a loop waited for {name}"));
        });
    }
}

#[test]
fn a_thread_that_serves_many_is_refused_by_the_store() {
    let (_folder, engine) = engine();
    let asked = thread::scope(|threads| {
        let asking = threads.spawn(|| {
            crate::waits::never_here();
            engine.history().compact()
        });
        asking.join()
    });
    // A panic where faults are looked for, an error where people depend on it.
    assert!(if cfg!(debug_assertions) { asked.is_err() } else { asked.is_ok_and(|answer| answer.is_err()) });
    assert_eq!(engine.store_failure(), None);
    engine.history().compact().expect("other threads may");
}

#[test]
fn a_batch_of_enrolments_is_one_write_and_each_has_its_own_answer() {
    let (folder, engine) = engine();
    let enrol_token = |tag: &str, uses| {
        engine.registry().add_enrol_token(String::new(), tag.into(), uses, None, NOW_S).expect("room").1
    };
    let (few, many) = (enrol_token("few", Some(2)), enrol_token("many", None));
    let (_, expired) =
        engine.registry().add_enrol_token(String::new(), String::new(), None, Some(NOW_S), NOW_S).expect("room");
    let (writes, written) = channel();
    *engine.store().at_write.lock() = Some(Box::new(move || writes.send(()).map_err(|_| unreachable!())));
    let wishes = [
        wish(&few, 1),
        wish(&many, 2),
        // The same machine again: one server, one use.
        wish(&few, 1),
        wish(&few, 3),
        wish(&few, 4),
        wish("nobody's token", 5),
        wish(&expired, 6),
        Enrolment { name: "n".repeat(200), ..wish(&many, 7) },
        Enrolment { credential: "short".into(), ..wish(&many, 8) },
        wish(&many, 9),
    ];
    let answers = engine.registry().enrol(&wishes, NOW_S);
    let answers: Vec<Result<u64, RefuseReason>> =
        answers.into_iter().map(|answer| answer.map_err(|refusal| refusal.reason)).collect();
    use RefuseReason::{BadCredential, BadEnrolToken, Full};
    assert_eq!(
        answers,
        [
            Ok(1),
            Ok(2),
            Ok(1),
            Ok(3),
            Err(BadEnrolToken),
            Err(BadEnrolToken),
            Err(BadEnrolToken),
            Err(Full),
            Err(BadCredential),
            Ok(4)
        ]
    );
    assert_eq!(written.try_iter().count(), 1);
    let engine = reopened(&folder, engine);
    assert_eq!(engine.snapshot(Selection::Tag("few")).len(), 2);
    assert_eq!(engine.snapshot(Selection::Tag("many")).len(), 2);
    assert_eq!(engine.registry().enrol_tokens()[0].uses_left, Some(0));
    assert_eq!(engine.registry().enrol(&wishes[..1], NOW_S), [Ok(1)], "it is known by its credential");
}

#[test]
fn enrolments_that_are_not_stored_make_nothing_and_use_up_nothing() {
    let (folder, engine) = engine();
    let (_, token) =
        engine.registry().add_enrol_token(String::new(), String::new(), Some(3), None, NOW_S).expect("room");
    assert_eq!(engine.registry().enrol(&[wish(&token, 1)], NOW_S), [Ok(1)]);
    set_disk_full(&engine, true);
    let answers = engine.registry().enrol(&[wish(&token, 1), wish(&token, 2), wish("unknown", 3)], NOW_S);
    assert_eq!(answers[0], Ok(1));
    let reasons = answers[1..].iter().map(|answer| answer.as_ref().map_err(|refusal| refusal.reason));
    assert!(reasons.eq([Err(RefuseReason::Full), Err(RefuseReason::BadEnrolToken)]));
    assert_eq!((engine.registry().server_count(), engine.registry().enrol_tokens()[0].uses_left), (1, Some(2)));
    set_disk_full(&engine, false);
    assert!(engine.registry().enrol(&[wish(&token, 2)], NOW_S)[0].is_ok());
    let engine = reopened(&folder, engine);
    assert_eq!((engine.registry().server_count(), engine.registry().enrol_tokens()[0].uses_left), (2, Some(1)));
}

#[test]
fn a_full_disk_keeps_nobody_from_signing_in_and_out() {
    let (folder, engine) = engine();
    engine.registry().add_user("admin".into(), Role::Admin, PasswordHash::of_nobody(), NOW_S).expect("room");
    let sign_in = |engine: &Engine| engine.registry().add_login(None, "admin".into(), NOW_S).expect("room");
    let before = sign_in(&engine);
    assert!(before.is_stored);
    set_disk_full(&engine, true);
    let (kept, ended) = (sign_in(&engine), sign_in(&engine));
    assert!(!kept.is_stored && !ended.is_stored);
    let is_in = |engine: &Engine, cookie: &str| engine.registry().login_user(cookie, NOW_S + 1).is_some();
    assert!(is_in(&engine, &kept.cookie) && is_in(&engine, &ended.cookie));
    assert!(!engine.registry().end_login(&ended.cookie, false));
    assert!(!engine.registry().end_login(&before.cookie, false));
    assert!(!is_in(&engine, &ended.cookie) && !is_in(&engine, &before.cookie));
    assert!(engine.registry().store_uses().is_err());
    assert!(engine.store_failure().is_some_and(|reason| reason.contains("no space left")));

    set_disk_full(&engine, false);
    engine.registry().store_uses().expect("the disk is back");
    assert_eq!(engine.store_failure(), None);
    let engine = reopened(&folder, engine);
    assert!(is_in(&engine, &kept.cookie), "it was stored when the disk was back");
    assert!(!is_in(&engine, &ended.cookie) && !is_in(&engine, &before.cookie), "what ended stays so");
}

#[test]
fn renewed_logins_that_were_not_stored_are_the_next_time() {
    let (folder, engine) = engine();
    engine.registry().add_user("admin".into(), Role::Admin, PasswordHash::of_nobody(), NOW_S).expect("room");
    let cookie = engine.registry().add_login(None, "admin".into(), NOW_S).expect("room").cookie;
    let later_s = NOW_S + 6 * 86_400;
    engine.registry().login_user(&cookie, later_s).expect("signed in");
    set_disk_full(&engine, true);
    assert!(engine.registry().store_uses().is_err());
    set_disk_full(&engine, false);
    engine.registry().store_uses().expect("the disk is back");
    let engine = reopened(&folder, engine);
    assert!(engine.registry().login_user(&cookie, later_s + 6 * 86_400).is_some());
}

#[test]
fn a_login_of_a_user_who_is_gone_waits_for_nobody() {
    let (_folder, engine) = engine();
    let add_user = |name: &str| {
        engine.registry().add_user(name.into(), Role::Admin, PasswordHash::of_nobody(), NOW_S).expect("room")
    };
    add_user("admin");
    let id = add_user("bob");
    engine.registry().remove_user(id).expect("there");
    let login = engine.registry().add_login(None, "bob".into(), NOW_S);
    assert!(matches!(login, Err(ChangeError::NoUserNamed { .. })));
}

#[test]
fn any_write_that_fails_is_noticed_and_the_store_is_mended() {
    let (_folder, engine) = engine();
    set_disk_full(&engine, true);
    assert!(matches!(engine.registry().add_server(NewServer::default(), NOW_S), Err(ChangeError::Store(_))));
    assert!(engine.store_failure().is_some() && engine.poison_reason().is_none());
    assert!(engine.mend_store().is_err());
    assert!(engine.store_failure().is_some());
    set_disk_full(&engine, false);
    engine.mend_store().expect("the disk is back");
    assert_eq!(engine.store_failure(), None);
    engine.registry().add_server(NewServer::default(), NOW_S).expect("room");
}

#[test]
fn a_token_that_is_brought_along_is_long_visible_and_never_blank() {
    let (_folder, engine) = engine();
    let add = |text: &str| {
        let new = NewToken { text: Some(text.to_owned()), scopes: Scopes::V0, ..NewToken::of_v0("") };
        engine.registry().add_token(new, NOW_S)
    };
    let long = "x".repeat(1025);
    let refused = [
        "",
        " ",
        "                    ",
        "fifteen-letters",
        "sixteen letters!",
        "sixteen-letters\n",
        "ärger-im-paradies",
        &long,
    ];
    for text in refused {
        assert!(matches!(add(text), Err(ChangeError::BadTokenText { .. })), "{text:?}");
        assert_eq!(engine.registry().token_grant(text, NOW_S), None);
    }
    let (_, token) = add("sixteen-letters!").expect("long enough");
    assert!(engine.registry().token_grant(&token, NOW_S).is_some());
}
