//! How a connection to the hub is made: over all addresses that it has, raced as RFC 8305 does.
//!
//! ```text
//! hub ── look up ──► addresses ── race: one after the other, 250 ms apart, next at once when one fails ──► the first that is the hub
//! ```
//! Each connection has sockets of its own: a port that something on the way has taken a dislike to is not used again.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{
    AckFrequencyConfig, ClientConfig, Connection, ConnectionError, ConnectionStats, Endpoint, EndpointConfig,
    IdleTimeout, TokioRuntime, TransportConfig, VarInt,
};
use rustls::pki_types::ServerName;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::address::{HubAddress, race_order};
use crate::limits::{
    ATTEMPT_DELAY, CONNECT_TIMEOUT, IDLE_TIMEOUT, KEEP_ALIVE, LOOKUP_TIMEOUT, PATH_LOOK_INTERVAL, PATH_MOVES_MAX,
    PATH_SILENCE, PROVEN_ATTEMPT_DELAY, REFUSED_TIMEOUT,
};
use crate::link::LinkError;
use crate::trust::{Fingerprint, Tls, Trust};

/// The ways out: which hub is believed, and how QUIC is tuned. Shared by all links of a process.
#[derive(Clone)]
pub struct Endpoints {
    trust: Trust,
    transport: Arc<TransportConfig>,
    /// A socket that all links share, instead of one for each connection.
    shared_v4: Option<Endpoint>,
}

impl Endpoints {
    /// Each connection gets a socket of its own.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(trust: Trust) -> Result<Self, rustls::Error> {
        let endpoints = Self { trust, transport: Arc::new(tuned()), shared_v4: None };
        endpoints.config()?;
        Ok(endpoints)
    }

    /// Over a bound IPv4 socket of the caller's, for processes with so many links that its buffers matter. Must be called
    /// within a runtime.
    ///
    /// # Errors
    /// TLS cannot be set up, or the socket cannot be used.
    pub fn over(trust: Trust, socket: UdpSocket) -> Result<Self, rustls::Error> {
        let endpoint = Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(TokioRuntime))
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        Ok(Self { shared_v4: Some(endpoint), ..Self::new(trust)? })
    }

    /// Of one attempt, which has its own memory of the certificate that it saw.
    fn config(&self) -> Result<(ClientConfig, Tls), rustls::Error> {
        let tls = Tls::new(&self.trust)?;
        let quic = QuicClientConfig::try_from(Arc::clone(&tls.config))
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let mut config = ClientConfig::new(Arc::new(quic));
        config.transport_config(Arc::clone(&self.transport));
        Ok((config, tls))
    }
}

/// One of the hubs that an agent has, and what is remembered of the way there.
pub(crate) struct Hub {
    pub(crate) address: HubAddress,
    /// The look-up that is under way. One that outlasts its connection is waited for again, and never begun twice.
    looking_up: Option<JoinHandle<io::Result<Vec<SocketAddr>>>>,
    /// The address over which the last connection was made.
    proven: Option<SocketAddr>,
}

/// A connection whose other side showed the hub's certificate.
pub(crate) struct Dialled {
    pub(crate) connection: Connection,
    /// Its socket, unless others use it too.
    own: Option<Endpoint>,
}

/// Why there is no connection over an address.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Failure {
    /// Somebody is there, and is not the hub.
    Stranger(Fingerprint),
    Other(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stranger(found) => write!(f, "fingerprint {found}"),
            Self::Other(reason) => f.write_str(reason),
        }
    }
}

impl Hub {
    pub(crate) fn new(address: HubAddress) -> Self {
        Self { address, looking_up: None, proven: None }
    }

    /// Makes a connection over any of the hub's addresses.
    pub(crate) async fn dial(&mut self, endpoints: &Endpoints) -> Result<Dialled, LinkError> {
        let found = self.look_up().await.map_err(|reason| self.no_address(reason))?;
        let (addresses, left_out) = race_order(&found, self.proven);
        if addresses.is_empty() {
            return Err(self.no_address("the name has none".to_owned()));
        }
        let mut race = Race::new(endpoints, &addresses, self.proven, self.address.certificate_name());
        let (address, dialled) = race.run().await.map_err(|failures| self.explain(endpoints, &failures, left_out))?;
        self.proven = Some(address);
        Ok(dialled)
    }

