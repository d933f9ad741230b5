use std::sync::Arc;

use super::{NOW_S, engine, new_channel, new_rule, new_silence, reopened, set_disk_full};
use crate::Engine;
use crate::alert::channel::{ChannelEdit, ChannelKind, NewChannel, SECRET_SHOWN};
use crate::alert::measure::Measure;
use crate::alert::rule::{Condition, NewRule, Operator, RuleEdit, Scope, Severity};
use crate::alert::silence::{NewSilence, SilenceEdit, Window};
use crate::error::ChangeError;
use crate::limits::{CHANNELS_MAX, RULES_MAX, SILENCES_MAX};
use crate::server::NewServer;

/// Rules that a new hub has.
const DEFAULT_RULES: u64 = 5;

fn refused<T>(changed: Result<T, ChangeError>) -> String {
    changed.err().map(|error| error.to_string()).unwrap_or_default()
}

fn names(engine: &Engine) -> Vec<String> {
    engine.registry().rules().iter().map(|rule| rule.name.clone()).collect()
}

#[test]
fn a_new_store_gets_its_rules_once() {
    let (folder, engine) = engine();
    assert!(engine.registry().rules().is_empty());
    set_disk_full(&engine, true);
    assert!(engine.registry().begin_rules(NOW_S).is_err() && engine.registry().rules().is_empty());
    set_disk_full(&engine, false);
    engine.registry().begin_rules(NOW_S).expect("the disk is back");
    let expected = ["Server offline", "Disk almost full", "Hub disk almost full", "Commits failing", "Hub isolated"];
    assert_eq!(names(&engine), expected);
    let rules = engine.registry().rules();
    assert!(rules.iter().zip(1..).all(|(rule, id)| rule.id == id && rule.created_s == NOW_S));
    assert_eq!(rules.iter().map(|rule| rule.is_built_in).collect::<Vec<_>>(), [false, false, true, true, true]);
    rules.iter().for_each(|rule| assert_eq!(rule.check(), Ok(()), "{}", rule.name));
    // What is removed does not come back.
    engine.registry().remove_rule(1).expect("not built in");
    engine.registry().begin_rules(NOW_S + 1).expect("nothing to do");
    let engine = reopened(&folder, engine);
    engine.registry().begin_rules(NOW_S + 2).expect("nothing to do");
    assert_eq!(names(&engine), expected[1..]);
}

#[test]
fn whoever_adds_the_first_rule_gets_the_others_too() {
    let (_folder, engine) = engine();
    let wrong = NewRule { name: String::new(), ..new_rule() };
    assert!(refused(engine.registry().add_rule(wrong, NOW_S)).starts_with("name: "));
    assert_eq!(engine.registry().add_rule(new_rule(), NOW_S), Ok(DEFAULT_RULES + 1), "a refused one uses up no id");
    assert_eq!(names(&engine).len(), 6);
}

#[test]
fn rules_channels_and_silences_are_there_after_a_start_and_their_ids_are_never_given_out_again() {
    let (folder, engine) = engine();
    let registry = engine.registry();
    let channel = registry.add_channel(new_channel(), NOW_S).expect("room");
    let gone = registry.add_channel(new_channel(), NOW_S).expect("room");
    let rule = registry.add_rule(NewRule { channels: vec![channel], ..new_rule() }, NOW_S).expect("room");
    let silence = registry.add_silence(NewSilence { rules: vec![rule], ..new_silence() }, NOW_S).expect("room");
    let edit = RuleEdit { for_s: Some(60), ..RuleEdit::default() };
    let edited = registry.edit_rule(rule, edit).expect("right");
    assert_eq!((edited.for_s, &edited.name[..], &edited.channels[..]), (60, "busy", &[channel][..]));
    let edit = SilenceEdit { comment: Some("updates".into()), ..SilenceEdit::default() };
    assert_eq!(registry.edit_silence(silence, edit).expect("right").comment, "updates");
    registry.remove_channel(gone).expect("no rule names it");
    let before = (registry.rules(), registry.channels(), registry.silences());
    assert!(registry.rule(rule).is_some_and(|found| Arc::ptr_eq(&found, &edited)), "not copied for each reader");

    let engine = reopened(&folder, engine);
    let registry = engine.registry();
    assert_eq!((registry.rules(), registry.channels(), registry.silences()), before);
    assert_eq!(registry.add_channel(new_channel(), NOW_S), Ok(gone + 1));
    registry.remove_silence(silence).expect("there");
    assert_eq!(registry.add_silence(new_silence(), NOW_S), Ok(silence + 1));
    registry.remove_rule(rule).expect("there");
    assert_eq!(registry.add_rule(new_rule(), NOW_S), Ok(rule + 1));
    for said in [
        refused(registry.edit_rule(rule, RuleEdit::default())),
        refused(registry.remove_rule(rule)),
        refused(registry.edit_channel(gone, ChannelEdit::default())),
        refused(registry.remove_channel(gone)),
        refused(registry.edit_silence(silence, SilenceEdit::default())),
        refused(registry.remove_silence(silence)),
    ] {
        assert!(said.starts_with("no ") && said.contains(" has id "), "{said:?}");
    }
}

