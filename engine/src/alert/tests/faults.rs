//! What is told of a fault, and what is not.

use super::*;
use crate::alert::channel::ChannelEdit;
use crate::alert::rule::{RuleEdit, Scope};
use crate::alert::silence::{NewSilence, Window};
use crate::alert::{DueNotice, SendFailure};

const FIRING: NoticeKind = NoticeKind::Firing;
const RESOLVED: NoticeKind = NoticeKind::Resolved;

/// A world whose servers have all reported for longer than the grace.
fn settled(servers: usize) -> World {
    let mut world = World::new(servers);
    world.report_all(1.0);
    world.run(GRACE_MS / 1000 + 10, &world.ids());
    world
}

#[test]
fn a_server_that_falls_silent_is_told_once_and_so_is_its_return() {
    let mut world = settled(5);
    world.rule(Measure::Offline, 60.0, |_| {});
    let ids = world.ids();
    world.run(200, &ids[1..]);
    assert_eq!(world.told(), [(FIRING, 1, 0)]);
    assert_eq!(world.received[0].servers[0].id, ids[0]);
    world.run(60, &ids);
    assert_eq!(world.told(), [(FIRING, 1, 0), (RESOLVED, 1, 1)]);
    assert_eq!(world.events(), [EventKind::Fired, EventKind::Resolved]);
    assert_eq!(world.alerts(), 0);
}

#[test]
fn hundreds_at_once_are_one_message_and_their_return_is_another() {
    let mut world = settled(400);
    world.rule(Measure::Offline, 60.0, |_| {});
    let ids = world.ids();
    world.run(100, &ids[..10]);
    assert_eq!(world.told(), [(FIRING, 390, 0)]);
    let notice = &world.received[0];
    let counted: u64 = notice.by_tag.iter().map(|(_, count)| count).sum();
    assert_eq!((notice.servers.len(), counted, notice.dropped), (10, 380, 0));
    world.run(60, &ids);
    assert_eq!(world.told(), [(FIRING, 390, 0), (RESOLVED, 390, 390)]);
    assert_eq!(world.events().len(), 2 * 390);
}

#[test]
fn a_fault_that_ends_before_it_is_told_is_one_message() {
    let mut world = settled(1);
    world.rule(Measure::Cpu, 90.0, |_| {});
    let id = world.ids()[0];
    world.report(id, 95.0);
    world.run(5, &[id]);
    world.report(id, 5.0);
    world.run(60, &[id]);
    assert_eq!(world.told(), [(FIRING, 1, 1)]);
    assert!(world.received[0].servers[0].ended_ms.is_some());
}

#[test]
fn a_start_announces_nothing_again_and_fires_nothing_before_its_grace() {
    let mut world = settled(3);
    world.rule(Measure::Offline, 60.0, |_| {});
    let ids = world.ids();
    world.run(200, &ids[1..]);
    assert_eq!(world.told(), [(FIRING, 1, 0)]);
    // All were away for as long as the hub.
    world.restart(600_000);
    world.run(GRACE_MS / 1000 - 10, &[]);
    assert_eq!((world.told().len(), world.alerts()), (1, 1));
    world.run(60, &ids[2..]);
    // Of those that do not come back, the one that was told before is not told again.
    assert_eq!(world.told(), [(FIRING, 1, 0), (FIRING, 1, 0)]);
    assert_eq!(world.received[1].servers[0].id, ids[1]);
    world.run(100, &ids);
    assert_eq!(world.told()[2..], [(RESOLVED, 2, 2)]);
}

#[test]
fn what_was_pending_goes_on_after_a_short_stop_and_begins_anew_after_a_long_one() {
    for (away_ms, fires_after_s) in [(60_000, 135), (2 * 3_600_000, 305)] {
        let mut world = settled(1);
        world.rule(Measure::Cpu, 90.0, |rule| rule.for_s = 300);
        let id = world.ids()[0];
        world.report(id, 95.0);
        world.run(105, &[id]);
        world.restart(away_ms);
        let mut seconds = 0;
        while !world.events().contains(&EventKind::Fired) && seconds < 400 {
            world.run(5, &[id]);
            seconds += 5;
        }
        println!("{away_ms} ms away: fired after {seconds} s");
        assert!((fires_after_s - 5..=fires_after_s + 5).contains(&seconds), "{seconds} s");
    }
}

