//! The kinds of interfaces, and which of them count.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use crate::collector::linux::files;

/// The kernel's facts about an interface.
#[derive(Debug, Clone, Default)]
pub(super) struct Nature {
    name: String,
    index: Option<u32>,
    /// The number of the interface under it: its own, or that of a peer, perhaps in another network namespace.
    link: Option<u32>,
    /// Linux' ARPHRD number.
    kind: Option<u16>,
    /// It belongs to a device, real or of a hypervisor.
    has_device: bool,
    /// The other end of a guest's interface, or of a part of a card that is given away: its bytes are another
    /// machine's.
    is_backend: bool,
    /// The interfaces under it.
    lowers: Vec<String>,
    /// The bond, bridge or team that it is part of.
    master: Option<String>,
    is_bridge: bool,
    /// Created by a program, or a tunnel over others.
    is_tunnel: bool,
}

impl Nature {
    pub(super) fn read(class: &Path, name: &str) -> Self {
        let at = class.join(name);
        // Links may lead to files that this process may not see.
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
        // "pf0vf1", "c1pf0sf2": the switch's side of a guest's or a container's interface.
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

    /// Loopback, netlink monitors, radio monitors.
    fn is_aside(&self) -> bool {
        matches!(self.kind, Some(772 | 803 | 824)) || self.name == "lo"
    }
}

/// Which interfaces count, by their place: each byte passes one of them. Bytes pass hardware once, and then everything
/// that is stacked on it. A container has no hardware: its way out is a link whose other end is in another namespace.
pub(super) fn counted(natures: &[Nature]) -> Vec<usize> {
    let by_name: HashMap<&str, &Nature> = natures.iter().map(|nature| (nature.name.as_str(), nature)).collect();
    let indices: HashSet<u32> = natures.iter().filter_map(|nature| nature.index).collect();
    let master = |nature: &Nature| nature.master.as_deref().and_then(|name| by_name.get(name)).copied();
    let of = |is_counted: &dyn Fn(&Nature) -> bool| -> Vec<usize> {
        (0..natures.len()).filter(|at| !natures[*at].is_aside() && is_counted(&natures[*at])).collect()
    };
    let is_hardware = |nature: &Nature| {
        // A card that a hypervisor pairs with its own counts for both. A switch's port is on top of the one it is wired
        // to.
        let is_counted_above = master(nature).is_some_and(|master| master.has_device);
        let is_mine = |lower: &String| {
            by_name.get(lower.as_str()).is_some_and(|lower| lower.master.as_ref() == Some(&nature.name))
        };
        nature.has_device && !nature.is_backend && !is_counted_above && nature.lowers.iter().all(is_mine)
    };
    let is_way_out = |nature: &Nature| {
        let is_elsewhere =
            nature.link.is_some_and(|link| link != 0 && Some(link) != nature.index && !indices.contains(&link));
        // OpenVZ's interface has no kind.
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
