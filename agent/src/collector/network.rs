//! Traffic of the interfaces that v0 counts.

use sysinfo::Networks;

/// Bytes since the machine's start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) received: u64,
    pub(super) sent: u64,
}

/// Interfaces that v0 leaves out: their traffic also passes a real one, or never leaves the machine.
const VIRTUAL: [&str; 8] = ["lo", "tun", "docker", "veth", "br-", "vmbr", "vnet", "kube"];

pub(super) fn traffic(networks: &Networks) -> Traffic {
    let counted = networks.iter().filter(|(name, _)| !is_virtual(&name.to_string_lossy()));
    counted.fold(Traffic::default(), |sum, (_, data)| Traffic {
        received: sum.received.saturating_add(data.total_received()),
        sent: sum.sent.saturating_add(data.total_transmitted()),
    })
}

fn is_virtual(name: &str) -> bool {
    VIRTUAL.iter().any(|virtual_name| name.starts_with(virtual_name))
}

#[cfg(test)]
mod tests {
    use super::is_virtual;

    #[test]
    fn virtual_interfaces_are_left_out() {
        assert!(["lo", "docker0", "veth12ab", "br-9f", "tun0", "kube-ipvs0"].into_iter().all(is_virtual));
        assert!(!["eth0", "enp3s0", "wlo1", "bond0"].into_iter().any(is_virtual));
    }
}
