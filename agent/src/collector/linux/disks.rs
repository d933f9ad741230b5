//! Space: of the file systems on disks of this machine, each once, whatever it is called and wherever it is mounted.
//!
//! A file system may never answer. So each is asked on a thread of its own kind, one after the other; when one takes too
//! long, the thread is left to wait, that file system keeps its last answer, and another thread goes on with the others.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::super::apart::STACK_BYTES;
use super::files;

/// Bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Space {
    pub(super) total: u64,
    pub(super) used: u64,
}

/// Time for a file system to answer, until the others are asked without it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Threads that wait for file systems that do not answer. When there are so many, no file system is asked any more until
/// one has.
const WAITING_MAX: usize = 8;
/// File systems that are asked.
const DEVICES_MAX: usize = 1024;
/// Readings between two looks at what is mounted.
const LIST_EVERY: u32 = 5;

/// What a file system lies on, so that it counts once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Device {
    /// A block device, by its number.
    Number(u64),
    /// A Btrfs of several devices, by its id.
    Btrfs(String),
    /// A data set of a ZFS pool.
    Zfs(Vec<u8>),
    /// What has no number, by its name.
    Name(Vec<u8>),
    /// The root of a container, which may lie on anything.
    Root,
}

/// A file system to ask, and where it is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    device: Device,
    places: Vec<Place>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    path: PathBuf,
    /// The number that files there have, where the kernel said it: another is mounted above it when they have another.
    number: Option<u64>,
}

/// A line of the kernel's list of what is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    source: Vec<u8>,
    path: Vec<u8>,
    kind: String,
    number: Option<u64>,
}

/// What asks.
type Ask = dyn Fn(&Place) -> Option<Space> + Send + Sync;

pub(super) struct Disks {
    shared: Arc<Shared>,
    until_listed: u32,
}

struct Shared {
    root: PathBuf,
    ask: Box<Ask>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_wanted: bool,
    is_over: bool,
    /// The list is to be read anew.
    is_stale: bool,
    targets: Option<Arc<Vec<Target>>>,
    answers: HashMap<Device, Space>,
    /// The thread whose turn it is, and what it asks since when.
    turn: u64,
    asking: Option<(Device, Instant)>,
    /// Asked by threads whose turn is over.
    waiting: HashSet<Device>,
    has_thread: bool,
    /// A whole round was answered.
    is_known: bool,
}

impl Disks {
    pub(super) fn new(root: &Path) -> Self {
        Self::asking(root, Box::new(space))
    }

    fn asking(root: &Path, ask: Box<Ask>) -> Self {
        let shared = Shared { root: root.to_owned(), ask, state: Mutex::default(), changed: Condvar::new() };
        Self { shared: Arc::new(shared), until_listed: 0 }
    }

    /// The newest sum, without waiting; `None` when the kernel's list cannot be read. The next is asked for meanwhile.
    pub(super) fn space(&mut self, now: Instant) -> Option<Space> {
        let mut state = self.shared.state.lock();
        state.is_stale |= self.until_listed == 0;
        self.until_listed = if self.until_listed == 0 { LIST_EVERY } else { self.until_listed - 1 };
        state.is_wanted = true;
        let late = state.asking.as_ref().filter(|(_, since)| now.duration_since(*since) > ANSWER_TIMEOUT);
        if let Some((device, _)) = late.cloned()
            && state.waiting.len() < WAITING_MAX
        {
            tracing::warn!(file_system = %device.name(), "a file system does not answer: it keeps its last values");
            state.waiting.insert(device);
            (state.asking, state.has_thread) = (None, false);
            state.turn += 1;
        }
        if !state.has_thread {
            let (shared, turn) = (Arc::clone(&self.shared), state.turn);
            let thread = thread::Builder::new().name("disks".to_owned()).stack_size(STACK_BYTES);
            state.has_thread = thread.spawn(move || shared.run(turn)).is_ok();
        }
        self.shared.changed.notify_all();
        state.sum()
    }

