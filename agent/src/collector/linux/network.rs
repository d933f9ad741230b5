//! Traffic: of the interfaces where bytes enter and leave the machine, as the kernel knows them, whatever they are called.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::files::{self, Files};
use super::transfers::{Counted, Keeper};

/// Bytes received and sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bytes {
    pub(super) received: u64,
    pub(super) sent: u64,
}

/// What a reading found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    /// A counter: what the interfaces had counted when the first process of this boot began, and what they counted since.
    pub(super) transfer: Bytes,
    /// A second.
    pub(super) speed: Bytes,
    /// Counters that moved by more than any wire carries.
    pub(super) impossible: u64,
}

const CLASS: &str = "/sys/class/net";
const PROC: &str = "/proc/net/dev";

/// Readings between two looks at what each interface is, when none came or went.
const CLASSIFY_EVERY: u32 = 10;
/// Interfaces whose counters are remembered.
const KNOWN_MAX: usize = 4096;
/// Bytes a second that no interface moves: five times what the fastest do.
const RATE_MAX: u64 = 500_000_000_000;
/// Bytes that a counter of 32 bits may still have had room for when it began anew: beside four times what came before.
const WRAP_BYTES: u64 = 1024 * 1024;

/// Traffic, added up from reading to reading.
#[derive(Debug, Default)]
pub(super) struct Network {
    names: Vec<String>,
    counted: Vec<String>,
    until_classified: u32,
    known: HashMap<Identity, Known>,
    transfer: Bytes,
    before: Option<Instant>,
    /// Where the transfers outlast this process.
    keeper: Option<Keeper>,
    /// Whether there is something to keep: what was kept, and what the counters show, do not lead to the present transfer.
    is_unkept: bool,
}

/// An interface keeps its number when it is renamed, and another that takes its name has another number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Identity {
    Index(u32),
    Name(String),
}

/// The last look at an interface.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// `None`: by a process before this one.
    at: Option<Instant>,
    bytes: Bytes,
    /// What it had grown by then.
    grown: Bytes,
}

impl Network {
    /// Goes on where the last process of this boot stopped, by what it kept in that file.
    pub(super) fn resumed(root: &Path, path: &Path) -> Self {
        let Some((keeper, counted)) = Keeper::open(root, path) else { return Self::default() };
        let mut network = Self { keeper: Some(keeper), ..Self::default() };
        if let Some(Counted { transfer, interfaces }) = counted {
            let known = |(identity, bytes)| (identity, Known { at: None, bytes, grown: Bytes::default() });
            network.known = interfaces.into_iter().take(KNOWN_MAX).map(known).collect();
            network.transfer = transfer;
        }
        network
    }

    pub(super) fn read(&mut self, files: &mut Files, now: Instant) -> Traffic {
        let found = match files::names(&files.path(CLASS)) {
            Ok(names) if names.is_empty() => Err("no interface is there".to_owned()),
            Ok(names) => Ok(self.of_sysfs(files, names)),
            Err(error) => Err(error.to_string()),
        };
        let found = found.unwrap_or_else(|why| {
            let said = files.text_if(PROC).map(|text| of_proc(&text)).filter(|found| !found.is_empty());
            if said.is_none() {
                files.miss(CLASS, &why);
            }
            said.unwrap_or_default()
        });
        self.add_up(found, now)
    }

    /// Counters of the interfaces that count.
    fn of_sysfs(&mut self, files: &Files, mut names: Vec<String>) -> Vec<(Identity, Bytes)> {
        names.sort_unstable();
        let class = files.path(CLASS);
        if self.until_classified == 0 || names != self.names {
            let natures: Vec<Nature> = names.iter().map(|name| Nature::read(&class, name)).collect();
            self.counted = counted(&natures).into_iter().map(|at| names[at].clone()).collect();
            (self.names, self.until_classified) = (names, CLASSIFY_EVERY);
        }
        self.until_classified -= 1;
        let bytes = |name: &String| {
            let at = class.join(name);
            let number = |file| files::number(&at.join("statistics").join(file));
            // Looked up each time: another may have taken the name.
            let index = files::number(&at.join("ifindex"));
            let identity = index.map_or_else(|| Identity::Name(name.clone()), Identity::Index);
            Some((identity, Bytes { received: number("rx_bytes")?, sent: number("tx_bytes")? }))
        };
        self.counted.iter().filter_map(bytes).collect()
    }

