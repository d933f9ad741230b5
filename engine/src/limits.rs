//! Every bound of the engine, by name. Going past one is pushed back or refused, never dropped in silence.

/// Pending buffers that reports are spread over by server id. More than the ingest threads of any machine we run on, few
/// enough that a commit of all of them is one small batch.
pub const SHARDS: usize = 16;

/// Bytes of reports that may wait for the next commit in one shard: about 10,000 reports. A session that finds its shard
/// full is not read until the next commit. One frame may overshoot, so the real peak is this plus 64 KiB.
pub const PENDING_BYTES_PER_SHARD_MAX: usize = 1024 * 1024;

/// Watched servers. Each holds a few hundred bytes of memory without a session.
pub const SERVERS_MAX: usize = 200_000;

/// API tokens.
pub const TOKENS_MAX: usize = 10_000;

/// Enrolment tokens.
pub const ENROL_TOKENS_MAX: usize = 1_000;

/// Panel logins that are valid at once.
pub const LOGINS_MAX: usize = 10_000;

/// Outboxes whose progress is remembered for one server: how many agents may take turns with one credential before the
/// first one's unacknowledged reports can no longer be told from new ones.
pub const OUTBOXES_PER_SERVER_MAX: usize = 4;

/// Bytes of a server's name and of its tag.
pub const NAME_BYTES_MAX: usize = 128;

/// Bytes of a note on a server or a token.
pub const NOTE_BYTES_MAX: usize = 1024;

/// Commits between two checkpoints of latest status, which bound how much log a start has to read again.
pub const COMMITS_PER_CHECKPOINT: u64 = 4096;

/// Reports between two checkpoints, for a fleet that fills commits well.
pub const REPORTS_PER_CHECKPOINT: u64 = 1_000_000;

/// Milliseconds after which a durable report is acknowledged at the latest, counted at the next report.
pub const ACK_INTERVAL_MS: i64 = 5_000;

/// Reports after which an ack is due whatever the time.
pub const ACK_REPORTS_MAX: u64 = 64;

/// Rows of one block: an hour at two reports a second. A longer hour becomes several blocks.
pub const BLOCK_ROWS_MAX: usize = 8192;
