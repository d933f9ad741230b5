//! Sums: disks of the kinds v0 counts, sockets and processes.

use std::collections::HashSet;
use std::path::Path;

use sysinfo::Disk;

/// Bytes over all counted file systems.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct DiskTotals {
    pub(super) total: u64,
    pub(super) used: u64,
}

/// Sockets and processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) tcp: u64,
    pub(super) udp: u64,
    pub(super) processes: u64,
}

/// File systems on disks of this machine, as v0 counts them: network and memory file systems are somebody else's space.
const COUNTED: [&str; 18] = [
    "apfs",
    "bcachefs",
    "btrfs",
    "exfat",
    "ext2",
    "ext3",
    "ext4",
    "f2fs",
    "fat32",
    "fuse.rclone",
    "fuseblk",
    "hfs",
    "jfs",
    "ntfs",
    "reiserfs",
    "simfs",
    "xfs",
    "zfs",
];

pub(super) fn disk_totals(disks: &[Disk]) -> DiskTotals {
    let mut devices = HashSet::new();
    let is_counted = |disk: &&Disk| {
        let kind = disk.file_system().to_string_lossy().to_lowercase();
        COUNTED.contains(&kind.as_str())
    };
    // A device that is mounted in several places is one device.
    let counted: Vec<&Disk> = disks.iter().filter(is_counted).filter(|disk| devices.insert(disk.name())).collect();
    if counted.is_empty() {
        // A container sees only its overlay: better that than nothing.
        sum(disks.iter().filter(|disk| disk.mount_point() == Path::new("/")))
    } else {
        sum(counted)
    }
}

fn sum<'a>(disks: impl IntoIterator<Item = &'a Disk>) -> DiskTotals {
    disks.into_iter().map(space).fold(DiskTotals::default(), |sum, disk| DiskTotals {
        total: sum.total.saturating_add(disk.total),
        used: sum.used.saturating_add(disk.used),
    })
}

/// Used is what files take, as in v0. What is neither free for everyone nor taken (reserves, quotas) is not used.
#[cfg(unix)]
fn space(disk: &Disk) -> DiskTotals {
    rustix::fs::statvfs(disk.mount_point()).map_or_else(
        |_| DiskTotals::default(),
        |fs| DiskTotals {
            total: fs.f_blocks.saturating_mul(fs.f_frsize),
            used: fs.f_blocks.saturating_sub(fs.f_bfree).saturating_mul(fs.f_frsize),
        },
    )
}

#[cfg(not(unix))]
fn space(disk: &Disk) -> DiskTotals {
    DiskTotals { total: disk.total_space(), used: disk.total_space().saturating_sub(disk.available_space()) }
}

#[cfg(target_os = "linux")]
pub(super) fn counts() -> Counts {
    super::linux::counts()
}

/// Only Linux gives these without walking every process once a second.
#[cfg(not(target_os = "linux"))]
pub(super) fn counts() -> Counts {
    Counts::default()
}
