//! Places for strangers: connections whose agent the hub does not know yet.
//!
//! A connection has a place from its first packet until the hub has accepted its `Hello`. An address (for IPv6, one
//! /64) gets another place only while it has fewer than three times as many as are free, and the last places are for
//! addresses that have few. So one address takes less than three quarters of all places, and a new address finds a
//! place. Seventy addresses that attack one after the other, faster than the hub gives up strangers, can take all.
//!
//! Places also have a pace, since a stranger that leaves at once costs a handshake and keeps no place. An address that
//! is proven pays for each stranger, and gets it back when the hub accepts the `Hello`. So agents that the hub knows
//! come as fast as it takes them, and guesses of credentials do not. A forged address pays nothing: nobody else can use
//! up what an address may do. Of strangers whose address is not proven, only so many begin per second in total.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::counters::{Counters, Held};
use crate::limits::{
    HANDSHAKES_FEW, HANDSHAKES_KEPT, HANDSHAKES_MAX, HANDSHAKES_PER_FREE_PLACE, STRANGER_INTERVAL, STRANGERS_AT_ONCE,
    UNPROVEN_AT_ONCE, UNPROVEN_HANDSHAKES_MAX, UNPROVEN_INTERVAL,
};
use crate::network::network;

/// All places, of all listeners together.
#[derive(Default)]
pub(crate) struct Places(Mutex<Taken>);

struct Taken {
    all: usize,
    unproven: Pace,
    /// Networks that have a place or have to wait; some that no longer do, until there are many.
    by_network: HashMap<IpAddr, Share>,
}

/// One network's share.
struct Share {
    places: usize,
    strangers: Pace,
}

/// How fast something may begin: so many at once, and then one per interval.
struct Pace {
    at_once: u32,
    interval: Duration,
    /// When everything that began is paid for with time.
    paid_at: Option<Instant>,
}

/// A place, until it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    network: IpAddr,
    /// Its network has paid.
    is_paid: bool,
    _counted: Held,
}

impl Places {
    /// Whether a client from that address must prove the address before it gets a place.
    pub(super) fn must_prove(&self, peer: IpAddr, now: Instant) -> bool {
        let mut taken = self.0.lock();
        let is_late = taken.by_network.get(&network(peer)).is_some_and(|share| !share.strangers.has_room(now));
        taken.all >= UNPROVEN_HANDSHAKES_MAX || is_late || !taken.unproven.take(now)
    }

    /// A place for a connection from that address. `None` if its network has its share, or no place is free.
    pub(super) fn enter(
        self: &Arc<Self>,
        peer: IpAddr,
        is_proven: bool,
        now: Instant,
        counters: &Arc<Counters>,
    ) -> Option<Place> {
        let network = network(peer);
        self.0.lock().take(network, is_proven, now).then(|| Place {
            places: Arc::clone(self),
            network,
            is_paid: is_proven,
            _counted: Counters::hold(counters, |counters| &counters.handshakes),
        })
    }
}

impl Place {
    /// The handshake is complete, so the address is not forged: its network pays, if it has not yet.
    pub(super) fn prove(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.is_paid, true)
            && let Some(share) = self.places.0.lock().by_network.get_mut(&self.network)
        {
            share.strangers.pay(now);
        }
    }

    /// The hub knows the agent now: the network gets back what it paid.
    pub(super) fn leave_known(self) {
        if self.is_paid
            && let Some(share) = self.places.0.lock().by_network.get_mut(&self.network)
        {
            share.strangers.give_back();
        }
    }
}

impl Taken {
    fn take(&mut self, network: IpAddr, is_proven: bool, now: Instant) -> bool {
        if self.by_network.len() >= 2 * HANDSHAKES_MAX {
            self.by_network.retain(|_, share| share.places > 0 || share.strangers.is_waiting(now));
        }
        let free = HANDSHAKES_MAX.saturating_sub(self.all);
        let share = self.by_network.entry(network).or_insert_with(Share::new);
        let has_room = share.places < HANDSHAKES_PER_FREE_PLACE * free.saturating_sub(HANDSHAKES_KEPT)
            || free > 0 && share.places < HANDSHAKES_FEW;
        if !has_room || is_proven && !share.strangers.take(now) {
            return false;
        }
        self.all += 1;
        share.places += 1;
        true
    }

    fn give_back(&mut self, network: IpAddr) {
        self.all -= 1;
        if let Some(share) = self.by_network.get_mut(&network) {
            share.places -= 1;
        }
    }
}

impl Default for Taken {
    fn default() -> Self {
        Self { all: 0, unproven: Pace::new(UNPROVEN_AT_ONCE, UNPROVEN_INTERVAL), by_network: HashMap::new() }
    }
}

impl Share {
    fn new() -> Self {
        Self { places: 0, strangers: Pace::new(STRANGERS_AT_ONCE, STRANGER_INTERVAL) }
    }
}