    async fn look_up(&mut self) -> Result<Vec<SocketAddr>, String> {
        if let Some(address) = self.address.literal() {
            return Ok(vec![address]);
        }
        let (host, port) = self.address.to_look_up();
        let begin = || tokio::task::spawn_blocking(move || Ok((host.as_str(), port).to_socket_addrs()?.collect()));
        let looking_up = self.looking_up.get_or_insert_with(begin);
        let looked_up = timeout(LOOKUP_TIMEOUT, looking_up).await;
        let looked_up = looked_up.map_err(|_| {
            format!("its name was not looked up within {} s: do the name servers answer?", LOOKUP_TIMEOUT.as_secs())
        })?;
        self.looking_up = None;
        let found = looked_up.map_err(|error| error.to_string())?;
        found.map_err(|error| match self.address.zone() {
            Some(zone) => format!("is there an interface {zone:?} on this machine? ({error})"),
            None => error.to_string(),
        })
    }

    fn no_address(&self, reason: String) -> LinkError {
        LinkError::NoAddress { hub: self.address.to_string(), reason }
    }

    /// One error for all addresses. A hub with another certificate says more than silence elsewhere.
    fn explain(&self, endpoints: &Endpoints, failures: &[(SocketAddr, Failure)], left_out: usize) -> LinkError {
        let hub = self.address.to_string();
        let named =
            |address: &SocketAddr| if address.to_string() == hub { hub.clone() } else { format!("{hub} at {address}") };
        for (address, failure) in failures {
            if let (Failure::Stranger(found), Trust::Fingerprint(expected)) = (failure, &endpoints.trust) {
                return LinkError::WrongFingerprint { hub: named(address), found: *found, expected: *expected };
            }
        }
        let mut reasons: Vec<String> = match failures {
            [(address, failure)] if address.to_string() == hub => vec![failure.to_string()],
            _ => failures.iter().map(|(address, failure)| format!("at {address} {failure}")).collect(),
        };
        if left_out > 0 {
            reasons.push(format!("{left_out} more of its addresses were not tried"));
        }
        LinkError::Connection { hub, reason: reasons.join("; ") }
    }
}

/// Attempts over several addresses at once. Whatever was begun ends with it.
struct Race<'a> {
    endpoints: &'a Endpoints,
    certificate_name: String,
    proven: Option<SocketAddr>,
    runners: Vec<Runner>,
    /// How many runners have started.
    started: usize,
    v4: Option<Endpoint>,
    v6: Option<Endpoint>,
    attempts: JoinSet<(usize, Result<Connection, Failure>)>,
    /// Each ends when its address says that nobody listens.
    knocks: JoinSet<(usize, String)>,
}

/// One address in the race.
struct Runner {
    address: SocketAddr,
    /// What was heard while QUIC's attempt went on.
    refusal: Option<String>,
    failure: Option<Failure>,
}

impl<'a> Race<'a> {
    fn new(
        endpoints: &'a Endpoints,
        addresses: &[SocketAddr],
        proven: Option<SocketAddr>,
        certificate_name: String,
    ) -> Self {
        let runner = |address: &SocketAddr| Runner { address: *address, refusal: None, failure: None };
        Self {
            endpoints,
            certificate_name,
            proven,
            runners: addresses.iter().map(runner).collect(),
            started: 0,
            v4: endpoints.shared_v4.clone(),
            v6: None,
            attempts: JoinSet::new(),
            knocks: JoinSet::new(),
        }
    }

