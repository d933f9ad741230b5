//! Bounds of what is sent to the brokers, of what is read from them, and of how long is waited.

use std::time::Duration;

/// The oldest nats-server that is used: major and minor version.
pub const VERSION_MIN: (u32, u32) = (2, 12);

/// Brokers that a cluster needs, and copies that a stream needs: one may fail, and the others are still a majority.
pub const REPLICAS_MIN: usize = 3;

/// Bytes of a message. nats-server takes 1 MiB by default (`max_payload`), and counts the headers.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024 - HEADER_BYTES_MAX;

/// Bytes of a message's headers: names, a number, and an id of at most [`NAME_CHARS_MAX`] characters and two numbers.
pub const HEADER_BYTES_MAX: usize = 4 * 1024;

/// Characters of a cluster's name and of a hub id.
pub const NAME_CHARS_MAX: usize = 32;

/// Partitions of a cluster: their numbers have two digits in the names of streams.
pub const PARTITIONS_MAX: u16 = 100;

/// Addresses of brokers that a configuration may have.
pub const URLS_MAX: usize = 16;

/// Characters of such an address.
pub const URL_CHARS_MAX: usize = 256;

/// Bytes of a file with credentials.
pub const CREDENTIALS_BYTES_MAX: usize = 4 * 1024;

/// Hubs that are listed.
pub const HUBS_MAX: usize = 64;

/// Answers to a question that all brokers are asked.
pub(crate) const ANSWERS_MAX: usize = 64;

/// Messages that wait in one subscription. There is one request at a time, so these are the answers to one request.
pub(crate) const SUBSCRIPTION_MESSAGES_MAX: usize = 2 * PULL_MESSAGES_MAX;

/// Commands that wait for the connection. Each may have a message.
pub(crate) const COMMANDS_MAX: usize = 64;

/// Messages that a follower asks for at once.
pub(crate) const PULL_MESSAGES_MAX: usize = 256;

/// Bytes that a follower asks for at once, which is also what it has in memory: two messages of the largest size.
pub(crate) const PULL_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Characters of a text from a broker that are shown.
pub(crate) const SHOWN_CHARS_MAX: usize = 200;

/// How long one address is tried.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How often the connection is tested. It is given up after three tests without an answer.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(2);

/// How long an answer to a publish is waited for. Brokers that sync answer in milliseconds; a new leader is found in
/// seconds.
pub(crate) const PUBLISH_ANSWER_MAX: Duration = Duration::from_secs(2);

/// How long an answer to another request is waited for.
pub(crate) const API_ANSWER_MAX: Duration = Duration::from_secs(5);

/// How long the answers of all brokers are waited for. A hub does not start without them, and a broker on a machine
/// that is busy, or just starting, may stand still for some seconds.
pub(crate) const ALL_ANSWERS_MAX: Duration = Duration::from_secs(5);

/// How long brokers are asked again that run and do not answer. A hub does not start without them.
pub(crate) const SILENT_BROKERS_MAX: Duration = Duration::from_secs(20);

/// Time between two such questions.
pub(crate) const SILENT_BROKERS_RETRY: Duration = Duration::from_millis(500);

/// A broker that the leader of all has not heard for longer is away, and acknowledges nothing. Brokers that run tell it
/// of themselves each second.
pub(crate) const BROKER_HEARD_MAX: Duration = Duration::from_secs(3);

/// How long a change of the registry is tried. A person waits for it.
pub(crate) const REGISTRY_MAX: Duration = Duration::from_secs(5);

/// How long one request of a follower for messages holds.
pub(crate) const PULL_MAX: Duration = Duration::from_secs(30);

/// How often a broker says that there is nothing to send.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(1);

/// How long a follower waits for a message or a heartbeat before it asks again.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(4);

/// How long the brokers keep a follower's place while it asks for nothing.
pub(crate) const CONSUMER_KEPT: Duration = Duration::from_secs(60);

/// How long a stream must end before the position of a follower, or before a message that was confirmed, until that is
/// believed. A new leader may be behind for a moment, and one that is cut off from the others answers for some 20 s.
pub const REWOUND_MIN: Duration = Duration::from_secs(25);

/// The first wait after a failure, and the longest. The waits double.
pub(crate) const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// How often a failure that continues is written to the log.
pub(crate) const WARN_INTERVAL: Duration = Duration::from_secs(30);

/// A publisher that was quiet for longer reads where its subject ends before it sends: the last message may have left
/// the stream.
pub(crate) const QUIET_MAX: Duration = Duration::from_secs(60);

/// How long the brokers remember the ids of messages.
pub(crate) const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// How long a lease lasts after its last renewal.
pub const LEASE_TTL: Duration = Duration::from_secs(10);

/// A holder stops so much earlier, as a share of the whole: one part in so many. Clocks of two machines run differently
/// fast, but not by that much.
pub(crate) const LEASE_MARGIN_PARTS: u32 = 5;

/// How long the brokers keep a lease that is not renewed. Long enough that their clocks decide nothing.
pub(crate) const LEASE_KEPT: Duration = Duration::from_secs(600);

/// Bytes of all leases.
pub(crate) const LEASES_BYTES_MAX: i64 = 1024 * 1024;

/// Bytes that a partition's stream must be allowed to hold at least.
pub const STREAM_BYTES_MIN: u64 = 64 * 1024 * 1024;

const _: () = assert!(2 * (MESSAGE_BYTES_MAX + HEADER_BYTES_MAX) <= PULL_BYTES_MAX);

/// Time for which the leader of a stream may not hear a broker that keeps up with it: brokers hear of each other at least
/// every second.
pub const COPY_SILENCE_MAX: Duration = Duration::from_secs(5);
