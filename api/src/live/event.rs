//! Events as bytes: server-sent events, plain and as a piece of a gzip stream.

use std::sync::OnceLock;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};

use super::StreamKey;
use super::fleet::{Difference, Fleet};
use super::memory::Memory;
use super::row::{FIELDS, Row};
use crate::render::json::JsonWriter;

/// The head of every gzip stream: no name, no time, no system.
pub(super) const GZIP_HEAD: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// Cheap: every second counts, and numbers do not get much smaller with more effort.
const GZIP_LEVEL: u32 = 1;

/// The moment and circumstances of an event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub(super) epoch: u64,
    pub(super) tick: u64,
    pub(super) now_s: i64,
    /// Seconds without a report after which a server is offline.
    pub(super) offline_after_s: i64,
    /// Samples that agents gather before they send. Shown values may be that many intervals old.
    pub(super) pace: u32,
}

/// One event. It is compressed when the first subscriber needs that.
pub(super) struct Event {
    plain: Bytes,
    compressed: OnceLock<Bytes>,
    memory: Memory,
}

impl Event {
    fn new(plain: Vec<u8>, memory: &Memory) -> Self {
        Self { plain: memory.keep(plain), compressed: OnceLock::new(), memory: memory.clone() }
    }

    pub(super) fn comment() -> Self {
        let plain = Bytes::from_static(b":\n\n");
        Self { plain, compressed: OnceLock::new(), memory: Memory::default() }
    }

    /// Bytes of memory that it takes.
    pub(super) fn size(&self) -> usize {
        self.plain.len() + self.compressed.get().map_or(0, Bytes::len)
    }

    /// For a stream in that coding.
    pub(super) fn bytes(&self, is_compressed: bool) -> Bytes {
        if is_compressed {
            self.compressed.get_or_init(|| self.memory.keep(compress(&self.plain))).clone()
        } else {
            self.plain.clone()
        }
    }

    /// Everything that the subscribers of a key see.
    pub(super) fn snapshot(kind: &StreamKey, fleet: &Fleet, stamp: Stamp, memory: &Memory) -> Self {
        let mut json = begin("snapshot", stamp);
        json.raw(",\"offline_after\":");
        json.integer(stamp.offline_after_s);
        json.raw(",\"fields\":");
        json.list(FIELDS, |json, field| {
            json.raw("[");
            json.string(field);
            json.raw(",");
            json.integer(fleet.precision().scale(field));
            json.raw("]");
        });
        json.raw(",\"servers\":");
        json.list(fleet.rows().filter(|row| kind.shows(&row.record)), server);
        end(json, memory)
    }

    /// The part of a difference that the subscribers of a key see. `None` if there is none.
    pub(super) fn change(
        kind: &StreamKey,
        fleet: &Fleet,
        difference: &Difference,
        stamp: Stamp,
        memory: &Memory,
    ) -> Option<Self> {
        let shows = |id: u64| fleet.row(id).filter(|row| kind.shows(&row.record));
        let gone = difference.gone.iter().filter(|record| kind.shows(record)).map(|record| record.id);
        // A server that was retagged or hidden is gone for some.
        let left = difference.renewed.iter().filter_map(|(id, before)| {
            before.as_ref().filter(|before| kind.shows(before) && shows(*id).is_none()).map(|_| *id)
        });
        let gone: Vec<u64> = gone.chain(left).collect();
        let renewed: Vec<&Row> = difference.renewed.iter().filter_map(|(id, _)| shows(*id)).collect();
        let mut json = begin("change", stamp);
        let mut is_empty = true;
        if !gone.is_empty() {
            json.raw(",\"gone\":");
            json.list(gone, JsonWriter::integer);
            is_empty = false;
        }
        if !renewed.is_empty() {
            json.raw(",\"servers\":");
            json.list(renewed, server);
            is_empty = false;
        }
        let mut last_id = 0;
        for (id, mask) in &difference.moved {
            let Some(row) = shows(*id) else { continue };
            json.raw(if last_id == 0 { ",\"rows\":[" } else { "," });
            json.integer(id - last_id);
            json.raw(",");
            json.integer(*mask);
            for (field, value) in row.state.iter().enumerate() {
                if mask & 1 << field != 0 {
                    json.raw(",");
                    json.integer(*value);
                }
            }
            last_id = *id;
        }
        if last_id != 0 {
            json.raw("]");
            is_empty = false;
        }
        (!is_empty).then(|| end(json, memory))
    }
}

fn begin(name: &str, stamp: Stamp) -> JsonWriter {
    let mut json = JsonWriter::with_capacity(4096);
    json.raw(&format!("id: {:x}-{}\nevent: {name}\ndata: {{\"now\":{}", stamp.epoch, stamp.tick, stamp.now_s));
    if stamp.pace > 1 {
        json.raw(",\"pace\":");
        json.integer(stamp.pace);
    }
    json
}

fn end(mut json: JsonWriter, memory: &Memory) -> Event {
    json.raw("}\n\n");
    Event::new(json.into_bytes(), memory)
}

fn server(json: &mut JsonWriter, row: &Row) {
    let (record, host) = (&row.record, &row.facts.host);
    json.raw("[");
    json.integer(record.id);
    json.raw(",");
    json.string(&record.name);
    json.raw(",");
    json.string(&record.tag);
    json.raw(",");
    json.integer(record.display_index);
    json.raw(",");
    json.integer(u8::from(record.hide_for_guest));
    let country = if record.country.is_empty() { &row.facts.country } else { &record.country };
    let cpu = host.cpu.first().map_or("", String::as_str);
    for text in [country, &host.platform, &host.platform_version, &host.arch, &host.virtualization, cpu] {
        json.raw(",");
        json.string(text);
    }
    for number in [host.mem_total, host.swap_total, host.disk_total, host.boot_time_s] {
        json.raw(",");
        json.integer(number);
    }
    json.raw(",");
    json.string(&host.version);
    json.raw(",");
    json.list(row.state, JsonWriter::integer);
    json.raw("]");
}

/// A piece of a deflate stream that can follow any other: it looks back at nothing, and ends on a byte.
fn compress(plain: &[u8]) -> Vec<u8> {
    let mut compress = Compress::new(Compression::new(GZIP_LEVEL), false);
    let mut bytes = Vec::with_capacity(plain.len() / 2 + 64);
    loop {
        let read = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
        let left = plain.get(read..).unwrap_or_default();
        let status = compress.compress_vec(left, &mut bytes, FlushCompress::Full);
        let has_room = bytes.len() < bytes.capacity();
        if !matches!(status, Ok(Status::Ok)) || (compress.total_in() == plain.len() as u64 && has_room) {
            return bytes;
        }
        bytes.reserve(4096);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn compressed_events_make_a_gzip_stream_in_any_order() {
        let long = "0123456789".repeat(10_000);
        let random: String =
            (0..50_000u32).map(|n| char::from(b'!' + (n.wrapping_mul(2_654_435_761) >> 26) as u8)).collect();
        let texts = ["a", &long, "", &random, ":\n\n", &long];
        let events = texts.map(|text| Event::new(text.as_bytes().to_vec(), &Memory::default()));
        let mut stream = GZIP_HEAD.to_vec();
        events.iter().for_each(|event| stream.extend_from_slice(&event.bytes(true)));
        let expected: String = ["a", &long, "", &random, ":\n\n", &long].concat();
        let mut found = vec![0; expected.len()];
        flate2::read::GzDecoder::new(&stream[..]).read_exact(&mut found).expect("everything is there");
        assert_eq!(String::from_utf8(found).expect("text"), expected);
    }
}
