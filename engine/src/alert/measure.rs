//! What a condition of a rule looks at.

use windfire_wire::Host;

use crate::latest::Latest;
use crate::metric::Metric;

/// A server as a condition looks at it.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The server's newest status.
    pub latest: &'a Latest,
    /// Unix milliseconds, by the trusted time.
    pub now_ms: i64,
    /// Milliseconds after which the newest report says nothing about now.
    pub offline_after_ms: i64,
}

/// What kind of thing a measure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasureKind {
    /// A number of the newest report. Without a fresh report there is no value.
    Level,
    /// Something that happens at one moment. [`Measure::value_of`] has no value for it: it is found by comparing two
    /// looks.
    Event,
    /// The absence of reports.
    Absence,
    /// A number of the hub, and of no server. [`Measure::value_of`] has no value for it.
    Hub,
}

/// Defines the measures from one table. A row is a measure: its kind, its name in rules, its unit and what it is.
macro_rules! measures {
    ($($measure:ident $kind:ident $name:literal $unit:literal $about:literal;)*) => {
        /// What a condition looks at.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Measure {
            $(
                #[doc = $about]
                $measure,
            )*
        }

        impl Measure {
            /// How many there are.
            pub const COUNT: usize = [$(Self::$measure),*].len();

            /// Every measure.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$measure),*];

            /// Its name in rules, which is also stored.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$measure => $name,)*
                }
            }

            /// The unit of its values. Empty for a measure that has no numbers: it is the case or it is not.
            pub const fn unit(self) -> &'static str {
                match self {
                    $(Self::$measure => $unit,)*
                }
            }

            /// What kind of thing it is.
            pub const fn kind(self) -> MeasureKind {
                match self {
                    $(Self::$measure => MeasureKind::$kind,)*
                }
            }
        }
    };
}

measures! {
    Cpu               Level   "cpu"                 "percent"     "Processor use.";
    Gpu               Level   "gpu"                 "percent"     "GPU use.";
    Mem               Level   "mem"                 "percent"     "Memory in use, of all memory.";
    Swap              Level   "swap"                "percent"     "Swap in use, of all swap.";
    Disk              Level   "disk"                "percent"     "Disk in use, of all counted file systems.";
    MemUsed           Level   "mem_used"            "bytes"       "Memory in use.";
    SwapUsed          Level   "swap_used"           "bytes"       "Swap in use.";
    DiskUsed          Level   "disk_used"           "bytes"       "Disk in use.";
    NetIn             Level   "net_in"              "bytes/s"     "Speed of received data.";
    NetOut            Level   "net_out"             "bytes/s"     "Speed of sent data.";
    NetAll            Level   "net_all"             "bytes/s"     "Both speeds together.";
    Load1             Level   "load1"               "load"        "Load average over 1 minute.";
    Load5             Level   "load5"               "load"        "Load average over 5 minutes.";
    Load15            Level   "load15"              "load"        "Load average over 15 minutes.";
    Load1PerCore      Level   "load1_per_core"      "load"        "Load average over 1 minute, for each core.";
    Load5PerCore      Level   "load5_per_core"      "load"        "Load average over 5 minutes, for each core.";
    Load15PerCore     Level   "load15_per_core"     "load"        "Load average over 15 minutes, for each core.";
    TcpConn           Level   "tcp_conn"            "connections" "TCP sockets.";
    UdpConn           Level   "udp_conn"            "connections" "UDP sockets.";
    ProcessCount      Level   "process_count"       "processes"   "Processes.";
    Temperature       Level   "temperature"         "celsius"     "The hottest sensor.";
    Offline           Absence "offline"             "seconds"     "Time without a report.";
    Rebooted          Event   "rebooted"            ""            "The machine has started again.";
    AddressChanged    Event   "address_changed"     ""            "The server has another address.";
    Late              Level   "late_s"              "seconds"     "Age of the newest report's own time.";
    HubDiskFree       Hub     "hub.disk_free"       "percent"     "Free disk of the hub's data folder.";
    HubCommitsFailing Hub     "hub.commits_failing" ""            "The hub cannot store reports.";
    HubIsolated       Hub     "hub.isolated"        ""            "The hub hears no agent.";
}

