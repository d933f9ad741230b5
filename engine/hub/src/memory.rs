//! The available memory, and how it is divided.
//!
//! | for | part of `memory_bytes_max` |
//! | --- | --- |
//! | answers under way, as bytes that clients have not taken yet | an eighth |
//! | events, snapshots and documents of live streams | an eighth |
//! | answers from history, while they are computed and read | a quarter |
//! | requests that come in: as many connections as their buffers fit into | an eighth |
//! | reports that wait for a commit | the bytes in the engine's limits |
//!
//! The rest is for memory that grows with the fleet: servers, heads, sessions, the store's caches. A process gains
//! nothing by staying far below its limit, so the default of `memory_bytes_max` is three quarters of it.

use std::fs;
use std::path::{Path, PathBuf};

use windfire_engine::limits::{PENDING_BYTES_PER_SHARD_MAX, SHARDS};

use crate::limits::{HTTP_CONNECTIONS_MAX, HTTP_HEAD_BYTES_MAX, MEMORY_BYTES_USUAL};

/// Bytes for memory that grows with clients' requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budgets {
    pub(crate) answers_bytes: usize,
    pub(crate) live_bytes: usize,
    pub(crate) history_bytes: usize,
    /// Connections whose buffers may hold a whole request's head each.
    pub(crate) connections: usize,
    /// Of reports that wait for a commit. The engine keeps to it.
    pub(crate) pending_bytes: usize,
}

impl Budgets {
    pub(crate) fn of(memory_bytes_max: u64) -> Self {
        let part = |parts: u64| usize::try_from(memory_bytes_max / parts).unwrap_or(usize::MAX);
        let pending_bytes = SHARDS * PENDING_BYTES_PER_SHARD_MAX;
        let connections = HTTP_CONNECTIONS_MAX.min(part(8) / HTTP_HEAD_BYTES_MAX);
        Self { answers_bytes: part(8), live_bytes: part(8), history_bytes: part(4), connections, pending_bytes }
    }

    #[cfg(test)]
    fn sum(&self) -> usize {
        let requests_bytes = self.connections * HTTP_HEAD_BYTES_MAX;
        self.answers_bytes + self.live_bytes + self.history_bytes + requests_bytes + self.pending_bytes
    }
}

/// Three quarters of the memory that this process may have.
pub(crate) fn usual_bytes_max() -> u64 {
    let limit_bytes = limit_bytes(|path| fs::read_to_string(path).ok(), kernel_bytes());
    limit_bytes.map_or(MEMORY_BYTES_USUAL, |bytes| bytes / 4 * 3)
}

/// The memory of the machine, or of the process's control group or one around it if that has less; bytes. Containers
/// may have a `/proc/meminfo` of their own. Where there is none, `kernel_bytes` counts.
fn limit_bytes(read: impl Fn(&Path) -> Option<String>, kernel_bytes: Option<u64>) -> Option<u64> {
    let machine = read(Path::new("/proc/meminfo")).as_deref().and_then(machine_bytes).or(kernel_bytes);
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let groups = groups.lines().filter_map(limit_files).flatten();
    // In a container the group's own name is often hidden, and its files are at the top.
    let top = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"].map(PathBuf::from);
    let limits = groups.chain(top).filter_map(|path| read(&path)?.trim().parse().ok());
    // No limit is "max" in version 2, and a number larger than any machine in version 1.
    limits.chain(machine).min()
}

/// Files with the limits of the control group in a line of `/proc/self/cgroup`, and of those around it.
fn limit_files(line: &str) -> Option<Vec<PathBuf>> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, group) = (fields.next()?, fields.next()?);
    let (root, file) = match controllers {
        "" => ("/sys/fs/cgroup", "memory.max"),
        _ if controllers.split(',').any(|name| name == "memory") => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        _ => return None,
    };
    let group = Path::new(group.trim_start_matches('/'));
    Some(group.ancestors().map(|group| Path::new(root).join(group).join(file)).collect())
}

