//! Which file systems count, and the device of each.

use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::mounts::Mount;
use crate::collector::linux::files;
use crate::collector::linux::root::Root;

/// File systems that are asked.
const DEVICES_MAX: usize = 1024;

/// The device of a file system, so that it counts once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Device {
    /// A block device, by its number.
    Number(u64),
    /// A Btrfs of several devices, by its id.
    Btrfs(String),
    /// A data set of a ZFS pool.
    Zfs(Vec<u8>),
    /// A device without a number, by its name.
    Name(Vec<u8>),
    /// The root of a container, whose device may be of any kind.
    Root,
}

/// A file system to ask, and where it is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) device: Device,
    pub(super) places: Vec<Place>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// The device number of files there, if the kernel has it. If files have another one, another mount hides this one.
    pub(super) number: Option<u64>,
}

impl Device {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Number(number) => format!("{}:{}", rustix::fs::major(*number), rustix::fs::minor(*number)),
            Self::Btrfs(id) => format!("btrfs {id}"),
            Self::Zfs(name) | Self::Name(name) => String::from_utf8_lossy(name).into_owned(),
            Self::Root => "/".to_owned(),
        }
    }
}

/// Kinds of file systems that are on a disk of this machine although this kernel does not say so: those of other
/// kernels, and those on flash.
const LOCAL: [&str; 30] = [
    "apfs", "bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "fuseblk", "gfs2", "hfs", "hfsplus", "jffs2",
    "jfs", "minix", "msdos", "nilfs2", "ntfs", "ntfs3", "ocfs2", "reiserfs", "simfs", "ubifs", "ufs", "vfat", "xfs",
    "yaffs", "yaffs2", "zfs", "fat32",
];

/// On a disk, but never to be written: images of programs, discs.
const IMAGES: [&str; 7] = ["squashfs", "iso9660", "udf", "erofs", "cramfs", "romfs", "vxfs"];

/// The file systems that count. Those whose space is elsewhere (networks, FUSE, overlays) or in memory do not.
pub(super) fn targets(root: &Root, mounts: &[Mount]) -> Vec<Target> {
    let known = files::text(&root.file("/proc/filesystems")).unwrap_or_default();
    let on_disks: HashSet<&str> = known.lines().filter_map(|line| line.strip_prefix('\t')).map(str::trim).collect();
    let is_counted = |kind: &str| {
        let is_fuse = kind.starts_with("fuse.");
        !is_fuse && !IMAGES.contains(&kind) && (LOCAL.contains(&kind) || on_disks.contains(kind))
    };
    let btrfs = btrfs(root);
    // A later mount at the same path hides the earlier one.
    let last: HashMap<&[u8], usize> = mounts.iter().enumerate().map(|(at, mount)| (&*mount.path, at)).collect();
    let mut targets: Vec<Target> = Vec::new();
    let mut by_device: HashMap<Device, usize> = HashMap::new();
    for (at, mount) in mounts.iter().enumerate() {
        if !is_counted(&mount.kind) || last.get(mount.path.as_slice()) != Some(&at) {
            continue;
        }
        let device = match mount.kind.as_str() {
            // A snapshot is a part of its data set.
            "zfs" if mount.source.contains(&b'@') => continue,
            "zfs" => Device::Zfs(mount.source.clone()),
            _ => device_of(root, mount, &btrfs),
        };
        let place = Place { path: root.place(&mount.path), number: mount.number };
        match by_device.get(&device) {
            Some(target) => targets[*target].places.push(place),
            None if targets.len() == DEVICES_MAX => {}
            None => {
                by_device.insert(device.clone(), targets.len());
                targets.push(Target { device, places: vec![place] });
            }
        }
    }
    if targets.is_empty() {
        // A container only sees its overlay, which is better than nothing.
        let place = Place { path: root.place(b"/"), number: None };
        targets.push(Target { device: Device::Root, places: vec![place] });
    }
    targets
}

fn device_of(root: &Root, mount: &Mount, btrfs: &HashMap<Vec<u8>, String>) -> Device {
    // No call here touches a disk that may hang: devices are files of the kernel.
    let source = mount.source.strip_prefix(b"/dev/").map(|_| root.place(&mount.source));
    let real = source.as_ref().and_then(|path| std::fs::canonicalize(path).ok());
    if mount.kind == "btrfs" {
        let name = real.as_deref().or(source.as_deref()).and_then(Path::file_name).map(|name| name.as_bytes().to_vec());
        if let Some(id) = name.and_then(|name| btrfs.get(&name)) {
            return Device::Btrfs(id.clone());
        }
    }
    let stat = real.and_then(|path| rustix::fs::stat(path).ok());
    let of_node = stat.filter(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_block_device());
    // Major 0 is not a device: Btrfs has a number for each of its parts.
    let of_mount = mount.number.filter(|number| rustix::fs::major(*number) != 0);
    match of_mount.or(of_node.map(|stat| stat.st_rdev)) {
        Some(number) => Device::Number(number),
        None => Device::Name(mount.source.clone()),
    }
}

/// Devices of each Btrfs, by name.
fn btrfs(root: &Root) -> HashMap<Vec<u8>, String> {
    let all = root.file("/sys/fs/btrfs");
    let ids = files::names(&all).unwrap_or_default();
    let devices = |id: String| {
        let names = files::names(&all.join(&id).join("devices")).unwrap_or_default();
        names.into_iter().map(move |name| (name.into_bytes(), id.clone()))
    };
    ids.into_iter().flat_map(devices).collect()
}
