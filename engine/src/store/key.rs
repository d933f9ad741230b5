//! Column families and keys, all on one screen. Names and layouts are on disk and therefore for ever.
//!
//! | family | key | value |
//! | --- | --- | --- |
//! | `default` | `checkpoint` | [`super::checkpoints`]: commit numbers up to which `latest` is complete |
//! | `default` | `followed` | [`super::positions`]: how far a hub of a cluster has followed each stream |
//! | `default` | `followed_registry` | how far a hub of a cluster has followed the registry's stream |
//! | `default` | `raw_floor`, `minute_floor`, `quarter_floor` | the tier's oldest hour or day that is kept |
//! | `default` | `clock` | [`super::clock`]: the newest trusted time, the expiry time, for how long the clock was steady |
//! | `default` | `next_server_id`, `next_token_id`, `next_enrol_token_id`, `next_user_id` | the id given out next |
//! | `default` | `next_rule_id`, `next_channel_id`, `next_silence_id` | the id given out next |
//! | `default` | `next_notice`, `next_alert_row` | the number given out next |
//! | `log` | commit number `u64` BE, shard `u8` | [`super::log`]: the reports of one shard in one commit |
//! | `latest` | server id `u64` BE | [`super::latest`]: newest sample, progress of outboxes |
//! | `hosts` | server id `u64` BE | [`super::hosts`]: facts, address, country |
//! | `servers` | server id `u64` BE | [`super::servers`]: name, tag, credential hash |
//! | `tokens` | token id `u64` BE | [`super::tokens`]: API token |
//! | `enrol_tokens` | token id `u64` BE | [`super::tokens`]: enrolment token |
//! | `raw` | hour, server id, first sequence number | a block of reports of that hour ([`crate::block`]) |
//! | `minute` | day, server id, part `u8` | a block of minutes: part 24 the day so far, parts 0–23 hours newer than that |
//! | `quarter` | day, server id | a block of quarters of an hour |
//! | `facts` | day, server id, minute | facts of a server that changed in that minute, as in `hosts` |
//! | `sealed` | server id | number of the newest report that is in a block |
//! | `todo` | `h`, server id, hour | the hour has new blocks: pack them, and summarise it |
//! | `todo` | `g`, server id, hour | the hour's blocks are large; the value is their bytes, `u64` BE |
//! | `todo` | `d`, server id, day | the day has new minutes: pack them, and summarise it |
//! | `users` | user id `u64` BE | [`super::users`]: user of the panel |
//! | `logins` | SHA-256 of the cookie | [`super::users`]: panel login |
//! | `rules` | rule id `u64` BE | [`super::rules`]: rule of alerts |
//! | `channels` | channel id `u64` BE | [`super::channels`]: channel that messages go to, with its secrets |
//! | `silences` | silence id `u64` BE | [`super::silences`]: silence |
//! | `alerts` | rule id, server id (0 for the hub) | [`super::alerts`]: alert that is not ok |
//! | `notices` | number `u64` BE | [`super::notices`]: notice that waits to be sent |
//! | `alert_log` | day, number `u64` BE | [`super::alert_log`]: what happened to an alert |
//!
//! Ids, hours, days and minutes are eight bytes, big-endian; the latter three count from 1970 and have their sign bit turned
//! over, so that keys are in the order of time. History's keys begin with the time: what is too old is one range.

/// RocksDB's own family, for single numbers.
pub(crate) const DEFAULT: &str = "default";
pub(crate) const LOG: &str = "log";
pub(crate) const LATEST: &str = "latest";
pub(crate) const HOSTS: &str = "hosts";
pub(crate) const SERVERS: &str = "servers";
pub(crate) const TOKENS: &str = "tokens";
pub(crate) const ENROL_TOKENS: &str = "enrol_tokens";
pub(crate) const USERS: &str = "users";
pub(crate) const LOGINS: &str = "logins";
pub(crate) const RULES: &str = "rules";
pub(crate) const CHANNELS: &str = "channels";
pub(crate) const SILENCES: &str = "silences";
pub(crate) const ALERTS: &str = "alerts";
pub(crate) const NOTICES: &str = "notices";
pub(crate) const ALERT_LOG: &str = "alert_log";