    /// Adds what each interface counted since it was last seen: a sum of counters is no counter, because interfaces come and
    /// go.
    fn add_up(&mut self, found: Vec<(Identity, Bytes)>, now: Instant) -> Traffic {
        let before = self.before.replace(now);
        let is_first = before.is_none() && self.known.is_empty();
        let was_there = |known: &Known| before.is_some() && known.at == before;
        let mut gone = self.known.values().filter(|known| was_there(known)).count();
        let (mut speed, mut impossible) = (Bytes::default(), 0);
        for (identity, bytes) in found {
            let known = self.known.get(&identity).copied();
            let mut grown = Bytes::default();
            if let Some(known) = known {
                let elapsed = known.at.map(|at| now.duration_since(at));
                let mut one = |before, now, usual| {
                    grown_by(before, now, usual, elapsed).unwrap_or_else(|| {
                        impossible += 1;
                        0
                    })
                };
                grown.received = one(known.bytes.received, bytes.received, known.grown.received);
                grown.sent = one(known.bytes.sent, bytes.sent, known.grown.sent);
                if was_there(&known) {
                    speed = speed.plus(grown);
                    gone -= 1;
                }
                self.is_unkept |= known.bytes.plus(grown) != bytes;
            } else if is_first {
                self.transfer = self.transfer.plus(bytes);
            }
            self.is_unkept |= !known.is_some_and(|known| was_there(&known));
            self.transfer = self.transfer.plus(grown);
            self.known.insert(identity, Known { at: Some(now), bytes, grown });
        }
        self.is_unkept |= gone > 0;
        // Those that went may come back under the same number, but not without end.
        if self.known.len() > KNOWN_MAX {
            self.known.retain(|_, known| known.at == Some(now));
        }
        self.keep();
        let elapsed = before.map_or(Duration::ZERO, |before| now.duration_since(before));
        let a_second = |bytes: u64| {
            let per_second = u128::from(bytes) * 1000 / elapsed.as_millis().max(1);
            u64::try_from(per_second).unwrap_or(u64::MAX)
        };
        let speed = Bytes { received: a_second(speed.received), sent: a_second(speed.sent) };
        Traffic { transfer: self.transfer, speed, impossible }
    }
}

impl Network {
    /// As the counters grow, what was kept stays true: only what else changed has to be kept.
    fn keep(&mut self) {
        let Some(keeper) = self.keeper.as_ref().filter(|_| self.is_unkept) else { return };
        let interfaces = self.known.iter().map(|(identity, known)| (identity.clone(), known.bytes)).collect();
        self.is_unkept = !keeper.keep(&Counted { transfer: self.transfer, interfaces });
    }
}

impl Bytes {
    fn plus(self, other: Self) -> Self {
        Self { received: self.received.saturating_add(other.received), sent: self.sent.saturating_add(other.sent) }
    }
}

/// What a counter grew by in that time, if it is known; `None` when that cannot be.
fn grown_by(before: u64, now: u64, usual: u64, elapsed: Option<Duration>) -> Option<u64> {
    const WRAP: u64 = 1 << 32;
    let left = WRAP.checked_sub(before).filter(|left| left.saturating_add(now) <= usual.saturating_mul(4) + WRAP_BYTES);
    let grown = match (now.checked_sub(before), left) {
        (Some(grown), _) => grown,
        // Full, as a counter of 32 bits is after 4 GiB.
        (None, Some(left)) => left + now,
        // Begun anew.
        (None, None) => now,
    };
    let can_be = |elapsed: Duration| u128::from(grown) <= u128::from(RATE_MAX) * elapsed.as_millis().max(1) / 1000;
    elapsed.is_none_or(can_be).then_some(grown)
}

/// What the kernel says that an interface is.
#[derive(Debug, Clone, Default)]
struct Nature {
    name: String,
    index: Option<u32>,
    /// The number of what it is on: its own, or that of a peer, perhaps in another network namespace.
    link: Option<u32>,
    /// Linux' ARPHRD number.
    kind: Option<u16>,
    /// A piece of hardware, or what a hypervisor gives for one, stands behind it.
    has_device: bool,
    /// The other end of a guest's interface, or of a part of a card that is given away: its bytes are another machine's.
    is_backend: bool,
    /// What it lies upon.
    lowers: Vec<String>,
    /// The bond, bridge or team that it is part of.
    master: Option<String>,
    is_bridge: bool,
    /// Made by a program, or a tunnel over others.
    is_tunnel: bool,
}

