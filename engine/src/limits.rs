//! The engine's bounds, by name. Work beyond a bound waits or is refused, but never dropped silently. Bounds of
//! RocksDB's memory and files are in `store/options.rs`.

use windfire_wire::limits::{
    FRAME_AGE_S_MAX, FRAME_BODY_BYTES_MAX, REPORTS_PER_FRAME_MAX, TEMPERATURE_NAME_BYTES_MAX, TEMPERATURES_MAX,
};

/// Pending buffers that reports are spread over by server id. More than the ingest threads of any machine we run on,
/// few enough that a commit of all of them is one small batch.
pub const SHARDS: usize = 16;

/// Bytes of reports that may wait for the next commit in one shard: about 10,000 reports. A session whose frame does
/// not fit is not read until the next commit. There is always room for one frame in an empty buffer, so this is never
/// exceeded.
pub const PENDING_BYTES_PER_SHARD_MAX: usize = 1024 * 1024;

/// Watched servers. Each holds a few hundred bytes of memory without a session.
pub const SERVERS_MAX: usize = 200_000;

/// API tokens.
pub const TOKENS_MAX: usize = 10_000;

/// Minimum of characters of an API token whose text the client chooses. If they are random visible ASCII, these are
/// at least 80 bits.
pub const TOKEN_CHARS_MIN: usize = 16;

/// Maximum of characters of an API token whose text the client chooses: it must fit into a header.
pub const TOKEN_CHARS_MAX: usize = 1024;

/// Enrolment tokens.
pub const ENROL_TOKENS_MAX: usize = 1_000;

/// Tags that one API token may be limited to.
pub const TAGS_PER_TOKEN_MAX: usize = 64;

/// Users of the panel.
pub const USERS_MAX: usize = 1_000;

/// Characters of a user's name.
pub const USER_NAME_CHARS_MAX: usize = 64;

/// Minimum of characters of a password.
pub const PASSWORD_CHARS_MIN: usize = 12;

/// Maximum of characters of a password.
pub const PASSWORD_CHARS_MAX: usize = 128;

/// Panel logins that are valid at once.
pub const LOGINS_MAX: usize = 10_000;

/// Outboxes whose progress is remembered for one server. Each process of an agent names a new one. A spool that is
/// restored from before so many starts looks like a new one. A spool holds at most as many runs.
pub const OUTBOXES_PER_SERVER_MAX: usize = 64;

/// Characters of a server's name and of its tag.
pub const NAME_CHARS_MAX: usize = 128;

/// Characters of a note on a server or a token.
pub const NOTE_CHARS_MAX: usize = 1024;

/// Commits between two checkpoints of latest status of the same shard, which bound how much log a start has to read
/// again: it reads back to the oldest head, ten minutes, in any case. Shards take turns, so that no commit holds the
/// whole fleet.
pub const COMMITS_PER_CHECKPOINT: u64 = 4096;

/// Milliseconds after which a durable report is acknowledged, counted at the next frame.
pub const ACK_INTERVAL_MS: i64 = 8_000;

/// Frames before which no ack is sent because of time alone: agents that send few and full frames get few acks. An
/// agent answers each ack, so an ack of each frame would mean half as many packets again.
pub const ACK_FRAMES_MIN: u64 = 3;

/// Reports after which an ack is due at any time.
pub const ACK_REPORTS_MAX: u64 = 64;

/// Sequence numbers that one session may leave out, in all gaps together. An outbox leaves none out. A hub that was
/// restored from a backup misses the numbers acknowledged since: at the agents' fastest, one per second, these are 136
/// years of reports. It would take a thousand million sessions to use up a server's numbers.
pub const SEQUENCE_JUMP_MAX: u64 = 1 << 32;

/// Frames without a new report that one session may bring per second: clocks, facts, known reports, questions for an
/// ack. An agent sends its clock with a frame of reports, if it stepped or ten minutes have passed, its facts at most
/// once a minute, and questions when it stops. It sends no known report, as `Welcome` tells it where to begin.
pub const ASIDES_PER_S_MAX: u32 = 10;

/// Frames without a new report that a session may have saved up.
pub const ASIDES_BURST_MAX: u32 = 1000;

/// Rows of one block: an hour at two reports per second. A longer hour becomes several blocks.
pub const BLOCK_ROWS_MAX: usize = 8192;

/// Reports of one head: ten minutes at one per second. Some 12 KiB of memory when it is full.
pub const HEAD_ROWS_MAX: usize = 600;

