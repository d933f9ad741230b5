//! This machine, read from Linux's files.

mod counts;
mod cpu;
mod devices;
mod disks;
mod files;
mod memory;
mod network;
mod release;
mod root;
mod sensors;
#[cfg(test)]
mod testing;

use std::path::Path;
use std::time::{Duration, Instant};

use windfire_wire::{Host, Report};

use super::apart::Apart;
use super::options::{CollectorError, CollectorOptions};
use super::processors::processors;
use cpu::{Stat, Use};
use devices::Gpus;
use disks::{Disks, Space};
use files::Files;
use network::Network;
#[doc(hidden)]
pub use network::is_transfers;
use root::Root;
use sensors::{Readings, Sensors};

/// Time that the first reading waits for the calls on other threads.
const FIRST_ANSWER_TIMEOUT: Duration = Duration::from_millis(500);
/// Age at which a sensor's value is no longer shown.
const SENSOR_AGE_MAX: Duration = Duration::from_secs(60);
/// Seconds by which the start of one boot may move: the kernel computes it from a clock that is corrected.
const BOOT_MOVES_MAX_S: u64 = 2;

/// A Linux machine.
pub(super) struct Machine {
    files: Files,
    busy: Use,
    network: Network,
    disks: Disks,
    sensors: Option<Apart<Readings>>,
    gpus: Option<Apart<Gpus>>,
    platform: Apart<(String, String)>,
    /// Corrections of the clock do not change it.
    boot_s: Option<u64>,
    /// The processors at the last look-up, and their names.
    processors: Option<(Stat, Vec<String>)>,
    virtualization: String,
    impossible: (u64, &'static str),
}

impl Machine {
    pub(super) fn check(host_root: &Path) -> Result<(), CollectorError> {
        Root::of_host(host_root).check()
    }

    pub(super) fn new(options: &CollectorOptions) -> Result<Self, CollectorError> {
        let root = options.host_root.as_deref().map_or_else(|| Root::own(Path::new("/")), Root::of_host);
        root.check()?;
        Ok(Self::below(&root, options))
    }

    fn below(root: &Root, options: &CollectorOptions) -> Self {
        let folder = root.folder();
        let sensors = options.temperatures.then(|| {
            let mut sensors = Sensors::new(folder);
            Apart::new("sensors", move || sensors.read())
        });
        let gpus = options.gpu.then(|| {
            let folder = folder.to_owned();
            Apart::new("gpus", move || Gpus::read(&folder))
        });
        let mut disks = Disks::new(root);
        disks.first_space(FIRST_ANSWER_TIMEOUT);
        let of_release = root.clone();
        let platform = Apart::new("platform", move || release::platform(&of_release));
        platform.wait(FIRST_ANSWER_TIMEOUT);
        let mut machine = Self {
            files: Files::new(root),
            busy: Use::default(),
            network: options.transfers.as_deref().map_or_else(Network::default, |path| Network::resumed(folder, path)),
            disks,
            sensors,
            gpus,
            platform,
            boot_s: None,
            processors: None,
            virtualization: devices::virtualization(folder),
            impossible: (0, ""),
        };
        // Processor use is a difference: this is its first half.
        if let Some(stat) = machine.stat() {
            machine.busy.percent(&stat);
        }
        machine
    }

    /// A reading without its time.
    pub(super) fn read(&mut self, now: Instant) -> Report {
        let cpu = match self.stat().map(|stat| self.busy.percent(&stat)) {
            Some(Some(percent)) => percent,
            Some(None) => {
                self.note_impossible(1, "idle time that fell");
                self.busy.last()
            }
            None => 0.0,
        };
        let memory = memory::read(&mut self.files);
        let traffic = self.network.read(&mut self.files, now);
        self.note_impossible(traffic.impossible, "bytes of an interface");
        let [load1, load5, load15] = self.loads();
        let counts = counts::read(&mut self.files);
        let sensors = self.sensors.as_ref().and_then(|sensors| sensors.ask(SENSOR_AGE_MAX)).unwrap_or_default();
        self.note_impossible(sensors.impossible, "a temperature");
        let gpus = self.gpus.as_ref().and_then(|gpus| gpus.ask(SENSOR_AGE_MAX)).unwrap_or_default();
        let report = Report {
            cpu,
            mem_used: memory.used,
            swap_used: memory.swap_used,
            disk_used: self.space(now).used,
            net_in_transfer: traffic.transfer.received,
            net_out_transfer: traffic.transfer.sent,
            net_in_speed: traffic.speed.received,
            net_out_speed: traffic.speed.sent,
            uptime_s: self.uptime_s(),
            load1,
            load5,
            load15,
            tcp_conn_count: counts.tcp,
            udp_conn_count: counts.udp,
            process_count: counts.processes,
            temperatures: sensors.temperatures,
            gpu: gpus.percent,
            time_ms: 0,
        };
        self.files.complain();
        report
    }

