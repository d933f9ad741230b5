//! A door for tests: a write to the store that is refused, or at which the process ends.

use super::error::StoreError;

/// A moment of a write to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WritePoint {
    /// Nothing is written yet.
    Before,
    /// It is written, and the writer has not heard of it yet.
    After,
}

/// Says whether a write goes on from a point. It fails there otherwise, as if the disk had refused it.
pub type WriteGate = fn(WritePoint) -> bool;

/// Passes the gate, if there is one.
pub(super) fn pass(gate: Option<WriteGate>, point: WritePoint) -> Result<(), StoreError> {
    match gate {
        Some(gate) if !gate(point) => Err(StoreError::Other("a test refused the write".to_owned())),
        _ => Ok(()),
    }
}
