//! What a judge does after it was not one for a while, or does not know what has become of its proposals.

use super::*;
use crate::alert::channel::ChannelEdit;

impl Cluster {
    fn wait(&mut self, ms: i64) {
        self.time.now_ms += ms;
        self.time.uptime_ms += ms;
    }

    /// A pass of the first hub whose proposal arrives, and the hub hears of nothing.
    fn pass_unheard(&mut self) {
        *self.hubs[0].ledger.is_deaf.lock() = true;
        assert_eq!(self.pass(0), Err(ChangeError::Undecided));
        *self.hubs[0].ledger.is_deaf.lock() = false;
    }
}

#[test]
fn a_judge_that_takes_over_from_itself_gives_servers_time() {
    let mut cluster = Cluster::small();
    let condition = Condition { measure: Measure::Offline, operator: Operator::Above, value: 60.0, clear: None };
    let mut rule = NewRule::of("away", Severity::Critical, vec![condition]);
    (rule.keep_s, rule.channels) = (0, vec![cluster.channel]);
    cluster.engine(0).registry().add_rule(rule, 0).expect("a rule");
    for _ in 0..=GRACE_MS / PASS_MS {
        cluster.report_all(1.0);
        assert_eq!(cluster.pass(0).expect("it judges").fired, 0);
    }
    // The brokers are away, and the agents are sent away. No other hub can judge either.
    cluster.wait(300_000);
    assert!(cluster.engine(0).alerts().is_judge());
    cluster.engine(0).alerts().take_over().expect("nobody else does");
    for _ in 0..GRACE_MS / PASS_MS - 1 {
        assert_eq!(cluster.pass(0).expect("it judges").fired, 0);
    }
    cluster.report(1, 1.0);
    let fired: usize = (0..3).map(|_| cluster.pass(0).expect("it judges").fired).sum();
    assert_eq!(fired, 4, "two have not come back, by this rule and by that of the first start");
}

#[test]
fn a_notice_waits_while_a_pass_may_still_add_to_it() {
    let mut cluster = Cluster::small();
    cluster.report(1, 95.0);
    cluster.pass(0).expect("it judges");
    (1..=2).for_each(|id| cluster.report(id, 95.0));
    cluster.pass_unheard();
    assert!(cluster.due(0).is_empty(), "the message would add to what was sent");
    cluster.bring(0);
    assert_eq!(kinds(&cluster.tell(0)), [(NoticeKind::Firing, 2)]);
    cluster.assert_equal();
    assert_eq!(cluster.engine(0).alerts().notices_waiting(), 0);
}

#[test]
fn notices_go_on_after_a_proposal_that_was_lost() {
    let mut cluster = Cluster::small();
    cluster.report(1, 95.0);
    cluster.pass(0).expect("it judges");
    (1..=2).for_each(|id| cluster.report(id, 95.0));
    cluster.pass_unheard();
    drop(cluster.stream.0.lock().pop());
    // There is nothing new to propose any more.
    cluster.report(1, 95.0);
    cluster.report(2, 5.0);
    assert_eq!(cluster.pass(0).expect("it judges").fired, 0);
    assert_eq!(kinds(&cluster.tell(0)), [(NoticeKind::Firing, 1)]);
    cluster.assert_equal();
}

#[test]
fn a_notice_is_not_taken_by_a_hub_that_was_overtaken_while_it_made_room() {
    let mut cluster = Cluster::small();
    let edit = ChannelEdit { messages_per_minute: Some(1), ..ChannelEdit::default() };
    cluster.engine(0).registry().edit_channel(cluster.channel, edit).expect("a channel");
    // A fault and an end of an earlier one wait, and the channel takes one message: a digest is proposed.
    cluster.report(1, 95.0);
    cluster.pass(0).expect("it judges");
    cluster.tell(0);
    cluster.wait(120_000);
    cluster.report(1, 5.0);
    cluster.report(2, 95.0);
    cluster.pass(0).expect("it judges");
    assert_eq!(cluster.engine(0).alerts().notices_waiting(), 2);
    cluster.plan_rival(0, 0, |other| other.alerts().take_over().expect("it is faster"));
    assert!(cluster.due(0).is_empty(), "the other hub sends it");
    assert!(!cluster.due(1).is_empty());
}

#[test]
fn an_acknowledgement_at_another_hub_leaves_the_values_of_the_judge() {
    let mut cluster = Cluster::small();
    cluster.report(1, 95.0);
    cluster.pass(0).expect("it judges");
    cluster.bring(1);
    cluster.report(1, 99.0);
    cluster.pass(0).expect("it judges");
    let now_ms = cluster.time.now_ms;
    cluster.engine(1).alerts().acknowledge(cluster.rule, 1, "ada", now_ms).expect("it fires");
    cluster.bring(0);
    let listed = cluster.list(0);
    let alert = &listed[0].alert;
    assert_eq!((alert.acknowledged_by.as_deref(), alert.worst_value), (Some("ada"), Some(99.0)));
    assert_eq!(cluster.list(1)[0].alert.worst_value, Some(95.0), "only the judge knows it");
}

#[test]
fn a_message_that_is_given_up_is_in_the_log_once() {
    for is_lost in [false, true] {
        let mut cluster = Cluster::small();
        cluster.report(1, 95.0);
        cluster.pass(0).expect("it judges");
        let (due, now_ms) = (cluster.due(0), cluster.time.now_ms);
        let alerts = cluster.engine(0).alerts();
        let failure = SendFailure { now_ms, why: "away".into(), retry_ms: None };
        alerts.failed(due[0].sequence, failure).expect("noted");
        // The brokers do not answer. What they were told arrives, or does not.
        *cluster.hubs[0].ledger.is_deaf.lock() = true;
        assert_eq!(alerts.share_sent(), Err(ChangeError::Undecided));
        *cluster.hubs[0].ledger.is_deaf.lock() = false;
        if is_lost {
            drop(cluster.stream.0.lock().pop());
        }
        alerts.share_sent().expect("nobody else is there");
        cluster.assert_equal();
        assert_eq!(cluster.events(0), [EventKind::Fired, EventKind::Undelivered]);
        assert_eq!(alerts.notices_waiting(), 0);
    }
}
