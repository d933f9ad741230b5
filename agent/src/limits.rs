//! Every bound of the agent, by name.

use std::time::Duration;

/// Shortest time between reports.
pub const REPORT_INTERVAL_MIN: Duration = Duration::from_secs(1);
/// Longest time between reports.
pub const REPORT_INTERVAL_MAX: Duration = Duration::from_secs(60);

/// Reports kept in memory without a spool, or while the disk of the spool takes none: an hour at one per second, about
/// 1 MB. Then sampling pauses until the hub has taken some.
pub const MEMORY_REPORTS_MAX: u64 = 3600;

/// Readings that wait for an outbox whose disk hangs: ten minutes at one per second. Then sampling pauses until it
/// answers.
pub const READINGS_WAITING_MAX: usize = 600;

/// Bytes of one spool file. Files whose reports are all acknowledged are deleted whole.
pub const SPOOL_SEGMENT_BYTES: u64 = 1024 * 1024;
/// Default for the bytes of all spool files: more than a week at one report per second.
pub const SPOOL_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes that a spool needs at least: one file to write and one to drain.
pub const SPOOL_BYTES_MIN: u64 = 2 * SPOOL_SEGMENT_BYTES;
/// Highest allowed number of bytes of all spool files: more than a year of reports at one per second. The numbers of
/// one spool's reports must be far closer together than their stride.
pub const SPOOL_BYTES_LIMIT: u64 = 4 * 1024 * 1024 * 1024;
/// Runs of earlier processes that a spool may hold while this process adds to it. Each needs its own connection. With
/// more, sampling pauses until the hub has taken some.
pub const SPOOL_RUNS_MAX: usize = 64;

/// Time until a spool is tried again whose disk did not let the agent use it. It doubles with each try.
pub const SPOOL_RETRY_INTERVAL: Duration = Duration::from_secs(30);
/// The longest that becomes.
pub const SPOOL_RETRY_INTERVAL_MAX: Duration = Duration::from_secs(240);
/// Time for which a file of a spool may be unreadable before the agent reports from memory: a disk that had to start
/// again has answered by then.
pub const SPOOL_READ_PATIENCE: Duration = Duration::from_secs(10);

/// Step of the wall clock that is reported before the next report: less is drift.
pub const CLOCK_STEP_MS_MIN: i64 = 500;
/// Time after which the clock is reported even if it did not step, because drift adds up.
pub const CLOCK_INTERVAL_MS: u64 = 600_000;

/// Time for a hub's name to be looked up.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
/// Addresses of one name that are tried for one connection, all of them at once at the end.
pub const ADDRESSES_MAX: usize = 16;
/// Time for a connection over any address of the hub, and again for the hub's `Welcome`.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time until the next address is tried too, as RFC 8305 recommends.
pub const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// The same for the address that led to the hub before: a hub that is busy, as after its own restart, must not get two
/// handshakes of each agent. RFC 8305's longest.
pub const PROVEN_ATTEMPT_DELAY: Duration = Duration::from_secs(2);
/// Time for a connection if nothing listens at any address: long enough for a hub that is just starting.
pub const REFUSED_TIMEOUT: Duration = Duration::from_secs(3);
/// Silence after which the hub counts as unreachable.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// Silence after which the agent sends something, so that the hub does not drop an agent that reports slowly. Above
/// [`FRAME_AGE_S_MAX`](windfire_wire::limits::FRAME_AGE_S_MAX): an agent that gathers samples is never silent for
/// longer.
pub const KEEP_ALIVE: Duration = Duration::from_secs(11);
/// Time between two looks at whether the hub still answers.
pub const PATH_LOOK_INTERVAL: Duration = Duration::from_millis(2500);
/// Time without an answer from the hub after which the agent continues from another port. A router between the two may
/// have forgotten the first port, or send its packets to a wrong address.
pub const PATH_SILENCE: Duration = Duration::from_secs(5);
/// Changes of the port in one silence: after two more seconds than these take, the connection is given up anyway.
pub const PATH_MOVES_MAX: u32 = 2;
/// Time between two looks of an agent that has several hubs at whether its hub still answers. They add up to two such
/// times to [`HUB_SILENCE`].
pub const HUB_LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Time without an answer from the hub after which an agent that has several tries another one. Long enough for one
/// change of the port before.
pub const HUB_SILENCE: Duration = Duration::from_secs(8);
/// Time for the outbox to take the last readings at a stop.
pub const KEEP_TIMEOUT: Duration = Duration::from_secs(1);
/// Time to get the last reports acknowledged at a stop.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// Hubs of one agent.
pub const HUBS_MAX: usize = 16;

/// Bytes of a file that holds a credential or an enrolment token, with what editors add.
pub const SECRET_FILE_BYTES_MAX: u64 = 4096;
/// Bytes of the file with the variables of the package's service: the package's own has 2 kB.
pub const VARIABLES_FILE_BYTES_MAX: u64 = 64 * 1024;
/// Bytes read of a file that holds the machine's id.
pub const MACHINE_ID_BYTES_MAX: u64 = 1024;
/// Minimum of hexadecimal digits of a machine's id: a shorter one may be another machine's.
pub const MACHINE_ID_DIGITS_MIN: usize = 16;
/// Bytes read of a file of certificate authorities: a system's own has some 250 kB.
pub const CA_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Packets that the doctor sends to an address until it is taken for silent.
pub const PROBES_MAX: u32 = 3;
/// Time that the doctor waits for an answer to each of them.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// Time for the hub to be told that the doctor's connection ends.
pub const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);
/// Files of a spool that the doctor looks at. A spool of the largest size has fewer.
pub const SPOOL_FILES_MAX: usize = 10_000;