/// Bytes of one head, for reports with many sensors. One frame may overshoot.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Milliseconds after which a head becomes a block even if it is not full, so that its part of the log can be deleted.
pub const HEAD_AGE_MS_MAX: i64 = 10 * 60 * 1000;

/// Full heads of one server that may wait to become blocks. A session that finds so many is not read until there are
/// fewer.
pub const FULL_HEADS_MAX: usize = 8;

/// Servers whose heads become blocks in one write.
pub const HEADS_PER_WRITE_MAX: usize = 64;

/// Milliseconds between two searches for old heads and for log that is not needed.
pub const SWEEP_INTERVAL_MS: i64 = 10_000;

/// Milliseconds between two deletions of log that is not needed.
pub const LOG_CUT_INTERVAL_MS: i64 = 60_000;

/// Milliseconds between two searches for hours and days to pack.
pub const PACK_INTERVAL_MS: i64 = 30_000;

/// Milliseconds after an hour's end when it is packed: its reports have left the heads by then.
pub const HOUR_GRACE_MS: i64 = HEAD_AGE_MS_MAX + 2 * 60 * 1000;

/// Milliseconds after a day's end when it is packed: its last hour is packed by then.
pub const DAY_GRACE_MS: i64 = HOUR_GRACE_MS + 60 * 60 * 1000;

/// Milliseconds until an hour or a day that could not be read is tried again.
pub const DAMAGED_RETRY_MS: i64 = 60 * 60 * 1000;

/// Hours, and days, of one server each that are packed before heads are sealed again.
pub const PACKS_PER_ROUND_MAX: usize = 64;

/// Milliseconds between two searches for expired history.
pub const EXPIRE_INTERVAL_MS: i64 = 60_000;

/// Time for which a store of an older format is kept after its upgrade, so that the upgrade can be undone.
pub const ROLLBACK_KEPT_MS: i64 = 7 * 86_400_000;

/// Days of the raw tier that no disk budget deletes.
pub const RAW_DAYS_KEPT_MIN: u32 = 1;

/// Days of the minute tier that no disk budget deletes.
pub const MINUTE_DAYS_KEPT_MIN: u32 = 7;

/// Days of the quarter tier that no disk budget deletes.
pub const QUARTER_DAYS_KEPT_MIN: u32 = 30;

/// Blocks that are read to estimate the size of a row.
pub const STORAGE_BLOCKS_READ_MAX: usize = 2048;

/// Corrupt blocks that are named one by one. All are counted.
pub const CORRUPT_BLOCKS_NAMED_MAX: usize = 100;

/// Table files that are named where damage is in one of them, and RocksDB does not say in which.
pub(crate) const TABLES_NAMED_MAX: usize = 20;

/// Threads that a start reads the newest part of the log with. More would only wait for the disk.
pub const START_THREADS_MAX: usize = 4;

/// Full heads that are held while history catches up after a start, before they become blocks.
pub const RECOVERED_HEADS_MAX: usize = 1024;

/// Reports of the log that one round of upkeep reads while history catches up: some 50 ms, after which a stop is heard.
pub const CATCH_UP_REPORTS_PER_ROUND: u64 = 100_000;

/// Times in a row that the disk refuses to read a stretch of the log while it takes writes, before history leaves the stretch
/// out: ten minutes, as a hub tries it every five seconds. A disk that comes back later costs no report.
pub const REFUSED_READS_MAX: u32 = 120;

/// Rounds of upkeep in a row that fail before the hub says so: half a minute, as a hub tries again every five seconds.
pub const FAILED_ROUNDS_TOLD: u32 = 6;

/// Points of one series.
pub const POINTS_MAX: usize = 20_000;

/// Default number of points of one series.
pub const POINTS_USUAL: usize = 2_000;

/// Days that one query of history may span: longer than anything is kept.
pub const RANGE_DAYS_MAX: i64 = 3660;

/// Days of reports from which one series is computed, if its step is not a whole minute: a little more than
/// [`POINTS_MAX`] steps of just under a minute. A longer range is answered in whole minutes.
pub const RAW_RANGE_DAYS_MAX: i64 = 14;

/// Days of the minute tier from which one series is computed, if its step is not a whole quarter of an hour: a little
/// more than [`POINTS_MAX`] steps of just under an hour. A longer range is answered in whole quarters.
pub const MINUTE_RANGE_DAYS_MAX: i64 = 850;

/// Agents whose clocks the hub remembers, to tell whether its own is right.
pub const CLOCK_WITNESSES_MAX: usize = 256;

