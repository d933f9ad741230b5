//! Events during a measurement of a fleet.

use std::time::Duration;

use clap::ValueEnum;

/// Events during the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Agents report, each in its own phase
    Steady,
    /// All agents report within a twentieth of the interval
    Burst,
    /// A third into the run the hub is killed and started at once: all agents reconnect
    ReconnectStorm,
    /// Each second one agent in a hundred loses its connection
    Flapping,
    /// Fifty clients read `details` at 256 KiB/s each
    SlowReaders,
    /// A third into the run the hub is killed and stays away for half a minute
    Outage,
    /// In the second half one address and one credential attack the hub, besides the honest agents and a browser
    Hostile,
}

impl Profile {
    /// Part of the interval that readings are spread over.
    pub(crate) fn spread(self) -> f64 {
        if self == Self::Burst { 0.05 } else { 1.0 }
    }

    /// Connections cut each second.
    pub(crate) fn flaps_per_s(self, agents: usize) -> f64 {
        if self == Self::Flapping { agents as f64 / 100.0 } else { 0.0 }
    }

    /// How long the hub stays away, if it is killed.
    pub(crate) fn absence(self) -> Option<Duration> {
        match self {
            Self::ReconnectStorm => Some(Duration::ZERO),
            Self::Outage => Some(Duration::from_secs(30)),
            _ => None,
        }
    }

    /// Clients that read slowly.
    pub(crate) fn slow_readers(self) -> usize {
        if self == Self::SlowReaders { 50 } else { 0 }
    }

    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}
