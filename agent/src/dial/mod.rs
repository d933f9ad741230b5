//! Connects to the hub over all of its addresses, raced as in RFC 8305.
//!
//! ```text
//! hub ── look up ──► addresses ── race: one after the other, 250 ms apart, next at once when one fails ──► the first that is the hub
//! ```
//! Each connection has its own sockets: a port that something on the way blocks is not used again.

mod connection;
mod endpoints;
mod race;

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::address::{HubAddress, race_order};
use crate::limits::LOOKUP_TIMEOUT;
use crate::link::LinkError;
use crate::trust::Trust;
pub(crate) use connection::Dialled;
pub use endpoints::Endpoints;
use race::{Failure, Race};

/// One of an agent's hubs, and the address that worked last.
pub(crate) struct Hub {
    pub(crate) address: HubAddress,
    /// The look-up that is under way. One that outlasts its connection is waited for again, and never begun twice.
    looking_up: Option<JoinHandle<io::Result<Vec<SocketAddr>>>>,
    /// The address over which the last connection was made.
    proven: Option<SocketAddr>,
}

impl Hub {
    pub(crate) fn new(address: HubAddress) -> Self {
        Self { address, looking_up: None, proven: None }
    }

    /// Connects over any of the hub's addresses.
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

    /// The addresses of the hub's name, as the system finds them.
    pub(crate) async fn look_up(&mut self) -> Result<Vec<SocketAddr>, String> {
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

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::limits::CONNECT_TIMEOUT;
    use crate::trust::Fingerprint;

    fn hub(text: &str) -> Hub {
        Hub::new(text.parse().expect("an address"))
    }

    #[test]
    fn an_error_names_every_address_and_a_wrong_fingerprint_first() {
        let trust = Trust::Fingerprint(Fingerprint([1; 32]));
        let endpoints = Endpoints::new(trust).expect("TLS");
        let at = |address: &str, failure| (address.parse().expect("an address"), failure);
        let silent = Failure::Other("no answer".to_owned());
        let refused = Failure::Other("nothing listens".to_owned());
        let two = [at("[2001:db8::1]:5555", silent), at("192.0.2.1:5555", refused.clone())];
        let error = hub("hub.example").explain(&endpoints, &two, 3).to_string();
        assert_eq!(
            error,
            "hub hub.example:5555: at [2001:db8::1]:5555 no answer; at 192.0.2.1:5555 nothing listens; 3 more of its \
             addresses were not tried"
        );
        let error = hub("192.0.2.1").explain(&endpoints, &two[1..], 0).to_string();
        assert_eq!(error, "hub 192.0.2.1:5555: nothing listens");
        let stranger = Failure::Stranger(Fingerprint([2; 32]));
        let three = [at("192.0.2.1:5555", refused), at("192.0.2.2:5555", stranger)];
        let error = hub("hub.example").explain(&endpoints, &three, 0);
        assert!(matches!(error, LinkError::WrongFingerprint { .. }));
        assert!(error.to_string().contains("192.0.2.2:5555 has fingerprint 0202"), "{error}");
    }

    #[tokio::test]
    async fn a_hub_that_is_not_there_is_given_up_soon_and_leaves_nothing_behind() {
        // It takes only packets of one other port, and keeps others from listening there.
        let taken = UdpSocket::bind("127.0.0.1:0").expect("a port");
        taken.connect("127.0.0.1:1").expect("an address");
        let free = taken.local_addr().expect("bound");
        let endpoints = Endpoints::new(Trust::Fingerprint(Fingerprint([1; 32]))).expect("TLS");
        let begun = Instant::now();
        let error = hub(&free.to_string()).dial(&endpoints).await.err().expect("no hub is there");
        assert!(error.to_string().contains("nothing listens"), "{error}");
        assert!(begun.elapsed() < CONNECT_TIMEOUT - Duration::from_secs(2));
        // Attempts of QUIC are closed first.
        let all_ended = async {
            while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
                sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(timeout(Duration::from_secs(20), all_ended).await.is_ok(), "tasks are left behind");
    }
}
