//! Rules of alerts.
//!
//! ```text
//! rule      = 1 name note enabled severity count { condition }* for share keep scope except_ids never channels repeat
//!             resolved built_in created
//! condition = measure operator value clear?
//! scope     = 0 | 1 tags | 2 ids
//! ```
//! The first byte is the record's version. Severities, measures and operators are stored by their names. A new measure
//! is a new format of the store, because an older hub does not know what it is.

use crate::alert::measure::Measure;
use crate::alert::rule::{Condition, Operator, Rule, Scope, Severity};
use crate::record::{Corrupt, RecordReader, RecordWriter};

const VERSION: u8 = 1;

pub(crate) fn write(rule: &Rule) -> Vec<u8> {
    let mut value = Vec::with_capacity(128);
    let mut record = RecordWriter(&mut value);
    record.u8(VERSION);
    record.text(&rule.name);
    record.text(&rule.note);
    record.u8(u8::from(rule.enabled));
    record.text(rule.severity.name());
    record.u64(rule.when.len() as u64);
    rule.when.iter().for_each(|condition| write_condition(&mut record, condition));
    record.u64(rule.for_s.into());
    record.f64(rule.share);
    record.u64(rule.keep_s.into());
    match &rule.scope {
        Scope::All => record.u8(0),
        Scope::Tags(tags) => {
            record.u8(1);
            record.texts(tags);
        }
        Scope::Ids(ids) => {
            record.u8(2);
            record.numbers(ids);
        }
    }
    record.numbers(&rule.except_ids);
    record.u8(u8::from(rule.never));
    record.numbers(&rule.channels);
    record.u64(rule.repeat_s.into());
    record.u8(u8::from(rule.resolved));
    record.u8(u8::from(rule.is_built_in));
    record.i64(rule.created_s);
    value
}

fn write_condition(record: &mut RecordWriter<'_>, condition: &Condition) {
    record.text(condition.measure.name());
    record.text(condition.operator.text());
    record.f64(condition.value);
    record.u8(u8::from(condition.clear.is_some()));
    if let Some(clear) = condition.clear {
        record.f64(clear);
    }
}

pub(crate) fn read(id: u64, value: &[u8]) -> Result<Rule, Corrupt> {
    let mut record = RecordReader::new("a rule", value);
    record.version(VERSION)?;
    let rule = Rule {
        id,
        name: record.text()?,
        note: record.text()?,
        enabled: record.bool()?,
        severity: Severity::named(&record.text()?).ok_or_else(|| record.corrupt())?,
        when: (0..record.length()?).map(|_| read_condition(&mut record)).collect::<Result<_, _>>()?,
        for_s: record.u32()?,
        share: record.f64()?,
        keep_s: record.u32()?,
        scope: match record.u8()? {
            0 => Scope::All,
            1 => Scope::Tags(record.texts()?),
            2 => Scope::Ids(record.numbers()?),
            _ => return Err(record.corrupt()),
        },
        except_ids: record.numbers()?,
        never: record.bool()?,
        channels: record.numbers()?,
        repeat_s: record.u32()?,
        resolved: record.bool()?,
        is_built_in: record.bool()?,
        created_s: record.i64()?,
    };
    record.finish()?;
    Ok(rule)
}

fn read_condition(record: &mut RecordReader<'_>) -> Result<Condition, Corrupt> {
    Ok(Condition {
        measure: Measure::named(&record.text()?).ok_or_else(|| record.corrupt())?,
        operator: Operator::of_text(&record.text()?).ok_or_else(|| record.corrupt())?,
        value: record.f64()?,
        clear: if record.bool()? { Some(record.f64()?) } else { None },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::rule::NewRule;

    #[test]
    fn a_rule_round_trips_and_every_truncation_is_corrupt() {
        let condition = |measure, operator, clear| Condition { measure, operator, value: 90.5, clear };
        let all = Measure::ALL.map(|measure| condition(measure, Operator::Above, Some(-1.25)));
        let new = NewRule {
            note: "S<3>&\"é".into(),
            enabled: false,
            for_s: u32::MAX,
            share: 0.7,
            keep_s: 300,
            scope: Scope::Tags(vec!["web".into(), String::new()]),
            except_ids: vec![1, u64::MAX],
            never: true,
            channels: vec![300],
            repeat_s: 3600,
            resolved: false,
            ..NewRule::of("disk", Severity::Critical, all.to_vec())
        };
        let ids = NewRule { scope: Scope::Ids(vec![1, 2, 300]), ..new.clone() };
        let plain = NewRule::of("", Severity::Info, vec![condition(Measure::Cpu, Operator::Below, None)]);
        let mut built_in = plain.clone().into_rule(9, -1);
        built_in.is_built_in = true;
        for rule in [new.into_rule(9, i64::MAX), ids.into_rule(9, 0), plain.into_rule(9, 1_790_000_000), built_in] {
            let value = write(&rule);
            assert_eq!(read(9, &value).expect("written"), rule);
            assert!((0..value.len()).all(|length| read(9, &value[..length]).is_err()));
            assert!(read(9, &[&value[..], &[0]].concat()).is_err(), "a byte too many");
            assert!(read(9, &[&[VERSION + 1][..], &value[1..]].concat()).is_err(), "a later version");
        }
    }
}
