use super::*;

fn above(measure: Measure, value: f64) -> Condition {
    Condition { measure, operator: Operator::Above, value, clear: None }
}

fn below(measure: Measure, value: f64, clear: Option<f64>) -> Condition {
    Condition { measure, operator: Operator::Below, value, clear }
}

/// A rule that is right.
fn rule() -> Rule {
    NewRule::of("disk", Severity::Warning, vec![above(Measure::Disk, 90.0)]).into_rule(1, 0)
}

/// What is said of a rule; nothing when it is right.
fn said(rule: &Rule) -> String {
    rule.check().err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn bounds_are_on_their_sides_and_the_bound_itself_is_good() {
    let disk = Condition { clear: Some(85.0), ..above(Measure::Disk, 90.0) };
    let judged = |condition: &Condition, values: [f64; 4]| {
        values.map(|value| (condition.is_bad(value), condition.is_clear(value)))
    };
    let (bad, between, good) = ((true, false), (false, false), (false, true));
    assert_eq!(judged(&disk, [90.1, 90.0, 85.1, 85.0]), [bad, between, between, good]);
    assert_eq!(judged(&above(Measure::Disk, 90.0), [90.1, 90.0, 85.1, 0.0]), [bad, good, good, good]);
    let free = below(Measure::HubDiskFree, 10.0, Some(15.0));
    assert_eq!(judged(&free, [9.9, 10.0, 14.9, 15.0]), [bad, between, between, good]);
}

#[test]
fn rules_at_their_limits_are_taken() {
    let limits = Rule {
        name: "n".repeat(NAME_CHARS_MAX),
        note: "n".repeat(NOTE_CHARS_MAX),
        when: vec![above(Measure::Load1, f64::MAX); CONDITIONS_MAX],
        for_s: FOR_S_MAX,
        share: 0.5,
        keep_s: KEEP_S_MAX,
        repeat_s: REPEAT_S_MAX,
        scope: Scope::Ids((1..=RULE_IDS_MAX as u64).collect()),
        except_ids: (1..=RULE_IDS_MAX as u64).collect(),
        channels: (1..=CHANNELS_MAX as u64).collect(),
        ..rule()
    };
    assert_eq!(said(&limits), "");
    let others = [
        Rule { scope: Scope::Tags(vec![String::new(); RULE_TAGS_MAX]), ..rule() },
        Rule { repeat_s: REPEAT_S_MIN, keep_s: 0, ..rule() },
        Rule { when: vec![above(Measure::Rebooted, 0.0)], ..rule() },
        Rule { when: vec![above(Measure::HubIsolated, 0.0), below(Measure::HubDiskFree, 10.0, Some(15.0))], ..rule() },
        Rule { when: vec![above(Measure::Offline, 12.0)], never: true, ..rule() },
        Rule { when: vec![below(Measure::Cpu, 0.0, Some(100.0))], ..rule() },
        Rule { when: vec![below(Measure::TcpConn, -1.0, None)], ..rule() },
    ];
    others.iter().for_each(|rule| assert_eq!(said(rule), ""));
}

#[test]
fn a_wrong_field_is_named_with_its_value() {
    let with = |condition: Condition| Rule { when: vec![above(Measure::Cpu, 1.0), condition], ..rule() };
    let clear = |clear: f64| Condition { clear: Some(clear), ..above(Measure::Disk, 90.0) };
    for (wrong, words) in [
        (Rule { name: " ".to_owned(), ..rule() }, &["name: it is empty", "rule"][..]),
        (Rule { name: "n".repeat(NAME_CHARS_MAX + 1), ..rule() }, &["name of 129", "128"]),
        (Rule { note: "n".repeat(NOTE_CHARS_MAX + 1), ..rule() }, &["note of 1025", "1024"]),
        (Rule { when: vec![], ..rule() }, &["when: 0 conditions", "1 to 8"]),
        (Rule { when: vec![above(Measure::Cpu, 1.0); CONDITIONS_MAX + 1], ..rule() }, &["when: 9 conditions"]),
        (with(above(Measure::Load1, f64::NAN)), &["when[1].value: NaN"]),
        (with(above(Measure::Load1, f64::INFINITY)), &["when[1].value: inf"]),
        (with(above(Measure::Mem, 101.0)), &["when[1].value: 101", "0 to 100", "mem"]),
        (with(clear(-1.0)), &["when[1].clear: -1"]),
        (with(clear(f64::NAN)), &["when[1].clear: NaN"]),
        (with(clear(95.0)), &["when[1].clear: 95", "disk > 90", "90 or below"]),
        (with(below(Measure::Load1, 1.0, Some(0.5))), &["when[1].clear: 0.5", "load1 < 1", "1 or above"]),
        (with(above(Measure::Rebooted, 1.0)), &["when[1].value: 1", "rebooted"]),
        (with(below(Measure::AddressChanged, 0.0, None)), &["when[1].value: 0", "address_changed"]),
        (with(above(Measure::Offline, 11.9)), &["when[1].value: 11.9", "offline", "at least 12"]),
        (with(below(Measure::Offline, 60.0, None)), &["when[1].op: ", "offline"]),
        (with(above(Measure::HubIsolated, 0.0)), &["when: ", "two rules"]),
        (Rule { for_s: FOR_S_MAX + 1, ..rule() }, &["for_s: 604801", "604800"]),
        (Rule { for_s: 1, ..with(above(Measure::Rebooted, 0.0)) }, &["for_s: 1", "write 0"]),
        (Rule { share: 0.49, ..rule() }, &["share: 0.49", "0.5 to 1"]),
        (Rule { share: f64::NAN, ..rule() }, &["share: NaN"]),
        (Rule { keep_s: KEEP_S_MAX + 1, ..rule() }, &["keep_s: 86401"]),
        (Rule { repeat_s: REPEAT_S_MIN - 1, ..rule() }, &["repeat_s: 59", "60 to 604800"]),
        (Rule { repeat_s: REPEAT_S_MAX + 1, ..rule() }, &["repeat_s: 604801"]),
        (Rule { scope: Scope::Tags(vec![]), ..rule() }, &["scope.tags: "]),
        (Rule { scope: Scope::Tags(vec![String::new(); RULE_TAGS_MAX + 1]), ..rule() }, &["scope.tags: 65 tags", "64"]),
        (Rule { scope: Scope::Tags(vec!["t".repeat(NAME_CHARS_MAX + 1)]), ..rule() }, &["tag of 129"]),
        (Rule { scope: Scope::Ids(vec![]), ..rule() }, &["scope.ids: "]),
        (Rule { scope: Scope::Ids(vec![1; RULE_IDS_MAX + 1]), ..rule() }, &["scope.ids: 10001 servers"]),
        (Rule { except_ids: vec![1; RULE_IDS_MAX + 1], ..rule() }, &["except_ids: 10001 servers"]),
        (Rule { channels: vec![1; CHANNELS_MAX + 1], ..rule() }, &["channels: 101 channels", "100"]),
        (Rule { never: true, ..rule() }, &["never: ", "offline"]),
        (
            Rule { when: vec![above(Measure::HubIsolated, 0.0)], scope: Scope::Ids(vec![1]), ..rule() },
            &["scope: ", "about no server"],
        ),
        (Rule { when: vec![above(Measure::HubIsolated, 0.0)], except_ids: vec![1], ..rule() }, &["scope: "]),
    ] {
        let said = said(&wrong);
        assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said:?}");
    }
}

