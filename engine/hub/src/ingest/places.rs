//! Places for strangers: connections whose agent the hub does not know yet.
//!
//! A connection has a place from its first packet until the hub has accepted its `Hello`. An address (for IPv6, one
//! /64) gets another place only while it has fewer than three times as many as are free. So one address takes three
//! quarters of all places at most, ten addresses together leave one of 31 parts, and a new address finds a place. More
//! than 1,300 addresses that attack together can take all of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::counters::{Counters, Held};
use crate::limits::{HANDSHAKES_MAX, HANDSHAKES_PER_FREE_PLACE};
use crate::network::network;

/// All places, of all listeners together.
#[derive(Default)]
pub(crate) struct Places(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    all: usize,
    /// Only networks that have one.
    by_network: HashMap<IpAddr, usize>,
}

/// A place, until it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    network: IpAddr,
    _counted: Held,
}

impl Places {
    /// A place for a connection from that address. `None` if its network has its share, or no place is free.
    pub(super) fn enter(self: &Arc<Self>, peer: IpAddr, counters: &Arc<Counters>) -> Option<Place> {
        let network = network(peer);
        self.0.lock().take(network).then(|| Place {
            places: Arc::clone(self),
            network,
            _counted: Counters::hold(counters, |counters| &counters.handshakes),
        })
    }
}

impl Taken {
    fn take(&mut self, network: IpAddr) -> bool {
        let free = HANDSHAKES_MAX.saturating_sub(self.all);
        let own = self.by_network.get(&network).copied().unwrap_or(0);
        let has_room = own < HANDSHAKES_PER_FREE_PLACE * free;
        if has_room {
            self.all += 1;
            self.by_network.insert(network, own + 1);
        }
        has_room
    }

    fn give_back(&mut self, network: IpAddr) {
        self.all -= 1;
        if let Some(own) = self.by_network.get_mut(&network) {
            *own -= 1;
            if *own == 0 {
                self.by_network.remove(&network);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.0.lock().give_back(self.network);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u8) -> IpAddr {
        [192, 0, 2, number].into()
    }

    /// Places for that address until it gets no more.
    fn fill(places: &Arc<Places>, counters: &Arc<Counters>, number: u8) -> Vec<Place> {
        std::iter::from_fn(|| places.enter(address(number), counters)).collect()
    }

    #[test]
    fn an_address_leaves_a_quarter_and_many_leave_some() {
        let (places, counters) = (Arc::new(Places::default()), Arc::new(Counters::default()));
        let one = fill(&places, &counters, 1);
        assert_eq!(one.len(), HANDSHAKES_MAX / 4 * 3);
        let others: Vec<Place> = (2..=10).flat_map(|number| fill(&places, &counters, number)).collect();
        assert_eq!(counters.handshakes.get(), one.len() + others.len());
        assert!(counters.handshakes.get() < HANDSHAKES_MAX, "a new address finds a place");
        drop(places.enter(address(11), &counters).expect("a place"));
        // The share of an address grows when others leave.
        drop(others);
        drop(one);
        assert_eq!(fill(&places, &counters, 2).len(), HANDSHAKES_MAX / 4 * 3);
        let taken = places.0.lock();
        assert_eq!((taken.all, taken.by_network.len(), counters.handshakes.get()), (0, 0, 0), "all are given back");
    }

    #[test]
    fn all_addresses_together_get_no_more_than_there_are() {
        let (places, counters) = (Arc::new(Places::default()), Arc::new(Counters::default()));
        // A new network each time, as in the /48 of one provider.
        let enter = |number: usize| {
            let number = u16::try_from(number).expect("small");
            places.enter([0x2001, 0xdb8, 1, number, 0, 0, 0, 1].into(), &counters)
        };
        let taken: Vec<Place> = (0..2 * HANDSHAKES_MAX).filter_map(enter).collect();
        assert_eq!(taken.len(), HANDSHAKES_MAX);
    }
}