impl Nature {
    fn read(class: &Path, name: &str) -> Self {
        let at = class.join(name);
        // Links may lead to what this process may not see.
        let is_there = |file: &str| fs::symlink_metadata(at.join(file)).is_ok();
        let link_name =
            |file: &str| Some(fs::read_link(at.join(file)).ok()?.file_name()?.to_string_lossy().into_owned());
        let inside = files::names(&at).unwrap_or_default();
        let lowers = inside.iter().filter_map(|file| file.strip_prefix("lower_")).map(str::to_owned).collect();
        let uevent = files::text(&at.join("uevent")).unwrap_or_default();
        let kind_name = uevent.lines().find_map(|line| line.strip_prefix("DEVTYPE=")).unwrap_or_default();
        let kind = files::number(&at.join("type"));
        // PPP, IP in IP, IP6 tunnels, SIT, GRE, GRE6, raw IP.
        const TUNNELS: [u16; 7] = [512, 768, 769, 776, 778, 823, 65534];
        const TUNNEL_NAMES: [&str; 9] =
            ["wireguard", "vxlan", "geneve", "ppp", "gtp", "bareudp", "amt", "vlan", "macsec"];
        let port = files::text(&at.join("phys_port_name")).unwrap_or_default();
        // "pf0vf1", "c1pf0sf2": the switch's side of what a guest or a container has.
        let is_representor = port.contains("pf") && (port.contains("vf") || port.contains("sf"));
        let is_xen_backend = link_name("device/subsystem").is_some_and(|bus| bus == "xen-backend");
        Self {
            name: name.to_owned(),
            index: files::number(&at.join("ifindex")),
            link: files::number(&at.join("iflink")),
            kind,
            has_device: is_there("device"),
            is_backend: is_representor || is_xen_backend,
            lowers,
            master: link_name("master"),
            is_bridge: is_there("bridge"),
            is_tunnel: is_there("tun_flags")
                || TUNNEL_NAMES.contains(&kind_name)
                || kind.is_some_and(|kind| TUNNELS.contains(&kind)),
        }
    }

    /// Loopback, netlink's own, what only listens to radio.
    fn is_aside(&self) -> bool {
        matches!(self.kind, Some(772 | 803 | 824)) || self.name == "lo"
    }
}

/// Which interfaces count, by their place: each byte passes one of them. Bytes pass hardware once, and all that is stacked
/// above it again. In a container there is none, and the way out is a link whose other end is in another namespace.
fn counted(natures: &[Nature]) -> Vec<usize> {
    let by_name: HashMap<&str, &Nature> = natures.iter().map(|nature| (nature.name.as_str(), nature)).collect();
    let indices: HashSet<u32> = natures.iter().filter_map(|nature| nature.index).collect();
    let master = |nature: &Nature| nature.master.as_deref().and_then(|name| by_name.get(name)).copied();
    let of = |is_counted: &dyn Fn(&Nature) -> bool| -> Vec<usize> {
        (0..natures.len()).filter(|at| !natures[*at].is_aside() && is_counted(&natures[*at])).collect()
    };
    let is_hardware = |nature: &Nature| {
        // A card that a hypervisor pairs with its own counts for both; a switch's port lies upon the one it is wired to.
        let is_counted_above = master(nature).is_some_and(|master| master.has_device);
        let is_mine = |lower: &String| {
            by_name.get(lower.as_str()).is_some_and(|lower| lower.master.as_ref() == Some(&nature.name))
        };
        nature.has_device && !nature.is_backend && !is_counted_above && nature.lowers.iter().all(is_mine)
    };
    let is_way_out = |nature: &Nature| {
        let is_elsewhere =
            nature.link.is_some_and(|link| link != 0 && Some(link) != nature.index && !indices.contains(&link));
        // OpenVZ's is of no kind at all.
        let is_void = nature.kind == Some(65535);
        let is_of_bridge = master(nature).is_some_and(|master| master.is_bridge);
        (is_elsewhere || is_void) && nature.lowers.is_empty() && !nature.is_tunnel && !is_of_bridge
    };
    let is_perhaps = |nature: &Nature| {
        let is_inside = nature.link.is_some_and(|link| Some(link) != nature.index && indices.contains(&link));
        nature.lowers.is_empty() && !nature.is_bridge && !nature.is_tunnel && !nature.is_backend && !is_inside
    };
    let ways: [&dyn Fn(&Nature) -> bool; 3] = [&is_hardware, &is_way_out, &is_perhaps];
    ways.into_iter().map(of).find(|found| !found.is_empty()).unwrap_or_default()
}

