//! Every bound of the API that is not the engine's.

/// Servers that one request changes: their ids fit into a body of 64 KiB.
pub(crate) const SERVERS_PER_CHANGE_MAX: usize = 2_500;
/// Maximum of servers that `top` names.
pub(crate) const TOP_MAX: usize = 1000;
/// Default number of rows of the log of alerts.
pub(crate) const ALERT_EVENTS_USUAL: usize = 1000;
/// Maximum of rows of the log of alerts.
pub(crate) const ALERT_EVENTS_MAX: usize = 10_000;
/// Values of all groups that are held at once.
pub(crate) const GROUP_VALUES_MAX: usize = 4_000_000;
/// Bytes of a base path with its slashes. It is in each cookie that the panel gets.
pub(crate) const BASE_PATH_BYTES_MAX: usize = 128;
