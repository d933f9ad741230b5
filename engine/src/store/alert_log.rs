//! Rows of the log of alerts. The key has the day and the row's number.
//!
//! ```text
//! row = 1 time rule rule_name server server_name severity what value? note
//! ```
//! The first byte is the record's version. Severities, and what happened, are stored by their names.

use super::key;
use crate::alert::journal::{AlertEvent, EventKind};
use crate::alert::rule::Severity;
use crate::record::{Corrupt, RecordReader, RecordWriter};

const VERSION: u8 = 1;

pub(crate) fn write(event: &AlertEvent) -> Vec<u8> {
    let mut value = Vec::with_capacity(64);
    let mut record = RecordWriter(&mut value);
    record.u8(VERSION);
    record.i64(event.time_ms);
    record.u64(event.rule_id);
    record.text(&event.rule_name);
    record.u64(event.server_id);
    record.text(&event.server_name);
    record.text(event.severity.name());
    record.text(event.what.name());
    record.option_f64(event.value);
    record.text(&event.note);
    value
}

pub(crate) fn read(key: &[u8], value: &[u8]) -> Result<AlertEvent, Corrupt> {
    let mut record = RecordReader::new("a row of the log of alerts", value);
    let (_, sequence) = key::alert_log_of(key).ok_or_else(|| record.corrupt())?;
    record.version(VERSION)?;
    let event = AlertEvent {
        sequence,
        time_ms: record.i64()?,
        rule_id: record.u64()?,
        rule_name: record.text()?,
        server_id: record.u64()?,
        server_name: record.text()?,
        severity: Severity::named(&record.text()?).ok_or_else(|| record.corrupt())?,
        what: EventKind::named(&record.text()?).ok_or_else(|| record.corrupt())?,
        value: record.option_f64()?,
        note: record.text()?,
    };
    record.finish()?;
    Ok(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_round_trips_and_every_truncation_is_corrupt() {
        for (what, value) in EventKind::ALL.into_iter().zip([Some(90.5), None].into_iter().cycle()) {
            let event = AlertEvent {
                time_ms: -1,
                sequence: 300,
                rule_id: 1,
                rule_name: "disk".into(),
                server_id: u64::MAX,
                server_name: "S<3>&\"é".into(),
                severity: Severity::Critical,
                what,
                value,
                note: "rule changed".into(),
            };
            let key = key::alert_log_key(-20_000, event.sequence);
            let value = write(&event);
            assert_eq!(read(&key, &value).expect("written"), event);
            assert!((0..value.len()).all(|length| read(&key, &value[..length]).is_err()));
            assert!(read(&key, &[&value[..], &[0]].concat()).is_err(), "a byte too many");
            assert!(read(&key, &[&[VERSION + 1][..], &value[1..]].concat()).is_err(), "a later version");
        }
    }
}
