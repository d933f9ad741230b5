//! Shares of the resources for all clients: bytes of answers under way, streams, memory of history's answers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use windfire_api::Busy;

use crate::limits::{GUESTS_RESERVE, KNOWN_SHARE};
use crate::network::network;

/// The holder of a share: the guests of one network, or its clients with a token or a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    /// The address; for IPv6 its /64, since one household has 2⁶⁴ addresses.
    network: IpAddr,
    is_guest: bool,
}

impl Client {
    pub(super) fn new(peer: IpAddr, is_guest: bool) -> Self {
        Self { network: network(peer), is_guest }
    }
}

/// An amount of a resource, which all clients share.
#[derive(Debug)]
pub(crate) struct Budget {
    all: usize,
    /// The share of all guests of one address.
    guest_max: usize,
    holdings: Mutex<Holdings>,
}

#[derive(Debug, Default)]
struct Holdings {
    all: usize,
    guests: usize,
    /// Only clients that hold a part.
    by_client: HashMap<Client, usize>,
}

impl Budget {
    pub(crate) fn new(all: usize, guest_max: usize) -> Arc<Self> {
        Arc::new(Self { all, guest_max, holdings: Mutex::default() })
    }

    #[cfg(test)]
    fn held(&self) -> usize {
        self.holdings.lock().all
    }

    /// Whether that client may have this amount. A client that holds nothing may exceed its share: otherwise a large
    /// answer would never be sent.
    ///
    /// # Errors
    /// The whole resource is in use, or this client's share is.
    pub(crate) fn check(&self, client: Client, amount: usize) -> Result<(), Busy> {
        self.check_in(&self.holdings.lock(), client, amount)
    }

    /// Takes the amount, if it is allowed.
    ///
    /// # Errors
    /// As [`Budget::check`].
    pub(crate) fn hold(self: &Arc<Self>, client: Client, amount: usize) -> Result<Held, Busy> {
        let mut holdings = self.holdings.lock();
        self.check_in(&holdings, client, amount)?;
        holdings.add(client, amount);
        Ok(Held { budget: Arc::clone(self), client, amount })
    }

    /// Takes the amount without a check, for a resource that already exists.
    pub(crate) fn charge(self: &Arc<Self>, client: Client, amount: usize) -> Held {
        self.holdings.lock().add(client, amount);
        Held { budget: Arc::clone(self), client, amount }
    }

    fn check_in(&self, holdings: &Holdings, client: Client, amount: usize) -> Result<(), Busy> {
        let all = self.all;
        if amount > all {
            return Err(Busy::TooLarge { bytes: amount, bytes_max: all });
        }
        let own = holdings.by_client.get(&client).copied().unwrap_or(0);
        let share = if client.is_guest { self.guest_max } else { all / KNOWN_SHARE };
        if own > 0 && own.saturating_add(amount) > share {
            return Err(Busy::Client);
        }
        let is_over = |held: usize, max: usize| held > 0 && held.saturating_add(amount) > max;
        // All guests together leave a part to clients with a token or login.
        let are_guests_over = client.is_guest && is_over(holdings.guests, all - all / GUESTS_RESERVE);
        if are_guests_over || is_over(holdings.all, all) { Err(Busy::Hub) } else { Ok(()) }
    }
}

impl Holdings {
    fn add(&mut self, client: Client, amount: usize) {
        if amount == 0 {
            return;
        }
        self.all += amount;
        self.guests += if client.is_guest { amount } else { 0 };
        *self.by_client.entry(client).or_default() += amount;
    }

    fn remove(&mut self, client: Client, amount: usize) {
        if amount == 0 {
            return;
        }
        self.all -= amount;
        self.guests -= if client.is_guest { amount } else { 0 };
        if let Some(own) = self.by_client.get_mut(&client) {
            *own -= amount;
            if *own == 0 {
                self.by_client.remove(&client);
            }
        }
    }
}

/// An amount that a client holds. It is given back when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    budget: Arc<Budget>,
    client: Client,
    amount: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.holdings.lock().remove(self.client, self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(address: &str) -> Client {
        Client::new(address.parse().expect("an address"), true)
    }

    #[test]
    fn a_client_has_its_share_and_gives_it_back() {
        let budget = Budget::new(100, 25);
        let one = guest("192.0.2.1");
        let held = budget.hold(one, 25).expect("a quarter");
        assert_eq!(budget.check(one, 1), Err(Busy::Client));
        let other = budget.hold(guest("192.0.2.2"), 25).expect("another's quarter");
        let known = Client::new("192.0.2.1".parse().expect("an address"), false);
        let half = budget.hold(known, 50).expect("half, for a known client");
        assert_eq!(budget.check(guest("192.0.2.3"), 1), Err(Busy::Hub));
        drop((held, other, half));
        assert_eq!(budget.held(), 0);
        assert!(budget.holdings.lock().by_client.is_empty(), "clients that hold nothing are not remembered");
    }

    #[test]
    fn guests_together_leave_something_to_who_is_known() {
        let budget = Budget::new(100, 25);
        let held: Vec<Held> =
            (1..=3).map(|number| budget.hold(guest(&format!("192.0.2.{number}")), 25).expect("room")).collect();
        assert_eq!(budget.check(guest("192.0.2.4"), 25), Err(Busy::Hub));
        let known = Client::new("192.0.2.4".parse().expect("an address"), false);
        drop((budget.hold(known, 25).expect("room"), held));
    }

    #[test]
    fn one_answer_may_be_more_than_a_share_and_none_more_than_there_is() {
        let budget = Budget::new(100, 25);
        let one = guest("192.0.2.1");
        drop(budget.hold(one, 90).expect("no other client is there"));
        assert_eq!(budget.check(one, 101), Err(Busy::TooLarge { bytes: 101, bytes_max: 100 }));
        // An answer whose size was unknown is charged as it is.
        drop(budget.charge(one, 300));
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn one_household_has_one_share() {
        let budget = Budget::new(4, 1);
        let _one = budget.hold(guest("2001:db8::1"), 1).expect("room");
        assert_eq!(budget.check(guest("2001:db8::2"), 1), Err(Busy::Client));
        assert_eq!(budget.check(guest("2001:db8:0:1::1"), 1), Ok(()));
        let _two = budget.hold(guest("::ffff:192.0.2.1"), 1).expect("room");
        assert_eq!(budget.check(guest("192.0.2.1"), 1), Err(Busy::Client), "one address in both of its forms");
    }
}
