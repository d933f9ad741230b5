//! What the system gives the hub: buffers for packets, and descriptors. All of it is read from files under `/proc`.

use windfire_doctor::Finding;

use crate::cli::size;
use crate::limits::HTTP_CONNECTIONS_MAX;

/// Servers from which on the buffers of the system's default are too small for a storm of reconnections.
pub(super) const LARGE_FLEET_SERVERS: usize = 1000;
/// One datagram in so many may be lost without a warning: losses are counted since the machine's start.
const LOST_SHARE: u64 = 10_000;
/// Descriptors that are enough for every connection and every file of the store: half of them are for HTTP.
const OPEN_FILES_ENOUGH: u64 = 2 * HTTP_CONNECTIONS_MAX as u64;
/// Descriptors below which the store alone, which opens up to 512 files, has not enough.
const OPEN_FILES_MIN: u64 = 640;
/// The capability that exceeds the system's limit of buffers, as the number of its bit.
const CAP_NET_ADMIN: u32 = 12;

/// UDP datagrams since the machine's start, of all programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UdpCounts {
    pub(super) received: u64,
    /// Lost because a program's buffer was full.
    pub(super) lost: u64,
}

/// `rmem_max` is the text of `/proc/sys/net/core/rmem_max`. `may_exceed` says whether the running hub may exceed it.
pub(super) fn judge_buffer(rmem_max: &str, wanted: usize, may_exceed: Option<bool>, is_loaded: bool) -> Finding {
    const CHECK: &str = "udp_buffer";
    let wanted = wanted as u64;
    let Ok(max) = rmem_max.trim().parse::<u64>() else {
        return Finding::info(CHECK, "this system does not tell net.core.rmem_max");
    };
    let seen = format!("net.core.rmem_max is {}, udp_buffer_bytes {}", size(max), size(wanted));
    match may_exceed {
        _ if max >= wanted => Finding::ok(CHECK, seen),
        Some(true) => Finding::ok(CHECK, format!("{seen}; the hub may exceed the system's (CAP_NET_ADMIN)")),
        // A small fleet does without.
        _ if !is_loaded => Finding::info(CHECK, format!("{seen}: enough for a small fleet")),
        _ => Finding::warn(CHECK, seen, format!("sysctl -w net.core.rmem_max={wanted}, or give the hub CAP_NET_ADMIN")),
    }
}

/// Whether a process may exceed the limit of buffers, by the text of its `/proc/PID/status`.
pub(super) fn may_exceed_buffers(status: &str) -> Option<bool> {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let effective = u64::from_str_radix(effective.trim(), 16).ok()?;
    Some((effective >> CAP_NET_ADMIN) & 1 == 1)
}

/// The counts of both families, by the texts of `/proc/net/snmp` and `/proc/net/snmp6`. A kernel without IPv6 has no
/// second one.
pub(super) fn udp_counts(snmp: &str, snmp6: &str) -> Option<UdpCounts> {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = (lines.next()?.split_whitespace(), lines.next()?.split_whitespace());
    let pairs: Vec<(&str, &str)> = names.zip(values).collect();
    let of_v4 = |name: &str| pairs.iter().find(|(found, _)| *found == name)?.1.parse::<u64>().ok();
    let of_v6 = |name: &str| {
        let line = snmp6.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(|c: char| c.is_whitespace()));
        line.and_then(|value| value.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    Some(UdpCounts {
        received: of_v4("InDatagrams")?.saturating_add(of_v6("Udp6InDatagrams")),
        lost: of_v4("RcvbufErrors")?.saturating_add(of_v6("Udp6RcvbufErrors")),
    })
}

pub(super) fn judge_losses(counts: Option<UdpCounts>) -> Finding {
    const CHECK: &str = "udp_losses";
    let Some(UdpCounts { received, lost }) = counts else {
        return Finding::info(CHECK, "this system does not count them (/proc/net/snmp)");
    };
    let seen = format!("{lost} of {received} datagrams lost since the start, because a buffer was full (RcvbufErrors)");
    if lost == 0 {
        Finding::ok(CHECK, seen)
    } else if lost <= received / LOST_SHARE {
        Finding::info(CHECK, seen)
    } else {
        let remedy = "look again in a minute; if it rises, raise net.core.rmem_max and give the hub another core";
        Finding::warn(CHECK, seen, remedy)
    }
}

/// Open files that a process may have, now and after it raised its limit, by the text of `/proc/PID/limits`.
pub(super) fn open_files(limits: &str) -> Option<(u64, u64)> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let number = |word: &str| if word == "unlimited" { Some(u64::MAX) } else { word.parse::<u64>().ok() };
    let mut words = line.split_whitespace();
    Some((number(words.next()?)?, number(words.next()?)?))
}

