//! Latest status as of a checkpoint.
//!
//! ```text
//! value = last_sequence outboxes { outbox_id[16] last }* last_active? sample session*
//! session = hub_id boot_id[8] epoch
//! ```
//! A session is there once this hub has followed a stream that has one of the server. A hub alone writes none.

use super::log::{put_sample, take_sample};
use crate::latest::Progress;
use crate::record::{Corrupt, RecordReader, RecordWriter};
use crate::sample::Sample;
use crate::session_id::SessionId;

/// The part of a checkpoint that is about one server.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LatestRecord {
    pub(crate) progress: Progress,
    pub(crate) last_active_s: Option<i64>,
    pub(crate) sample: Sample,
    pub(crate) session: Option<SessionId>,
}

pub(crate) fn write(
    progress: &Progress,
    last_active_s: Option<i64>,
    sample: &Sample,
    session: Option<SessionId>,
) -> Vec<u8> {
    let mut value = Vec::with_capacity(160);
    let mut record = RecordWriter(&mut value);
    record.u64(progress.last_sequence);
    record.u64(progress.outboxes.len() as u64);
    for (outbox_id, last) in &progress.outboxes {
        record.array(&outbox_id.to_le_bytes());
        record.u64(*last);
    }
    record.option(last_active_s);
    put_sample(&mut record, sample);
    session.into_iter().for_each(|session| session.write(&mut record));
    value
}

pub(crate) fn read(value: &[u8]) -> Result<LatestRecord, Corrupt> {
    let mut record = RecordReader::new("a latest status", value);
    let last_sequence = record.u64()?;
    let outboxes = (0..record.length()?)
        .map(|_| Ok((u128::from_le_bytes(record.array()?), record.u64()?)))
        .collect::<Result<_, Corrupt>>()?;
    let read = LatestRecord {
        progress: Progress { last_sequence, outboxes },
        last_active_s: record.option()?,
        sample: take_sample(&mut record)?,
        session: if record.is_empty() { None } else { Some(SessionId::read(&mut record)?) },
    };
    record.finish()?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_round_trips_and_every_truncation_is_corrupt() {
        let progress = Progress { last_sequence: 900, outboxes: vec![(1, 300), (u128::MAX, 900)] };
        let sample = Sample { cpu: 12.5, mem_used: u64::MAX, ..Sample::default() };
        let alone = write(&progress, Some(-5), &sample, None);
        let expected = LatestRecord { progress, last_active_s: Some(-5), sample, session: None };
        assert_eq!(read(&alone).expect("written"), expected);
        assert!((0..alone.len()).all(|length| read(&alone[..length]).is_err()));
        let session = Some(SessionId { hub_id: u32::MAX, boot_id: 7, epoch: 1 });
        let value = write(&expected.progress, Some(-5), &expected.sample, session);
        assert!(value.starts_with(&alone), "it is written behind what a hub alone writes");
        assert_eq!(read(&value).expect("written"), LatestRecord { session, ..expected });
        assert!((alone.len() + 1..value.len()).all(|length| read(&value[..length]).is_err()));
    }
}
