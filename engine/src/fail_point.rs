//! Places at which tests end the process.

/// A place in the upkeep of history at which tests end the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailPoint {
    /// Heads are encoded, nothing is written.
    SealEncoded,
    /// Blocks of heads are on disk, the heads are still in memory.
    SealWritten,
    /// The log's range behind the blocks is about to be deleted.
    LogCut,
    /// The range is deleted, its files are not.
    LogCutWritten,
    /// An hour is packed, nothing is written.
    HourPacked,
    /// An hour is written.
    HourWritten,
    /// A day is packed, nothing is written.
    DayPacked,
    /// A day is written.
    DayWritten,
    /// Expired ranges are deleted, their files are not.
    Expired,
}

impl FailPoint {
    /// Every point, in the order in which upkeep reaches them.
    pub const ALL: [Self; 9] = [
        Self::SealEncoded,
        Self::SealWritten,
        Self::LogCut,
        Self::LogCutWritten,
        Self::HourPacked,
        Self::HourWritten,
        Self::DayPacked,
        Self::DayWritten,
        Self::Expired,
    ];
}
