//! What the engine does not decide itself.

use crate::history::{FailPoint, Retention};
use crate::store::WriteGate;

/// Gives the country of a public address, lower case, or nothing.
pub type CountryLookup = Box<dyn Fn(&str) -> String + Send + Sync>;

/// Hears how far a start has read the log, in commits: `(read, all)`. First `(0, 0)`, once the store is this process's.
pub type ReplayListener = Box<dyn Fn(u64, u64) + Send + Sync>;

/// What the engine does not decide itself.
#[derive(Default)]
pub struct Options {
    /// Milliseconds between reports that agents are asked for; 0 leaves it to them.
    pub report_interval_ms: u32,
    /// Samples that agents gather in one frame at the least, rounded up to 1, 2, 5 or 10.
    pub samples_per_frame_min: u32,
    /// Reports a second that one server may bring before its session is stalled; 0 for
    /// [`REPORTS_PER_S_MAX`](crate::limits::REPORTS_PER_S_MAX).
    pub reports_per_s_max: u32,
    /// How long history is kept.
    pub retention: Retention,
    /// Called at each point of the upkeep of history: for tests that end the process there.
    #[doc(hidden)]
    pub at_fail_point: Option<fn(FailPoint)>,
    /// Passed by every write to the store: for tests that refuse some, or end the process there.
    #[doc(hidden)]
    pub at_write: Option<WriteGate>,
    /// Country of an address; without it countries stay empty unless given by hand.
    pub country_of: Option<CountryLookup>,
    /// Hears how far a start is.
    pub on_replay: Option<ReplayListener>,
}