/// Unix milliseconds of 1 January 2025, before which there was no hub. A clock that shows less is wrong.
pub(crate) const EARLIEST_MS: i64 = 1_735_689_600_000;

/// Milliseconds that an agent's clock may be off, either way, before the hub replaces its times with the hub's own.
pub const CLOCK_SKEW_KEPT_MS: i64 = 5_000;

/// Milliseconds between two notes of the trusted time in the store.
pub const CLOCK_STORE_INTERVAL_MS: i64 = 60_000;

/// Maximum of bytes of one report in the log: a kind and 14 varints, five floats, and every sensor with the longest
/// name.
pub const REPORT_LOG_BYTES_MAX: usize =
    1 + 15 * 10 + 5 * 8 + 2 + TEMPERATURES_MAX * (1 + TEMPERATURE_NAME_BYTES_MAX + 8);

/// Maximum of bytes of one frame's reports in the log. The log repeats a name only where the frame did: names take at
/// most the bytes of the frame and of the first report's names, while numbers may grow from one byte to eight.
pub const BATCH_LOG_BYTES_MAX: usize = REPORTS_PER_FRAME_MAX * (1 + 15 * 10 + 5 * 8 + 2 + TEMPERATURES_MAX * 9)
    + FRAME_BODY_BYTES_MAX
    + REPORT_LOG_BYTES_MAX
    + OUTBOX_LOG_BYTES;
const OUTBOX_LOG_BYTES: usize = 1 + 10 + 16;
const _: () = assert!(BATCH_LOG_BYTES_MAX < PENDING_BYTES_PER_SHARD_MAX);

/// Reports that a server may bring for each second that passes, or by which the time of its reports moves forward.
/// Agents make at most one per second. Once the server's share is used up, its session is not read. [`crate::Options`]
/// may raise it.
pub const REPORTS_PER_S_MAX: u32 = 20;

/// Reports that a server may have saved up.
pub const REPORTS_BURST_MAX: u32 = 8192;

/// Bytes of log that a server may bring for each such second. A usual report has some 100, and one whose 128 sensors
/// all change has 1,200.
pub const LOG_BYTES_PER_S_MAX: u32 = 16 * 1024;

/// Bytes of log that a server may have saved up.
pub const LOG_BYTES_BURST_MAX: u32 = 4 * 1024 * 1024;

/// Milliseconds before now from which on a report's time counts for its server's share: one day more than raw reports
/// are kept. A server that was disconnected cannot have saved more.
pub const BACKLOG_MS_MAX: i64 = 8 * 86_400_000;

/// Rows that a walk over reports holds at once: an hour that has more is walked in parts.
pub const WALK_ROWS_MAX: usize = 32 * 1024;

/// Bytes of reports that an export holds at once: an hour that has more is read in parts.
pub const EXPORT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Values of sensors in one packed block, so that decoding one is bounded as its rows are: an hour of 36 sensors at one
/// report per second. An hour with more becomes several blocks.
pub const BLOCK_SENSOR_VALUES_MAX: usize = 128 * 1024;

/// Rows that packing an hour holds at once: a larger hour is packed in parts. Sensors are bounded as in a block.
pub const PACK_ROWS_MAX: usize = 64 * 1024;

/// Bytes of one server's packed hour from which on it is noted, so that the disk budget finds the largest servers. A
/// usual hour at one report per second has 30 KiB.
pub const HEAVY_HOUR_BYTES: u64 = 1024 * 1024;

/// Hours with much in them whose reports one round of upkeep deletes: each rewrites the files that it shares with others.
pub(crate) const HEAVY_HOURS_PER_ROUND: usize = 16;

/// Milliseconds between two writes of one server's facts: an agent that changes them all the time writes no more than
/// others.
pub const FACTS_INTERVAL_MS: i64 = 60_000;

/// Bytes of a server's past facts, as stored, that are held in memory at once; at least one record.
pub(crate) const FACTS_PAGE_BYTES_MAX: usize = 256 * 1024;

/// Rules of alerts.
pub const RULES_MAX: usize = 1_000;

/// Conditions of one rule.
pub const CONDITIONS_MAX: usize = 8;

/// Tags that one rule, or one silence, names.
pub const RULE_TAGS_MAX: usize = 64;

/// Servers that one rule, or one silence, names.
pub const RULE_IDS_MAX: usize = 10_000;

