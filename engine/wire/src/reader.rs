//! A byte stream cut into frame bodies.

use crate::error::WireError;
use crate::frame::check_length;
use crate::limits::LENGTH_PREFIX_BYTES;

/// Memory that a drained reader keeps; a session's usual frame is far smaller.
const KEPT_BYTES_MAX: usize = 1024;

/// Cuts a byte stream into frame bodies. Never holds more than one unfinished frame beside what was last fed.
#[derive(Debug, Default)]
pub struct FrameReader {
    buffer: Vec<u8>,
    /// Bytes at the front of `buffer` that were already given out.
    consumed: usize,
}

impl FrameReader {
    /// A reader at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes of the stream. Call [`FrameReader::next_body`] until it has no more before feeding again: that is what
    /// bounds the buffer to one frame and one chunk.
    pub fn feed(&mut self, chunk: &[u8]) {
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT_BYTES_MAX {
            self.buffer = Vec::new();
        }
        self.buffer.extend_from_slice(chunk);
    }

    /// The next whole body, or `None` until more is fed. An oversized or empty frame is refused as soon as its length is
    /// there; the stream cannot go on after an error.
    pub fn next_body(&mut self) -> Result<Option<&[u8]>, WireError> {
        let rest = &self.buffer[self.consumed..];
        let Some((prefix, rest)) = rest.split_first_chunk::<LENGTH_PREFIX_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*prefix);
        check_length(u64::from(length))?;
        let length = length as usize;
        if rest.len() < length {
            return Ok(None);
        }
        let start = self.consumed + LENGTH_PREFIX_BYTES;
        self.consumed = start + length;
        Ok(Some(&self.buffer[start..start + length]))
    }

    /// Whether the stream may end here: no frame has begun.
    pub fn at_frame_boundary(&self) -> bool {
        self.consumed == self.buffer.len()
    }
}