    /// The machine's facts, with the clock at Unix `now_s`.
    pub(super) fn host(&mut self, now_s: i64) -> Host {
        let memory = memory::read(&mut self.files);
        let (platform, platform_version) = self.platform.ask(Duration::MAX).unwrap_or_default();
        let gpus = self.gpus.as_ref().and_then(|gpus| gpus.ask(Duration::MAX)).unwrap_or_default();
        let host = Host {
            platform,
            platform_version,
            cpu: self.processors(),
            mem_total: memory.total,
            disk_total: self.space(Instant::now()).total,
            swap_total: memory.swap_total,
            arch: sysinfo::System::cpu_arch(),
            virtualization: self.virtualization.clone(),
            boot_time_s: self.boot_s(now_s),
            gpu: gpus.names,
            ..Host::default()
        };
        self.files.complain();
        host
    }

    /// The number of impossible values that were left out, and the last of them.
    pub(super) fn impossible(&self) -> (u64, &'static str) {
        self.impossible
    }

    /// Files that could not be read, and why.
    pub(super) fn unread(&self) -> Vec<(&'static str, String)> {
        self.files.missed().map(|(path, why)| (path, why.to_owned())).collect()
    }

    fn note_impossible(&mut self, count: u64, what: &'static str) {
        if count > 0 {
            self.impossible = (self.impossible.0 + count, what);
        }
    }

    fn stat(&mut self) -> Option<Stat> {
        const STAT: &str = "/proc/stat";
        let stat = Stat::read(&self.files.text(STAT)?);
        if stat.is_none() {
            self.files.miss(STAT, &"no line cpu");
        }
        stat
    }

    fn space(&mut self, now: Instant) -> Space {
        let space = self.disks.space(now);
        if space.is_none() {
            // The list of mounts. It is read on another thread, so it may not be read yet.
            let list = "/proc/self/mounts";
            if !self.files.path(list).exists() {
                self.files.miss(list, &"it is not there");
            }
        }
        space.unwrap_or_default()
    }

    fn loads(&mut self) -> [f64; 3] {
        const LOADAVG: &str = "/proc/loadavg";
        let Some(text) = self.files.text(LOADAVG) else { return [0.0; 3] };
        let mut words = text.split_whitespace().map(|word| word.parse::<f64>().unwrap_or(0.0));
        std::array::from_fn(|_| words.next().filter(|load| load.is_finite() && *load >= 0.0).unwrap_or(0.0))
    }

    fn uptime_s(&mut self) -> u64 {
        const UPTIME: &str = "/proc/uptime";
        let Some(text) = self.files.text(UPTIME) else { return 0 };
        let uptime_s = text.split(['.', ' ', '\n']).next().and_then(|seconds| seconds.parse().ok());
        uptime_s.unwrap_or_else(|| {
            self.files.miss(UPTIME, &"no number");
            0
        })
    }

    /// Unix seconds of the machine's start. If the kernel does not have it, it is computed from the uptime.
    fn boot_s(&mut self, now_s: i64) -> u64 {
        let said = self.stat().and_then(|stat| stat.boot_s).filter(|boot_s| *boot_s > 0);
        let found = said.or_else(|| match self.uptime_s() {
            0 => None,
            uptime_s => u64::try_from(now_s).ok()?.checked_sub(uptime_s),
        });
        let Some(found) = found else { return self.boot_s.unwrap_or_default() };
        let known = self.boot_s.filter(|known| known.abs_diff(found) <= BOOT_MOVES_MAX_S);
        *self.boot_s.insert(known.unwrap_or(found))
    }