    /// The first connection, and its address; or why there is none over any.
    async fn run(&mut self) -> Result<(SocketAddr, Dialled), Vec<(SocketAddr, Failure)>> {
        let begun = Instant::now();
        let (mut next, mut deadline) = (begun, begun + CONNECT_TIMEOUT);
        loop {
            let are_waiting = self.started < self.runners.len();
            if !are_waiting && self.attempts.is_empty() {
                return Err(self.failures());
            }
            tokio::select! {
                Some(ended) = self.attempts.join_next() => match ended {
                    Ok((number, Ok(connection))) => return Ok(self.won(number, connection)),
                    Ok((number, Err(failure))) => {
                        self.runners[number].failure = Some(failure);
                        next = Instant::now();
                    }
                    // None is cancelled before the race is over.
                    Err(_) => next = Instant::now(),
                },
                Some(Ok((number, refusal))) = self.knocks.join_next() => {
                    self.runners[number].refusal = Some(refusal);
                    next = Instant::now();
                }
                () = sleep_until(next), if are_waiting => next = Instant::now() + self.start_next(),
                () = sleep_until(deadline) => return Err(self.failures()),
            }
            let is_hopeless = |runner: &Runner| runner.refusal.is_some() || runner.failure.is_some();
            if self.runners.iter().all(is_hopeless) {
                // The attempts go on a while all the same: a hub that is starting listens in a moment.
                deadline = deadline.min((begun + REFUSED_TIMEOUT).max(Instant::now()));
            }
        }
    }

    /// Begins the next attempt. How long it has for itself.
    fn start_next(&mut self) -> Duration {
        let number = self.started;
        self.started += 1;
        let address = self.runners[number].address;
        match self.attempt(address) {
            Ok(attempt) => drop(self.attempts.spawn(async move { (number, attempt.await) })),
            Err(reason) => {
                self.runners[number].failure = Some(Failure::Other(reason));
                return Duration::ZERO;
            }
        }
        // A process with a socket for all its links has thousands of them, and no other address to turn to.
        if self.endpoints.shared_v4.is_none() {
            self.knocks.spawn(async move { (number, refusal(address).await) });
        }
        if self.proven == Some(address) { PROVEN_ATTEMPT_DELAY } else { ATTEMPT_DELAY }
    }

    fn attempt(
        &mut self,
        address: SocketAddr,
    ) -> Result<impl Future<Output = Result<Connection, Failure>> + Send + 'static, String> {
        if address.ip().is_unspecified() {
            return Err("is nobody's address: something between here and the name server blocks the name".to_owned());
        }
        let endpoint = self.endpoint(address).map_err(|error| format!("no socket: {error}"))?;
        let (config, tls) = self.endpoints.config().map_err(|error| error.to_string())?;
        let ip = address.ip().to_string();
        // What cannot stand in a certificate is told from the hub's by the fingerprint alone.
        let is_name = ServerName::try_from(self.certificate_name.as_str()).is_ok();
        let name = if is_name { self.certificate_name.as_str() } else { ip.as_str() };
        let connecting = endpoint.connect_with(config, address, name).map_err(|error| error.to_string())?;
        Ok(async move { connecting.await.map_err(|error| failure_of(&error, &tls)) })
    }

    /// The socket for addresses of that family, opened when first needed.
    fn endpoint(&mut self, address: SocketAddr) -> io::Result<Endpoint> {
        let slot = if address.is_ipv4() { &mut self.v4 } else { &mut self.v6 };
        match slot {
            Some(endpoint) => Ok(endpoint.clone()),
            None => Ok(slot.insert(Endpoint::client(SocketAddr::new(any(address), 0))?).clone()),
        }
    }

    fn won(&mut self, number: usize, connection: Connection) -> (SocketAddr, Dialled) {
        let address = self.runners[number].address;
        let own = match (&address, &self.endpoints.shared_v4) {
            (SocketAddr::V4(_), Some(_)) => None,
            (SocketAddr::V4(_), None) => self.v4.take(),
            (SocketAddr::V6(_), _) => self.v6.take(),
        };
        (address, Dialled { connection, own })
    }

    fn failures(&mut self) -> Vec<(SocketAddr, Failure)> {
        let silent = || {
            let within_s = CONNECT_TIMEOUT.as_secs();
            format!(
                "no answer within {within_s} s: does the hub listen at this UDP port, and do firewalls let it through?"
            )
        };
        let reason = |runner: &mut Runner| {
            let failure = runner.failure.take().or_else(|| runner.refusal.take().map(Failure::Other));
            (runner.address, failure.unwrap_or_else(|| Failure::Other(silent())))
        };
        self.runners.iter_mut().map(reason).collect()
    }
}

