//! Reads this machine's numbers, and nothing else: files under `/proc` and `/sys`, and system calls that only ask.

mod devices;
mod kinds;
#[cfg(target_os = "linux")]
mod linux;
mod network;

use sysinfo::{Components, DiskRefreshKind, Disks, Networks, System};
use windfire_wire::limits::{
    DEVICE_NAME_BYTES_MAX, DEVICES_MAX, HOST_TEXT_BYTES_MAX, TEMPERATURE_NAME_BYTES_MAX, TEMPERATURES_MAX,
};
use windfire_wire::report::bytes_per_second;
use windfire_wire::{Host, Report, Temperature};

use kinds::DiskTotals;
use network::Traffic;

/// What is read beside v0's defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CollectorOptions {
    /// Temperature sensors; off by default, as in v0.
    pub temperatures: bool,
    /// GPUs; off by default, as in v0.
    pub gpu: bool,
    /// Public addresses to report, `v4/v6`; empty lets the hub use the connection's address.
    pub ip: String,
}

/// Why this machine cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("this machine's {what} cannot be read: {error}")]
pub struct CollectorError {
    what: &'static str,
    error: String,
}

/// Reads this machine's numbers.
pub struct Collector {
    options: CollectorOptions,
    system: System,
    networks: Networks,
    disks: Disks,
    components: Option<Components>,
    before: Option<(i64, Traffic)>,
    /// Readings until the lists of disks and interfaces are looked for again.
    until_relisted: u32,
}

/// Readings between two looks for new disks, which costs more than reading the known ones.
const RELIST_EVERY: u32 = 60;

impl Collector {
    /// A collector of this machine.
    ///
    /// # Errors
    /// The system does not give what every reading needs.
    pub fn new(options: CollectorOptions) -> Result<Self, CollectorError> {
        let failed = |what| move |error: sysinfo::Error| CollectorError { what, error: error.to_string() };
        let components = match options.temperatures {
            true => Some(Components::new_with_refreshed_list().map_err(failed("sensors"))?),
            false => None,
        };
        let mut system = System::new().map_err(failed("system"))?;
        // Processor use is a difference: this is its first half.
        system.refresh_cpu_usage();
        Ok(Self {
            options,
            system,
            networks: Networks::new().map_err(failed("interfaces"))?,
            disks: Disks::new().map_err(failed("disks"))?,
            components,
            before: None,
            until_relisted: 0,
        })
    }

    /// A reading, with the agent's clock at Unix `time_ms`.
    pub fn read(&mut self, time_ms: i64) -> Report {
        self.refresh_disks();
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.networks.refresh(true);
        let traffic = network::traffic(&self.networks);
        let (in_speed, out_speed) = self.before.map_or((0, 0), |(before_ms, before)| {
            let elapsed_ms = time_ms - before_ms;
            (
                bytes_per_second(before.received, traffic.received, elapsed_ms),
                bytes_per_second(before.sent, traffic.sent, elapsed_ms),
            )
        });
        self.before = Some((time_ms, traffic));
        let load = System::load_average().unwrap_or_default();
        let counts = kinds::counts();
        Report {
            time_ms,
            cpu: hundredths(f64::from(self.system.global_cpu_usage())),
            mem_used: self.system.total_memory().saturating_sub(self.system.available_memory()),
            swap_used: self.system.used_swap(),
            disk_used: self.disk_totals().used,
            net_in_transfer: traffic.received,
            net_out_transfer: traffic.sent,
            net_in_speed: in_speed,
            net_out_speed: out_speed,
            uptime_s: System::uptime().unwrap_or_default(),
            load1: finite(load.one),
            load5: finite(load.five),
            load15: finite(load.fifteen),
            tcp_conn_count: counts.tcp,
            udp_conn_count: counts.udp,
            process_count: counts.processes,
            temperatures: self.temperatures(),
            gpu: if self.options.gpu { hundredths(devices::gpu_percent()) } else { 0.0 },
        }
    }

    /// The machine's facts.
    pub fn host(&mut self) -> Host {
        self.refresh_disks();
        self.system.refresh_memory();
        let virtualization = devices::virtualization();
        let models = self.system.cpus().iter().map(|cpu| cpu.brand().trim().to_owned());
        let mut cpu = devices::processors(models, !virtualization.is_empty());
        let mut gpu = if self.options.gpu { devices::gpus() } else { Vec::new() };
        for list in [&mut cpu, &mut gpu] {
            list.truncate(DEVICES_MAX);
            list.iter_mut().for_each(|text| cut(text, DEVICE_NAME_BYTES_MAX));
        }
        Host {
            platform: short(System::distribution_id()),
            platform_version: short(System::os_version().unwrap_or_default()),
            cpu,
            mem_total: self.system.total_memory(),
            disk_total: self.disk_totals().total,
            swap_total: self.system.total_swap(),
            arch: short(System::cpu_arch()),
            virtualization: short(virtualization),
            boot_time_s: System::boot_time().unwrap_or_default(),
            ip: self.options.ip.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            gpu,
        }
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

    fn disk_totals(&self) -> DiskTotals {
        kinds::disk_totals(&self.disks)
    }

    fn temperatures(&mut self) -> Vec<Temperature> {
        let Some(components) = &mut self.components else { return Vec::new() };
        components.refresh(false);
        let sensor = |component: &sysinfo::Component| {
            let celsius = component.temperature().map(f64::from).filter(|celsius| celsius.is_finite())?;
            let mut name = component.label().to_owned();
            cut(&mut name, TEMPERATURE_NAME_BYTES_MAX);
            Some(Temperature { name, celsius: hundredths(celsius) })
        };
        components.iter().filter_map(sensor).take(TEMPERATURES_MAX).collect()
    }
}

/// Rounded to 0.01: the noise below costs more on the wire and on disk than everything else in a report.
fn hundredths(number: f64) -> f64 {
    finite((number * 100.0).round() / 100.0)
}

fn finite(number: f64) -> f64 {
    if number.is_finite() { number } else { 0.0 }
}

fn short(mut text: String) -> String {
    cut(&mut text, HOST_TEXT_BYTES_MAX);
    text
}

fn cut(text: &mut String, bytes_max: usize) {
    text.truncate(text.floor_char_boundary(bytes_max));
}
