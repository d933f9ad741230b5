//! A session and an engine, without a network.

use windfire_wire::{HelloClock, Host, PROTOCOL_VERSION, ReportDelta};

use super::*;
use crate::error::IssuedCredential;
use crate::intake::Position;
use crate::limits::{ASIDES_BURST_MAX, ASIDES_PER_S_MAX};
use crate::server::NewServer;
use crate::{Options, Selection};

/// Whether an ack became due with each of these frames: milliseconds, samples, asked for.
fn are_due<const N: usize>(frames: [(i64, usize, bool); N]) -> [bool; N] {
    let mut acks = Acks::default();
    frames.map(|(now_ms, samples, ack_now)| {
        let batch = Batch { first_sequence: 1, samples: vec![Sample::default(); samples], ack_now };
        acks.on_applied(&batch, Ticket { shard: 0, position: Position(1) }, 1, now_ms);
        acks.due.take().is_some()
    })
}

fn engine() -> (tempfile::TempDir, Engine) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = Engine::open(folder.path(), Options::default()).expect("a new store");
    (folder, engine)
}

fn hello(credential: &str, enrol: Option<Enrol>) -> Hello {
    let credential = credential.to_owned();
    Hello { protocol: PROTOCOL_VERSION, credential, enrol, agent_version: String::new(), outbox_id: 1, clock: None }
}

fn session() -> Session {
    Session::new(String::new(), Box::new(|_| {}))
}

fn open_session(engine: &Engine, credential: &str) -> (Session, Welcome) {
    let mut session = session();
    session.on_frame(engine, Up::Hello(hello(credential, None)), 0).expect("known");
    let Some(Down::Welcome(welcome)) = session.on_watermark(engine) else { panic!("no welcome") };
    (session, welcome)
}

/// Reports `count` times from that sequence number on.
fn report(session: &mut Session, engine: &Engine, first_sequence: u64, count: usize) -> Result<Flow, RefuseReason> {
    let reports = vec![ReportDelta::default(); count];
    let frame = Up::Reports(Reports { first_sequence, ack_now: false, reports });
    session.on_frame(engine, frame, 0).map_err(|refusal| refusal.reason)
}

#[test]
fn a_credential_that_is_changed_after_its_slot_was_found_opens_nothing() {
    let (_folder, engine) = engine();
    let IssuedCredential { id, credential } = engine.registry().add_server(NewServer::default(), 0).expect("room");
    let mut found_before = session();
    let slot = engine.registry().slot_by_credential(&credential).expect("known");
    let fresh = engine.registry().rotate_credential(id).expect("known").credential;
    let opened = found_before.open(&engine, slot, &hello(&credential, None), 0);
    assert_eq!(opened.map_err(|refusal| refusal.reason), Err(RefuseReason::BadCredential));
    assert!(found_before.on_watermark(&engine).is_none());
    // An agent that came with the new one in the meantime is not pushed out either.
    let (mut honest, _) = open_session(&engine, &fresh);
    let slot = engine.registry().slot_by_credential(&fresh).expect("known");
    assert!(session().open(&engine, slot, &hello(&credential, None), 0).is_err());
    assert_eq!(report(&mut honest, &engine, 1, 1), Ok(Flow::Read));
}

#[test]
fn an_address_that_changes_in_mid_session_is_the_one_that_is_shown() {
    let (_folder, engine) = engine();
    let IssuedCredential { credential, .. } = engine.registry().add_server(NewServer::default(), 0).expect("room");
    let shown = || engine.snapshot(Selection::All)[0].latest.facts.address.clone();
    let (mut session, _) = open_session(&engine, &credential);
    let move_to = |session: &mut Session, address: &str| session.on_peer_address(&engine, address.to_owned(), 0);
    move_to(&mut session, "192.0.2.1").expect("its own session");
    assert_eq!(shown(), "", "the agent has not said yet what it is");
    let host = |ip: &str| Up::Host(Box::new(Host { ip: ip.to_owned(), ..Host::default() }));
    session.on_frame(&engine, host(""), 0).expect("facts");
    assert_eq!(shown(), "192.0.2.1");
    move_to(&mut session, "2001:db8::1").expect("its own session");
    assert_eq!(shown(), "2001:db8::1");
    session.on_frame(&engine, host("198.51.100.1"), 0).expect("facts");
    move_to(&mut session, "192.0.2.2").expect("its own session");
    assert_eq!(shown(), "198.51.100.1", "an agent that names its own address knows it better");
    session.on_frame(&engine, host(""), 0).expect("facts");
    assert_eq!(shown(), "192.0.2.2", "the present one when it names none any more");
    let (_newer, _) = open_session(&engine, &credential);
    assert!(move_to(&mut session, "192.0.2.3").is_err(), "the server is another session's by now");
    assert_eq!(shown(), "192.0.2.2");
}