/// Where the kernel shows no more than names, they decide: lines of `/proc/net/dev`.
fn of_proc(text: &str) -> Vec<(Identity, Bytes)> {
    const VIRTUAL: [&str; 11] = ["tun", "tap", "docker", "veth", "br-", "virbr", "vmbr", "vnet", "kube", "cali", "wg"];
    let interface = |line: &str| {
        let (name, numbers) = line.rsplit_once(':')?;
        let name = name.trim();
        let mut numbers = numbers.split_whitespace().map(str::parse::<u64>);
        let (received, sent) = (numbers.next()?.ok()?, numbers.nth(7)?.ok()?);
        let is_virtual = name == "lo" || VIRTUAL.iter().any(|prefix| name.starts_with(prefix));
        (!is_virtual).then(|| (Identity::Name(name.to_owned()), Bytes { received, sent }))
    };
    text.lines().filter_map(interface).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Tree;
    use super::*;

    /// Files of an interface: what it is, beside its number and counters.
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
        put(
            &tree,
            "bond0",
            4,
            0,
            &[("lower_enp1s0", "->../enp1s0"), ("lower_enp2s0", "->../enp2s0"), ("bonding/", "")],
        );
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
        // What a guest has on the other end.
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
        assert_eq!(names(&tree), ["eth0"], "what both ends are here of stays inside");
        // Two of them in a bond count, and the bond does not.
        put(&tree, "up1", 20, 0, &[("iflink", "30\n"), ("master", "->../bond0")]);
        put(&tree, "bond0", 21, 0, &[("lower_up1", "->../up1")]);
        assert_eq!(names(&tree), ["eth0", "up1"]);
        let venet = Tree::of(&[]);
        put(&venet, "venet0", 2, 0, &[("type", "65535\n")]);
        assert_eq!(names(&venet), ["venet0"]);
        let bare = Tree::of(&[("/sys/class/net/eth0/statistics/rx_bytes", "1"), ("/sys/class/net/lo/type", "772")]);
        assert_eq!(names(&bare), ["eth0"], "what nothing is said of");
    }

    /// Readings a second apart of a tree that is changed before each: transfer and speed received.
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
        let transfers =
            [1_000_000, 1_000_000, 1_000_000, 1_000_010, 1_000_010, 1_005_010, 1_005_010, 1_005_017, 1_005_018];
        assert_eq!(found, transfers.into_iter().zip(speeds).collect::<Vec<_>>());
    }

    #[test]
    fn an_agent_that_starts_again_goes_on_where_it_stopped() {
        let boot = |tree: &Tree, id: &str| tree.put("/proc/sys/kernel/random/boot_id", id);
        let tree = Tree::of(&[]);
        boot(&tree, "one\n");
        let (path, start) = (tree.root().join("transfers"), Instant::now());
        let eth0 = |bytes| put(&tree, "eth0", 2, bytes, HARDWARE);
        // Reads twice, a second apart: transfer and speed at the second.
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
        // One goes: what it counted stays counted, also for the next process.
        process(&|| tree.remove("/sys/class/net/wwan0"), TERA + 1_000);
        eth0(1_500);
        process(&|| put(&tree, "usb0", 4, TERA, HARDWARE), TERA + 1_500);
        // What counted before it came is no traffic of this machine, and neither is what came while no agent ran.
        put(&tree, "usb0", 4, TERA + 20, HARDWARE);
        put(&tree, "usb1", 5, TERA, HARDWARE);
        process(&|| eth0(7), TERA + 1_527);
        // Another boot: the counters are what there is.
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
}