#[test]
fn the_hubs_own_rules_get_channels_and_are_turned_off_and_nothing_else() {
    let (_folder, engine) = engine();
    let registry = engine.registry();
    registry.begin_rules(NOW_S).expect("room");
    let channel = registry.add_channel(new_channel(), NOW_S).expect("room");
    let own = DEFAULT_RULES;
    let edit = RuleEdit { enabled: Some(false), channels: Some(vec![channel]), ..RuleEdit::default() };
    let edited = registry.edit_rule(own, edit).expect("allowed");
    assert!(!edited.enabled && edited.is_built_in && edited.channels == [channel]);
    for edit in [
        RuleEdit { name: Some("mine".into()), enabled: Some(true), ..RuleEdit::default() },
        RuleEdit { severity: Some(Severity::Info), ..RuleEdit::default() },
        RuleEdit { when: Some(new_rule().when), ..RuleEdit::default() },
        RuleEdit { repeat_s: Some(60), ..RuleEdit::default() },
    ] {
        assert_eq!(registry.edit_rule(own, edit).err(), Some(ChangeError::BuiltIn { id: own }));
    }
    assert_eq!(registry.remove_rule(own), Err(ChangeError::BuiltIn { id: own }));
    assert_eq!(registry.rule(own), Some(edited));
}

#[test]
fn what_is_named_must_be_there_or_have_been() {
    let (_folder, engine) = engine();
    let registry = engine.registry();
    for _ in 0..2 {
        registry.add_server(NewServer::default(), NOW_S).expect("room");
    }
    registry.remove_servers(&[2]).expect("there");
    let channel = registry.add_channel(new_channel(), NOW_S).expect("room");
    let of = |ids: &[u64], except_ids: &[u64], channels: &[u64]| {
        let scope = Scope::Ids(ids.to_vec());
        NewRule { scope, except_ids: except_ids.to_vec(), channels: channels.to_vec(), ..new_rule() }
    };
    // A server that is gone may stay in a list: nobody has to tidy up before the next edit.
    let rule = registry.add_rule(of(&[1, 2], &[2], &[channel]), NOW_S).expect("all known");
    for (new, said) in [
        (of(&[1, 3], &[], &[]), "scope.ids: no server has id 3"),
        (of(&[0, 1], &[], &[]), "scope.ids: no server has id 0"),
        (of(&[1], &[9], &[]), "except_ids: no server has id 9"),
        (of(&[1], &[], &[channel, 9]), "channels: no channel has id 9"),
    ] {
        let edit = RuleEdit {
            scope: Some(new.scope.clone()),
            except_ids: Some(new.except_ids.clone()),
            channels: Some(new.channels.clone()),
            ..RuleEdit::default()
        };
        for found in [refused(registry.add_rule(new, NOW_S)), refused(registry.edit_rule(rule, edit))] {
            assert!(found.starts_with(said), "{found:?}");
        }
    }
    for (new, said) in [
        (NewSilence { rules: vec![rule, 99], ..new_silence() }, "rules: no rule has id 99"),
        (NewSilence { ids: vec![3], ..new_silence() }, "ids: no server has id 3"),
    ] {
        assert!(refused(registry.add_silence(new, NOW_S)).starts_with(said));
    }
}

#[test]
fn a_channel_that_rules_send_to_is_not_removed() {
    let (_folder, engine) = engine();
    let registry = engine.registry();
    let channel = registry.add_channel(new_channel(), NOW_S).expect("room");
    let using = || registry.add_rule(NewRule { channels: vec![channel], ..new_rule() }, NOW_S).expect("room");
    let first = using();
    let said = refused(registry.remove_channel(channel));
    assert_eq!(said, format!("channel {channel} is used by rule {first}: take it out of them first"));
    let others: Vec<u64> = (0..10).map(|_| using()).collect();
    let said = refused(registry.remove_channel(channel));
    assert!(said.contains(&format!("by rules {first}, {}, ", others[0])) && said.contains(", …: "), "{said}");
    for id in others.into_iter().chain([first]) {
        registry.edit_rule(id, RuleEdit { channels: Some(vec![]), ..RuleEdit::default() }).expect("right");
    }
    registry.remove_channel(channel).expect("no rule names it any more");
}