impl Pace {
    fn new(at_once: u32, interval: Duration) -> Self {
        Self { at_once, interval, paid_at: None }
    }

    fn is_waiting(&self, now: Instant) -> bool {
        self.paid_at.is_some_and(|at| at > now)
    }

    fn has_room(&self, now: Instant) -> bool {
        self.paid_at.is_none_or(|at| at + self.interval <= now + self.interval * self.at_once)
    }

    fn take(&mut self, now: Instant) -> bool {
        let has_room = self.has_room(now);
        if has_room {
            self.pay(now);
        }
        has_room
    }

    /// Takes one more, even if there is no room.
    fn pay(&mut self, now: Instant) {
        self.paid_at = Some(self.paid_at.map_or(now, |at| at.max(now)) + self.interval);
    }

    fn give_back(&mut self) {
        self.paid_at = self.paid_at.and_then(|at| at.checked_sub(self.interval));
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

    fn new() -> (Arc<Places>, Arc<Counters>, Instant) {
        (Arc::default(), Arc::default(), Instant::now())
    }

    #[test]
    fn an_address_leaves_a_quarter_and_many_leave_some() {
        let (places, counters, now) = new();
        // Places for that address until it gets no more.
        let fill = |number: u8| -> Vec<Place> {
            std::iter::from_fn(|| places.enter(address(number), true, now, &counters)).collect()
        };
        let one = fill(1);
        assert_eq!(one.len(), (HANDSHAKES_MAX - HANDSHAKES_KEPT) / 4 * 3);
        let mut others: Vec<Place> = (2..=60).flat_map(fill).collect();
        assert_eq!(counters.handshakes.get(), one.len() + others.len());
        drop(places.enter(address(61), true, now, &counters).expect("a place"));
        others.extend((62..=100).flat_map(fill));
        assert!(places.enter(address(101), true, now, &counters).is_none(), "some seventy take all");
        // The share of an address grows when others leave.
        drop((one, others));
        assert_eq!(fill(102).len(), (HANDSHAKES_MAX - HANDSHAKES_KEPT) / 4 * 3);
        assert_eq!((places.0.lock().all, counters.handshakes.get()), (0, 0), "all are given back");
    }

    #[test]
    fn all_addresses_together_get_no_more_than_there_are_and_none_is_remembered_for_long() {
        let (places, counters, now) = new();
        // A new network each time, as in the /48 of one provider.
        let enter = |number: usize, now: Instant| {
            let number = u16::try_from(number).expect("small");
            places.enter([0x2001, 0xdb8, 1, number, 0, 0, 0, 1].into(), true, now, &counters)
        };
        let taken: Vec<Place> = (0..2 * HANDSHAKES_MAX).filter_map(|number| enter(number, now)).collect();
        assert_eq!(taken.len(), HANDSHAKES_MAX);
        drop(taken);
        drop(enter(0, now + STRANGER_INTERVAL));
        assert_eq!(places.0.lock().by_network.len(), 1);
    }

    #[test]
    fn strangers_that_leave_unknown_wait_and_agents_do_not() {
        let (places, counters, now) = new();
        let enter = |number: u8, now: Instant| places.enter(address(number), true, now, &counters);
        for _ in 0..10 * STRANGERS_AT_ONCE {
            enter(1, now).expect("agents come as fast as they are taken").leave_known();
        }
        let strangers = || std::iter::from_fn(|| enter(2, now)).map(drop).count();
        assert_eq!(strangers(), STRANGERS_AT_ONCE as usize);
        assert!(enter(2, now + STRANGER_INTERVAL / 2).is_none());
        assert!(enter(3, now).is_some(), "others do not wait");
        assert!(enter(2, now + STRANGER_INTERVAL).is_some());
        assert!(enter(2, now + STRANGER_INTERVAL).is_none());
        assert!(places.must_prove(address(2), now) && !places.must_prove(address(3), now));
    }

    #[test]
    fn who_forges_an_address_uses_up_nothing_of_it() {
        let (places, counters, now) = new();
        let enter = || places.enter(address(1), false, now, &counters).expect("a place");
        for _ in 0..2 * STRANGERS_AT_ONCE {
            drop(enter());
        }
        // A handshake that is complete shows that the address was not forged.
        for _ in 0..STRANGERS_AT_ONCE {
            let mut place = enter();
            place.prove(now);
            place.prove(now);
        }
        assert!(places.enter(address(1), true, now, &counters).is_none());
        let unproven = (0..2 * UNPROVEN_AT_ONCE).filter(|_| !places.must_prove(address(2), now)).count();
        assert_eq!(unproven, UNPROVEN_AT_ONCE as usize);
        assert!(!places.must_prove(address(2), now + UNPROVEN_INTERVAL));
    }
}
