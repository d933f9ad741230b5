//! What hub and agent tell the service manager that started them, such as systemd: how a start goes, that they are
//! ready, that they are alive, that they stop.
//!
//! The protocol is the one of sd_notify(3): a datagram of lines `NAME=value` to the local socket that the variable
//! `NOTIFY_SOCKET` names. Without that variable nothing is sent. A manager that does not take its messages holds up
//! nothing: the socket never blocks. The crate sd-notify sends on a socket that blocks, so it is not used.

mod socket;

use std::ffi::OsString;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket::Socket;

/// Bytes of a status. The manager shows it on one line.
const STATUS_BYTES_MAX: usize = 512;
/// Shortest time between two pings, however short the manager's patience is.
const PING_INTERVAL_MIN: Duration = Duration::from_millis(100);
/// Longest time between two pings, however long it is.
const PING_INTERVAL_MAX: Duration = Duration::from_hours(1);

/// The service manager of this process, or none.
#[derive(Debug, Default)]
pub struct ServiceManager {
    socket: Option<Socket>,
    ping_interval: Option<Duration>,
    /// The manager waits for `READY=1`, and its socket had no room for it.
    owes_ready: AtomicBool,
}

impl ServiceManager {
    /// The manager that the environment names: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`. Values that mean
    /// nothing count as absent.
    pub fn from_environment() -> Self {
        Self::new(|name| std::env::var_os(name), std::process::id())
    }

    fn new(variable: impl Fn(&str) -> Option<OsString>, pid: u32) -> Self {
        let socket = variable("NOTIFY_SOCKET").and_then(|name| Socket::named(&name).ok());
        let ping_interval = socket.as_ref().and_then(|_| ping_interval(variable, pid));
        Self { socket, ping_interval, owes_ready: AtomicBool::new(false) }
    }

    /// Time between two pings: half of the manager's patience. `None` if it does not wait for pings.
    pub fn ping_interval(&self) -> Option<Duration> {
        self.ping_interval
    }

    /// The start is under way, and may take `patience` longer from now on.
    pub fn starting(&self, words: &str, patience: Duration) {
        let _unheard = self.send(&format!("{}\nEXTEND_TIMEOUT_USEC={}", status_line(words), patience.as_micros()));
    }

    /// The process does its work. If the manager's socket has no room, [`ServiceManager::settle`] tries again.
    pub fn ready(&self, words: &str) {
        let sent = self.send(&format!("READY=1\n{}", status_line(words)));
        self.owes_ready.store(sent.is_err(), Ordering::Relaxed);
    }

    /// Tells the manager what it waits for and has not been told.
    pub fn settle(&self) {
        if self.owes_ready.load(Ordering::Relaxed) && self.send("READY=1").is_ok() {
            self.owes_ready.store(false, Ordering::Relaxed);
        }
    }

    /// How the process is.
    pub fn status(&self, words: &str) {
        let _unheard = self.send(&status_line(words));
    }

    /// The configuration is read again. [`ServiceManager::ready`] ends that. `uptime` is the system's monotonic clock,
    /// which newer managers compare with the time of their request.
    pub fn reloading(&self, uptime: Duration) {
        let _unheard = self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", uptime.as_micros()));
    }

    /// The process stops.
    pub fn stopping(&self, words: &str) {
        let _unheard = self.send(&format!("STOPPING=1\n{}", status_line(words)));
    }

    /// The process is alive.
    pub fn ping(&self) {
        let _unheard = self.send("WATCHDOG=1");
    }

    fn send(&self, message: &str) -> io::Result<()> {
        self.socket.as_ref().map_or(Ok(()), |socket| socket.send(message.as_bytes()))
    }
}

fn ping_interval(variable: impl Fn(&str) -> Option<OsString>, pid: u32) -> Option<Duration> {
    let number = |value: OsString| value.to_str().and_then(|text| text.parse::<u64>().ok());
    // The variables are inherited, so a process that was started by the watched one has them too.
    let is_meant = variable("WATCHDOG_PID").is_none_or(|meant| number(meant) == Some(pid.into()));
    let patience_us = variable("WATCHDOG_USEC").and_then(number).filter(|us| *us > 0 && is_meant)?;
    Some(Duration::from_micros(patience_us / 2).clamp(PING_INTERVAL_MIN, PING_INTERVAL_MAX))
}

