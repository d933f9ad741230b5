//! The metrics of a report, for history and queries. This is the only table of them in the engine.

use std::sync::Arc;

use windfire_wire::{Report, Temperature};

/// Defines the metrics, the sample that holds them, and the conversions between both, from one table. A row is a
/// scalar: its metric, its field in a sample and in a report, its type, its kind, its name in queries and answers, and
/// its unit.
macro_rules! metrics {
    ($($metric:ident $field:ident $type:ident $kind:ident $name:literal $unit:literal;)*) => {
        /// A number that every report carries, or that is derived from it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "each is the field of that name of windfire_wire::Report")]
        pub enum Metric {
            $($metric,)*
            /// The hottest sensor, °C; absent in reports without sensors.
            Temperature,
        }

        /// One set of readings: plain numbers, ready for columns. Units as in [`Report`], of which this is the engine's
        /// own copy: the wire may change without it.
        #[derive(Debug, Clone, Default, PartialEq)]
        #[expect(missing_docs, reason = "each field is that of windfire_wire::Report")]
        pub struct Sample {
            pub time_ms: i64,
            $(pub $field: $type,)*
            /// Shared, because most servers have none and readers copy samples.
            pub temperatures: Option<Arc<[Temperature]>>,
        }

        impl Metric {
            /// Metrics that are a number of every report: all but the temperature, which is a list.
            pub const SCALARS: usize = [$(Self::$metric),*].len();

            /// Every metric, in the order of their numbers on disk, which never change.
            pub const ALL: [Self; Self::SCALARS + 1] = [$(Self::$metric,)* Self::Temperature];

            /// What kind of numbers its values are.
            pub const fn kind(self) -> Kind {
                match self {
                    $(Self::$metric => Kind::$kind,)*
                    Self::Temperature => Kind::Float,
                }
            }

            /// Its name in queries and answers.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$metric => $name,)*
                    Self::Temperature => "temperature",
                }
            }

            /// The unit of its values.
            pub const fn unit(self) -> &'static str {
                match self {
                    $(Self::$metric => $unit,)*
                    Self::Temperature => "celsius",
                }
            }

            /// Its value in `sample`: a float's bits, an integer itself. `None` only for the temperature without
            /// sensors.
            pub fn bits_of(self, sample: &Sample) -> Option<u64> {
                Some(match self {
                    $(Self::$metric => sample.$field.into_bits(),)*
                    Self::Temperature => {
                        let sensors = sample.temperatures.as_deref()?.iter();
                        sensors.map(|sensor| sensor.celsius).reduce(f64::max)?.to_bits()
                    }
                })
            }

            pub(crate) fn set_bits(self, sample: &mut Sample, bits: u64) {
                match self {
                    $(Self::$metric => sample.$field = Scalar::of_bits(bits),)*
                    Self::Temperature => {}
                }
            }
        }

        impl Sample {
            /// Every scalar's bits, in the order of the metrics.
            pub(crate) fn scalars(&self) -> [u64; Metric::SCALARS] {
                [$(self.$field.into_bits()),*]
            }

            /// A sample without sensors of every scalar's bits.
            pub(crate) fn of_scalars(time_ms: i64, scalars: [u64; Metric::SCALARS]) -> Self {
                let [$($field),*] = scalars;
                Self { time_ms, $($field: Scalar::of_bits($field),)* temperatures: None }
            }
        }

        impl From<Report> for Sample {
            fn from(report: Report) -> Self {
                Self {
                    time_ms: report.time_ms,
                    $($field: report.$field,)*
                    temperatures: (!report.temperatures.is_empty()).then(|| report.temperatures.into()),
                }
            }
        }
    };
}

// The order is that of their numbers on disk and of the log's scalars. A new one comes last.
metrics! {
    Cpu            cpu              f64 Float   "cpu"              "percent";
    MemUsed        mem_used         u64 Integer "mem_used"         "bytes";
    SwapUsed       swap_used        u64 Integer "swap_used"        "bytes";
    DiskUsed       disk_used        u64 Integer "disk_used"        "bytes";
    NetInTransfer  net_in_transfer  u64 Counter "net_in_transfer"  "bytes";
    NetOutTransfer net_out_transfer u64 Counter "net_out_transfer" "bytes";
    NetInSpeed     net_in_speed     u64 Integer "net_in_speed"     "bytes/s";
    NetOutSpeed    net_out_speed    u64 Integer "net_out_speed"    "bytes/s";
    Uptime         uptime_s         u64 Integer "uptime"           "seconds";
    Load1          load1            f64 Float   "load1"            "load";
    Load5          load5            f64 Float   "load5"            "load";
    Load15         load15           f64 Float   "load15"           "load";
    TcpConnCount   tcp_conn_count   u64 Integer "tcp_conn"         "connections";
    UdpConnCount   udp_conn_count   u64 Integer "udp_conn"         "connections";
    ProcessCount   process_count    u64 Integer "process_count"    "processes";
    Gpu            gpu              f64 Float   "gpu"              "percent";
}

/// A scalar's type.
trait Scalar {
    fn into_bits(self) -> u64;
    fn of_bits(bits: u64) -> Self;
}

impl Scalar for u64 {
    fn into_bits(self) -> u64 {
        self
    }

    fn of_bits(bits: u64) -> Self {
        bits
    }
}

impl Scalar for f64 {
    fn into_bits(self) -> u64 {
        self.to_bits()
    }

    fn of_bits(bits: u64) -> Self {
        Self::from_bits(bits)
    }
}

/// What kind of numbers a metric's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A float that goes up and down.
    Float,
    /// An integer that goes up and down.
    Integer,
    /// An integer that only grows, until a reset sets it back.
    Counter,
}

/// A number as it was reported, or a mean of such numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// An integer, exact.
    Integer(u64),
    /// A float.
    Float(f64),
}

impl Number {
    /// The number as a float; integers above 2^53 are rounded.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Integer(integer) => integer as f64,
            Self::Float(float) => float,
        }
    }

    pub(crate) fn of_bits(metric: Metric, bits: u64) -> Self {
        match metric.kind() {
            Kind::Float => Self::Float(f64::from_bits(bits)),
            Kind::Integer | Kind::Counter => Self::Integer(bits),
        }
    }
}

impl Metric {
    /// Its number on disk.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The metric of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// For a speed, the counter from which it can mostly be computed.
    pub(crate) const fn speed_of(self) -> Option<Self> {
        match self {
            Self::NetInSpeed => Some(Self::NetInTransfer),
            Self::NetOutSpeed => Some(Self::NetOutTransfer),
            _ => None,
        }
    }

    /// Its value in `sample`; `None` only for the temperature without sensors.
    pub fn number_of(self, sample: &Sample) -> Option<Number> {
        self.bits_of(sample).map(|bits| Number::of_bits(self, bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_on_disk_are_the_order_of_all() {
        assert!(Metric::ALL.iter().enumerate().all(|(number, metric)| metric.index() == number));
        assert!(Metric::ALL.iter().all(|metric| Metric::named(metric.name()) == Some(*metric)));
    }

    #[test]
    fn every_scalar_is_set_where_it_is_read() {
        for metric in &Metric::ALL[..Metric::SCALARS] {
            let mut sample = Sample::default();
            metric.set_bits(&mut sample, 7);
            let set: Vec<_> = Metric::ALL.iter().filter(|other| other.bits_of(&sample) == Some(7)).collect();
            assert_eq!(set, [metric]);
        }
    }
}
