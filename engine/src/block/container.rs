//! What all blocks have in common: a header with server and times, a table of columns, and a checksum of all bytes.
//!
//! ```text
//! block  = "WB" version kind server rows time_first time_span sequence_first sequence_span
//!          columns { id length }* column* checksum
//! ```
//! `version` and `kind` and `id` are bytes, times zigzag varints, the rest varints, `checksum` CRC-32 (IEEE) of all bytes
//! before it, little-endian. A column is found by its id without reading the others.

use crate::limits::BLOCK_ROWS_MAX;
use crate::record::{Corrupt, RecordReader, RecordWriter};

const MAGIC: &[u8; 2] = b"WB";
const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;

/// The kind of rows in a block. The number is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockKind {
    /// Each row is a report.
    Reports = 0,
    /// Each row is the summary of an interval.
    Summaries = 1,
}

/// The header of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: BlockKind,
    pub(crate) server_id: u64,
    pub(crate) rows: usize,
    /// Lowest time, Unix milliseconds.
    pub(crate) time_first_ms: i64,
    /// Highest time, Unix milliseconds.
    pub(crate) time_last_ms: i64,
    /// Lowest sequence number; 0 for summaries.
    pub(crate) sequence_first: u64,
    /// Highest sequence number; 0 for summaries.
    pub(crate) sequence_last: u64,
}

/// Builds a block.
pub(super) struct BlockWriter {
    columns: Vec<(u8, usize)>,
    data: Vec<u8>,
}

impl BlockWriter {
    pub(super) fn new() -> Self {
        Self { columns: Vec::new(), data: Vec::with_capacity(8 * 1024) }
    }

    /// Adds a column with that id: the bytes that `write` appends.
    pub(super) fn column(&mut self, id: u8, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.data.len();
        write(&mut self.data);
        self.columns.push((id, self.data.len() - start));
    }

    pub(super) fn finish(self, header: &Header) -> Vec<u8> {
        let mut block = Vec::with_capacity(self.data.len() + self.columns.len() * 3 + 40);
        let mut record = RecordWriter(&mut block);
        record.array(MAGIC);
        record.u8(VERSION);
        record.u8(header.kind as u8);
        record.u64(header.server_id);
        record.u64(header.rows as u64);
        record.i64(header.time_first_ms);
        record.u64(header.time_last_ms.wrapping_sub(header.time_first_ms).cast_unsigned());
        record.u64(header.sequence_first);
        record.u64(header.sequence_last.wrapping_sub(header.sequence_first));
        record.u64(self.columns.len() as u64);
        for (id, length) in self.columns {
            record.u8(id);
            record.u64(length as u64);
        }
        block.extend_from_slice(&self.data);
        let checksum = crc32fast::hash(&block);
        block.extend_from_slice(&checksum.to_le_bytes());
        block
    }
}

/// A block with a right checksum and a valid table of columns.
#[derive(Debug)]
pub struct Block<'a> {
    pub(crate) header: Header,
    columns: Vec<(u8, &'a [u8])>,
}

impl<'a> Block<'a> {
    /// Checks `bytes` and finds the columns in them, without decoding any.
    ///
    /// # Errors
    /// The checksum is wrong, or the bytes were not written by this hub or an older one.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Corrupt> {
        let corrupt = || Corrupt::at("the checksum of a history block");
        let (body, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or_else(corrupt)?;
        if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
            return Err(corrupt());
        }
        Self::read_body(body)
    }

    fn read_body(body: &'a [u8]) -> Result<Self, Corrupt> {
        let mut record = RecordReader::new("the header of a history block", body);
        if record.array::<2>()? != *MAGIC {
            return Err(record.corrupt());
        }
        let version = record.u8()?;
        if version != VERSION {
            return Err(Corrupt::at(format!("the version of a history block, {version}: this hub reads {VERSION}")));
        }
        let kind = match record.u8()? {
            0 => BlockKind::Reports,
            1 => BlockKind::Summaries,
            _ => return Err(record.corrupt()),
        };
        let server_id = record.u64()?;
        let rows = match usize::try_from(record.u64()?) {
            Ok(rows) if (1..=BLOCK_ROWS_MAX).contains(&rows) => rows,
            _ => return Err(record.corrupt()),
        };
        let time_first_ms = record.i64()?;
        let time_last_ms = time_first_ms.wrapping_add_unsigned(record.u64()?);
        let sequence_first = record.u64()?;
        let sequence_last = sequence_first.wrapping_add(record.u64()?);
        let table: Vec<(u8, usize)> =
            (0..record.length()?).map(|_| Ok((record.u8()?, record.length()?))).collect::<Result<_, Corrupt>>()?;
        let columns =
            table.into_iter().map(|(id, length)| Ok((id, record.take(length)?))).collect::<Result<_, Corrupt>>()?;
        record.finish()?;
        let header = Header { kind, server_id, rows, time_first_ms, time_last_ms, sequence_first, sequence_last };
        Ok(Self { header, columns })
    }

    /// The column with that id, if the block has it.
    pub(super) fn column(&self, id: u8) -> Option<RecordReader<'a>> {
        let (_, bytes) = self.columns.iter().find(|(found, _)| *found == id)?;
        Some(RecordReader::new("a column of a history block", bytes))
    }

    /// The column with that id.
    pub(super) fn needed(&self, id: u8) -> Result<RecordReader<'a>, Corrupt> {
        self.column(id).ok_or_else(|| Corrupt::at(format!("column {id} of a history block, which is missing")))
    }

    /// Bytes of each column, by id.
    pub fn column_bytes(&self) -> impl Iterator<Item = (u8, usize)> {
        self.columns.iter().map(|(id, bytes)| (*id, bytes.len()))
    }
}

/// These bytes followed by their checksum, so that the fuzzer gets past the check.
#[doc(hidden)]
pub fn with_checksum(body: &[u8]) -> Vec<u8> {
    let mut bytes = body.to_vec();
    bytes.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
    bytes
}
