//! Which session may report for a server, said so that every hub of a cluster understands it.

use crate::record::{Corrupt, RecordReader, RecordWriter};

/// A session of one process of one hub. No other session of the same server has the same id, in the whole cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionId {
    /// The hub that the agent is connected to.
    pub(crate) hub_id: u32,
    /// The hub's process.
    pub(crate) boot_id: u64,
    /// Counts the sessions of the server in that process.
    pub(crate) epoch: u64,
}

impl SessionId {
    pub(crate) fn write(&self, record: &mut RecordWriter<'_>) {
        record.u64(self.hub_id.into());
        record.array(&self.boot_id.to_le_bytes());
        record.u64(self.epoch);
    }

    pub(crate) fn read(record: &mut RecordReader<'_>) -> Result<Self, Corrupt> {
        let hub_id = record.u32()?;
        Ok(Self { hub_id, boot_id: u64::from_le_bytes(record.array()?), epoch: record.u64()? })
    }
}