impl Measure {
    /// The measure of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.name() == name)
    }

    /// Its value for a server. `None` when there is none: the server sent no fresh report, or reports nothing like it,
    /// or the measure is an event or one of the hub.
    pub fn value_of(self, look: &Look<'_>) -> Option<f64> {
        let latest = look.latest;
        match self.kind() {
            MeasureKind::Level
                if latest.reported_within(look.offline_after_ms / 1000, look.now_ms.div_euclid(1000)) => {}
            MeasureKind::Absence => return silence_s(look),
            MeasureKind::Level | MeasureKind::Event | MeasureKind::Hub => return None,
        }
        let (sample, host) = (&latest.sample, &latest.facts.host);
        let metric = |metric: Metric| metric.number_of(sample).map(|number| number.as_f64());
        let per_core = |load: f64| cores(host).map(|cores| load / cores);
        match self {
            Self::Cpu => metric(Metric::Cpu),
            Self::Gpu => metric(Metric::Gpu),
            Self::Mem => percent(sample.mem_used, host.mem_total),
            Self::Swap => percent(sample.swap_used, host.swap_total),
            Self::Disk => percent(sample.disk_used, host.disk_total),
            Self::MemUsed => metric(Metric::MemUsed),
            Self::SwapUsed => metric(Metric::SwapUsed),
            Self::DiskUsed => metric(Metric::DiskUsed),
            Self::NetIn => metric(Metric::NetInSpeed),
            Self::NetOut => metric(Metric::NetOutSpeed),
            Self::NetAll => Some(metric(Metric::NetInSpeed)? + metric(Metric::NetOutSpeed)?),
            Self::Load1 => metric(Metric::Load1),
            Self::Load5 => metric(Metric::Load5),
            Self::Load15 => metric(Metric::Load15),
            Self::Load1PerCore => per_core(sample.load1),
            Self::Load5PerCore => per_core(sample.load5),
            Self::Load15PerCore => per_core(sample.load15),
            Self::TcpConn => metric(Metric::TcpConnCount),
            Self::UdpConn => metric(Metric::UdpConnCount),
            Self::ProcessCount => metric(Metric::ProcessCount),
            Self::Temperature => metric(Metric::Temperature),
            Self::Late => Some(seconds(look.now_ms.saturating_sub(sample.time_ms))),
            Self::Offline
            | Self::Rebooted
            | Self::AddressChanged
            | Self::HubDiskFree
            | Self::HubCommitsFailing
            | Self::HubIsolated => None,
        }
    }
}

/// Seconds without a report. `None` before the first one, and when the newest one lies after now: the hub's clock was
/// ahead when it came, so nothing says how long ago that was.
fn silence_s(look: &Look<'_>) -> Option<f64> {
    let was_before_now = look.latest.reported_within(i64::MAX, look.now_ms.div_euclid(1000));
    let last_ms = look.latest.last_active_ms.filter(|_| was_before_now)?;
    Some(seconds(look.now_ms.saturating_sub(last_ms)))
}

fn seconds(ms: i64) -> f64 {
    ms.max(0) as f64 / 1000.0
}

/// A total of 0 is a machine without it, or one that has not told yet: not 0 %.
fn percent(used: u64, total: u64) -> Option<f64> {
    (total > 0).then(|| used as f64 * 100.0 / total as f64)
}

