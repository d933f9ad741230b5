//! Every bound of the hub, by name.

use std::time::Duration;

/// Default number of agents that may be connected at once.
pub(crate) const SESSIONS_MAX: usize = 100_000;
/// Strangers above which a client must first prove its address, so that forged ones cost the hub little. A stranger is a
/// connection from its first packet until its `Hello` is accepted.
pub(crate) const UNPROVEN_HANDSHAKES_MAX: usize = 256;
/// Strangers whose address is not proven that may begin at once, and the time after which one more may: 256 per second.
/// Further clients must prove their address. A stranger that begins and leaves at once is in no other bound.
pub(crate) const UNPROVEN_AT_ONCE: u32 = 256;
/// See [`UNPROVEN_AT_ONCE`].
pub(crate) const UNPROVEN_INTERVAL: Duration = Duration::from_micros(1_000_000 / 256);
/// Strangers of one address that may leave without being known at once, and the time after which one more may: 100 per
/// second, so that whoever tries credentials gets some hundredths of a core. Agents that are known do not count.
pub(crate) const STRANGERS_AT_ONCE: u32 = 4096;
/// See [`STRANGERS_AT_ONCE`].
pub(crate) const STRANGER_INTERVAL: Duration = Duration::from_millis(10);
/// Strangers above which new ones are refused. Agents come back with jitter.
pub(crate) const HANDSHAKES_MAX: usize = 4096;
/// An address may have so many strangers for each further one that would be taken: so a single address leaves one place
/// of four to others, and the agents of one address that all reconnect have 2,880 places.
pub(crate) const HANDSHAKES_PER_FREE_PLACE: usize = 3;
/// The last places are only for addresses that have fewer than [`HANDSHAKES_FEW`] strangers: seven addresses, one after
/// the other, would take all of them otherwise.
pub(crate) const HANDSHAKES_KEPT: usize = 256;
/// See [`HANDSHAKES_KEPT`].
pub(crate) const HANDSHAKES_FEW: usize = 4;
/// Time for a handshake, and again for `Hello`. There is no limit after that: an agent that has sent `Hello` may wait
/// for a slow disk.
pub(crate) const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// Time that an agent must use another address before that is shown: QUIC takes some 3 s to detect a forged one. An
/// agent that alternates between several addresses keeps the one that is shown.
pub(crate) const ADDRESS_SETTLE_TIME: Duration = Duration::from_secs(4);
/// Bytes of `Hello`, and so of the memory for an unknown peer: three times the largest `Hello`, for future versions.
pub(crate) const HELLO_BYTES_MAX: usize = 2 * 1024;
/// Agents that may wait for their enrolment. Further ones are refused, and try again with back-off.
pub(crate) const ENROLMENTS_WAITING_MAX: usize = 1024;
/// Enrolments that share a write.
pub(crate) const ENROLMENTS_PER_WRITE_MAX: usize = 256;
/// Refused agents that each get a line in the log within one second. Further ones are counted in one line.
pub(crate) const REFUSALS_LOGGED_PER_S_MAX: u32 = 10;
/// Time for a refused agent to read the reason.
pub(crate) const LAST_WORD_TIMEOUT: Duration = Duration::from_secs(2);
/// Time that QUIC's own answer to a report may wait for the commit, so that both the answer and the ack share a packet.
/// Agents expect that answer within 25 ms.
pub(crate) const ACK_HOLD: Duration = Duration::from_millis(24);
/// Threads for agents, each with its own socket.
pub(crate) const LISTENERS_MAX: usize = 64;
/// Time between two readings of how busy the threads for agents are.
pub(crate) const PACE_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two rounds, while agents send.
pub(crate) const ROUND_INTERVAL: Duration = Duration::from_millis(10);
/// Lateness of a round above which packets are no longer held back: agents wait some 60 ms before they send again, and
/// repeated packets make the next round even later.
pub(crate) const ROUND_LATE_MAX: Duration = Duration::from_millis(20);
/// Batches of packets that are received before they are processed.
pub(crate) const RECEIVES_PER_ROUND_MAX: usize = 32;
/// Time for an agent to take a frame that is sent to it.
pub(crate) const SAY_TIMEOUT: Duration = Duration::from_secs(10);
/// Silence after which an agent counts as gone, unless it asks for less: QUIC takes the shorter of both, and agents ask
/// for 15 s. They send something every 11 s.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Time between two answers that a connection is unknown. None: after a restart each agent must get one, and with
/// QUIC's default of 20 ms most of ten thousand agents waited for their timeout. Only packets with an id from a hub
/// with this key are answered, each with a smaller packet, so the answers cannot amplify an attack.
pub(crate) const RESET_INTERVAL: Duration = Duration::ZERO;

