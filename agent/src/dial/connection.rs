//! A connection to the hub, and the path that its packets take.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use quinn::{Connection, ConnectionStats, Endpoint, VarInt};
use tokio::time::{Instant, sleep, timeout};

use crate::limits::{
    FAREWELL_TIMEOUT, HUB_LOOK_INTERVAL, HUB_SILENCE, PATH_LOOK_INTERVAL, PATH_MOVES_MAX, PATH_SILENCE,
};

/// A connection whose other side showed the hub's certificate.
pub(crate) struct Dialled {
    pub(crate) connection: Connection,
    /// Its socket, unless others use it too.
    pub(super) own: Option<Endpoint>,
}

impl Dialled {
    /// Ends the connection, and waits until the hub was told.
    pub(crate) async fn close(self) {
        self.connection.close(VarInt::from_u32(0), b"");
        if let Some(endpoint) = &self.own {
            let _in_time = timeout(FAREWELL_TIMEOUT, endpoint.wait_idle()).await;
        }
    }

    /// Returns when the hub has been silent for so long that another one should be tried.
    pub(crate) async fn fall_silent(&self) {
        let mut path = Path::default();
        loop {
            sleep(HUB_LOOK_INTERVAL).await;
            if path.is_silent(Counts::of(&self.connection.stats()), Instant::now()) {
                return;
            }
        }
    }

    /// Continues from another port whenever the hub has become silent. Never returns.
    pub(crate) async fn keep_path(&self) -> Infallible {
        let Some(endpoint) = &self.own else { return std::future::pending().await };
        let mut path = Path::default();
        loop {
            sleep(PATH_LOOK_INTERVAL).await;
            if path.is_to_be_left(Counts::of(&self.connection.stats()), Instant::now()) {
                let peer = self.connection.remote_address();
                tracing::debug!(%peer, "the hub is silent: continuing from another port");
                let moved = UdpSocket::bind(SocketAddr::new(any(peer), 0)).and_then(|socket| endpoint.rebind(socket));
                if let Err(error) = moved {
                    tracing::debug!(%error, "no other port");
                }
            }
        }
    }
}

/// Packets that a connection has sent and received so far.
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
    /// The counts when the last packet was received.
    answered: Counts,
    silent_since: Option<Instant>,
    moves: u32,
}

impl Path {
    fn is_to_be_left(&mut self, counts: Counts, now: Instant) -> bool {
        let Some(since) = self.unanswered_since(counts, now) else { return false };
        let is_due = self.moves < PATH_MOVES_MAX && now >= since + PATH_SILENCE * (self.moves + 1);
        self.moves += u32::from(is_due);
        is_due
    }

    /// Whether another hub should be tried.
    fn is_silent(&mut self, counts: Counts, now: Instant) -> bool {
        self.unanswered_since(counts, now).is_some_and(|since| now >= since + HUB_SILENCE)
    }

    /// Since when something is unanswered.
    fn unanswered_since(&mut self, counts: Counts, now: Instant) -> Option<Instant> {
        if counts.heard != self.answered.heard {
            *self = Self { answered: counts, silent_since: None, moves: 0 };
            return None;
        }
        if counts.said == self.answered.said {
            return None;
        }
        Some(*self.silent_since.get_or_insert(now))
    }
}

pub(super) fn any(address: SocketAddr) -> IpAddr {
    if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_path_is_left_when_nothing_that_was_said_is_answered() {
        let begun = Instant::now();
        let mut path = Path::default();
        let mut look = |said, heard, s| path.is_to_be_left(Counts { said, heard }, begun + Duration::from_secs(s));
        assert!(!look(5, 7, 0));
        assert!(!look(5, 7, 60), "nothing was sent, so no answer is expected");
        assert!(!look(6, 7, 61), "it was sent only a moment ago");
        assert!(!look(7, 7, 65));
        assert!(look(8, 7, 66));
        assert!(!look(9, 7, 69));
        assert!(look(10, 7, 71));
        assert!(!look(20, 7, 90), "not for ever");
        assert!(!look(21, 8, 91), "it is answered again");
        assert!(!look(22, 8, 92));
        assert!(look(23, 8, 97), "and may fall silent again");
    }

    #[test]
    fn a_hub_that_answers_no_more_is_left_after_eight_seconds() {
        let (begun, second) = (Instant::now(), Duration::from_secs(1));
        // The newest packet of the hub, and what the agent says every second, come at any moment between two looks.
        for heard in (1..=10).map(|number| Duration::from_millis(50 * number)) {
            for said in (0..20).map(|number| Duration::from_millis(50 * number)) {
                let mut path = Path::default();
                let mut looks = (0..40).map(|number| HUB_LOOK_INTERVAL * number);
                let left = looks.find(|look| {
                    let said = look.checked_sub(said).map_or(0, |since| 1 + since.as_secs());
                    let heard = if *look < heard { 1 } else { 2 };
                    path.is_silent(Counts { said, heard }, begun + *look)
                });
                let left = left.unwrap();
                let unanswered = if said > heard { said } else { said + second };
                let case = format!("heard at {heard:?}, said at {said:?}, left at {left:?}");
                assert!(left - unanswered >= Duration::from_secs(8), "{case}: too early");
                assert!(left - heard <= Duration::from_millis(9_500), "{case}: too late");
            }
        }
    }
}
