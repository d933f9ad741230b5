//! Every bound of the hub, by name.

use std::time::Duration;

/// Agents connected at once, unless configured.
pub(crate) const SESSIONS_MAX: usize = 100_000;
/// Handshakes under way above which a client must first prove its address, so that forged ones cost the hub little.
pub(crate) const UNPROVEN_HANDSHAKES_MAX: usize = 256;
/// Handshakes under way above which new ones are refused. Agents come back with jitter.
pub(crate) const HANDSHAKES_MAX: usize = 4096;
/// Time for a handshake, and again for `Hello`. Not for what follows: who said who he is may wait for a slow disk.
pub(crate) const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// Time that an agent must have come from another address until that is shown: QUIC takes some 3 s to find out that one was
/// only pretended, and one that comes from several in turn keeps the one that is shown.
pub(crate) const ADDRESS_SETTLE_TIME: Duration = Duration::from_secs(4);
/// Bytes of `Hello`, and so of what is kept for somebody nobody knows: three times the largest, for versions to come.
pub(crate) const HELLO_BYTES_MAX: usize = 2 * 1024;
/// Agents that may wait for their enrolment; further ones are told to come back. They do so with back-off.
pub(crate) const ENROLMENTS_WAITING_MAX: usize = 1024;
/// Enrolments that share a write.
pub(crate) const ENROLMENTS_PER_WRITE_MAX: usize = 256;
/// Refused agents that each get a line in the log within a second; further ones are counted in one.
pub(crate) const REFUSALS_LOGGED_PER_S_MAX: u32 = 10;
/// Time for a refused agent to read why.
pub(crate) const LAST_WORD_TIMEOUT: Duration = Duration::from_secs(2);
/// Time that QUIC's own answer to a report may wait for the commit, so that the ack goes along. Agents expect that answer
/// within 25 ms.
pub(crate) const ACK_HOLD: Duration = Duration::from_millis(24);
/// Threads for agents, each with a socket of its own.
pub(crate) const LISTENERS_MAX: usize = 64;
/// Time between two looks at how busy the threads for agents are.
pub(crate) const PACE_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two looks at what agents sent, while they send.
pub(crate) const ROUND_INTERVAL: Duration = Duration::from_millis(10);
/// Lateness of such a look above which nothing is kept back any more: agents wait some 60 ms before they send again, and
/// what they send again makes the next look later still.
pub(crate) const ROUND_LATE_MAX: Duration = Duration::from_millis(20);
/// Batches of packets received before those in hand are dealt with.
pub(crate) const RECEIVES_PER_ROUND_MAX: usize = 32;
/// Time for an agent to take what is said to it.
pub(crate) const SAY_TIMEOUT: Duration = Duration::from_secs(10);
/// Silence after which an agent is taken for gone, unless it asks for less: QUIC takes the shorter of both, and agents ask
/// for 15 s. They say something every 11 s.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Time between two answers that a connection is not known any more. None: after a restart each agent must hear it, and at
/// QUIC's usual 20 ms most of ten thousand waited out their timeout. Only packets with an id that a hub with this key gave
/// out are answered, each with a smaller packet, so nobody can make more of it than they send.
pub(crate) const RESET_INTERVAL: Duration = Duration::ZERO;

/// Bytes of one agent's stream that may be under way or unread: its share of the pressure when the hub is slow.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 8 * 1024;
/// Bytes of one connection that may be under way or unread.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024;
/// Bytes of one connection that may be under way or unread before its agent is welcome.
pub(crate) const STRANGER_WINDOW_BYTES: u32 = 4 * 1024;
/// Bytes said to one agent that it has not taken yet.
pub(crate) const SEND_WINDOW_BYTES: u64 = 16 * 1024;
/// Bytes of the UDP socket's buffers, unless configured: a second's packets of a hundred thousand agents, as the system
/// counts them. Its default loses packets when a fleet comes back, or when the hub was kept from its core for a moment.
pub(crate) const UDP_BUFFER_BYTES: usize = 32 * 1024 * 1024;

/// HTTP connections at once, WebSockets and live streams among them; never more than half of the descriptors that the
/// process may have. A further one takes the place of one that nobody misses; where there is none, it waits.
pub(crate) const HTTP_CONNECTIONS_MAX: usize = 1024;
/// Connections that wait in the system's queue until they are accepted, if the system lets so many.
pub(crate) const HTTP_BACKLOG: i32 = 4096;
/// Time until accepting is tried again after it failed: by then a connection that had to go has given its descriptor back.
pub(crate) const HTTP_ACCEPT_RETRY: Duration = Duration::from_millis(10);
/// Time between two lines in the log that say so.
pub(crate) const HTTP_ACCEPT_LOG_INTERVAL: Duration = Duration::from_secs(10);
/// Bytes of a request's line and headers.
pub(crate) const HTTP_HEAD_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a request's body.
pub(crate) const HTTP_BODY_BYTES_MAX: usize = 64 * 1024;
/// Time for a request to come in whole.
pub(crate) const HTTP_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a client to take some of the bytes that wait for it.
pub(crate) const HTTP_WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes that a client takes at least of those that wait for it a minute: a line of 9.6 kbit/s takes twice as many.
pub(crate) const HTTP_BYTES_PER_MINUTE_MIN: usize = 32 * 1024;
/// Bytes of one connection that the system may hold and not have sent yet: its usual megabytes would hide for a minute that
/// a slow client takes some, and are not in anybody's budget.
pub(crate) const HTTP_UNSENT_BYTES_MAX: u32 = 128 * 1024;
/// Time after which an answer from history begins, whatever there is of it, for a client that has nothing more to say: who is
/// gone refuses what is sent, and nothing else tells it from who waits.
pub(crate) const HTTP_HALF_CLOSED_TIMEOUT: Duration = Duration::from_secs(10);
/// Time between two looks at whether a client that has sent more than it was asked for is gone.
pub(crate) const SILENCE_LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// A guest's client address may hold one part in so many of the bytes of answers under way.
pub(crate) const ANSWERS_GUEST_SHARE: usize = 4;
/// An address's tokens and logins may hold one part in so many of what there is for all.
pub(crate) const KNOWN_SHARE: usize = 2;
/// One part in so many of what there is for all is out of guests' reach.
pub(crate) const GUESTS_RESERVE: usize = 4;
/// Time for open HTTP requests and sessions at a stop.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of one request or answer on the admin socket.
pub(crate) const ADMIN_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Connections to the admin socket at once; further ones wait.
pub(crate) const ADMIN_CONNECTIONS_MAX: usize = 4;
/// Time for the other side of the admin socket to say or take something.
pub(crate) const ADMIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Time between two tries of a session that is stalled, when no commit comes meanwhile.
pub(crate) const STALL_RETRY: Duration = Duration::from_millis(200);