#[test]
fn rules_and_servers_that_change_close_their_alerts_without_a_message() {
    let mut world = settled(3);
    let ids = world.ids();
    let rule = world.rule(Measure::Cpu, 90.0, |_| {});
    let other = world.rule(Measure::Cpu, 80.0, |_| {});
    world.report_all(95.0);
    world.run(30, &ids);
    assert_eq!((world.told().len(), world.alerts()), (2, 6));
    let registry = world.engine().registry();
    registry.edit_rule(rule, RuleEdit { name: Some("renamed".into()), ..RuleEdit::default() }).expect("a rule");
    registry.remove_rule(other).expect("a rule");
    registry.remove_servers(&ids[..1]).expect("a server");
    world.reports.remove(&ids[0]);
    world.run(30, &ids[1..]);
    assert_eq!((world.told().len(), world.alerts()), (2, 2), "another name is no other rule");
    let clear = RuleEdit { for_s: Some(3600), ..RuleEdit::default() };
    world.engine().registry().edit_rule(rule, clear).expect("a rule");
    world.run(30, &ids[1..]);
    let closed: Vec<_> = world.log().into_iter().filter(|event| event.what == EventKind::Closed).collect();
    let mut notes: Vec<&str> = closed.iter().map(|event| event.note.as_str()).collect();
    notes.sort_unstable();
    let expected = ["rule changed", "rule changed", "rule removed", "rule removed", "rule removed", "server removed"];
    assert_eq!(notes, expected);
    assert!(closed.iter().all(|event| !event.rule_name.is_empty() && !event.server_name.is_empty()), "{closed:?}");
    assert_eq!(world.told().len(), 2);
}

#[test]
fn what_a_silence_kept_back_is_told_once_at_its_end() {
    let mut world = settled(2);
    let rule = world.rule(Measure::Cpu, 90.0, |_| {});
    let (from_s, to_s) = (world.time.now_ms / 1000, world.time.now_ms / 1000 + 300);
    let window = Window::Span { from_s, to_s };
    let silence =
        NewSilence { comment: String::new(), rules: vec![rule], tags: vec![], ids: vec![], window, by: "ada".into() };
    world.engine().registry().add_silence(silence, from_s).expect("room");
    let ids = world.ids();
    world.report_all(95.0);
    world.run(100, &ids);
    world.report(ids[1], 5.0);
    world.run(100, &ids);
    assert_eq!((world.told().len(), world.alerts()), (0, 1), "it is judged and shown all the same");
    world.run(300, &ids);
    assert_eq!(world.told(), [(FIRING, 1, 0)]);
    assert_eq!(world.received[0].servers[0].id, ids[0]);
}

#[test]
fn an_alert_is_repeated_until_somebody_knows_of_it() {
    let mut world = settled(1);
    let rule = world.rule(Measure::Cpu, 90.0, |rule| rule.repeat_s = 100);
    let id = world.ids()[0];
    world.report(id, 95.0);
    world.run(330, &[id]);
    assert_eq!(world.told(), [(FIRING, 1, 0); 4]);
    world.engine().alerts().acknowledge(rule, id, "ada", world.time.now_ms).expect("it fires");
    world.restart(10_000);
    world.report(id, 95.0);
    world.run(400, &[id]);
    assert_eq!(world.told().len(), 4);
    world.report(id, 5.0);
    world.run(80, &[id]);
    assert_eq!(world.told()[4..], [(RESOLVED, 1, 1)]);
    assert!(world.engine().alerts().acknowledge(rule, id, "ada", world.time.now_ms).is_err());
}

