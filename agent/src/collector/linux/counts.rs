//! Counts from `/proc`. The portable way would open every process once per second.

use super::files::{self, Files};

/// Sockets and processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) tcp: u64,
    pub(super) udp: u64,
    pub(super) processes: u64,
}

const PROC: &str = "/proc";

pub(super) fn read(files: &mut Files) -> Counts {
    let v4 = files.text("/proc/net/sockstat").unwrap_or_default();
    // A kernel without IPv6 has none.
    let v6 = files.text_if("/proc/net/sockstat6").unwrap_or_default();
    let (tcp, udp) = sockets(&v4, &v6);
    let processes = match files::names(&files.path(PROC)) {
        Ok(names) => names.iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).count() as u64,
        Err(error) => {
            files.miss(PROC, &error);
            0
        }
    };
    if processes == 0 {
        files.miss(PROC, &"no process is there");
    }
    Counts { tcp, udp, processes }
}

/// Sockets in use, including those in TIME_WAIT, as a listing of them would show.
fn sockets(v4: &str, v6: &str) -> (u64, u64) {
    let sum = |parts: [u64; 3]| parts.into_iter().fold(0, u64::saturating_add);
    let tcp = sum([field(v4, "TCP:", "inuse"), field(v4, "TCP:", "tw"), field(v6, "TCP6:", "inuse")]);
    (tcp, field(v4, "UDP:", "inuse").saturating_add(field(v6, "UDP6:", "inuse")))
}

fn field(text: &str, line: &str, name: &str) -> u64 {
    let words = text.lines().find_map(|found| found.strip_prefix(line));
    let mut words = words.unwrap_or_default().split_whitespace();
    words.find(|word| *word == name);
    words.next().and_then(|value| value.parse().ok()).unwrap_or(0)
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
        let mut files = Files::new(&super::super::root::Root::own(std::path::Path::new("/")));
        assert!(read(&mut files).processes >= 1 && files.unread().is_empty());
    }

    #[test]
    fn what_is_not_there_is_noted() {
        let mut files = super::super::testing::Tree::of(&[("/proc/self/", "")]).files();
        assert_eq!(read(&mut files), Counts::default());
        assert_eq!(files.unread(), ["/proc", "/proc/net/sockstat"]);
    }
}
