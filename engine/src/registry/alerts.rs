//! What the hubs of a cluster tell one another of alerts: its bytes in messages of the registry's stream, which
//! `message.rs` lists, and what of it is stored.

use crate::alert::AlertChange;
use crate::intake::Member;
use crate::limits::REGISTRY_ID_MAX;
use crate::record::{Corrupt, RecordReader, RecordWriter};
use crate::store::{Changes, alert_log, alerts, key, notices};

const ALERT: u8 = 17;
const ENDED: u8 = 18;
const NOTICE: u8 = 19;
const NOTICE_GONE: u8 = 20;
const ROW: u8 = 21;
const NEXT_NUMBERS: u8 = 22;
const JUDGE: u8 = 23;

/// Adds it to what is written to the store.
pub(super) fn put(change: &AlertChange, changes: &mut Changes) {
    match change {
        AlertChange::Alert(alert) => {
            changes.put(key::ALERTS, &key::alert_key(alert.rule_id, alert.server_id), alerts::write(alert));
        }
        AlertChange::Ended { rule_id, server_id } => {
            changes.delete(key::ALERTS, &key::alert_key(*rule_id, *server_id));
        }
        AlertChange::Notice(notice) => {
            changes.put(key::NOTICES, &key::id_key(notice.sequence), notices::write(notice));
        }
        AlertChange::NoticeGone(sequence) => changes.delete(key::NOTICES, &key::id_key(*sequence)),
        AlertChange::Row(event) => {
            changes.put(key::ALERT_LOG, &key::alert_log_key(event.day(), event.sequence), alert_log::write(event));
        }
        AlertChange::NextNumbers { notice, row } => {
            changes.put_number(key::NEXT_NOTICE, *notice);
            changes.put_number(key::NEXT_ALERT_ROW, *row);
        }
        // A process that starts again is another one.
        AlertChange::Judge(_) => {}
    }
}

/// Adds it to a message.
pub(super) fn write(record: &mut RecordWriter<'_>, change: &AlertChange) {
    match change {
        AlertChange::Alert(alert) => {
            put_numbers(record, ALERT, &[alert.rule_id, alert.server_id]);
            put_value(record, &alerts::write(alert));
        }
        AlertChange::Ended { rule_id, server_id } => put_numbers(record, ENDED, &[*rule_id, *server_id]),
        AlertChange::Notice(notice) => {
            put_numbers(record, NOTICE, &[notice.sequence]);
            put_value(record, &notices::write(notice));
        }
        AlertChange::NoticeGone(sequence) => put_numbers(record, NOTICE_GONE, &[*sequence]),
        AlertChange::Row(event) => {
            put_numbers(record, ROW, &[event.sequence]);
            put_value(record, &alert_log::write(event));
        }
        AlertChange::NextNumbers { notice, row } => put_numbers(record, NEXT_NUMBERS, &[*notice, *row]),
        AlertChange::Judge(member) => {
            put_numbers(record, JUDGE, &[member.hub_id.into()]);
            record.array(&member.boot_id.to_le_bytes());
        }
    }
}

fn put_numbers(record: &mut RecordWriter<'_>, kind: u8, numbers: &[u64]) {
    record.u8(kind);
    numbers.iter().for_each(|number| record.u64(*number));
}

fn put_value(record: &mut RecordWriter<'_>, value: &[u8]) {
    record.u64(value.len() as u64);
    record.0.extend_from_slice(value);
}

/// Reads what follows a kind in a message. `None` if that kind is not of alerts.
pub(super) fn read(kind: u8, record: &mut RecordReader<'_>) -> Result<Option<AlertChange>, Corrupt> {
    Ok(Some(match kind {
        ALERT => {
            let (rule_id, server_id) = take_ids(record)?;
            AlertChange::Alert(alerts::read(&key::alert_key(rule_id, server_id), take_value(record)?)?)
        }
        ENDED => {
            let (rule_id, server_id) = take_ids(record)?;
            AlertChange::Ended { rule_id, server_id }
        }
        NOTICE => {
            let sequence = take_number(record)?;
            AlertChange::Notice(notices::read(sequence, take_value(record)?)?)
        }
        NOTICE_GONE => AlertChange::NoticeGone(take_number(record)?),
        ROW => {
            let number = take_number(record)?;
            // The row has its time, and with that its day.
            AlertChange::Row(alert_log::read(&key::alert_log_key(0, number), take_value(record)?)?)
        }
        NEXT_NUMBERS => AlertChange::NextNumbers { notice: take_number(record)?, row: take_number(record)? },
        JUDGE => AlertChange::Judge(Member { hub_id: record.u32()?, boot_id: u64::from_le_bytes(record.array()?) }),
        _ => return Ok(None),
    }))
}

/// A rule and a server, or the hub.
fn take_ids(record: &mut RecordReader<'_>) -> Result<(u64, u64), Corrupt> {
    let rule_id = take_number(record)?;
    let server_id = record.u64()?;
    if server_id <= REGISTRY_ID_MAX { Ok((rule_id, server_id)) } else { Err(record.corrupt()) }
}

/// A number after which there are others.
fn take_number(record: &mut RecordReader<'_>) -> Result<u64, Corrupt> {
    let number = record.u64()?;
    if (1..=REGISTRY_ID_MAX).contains(&number) { Ok(number) } else { Err(record.corrupt()) }
}

fn take_value<'a>(record: &mut RecordReader<'a>) -> Result<&'a [u8], Corrupt> {
    let length = record.length()?;
    record.take(length)
}