/// Bytes of one agent's stream that may be under way or unread: its share of the pressure when the hub is slow.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 8 * 1024;
/// Bytes of one connection that may be under way or unread.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024;
/// Bytes of one connection that may be under way or unread before its agent is welcome.
pub(crate) const STRANGER_WINDOW_BYTES: u32 = 4 * 1024;
/// Bytes sent to one agent that it has not taken yet.
pub(crate) const SEND_WINDOW_BYTES: u64 = 16 * 1024;
/// Default bytes of the UDP socket's buffers: the packets of a hundred thousand agents in one second, as the system
/// counts them. The system's default loses packets when a fleet reconnects, or when the hub did not run for a moment.
pub(crate) const UDP_BUFFER_BYTES: usize = 32 * 1024 * 1024;

/// HTTP connections at once, with WebSockets and live streams; never more than half of the descriptors that the process
/// may have. A further one takes the place of another one.
pub(crate) const HTTP_CONNECTIONS_MAX: usize = 1024;
/// One token or user may have one part in so many of the connections, from all addresses together: 512. A proxy that
/// sends one token for all its visitors has room for 384 live streams, which is the bound of one address, and for 128
/// requests at once. Live streams of one token from many addresses leave a third of all live streams to others.
pub(crate) const HTTP_OWNER_SHARE: usize = 2;
/// One part in so many of the connections is for clients that have not shown a token or a cookie yet: 128, for probes,
/// sign-ins, and the first requests of everybody else.
pub(crate) const HTTP_STRANGERS_SHARE: usize = 8;
/// Connections that wait in the system's queue until they are accepted, if the system lets so many.
pub(crate) const HTTP_BACKLOG: i32 = 4096;
/// Time until accepting is tried again after it failed: by then a connection that had to go has given its descriptor
/// back.
pub(crate) const HTTP_ACCEPT_RETRY: Duration = Duration::from_millis(10);
/// Time between two lines in the log about that.
pub(crate) const HTTP_ACCEPT_LOG_INTERVAL: Duration = Duration::from_secs(10);
/// Bytes of a request's line and headers.
pub(crate) const HTTP_HEAD_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a request's body.
pub(crate) const HTTP_BODY_BYTES_MAX: usize = 64 * 1024;
/// Time for a request to come in whole.
pub(crate) const HTTP_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a client to take some of the bytes that wait for it.
pub(crate) const HTTP_WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes per minute that a client must take while bytes wait for it: a line of 9.6 kbit/s takes twice as many.
pub(crate) const HTTP_BYTES_PER_MINUTE_MIN: usize = 32 * 1024;
/// Bytes of one connection that the system may hold unsent. With its default of some megabytes, the progress of a slow
/// client would be hidden for a minute, and no budget counts them.
pub(crate) const HTTP_UNSENT_BYTES_MAX: u32 = 128 * 1024;
/// Time after which an answer from history begins, even without a first piece, for a client that has closed its sending
/// side. If the client is gone, its system refuses the bytes. Nothing else distinguishes it from a client that waits.
pub(crate) const HTTP_HALF_CLOSED_TIMEOUT: Duration = Duration::from_secs(10);
/// Time between two checks whether a client that has sent more than its request is gone.
pub(crate) const SILENCE_LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Networks of proxies that an operator may trust. Each entry of a header is compared with all of them.
pub(crate) const TRUSTED_PROXIES_MAX: usize = 64;
/// Entries of `X-Forwarded-For` that are read, from the right: more proxies than any request passes.
pub(crate) const FORWARDED_HOPS_MAX: usize = 32;
/// Maximum of seconds that browsers may be told to use HTTPS only: two years, which lists of such hosts ask for.
pub(crate) const HSTS_MAX_AGE_S_MAX: u64 = 63_072_000;
/// A guest's client address may hold one part in so many of the bytes of answers under way.
pub(crate) const ANSWERS_GUEST_SHARE: usize = 4;
/// Clients of one address with tokens and logins may hold one part in so many of all resources.
pub(crate) const KNOWN_SHARE: usize = 2;
/// One part in so many of all resources is not for guests.
pub(crate) const GUESTS_RESERVE: usize = 4;
/// Time for open HTTP requests and sessions at a stop.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of one request or answer on the admin socket.
pub(crate) const ADMIN_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Connections to the admin socket at once. Further ones wait.
pub(crate) const ADMIN_CONNECTIONS_MAX: usize = 4;
/// Time for the other side of the admin socket to send or take something.
pub(crate) const ADMIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Time between two tries of a session that is stalled, if no commit comes before.
pub(crate) const STALL_RETRY: Duration = Duration::from_millis(200);