fn any(address: SocketAddr) -> IpAddr {
    if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

/// What says that an attempt over this address is in vain: no way there, or nobody who listens. Never ends otherwise. The
/// socket that QUIC uses is for any address, and so hears of neither.
async fn refusal(address: SocketAddr) -> String {
    let knock = async {
        let socket = tokio::net::UdpSocket::bind(SocketAddr::new(any(address), 0)).await?;
        socket.connect(address).await?;
        socket.send(&[]).await?;
        // Nobody answers nothing.
        socket.recv(&mut [0; 1]).await
    };
    match knock.await {
        Ok(_) => std::future::pending().await,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => "nobody listens at this UDP port".to_owned(),
        Err(error) => format!("cannot be reached from here: {error}"),
    }
}

fn failure_of(error: &ConnectionError, tls: &Tls) -> Failure {
    match (tls.take_wrong_fingerprint(), error) {
        (Some(found), _) => Failure::Stranger(found),
        (None, ConnectionError::VersionMismatch) => Failure::Other("speaks QUIC and is no Windfire hub".to_owned()),
        (None, error) => Failure::Other(error.to_string()),
    }
}

impl Dialled {
    /// Goes on from another port whenever the hub has fallen silent. Never ends.
    pub(crate) async fn keep_path(&self) -> Infallible {
        let Some(endpoint) = &self.own else { return std::future::pending().await };
        let mut path = Path::default();
        loop {
            sleep(PATH_LOOK_INTERVAL).await;
            if path.is_to_be_left(Counts::of(&self.connection.stats()), Instant::now()) {
                let peer = self.connection.remote_address();
                tracing::debug!(%peer, "the hub is silent: going on from another port");
                let moved = UdpSocket::bind(SocketAddr::new(any(peer), 0)).and_then(|socket| endpoint.rebind(socket));
                if let Err(error) = moved {
                    tracing::debug!(%error, "no other port");
                }
            }
        }
    }
}

/// What a connection has said and heard so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    /// Frames that want an answer.
    said: u64,
    /// Packets.
    heard: u64,
}

impl Counts {
    fn of(stats: &ConnectionStats) -> Self {
        Self { said: stats.frame_tx.stream + stats.frame_tx.ping, heard: stats.udp_rx.datagrams }
    }
}

/// Whether a connection is answered.
#[derive(Debug, Default)]
struct Path {
    /// When something was last heard.
    answered: Counts,
    unanswered_since: Option<Instant>,
    moves: u32,
}

impl Path {
    fn is_to_be_left(&mut self, counts: Counts, now: Instant) -> bool {
        if counts.heard != self.answered.heard {
            *self = Self { answered: counts, unanswered_since: None, moves: 0 };
            return false;
        }
        if counts.said == self.answered.said {
            return false;
        }
        let since = *self.unanswered_since.get_or_insert(now);
        let is_due = self.moves < PATH_MOVES_MAX && now >= since + PATH_SILENCE * (self.moves + 1);
        self.moves += u32::from(is_due);
        is_due
    }
}

