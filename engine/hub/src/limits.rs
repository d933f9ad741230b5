//! Every bound of the hub, by name.

use std::time::Duration;

/// Agents connected at once, unless configured.
pub(crate) const SESSIONS_MAX: usize = 100_000;
/// Handshakes under way above which a client must first prove its address, so that forged ones cost the hub little.
pub(crate) const UNPROVEN_HANDSHAKES_MAX: usize = 256;
/// Handshakes under way above which new ones are refused. Agents come back with jitter.
pub(crate) const HANDSHAKES_MAX: usize = 4096;
/// Time for a handshake, and again for `Hello`.
pub(crate) const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a refused agent to read why.
pub(crate) const LAST_WORD_TIMEOUT: Duration = Duration::from_secs(2);
/// Time that QUIC's own answer to a report may wait for the commit, so that the ack goes along. Agents expect that answer
/// within 25 ms.
pub(crate) const ACK_HOLD: Duration = Duration::from_millis(24);
/// Threads for agents, each with a socket of its own.
pub(crate) const LISTENERS_MAX: usize = 64;
/// Time between two looks at how busy the threads for agents are.
pub(crate) const PACE_INTERVAL: Duration = Duration::from_secs(1);
/// Seconds that agents let a sample wait for others to share its frame.
pub(crate) const FRAME_AGE_S_MAX: u32 = 10;
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
/// Bytes said to one agent that it has not taken yet.
pub(crate) const SEND_WINDOW_BYTES: u64 = 16 * 1024;
/// Bytes of the UDP socket's buffers, unless configured: a second's packets of a hundred thousand agents, as the system
/// counts them. Its default loses packets when a fleet comes back, or when the hub was kept from its core for a moment.
pub(crate) const UDP_BUFFER_BYTES: usize = 32 * 1024 * 1024;

/// HTTP connections at once; further ones wait to be accepted.
pub(crate) const HTTP_CONNECTIONS_MAX: usize = 1024;
/// Bytes of a request's line and headers.
pub(crate) const HTTP_HEAD_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a request's body.
pub(crate) const HTTP_BODY_BYTES_MAX: usize = 64 * 1024;
/// Time for a request to come in whole.
pub(crate) const HTTP_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for open HTTP requests and sessions at a stop.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of one request or answer on the admin socket.
pub(crate) const ADMIN_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Connections to the admin socket at once; further ones wait.
pub(crate) const ADMIN_CONNECTIONS_MAX: usize = 4;
/// Time for the other side of the admin socket to say or take something.
pub(crate) const ADMIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Silence of a hub after which the command line gives it up.
pub(crate) const ADMIN_SILENCE_MAX: Duration = Duration::from_secs(10);
/// Time between two signs of life of a hub that is at work on a request.
pub(crate) const ADMIN_SIGN_INTERVAL: Duration = Duration::from_secs(2);
/// Users that are named when there is none of the asked name.
pub(crate) const USERS_NAMED_MAX: usize = 10;

/// Time between two tries to commit while the disk refuses.
pub(crate) const COMMIT_RETRY: Duration = Duration::from_secs(1);
/// Time between two notes of when API tokens were last used.
pub(crate) const TOKEN_USES_INTERVAL: Duration = Duration::from_secs(60);

/// Days that any tier may be kept.
pub(crate) const RETENTION_DAYS_MAX: u64 = 3650;
/// Time between two rounds of history's upkeep; a full head starts one at once.
pub(crate) const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);
/// Time until history's upkeep is tried again after it failed.
pub(crate) const UPKEEP_RETRY: Duration = Duration::from_secs(5);
/// Answers from history that are made at once; further ones wait.
pub(crate) const HISTORY_ANSWERS_MAX: usize = 4;
/// Pieces of one such answer that wait for a slow reader.
pub(crate) const PIECES_WAITING_MAX: usize = 4;
/// Time for a reader to take a piece, until its answer is given up.
pub(crate) const PIECE_TIMEOUT: Duration = Duration::from_secs(10);

/// Requests that change something, or hash a password in 19 MiB, at once; further ones wait.
pub(crate) const CHANGES_MAX: usize = 2;
/// Time between two looks at the fleet for the live stream.
pub(crate) const LIVE_INTERVAL: Duration = Duration::from_secs(1);
/// Silence of a live stream after which something is said, so that proxies keep it open.
pub(crate) const LIVE_KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Time for a watcher to take an event, until its stream ends.
pub(crate) const LIVE_READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Time between two documents on `/ws`, as in v0.
pub(crate) const WEBSOCKET_INTERVAL: Duration = Duration::from_secs(2);
/// Bytes of what a client says on `/ws`; nothing it says matters.
pub(crate) const WEBSOCKET_MESSAGE_BYTES_MAX: usize = 4 * 1024;
