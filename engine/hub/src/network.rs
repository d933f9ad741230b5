//! The network of a client: shares are counted by it.

use std::net::IpAddr;

/// The network that one household shares: the address itself, and for IPv6 its /64, since one household has 2⁶⁴
/// addresses.
pub(crate) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        address => address,
    }
}
