//! Notices that wait to be sent. The key is the notice's number.
//!
//! ```text
//! notice = 1 channel rule kind created not_before attempts since ended_at? count ended
//!          count { server }* count { tag count }* dropped
//! server = id name tag value? since ended?
//! ```
//! The first byte is the record's version. Kinds are stored by their names.

use crate::alert::notice::{Notice, NoticeKind, NoticeServer};
use crate::record::{Corrupt, RecordReader, RecordWriter};

const VERSION: u8 = 1;

pub(crate) fn write(notice: &Notice) -> Vec<u8> {
    let mut value = Vec::with_capacity(256);
    let mut record = RecordWriter(&mut value);
    record.u8(VERSION);
    record.u64(notice.channel_id);
    record.u64(notice.rule_id);
    record.text(notice.kind.name());
    record.i64(notice.created_ms);
    record.i64(notice.not_before_ms);
    record.u64(notice.attempts.into());
    record.i64(notice.since_ms);
    record.option(notice.ended_ms);
    record.u64(notice.count);
    record.u64(notice.ended);
    record.u64(notice.servers.len() as u64);
    notice.servers.iter().for_each(|server| write_server(&mut record, server));
    record.u64(notice.by_tag.len() as u64);
    for (tag, count) in &notice.by_tag {
        record.text(tag);
        record.u64(*count);
    }
    record.u64(notice.dropped);
    value
}

fn write_server(record: &mut RecordWriter<'_>, server: &NoticeServer) {
    record.u64(server.id);
    record.text(&server.name);
    record.text(&server.tag);
    record.option_f64(server.value);
    record.i64(server.since_ms);
    record.option(server.ended_ms);
}

pub(crate) fn read(sequence: u64, value: &[u8]) -> Result<Notice, Corrupt> {
    let mut record = RecordReader::new("a notice", value);
    record.version(VERSION)?;
    let notice = Notice {
        sequence,
        channel_id: record.u64()?,
        rule_id: record.u64()?,
        kind: NoticeKind::named(&record.text()?).ok_or_else(|| record.corrupt())?,
        created_ms: record.i64()?,
        not_before_ms: record.i64()?,
        attempts: record.u32()?,
        since_ms: record.i64()?,
        ended_ms: record.option()?,
        count: record.u64()?,
        ended: record.u64()?,
        servers: (0..record.length()?).map(|_| read_server(&mut record)).collect::<Result<_, _>>()?,
        by_tag: (0..record.length()?).map(|_| Ok((record.text()?, record.u64()?))).collect::<Result<_, Corrupt>>()?,
        dropped: record.u64()?,
    };
    record.finish()?;
    Ok(notice)
}

fn read_server(record: &mut RecordReader<'_>) -> Result<NoticeServer, Corrupt> {
    Ok(NoticeServer {
        id: record.u64()?,
        name: record.text()?,
        tag: record.text()?,
        value: record.option_f64()?,
        since_ms: record.i64()?,
        ended_ms: record.option()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_round_trips_and_every_truncation_is_corrupt() {
        let server = NoticeServer {
            id: 300,
            name: "S<3>&\"é".into(),
            tag: String::new(),
            value: Some(90.5),
            since_ms: i64::MIN,
            ended_ms: Some(i64::MAX),
        };
        let hub = NoticeServer { id: 0, value: None, ended_ms: None, ..server.clone() };
        let full = Notice {
            sequence: 9,
            channel_id: 1,
            rule_id: u64::MAX,
            kind: NoticeKind::Firing,
            created_ms: 1_790_000_000_000,
            not_before_ms: 1_790_000_010_000,
            attempts: u32::MAX,
            since_ms: -1,
            ended_ms: Some(5),
            count: 300,
            ended: 2,
            servers: vec![server, hub],
            by_tag: vec![("web".into(), 297), (String::new(), 1)],
            dropped: u64::MAX,
        };
        let test = Notice { sequence: 9, ..Notice::new(1, 0, NoticeKind::Test, 0) };
        for notice in [full, test] {
            let value = write(&notice);
            assert_eq!(read(9, &value).expect("written"), notice);
            assert!((0..value.len()).all(|length| read(9, &value[..length]).is_err()));
            assert!(read(9, &[&value[..], &[0]].concat()).is_err(), "a byte too many");
            assert!(read(9, &[&[VERSION + 1][..], &value[1..]].concat()).is_err(), "a later version");
        }
    }
}