    /// Processors by model. They are looked up again when they change.
    fn processors(&mut self) -> Vec<String> {
        let stat = self.stat().unwrap_or_default();
        if let Some((known, names)) = &self.processors
            && known.processors == stat.processors
        {
            return names.clone();
        }
        let cpuinfo = self.files.text("/proc/cpuinfo").unwrap_or_default();
        let names = cpu::names(&cpuinfo, &stat.processors, &sysinfo::System::cpu_arch());
        let names = processors(names, !self.virtualization.is_empty());
        self.processors.insert((stat, names)).1.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Tree;
    use super::*;

    /// Time for the calls on other threads, on a machine that is busy: a start does not wait for so long.
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_start_that_is_not_told_is_reckoned_from_the_uptime() {
        let tree = Tree::of(&[("/proc/uptime", "1000.25 3000.00\n"), ("/proc/stat", "cpu 1 1\nbtime 5000\n")]);
        let mut machine = Machine::below(&tree.machine(), &CollectorOptions::default());
        assert_eq!(machine.host(9_000).boot_time_s, 5_000);
        tree.put("/proc/stat", "cpu 1 1\nbtime 5002\n");
        assert_eq!(machine.host(9_000).boot_time_s, 5_000, "the same start, reckoned again");
        tree.put("/proc/stat", "cpu 1 1\nbtime 7000\n");
        assert_eq!(machine.host(9_000).boot_time_s, 7_000, "the clock was set");
        tree.remove("/proc/stat");
        let mut machine = Machine::below(&tree.machine(), &CollectorOptions::default());
        assert_eq!(machine.host(1_790_000_000).boot_time_s, 1_789_999_000);
        assert_eq!(machine.host(10).boot_time_s, 1_789_999_000, "a clock that shows less than the uptime says nothing");
        tree.put("/proc/stat", "cpu 1 1\nbtime 0\n");
        let mut machine = Machine::below(&tree.machine(), &CollectorOptions::default());
        assert_eq!(machine.host(1_790_000_000).boot_time_s, 1_789_999_000);
    }

    #[test]
    fn processors_that_come_and_go_are_seen() {
        let tree =
            Tree::of(&[("/proc/stat", "cpu 1 1\ncpu0 1\n"), ("/proc/cpuinfo", "processor : 0\nmodel name : M\n")]);
        let mut machine = Machine::below(&tree.machine(), &CollectorOptions::default());
        assert_eq!(machine.host(0).cpu, ["M 1 Physical Core"]);
        tree.put("/proc/stat", "cpu 1 1\ncpu0 1\ncpu1 1\n");
        tree.put("/proc/cpuinfo", "processor : 0\nmodel name : M\n\nprocessor : 1\nmodel name : M\n");
        assert_eq!(machine.host(0).cpu, ["M 2 Physical Core"]);
    }

    #[test]
    fn a_machine_that_shows_nothing_is_zeros_and_says_so() {
        let tree = Tree::of(&[]);
        let mut machine = Machine::below(&tree.machine(), &CollectorOptions::default());
        let report = machine.read(Instant::now());
        assert_eq!(report, Report::default());
        let unread = machine.files.unread();
        let expected = [
            "/proc",
            "/proc/loadavg",
            "/proc/meminfo",
            "/proc/net/sockstat",
            "/proc/self/mounts",
            "/proc/stat",
            "/proc/uptime",
            "/sys/class/net",
        ];
        assert_eq!(unread, expected);
    }

    #[test]
    fn in_a_container_the_host_is_read_below_its_root() {
        let tree = Tree::of(&[
            ("/proc/1/mounts", "/dev/nosuch1 / ext4 rw 0 0\n"),
            ("/proc/1/net/sockstat", "TCP: inuse 11 orphan 0 tw 3\nUDP: inuse 4\n"),
            ("/proc/net/sockstat", "TCP: inuse 1 orphan 0 tw 0\nUDP: inuse 1\n"),
            ("/proc/7/", ""),
            ("/proc/stat", "cpu 1 1\ncpu0 1\nbtime 5000\n"),
            ("/proc/cpuinfo", "processor : 0\nmodel name : M\n"),
            ("/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 600 kB\n"),
            ("/proc/uptime", "1000.25 3000.00\n"),
            ("/proc/loadavg", "1.5 0.5 0.25 1/9 7\n"),
            ("/sys/class/net/eth0/statistics/rx_bytes", "5\n"),
            ("/sys/class/net/eth0/statistics/tx_bytes", "6\n"),
            ("/etc/os-release", "ID=example\nVERSION_ID=7\n"),
        ]);
        let mut machine = Machine::below(&tree.host(), &CollectorOptions::default());
        machine.platform.wait(LONG);
        let (report, host) = (machine.read(Instant::now()), machine.host(9_000));
        assert_eq!((report.tcp_conn_count, report.udp_conn_count, report.process_count), (14, 4, 2));
        assert_eq!((report.net_in_transfer, report.net_out_transfer, report.load1), (5, 6, 1.5));
        assert_eq!((host.platform.as_str(), host.platform_version.as_str()), ("example", "7"));
        assert_eq!((host.mem_total, host.boot_time_s), (1000 * 1024, 5_000));
        assert!(machine.files.unread().is_empty(), "{:?}", machine.files.unread());
    }

    #[test]
    fn this_machine_can_be_read() {
        let options = CollectorOptions { temperatures: true, gpu: true, ..CollectorOptions::default() };
        let mut machine = Machine::below(&Root::own(Path::new("/")), &options);
        machine.platform.wait(LONG);
        let (report, host) = (machine.read(Instant::now()), machine.host(1_790_000_000));
        assert!(
            report.mem_used > 0 && report.mem_used < host.mem_total && report.uptime_s > 0 && report.process_count > 0
        );
        assert!(!host.cpu.is_empty() && host.boot_time_s > 0 && !host.platform.is_empty());
        assert!(machine.files.unread().is_empty(), "{:?}", machine.files.unread());
    }
}
