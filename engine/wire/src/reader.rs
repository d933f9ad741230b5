//! A byte stream cut into frame bodies.

use crate::error::WireError;
use crate::frame::check_length;
use crate::limits::{FRAME_BODY_BYTES_MAX, LENGTH_PREFIX_BYTES};

/// Memory that a drained reader keeps; a session's usual frame is far smaller.
const KEPT_BYTES_MAX: usize = 1024;

/// Cuts a byte stream into frame bodies. Holds at most one unfinished frame besides the last chunk.
#[derive(Debug)]
pub struct FrameReader {
    buffer: Vec<u8>,
    /// Bytes at the front of `buffer` that were already given out.
    consumed: usize,
    body_bytes_max: usize,
}

impl Default for FrameReader {
    fn default() -> Self {
        Self { buffer: Vec::new(), consumed: 0, body_bytes_max: FRAME_BODY_BYTES_MAX }
    }
}

impl FrameReader {
    /// A reader at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// A reader that takes smaller bodies only, until [`FrameReader::take_any`]: it bounds the memory for a peer that
    /// is not authenticated yet.
    pub fn of_stranger(body_bytes_max: usize) -> Self {
        Self { body_bytes_max, ..Self::default() }
    }

    /// Takes every body that a frame may have from now on.
    pub fn take_any(&mut self) {
        self.body_bytes_max = FRAME_BODY_BYTES_MAX;
    }

    /// Appends bytes of the stream. Call [`FrameReader::next_body`] until it has no more before feeding again: this
    /// bounds the buffer to one frame and one chunk.
    pub fn feed(&mut self, chunk: &[u8]) {
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT_BYTES_MAX {
            self.buffer = Vec::new();
        }
        self.buffer.extend_from_slice(chunk);
    }

    /// The next whole body, or `None` until more is fed. An oversized or empty frame is refused as soon as its length
    /// is known. After an error the stream cannot continue.
    pub fn next_body(&mut self) -> Result<Option<&[u8]>, WireError> {
        let rest = &self.buffer[self.consumed..];
        let Some((prefix, rest)) = rest.split_first_chunk::<LENGTH_PREFIX_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*prefix);
        check_length(u64::from(length))?;
        let length = length as usize;
        if length > self.body_bytes_max {
            let found = length as u64;
            return Err(WireError::TooLong { what: "first frame", found, max: self.body_bytes_max });
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_s_frame_is_small_and_a_known_peer_s_is_not() {
        let mut reader = FrameReader::of_stranger(10);
        reader.feed(&[10, 0, 0, 0]);
        reader.feed(&[7; 10]);
        assert_eq!(reader.next_body(), Ok(Some(&[7; 10][..])));
        reader.feed(&11u32.to_le_bytes());
        assert_eq!(reader.next_body(), Err(WireError::TooLong { what: "first frame", found: 11, max: 10 }));
        reader.take_any();
        reader.feed(&[7; 11]);
        assert_eq!(reader.next_body(), Ok(Some(&[7; 11][..])));
    }
}
