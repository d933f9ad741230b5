//! Counts from `/proc`, where the portable way would open every process once a second.

use std::fs;

use super::kinds::Counts;

pub(super) fn counts() -> Counts {
    let v4 = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let v6 = fs::read_to_string("/proc/net/sockstat6").unwrap_or_default();
    let (tcp, udp) = sockets(&v4, &v6);
    Counts { tcp, udp, processes: processes() }
}

/// Sockets in use, those waiting out their time included, as a listing of them would show.
fn sockets(v4: &str, v6: &str) -> (u64, u64) {
    let tcp = field(v4, "TCP:", "inuse") + field(v4, "TCP:", "tw") + field(v6, "TCP6:", "inuse");
    (tcp, field(v4, "UDP:", "inuse") + field(v6, "UDP6:", "inuse"))
}

fn field(text: &str, line: &str, name: &str) -> u64 {
    let words = text.lines().find_map(|found| found.strip_prefix(line));
    let mut words = words.unwrap_or_default().split_whitespace();
    words.find(|word| *word == name);
    words.next().and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn processes() -> u64 {
    let is_process = |name: &std::ffi::OsStr| name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter(|entry| is_process(&entry.file_name())).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_summed_over_both_families() {
        let v4 = "sockets: used 290\nTCP: inuse 11 orphan 0 tw 3 alloc 14 mem 1\nUDP: inuse 4 mem 2\nRAW: inuse 0\n";
        let v6 = "TCP6: inuse 5\nUDP6: inuse 2\nUDPLITE6: inuse 0\n";
        assert_eq!(sockets(v4, v6), (19, 6));
        assert_eq!(sockets("", ""), (0, 0));
    }

    #[test]
    fn this_very_process_is_counted() {
        assert!(processes() >= 1);
    }
}
