//! Alerts that are not ok. The key has the rule and the server.
//!
//! ```text
//! alert = 1 state edition since fired? first? worst? newest? frozen? notified? times told withheld acknowledged?
//! ```
//! The first byte is the record's version. States are stored by their names; `first`, `worst` and `newest` are values.

use super::key;
use crate::alert::state::{Alert, AlertState};
use crate::record::{Corrupt, RecordReader, RecordWriter};

const VERSION: u8 = 1;

pub(crate) fn write(alert: &Alert) -> Vec<u8> {
    let mut value = Vec::with_capacity(64);
    let mut record = RecordWriter(&mut value);
    record.u8(VERSION);
    record.text(alert.state.name());
    record.u64(alert.edition.into());
    record.i64(alert.since_ms);
    record.option(alert.fired_ms);
    record.option_f64(alert.first_value);
    record.option_f64(alert.worst_value);
    record.option_f64(alert.value);
    record.option(alert.frozen_since_ms);
    record.option(alert.notified_ms);
    record.u64(alert.times_notified.into());
    record.u64(alert.told);
    record.u8(u8::from(alert.is_withheld));
    record.option_text(alert.acknowledged_by.as_deref());
    value
}

pub(crate) fn read(key: &[u8], value: &[u8]) -> Result<Alert, Corrupt> {
    let mut record = RecordReader::new("an alert", value);
    let (rule_id, server_id) = key::alert_of(key).ok_or_else(|| record.corrupt())?;
    record.version(VERSION)?;
    let alert = Alert {
        rule_id,
        server_id,
        state: AlertState::named(&record.text()?).ok_or_else(|| record.corrupt())?,
        edition: record.u32()?,
        since_ms: record.i64()?,
        fired_ms: record.option()?,
        first_value: record.option_f64()?,
        worst_value: record.option_f64()?,
        value: record.option_f64()?,
        frozen_since_ms: record.option()?,
        notified_ms: record.option()?,
        times_notified: record.u32()?,
        told: record.u64()?,
        is_withheld: record.bool()?,
        acknowledged_by: record.option_text()?,
    };
    record.finish()?;
    Ok(alert)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_round_trips_and_every_truncation_is_corrupt() {
        let full = Alert {
            rule_id: 3,
            server_id: u64::MAX,
            state: AlertState::Clearing,
            since_ms: i64::MIN,
            fired_ms: Some(1_790_000_000_000),
            first_value: Some(91.5),
            worst_value: Some(f64::MAX),
            value: Some(-1.0),
            frozen_since_ms: Some(i64::MAX),
            notified_ms: Some(0),
            times_notified: u32::MAX,
            acknowledged_by: Some("ada".into()),
            edition: 7,
            told: u64::MAX,
            is_withheld: true,
        };
        let empty = Alert {
            server_id: 0,
            state: AlertState::Pending,
            fired_ms: None,
            first_value: None,
            worst_value: None,
            value: None,
            frozen_since_ms: None,
            notified_ms: None,
            acknowledged_by: None,
            told: 0,
            is_withheld: false,
            ..full
        };
        for alert in [full, empty] {
            let key = key::alert_key(alert.rule_id, alert.server_id);
            let value = write(&alert);
            assert_eq!(read(&key, &value).expect("written"), alert);
            assert!((0..value.len()).all(|length| read(&key, &value[..length]).is_err()));
            assert!(read(&key, &[&value[..], &[0]].concat()).is_err(), "a byte too many");
            assert!(read(&key, &[&[VERSION + 1][..], &value[1..]].concat()).is_err(), "a later version");
            assert!(read(&key[..15], &value).is_err(), "a key too short");
        }
    }
}