/// The memory of the machine, as the kernel says it to a process that sees no `/proc/meminfo`.
fn kernel_bytes() -> Option<u64> {
    let machine = rustix::system::sysinfo();
    machine.totalram.checked_mul(machine.mem_unit.into()).filter(|bytes| *bytes > 0)
}

fn machine_bytes(meminfo: &str) -> Option<u64> {
    let kib = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().strip_suffix("kB")?;
    kib.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MEMORY_BYTES_MIN;

    const MEMINFO: &str = "MemTotal:       24682880 kB\nMemFree:         1000000 kB\n";
    const MACHINE: u64 = 24_682_880 * 1024;

    fn limit(files: &[(&str, &str)]) -> Option<u64> {
        limit_of(files, None)
    }

    fn limit_of(files: &[(&str, &str)], kernel_bytes: Option<u64>) -> Option<u64> {
        let text = |path: &Path| files.iter().find(|(found, _)| Path::new(found) == path).map(|(_, text)| *text);
        limit_bytes(|path| text(path).map(str::to_owned), kernel_bytes)
    }

    #[test]
    fn the_smallest_limit_around_the_process_counts() {
        let meminfo = ("/proc/meminfo", MEMINFO);
        assert_eq!(limit(&[]), None);
        assert_eq!(limit(&[meminfo]), Some(MACHINE));
        let service = ("/proc/self/cgroup", "0::/system.slice/windfire.service\n");
        let own = ("/sys/fs/cgroup/system.slice/windfire.service/memory.max", "max\n");
        assert_eq!(limit(&[meminfo, service, own]), Some(MACHINE));
        let slice = ("/sys/fs/cgroup/system.slice/memory.max", "201326592\n");
        assert_eq!(limit(&[meminfo, service, own, slice]), Some(201_326_592));
        // A container that sees its own group as the top; and one whose name it does not see.
        let top = ("/sys/fs/cgroup/memory.max", "100000000\n");
        assert_eq!(limit(&[meminfo, ("/proc/self/cgroup", "0::/\n"), top]), Some(100_000_000));
        assert_eq!(limit(&[meminfo, service, top]), Some(100_000_000));
        let first = ("/proc/self/cgroup", "11:cpu,cpuacct:/a\n4:memory:/docker/abc\n1:name=systemd:/a\n");
        let old = ("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "300000000\n");
        assert_eq!(limit(&[meminfo, first, old]), Some(300_000_000));
        let none = ("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(limit(&[meminfo, first, none]), Some(MACHINE));
        assert_eq!(limit(&[("/proc/meminfo", "MemTotal: many kB\n"), service, own]), None);
    }

    #[test]
    fn without_meminfo_the_kernels_word_counts() {
        let kernel = Some(1 << 30);
        assert_eq!(limit_of(&[], kernel), kernel);
        assert_eq!(limit_of(&[("/proc/meminfo", "MemTotal: many kB\n")], kernel), kernel);
        assert_eq!(limit_of(&[("/proc/meminfo", MEMINFO)], kernel), Some(MACHINE));
        let top = ("/sys/fs/cgroup/memory.max", "100000000\n");
        assert_eq!(limit_of(&[top], kernel), Some(100_000_000));
        // A container may have a /proc/meminfo of its own, with less.
        let (said, meminfo) = (kernel_bytes().expect("memory"), fs::read_to_string("/proc/meminfo").expect("there"));
        assert!(machine_bytes(&meminfo).is_some_and(|bytes| bytes <= said), "{said} bytes");
    }

    #[test]
    fn everything_together_fits() {
        for memory_bytes_max in [MEMORY_BYTES_MIN, 144 << 20, 1 << 30, 1 << 40] {
            let budgets = Budgets::of(memory_bytes_max);
            assert!(u64::try_from(budgets.sum()).is_ok_and(|sum| sum < memory_bytes_max), "{budgets:?}");
        }
        let small = Budgets::of(144 << 20);
        assert_eq!((small.answers_bytes, small.history_bytes), (18 << 20, 36 << 20));
    }
}
