//! This machine, as far as it can be read on every system.

use std::collections::HashSet;
use std::path::Path;
use std::time::Instant;

use sysinfo::{Components, Disk, DiskRefreshKind, Disks, Networks, System};
use windfire_wire::limits::TEMPERATURES_MAX;
use windfire_wire::report::bytes_per_second;
use windfire_wire::{Host, Report, Temperature};

use super::options::{CollectorError, CollectorOptions};
use super::processors::processors;

/// Readings between two searches for new disks, which cost more than reading the known ones.
const RELIST_EVERY: u32 = 60;

/// File systems on disks of this machine: those of networks and in memory are not its disk space.
const COUNTED: [&str; 10] = ["apfs", "exfat", "ffs", "hfs", "hpfs", "msdos", "ntfs", "refs", "ufs", "zfs"];

/// Interfaces whose traffic also passes a real one, or never leaves the machine.
const VIRTUAL: [&str; 8] = ["lo", "tun", "docker", "veth", "br-", "vmbr", "vnet", "kube"];

/// A machine of any system.
pub(super) struct Machine {
    system: System,
    networks: Networks,
    disks: Disks,
    components: Option<Components>,
    before: Option<(Instant, (u64, u64))>,
    /// Readings until the list of disks is looked for again.
    until_relisted: u32,
}

impl Machine {
    pub(super) fn check(host_root: &Path) -> Result<(), CollectorError> {
        let error = format!("{}: only Linux has one: leave --host-root out", host_root.display());
        Err(CollectorError { what: "host root", error })
    }

    pub(super) fn new(options: &CollectorOptions) -> Result<Self, CollectorError> {
        options.host_root.as_deref().map_or(Ok(()), Self::check)?;
        let failed = |what| move |error: sysinfo::Error| CollectorError { what, error: error.to_string() };
        let components = match options.temperatures {
            true => Some(Components::new_with_refreshed_list().map_err(failed("sensors"))?),
            false => None,
        };
        let mut system = System::new().map_err(failed("system"))?;
        // Processor use is a difference: this is its first half.
        system.refresh_cpu_usage();
        Ok(Self {
            system,
            networks: Networks::new().map_err(failed("interfaces"))?,
            disks: Disks::new().map_err(failed("disks"))?,
            components,
            before: None,
            until_relisted: 0,
        })
    }

    pub(super) fn read(&mut self, now: Instant) -> Report {
        self.refresh_disks();
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.networks.refresh(true);
        let (received, sent) = traffic(&self.networks);
        let (in_speed, out_speed) = self.before.map_or((0, 0), |(at, before)| {
            let elapsed_ms = i64::try_from(now.duration_since(at).as_millis()).unwrap_or(i64::MAX);
            (bytes_per_second(before.0, received, elapsed_ms), bytes_per_second(before.1, sent, elapsed_ms))
        });
        self.before = Some((now, (received, sent)));
        let load = System::load_average().unwrap_or_default();
        Report {
            cpu: f64::from(self.system.global_cpu_usage()),
            mem_used: self.system.total_memory().saturating_sub(self.system.available_memory()),
            swap_used: self.system.used_swap(),
            disk_used: disk_totals(&self.disks).1,
            net_in_transfer: received,
            net_out_transfer: sent,
            net_in_speed: in_speed,
            net_out_speed: out_speed,
            uptime_s: System::uptime().unwrap_or_default(),
            load1: load.one,
            load5: load.five,
            load15: load.fifteen,
            temperatures: self.temperatures(),
            // Sockets, processes and GPUs: only Linux gives these without walking every process once per second.
            ..Report::default()
        }
    }

    pub(super) fn host(&mut self, _now_s: i64) -> Host {
        self.refresh_disks();
        self.system.refresh_memory();
        let models: Vec<String> = self.system.cpus().iter().map(|cpu| cpu.brand().trim().to_owned()).collect();
        Host {
            platform: System::distribution_id(),
            platform_version: System::os_version().unwrap_or_default(),
            cpu: processors(models, false),
            mem_total: self.system.total_memory(),
            disk_total: disk_totals(&self.disks).0,
            swap_total: self.system.total_swap(),
            arch: System::cpu_arch(),
            boot_time_s: System::boot_time().unwrap_or_default(),
            ..Host::default()
        }
    }

    pub(super) fn impossible(&self) -> (u64, &'static str) {
        (0, "")
    }

    /// The system's own calls have no files that could be missing.
    pub(super) fn unread(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn refresh_disks(&mut self) {
        let relist = self.until_relisted == 0;
        self.until_relisted = if relist { RELIST_EVERY } else { self.until_relisted - 1 };
        let storage = DiskRefreshKind::nothing().with_storage();
        if relist {
            self.disks.refresh_specifics(true, storage);
        } else {
            for disk in self.disks.iter_mut() {
                disk.refresh_specifics(storage);
            }
        }
    }

    fn temperatures(&mut self) -> Vec<Temperature> {
        let Some(components) = &mut self.components else { return Vec::new() };
        components.refresh(false);
        let sensor = |component: &sysinfo::Component| {
            let celsius = component.temperature().map(f64::from).filter(|celsius| celsius.is_finite())?;
            Some(Temperature { name: component.label().to_owned(), celsius })
        };
        components.iter().filter_map(sensor).take(TEMPERATURES_MAX).collect()
    }
}

/// Bytes received and sent.
fn traffic(networks: &Networks) -> (u64, u64) {
    let is_virtual = |name: &str| VIRTUAL.iter().any(|virtual_name| name.starts_with(virtual_name));
    let counted = networks.iter().filter(|(name, _)| !is_virtual(&name.to_string_lossy()));
    counted.fold((0, 0), |(received, sent): (u64, u64), (_, data)| {
        (received.saturating_add(data.total_received()), sent.saturating_add(data.total_transmitted()))
    })
}

/// Bytes in all, and used.
fn disk_totals(disks: &[Disk]) -> (u64, u64) {
    let mut devices = HashSet::new();
    let is_counted = |disk: &&Disk| {
        let kind = disk.file_system().to_string_lossy().to_lowercase();
        COUNTED.contains(&kind.as_str()) || disk.mount_point() == Path::new("/")
    };
    // A device that is mounted in several places is one device.
    let counted = disks.iter().filter(is_counted).filter(|disk| devices.insert(disk.name()));
    counted.fold((0, 0), |(total, used): (u64, u64), disk| {
        let taken = disk.total_space().saturating_sub(disk.available_space());
        (total.saturating_add(disk.total_space()), used.saturating_add(taken))
    })
}