fn tuned() -> TransportConfig {
    let mut acks = AckFrequencyConfig::default();
    // The hub answers each packet at once: a timer for each, there and here, would cost more than it saves.
    acks.ack_eliciting_threshold(VarInt::from_u32(0));
    let mut transport = TransportConfig::default();
    transport
        .ack_frequency_config(Some(acks))
        .max_idle_timeout(IdleTimeout::try_from(IDLE_TIMEOUT).ok())
        .keep_alive_interval(Some(KEEP_ALIVE))
        // One stream, opened by us; nothing else is ever accepted.
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        // Acks and refusals are a few bytes.
        .stream_receive_window(VarInt::from_u32(4 * 1024))
        .receive_window(VarInt::from_u32(8 * 1024))
        .send_window(256 * 1024)
        .initial_mtu(1200)
        .mtu_discovery_config(None)
        .allow_spin(false)
        .datagram_receive_buffer_size(None);
    transport
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_left_when_nothing_that_was_said_is_answered() {
        let begun = Instant::now();
        let mut path = Path::default();
        let mut look = |said, heard, s| path.is_to_be_left(Counts { said, heard }, begun + Duration::from_secs(s));
        assert!(!look(5, 7, 0));
        assert!(!look(5, 7, 60), "nothing was said, so nothing is to be heard");
        assert!(!look(6, 7, 61), "it was only just said");
        assert!(!look(7, 7, 65));
        assert!(look(8, 7, 66));
        assert!(!look(9, 7, 69));
        assert!(look(10, 7, 71));
        assert!(!look(20, 7, 90), "not for ever");
        assert!(!look(21, 8, 91), "it is answered again");
        assert!(!look(22, 8, 92));
        assert!(look(23, 8, 97), "and may fall silent again");
    }

    fn hub(text: &str) -> Hub {
        Hub::new(text.parse().expect("an address"))
    }

    #[test]
    fn an_error_names_every_address_and_a_wrong_fingerprint_first() {
        let trust = Trust::Fingerprint(Fingerprint([1; 32]));
        let endpoints = Endpoints::new(trust).expect("TLS");
        let at = |address: &str, failure| (address.parse().expect("an address"), failure);
        let silent = Failure::Other("no answer".to_owned());
        let refused = Failure::Other("nobody listens".to_owned());
        let two = [at("[2001:db8::1]:5555", silent), at("192.0.2.1:5555", refused.clone())];
        let error = hub("hub.example").explain(&endpoints, &two, 3).to_string();
        assert_eq!(
            error,
            "hub hub.example:5555: at [2001:db8::1]:5555 no answer; at 192.0.2.1:5555 nobody listens; 3 more of its \
             addresses were not tried"
        );
        let error = hub("192.0.2.1").explain(&endpoints, &two[1..], 0).to_string();
        assert_eq!(error, "hub 192.0.2.1:5555: nobody listens");
        let stranger = Failure::Stranger(Fingerprint([2; 32]));
        let three = [at("192.0.2.1:5555", refused), at("192.0.2.2:5555", stranger)];
        let error = hub("hub.example").explain(&endpoints, &three, 0);
        assert!(matches!(error, LinkError::WrongFingerprint { .. }));
        assert!(error.to_string().contains("192.0.2.2:5555 has fingerprint 0202"), "{error}");
    }

    #[tokio::test]
    async fn nobody_who_listens_is_heard_of_and_silence_is_not() {
        let free = UdpSocket::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
        assert!(refusal(free).await.contains("nobody listens"));
        let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let waited = timeout(Duration::from_millis(300), refusal(silent.local_addr().expect("bound"))).await;
        assert!(waited.is_err(), "who is silent may answer yet");
    }

    #[tokio::test]
    async fn a_hub_that_is_not_there_is_given_up_soon_and_leaves_nothing_behind() {
        let free = UdpSocket::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
        let endpoints = Endpoints::new(Trust::Fingerprint(Fingerprint([1; 32]))).expect("TLS");
        let begun = Instant::now();
        let error = hub(&free.to_string()).dial(&endpoints).await.err().expect("nobody is there");
        assert!(error.to_string().contains("nobody listens"), "{error}");
        assert!(begun.elapsed() < CONNECT_TIMEOUT - Duration::from_secs(2));
        // What QUIC has begun says goodbye first.
        let all_ended = async {
            while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
                sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(timeout(Duration::from_secs(20), all_ended).await.is_ok(), "tasks are left behind");
    }
}
