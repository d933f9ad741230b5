//! Settings that the hub passes to the engine.

use std::sync::Arc;

use crate::alert::state::AlertOptions;
use crate::fail_point::FailPoint;
use crate::history::Retention;
use crate::intake::Member;
use crate::registry::Ledger;
use crate::store::WriteGate;

/// Gives the country of a public address, lower case, or nothing.
pub type CountryLookup = Box<dyn Fn(&str) -> String + Send + Sync>;

/// Called with how far a start has read the log, in commits: `(read, all)`. First `(0, 0)`, once this process has
/// locked the store.
pub type ReplayListener = Box<dyn Fn(u64, u64) + Send + Sync>;

/// Settings that may change while the engine is open: see [`crate::Engine::retune`]. They mean what the fields of
/// [`Options`] with these names mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// Milliseconds between reports that the hub asks agents for. With 0 each agent uses its own.
    pub report_interval_ms: u32,
    /// Minimum of samples that agents gather in one frame.
    pub samples_per_frame_min: u32,
    /// How long history is kept.
    pub retention: Retention,
    /// How alerts are judged and told. The grace is not changed.
    pub alerts: AlertOptions,
}

/// A process's place in a cluster.
#[derive(Clone)]
pub struct Membership {
    /// The hub and its process.
    pub member: Member,
    /// Where changes of the registry are proposed.
    pub ledger: Arc<dyn Ledger>,
}

/// Settings that the hub passes to the engine.
#[derive(Default)]
pub struct Options {
    /// Milliseconds between reports that the hub asks agents for. With 0 each agent uses its own.
    pub report_interval_ms: u32,
    /// Minimum of samples that agents gather in one frame, rounded up to 1, 2, 5 or 10.
    pub samples_per_frame_min: u32,
    /// Reports per second that one server may bring before its session is stalled; 0 for
    /// [`REPORTS_PER_S_MAX`](crate::limits::REPORTS_PER_S_MAX).
    pub reports_per_s_max: u32,
    /// How long history is kept.
    pub retention: Retention,
    /// How alerts are judged and told.
    pub alerts: AlertOptions,
    /// Whether [`crate::Engine::open`] returns before history has all reports of the log: rounds of upkeep then catch up.
    pub catches_up_later: bool,
    /// The process's place in a cluster. With it, reports and changes of the registry go to streams, and what streams
    /// bring is applied ([`crate::Engine::follow`], [`crate::Engine::follow_registry`]). Without it, the hub is alone.
    pub following: Option<Membership>,
    /// Whether a store of an older format is upgraded without a folder that [`crate::roll_back`] could put back.
    pub without_rollback: bool,
    /// Called at each point: for tests that end the process there.
    #[doc(hidden)]
    pub at_fail_point: Option<fn(FailPoint)>,
    /// Passed by every write to the store: for tests that refuse some, or end the process there.
    #[doc(hidden)]
    pub at_write: Option<WriteGate>,
    /// Country of an address. Without it countries stay empty, except those that an operator sets.
    pub country_of: Option<CountryLookup>,
    /// Called with how far a start is.
    pub on_replay: Option<ReplayListener>,
}