#[test]
fn a_rule_is_about_the_servers_of_its_scope_but_for_its_exceptions() {
    let about = |scope: Scope, except_ids: Vec<u64>, when: Condition| {
        let rule = NewRule { scope, except_ids, ..NewRule::of("r", Severity::Info, vec![when]) }.into_rule(1, 0);
        [(1, "web"), (2, "db"), (3, "")].map(|(id, tag)| rule.is_about(id, tag))
    };
    let cpu = || above(Measure::Cpu, 1.0);
    assert_eq!(about(Scope::All, vec![], cpu()), [true; 3]);
    assert_eq!(about(Scope::All, vec![3, 1], cpu()), [false, true, false]);
    assert_eq!(about(Scope::Tags(vec!["web".into(), String::new()]), vec![], cpu()), [true, false, true]);
    assert_eq!(about(Scope::Tags(vec!["we".into(), "Web".into()]), vec![], cpu()), [false; 3]);
    // As people write them: in any order, some twice.
    assert_eq!(about(Scope::Ids(vec![3, 2, 3]), vec![2, 2], cpu()), [false, false, true]);
    assert_eq!(about(Scope::All, vec![], above(Measure::HubIsolated, 0.0)), [false; 3]);
}

#[test]
fn an_edit_changes_what_it_names() {
    let old = rule();
    let edit = RuleEdit { for_s: Some(60), channels: Some(vec![2, 1, 2]), ..RuleEdit::default() };
    assert_eq!(edit.applied_to(&old), Rule { for_s: 60, channels: vec![1, 2], ..old.clone() });
    let all = RuleEdit {
        name: Some("other".into()),
        note: Some("note".into()),
        enabled: Some(false),
        severity: Some(Severity::Critical),
        when: Some(vec![above(Measure::Cpu, 1.0)]),
        for_s: Some(1),
        share: Some(0.7),
        keep_s: Some(2),
        scope: Some(Scope::Ids(vec![1])),
        except_ids: Some(vec![2]),
        never: Some(true),
        channels: Some(vec![3]),
        repeat_s: Some(60),
        resolved: Some(false),
    };
    let expected = Rule {
        id: old.id,
        name: "other".into(),
        note: "note".into(),
        enabled: false,
        severity: Severity::Critical,
        when: vec![above(Measure::Cpu, 1.0)],
        for_s: 1,
        share: 0.7,
        keep_s: 2,
        scope: Scope::Ids(vec![1]),
        except_ids: vec![2],
        never: true,
        channels: vec![3],
        repeat_s: 60,
        resolved: false,
        is_built_in: false,
        created_s: old.created_s,
    };
    assert_eq!(all.applied_to(&old), expected);
}

#[test]
fn names_and_operators_are_found() {
    assert!(Severity::ALL.iter().all(|severity| Severity::named(severity.name()) == Some(*severity)));
    assert!(Operator::ALL.iter().all(|operator| Operator::of_text(operator.text()) == Some(*operator)));
    assert_eq!((Severity::named("Info"), Operator::of_text(">=")), (None, None));
}
