//! Interfaces of made-up machines.

use std::fs;

use super::*;
use crate::collector::linux::testing::Tree;

/// Files of an interface: its kind, number and counters.
fn put(tree: &Tree, name: &str, index: u32, received: u64, more: &[(&str, &str)]) {
    let file = |file: &str, text: &str| tree.put(&format!("/sys/class/net/{name}/{file}"), text);
    file("ifindex", &format!("{index}\n"));
    file("statistics/rx_bytes", &format!("{received}\n"));
    file("statistics/tx_bytes", "0\n");
    if !more.iter().any(|(name, _)| *name == "iflink") {
        file("iflink", &format!("{index}\n"));
    }
    more.iter().for_each(|(name, text)| file(name, text));
}

fn names(tree: &Tree) -> Vec<String> {
    let mut network = Network::default();
    network.read(&mut tree.files(), Instant::now());
    network.counted
}

const HARDWARE: &[(&str, &str)] = &[("device/", ""), ("type", "1\n")];

fn with<'a>(base: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [base, more].concat()
}

#[test]
fn what_is_stacked_does_not_count_again() {
    let tree = Tree::of(&[]);
    put(&tree, "lo", 1, 9, &[("type", "772\n")]);
    let slave = with(HARDWARE, &[("master", "->../bond0"), ("upper_bond0", "->../bond0")]);
    put(&tree, "enp1s0", 2, 0, &slave);
    put(&tree, "enp2s0", 3, 0, &slave);
    put(&tree, "bond0", 4, 0, &[("lower_enp1s0", "->../enp1s0"), ("lower_enp2s0", "->../enp2s0"), ("bonding/", "")]);
    put(&tree, "bond0.20", 5, 0, &[("lower_bond0", "->../bond0"), ("iflink", "4\n"), ("master", "->../br20")]);
    put(&tree, "br20", 6, 0, &[("bridge/", ""), ("lower_bond0.20", "->../bond0.20")]);
    put(&tree, "wg0", 7, 0, &[("type", "65534\n"), ("uevent", "DEVTYPE=wireguard\nINTERFACE=wg0\n")]);
    put(&tree, "ppp0", 8, 0, &[("type", "512\n")]);
    put(&tree, "vethab", 9, 0, &[("iflink", "77\n"), ("master", "->../br20")]);
    put(&tree, "tap0", 10, 0, &[("tun_flags", "0x1002\n"), ("master", "->../br20")]);
    put(&tree, "dummy0", 11, 0, &[]);
    put(&tree, "vxlan7", 12, 0, &[("uevent", "DEVTYPE=vxlan\n")]);
    put(&tree, "mon0", 13, 0, &[("device/", ""), ("type", "803\n")]);
    // Names that begin like those of others.
    put(&tree, "tunnelwire", 14, 0, HARDWARE);
    put(&tree, "lora0", 15, 0, HARDWARE);
    put(&tree, "docker-lan", 16, 0, HARDWARE);
    assert_eq!(names(&tree), ["docker-lan", "enp1s0", "enp2s0", "lora0", "tunnelwire"]);
}

#[test]
fn two_that_are_one_count_once() {
    let tree = Tree::of(&[]);
    // A hypervisor's card, and the real one that it is paired with.
    put(&tree, "eth0", 2, 0, &with(HARDWARE, &[("lower_enP1s1", "->../enP1s1")]));
    put(&tree, "enP1s1", 3, 0, &with(HARDWARE, &[("master", "->../eth0")]));
    // A switch's ports, and the card that they are wired to.
    put(&tree, "conduit", 4, 0, &with(HARDWARE, &[("upper_lan1", "->../lan1")]));
    put(&tree, "lan1", 5, 0, &with(HARDWARE, &[("lower_conduit", "->../conduit"), ("iflink", "4\n")]));
    // The other end is a guest's interface.
    put(&tree, "vif1.0", 6, 0, &[("device/subsystem", "->../../bus/xen-backend")]);
    put(&tree, "eth7_0", 7, 0, &with(HARDWARE, &[("phys_port_name", "pf0vf1\n")]));
    put(&tree, "eth7", 8, 0, &with(HARDWARE, &[("phys_port_name", "p0\n")]));
    assert_eq!(names(&tree), ["conduit", "eth0", "eth7"]);
}