#[test]
fn a_server_that_is_away_says_nothing_new() {
    let mut world = settled(2);
    world.rule(Measure::Cpu, 90.0, |_| {});
    world.rule(Measure::Offline, 60.0, |_| {});
    let ids = world.ids();
    world.report(ids[0], 95.0);
    world.run(20, &ids);
    world.run(300, &ids[1..]);
    let expected = [EventKind::Fired, EventKind::Frozen, EventKind::Fired];
    assert_eq!(world.events(), expected);
    let views = world.engine().alerts().list(&AlertFilter::default(), world.time.now_ms);
    assert_eq!(views.iter().map(|view| view.is_suppressed).collect::<Vec<_>>(), [true, false]);
    world.report(ids[0], 5.0);
    world.run(100, &ids);
    assert_eq!(world.alerts(), 0);
    assert_eq!(world.told(), [(FIRING, 1, 0), (FIRING, 1, 0), (RESOLVED, 1, 1), (RESOLVED, 1, 1)]);
}

#[test]
fn a_server_that_never_reported_is_away_only_for_rules_that_say_so() {
    let mut world = World::new(1);
    let id = world.ids()[0];
    world.run(GRACE_MS / 1000 + 10, &[]);
    world.rule(Measure::Offline, 60.0, |_| {});
    let never = world.rule(Measure::Offline, 60.0, |rule| rule.never = true);
    world.run(30, &[]);
    let found: Vec<_> = world.log().iter().map(|event| (event.rule_id, event.server_id)).collect();
    assert_eq!(found, [(never, id)]);
}

#[test]
fn a_hub_that_was_cut_off_tells_that_and_nothing_of_its_servers() {
    let mut world = settled(30);
    let ids = world.ids();
    let isolated = world.engine().registry().rules().into_iter().find(|rule| rule.name == "Hub isolated");
    let channels = Some(vec![world.channel()]);
    let edit = RuleEdit { channels, ..RuleEdit::default() };
    world.engine().registry().edit_rule(isolated.expect("built in").id, edit).expect("a rule");
    world.rule(Measure::Offline, 60.0, |_| {});
    world.run(10, &ids);
    let from_ms = world.time.now_ms;
    for _ in 0..240 {
        world.outside.quiet_ms = Some(world.time.now_ms - from_ms);
        world.run(5, &[]);
    }
    assert_eq!(world.told(), [(FIRING, 1, 0)]);
    world.outside.quiet_ms = Some(0);
    world.run(300, &ids[2..]);
    // Two did not come back: the digest says so, and they are away.
    assert_eq!(world.told()[1..], [(NoticeKind::Isolated, 2, 0), (FIRING, 2, 0)]);
    let digest = &world.received[1];
    assert!((digest.since_ms - from_ms).abs() <= 2 * PASS_MS, "{} {from_ms}", digest.since_ms);
    let digested: Vec<u64> = digest.servers.iter().map(|server| server.id).collect();
    assert_eq!(digested, ids[..2]);
}

#[test]
fn the_end_of_a_cut_is_told_to_who_was_told_of_its_begin() {
    let mut world = settled(30);
    let ids = world.ids();
    // The hub's own rule has no channel.
    let own = world.rule(Measure::HubIsolated, 0.0, |_| {});
    world.outside.quiet_ms = Some(20_000);
    world.run(60, &[]);
    world.outside.quiet_ms = Some(0);
    world.run(300, &ids);
    assert_eq!(world.told(), [(FIRING, 1, 0), (NoticeKind::Isolated, 0, 0)]);
    assert!(world.received.iter().all(|notice| notice.rule_id == own));
}

