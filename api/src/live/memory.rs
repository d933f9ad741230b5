//! The memory of the live stream: events in rings, and bytes that sockets have not taken yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// Counts bytes for as long as a ring or a subscriber's socket holds them.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory(Arc<AtomicUsize>);

impl Memory {
    /// Bytes held now.
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// The same bytes, counted until the last copy is dropped.
    pub(super) fn keep(&self, bytes: Vec<u8>) -> Bytes {
        let bytes = bytes.into_boxed_slice();
        self.0.fetch_add(bytes.len(), Ordering::Relaxed);
        Bytes::from_owner(Kept { bytes, held: Arc::clone(&self.0) })
    }
}

struct Kept {
    bytes: Box<[u8]>,
    held: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_until_the_last_copy_is_gone() {
        let memory = Memory::default();
        let kept = memory.keep(vec![7; 1000]);
        let (copy, part) = (kept.clone(), kept.slice(10..20));
        drop(kept);
        drop(copy);
        assert_eq!((memory.bytes(), part.len()), (1000, 10));
        drop(part);
        assert_eq!(memory.bytes(), 0);
    }
}