/// Silence of a hub after which the command line gives up.
pub(crate) const ADMIN_SILENCE_MAX: Duration = Duration::from_secs(10);
/// Time between two signs of life of a hub that works on a request.
pub(crate) const ADMIN_SIGN_INTERVAL: Duration = Duration::from_secs(2);
/// Time for a client of a hub that is starting to send its request, and to get the answer that it is.
pub(crate) const ADMIN_MEANWHILE_TIMEOUT: Duration = Duration::from_secs(1);
/// Time after which a slow opening of a store is reported.
pub(crate) const START_QUIET: Duration = Duration::from_secs(1);
/// Time between two messages on how far it is.
pub(crate) const START_SIGN_INTERVAL: Duration = Duration::from_secs(5);
/// Maximum of seconds that servers may have to come back before they count as offline, and that messages about alerts
/// may wait for others.
pub(crate) const ALERT_WAIT_S_MAX: u64 = 3600;
/// Time for which a commit may last before silence of agents is taken for the hub's own fault.
pub(crate) const COMMIT_STALL: Duration = Duration::from_secs(5);
/// Time between two looks for a notice that is due.
pub(crate) const NOTICE_INTERVAL: Duration = Duration::from_millis(250);
/// Time between two messages in which a hub of a cluster tells the others what it has sent. It bounds what is sent
/// again when the hub is killed.
pub(crate) const SHARE_SENT_INTERVAL: Duration = Duration::from_secs(1);
/// Messages that are sent at once, each to another channel.
pub(crate) const SENDS_MAX: usize = 8;
/// Time that messages under way have at a stop. The next start sends those again that were not done.
pub(crate) const NOTICE_STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// Time between two times that an Alertmanager is told which alerts fire.
pub(crate) const ALERTMANAGER_INTERVAL: Duration = Duration::from_secs(60);
/// Milliseconds after which an Alertmanager takes an alert for resolved that it is not told of again: four intervals.
pub(crate) const ALERTMANAGER_LASTS_MS: i64 = 240_000;
/// Milliseconds for which an Alertmanager is told that an alert has ended, in case that it misses one time.
pub(crate) const ALERTMANAGER_ENDED_MS: i64 = 300_000;

/// Users that an error names if the asked one does not exist.
pub(crate) const USERS_NAMED_MAX: usize = 10;