/// `of_hub` are the limits of the running hub, `own` those of this process.
pub(super) fn judge_descriptors(of_hub: Option<(u64, u64)>, own: Option<(u64, u64)>) -> Finding {
    const CHECK: &str = "descriptors";
    let (max, whose) = match (of_hub, own) {
        (Some((now, _)), _) => (now, "the running hub"),
        // A hub raises its limit as far as it may.
        (None, Some((_, max))) => (max, "this process; the hub's service may have another limit"),
        (None, None) => return Finding::info(CHECK, "this system does not tell the limit"),
    };
    let seen = if max == u64::MAX { format!("no limit for {whose}") } else { format!("{max} for {whose}") };
    let remedy = "set LimitNOFILE=131072 in the hub's unit, or raise ulimit -n";
    if max < OPEN_FILES_MIN {
        Finding::bad(CHECK, seen, remedy)
    } else if max < OPEN_FILES_ENOUGH {
        Finding::warn(CHECK, seen, remedy)
    } else {
        Finding::ok(CHECK, seen)
    }
}

#[cfg(test)]
mod tests {
    use windfire_doctor::Verdict;

    use super::*;

    #[test]
    fn a_buffer_that_is_too_small_matters_to_a_large_fleet() {
        let mib = 32 << 20;
        for (rmem_max, may_exceed, is_loaded, verdict) in [
            ("33554432\n", None, true, Verdict::Ok),
            ("212992\n", Some(true), true, Verdict::Ok),
            ("212992\n", Some(false), true, Verdict::Warn),
            ("212992\n", None, true, Verdict::Warn),
            ("212992\n", None, false, Verdict::Info),
            ("", None, true, Verdict::Info),
        ] {
            let finding = judge_buffer(rmem_max, mib, may_exceed, is_loaded);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
        }
    }

    #[test]
    fn capabilities_are_read_from_the_status_of_a_process() {
        for (status, may) in [
            ("Name:\twindfire\nCapEff:\t000001ffffffffff\n", Some(true)),
            ("CapEff:\t0000000000001000\n", Some(true)),
            ("CapEff:\t0000000000000400\n", Some(false)),
            ("CapEff:\tmany\n", None),
            ("CapPrm:\t0000000000001000\n", None),
        ] {
            assert_eq!(may_exceed_buffers(status), may, "{status}");
        }
    }

    const SNMP: &str = "Tcp: InSegs\nTcp: 9\nUdp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors\n\
                        Udp: 1000000 1 2 3 70 0\nUdpLite: InDatagrams\nUdpLite: 5\n";

    #[test]
    fn losses_of_both_families_are_counted() {
        let snmp6 = "Ip6InReceives                   \t5\nUdp6InDatagrams                 \t20\nUdp6RcvbufErrors\t4\n";
        assert_eq!(udp_counts(SNMP, snmp6), Some(UdpCounts { received: 1_000_020, lost: 74 }));
        assert_eq!(udp_counts(SNMP, ""), Some(UdpCounts { received: 1_000_000, lost: 70 }));
        for odd in ["", "Udp: InDatagrams\n", "Udp: InDatagrams RcvbufErrors\nUdp: x y\n", "Udp: A B\nUdp: 1 2\n"] {
            assert_eq!(udp_counts(odd, snmp6), None, "{odd:?}");
        }
    }

    #[test]
    fn losses_are_judged_by_their_share() {
        for (received, lost, verdict) in [
            (0, 0, Verdict::Ok),
            (1_000_000, 0, Verdict::Ok),
            (1_000_000, 100, Verdict::Info),
            (1_000_000, 101, Verdict::Warn),
            (0, 1, Verdict::Warn),
        ] {
            assert_eq!(judge_losses(Some(UdpCounts { received, lost })).verdict, verdict, "{lost} of {received}");
        }
        assert_eq!(judge_losses(None).verdict, Verdict::Info);
    }

    #[test]
    fn descriptors_are_read_and_judged() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 524288               files     \n";
        assert_eq!(open_files(limits), Some((1024, 524_288)));
        assert_eq!(open_files("Max open files  unlimited unlimited files\n"), Some((u64::MAX, u64::MAX)));
        assert_eq!((open_files(""), open_files("Max open files  many\n")), (None, None));
        for (of_hub, own, verdict) in [
            (Some((524_288, 524_288)), Some((64, 64)), Verdict::Ok),
            (Some((1024, 524_288)), None, Verdict::Warn),
            (Some((256, 524_288)), None, Verdict::Bad),
            (None, Some((1024, 524_288)), Verdict::Ok),
            (None, Some((256, 256)), Verdict::Bad),
            (None, None, Verdict::Info),
        ] {
            assert_eq!(judge_descriptors(of_hub, own).verdict, verdict, "{of_hub:?} {own:?}");
        }
    }
}