#[test]
fn an_enrolment_waits_outside_of_the_session() {
    let (_folder, engine) = engine();
    let (_, token) = engine.registry().add_enrol_token(String::new(), String::new(), Some(1), None, 0).expect("room");
    let greet = |token: &str, credential: &str| {
        let mut session = session();
        let enrol = Some(Enrol { token: token.to_owned(), name: "new".into() });
        let flow = session.on_frame(&engine, Up::Hello(hello(credential, enrol)), 0);
        (session, flow.map_err(|refusal| refusal.reason))
    };
    let own = "0123456789abcdef0123456789abcdef";
    let (mut session, flow) = greet(&token, own);
    assert_eq!((flow, engine.registry().server_count()), (Ok(Flow::Enrol), 0));
    assert!(!session.is_waiting() && session.on_watermark(&engine).is_none());
    let wish = session.enrolment().expect("a wish");
    let answer = engine.registry().enrol(&[wish], 0).remove(0);
    assert_eq!(session.enrolled(&engine, answer, 0), Ok(Flow::Read));
    assert!(matches!(session.on_watermark(&engine), Some(Down::Welcome(Welcome { server_id: 1, next: 1, .. }))));
    assert_eq!(report(&mut session, &engine, 1, 1), Ok(Flow::Read));
    // What can be refused at once does not wait: a token that is used up or unknown, a credential that is too short.
    assert_eq!(greet(&token, &own.replace('0', "1")).1, Err(RefuseReason::BadEnrolToken));
    assert_eq!(greet("unknown", &own.replace('0', "1")).1, Err(RefuseReason::BadEnrolToken));
    assert_eq!(greet(&token, "short").1, Err(RefuseReason::BadCredential));
    // The agent comes back and is known, with any token.
    assert_eq!(greet("unknown", own).1, Ok(Flow::Read));
}

#[test]
fn a_server_that_is_gone_when_its_enrolment_is_told_opens_nothing() {
    let (_folder, engine) = engine();
    let (_, token) = engine.registry().add_enrol_token(String::new(), String::new(), None, None, 0).expect("room");
    let mut session = session();
    let enrol = Some(Enrol { token, name: "new".into() });
    let hello = hello("0123456789abcdef0123456789abcdef", enrol);
    session.on_frame(&engine, Up::Hello(hello), 0).expect("may wait");
    assert_eq!(report(&mut session, &engine, 1, 1), Err(RefuseReason::BadFrame), "not before Welcome");
    let answer = engine.registry().enrol(&[session.enrolment().expect("a wish")], 0).remove(0);
    engine.registry().remove_servers(&[1]).expect("made");
    let told = session.enrolled(&engine, answer, 0);
    assert_eq!(told.map_err(|refusal| refusal.reason), Err(RefuseReason::BadCredential));
    let twice = session.enrolled(&engine, Ok(1), 0);
    assert_eq!(twice.map_err(|refusal| refusal.reason), Err(RefuseReason::BadFrame));
}

#[test]
fn numbers_far_beyond_those_before_are_refused_and_nothing_is_taken() {
    let (_folder, engine) = engine();
    let credential = engine.registry().add_server(NewServer::default(), 0).expect("room").credential;
    let taken = || engine.counters().reports_taken.get();
    for first in [SEQUENCE_MAX - 1, SEQUENCE_MAX / 2, SEQUENCE_JUMP_MAX + 1, SEQUENCE_JUMP_MAX] {
        let (mut session, welcome) = open_session(&engine, &credential);
        assert_eq!(welcome.next, 1);
        assert_eq!(report(&mut session, &engine, first, 2), Err(RefuseReason::BadFrame), "{first}");
        assert_eq!(taken(), 0);
    }
    // A gap within the limit is taken: a hub that was restored from a backup meets such numbers.
    let (mut session, _) = open_session(&engine, &credential);
    assert_eq!(report(&mut session, &engine, SEQUENCE_JUMP_MAX - 9, 1), Ok(Flow::Read));
    assert_eq!(report(&mut session, &engine, SEQUENCE_JUMP_MAX - 8, 2), Ok(Flow::Read));
    // All gaps of a session count together. A number that follows directly is no gap.
    assert_eq!(report(&mut session, &engine, SEQUENCE_JUMP_MAX + 4, 1), Err(RefuseReason::BadFrame));
    assert_eq!(report(&mut session, &engine, SEQUENCE_JUMP_MAX + 3, 1), Ok(Flow::Read));
    assert_eq!(report(&mut session, &engine, SEQUENCE_MAX - 1, 0), Ok(Flow::Read), "it only asks for an ack");
    assert_eq!(taken(), 4);
}