/// Time for which a start asks brokers again that are reached and do not answer: they may just elect a leader.
pub(crate) const BROKERS_START_MAX: Duration = Duration::from_secs(20);
/// Time between two such questions.
pub(crate) const BROKERS_RETRY: Duration = Duration::from_millis(500);
/// How far a hub may be behind its cluster, and how long it may hear nothing of the brokers, and still be ready.
pub(crate) const LAG_READY_MAX: Duration = Duration::from_secs(10);
/// Silence of the brokers after which agents are sent to another hub. Longer than brokers take to elect a leader.
pub(crate) const CUT_OFF_MIN: Duration = Duration::from_secs(15);
/// Time between two looks at how far a hub of a cluster is.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// Time between two looks at which hubs there are.
pub(crate) const HUBS_INTERVAL: Duration = Duration::from_secs(5);
/// Time between two looks at how many copies the streams have.
pub(crate) const COPIES_INTERVAL: Duration = Duration::from_secs(20);
/// Time between two wake-ups of sessions that wait for a stream.
pub(crate) const WAKE_INTERVAL: Duration = Duration::from_millis(5);
/// Time until a message is tried again for which the hub had no room.
pub(crate) const FOLLOW_RETRY: Duration = Duration::from_millis(20);
/// How far a hub may be behind the registry of its cluster, and how long it may hear nothing of it, and still say which
/// token holds: another hub may have removed it since.
pub(crate) const REGISTRY_STALE_MIN: Duration = Duration::from_secs(5);
/// Silence of the registry's stream after which a hub may lack a server that another one has made. Brokers say how far
/// the stream is once a second.
pub(crate) const REGISTRY_QUIET_MIN: Duration = Duration::from_secs(3);
/// Time between two looks of a start whether the registry is followed to its end.
pub(crate) const REGISTRY_LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// Time until a change of the registry is made again for which the disk took no write.
pub(crate) const REGISTRY_RETRY: Duration = Duration::from_secs(1);
/// Time for which a change of the registry waits for the brokers' answer. Longer than it is tried.
pub(crate) const PROPOSAL_ANSWER_MAX: Duration = Duration::from_secs(6);
/// Changes of the registry that wait for their turn at the brokers. The engine hands over one at a time, and one that
/// was given up may still be under way.
pub(crate) const PROPOSALS_WAITING_MAX: usize = 4;
/// Time between two tries to tell the other hubs of logins that they do not know.
pub(crate) const SHARE_LOGINS_INTERVAL: Duration = Duration::from_secs(10);
/// Time that a hub which stops has to give a lease back: its id, or its part in alerts.
pub(crate) const LEASE_RELEASE_MAX: Duration = Duration::from_secs(2);

/// Time for which another hub may fetch a backup after it was invited.
pub(crate) const INVITATION_LASTS: Duration = Duration::from_hours(1);
/// Bytes of the list of files in a backup that is fetched from another hub: some hundred thousand files.
pub(crate) const PARCEL_LIST_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Bytes of the file with the cluster's id and name in it.
pub(crate) const PARCEL_MEMBERSHIP_BYTES_MAX: u64 = 256;
/// Memory that a backup which is handed over holds, bytes: pieces that wait for the other side.
pub(crate) const PARCEL_MEMORY_BYTES: usize = 512 * 1024;
/// Times that a hub which joins fetches a backup, if the connection breaks.
pub(crate) const JOIN_TRIES_MAX: u32 = 3;
/// Time between two such tries.
pub(crate) const JOIN_RETRY: Duration = Duration::from_secs(2);
/// Time for which it asks again when the other hub cannot send a backup yet, after each break of the connection. Longer
/// than [`HTTP_WRITE_TIMEOUT`]: the other hub may notice only then that a connection has broken, and removes what it
/// sent before it makes another backup.
pub(crate) const JOIN_BUSY_MAX: Duration = Duration::from_secs(90);
/// Time to connect to the other hub, for each of its addresses.
pub(crate) const JOIN_CONNECT_MAX: Duration = Duration::from_secs(10);
/// Time until the other hub answers: it makes the backup first.
pub(crate) const JOIN_ANSWER_MAX: Duration = Duration::from_secs(120);
/// Silence of the other hub after which the connection counts as broken.
pub(crate) const JOIN_SILENCE_MAX: Duration = Duration::from_secs(30);
/// Bytes of the head of the other hub's answer.
pub(crate) const JOIN_HEAD_BYTES_MAX: usize = 16 * 1024;
/// Bytes of an answer that refuses, and of the file with the invitation.
pub(crate) const JOIN_TEXT_BYTES_MAX: u64 = 4 * 1024;

/// Time between two tries to commit while the disk refuses.
pub(crate) const COMMIT_RETRY: Duration = Duration::from_secs(1);
/// Time between two writes of when API tokens were last used.
pub(crate) const TOKEN_USES_INTERVAL: Duration = Duration::from_secs(60);

