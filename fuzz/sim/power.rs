//! A power cut: of RocksDB's newest write-ahead log only what was synced is sure to be there afterwards. `DURABLE`, which the
//! store writes after each sync, says which change that is; of what comes after it some records stay, and the next one in
//! part.
//!
//! ```text
//! log     = blocks of 32 KiB; a block = record*, and less than 7 bytes of nothing
//! record  = crc u32, length u16, kind u8, bytes          kinds 1 to 4: whole, first, middle and last piece of a batch
//! batch   = number of its first change u64, changes u32, ...                          integers are little-endian
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::random::Random;

const BLOCK_BYTES: usize = 32 * 1024;
const HEAD_BYTES: usize = 7;
const BATCH_HEAD_BYTES: usize = 12;

/// A whole batch in the log.
struct Batch {
    /// Where it ends in the file.
    end: usize,
    /// Number of its last change.
    last: u64,
}

/// What a cut took.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    /// Batches that were not synced.
    pub(crate) unsynced: usize,
    /// Those that stayed.
    pub(crate) kept: usize,
}

/// Cuts the log of the store in `data`, which is closed.
pub(crate) fn cut(data: &Path, random: &mut Random) -> Result<Cut, String> {
    let Some(path) = newest_log(&data.join("rocksdb"))? else { return Ok(Cut::default()) };
    let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let batches = batches(&bytes);
    let durable = durable(data);
    let synced = batches.partition_point(|batch| batch.last <= durable);
    let unsynced = &batches[synced..];
    if unsynced.is_empty() {
        return Ok(Cut::default());
    }
    let kept = random.index(unsynced.len() + 1);
    let end_of = |count: usize| if count == 0 { 0 } else { batches[count - 1].end };
    let whole = end_of(synced + kept);
    let torn = if kept < unsynced.len() { random.index(end_of(synced + kept + 1) - whole) } else { 0 };
    let length = (whole + torn) as u64;
    let shortened = File::options().write(true).open(&path).and_then(|file| file.set_len(length));
    shortened.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Cut { unsynced: unsynced.len(), kept })
}

fn newest_log(folder: &Path) -> Result<Option<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let logs = entries.flatten().map(|entry| entry.path()).filter_map(|path| {
        let is_log = path.extension().is_some_and(|extension| extension == "log");
        let number: u64 = path.file_stem()?.to_str()?.parse().ok().filter(|_| is_log)?;
        Some((number, path))
    });
    Ok(logs.max().map(|(_, path)| path))
}

/// The last change that was synced; 0 where nothing says so.
fn durable(data: &Path) -> u64 {
    let text = fs::read_to_string(data.join("DURABLE")).unwrap_or_default();
    let first = text.lines().next().unwrap_or_default();
    first.strip_prefix("windfire durable ").and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn batches(bytes: &[u8]) -> Vec<Batch> {
    let (mut batches, mut at) = (Vec::new(), 0);
    let mut head: Vec<u8> = Vec::with_capacity(BATCH_HEAD_BYTES);
    while let Some(record) = bytes.get(at..at + HEAD_BYTES) {
        let left = BLOCK_BYTES - at % BLOCK_BYTES;
        if left < HEAD_BYTES {
            at += left;
            continue;
        }
        let (length, kind) = (usize::from(u16::from_le_bytes([record[4], record[5]])), record[6]);
        let from = at + HEAD_BYTES;
        let Some(piece) = bytes.get(from..from + length).filter(|_| kind > 0) else { break };
        at = from + length;
        // Other kinds say something of the log itself.
        if !(1..=4).contains(&kind) {
            continue;
        }
        if kind <= 2 {
            head.clear();
        }
        head.extend(piece.iter().take(BATCH_HEAD_BYTES - head.len()));
        if matches!(kind, 1 | 4)
            && let Some((first, rest)) = head.split_first_chunk::<8>()
            && let Some(count) = rest.first_chunk::<4>()
        {
            let last = (u64::from_le_bytes(*first) + u64::from(u32::from_le_bytes(*count))).saturating_sub(1);
            batches.push(Batch { end: at, last });
        }
    }
    batches
}
