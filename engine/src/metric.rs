//! The numbers of a report, one by one, as history and queries know them.

use crate::sample::Sample;

/// A number that every report carries, or that is derived from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the field of that name of windfire_wire::Report")]
pub enum Metric {
    Cpu,
    MemUsed,
    SwapUsed,
    DiskUsed,
    NetInTransfer,
    NetOutTransfer,
    NetInSpeed,
    NetOutSpeed,
    Uptime,
    Load1,
    Load5,
    Load15,
    TcpConnCount,
    UdpConnCount,
    ProcessCount,
    Gpu,
    /// The hottest sensor, °C; absent in reports without sensors.
    Temperature,
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

/// A number as it was reported, or a mean of such.
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
    /// Every metric, in the order of their numbers on disk, which are for ever.
    pub const ALL: [Self; 17] = [
        Self::Cpu,
        Self::MemUsed,
        Self::SwapUsed,
        Self::DiskUsed,
        Self::NetInTransfer,
        Self::NetOutTransfer,
        Self::NetInSpeed,
        Self::NetOutSpeed,
        Self::Uptime,
        Self::Load1,
        Self::Load5,
        Self::Load15,
        Self::TcpConnCount,
        Self::UdpConnCount,
        Self::ProcessCount,
        Self::Gpu,
        Self::Temperature,
    ];

    /// Metrics that are a number of every report: all but the temperature, which is a list.
    pub const SCALARS: usize = 16;

    /// Its number on disk.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// What kind of numbers its values are.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Cpu | Self::Load1 | Self::Load5 | Self::Load15 | Self::Gpu | Self::Temperature => Kind::Float,
            Self::NetInTransfer | Self::NetOutTransfer => Kind::Counter,
            _ => Kind::Integer,
        }
    }

    /// Its name in queries and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::MemUsed => "mem_used",
            Self::SwapUsed => "swap_used",
            Self::DiskUsed => "disk_used",
            Self::NetInTransfer => "net_in_transfer",
            Self::NetOutTransfer => "net_out_transfer",
            Self::NetInSpeed => "net_in_speed",
            Self::NetOutSpeed => "net_out_speed",
            Self::Uptime => "uptime",
            Self::Load1 => "load1",
            Self::Load5 => "load5",
            Self::Load15 => "load15",
            Self::TcpConnCount => "tcp_conn",
            Self::UdpConnCount => "udp_conn",
            Self::ProcessCount => "process_count",
            Self::Gpu => "gpu",
            Self::Temperature => "temperature",
        }
    }

    /// The unit of its values.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Cpu | Self::Gpu => "percent",
            Self::MemUsed | Self::SwapUsed | Self::DiskUsed | Self::NetInTransfer | Self::NetOutTransfer => "bytes",
            Self::NetInSpeed | Self::NetOutSpeed => "bytes/s",
            Self::Uptime => "seconds",
            Self::Load1 | Self::Load5 | Self::Load15 => "load",
            Self::TcpConnCount | Self::UdpConnCount => "connections",
            Self::ProcessCount => "processes",
            Self::Temperature => "celsius",
        }
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

    /// Its value in `sample`: a float's bits, an integer itself. `None` only for the temperature without sensors.
    pub fn bits_of(self, sample: &Sample) -> Option<u64> {
        Some(match self {
            Self::Cpu => sample.cpu.to_bits(),
            Self::MemUsed => sample.mem_used,
            Self::SwapUsed => sample.swap_used,
            Self::DiskUsed => sample.disk_used,
            Self::NetInTransfer => sample.net_in_transfer,
            Self::NetOutTransfer => sample.net_out_transfer,
            Self::NetInSpeed => sample.net_in_speed,
            Self::NetOutSpeed => sample.net_out_speed,
            Self::Uptime => sample.uptime_s,
            Self::Load1 => sample.load1.to_bits(),
            Self::Load5 => sample.load5.to_bits(),
            Self::Load15 => sample.load15.to_bits(),
            Self::TcpConnCount => sample.tcp_conn_count,
            Self::UdpConnCount => sample.udp_conn_count,
            Self::ProcessCount => sample.process_count,
            Self::Gpu => sample.gpu.to_bits(),
            Self::Temperature => {
                let sensors = sample.temperatures.as_deref()?.iter();
                sensors.map(|sensor| sensor.celsius).reduce(f64::max)?.to_bits()
            }
        })
    }

    /// Its value in `sample`; `None` only for the temperature without sensors.
    pub fn number_of(self, sample: &Sample) -> Option<Number> {
        self.bits_of(sample).map(|bits| Number::of_bits(self, bits))
    }

    pub(crate) fn set_bits(self, sample: &mut Sample, bits: u64) {
        match self {
            Self::Cpu => sample.cpu = f64::from_bits(bits),
            Self::MemUsed => sample.mem_used = bits,
            Self::SwapUsed => sample.swap_used = bits,
            Self::DiskUsed => sample.disk_used = bits,
            Self::NetInTransfer => sample.net_in_transfer = bits,
            Self::NetOutTransfer => sample.net_out_transfer = bits,
            Self::NetInSpeed => sample.net_in_speed = bits,
            Self::NetOutSpeed => sample.net_out_speed = bits,
            Self::Uptime => sample.uptime_s = bits,
            Self::Load1 => sample.load1 = f64::from_bits(bits),
            Self::Load5 => sample.load5 = f64::from_bits(bits),
            Self::Load15 => sample.load15 = f64::from_bits(bits),
            Self::TcpConnCount => sample.tcp_conn_count = bits,
            Self::UdpConnCount => sample.udp_conn_count = bits,
            Self::ProcessCount => sample.process_count = bits,
            Self::Gpu => sample.gpu = f64::from_bits(bits),
            Self::Temperature => {}
        }
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