/// A line of its own for the words: a line break within them would begin another message.
fn status_line(words: &str) -> String {
    let mut words: String = words.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    words.truncate(words.floor_char_boundary(STATUS_BYTES_MAX));
    format!("STATUS={words}")
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    const PID: u32 = 77;

    fn manager(variables: &[(&str, &str)]) -> ServiceManager {
        let find = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        ServiceManager::new(find, PID)
    }

    /// A socket in a folder, and a process that was given its name.
    fn heard() -> (tempfile::TempDir, UnixDatagram, ServiceManager) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_nonblocking(true).expect("own");
        let told = manager(&[("NOTIFY_SOCKET", path.to_str().expect("UTF-8"))]);
        (folder, socket, told)
    }

    fn next(socket: &UnixDatagram) -> Option<String> {
        let mut bytes = [0; 4096];
        let count = socket.recv(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes[..count]).into_owned())
    }

    fn say_all(manager: &ServiceManager) {
        manager.starting("opening the database", Duration::from_secs(30));
        manager.ready("ready");
        manager.settle();
        manager.status("commits fail");
        manager.reloading(Duration::from_millis(1_500));
        manager.ping();
        manager.stopping("stopping");
    }

    #[test]
    fn each_message_is_what_sd_notify_documents() {
        let (_folder, socket, manager) = heard();
        say_all(&manager);
        let said: Vec<String> = std::iter::from_fn(|| next(&socket)).collect();
        assert_eq!(
            said,
            [
                "STATUS=opening the database\nEXTEND_TIMEOUT_USEC=30000000",
                "READY=1\nSTATUS=ready",
                "STATUS=commits fail",
                "RELOADING=1\nMONOTONIC_USEC=1500000",
                "WATCHDOG=1",
                "STOPPING=1\nSTATUS=stopping",
            ]
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_abstract_name_is_heard() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("windfire-service-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("a name");
        let socket = UnixDatagram::bind_addr(&address).expect("a socket");
        socket.set_nonblocking(true).expect("own");
        manager(&[("NOTIFY_SOCKET", &format!("@{name}"))]).ping();
        assert_eq!(next(&socket).as_deref(), Some("WATCHDOG=1"));
    }

    #[test]
    fn a_name_that_leads_nowhere_holds_up_nothing() {
        let long = format!("/{}", "x".repeat(5000));
        let long_abstract = format!("@{}", "x".repeat(5000));
        for name in ["", "/", "@", "/nowhere/at/all", "relative", "vsock:2:1234", "/dev/null", &long, &long_abstract] {
            say_all(&manager(&[("NOTIFY_SOCKET", name), ("WATCHDOG_USEC", "2000000")]));
        }
        say_all(&manager(&[]));
    }

    #[test]
    fn a_full_socket_holds_up_nothing_and_ready_is_not_lost() {
        let (_folder, socket, manager) = heard();
        let mut pings = 0;
        while manager.send("WATCHDOG=1").is_ok() {
            pings += 1;
            assert!(pings < 1_000_000, "the socket never fills: this test shows nothing");
        }
        say_all(&manager);
        manager.settle();
        let said: Vec<String> = std::iter::from_fn(|| next(&socket)).collect();
        assert!(!said.iter().any(|said| said.starts_with("READY")), "there was no room");
        manager.settle();
        assert_eq!(next(&socket).as_deref(), Some("READY=1"));
        manager.settle();
        assert_eq!(next(&socket), None, "it is told once");
    }

    #[test]
    fn a_status_is_one_line_and_bounded() {
        let (_folder, socket, manager) = heard();
        manager.status("a name\nWATCHDOG=trigger\r\u{1b}[2J");
        assert_eq!(next(&socket).as_deref(), Some("STATUS=a name WATCHDOG=trigger  [2J"));
        manager.status(&"é".repeat(1000));
        let said = next(&socket).expect("a status");
        assert!(said.len() <= "STATUS=".len() + STATUS_BYTES_MAX && said.ends_with('é'), "{said}");
    }

    #[test]
    fn only_a_patience_that_is_a_number_and_meant_for_this_process_counts() {
        let (folder, _socket, _) = heard();
        let path = folder.path().join("notify");
        let path = path.to_str().expect("UTF-8");
        let ms = |ms| Some(Duration::from_millis(ms));
        for (patience, pid, expected) in [
            (Some("30000000"), None, ms(15_000)),
            (Some("30000000"), Some("77"), ms(15_000)),
            (Some("30000000"), Some("78"), None),
            (Some("30000000"), Some("init"), None),
            (Some("1"), None, Some(PING_INTERVAL_MIN)),
            (Some("18446744073709551615"), None, Some(PING_INTERVAL_MAX)),
            (Some("0"), None, None),
            (Some("-1"), None, None),
            (Some(""), None, None),
            (Some("30s"), None, None),
            (Some("99999999999999999999999"), None, None),
            (None, Some("77"), None),
        ] {
            let given = [("WATCHDOG_USEC", patience), ("WATCHDOG_PID", pid)];
            let given = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
            let variables: Vec<(&str, &str)> = given.chain([("NOTIFY_SOCKET", path)]).collect();
            assert_eq!(manager(&variables).ping_interval(), expected, "{variables:?}");
        }
        assert_eq!(manager(&[("WATCHDOG_USEC", "30000000")]).ping_interval(), None, "nobody would hear the pings");
    }
}