/// Maximum of days after which a token expires: a century.
pub(crate) const EXPIRY_DAYS_MAX: u64 = 36_525;
/// Days that any tier may be kept.
pub(crate) const RETENTION_DAYS_MAX: u64 = 3650;
/// Time between two rounds of history's upkeep. A full head starts one at once.
pub(crate) const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);
/// Time until history's upkeep is tried again after it failed.
pub(crate) const UPKEEP_RETRY: Duration = Duration::from_secs(5);
/// Time between two looks at the age of what is kept for a rollback.
pub(crate) const ROLLBACK_INTERVAL: Duration = Duration::from_hours(1);
/// Answers from history that are computed at once. Further ones wait. An answer whose reader has not taken its pieces
/// yet lets others compute.
pub(crate) const HISTORY_ANSWERS_MAX: usize = 4;
/// Answers from history that are under way, computed, waiting or being read.
pub(crate) const HISTORY_STREAMS_MAX: usize = 64;
/// Of these, answers to guests of one address.
pub(crate) const HISTORY_STREAMS_GUEST_MAX: usize = 8;
/// Pieces of one such answer that wait for a slow reader.
pub(crate) const PIECES_WAITING_MAX: usize = 4;

/// Requests at once that change something, or hash a password in 19 MiB. Further ones wait.
pub(crate) const CHANGES_MAX: usize = 2;
/// Time between two looks at the fleet for the live stream.
pub(crate) const LIVE_INTERVAL: Duration = Duration::from_secs(1);
/// Live streams and WebSockets at once; never more than three quarters of the connections.
pub(crate) const LIVE_STREAMS_MAX: usize = 768;
/// Of these, one part in so many may belong to guests of one address. Behind a proxy that is not trusted, that is every
/// guest.
pub(crate) const LIVE_STREAMS_GUEST_SHARE: usize = 2;
/// Silence of a live stream after which a comment is sent. It keeps proxies from closing the stream. It also shows the
/// panel, which gives up a stream that was silent for 12 s, that the hub is there.
pub(crate) const LIVE_KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Time for a subscriber to take an event before its stream ends, besides the time for [`LIVE_BYTES_PER_SECOND_MIN`].
pub(crate) const LIVE_READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How fast a subscriber must take large events, such as a snapshot of a large fleet.
pub(crate) const LIVE_BYTES_PER_SECOND_MIN: u32 = 8 * 1024;
/// Time between two documents on `/ws`, as in v0.
pub(crate) const WEBSOCKET_INTERVAL: Duration = Duration::from_secs(2);
/// Bytes of a message from a client on `/ws`. All of them are ignored.
pub(crate) const WEBSOCKET_MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// Minimum of `memory_bytes_max`, in bytes: with less there is no room for a few answers.
pub(crate) const MEMORY_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// Memory that is assumed if the system does not report its amount, bytes.
pub(crate) const MEMORY_BYTES_USUAL: u64 = 1024 * 1024 * 1024;

/// Time within which a thread begins another round, if it does not wait for the disk. Most do so several times a second.
pub(crate) const ROUND_MAX: Duration = Duration::from_secs(15);
/// The same for a round that waits for the disk: a slow disk is no fault of a thread.
pub(crate) const DISK_ROUND_MAX: Duration = Duration::from_secs(600);
/// Time between two signs of life of a thread that serves many tasks, or that waits for requests.
pub(crate) const LOOP_BEAT_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two looks at how the hub is, for the service manager.
pub(crate) const STATUS_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes of the reason in a status for the service manager.
pub(crate) const STATUS_WORDS_BYTES_MAX: usize = 256;
/// Time that a start asks of the service manager, each time that it says how far it is.
pub(crate) const START_PATIENCE: Duration = Duration::from_secs(60);
/// Time between two looks whether the files of the panel's certificate have changed.
pub(crate) const CERTIFICATE_LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// Bytes of a configuration file that is read again. Every key with a long value takes some kilobytes.
pub(crate) const CONFIG_BYTES_MAX: u64 = 1024 * 1024;

/// Time for a subscriber to take so many bytes.
pub(crate) fn live_read_timeout(bytes: usize) -> Duration {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    LIVE_READ_TIMEOUT + Duration::from_secs((bytes / LIVE_BYTES_PER_SECOND_MIN).into())
}