/// The cores of a machine, from texts such as `Xeon 4 Physical Core`.
fn cores(host: &Host) -> Option<f64> {
    let count = |text: &String| {
        let mut words = text.strip_suffix(" Core")?.rsplit(' ');
        // Before the number comes the model, and behind it "Physical" or "Virtual".
        words.nth(1)?.parse::<u32>().ok().map(f64::from)
    };
    host.cpu.iter().map(count).sum::<Option<f64>>().filter(|cores| *cores > 0.0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use windfire_wire::Temperature;

    use super::*;
    use crate::latest::HostFacts;
    use crate::sample::Sample;

    const NOW_MS: i64 = 1_790_000_000_500;

    /// A server with a different number everywhere.
    fn latest() -> Latest {
        let sensor = |celsius| Temperature { name: "s".into(), celsius };
        let sample = Sample {
            time_ms: NOW_MS - 9_000,
            cpu: 1.5,
            gpu: 2.5,
            mem_used: 25,
            swap_used: 5,
            disk_used: 90,
            net_in_speed: 6,
            net_out_speed: 7,
            load1: 8.0,
            load5: 10.0,
            load15: 12.0,
            tcp_conn_count: 13,
            udp_conn_count: 14,
            process_count: 15,
            temperatures: Some(Arc::new([sensor(40.0), sensor(61.0), sensor(50.0)])),
            ..Sample::default()
        };
        let cpu = vec!["Xeon @ 2.00GHz 3 Physical Core".to_owned(), "Atom 1 Virtual Core".to_owned()];
        let host = Host { mem_total: 100, swap_total: 50, disk_total: 120, cpu, ..Host::default() };
        let facts = Arc::new(HostFacts { host, ..HostFacts::default() });
        Latest { facts, sample, last_active_ms: Some(NOW_MS - 4_000) }
    }

    fn value_in(latest: &Latest, measure: Measure) -> Option<f64> {
        measure.value_of(&Look { latest, now_ms: NOW_MS, offline_after_ms: 30_000 })
    }

    #[test]
    fn each_measure_is_its_own_number() {
        let latest = latest();
        let values = Measure::ALL.map(|measure| (measure.name(), value_in(&latest, measure)));
        let expected = [
            ("cpu", Some(1.5)),
            ("gpu", Some(2.5)),
            ("mem", Some(25.0)),
            ("swap", Some(10.0)),
            ("disk", Some(75.0)),
            ("mem_used", Some(25.0)),
            ("swap_used", Some(5.0)),
            ("disk_used", Some(90.0)),
            ("net_in", Some(6.0)),
            ("net_out", Some(7.0)),
            ("net_all", Some(13.0)),
            ("load1", Some(8.0)),
            ("load5", Some(10.0)),
            ("load15", Some(12.0)),
            ("load1_per_core", Some(2.0)),
            ("load5_per_core", Some(2.5)),
            ("load15_per_core", Some(3.0)),
            ("tcp_conn", Some(13.0)),
            ("udp_conn", Some(14.0)),
            ("process_count", Some(15.0)),
            ("temperature", Some(61.0)),
            ("offline", Some(4.0)),
            ("rebooted", None),
            ("address_changed", None),
            ("late_s", Some(9.0)),
            ("hub.disk_free", None),
            ("hub.commits_failing", None),
            ("hub.isolated", None),
        ];
        assert_eq!(values, expected);
    }

    #[test]
    fn names_are_found_and_are_unlike() {
        assert!(Measure::ALL.iter().all(|measure| Measure::named(measure.name()) == Some(*measure)));
        let names: BTreeSet<&str> = Measure::ALL.iter().map(|measure| measure.name()).collect();
        assert_eq!(names.len(), Measure::COUNT);
        assert_eq!(Measure::named("Cpu"), None);
    }

    #[test]
    fn what_a_server_does_not_have_has_no_value() {
        let bare =
            Latest { facts: Arc::default(), sample: Sample { temperatures: None, ..latest().sample }, ..latest() };
        for measure in [Measure::Mem, Measure::Swap, Measure::Disk, Measure::Load1PerCore, Measure::Temperature] {
            assert_eq!(value_in(&bare, measure), None, "{}", measure.name());
        }
        assert_eq!(value_in(&bare, Measure::MemUsed), Some(25.0));
    }

    #[test]
    fn old_reports_say_nothing_but_how_old_they_are() {
        for (ago_ms, cpu, offline) in [
            (30_000, Some(1.5), Some(30.0)),
            (31_000, None, Some(31.0)),
            (86_400_000, None, Some(86_400.0)),
            // The clocks of two threads differ a little.
            (-5_000, Some(1.5), Some(0.0)),
            // The hub's clock was ahead.
            (-6_000, None, None),
        ] {
            let latest = Latest { last_active_ms: Some(NOW_MS - ago_ms), ..latest() };
            let values = (value_in(&latest, Measure::Cpu), value_in(&latest, Measure::Offline));
            assert_eq!(values, (cpu, offline), "{ago_ms} ms ago");
        }
        let never = Latest { last_active_ms: None, ..latest() };
        assert_eq!((value_in(&never, Measure::Cpu), value_in(&never, Measure::Offline)), (None, None));
    }

    #[test]
    fn cores_are_counted_only_where_all_are_told() {
        let cores_of =
            |cpu: &[&str]| cores(&Host { cpu: cpu.iter().map(|text| (*text).to_owned()).collect(), ..Host::default() });
        assert_eq!(cores_of(&["A 2 Physical Core", "B 1 Physical Core"]), Some(3.0));
        for unknown in
            [&[][..], &["A"], &["A Core"], &["A 0 Virtual Core"], &["A x Virtual Core"], &["A 2 P Core", "B"]]
        {
            assert_eq!(cores_of(unknown), None, "{unknown:?}");
        }
    }
}