#[test]
fn in_a_container_the_way_out_counts() {
    let tree = Tree::of(&[]);
    put(&tree, "lo", 1, 0, &[("type", "772\n")]);
    put(&tree, "eth0", 2, 0, &[("iflink", "12\n"), ("type", "1\n")]);
    put(&tree, "tunl0", 3, 0, &[("type", "768\n"), ("iflink", "0\n")]);
    put(&tree, "docker0", 4, 0, &[("bridge/", "")]);
    put(&tree, "veth9", 5, 0, &[("iflink", "8\n"), ("master", "->../docker0")]);
    put(&tree, "inside", 6, 0, &[("iflink", "7\n")]);
    put(&tree, "outside", 7, 0, &[("iflink", "6\n")]);
    put(&tree, "tun0", 9, 0, &[("tun_flags", "0x1\n"), ("type", "65534\n")]);
    assert_eq!(names(&tree), ["eth0"], "the bytes of a link with both ends here stay inside");
    // Two of them in a bond count, and the bond does not.
    put(&tree, "up1", 20, 0, &[("iflink", "30\n"), ("master", "->../bond0")]);
    put(&tree, "bond0", 21, 0, &[("lower_up1", "->../up1")]);
    assert_eq!(names(&tree), ["eth0", "up1"]);
    let venet = Tree::of(&[]);
    put(&venet, "venet0", 2, 0, &[("type", "65535\n")]);
    assert_eq!(names(&venet), ["venet0"]);
    let bare = Tree::of(&[("/sys/class/net/eth0/statistics/rx_bytes", "1"), ("/sys/class/net/lo/type", "772")]);
    assert_eq!(names(&bare), ["eth0"], "an interface without facts counts");
}

/// Readings one second apart of a tree that is changed before each: transfer and speed received.
fn readings(changes: &[&dyn Fn(&Tree)]) -> Vec<(u64, u64)> {
    let (tree, start) = (Tree::of(&[]), Instant::now());
    let (mut network, mut files) = (Network::default(), tree.files());
    let read = |(second, change): (u64, &&dyn Fn(&Tree))| {
        change(&tree);
        let traffic = network.read(&mut files, start + Duration::from_secs(second));
        (traffic.transfer.received, traffic.speed.received)
    };
    (0..).zip(changes).map(read).collect()
}

const TERA: u64 = 3_000_000_000_000;

#[test]
fn an_interface_that_comes_or_goes_is_no_traffic() {
    let eth0 = |bytes| move |tree: &Tree| put(tree, "eth0", 2, bytes, HARDWARE);
    let found = readings(&[
        &eth0(1_000_000),
        &eth0(1_000_000),
        &|tree| put(tree, "eth1", 3, TERA, HARDWARE),
        &|tree| put(tree, "eth1", 3, TERA + 10, HARDWARE),
        &|tree| tree.remove("/sys/class/net/eth1"),
        &eth0(5_000),
        // Another of the same name, that had counted before it came here.
        &|tree| put(tree, "eth0", 9, TERA, HARDWARE),
        &|tree| put(tree, "eth0", 9, TERA + 7, HARDWARE),
        // Renamed.
        &|tree| {
            tree.remove("/sys/class/net/eth0");
            put(tree, "lan0", 9, TERA + 8, HARDWARE);
        },
    ]);
    let speeds = [0, 0, 0, 10, 0, 5_000, 0, 7, 1];
    let transfers = [1_000_000, 1_000_000, 1_000_000, 1_000_010, 1_000_010, 1_005_010, 1_005_010, 1_005_017, 1_005_018];
    assert_eq!(found, transfers.into_iter().zip(speeds).collect::<Vec<_>>());
}

