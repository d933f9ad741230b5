//! Silences.
//!
//! ```text
//! silence = 1 comment rules[] tags[] ids[] window created by
//! window  = 0 from to
//!         | 1 days start_minute end_minute zone
//! ```
//! The first byte is the record's version.

use crate::alert::silence::{Silence, Window};
use crate::record::{Corrupt, RecordReader, RecordWriter};

const VERSION: u8 = 1;

pub(crate) fn write(silence: &Silence) -> Vec<u8> {
    let mut value = Vec::with_capacity(64);
    let mut record = RecordWriter(&mut value);
    record.u8(VERSION);
    record.text(&silence.comment);
    record.numbers(&silence.rules);
    record.texts(&silence.tags);
    record.numbers(&silence.ids);
    match &silence.window {
        Window::Span { from_s, to_s } => {
            record.u8(0);
            record.i64(*from_s);
            record.i64(*to_s);
        }
        Window::Weekly { days, start_minute, end_minute, zone } => {
            record.u8(1);
            record.u8(*days);
            record.u64((*start_minute).into());
            record.u64((*end_minute).into());
            record.text(zone);
        }
    }
    record.i64(silence.created_s);
    record.text(&silence.by);
    value
}

pub(crate) fn read(id: u64, value: &[u8]) -> Result<Silence, Corrupt> {
    let mut record = RecordReader::new("a silence", value);
    record.version(VERSION)?;
    let silence = Silence {
        id,
        comment: record.text()?,
        rules: record.numbers()?,
        tags: record.texts()?,
        ids: record.numbers()?,
        window: match record.u8()? {
            0 => Window::Span { from_s: record.i64()?, to_s: record.i64()? },
            1 => Window::Weekly {
                days: record.u8()?,
                start_minute: read_minute(&mut record)?,
                end_minute: read_minute(&mut record)?,
                zone: record.text()?,
            },
            _ => return Err(record.corrupt()),
        },
        created_s: record.i64()?,
        by: record.text()?,
    };
    record.finish()?;
    Ok(silence)
}

fn read_minute(record: &mut RecordReader<'_>) -> Result<u16, Corrupt> {
    u16::try_from(record.u64()?).map_err(|_| record.corrupt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::silence::NewSilence;

    #[test]
    fn silences_round_trip_and_every_truncation_is_corrupt() {
        let once = NewSilence {
            comment: "S<3>&\"é".into(),
            rules: vec![1, u64::MAX],
            tags: vec![String::new(), "web".into()],
            ids: vec![300],
            window: Window::Span { from_s: i64::MIN, to_s: i64::MAX },
            by: "ada".into(),
        };
        let weekly =
            Window::Weekly { days: 127, start_minute: 1320, end_minute: u16::MAX, zone: "Europe/Berlin".into() };
        let weekly = NewSilence { rules: vec![], tags: vec![], ids: vec![], window: weekly, ..once.clone() };
        for silence in [once.into_silence(9, -1), weekly.into_silence(9, 1_790_000_000)] {
            let value = write(&silence);
            assert_eq!(read(9, &value).expect("written"), silence);
            assert!((0..value.len()).all(|length| read(9, &value[..length]).is_err()));
            assert!(read(9, &[&value[..], &[0]].concat()).is_err(), "a byte too many");
            assert!(read(9, &[&[VERSION + 1][..], &value[1..]].concat()).is_err(), "a later version");
        }
    }
}