#[test]
fn a_disk_that_refuses_loses_no_fault_and_is_told_itself() {
    let mut world = settled(2);
    let ids = world.ids();
    let failing = world.engine().registry().rules().into_iter().find(|rule| rule.name == "Commits failing");
    let failing = failing.expect("built in").id;
    let edit = RuleEdit { channels: Some(vec![world.channel()]), ..RuleEdit::default() };
    world.engine().registry().edit_rule(failing, edit).expect("a rule");
    let rule = world.rule(Measure::Cpu, 90.0, |_| {});
    world.report(ids[0], 95.0);
    REFUSED_AT.set(Some(WritePoint::Before));
    let mut told = Vec::new();
    for _ in 0..20 {
        world.wait(PASS_MS);
        world.report(ids[0], 95.0);
        assert!(world.pass().is_err());
        for due in world.engine().alerts().due_notices(world.time.now_ms, 9) {
            assert!(world.engine().alerts().sent(due.notice.sequence, world.time.now_ms).is_err());
            told.push(due.notice.rule_id);
        }
    }
    assert_eq!(told, [failing], "once, and only that");
    REFUSED_AT.set(None);
    world.run(200, &ids);
    let received: Vec<_> = world.received.iter().map(|notice| (notice.rule_id, notice.kind)).collect();
    assert_eq!(received, [(rule, FIRING), (failing, RESOLVED)]);
    // What was told without the disk is on it by now.
    world.restart(1_000);
    world.run(60, &ids);
    assert_eq!(world.received.len(), 2);
    let fired = world.log().into_iter().filter(|event| event.what == EventKind::Fired);
    assert_eq!(fired.map(|event| event.rule_id).collect::<Vec<_>>(), [failing, rule]);
}

#[test]
fn the_log_is_kept_for_its_days() {
    let mut world = settled(1);
    world.rule(Measure::Cpu, 90.0, |_| {});
    let id = world.ids()[0];
    for _ in 0..3 {
        world.report(id, 95.0);
        world.run(10, &[id]);
        world.report(id, 5.0);
        world.run(10, &[id]);
        world.wait(40 * 86_400_000);
    }
    world.report(id, 5.0);
    world.run(10, &[id]);
    // The first pair is 120 days old, the second 80.
    assert_eq!(world.events().len(), 4);
}

#[test]
fn what_is_more_than_a_channel_takes_in_a_minute_is_one_digest_that_counts_it() {
    let mut world = World::new(12);
    let channel = world.channel();
    let edit = ChannelEdit { messages_per_minute: Some(2), ..ChannelEdit::default() };
    world.engine().registry().edit_channel(channel, edit).expect("on disk");
    // Each server has a rule of its own, so that nothing is grouped.
    let ids = world.ids();
    for id in &ids {
        world.rule(Measure::Cpu, 90.0, |rule| rule.scope = Scope::Ids(vec![*id]));
    }
    world.report_all(99.0);
    world.run(120, &ids);
    let told = world.told();
    assert_eq!(told.iter().map(|(_, count, _)| count).sum::<u64>(), 12, "{told:?}");
    assert_eq!(told, [(NoticeKind::Firing, 1, 0), (NoticeKind::Digest, 11, 0)]);
    assert_eq!(world.engine().alerts().notices_waiting(), 0);
    // What comes within the same minute waits for its end.
    world.report_all(1.0);
    world.run(30, &ids);
    world.report_all(99.0);
    world.run(120, &ids);
    let counted: u64 = world.told().iter().map(|(_, count, _)| count).sum();
    println!("{:?}", world.told());
    assert_eq!(counted, 36);
    assert!(world.told().len() <= 6, "two in any minute: {:?}", world.told());
}

#[test]
fn an_alertmanager_is_told_all_by_one_notice() {
    let mut world = settled(12);
    let manager = NewChannel::of("am", ChannelKind::Alertmanager { url: "http://127.0.0.1:9093".into() });
    let channel = world.engine().registry().add_channel(manager, 0).expect("room");
    // Each server has a rule of its own, so that nothing is grouped.
    for id in world.ids() {
        world.rule(Measure::Cpu, 90.0, |rule| {
            (rule.scope, rule.channels) = (Scope::Ids(vec![id]), vec![channel]);
        });
    }
    for _ in 0..4 {
        world.wait(PASS_MS);
        world.report_all(99.0);
        world.pass().expect("a healthy disk");
    }
    let alerts = world.engine().alerts();
    assert_eq!(alerts.notices_waiting(), 12);
    let due = alerts.due_notices(world.time.now_ms, 9);
    let told: Vec<_> = due.iter().map(|due| (due.channel.id, due.notice.kind, due.notice.count)).collect();
    println!("{told:?}");
    assert_eq!(told, [(channel, NoticeKind::Digest, 12)]);
    assert_eq!(alerts.notices_waiting(), 1);
}