pub(crate) const RAW: &str = "raw";
pub(crate) const MINUTE: &str = "minute";
pub(crate) const QUARTER: &str = "quarter";
pub(crate) const FACTS: &str = "facts";
pub(crate) const SEALED: &str = "sealed";
pub(crate) const TODO: &str = "todo";

/// New ones come last: a store of an older format has only the first.
pub(crate) const FAMILIES: [&str; 20] = [
    LOG,
    LATEST,
    HOSTS,
    SERVERS,
    TOKENS,
    ENROL_TOKENS,
    USERS,
    LOGINS,
    RAW,
    MINUTE,
    QUARTER,
    FACTS,
    SEALED,
    TODO,
    RULES,
    CHANNELS,
    SILENCES,
    ALERTS,
    NOTICES,
    ALERT_LOG,
];

/// Families of blocks, whose keys begin with a time.
pub(crate) const TIERS: [&str; 3] = [RAW, MINUTE, QUARTER];

pub(crate) const CHECKPOINT: &[u8] = b"checkpoint";
pub(crate) const CLOCK: &[u8] = b"clock";
pub(crate) const FOLLOWED: &[u8] = b"followed";
pub(crate) const FOLLOWED_REGISTRY: &[u8] = b"followed_registry";
/// In the order of [`TIERS`].
pub(crate) const FLOORS: [&[u8]; 3] = [b"raw_floor", b"minute_floor", b"quarter_floor"];
pub(crate) const NEXT_SERVER_ID: &[u8] = b"next_server_id";
pub(crate) const NEXT_TOKEN_ID: &[u8] = b"next_token_id";
pub(crate) const NEXT_ENROL_TOKEN_ID: &[u8] = b"next_enrol_token_id";
pub(crate) const NEXT_USER_ID: &[u8] = b"next_user_id";
pub(crate) const NEXT_RULE_ID: &[u8] = b"next_rule_id";
pub(crate) const NEXT_CHANNEL_ID: &[u8] = b"next_channel_id";
pub(crate) const NEXT_SILENCE_ID: &[u8] = b"next_silence_id";
pub(crate) const NEXT_NOTICE: &[u8] = b"next_notice";
pub(crate) const NEXT_ALERT_ROW: &[u8] = b"next_alert_row";

pub(crate) fn id_key(id: u64) -> [u8; 8] {
    id.to_be_bytes()
}

pub(crate) fn id_of(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}

pub(crate) fn log_key(commit: u64, shard: u8) -> [u8; 9] {
    let mut key = [shard; 9];
    key[..8].copy_from_slice(&commit.to_be_bytes());
    key
}

/// Commit and shard.
pub(crate) fn log_of(log_key: &[u8]) -> Option<(u64, u8)> {
    let (commit, rest) = log_key.split_first_chunk::<8>()?;
    match rest {
        [shard] => Some((u64::from_be_bytes(*commit), *shard)),
        _ => None,
    }
}

pub(crate) fn commit_of(log_key: &[u8]) -> Option<u64> {
    log_of(log_key).map(|(commit, _)| commit)
}

/// The part of a day's minutes that holds what was packed for the whole day.
pub(crate) const WHOLE_DAY: u8 = 24;

/// Kinds of [`TODO`].
pub(crate) const TODO_HOUR: u8 = b'h';
pub(crate) const TODO_DAY: u8 = b'd';
pub(crate) const TODO_HEAVY: u8 = b'g';

/// A time as eight bytes that sort like it.
pub(crate) fn time_key(time: i64) -> [u8; 8] {
    ordered(time).to_be_bytes()
}

fn ordered(time: i64) -> u64 {
    time.cast_unsigned() ^ 1 << 63
}

fn unordered(time: u64) -> i64 {
    (time ^ 1 << 63).cast_signed()
}

fn three_key(numbers: [u64; 3]) -> [u8; 24] {
    let mut key = [0; 24];
    key.chunks_exact_mut(8).zip(numbers).for_each(|(part, number)| part.copy_from_slice(&number.to_be_bytes()));
    key
}

fn three_of(key: &[u8]) -> Option<[u64; 3]> {
    let (numbers, rest) = key.as_chunks::<8>();
    let [a, b, c] = numbers.try_into().ok()?;
    rest.is_empty().then(|| [a, b, c].map(u64::from_be_bytes))
}

pub(crate) fn raw_key(hour: i64, server_id: u64, first_sequence: u64) -> [u8; 24] {
    three_key([ordered(hour), server_id, first_sequence])
}