/// Seconds that a rule may wait before it fires: a week.
pub const FOR_S_MAX: u32 = 604_800;

/// Seconds that a rule may wait before it is resolved: a day.
pub const KEEP_S_MAX: u32 = 86_400;

/// Minimum of seconds between two messages about an alert that lasts, where there is more than one.
pub const REPEAT_S_MIN: u32 = 60;

/// Maximum of seconds between two messages about an alert that lasts: a week.
pub const REPEAT_S_MAX: u32 = 604_800;

/// Minimum of seconds without a report that a rule may take for offline. Agents gather readings for up to
/// [`FRAME_AGE_S_MAX`] seconds when a busy hub asks them to, and their frame is
/// shown after its commit. Such a silence must make nobody offline.
pub const OFFLINE_S_MIN: u32 = FRAME_AGE_S_MAX + 2;

/// Channels that messages go to.
pub const CHANNELS_MAX: usize = 100;

/// Headers of a webhook.
pub const HEADERS_MAX: usize = 16;

/// Characters of a header's name and of its value.
pub const HEADER_CHARS_MAX: usize = 1024;

/// Characters of a channel's address, and of its secrets.
pub const URL_CHARS_MAX: usize = 2048;

/// Characters of one template.
pub const TEMPLATE_CHARS_MAX: usize = 16_384;

/// Recipients of one e-mail channel.
pub const RECIPIENTS_MAX: usize = 50;

/// Messages that a channel may send in a minute.
pub const MESSAGES_PER_MINUTE_MAX: u32 = 600;

/// Silences.
pub const SILENCES_MAX: usize = 1_000;

/// Notices that wait to be sent. What is more is counted in a digest.
pub const NOTICES_MAX: usize = 10_000;

/// Servers that one message names. Others are counted by tag.
pub const NOTICE_SERVERS_MAX: usize = 10;

/// Tags of one message with their counts.
pub const NOTICE_TAGS_MAX: usize = 50;

/// Bytes of one message.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Alerts that are not ok, of all rules and servers together.
pub const ALERTS_MAX: usize = 1_000_000;

/// Days that the log of alerts is kept.
pub const ALERT_LOG_DAYS: u32 = 90;

/// Rows of the log of alerts.
pub const ALERT_LOG_ROWS_MAX: usize = 1_000_000;

/// Bytes of one message for a stream: the mebibyte that a broker takes by default, without room for its own header.
pub const STREAM_MESSAGE_BYTES_MAX: usize = 1024 * 1024 - 4 * 1024;

/// Bytes of a message that reports leave free for its header, for markers of sessions and for facts.
pub const MESSAGE_MARGIN_BYTES: usize = 64 * 1024;

/// Bytes of one server's facts in a message: more than an agent can send.
pub(crate) const FACTS_BYTES_MAX: usize = 32 * 1024;
const _: () = assert!(FACTS_BYTES_MAX < MESSAGE_MARGIN_BYTES);

/// Bytes of reports that may wait in one partition for its next message. While that message is on its way, as many wait
/// for the one after it. There is always room for one frame in an empty buffer.
pub(crate) const OFFERED_BYTES_MAX: usize = STREAM_MESSAGE_BYTES_MAX - MESSAGE_MARGIN_BYTES;

/// Tries of a change of the registry in a cluster. Each one but the first means that another hub was faster.
pub const CHANGE_TRIES: usize = 5;

/// Milliseconds for which a change of the registry waits for this hub's follower, after the brokers have answered.
pub const CHANGE_PATIENCE_MS: u64 = 5_000;

/// Changes in one message of the registry's stream: as many servers as there may be, or a user's logins.
pub(crate) const CHANGES_PER_MESSAGE_MAX: usize = SERVERS_MAX + LOGINS_MAX;

/// Highest id in a message of the registry's stream. So many are never given out.
pub(crate) const REGISTRY_ID_MAX: u64 = u64::MAX >> 1;

/// Servers that one message creates for agents that come with enrolment tokens. With the longest names and as many
/// tokens it stays below [`STREAM_MESSAGE_BYTES_MAX`].
pub(crate) const ENROLMENTS_PER_MESSAGE_MAX: usize = 128;

/// Bytes of a batch in a message before its reports: a kind, five numbers and an outbox.
pub(crate) const BATCH_HEAD_BYTES_MAX: usize = 1 + 5 * 10 + 16;
const _: () = assert!(BATCH_HEAD_BYTES_MAX + BATCH_LOG_BYTES_MAX < OFFERED_BYTES_MAX);
