//! The counters of an interface, and their growth.

use std::time::Duration;

/// Bytes per second that no interface can move: five times the fastest.
const RATE_MAX: u64 = 500_000_000_000;
/// Bytes that a counter of 32 bits may have been below its maximum when it wrapped, besides four times the last growth.
const WRAP_BYTES: u64 = 1024 * 1024;

/// Bytes received and sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::collector::linux) struct Bytes {
    pub(in crate::collector::linux) received: u64,
    pub(in crate::collector::linux) sent: u64,
}

/// An interface keeps its number when it is renamed, and another that takes its name has another number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Identity {
    Index(u32),
    Name(String),
}

impl Bytes {
    pub(super) fn plus(self, other: Self) -> Self {
        Self { received: self.received.saturating_add(other.received), sent: self.sent.saturating_add(other.sent) }
    }
}

/// The growth of a counter in that time. `None` if it is impossible.
pub(super) fn grown_by(before: u64, now: u64, usual: u64, elapsed: Option<Duration>) -> Option<u64> {
    const WRAP: u64 = 1 << 32;
    let left = WRAP.checked_sub(before).filter(|left| left.saturating_add(now) <= usual.saturating_mul(4) + WRAP_BYTES);
    let grown = match (now.checked_sub(before), left) {
        (Some(grown), _) => grown,
        // It wrapped, as a counter of 32 bits does after 4 GiB.
        (None, Some(left)) => left + now,
        // It was reset.
        (None, None) => now,
    };
    let can_be = |elapsed: Duration| u128::from(grown) <= u128::from(RATE_MAX) * elapsed.as_millis().max(1) / 1000;
    elapsed.is_none_or(can_be).then_some(grown)
}

/// If the kernel has only names, they decide: lines of `/proc/net/dev`.
pub(super) fn of_proc(text: &str) -> Vec<(Identity, Bytes)> {
    const VIRTUAL: [&str; 11] = ["tun", "tap", "docker", "veth", "br-", "virbr", "vmbr", "vnet", "kube", "cali", "wg"];
    let interface = |line: &str| {
        let (name, numbers) = line.rsplit_once(':')?;
        let name = name.trim();
        let mut numbers = numbers.split_whitespace().map(str::parse::<u64>);
        let (received, sent) = (numbers.next()?.ok()?, numbers.nth(7)?.ok()?);
        let is_virtual = name == "lo" || VIRTUAL.iter().any(|prefix| name.starts_with(prefix));
        (!is_virtual).then(|| (Identity::Name(name.to_owned()), Bytes { received, sent }))
    };
    text.lines().filter_map(interface).collect()
}
