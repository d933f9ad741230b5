//! Attempts over all addresses of a hub, begun one after the other. The first that reaches the hub ends the others.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use quinn::{Connection, ConnectionError, Endpoint};
use rustls::pki_types::ServerName;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::connection::{Dialled, any};
use super::endpoints::Endpoints;
use crate::limits::{ATTEMPT_DELAY, CONNECT_TIMEOUT, PROVEN_ATTEMPT_DELAY, REFUSED_TIMEOUT};
use crate::trust::{Fingerprint, Tls};

/// Why there is no connection over an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Another program than the hub answered.
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

/// Attempts over several addresses at once. They all end when this is dropped.
pub(super) struct Race<'a> {
    endpoints: &'a Endpoints,
    certificate_name: String,
    proven: Option<SocketAddr>,
    runners: Vec<Runner>,
    /// How many runners have started.
    started: usize,
    v4: Option<Endpoint>,
    v6: Option<Endpoint>,
    attempts: JoinSet<(usize, Result<Connection, Failure>)>,
    /// Each ends when its address answers that nothing listens.
    knocks: JoinSet<(usize, String)>,
}

/// One address in the race.
struct Runner {
    address: SocketAddr,
    /// The refusal that came during QUIC's attempt.
    refusal: Option<String>,
    failure: Option<Failure>,
}

impl<'a> Race<'a> {
    pub(super) fn new(
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

    /// The first connection and its address, or the failures of all addresses.
    pub(super) async fn run(&mut self) -> Result<(SocketAddr, Dialled), Vec<(SocketAddr, Failure)>> {
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
                // The attempts continue for a while: a hub that is starting listens soon.
                deadline = deadline.min((begun + REFUSED_TIMEOUT).max(Instant::now()));
            }
        }
    }

    /// Begins the next attempt. Returns the time before another one may begin.
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
        // A process with one socket for all its links has thousands of links, and no other address to try.
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
            return Err(
                "is not a machine's address: something between here and the name server blocks the name".to_owned()
            );
        }
        let endpoint = self.endpoint(address).map_err(|error| format!("no socket: {error}"))?;
        let (config, tls) = self.endpoints.config().map_err(|error| error.to_string())?;
        let ip = address.ip().to_string();
        // A name that no certificate can have is not checked: only the fingerprint is.
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

/// Returns why an attempt over this address is useless: no route, or nothing listens. Never returns otherwise. The
/// socket that QUIC uses is for any address, and so gets neither error.
async fn refusal(address: SocketAddr) -> String {
    let knock = async {
        let socket = tokio::net::UdpSocket::bind(SocketAddr::new(any(address), 0)).await?;
        socket.connect(address).await?;
        socket.send(&[]).await?;
        // No program answers an empty packet.
        socket.recv(&mut [0; 1]).await
    };
    match knock.await {
        Ok(_) => std::future::pending().await,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => "nothing listens at this UDP port".to_owned(),
        Err(error) => format!("cannot be reached from here: {error}"),
    }
}

fn failure_of(error: &ConnectionError, tls: &Tls) -> Failure {
    match (tls.take_wrong_fingerprint(), error) {
        (Some(found), _) => Failure::Stranger(found),
        (None, ConnectionError::VersionMismatch) => Failure::Other("speaks QUIC, but is not a Windfire hub".to_owned()),
        (None, error) => Failure::Other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn nobody_who_listens_is_heard_of_and_silence_is_not() {
        // It takes only packets of one other port, and keeps others from listening there.
        let taken = UdpSocket::bind("127.0.0.1:0").expect("a port");
        taken.connect("127.0.0.1:1").expect("an address");
        let free = taken.local_addr().expect("bound");
        assert!(refusal(free).await.contains("nothing listens"));
        let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let waited = timeout(Duration::from_millis(300), refusal(silent.local_addr().expect("bound"))).await;
        assert!(waited.is_err(), "a silent address may still answer");
    }
}
