//! File systems of made-up machines, and of this one.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::collector::linux::testing::Tree;

const GIB: u64 = 1 << 30;
const LONG: Duration = Duration::from_secs(60);

/// Where each counted file system is mounted.
fn places(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let tree = Tree::of(files);
    let targets = targets(&tree.machine(), &list(&tree.machine()).expect("a list"));
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
    // A list with other names says nothing about these.
    let foreign = info.replace("nosuch1", "vda").replace("/dev/mapper/other", "/dev/vda");
    assert_eq!(
        places(&[("/proc/self/mounts", mounts), ("/proc/self/mountinfo", &foreign)]),
        [vec!["/a", "/c"], vec!["/b"]]
    );
    let btrfs = [
        ("/proc/self/mounts", "/dev/sdx1 / btrfs rw 0 0\n/dev/sdy1 /home btrfs rw 0 0\n/dev/sdz1 /z btrfs rw 0 0\n"),
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
    let targets = targets(&tree.machine(), &list(&tree.machine()).expect("a list"));
    let paths: Vec<OsString> = targets.into_iter().map(|target| target.places[0].path.clone().into()).collect();
    assert_eq!(paths, ["/".into(), OsString::from_vec(b"/mnt/caf\xe9".to_vec()), "/a b\\\tc".into()]);
}

#[test]
fn a_hosts_file_systems_are_asked_below_its_root() {
    let tree = Tree::of(&[
        ("/proc/1/mounts", "/dev/nosuch1 / ext4 rw 0 0\n/dev/nosuch2 /srv/data xfs rw 0 0\n"),
        ("/proc/1/mountinfo", "21 1 7:0 / / rw - ext4 /dev/nosuch1 rw\n"),
        ("/proc/self/mounts", "/dev/nosuch3 /of/the/container ext4 rw 0 0\n"),
    ]);
    let found = targets(&tree.host(), &list(&tree.host()).expect("a list"));
    let places: Vec<Place> = found.into_iter().flat_map(|target| target.places).collect();
    let of_root = Place { path: tree.root().to_owned(), number: Some(rustix::fs::makedev(7, 0)) };
    assert_eq!(places, [of_root, Place { path: tree.root().join("srv/data"), number: None }]);
    let overlay = Tree::of(&[("/proc/1/mounts", "overlay / overlay rw 0 0\n")]);
    let space = Disks::new(&overlay.host()).first_space(LONG).expect("a list");
    assert!(space.total > 0, "the root instead of nothing, asked below the tree");
}

/// Disks whose file systems answer from a table, by path.
fn of_table(mounts: &str, table: &[(&'static str, u64, u64)]) -> Option<Space> {
    let tree = Tree::of(&[("/proc/self/mounts", mounts)]);
    let table: HashMap<PathBuf, Space> =
        table.iter().map(|(path, total, used)| (path.into(), Space { total: *total, used: *used })).collect();
    let ask = move |place: &Place| table.get(&place.path).copied();
    Disks::asking(&tree.machine(), Box::new(ask)).first_space(LONG)
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
    let mut disks = Disks::asking(&tree.machine(), Box::new(ask));
    assert_eq!(disks.first_space(LONG), Some(Space { total: 300, used: 3 }));
    hangs.store(true, Ordering::SeqCst);
    size.store(5, Ordering::SeqCst);
    // Time is an argument, so some time passes at once: the two others are asked again, the third keeps its value.
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
    let space = Disks::new(&Root::own(Path::new("/"))).first_space(LONG).expect("a list");
    assert!(space.total > 0 && space.used <= space.total, "{space:?}");
}