/// The keys of one server's hour: the first, and what comes after all of them, because no report has the highest number.
pub(crate) fn raw_range(hour: i64, server_id: u64) -> (Vec<u8>, Vec<u8>) {
    (raw_key(hour, server_id, 0).to_vec(), raw_key(hour, server_id, u64::MAX).to_vec())
}

/// Hour, server and first sequence number.
pub(crate) fn raw_of(key: &[u8]) -> Option<(i64, u64, u64)> {
    three_of(key).map(|[hour, server_id, sequence]| (unordered(hour), server_id, sequence))
}

pub(crate) fn minute_key(day: i64, server_id: u64, part: u8) -> [u8; 17] {
    let mut key = [part; 17];
    key[..16].copy_from_slice(&quarter_key(day, server_id));
    key
}

/// The part of a day.
pub(crate) fn part_of(minute_key: &[u8]) -> Option<u8> {
    minute_key.get(16).copied()
}

pub(crate) fn quarter_key(day: i64, server_id: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&time_key(day));
    key[8..].copy_from_slice(&server_id.to_be_bytes());
    key
}

pub(crate) fn alert_key(rule_id: u64, server_id: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&rule_id.to_be_bytes());
    key[8..].copy_from_slice(&server_id.to_be_bytes());
    key
}

/// Rule and server.
pub(crate) fn alert_of(key: &[u8]) -> Option<(u64, u64)> {
    let (rule_id, server_id) = key.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*rule_id), id_of(server_id)?))
}

pub(crate) fn alert_log_key(day: i64, number: u64) -> [u8; 16] {
    quarter_key(day, number)
}

/// Day and number.
pub(crate) fn alert_log_of(key: &[u8]) -> Option<(i64, u64)> {
    alert_of(key).map(|(day, number)| (unordered(day), number))
}

pub(crate) fn facts_key(day: i64, server_id: u64, minute: i64) -> [u8; 24] {
    three_key([ordered(day), server_id, ordered(minute)])
}

/// Server and minute.
pub(crate) fn facts_of(key: &[u8]) -> Option<(u64, i64)> {
    three_of(key).map(|[_, server_id, minute]| (server_id, unordered(minute)))
}

pub(crate) fn todo_key(kind: u8, server_id: u64, time: i64) -> [u8; 17] {
    let mut key = [kind; 17];
    key[1..9].copy_from_slice(&server_id.to_be_bytes());
    key[9..].copy_from_slice(&time_key(time));
    key
}

/// Kind, server and time.
pub(crate) fn todo_of(key: &[u8]) -> Option<(u8, u64, i64)> {
    let (kind, rest) = key.split_first()?;
    let (numbers, rest) = rest.as_chunks::<8>();
    let [server_id, time] = numbers.try_into().ok()?;
    rest.is_empty().then(|| (*kind, u64::from_be_bytes(server_id), unordered(u64::from_be_bytes(time))))
}

/// The time that a key of [`TIERS`] begins with.
pub(crate) fn time_of(key: &[u8]) -> Option<i64> {
    key.first_chunk().map(|time| unordered(u64::from_be_bytes(*time)))
}

/// A key that comes before `key` and behind every stored key that does; `None` when no stored key does. Stored keys of one
/// length have no exact one before them, so this one is longer: what is taken away by it is never too much.
pub(super) fn some_key_before(key: &[u8]) -> Option<Vec<u8>> {
    let digit = key.iter().rposition(|byte| *byte > 0)?;
    let mut before = key.to_vec();
    before[digit] -= 1;
    before[digit + 1..].fill(u8::MAX);
    // Longer keys may begin with these bytes.
    before.extend([u8::MAX; KEY_BYTES_MAX]);
    Some(before)
}

/// Bytes of the longest key there is, that of a login.
const KEY_BYTES_MAX: usize = 32;

/// A key of [`TIERS`] in words.
pub(crate) fn describe(family: &str, key: &[u8]) -> String {
    let unit = if family == RAW { "hour" } else { "day" };
    let server = key.get(8..16).and_then(|server| server.try_into().ok()).map(u64::from_be_bytes);
    match (time_of(key), server) {
        (Some(time), Some(server)) => format!("{family} block of server {server}, {unit} {time} since 1970"),
        _ => format!("{family} block with a key of {} bytes", key.len()),
    }
}