/// Silence of a hub after which the command line gives it up.
pub(crate) const ADMIN_SILENCE_MAX: Duration = Duration::from_secs(10);
/// Time between two signs of life of a hub that is at work on a request.
pub(crate) const ADMIN_SIGN_INTERVAL: Duration = Duration::from_secs(2);
/// Time for whoever asks a hub that is starting to say what, and to hear that it is.
pub(crate) const ADMIN_MEANWHILE_TIMEOUT: Duration = Duration::from_secs(1);
/// Time that opening a store takes until something is said about it.
pub(crate) const START_QUIET: Duration = Duration::from_secs(1);
/// Time between two words on how far it is.
pub(crate) const START_SIGN_INTERVAL: Duration = Duration::from_secs(5);
/// Users that are named when there is none of the asked name.
pub(crate) const USERS_NAMED_MAX: usize = 10;

/// Time between two tries to commit while the disk refuses.
pub(crate) const COMMIT_RETRY: Duration = Duration::from_secs(1);
/// Time between two notes of when API tokens were last used.
pub(crate) const TOKEN_USES_INTERVAL: Duration = Duration::from_secs(60);

/// Days after which a token expires, at the most: a century.
pub(crate) const EXPIRY_DAYS_MAX: u64 = 36_525;
/// Days that any tier may be kept.
pub(crate) const RETENTION_DAYS_MAX: u64 = 3650;
/// Time between two rounds of history's upkeep; a full head starts one at once.
pub(crate) const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);
/// Time until history's upkeep is tried again after it failed.
pub(crate) const UPKEEP_RETRY: Duration = Duration::from_secs(5);
/// Answers from history that are computed at once; further ones wait. One whose reader has not taken the pieces that are
/// there lets others compute meanwhile.
pub(crate) const HISTORY_ANSWERS_MAX: usize = 4;
/// Answers from history that are under way, computed, waiting or being read.
pub(crate) const HISTORY_STREAMS_MAX: usize = 64;
/// Of these, answers to guests of one address.
pub(crate) const HISTORY_STREAMS_GUEST_MAX: usize = 8;
/// Pieces of one such answer that wait for a slow reader.
pub(crate) const PIECES_WAITING_MAX: usize = 4;

/// Requests that change something, or hash a password in 19 MiB, at once; further ones wait.
pub(crate) const CHANGES_MAX: usize = 2;
/// Time between two looks at the fleet for the live stream.
pub(crate) const LIVE_INTERVAL: Duration = Duration::from_secs(1);
/// Live streams and WebSockets at once; never more than three quarters of the connections.
pub(crate) const LIVE_STREAMS_MAX: usize = 768;
/// Of these, one part in so many may belong to guests of one address. Behind a proxy that is every guest.
pub(crate) const LIVE_STREAMS_GUEST_SHARE: usize = 2;
/// Silence of a live stream after which something is said, so that proxies keep it open, and the panel, which gives up a
/// stream that was silent for 12 s, knows that the hub is there.
pub(crate) const LIVE_KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Time for a watcher to take what it is sent, until its stream ends, beside what [`LIVE_BYTES_PER_SECOND_MIN`] allows.
pub(crate) const LIVE_READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How fast a watcher must take what is large, such as a snapshot of a large fleet.
pub(crate) const LIVE_BYTES_PER_SECOND_MIN: u32 = 8 * 1024;
/// Time between two documents on `/ws`, as in v0.
pub(crate) const WEBSOCKET_INTERVAL: Duration = Duration::from_secs(2);
/// Bytes of what a client says on `/ws`; nothing it says matters.
pub(crate) const WEBSOCKET_MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// Memory that the hub keeps to, at least, bytes: below, there is no room for a few answers.
pub(crate) const MEMORY_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// Memory that is reckoned with where the system does not say how much there is, bytes.
pub(crate) const MEMORY_BYTES_USUAL: u64 = 1024 * 1024 * 1024;

/// Time for a watcher to take so many bytes.
pub(crate) fn live_read_timeout(bytes: usize) -> Duration {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    LIVE_READ_TIMEOUT + Duration::from_secs((bytes / LIVE_BYTES_PER_SECOND_MIN).into())
}