#[test]
fn a_channels_secret_stays_and_is_never_what_is_shown() {
    let (_folder, engine) = engine();
    let registry = engine.registry();
    let hidden = || ChannelKind::Slack { url: SECRET_SHOWN.to_owned() };
    let said = refused(registry.add_channel(NewChannel::of("ops", hidden()), NOW_S));
    assert!(said.starts_with("settings.url: "), "{said}");
    let id = registry.add_channel(new_channel(), NOW_S).expect("room");
    let edit = ChannelEdit { name: Some("other".into()), kind: Some(hidden()), ..ChannelEdit::default() };
    let edited = registry.edit_channel(id, edit).expect("the same place");
    assert_eq!((&edited.name[..], &edited.kind), ("other", &new_channel().kind));
    let edit = ChannelEdit { kind: Some(ChannelKind::Discord { url: SECRET_SHOWN.into() }), ..ChannelEdit::default() };
    assert!(refused(registry.edit_channel(id, edit)).starts_with("settings.url: "));
    assert_eq!(registry.channel(id), Some(edited));
}

#[test]
fn there_is_room_for_so_many_and_silences_that_are_over_make_some() {
    let (_folder, engine) = engine();
    let registry = engine.registry();
    registry.begin_rules(NOW_S).expect("room");
    // In memory only: a thousand synced writes would take long.
    let ids = |present: usize, max: usize| (present as u64..max as u64 - 1).map(|number| 1_000_000 + number);
    for id in ids(registry.rules().len(), RULES_MAX) {
        registry.rules.write().insert(id, Arc::new(new_rule().into_rule(id, NOW_S)));
    }
    for id in ids(0, CHANNELS_MAX) {
        registry.channels.write().insert(id, Arc::new(new_channel().into_channel(id, NOW_S)));
    }
    for (number, id) in ids(0, SILENCES_MAX).enumerate() {
        let weekly = Window::Weekly { days: 1, start_minute: 0, end_minute: 60, zone: "UTC".into() };
        let window = if number < 9 { weekly } else { new_silence().window };
        let silence = NewSilence { window, ..new_silence() }.into_silence(id, NOW_S);
        registry.silences.write().insert(id, Arc::new(silence));
    }
    registry.add_rule(new_rule(), NOW_S).expect("the last one");
    registry.add_channel(new_channel(), NOW_S).expect("the last one");
    registry.add_silence(new_silence(), NOW_S).expect("the last one");
    let there = (registry.rules().len(), registry.channels().len(), registry.silences().len());
    assert_eq!(there, (RULES_MAX, CHANNELS_MAX, SILENCES_MAX));
    let full = |what, max| Err(ChangeError::Full { what, max });
    assert_eq!(registry.add_rule(new_rule(), NOW_S), full("rules", RULES_MAX));
    assert_eq!(registry.add_channel(new_channel(), NOW_S), full("channels", CHANNELS_MAX));
    assert_eq!(registry.add_silence(new_silence(), NOW_S), full("silences", SILENCES_MAX));
    // A minute later all of them are over but the weekly ones.
    registry.add_silence(new_silence(), NOW_S + 60).expect("those that are over went");
    assert_eq!(registry.silences().len(), 10);
}

#[test]
fn a_write_that_fails_changes_nothing() {
    let (folder, engine) = engine();
    let registry = engine.registry();
    let channel = registry.add_channel(new_channel(), NOW_S).expect("room");
    let rule = registry.add_rule(new_rule(), NOW_S).expect("room");
    let silence = registry.add_silence(new_silence(), NOW_S).expect("room");
    let all = |engine: &Engine| {
        let registry = engine.registry();
        (registry.rules(), registry.channels(), registry.silences())
    };
    let before = all(&engine);
    set_disk_full(&engine, true);
    let condition = Condition { measure: Measure::Load1, operator: Operator::Below, value: 0.0, clear: None };
    let edit = RuleEdit { when: Some(vec![condition]), ..RuleEdit::default() };
    let refusals = [
        registry.add_rule(new_rule(), NOW_S).is_err(),
        registry.edit_rule(rule, edit).is_err(),
        registry.remove_rule(rule).is_err(),
        registry.add_channel(new_channel(), NOW_S).is_err(),
        registry.edit_channel(channel, ChannelEdit { enabled: Some(false), ..ChannelEdit::default() }).is_err(),
        registry.remove_channel(channel).is_err(),
        registry.add_silence(new_silence(), NOW_S).is_err(),
        registry.edit_silence(silence, SilenceEdit { comment: Some("x".into()), ..SilenceEdit::default() }).is_err(),
        registry.remove_silence(silence).is_err(),
    ];
    assert_eq!(refusals, [true; 9]);
    assert_eq!(all(&engine), before);
    set_disk_full(&engine, false);
    let engine = reopened(&folder, engine);
    assert_eq!(all(&engine), before);
}
