//! The limit of tries to sign in.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Tries that one address may make at once.
const TRIES_AT_ONCE: NonZeroU32 = NonZeroU32::new(10).expect("not zero");
/// Time after which one more try is given back.
const TRY_INTERVAL: Duration = Duration::from_secs(30);
/// Addresses that are remembered. Further ones wait until some are forgotten, so that forging addresses gains nothing.
const ADDRESSES_MAX: usize = 100_000;

/// Counts tries by the client's address.
pub struct SignInLimit(DefaultKeyedRateLimiter<IpAddr>);

impl Default for SignInLimit {
    fn default() -> Self {
        let quota = Quota::with_period(TRY_INTERVAL).expect("not zero").allow_burst(TRIES_AT_ONCE);
        Self(RateLimiter::keyed(quota))
    }
}

impl SignInLimit {
    /// Counts a try. If there were too many, the error is the seconds to wait.
    pub(super) fn check(&self, peer: IpAddr) -> Result<(), u64> {
        if self.0.len() >= ADDRESSES_MAX {
            self.0.retain_recent();
            if self.0.len() >= ADDRESSES_MAX {
                return Err(TRY_INTERVAL.as_secs());
            }
        }
        let wait = |not_until: governor::NotUntil<_>| not_until.wait_time_from(DefaultClock::default().now());
        self.0.check_key(&network(peer)).map_err(|not_until| wait(not_until).as_secs() + 1)
    }
}

impl std::fmt::Debug for SignInLimit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("SignInLimit").field(&self.0.len()).finish()
    }
}

/// One household has 2⁶⁴ addresses of version 6.
fn network(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_tries_too_often_is_told_how_long_to_wait() {
        let limit = SignInLimit::default();
        let peer = "2001:db8::1".parse().expect("an address");
        (0..TRIES_AT_ONCE.get()).for_each(|_| limit.check(peer).expect("not too many yet"));
        let neighbour = "2001:db8::2".parse().expect("an address");
        let wait_s = limit.check(neighbour).expect_err("too many from this network");
        assert!((1..=31).contains(&wait_s), "{wait_s}");
        limit.check("192.0.2.1".parse().expect("an address")).expect("another network");
    }
}