#[test]
fn frames_without_a_new_report_are_bounded_and_no_agent_is_refused_for_its_own() {
    let (_folder, engine) = engine();
    let credential = engine.registry().add_server(NewServer::default(), 0).expect("room").credential;
    // An agent whose clock steps before each report for an hour, and whose facts change every minute.
    let (mut honest, _) = open_session(&engine, &credential);
    for second in 0..3600i64 {
        let clock = Up::Clock(HelloClock { now_ms: second * 7000, uptime_ms: 1 });
        assert_eq!(honest.on_frame(&engine, clock, second * 1000), Ok(Flow::Read), "second {second}");
        if second % 60 == 0 {
            let host = Host { ip: second.to_string(), ..Host::default() };
            assert_eq!(honest.on_frame(&engine, Up::Host(Box::new(host)), second * 1000), Ok(Flow::Read));
        }
    }
    assert_eq!(report(&mut honest, &engine, 1, 1), Ok(Flow::Read));
    let reports = |count: usize| {
        Up::Reports(Reports { first_sequence: 1, ack_now: true, reports: vec![ReportDelta::default(); count] })
    };
    let asides = [Up::Clock(HelloClock::default()), Up::Host(Box::default()), reports(1), reports(0)];
    for aside in asides {
        engine.commit().expect("on disk");
        let (mut session, _) = open_session(&engine, &credential);
        let mut taken_at = |now_ms: i64| {
            let say = |_| session.on_frame(&engine, aside.clone(), now_ms);
            let said: Vec<Result<Flow, Refusal>> = (0..2 * ASIDES_BURST_MAX).map(say).collect();
            assert!(said.iter().flatten().all(|flow| *flow == Flow::Read));
            let refused = said.iter().find_map(|said| said.as_ref().err());
            assert_eq!(refused.map(|refusal| refusal.reason), Some(RefuseReason::BadFrame), "{aside:?}");
            said.iter().take_while(|said| said.is_ok()).count()
        };
        assert_eq!(taken_at(0), ASIDES_BURST_MAX as usize, "{aside:?}");
        // The hub would have ended the session. A share that was overdrawn is paid back first.
        assert!(taken_at(1000) <= ASIDES_PER_S_MAX as usize, "{aside:?}");
    }
}

#[test]
fn a_server_whose_numbers_are_used_up_is_refused_with_words_instead_of_an_impossible_welcome() {
    let (_folder, engine) = engine();
    let credential = engine.registry().add_server(NewServer::default(), 0).expect("room").credential;
    let progress = |last_sequence| {
        let slot = engine.registry().slot_by_credential(&credential).expect("known");
        slot.status.lock().restore_sequence(last_sequence);
    };
    progress(SEQUENCE_MAX - SEQUENCE_JUMP_MAX - 1);
    let (mut last, welcome) = open_session(&engine, &credential);
    assert_eq!(report(&mut last, &engine, welcome.next, 200), Ok(Flow::Read));
    for last_sequence in [SEQUENCE_MAX - SEQUENCE_JUMP_MAX, SEQUENCE_MAX - 1, SEQUENCE_MAX] {
        progress(last_sequence);
        let mut session = session();
        let refused = session.on_frame(&engine, Up::Hello(hello(&credential, None)), 0);
        let refusal = refused.expect_err("no number is left");
        assert_eq!(refusal.reason, RefuseReason::BadCredential);
        assert!(refusal.detail.contains("server 1") && refusal.detail.contains("add it again"), "{}", refusal.detail);
    }
}

#[test]
fn time_makes_an_ack_due_only_after_a_few_frames() {
    // One report per second: with the first frame after eight seconds.
    let each_second: [_; 9] = std::array::from_fn(|second| (second as i64 * 1000 + 1, 1, false));
    assert_eq!(are_due(each_second).iter().position(|is_due| *is_due), Some(8));
    // Ten samples every ten seconds: with every third frame.
    let full: [_; 7] = std::array::from_fn(|frame| (frame as i64 * 10_000, 10, false));
    assert_eq!(are_due(full), [false, false, true, false, false, true, false]);
}

#[test]
fn a_question_and_many_reports_make_an_ack_due_at_once() {
    assert_eq!(are_due([(1, 1, true), (2, 1, false), (3, 63, false), (4, 1, false)]), [true, false, true, false]);
}

#[test]
fn a_clock_that_was_set_back_silences_no_acks() {
    assert_eq!(are_due([(9000, 1, true), (1, 1, false), (2, 1, false), (3, 1, false)]), [true, false, false, true]);
}
