//! Memory and swap, from `/proc/meminfo`, or from a container's limit if that is less.

use super::files::Files;

/// Bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) total: u64,
    pub(super) used: u64,
    pub(super) swap_total: u64,
    pub(super) swap_used: u64,
}

const MEMINFO: &str = "/proc/meminfo";

pub(super) fn read(files: &mut Files) -> Memory {
    let Some(meminfo) = files.text(MEMINFO) else { return Memory::default() };
    let Some(mut memory) = of_machine(&meminfo) else {
        files.miss(MEMINFO, &"no line MemTotal");
        return Memory::default();
    };
    // The kernel does not count ZFS's cache as a cache.
    if let Some(arc) = files.text_if("/proc/spl/kstat/zfs/arcstats") {
        memory.used = memory.used.saturating_sub(shrinkable(&arc));
    }
    let v2 =
        ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat", "inactive_file"];
    let v1 = [
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
        "total_inactive_file",
    ];
    for [limit, usage, stat, cache] in [v2, v1] {
        let number = |path| files.text_if(path)?.trim().parse::<u64>().ok();
        if let Some((limit, usage)) = number(limit).zip(number(usage)) {
            let cache = files.text_if(stat).and_then(|stat| field(&stat, cache)).unwrap_or(0);
            memory = memory.within(limit, usage.saturating_sub(cache));
            break;
        }
    }
    memory
}

impl Memory {
    /// The limit of a control group, if it is below the machine's memory. The root of the tree has no such limit,
    /// except in a container, which sees its own group as the root.
    fn within(self, limit: u64, used: u64) -> Self {
        if limit >= self.total { self } else { Self { total: limit, used: used.min(limit), ..self } }
    }
}

fn of_machine(meminfo: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let rest = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        rest.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    };
    let total = bytes("MemTotal")?;
    let or_zero = |name| bytes(name).unwrap_or(0);
    // Kernels before 3.14 do not have MemAvailable.
    let available = bytes("MemAvailable").unwrap_or_else(|| {
        let caches = or_zero("Cached").saturating_add(or_zero("SReclaimable")).saturating_sub(or_zero("Shmem"));
        or_zero("MemFree").saturating_add(or_zero("Buffers")).saturating_add(caches)
    });
    let swap_total = or_zero("SwapTotal");
    // A container's numbers come from several sources, and may have more free than total. Some say minus 128 kB.
    let swap_free = bytes("SwapFree").unwrap_or(swap_total);
    Some(Memory {
        total,
        used: total.saturating_sub(available),
        swap_total,
        swap_used: swap_total.saturating_sub(swap_free),
    })
}

/// Bytes of its cache that ZFS gives back when others need them.
fn shrinkable(arcstats: &str) -> u64 {
    let number = |name: &str| {
        arcstats.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next()? == name).then(|| words.nth(1)?.parse::<u64>().ok()).flatten()
        })
    };
    let size = number("size").unwrap_or(0);
    size.saturating_sub(number("c_min").unwrap_or(size))
}

/// A number after its name, as in `memory.stat`.
fn field(stat: &str, name: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::super::testing::Tree;
    use super::*;

    const KIB: u64 = 1024;

    /// Memory used and swap used, in KiB, of a machine with these files.
    fn of(files: &[(&str, &str)]) -> [u64; 4] {
        let tree = Tree::of(files);
        let memory = read(&mut tree.files());
        [memory.total, memory.used, memory.swap_total, memory.swap_used].map(|bytes| bytes / KIB)
    }

    const PLAIN: &str = "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 600 kB\nBuffers: 10 kB\nCached: 300 kB\n\
        SwapCached: 7 kB\nShmem: 50 kB\nSReclaimable: 40 kB\nSwapTotal: 500 kB\nSwapFree: 450 kB\n";

    #[test]
    fn used_is_what_is_not_available() {
        assert_eq!(of(&[("/proc/meminfo", PLAIN)]), [1000, 400, 500, 50]);
        let old = PLAIN.replace("MemAvailable: 600 kB\n", "");
        assert_eq!(of(&[("/proc/meminfo", &old)]), [1000, 600, 500, 50], "100 + 10 + 300 + 40 - 50 are available");
    }

    #[test]
    fn more_free_than_there_is_means_nothing_is_used() {
        let minus = "MemTotal: 20971520 kB\nMemFree: 8615216 kB\nMemAvailable: 8615216 kB\nSwapTotal: 0 kB\n\
            SwapFree: 18446744073709551488 kB\n";
        assert_eq!(of(&[("/proc/meminfo", minus)]), [20_971_520, 12_356_304, 0, 0]);
        let over = "MemTotal: 524288 kB\nMemAvailable: 490496 kB\nSwapTotal: 1048576 kB\nSwapFree: 1048600 kB\n";
        assert_eq!(of(&[("/proc/meminfo", over)]), [524_288, 33_792, 1_048_576, 0]);
        let available = "MemTotal: 1000 kB\nMemAvailable: 2000 kB\n";
        assert_eq!(of(&[("/proc/meminfo", available)]), [1000, 0, 0, 0]);
        let huge = "MemTotal: 1000 kB\nMemAvailable: 18446744073709551615 kB\nSwapTotal: 10 kB\n";
        assert_eq!(of(&[("/proc/meminfo", huge)]), [1000, 1000, 10, 0], "impossible bytes count as missing");
    }

    #[test]
    fn the_cache_of_zfs_is_cache_but_for_what_it_keeps() {
        let arc = "13 1 0x01 147 39984 1 2\nname type data\nsize 4 307200\nc_min 4 102400\nc 4 400000\n";
        let zfs = "/proc/spl/kstat/zfs/arcstats";
        assert_eq!(of(&[("/proc/meminfo", PLAIN), (zfs, arc)]), [1000, 200, 500, 50]);
        assert_eq!(of(&[("/proc/meminfo", PLAIN), (zfs, "size 4 1\n")]), [1000, 400, 500, 50]);
    }

    #[test]
    fn a_container_has_what_its_group_may_have() {
        let group = |limit| {
            [
                ("/proc/meminfo", PLAIN),
                ("/sys/fs/cgroup/memory.max", limit),
                ("/sys/fs/cgroup/memory.current", "307200"),
                ("/sys/fs/cgroup/memory.stat", "anon 1\ninactive_file 102400\nactive_file 9\n"),
            ]
        };
        assert_eq!(of(&group("409600\n")), [400, 200, 500, 50]);
        assert_eq!(of(&group("max\n")), [1000, 400, 500, 50]);
        assert_eq!(of(&group("1024000\n")), [1000, 400, 500, 50], "no less than there is");
        let v1 = [
            ("/proc/meminfo", PLAIN),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "409600"),
            ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "307200"),
            ("/sys/fs/cgroup/memory/memory.stat", "inactive_file 5\ntotal_inactive_file 102400\n"),
        ];
        assert_eq!(of(&v1), [400, 200, 500, 50]);
    }

    #[test]
    fn what_cannot_be_read_is_noted() {
        let tree = Tree::of(&[]);
        let mut files = tree.files();
        assert_eq!(read(&mut files), Memory::default());
        assert_eq!(files.unread(), [MEMINFO]);
        let mut files = Tree::of(&[("/proc/meminfo", "nothing\n")]).files();
        assert_eq!((read(&mut files), files.unread()), (Memory::default(), vec![MEMINFO]));
    }
}