    /// As [`Disks::space`], after a whole round, or after a while.
    pub(super) fn first_space(&mut self, at_most: Duration) -> Option<Space> {
        self.space(Instant::now());
        let mut state = self.shared.state.lock();
        self.shared.changed.wait_while_for(&mut state, |state| !state.is_known, at_most);
        state.sum()
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        self.shared.state.lock().is_over = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    /// Asks, round after round, until the turn is another's.
    fn run(&self, turn: u64) {
        let mut state = self.state.lock();
        loop {
            self.changed.wait_while(&mut state, |state| !state.is_wanted && !state.is_over && state.turn == turn);
            if state.is_over || state.turn != turn {
                return;
            }
            state.is_wanted = false;
            if std::mem::take(&mut state.is_stale) || state.targets.is_none() {
                drop(state);
                let targets = list(&self.root).map(|mounts| Arc::new(targets(&self.root, &mounts)));
                state = self.state.lock();
                state.targets = targets;
                let devices: HashSet<Device> = state
                    .targets
                    .iter()
                    .flat_map(|targets| targets.iter())
                    .map(|target| target.device.clone())
                    .collect();
                state.answers.retain(|device, _| devices.contains(device));
            }
            let targets = state.targets.clone().unwrap_or_default();
            for target in targets.iter() {
                if state.turn != turn || state.is_over {
                    return;
                }
                if state.waiting.contains(&target.device) {
                    continue;
                }
                state.asking = Some((target.device.clone(), Instant::now()));
                drop(state);
                let answer = target.places.iter().find_map(|place| (self.ask)(place));
                state = self.state.lock();
                if state.turn == turn {
                    state.asking = None;
                } else {
                    state.waiting.remove(&target.device);
                }
                match answer {
                    Some(space) => drop(state.answers.insert(target.device.clone(), space)),
                    None => drop(state.answers.remove(&target.device)),
                }
            }
            state.is_known = true;
            self.changed.notify_all();
        }
    }
}

impl State {
    fn sum(&self) -> Option<Space> {
        let targets = self.targets.as_ref()?;
        let mut sum = Space::default();
        // Data sets of a pool share what is free in it.
        let mut pools: BTreeMap<&[u8], (u64, u64)> = BTreeMap::new();
        for target in targets.iter() {
            let Some(space) = self.answers.get(&target.device) else { continue };
            if let Device::Zfs(data_set) = &target.device {
                let pool = data_set.split(|byte| *byte == b'/').next().unwrap_or_default();
                let (free, used) = pools.entry(pool).or_default();
                *free = (*free).max(space.total.saturating_sub(space.used));
                *used = used.saturating_add(space.used);
            } else {
                sum.total = sum.total.saturating_add(space.total);
                sum.used = sum.used.saturating_add(space.used);
            }
        }
        for (free, used) in pools.into_values() {
            sum.total = sum.total.saturating_add(free).saturating_add(used);
            sum.used = sum.used.saturating_add(used);
        }
        Some(sum)
    }
}

impl Device {
    fn name(&self) -> String {
        match self {
            Self::Number(number) => format!("{}:{}", rustix::fs::major(*number), rustix::fs::minor(*number)),
            Self::Btrfs(id) => format!("btrfs {id}"),
            Self::Zfs(name) | Self::Name(name) => String::from_utf8_lossy(name).into_owned(),
            Self::Root => "/".to_owned(),
        }
    }
}

/// Used is what files take, as in v0. What is neither free for everyone nor taken (reserves, quotas) is not used.
fn space(place: &Place) -> Option<Space> {
    let found = rustix::fs::statvfs(&place.path).ok()?;
    if let Some(number) = place.number {
        let is_it = rustix::fs::stat(&place.path).is_ok_and(|stat| stat.st_dev == number);
        if !is_it {
            return None;
        }
    }
    Some(Space {
        total: found.f_blocks.saturating_mul(found.f_frsize),
        used: found.f_blocks.saturating_sub(found.f_bfree).saturating_mul(found.f_frsize),
    })
}

/// What is mounted.
fn list(root: &Path) -> Option<Vec<Mount>> {
    let read = |path: &str| std::fs::read(root.join(path)).ok();
    let mut mounts = mounts(&read("proc/self/mounts")?);
    // It says more, and not everywhere the same: numbers are taken where both agree.
    let known = read("proc/self/mountinfo").map(|text| numbers(&text)).unwrap_or_default();
    for mount in &mut mounts {
        mount.number = known.get(&(mount.path.clone(), mount.source.clone())).copied();
    }
    Some(mounts)
}

fn mounts(text: &[u8]) -> Vec<Mount> {
    let mount = |line: &[u8]| {
        let mut words = line.split(|byte| *byte == b' ');
        let (source, path, kind) = (words.next()?, words.next()?, words.next()?);
        let kind = String::from_utf8_lossy(kind).to_lowercase();
        Some(Mount { source: unescaped(source), path: unescaped(path), kind, number: None })
    };
    text.split(|byte| *byte == b'\n').filter_map(mount).collect()
}

/// Device numbers in `mountinfo`, by path and source.
fn numbers(text: &[u8]) -> HashMap<(Vec<u8>, Vec<u8>), u64> {
    let number = |line: &[u8]| {
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let number = std::str::from_utf8(words.get(2)?).ok()?;
        let (major, minor) = number.split_once(':')?;
        let dash = words.iter().position(|word| *word == b"-")?;
        let (path, source) = (unescaped(words.get(4)?), unescaped(words.get(dash + 2)?));
        Some(((path, source), rustix::fs::makedev(major.parse().ok()?, minor.parse().ok()?)))
    };
    text.split(|byte| *byte == b'\n').filter_map(number).collect()
}

/// The kernel writes blanks, tabs, newlines and backslashes as three octal digits.
fn unescaped(word: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((byte, after)) = rest.split_first() {
        let octal =
            after.get(..3).filter(|digits| *byte == b'\\' && digits.iter().all(|digit| (b'0'..b'8').contains(digit)));
        let value = octal.map(|digits| digits.iter().fold(0u32, |value, digit| value * 8 + u32::from(digit - b'0')));
        match value.and_then(|value| u8::try_from(value).ok()) {
            Some(value) => {
                bytes.push(value);
                rest = &after[3..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    bytes
}

/// Kinds of file systems that lie on a disk of this machine, where the kernel here does not know them for such: those of
/// other kernels, and those on flash.
const LOCAL: [&str; 30] = [
    "apfs", "bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "fuseblk", "gfs2", "hfs", "hfsplus", "jffs2",
    "jfs", "minix", "msdos", "nilfs2", "ntfs", "ntfs3", "ocfs2", "reiserfs", "simfs", "ubifs", "ufs", "vfat", "xfs",
    "yaffs", "yaffs2", "zfs", "fat32",
];

/// On a disk, but never to be written: images of programs, discs.
const IMAGES: [&str; 7] = ["squashfs", "iso9660", "udf", "erofs", "cramfs", "romfs", "vxfs"];

/// The file systems that count. Whose space is another's (networks, FUSE, overlays) or memory does not.
fn targets(root: &Path, mounts: &[Mount]) -> Vec<Target> {
    let known = files::text(&root.join("proc/filesystems")).unwrap_or_default();
    let on_disks: HashSet<&str> = known.lines().filter_map(|line| line.strip_prefix('\t')).map(str::trim).collect();
    let is_counted = |kind: &str| {
        let is_fuse = kind.starts_with("fuse.");
        !is_fuse && !IMAGES.contains(&kind) && (LOCAL.contains(&kind) || on_disks.contains(kind))
    };
    let btrfs = btrfs(root);
    // What is mounted at one path later hides what was there.
    let last: HashMap<&[u8], usize> = mounts.iter().enumerate().map(|(at, mount)| (&*mount.path, at)).collect();
    let mut targets: Vec<Target> = Vec::new();
    let mut by_device: HashMap<Device, usize> = HashMap::new();
    for (at, mount) in mounts.iter().enumerate() {
        if !is_counted(&mount.kind) || last.get(mount.path.as_slice()) != Some(&at) {
            continue;
        }
        let device = match mount.kind.as_str() {
            // A snapshot is a part of what it is of.
            "zfs" if mount.source.contains(&b'@') => continue,
            "zfs" => Device::Zfs(mount.source.clone()),
            _ => device_of(mount, &btrfs),
        };
        let path = PathBuf::from(OsStr::from_bytes(&mount.path));
        let place = Place { path, number: mount.number };
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
        // A container sees only its overlay: better that than nothing.
        let place = Place { path: PathBuf::from("/"), number: None };
        targets.push(Target { device: Device::Root, places: vec![place] });
    }
    targets
}

fn device_of(mount: &Mount, btrfs: &HashMap<Vec<u8>, String>) -> Device {
    // Nothing that is asked here lies on a disk that may hang: devices are files of the kernel's own.
    let source = mount.source.strip_prefix(b"/dev/").map(|_| PathBuf::from(OsStr::from_bytes(&mount.source)));
    let real = source.as_ref().and_then(|path| std::fs::canonicalize(path).ok());
    if mount.kind == "btrfs" {
        let name = real.as_deref().or(source.as_deref()).and_then(Path::file_name).map(|name| name.as_bytes().to_vec());
        if let Some(id) = name.and_then(|name| btrfs.get(&name)) {
            return Device::Btrfs(id.clone());
        }
    }
    let stat = real.and_then(|path| rustix::fs::stat(path).ok());
    let of_node = stat.filter(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_block_device());
    // Major 0 is no device: Btrfs has a number for each of its parts.
    let of_mount = mount.number.filter(|number| rustix::fs::major(*number) != 0);
    match of_mount.or(of_node.map(|stat| stat.st_rdev)) {
        Some(number) => Device::Number(number),
        None => Device::Name(mount.source.clone()),
    }
}

/// Devices of each Btrfs, by name.
fn btrfs(root: &Path) -> HashMap<Vec<u8>, String> {
    let all = root.join("sys/fs/btrfs");
    let ids = files::names(&all).unwrap_or_default();
    let devices = |id: String| {
        let names = files::names(&all.join(&id).join("devices")).unwrap_or_default();
        names.into_iter().map(move |name| (name.into_bytes(), id.clone()))
    };
    ids.into_iter().flat_map(devices).collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::super::testing::Tree;
    use super::*;

    const GIB: u64 = 1 << 30;
    const LONG: Duration = Duration::from_secs(60);

    /// Where each counted file system is mounted.
    fn places(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let tree = Tree::of(files);
        let targets = targets(tree.root(), &list(tree.root()).expect("a list"));
        let paths = |target: Target| target.places.into_iter().map(|place| place.path.display().to_string()).collect();
        targets.into_iter().map(paths).collect()
    }

    fn counted(mounts: &str) -> Vec<Vec<String>> {
        places(&[("/proc/self/mounts", mounts)])
    }

    #[test]
    fn disks_of_this_machine_count_and_what_is_others_does_not() {
        let nas = "/dev/nosuch1 / ext4 rw 0 0\n/dev/nosuch2 /opt xfs rw 0 0\n/dev/nosuch3 /var xfs rw 0 0\n\
            mergerfs /home fuse.mergerfs rw 0 0\nremote: /tmp fuse.rclone rw 0 0\nnas:/x /mnt nfs4 rw 0 0\n\
            tmpfs /run tmpfs rw 0 0\noverlay /var/lib/docker/x overlay rw 0 0\n/dev/nosuch9 /snap/a squashfs ro 0 0\n";
        assert_eq!(counted(nas), [["/"], ["/opt"], ["/var"]]);
        let kinds = "/dev/nosuch1 / ext4 rw 0 0\n/dev/nosuch2 /opt ntfs3 rw 0 0\n/dev/nosuch3 /boot/efi vfat rw 0 0\n\
            /dev/nosuch4 /usb fuseblk rw 0 0\nubi0:rootfs /overlay ubifs rw 0 0\n";
        assert_eq!(counted(kinds), [["/"], ["/opt"], ["/boot/efi"], ["/usb"], ["/overlay"]]);
        // A kind that only this kernel knows.
        let new = [
            ("/proc/self/mounts", "/dev/nosuch1 / newfs rw 0 0\n/dev/nosuch2 /x memfs rw 0 0\n"),
            ("/proc/filesystems", "nodev\tsysfs\nnodev\tmemfs\n\tnewfs\n"),
        ];
        assert_eq!(places(&new), [["/"]]);
    }

    #[test]
    fn one_device_under_two_names_is_one() {
        let mounts = "/dev/nosuch1 /a ext4 rw 0 0\n/dev/mapper/other /b ext4 rw 0 0\n/dev/nosuch1 /c ext4 rw 0 0\n";
        let info = "21 1 7:0 / /a rw - ext4 /dev/nosuch1 rw\n22 1 7:0 / /b rw shared:1 - ext4 /dev/mapper/other rw\n\
            23 1 7:0 /x /c rw - ext4 /dev/nosuch1 rw\n";
        assert_eq!(places(&[("/proc/self/mounts", mounts), ("/proc/self/mountinfo", info)]), [["/a", "/b", "/c"]]);
        // A list that is another's says nothing of these.
        let foreign = info.replace("nosuch1", "vda").replace("/dev/mapper/other", "/dev/vda");
        assert_eq!(
            places(&[("/proc/self/mounts", mounts), ("/proc/self/mountinfo", &foreign)]),
            [vec!["/a", "/c"], vec!["/b"]]
        );
        let btrfs = [
            (
                "/proc/self/mounts",
                "/dev/sdx1 / btrfs rw 0 0\n/dev/sdy1 /home btrfs rw 0 0\n/dev/sdz1 /z btrfs rw 0 0\n",
            ),
            ("/sys/fs/btrfs/6a/devices/sdx1/", ""),
            ("/sys/fs/btrfs/6a/devices/sdy1/", ""),
        ];
        assert_eq!(places(&btrfs), [vec!["/", "/home"], vec!["/z"]]);
    }

    #[test]
    fn what_is_hidden_by_another_is_not_asked() {
        let over = "/dev/nosuch1 / ext4 rw 0 0\n/dev/nosuch2 /mnt ext4 rw 0 0\n/dev/nosuch3 /mnt xfs rw 0 0\n";
        assert_eq!(counted(over), [["/"], ["/mnt"]]);
        assert_eq!(
            counted("/dev/nosuch2 /mnt ext4 rw 0 0\ntmpfs /mnt tmpfs rw 0 0\n"),
            [["/"]],
            "the root instead of nothing"
        );
    }

    #[test]
    fn paths_are_bytes() {
        let tree = Tree::of(&[]);
        let mut text = b"/dev/nosuch1 / ext4 rw 0 0\n/dev/nosuch2 /mnt/caf\xe9 ext4 rw 0 0\n".to_vec();
        text.extend_from_slice(b"/dev/nosuch3 /a\\040b\\134\\011c ext4 rw 0 0\nbroken\n\n");
        std::fs::create_dir_all(tree.root().join("proc/self")).expect("made");
        std::fs::write(tree.root().join("proc/self/mounts"), text).expect("written");
        let targets = targets(tree.root(), &list(tree.root()).expect("a list"));
        let paths: Vec<OsString> = targets.into_iter().map(|target| target.places[0].path.clone().into()).collect();
        assert_eq!(paths, ["/".into(), OsString::from_vec(b"/mnt/caf\xe9".to_vec()), "/a b\\\tc".into()]);
    }

    /// Disks whose file systems answer from a table, by path.
    fn of_table(mounts: &str, table: &[(&'static str, u64, u64)]) -> Option<Space> {
        let tree = Tree::of(&[("/proc/self/mounts", mounts)]);
        let table: HashMap<PathBuf, Space> =
            table.iter().map(|(path, total, used)| (path.into(), Space { total: *total, used: *used })).collect();
        let ask = move |place: &Place| table.get(&place.path).copied();
        Disks::asking(tree.root(), Box::new(ask)).first_space(LONG)
    }

    #[test]
    fn data_sets_of_a_pool_share_what_is_free() {
        let mounts = "rpool/ROOT/pve-1 / zfs rw 0 0\nrpool /rpool zfs rw 0 0\nrpool/data /rpool/data zfs rw 0 0\n\
            rpool/home /home zfs rw 0 0\nrpool/home@daily /home/.zfs/snapshot/daily zfs ro 0 0\ntank /tank zfs rw 0 0\n";
        let table = [
            ("/", 105 * GIB, 5 * GIB),
            ("/rpool", 100 * GIB, 0),
            ("/rpool/data", 120 * GIB, 20 * GIB),
            ("/home", 101 * GIB, GIB),
            ("/home/.zfs/snapshot/daily", 101 * GIB, GIB),
            ("/tank", 10 * GIB, 2 * GIB),
        ];
        assert_eq!(of_table(mounts, &table), Some(Space { total: 136 * GIB, used: 28 * GIB }));
    }

    #[test]
    fn a_file_system_that_refuses_loses_no_other() {
        let mounts = "/dev/nosuch1 / ext4 rw 0 0\n/dev/nosuch2 /gone ext4 rw 0 0\n/dev/nosuch3 /c xfs rw 0 0\n";
        let table = [("/", 10, 1), ("/c", 20, 2)];
        assert_eq!(of_table(mounts, &table), Some(Space { total: 30, used: 3 }));
    }

    #[test]
    fn a_file_system_that_hangs_holds_up_nobody_and_is_not_asked_twice() {
        let mounts = "/dev/nosuch1 /a ext4 rw 0 0\n/dev/nosuch2 /hangs ext4 rw 0 0\n/dev/nosuch3 /b ext4 rw 0 0\n";
        let tree = Tree::of(&[("/proc/self/mounts", mounts)]);
        let hangs = Arc::new(AtomicBool::new(false));
        let (asked, size) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(1)));
        let (of_ask, of_asked, of_size) = (Arc::clone(&hangs), Arc::clone(&asked), Arc::clone(&size));
        let ask = move |place: &Place| {
            if place.path == Path::new("/hangs") && of_ask.load(Ordering::SeqCst) {
                of_asked.fetch_add(1, Ordering::SeqCst);
                while of_ask.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
            }
            Some(Space { total: 100, used: of_size.load(Ordering::SeqCst) as u64 })
        };
        let mut disks = Disks::asking(tree.root(), Box::new(ask));
        assert_eq!(disks.first_space(LONG), Some(Space { total: 300, used: 3 }));
        hangs.store(true, Ordering::SeqCst);
        size.store(5, Ordering::SeqCst);
        // Time is handed in, so a while passes at once: the two others are asked anew, the third keeps its value.
        let mut later = Instant::now();
        let mut until = |expected: u64| {
            let begun = Instant::now();
            loop {
                later += Duration::from_secs(1);
                let found = disks.space(later).map(|space| space.used);
                if found == Some(expected) {
                    break;
                }
                assert!(begun.elapsed() < LONG, "{found:?} instead of {expected}");
                thread::yield_now();
            }
        };
        until(11);
        size.store(7, Ordering::SeqCst);
        until(15);
        assert_eq!(asked.load(Ordering::SeqCst), 1, "not asked while it hangs");
        hangs.store(false, Ordering::SeqCst);
        until(21);
    }

    #[test]
    fn this_machine_has_a_disk() {
        let space = Disks::new(Path::new("/")).first_space(LONG).expect("a list");
        assert!(space.total > 0 && space.used <= space.total, "{space:?}");
    }
}