#[test]
fn a_clock_that_leaps_by_less_than_a_minute_makes_nobody_offline() {
    let mut world = settled(5);
    world.rule(Measure::Offline, 30.0, |_| {});
    let ids = world.ids();
    world.run(10, &ids);
    // All reported a moment ago, which the clock now says is long ago.
    world.time.now_ms += 45_000;
    world.run(5, &[]);
    assert_eq!((world.told().len(), world.alerts()), (0, 0));
    world.run(60, &ids);
    // A server that falls silent later is away all the same.
    world.run(100, &ids[1..]);
    assert_eq!(world.told(), [(FIRING, 1, 0)]);
}

#[test]
fn tests_of_a_channel_do_not_pile_up() {
    let world = World::new(1);
    let (alerts, channel, now_ms) = (world.engine().alerts(), world.channel(), world.time.now_ms);
    let test = || (0..50).for_each(|_| alerts.test(channel, now_ms).expect("on disk"));
    test();
    assert_eq!(alerts.notices_waiting(), 1);
    let due = alerts.due_notices(now_ms, 9);
    assert_eq!(due.len(), 1);
    // The one that is being sent may be of earlier settings.
    test();
    assert_eq!(alerts.notices_waiting(), 2);
    let failed = |due: &[DueNotice]| {
        for due in due {
            let failure = SendFailure { now_ms, why: "refused".into(), retry_ms: Some(now_ms + 60_000) };
            alerts.failed(due.notice.sequence, failure).expect("on disk");
        }
    };
    failed(&due);
    let next = alerts.due_notices(now_ms, 9);
    assert_eq!(next.len(), 1);
    failed(&next);
    assert!(alerts.due_notices(now_ms, 9).is_empty(), "both wait for a later try");
    test();
    assert_eq!((alerts.notices_waiting(), alerts.due_notices(now_ms, 9).len()), (2, 1));
}

#[test]
fn a_channel_that_is_removed_is_forgotten() {
    let world = World::new(1);
    let (alerts, channel, now_ms) = (world.engine().alerts(), world.channel(), world.time.now_ms);
    alerts.test(channel, now_ms).expect("on disk");
    alerts.due_notices(now_ms, 9).iter().for_each(|due| alerts.sent(due.notice.sequence, now_ms).expect("on disk"));
    assert_eq!(alerts.channel_health(channel).sent, 1);
    alerts.due_notices(now_ms, 9);
    assert_eq!(alerts.channel_health(channel).sent, 1, "it is still there");
    world.engine().registry().remove_channel(channel).expect("a channel");
    alerts.due_notices(now_ms, 9);
    assert_eq!(alerts.channel_health(channel).sent, 0);
}

#[test]
fn agents_that_are_seldom_heard_are_no_cut_and_hide_no_fault() {
    let mut world = settled(4);
    let isolated = world.rule(Measure::HubIsolated, 0.0, |_| {});
    let away = world.rule(Measure::Offline, 30.0, |_| {});
    let ids = world.ids();
    world.outside.sessions = 3;
    // The others report at one moment, every 11 seconds. At most passes the newest packet is some seconds old.
    let (mut second, mut fired_s) = (0, None);
    while second < 300 {
        world.wait(1_000);
        second += 1;
        if second % 11 == 0 {
            ids[1..].iter().for_each(|id| world.report(*id, 1.0));
        }
        world.outside.quiet_ms = Some(second % 11 * 1_000);
        // Passes that never meet the moment of the reports.
        if second % 11 == 10 {
            let fired = world.pass().expect("a healthy disk").fired;
            fired_s = fired_s.or((fired > 0).then_some(second));
        }
        world.receive();
    }
    println!("fired after {fired_s:?} s");
    assert!(fired_s.is_some_and(|second| (30..60).contains(&second)), "{fired_s:?}");
    let told: Vec<_> = world.received.iter().map(|notice| (notice.rule_id, notice.count)).collect();
    assert_eq!(told, [(away, 1)], "rule {isolated} says that the hub hears nobody");
}