#[test]
fn an_agent_that_starts_again_goes_on_where_it_stopped() {
    let boot = |tree: &Tree, id: &str| tree.put("/proc/sys/kernel/random/boot_id", id);
    let tree = Tree::of(&[]);
    boot(&tree, "one\n");
    let (path, start) = (tree.root().join("transfers"), Instant::now());
    let eth0 = |bytes| put(&tree, "eth0", 2, bytes, HARDWARE);
    // Reads twice, one second apart: transfer and speed at the second reading.
    let process = |between: &dyn Fn(), expected: u64| {
        let (mut network, mut files) = (Network::resumed(tree.root(), &path), tree.files());
        let first = network.read(&mut files, start);
        assert_eq!(first.speed.received, 0);
        between();
        let traffic = network.read(&mut files, start + Duration::from_secs(1));
        assert_eq!(traffic.transfer.received, expected);
        assert_eq!(traffic.impossible, 0);
        while network.is_unkept {
            network.keep();
            std::thread::yield_now();
        }
        network.keeper.expect("a boot").finish();
        let kept = fs::read_to_string(&path).expect("kept");
        assert!(kept.contains(&format!("transfer {expected} ")), "{kept}");
    };
    eth0(1_000);
    put(&tree, "wwan0", 3, TERA, HARDWARE);
    // One is removed: its bytes stay counted, also for the next process.
    process(&|| tree.remove("/sys/class/net/wwan0"), TERA + 1_000);
    eth0(1_500);
    process(&|| put(&tree, "usb0", 4, TERA, HARDWARE), TERA + 1_500);
    // Bytes counted before it appeared are no traffic of this machine, and neither are those while no agent ran.
    put(&tree, "usb0", 4, TERA + 20, HARDWARE);
    put(&tree, "usb1", 5, TERA, HARDWARE);
    process(&|| eth0(7), TERA + 1_527);
    // Another boot: the transfer begins with the counters.
    boot(&tree, "two\n");
    tree.remove("/sys/class/net/usb0");
    tree.remove("/sys/class/net/usb1");
    process(&|| put(&tree, "usb0", 4, TERA, HARDWARE), 7);
    fs::write(&path, "windfire transfers 1\nboot two\ntransfer 1 1\nindex 2 5").expect("written");
    process(&|| eth0(3), 7 + TERA + 3);
}

#[test]
fn counters_that_only_grow_need_no_writing() {
    let tree = Tree::of(&[("/proc/sys/kernel/random/boot_id", "one")]);
    let (mut network, mut files) = (Network::resumed(tree.root(), &tree.root().join("transfers")), tree.files());
    let start = Instant::now();
    for second in 0..5 {
        put(&tree, "eth0", 2, 1_000 * second, HARDWARE);
        network.keeper = None;
        network.read(&mut files, start + Duration::from_secs(second));
        assert_eq!(network.is_unkept, second == 0, "at second {second}");
        network.is_unkept = false;
    }
}

#[test]
fn one_that_was_gone_for_a_moment_goes_on_and_makes_no_speed() {
    let found = readings(&[
        &|tree| put(tree, "eth0", 2, 100, HARDWARE),
        &|tree| {
            tree.remove("/sys/class/net/eth0");
            put(tree, "eth9", 3, 0, HARDWARE);
        },
        &|tree| put(tree, "eth0", 2, 150, HARDWARE),
        &|tree| put(tree, "eth0", 2, 160, HARDWARE),
    ]);
    assert_eq!(found, [(100, 0), (100, 0), (150, 0), (160, 10)]);
}

#[test]
fn a_counter_of_32_bits_wraps_and_one_that_falls_begins_anew() {
    let second = Some(Duration::from_secs(1));
    let near = u64::from(u32::MAX) - 99;
    assert_eq!(grown_by(near, 50, 200, second), Some(150));
    assert_eq!(grown_by(3_000_000_000, 50, 200, second), Some(50));
    assert_eq!(grown_by(TERA, 50, 200, second), Some(50));
    assert_eq!(grown_by(0, u64::MAX, 0, second), None, "faster than any wire");
    assert_eq!(grown_by(5, 0, 0, second), Some(0));
    assert_eq!(grown_by(u64::MAX, 0, u64::MAX, second), Some(0));
}

#[test]
fn without_sysfs_the_names_decide_and_without_anything_it_is_said() {
    let dev = "Inter-|   Receive  |  Transmit\n face |bytes    packets\n    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n\
        \x20 eth0:1000 5 0 0 0 0 0 0 2000 7 0 0 0 0 0 0\n  veth1: 7 5 0 0 0 0 0 0 8 7 0 0 0 0 0 0\n";
    let tree = Tree::of(&[("/proc/net/dev", dev), ("/sys/class/net/", "")]);
    let mut files = tree.files();
    let traffic = Network::default().read(&mut files, Instant::now());
    assert_eq!(traffic.transfer, Bytes { received: 1000, sent: 2000 });
    assert!(files.unread().is_empty());
    let tree = Tree::of(&[("/sys/class/net/", "")]);
    let mut files = tree.files();
    assert_eq!(Network::default().read(&mut files, Instant::now()), Traffic::default());
    assert_eq!(files.unread(), [CLASS]);
}
