//! The outcome of a run: for people as a table, for programs as JSON.

use std::fmt::Write;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::api_load::{Answers, Operation};
use super::hostile::HostileOutcome;
use super::trend;
use crate::swarm::Latencies;

/// Fields of a report that are points of history, without the time.
pub(crate) const POINTS_PER_REPORT: f64 = 15.0;

/// One second of the run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Second {
    /// Seconds since the measured part began.
    pub at_s: f64,
    /// Seconds since the hub's process started, or since the run began.
    pub age_s: f64,
    /// Reports that became durable, per second.
    pub durable_per_s: f64,
    /// Frames that the hub took, per second.
    pub frames_per_s: f64,
    /// Share of one core that the hub used. Above 1 with several cores.
    pub hub_cores: f64,
    /// Share of one core that the generator used.
    pub generator_cores: f64,
    /// Resident memory of the hub, MiB.
    pub rss_mib: f64,
    /// Bytes of the hub's data folder, MiB.
    pub disk_mib: f64,
    /// Files, sockets and pipes that the hub has open.
    pub open_files: f64,
    /// Agents connected.
    pub sessions: f64,
    /// Samples in a frame, as the hub asks.
    pub samples_per_frame: f64,
    /// Median of acks in this second, milliseconds.
    pub ack_p50_ms: f64,
    /// 99th percentile of acks in this second, milliseconds.
    pub ack_p99_ms: f64,
}

/// CPU and memory of the hub's process over the measured part. Absent for a hub that is not ours.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct HubUse {
    /// User CPU, seconds.
    pub user_s: f64,
    /// System CPU, seconds.
    pub sys_s: f64,
    /// Resident memory before any agent came, bytes.
    pub rss_idle_bytes: u64,
    /// Resident memory at the end, bytes.
    pub rss_bytes: u64,
    /// Highest of all seconds, bytes.
    pub rss_max_bytes: u64,
    /// Bytes of the data folder after the stop.
    pub disk_bytes: u64,
}

/// The results of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// As asked for.
    pub agents: usize,
    /// As asked for, seconds.
    pub interval_s: f64,
    /// As asked for.
    pub profile: String,
    /// Seconds until every agent was welcome.
    pub connected_s: f64,
    /// Seconds that were measured.
    pub measured_s: f64,
    /// Reports made, over the whole run.
    pub sent: u64,
    /// Reports acknowledged, over the whole run.
    pub acked: u64,
    /// Readings that were not taken because an outbox was full.
    pub refused: u64,
    /// Reports missing in history, and those that are there twice. Absent for a hub that is not ours.
    pub checked: Option<(u64, u64)>,
    /// Reports that became durable in the measured part.
    pub durable: f64,
    /// Frames in the measured part.
    pub frames: f64,
    /// Bytes of frames in the measured part.
    pub frame_bytes: f64,
    /// Latency of acks in the measured part.
    pub latencies: Latencies,
    /// Answers of the API.
    pub answers: Vec<(Operation, Answers)>,
    /// The hub's CPU, memory and disk.
    pub hub: Option<HubUse>,
    /// Times that the hub was killed.
    pub kills: u64,
    /// The longest time from a start of the hub until its agents were back and nothing was waiting, seconds.
    pub recovered_s: Option<f64>,
    /// The results of the attack, if there was one.
    pub hostile: Option<HostileOutcome>,
    /// Share of its cores that the generator used.
    pub generator_busy: f64,
    /// Readings more than 100 ms late.
    pub late: u64,
    /// Second by second.
    pub seconds: Vec<Second>,
}

impl Outcome {
    /// The promises that were not kept in this run. Empty if all of them were.
    pub fn broken_promises(&self) -> Vec<String> {
        let mut broken = Vec::new();
        if self.acked != self.sent {
            broken.push(format!("{} of {} reports were acknowledged", self.acked, self.sent));
        }
        if let Some((lost, doubled)) = self.checked.filter(|checked| *checked != (0, 0)) {
            broken.push(format!("{lost} reports are lost in history, and {doubled} are there twice"));
        }
        broken.extend(self.hostile.iter().flat_map(HostileOutcome::broken_promises));
        broken
    }

    /// Why the figures may be the generator's and not the hub's. `None` if the generator kept up.
    pub fn generator_was_the_limit(&self) -> Option<String> {
        if self.late as f64 > self.sent as f64 * 0.001 {
            return Some(format!("{} of {} readings were more than 100 ms late", self.late, self.sent));
        }
        (self.generator_busy > 0.95).then(|| format!("it was busy {:.0} % of the time", self.generator_busy * 100.0))
    }

    fn cpu_us_per_report(&self) -> Option<f64> {
        self.hub.map(|hub| (hub.user_s + hub.sys_s) * 1e6 / self.durable.max(1.0))
    }

    fn rss_kib_per_agent(&self) -> Option<f64> {
        let kib = |hub: HubUse| hub.rss_bytes.saturating_sub(hub.rss_idle_bytes) as f64 / 1024.0;
        self.hub.map(|hub| kib(hub) / self.agents.max(1) as f64)
    }

    /// How fast the hub's memory (MiB) and open files rose, an hour, while it was warm. `None` for runs that are too short.
    fn slopes(&self) -> Option<(f64, f64)> {
        let warm = || self.seconds.iter().filter(|second| second.age_s >= trend::WARM_UP_S);
        let slope = |value: fn(&Second) -> f64| trend::an_hour(warm().map(|second| (second.at_s, value(second))));
        slope(|second| second.rss_mib).zip(slope(|second| second.open_files))
    }

    /// A table for people, without the rows that were printed during the run.
    pub fn table(&self) -> String {
        let mut table = String::new();
        let mut row = |name: &str, text: String| {
            let _infallible = writeln!(table, "{}", table_row(name, &text));
        };
        row("agents", format!("{} every {} s, {}", self.agents, self.interval_s, self.profile));
        row("reports", format!("{} sent, {} acked, {} refused by full outboxes", self.sent, self.acked, self.refused));
        match self.checked {
            Some((lost, doubled)) => row("history", format!("{lost} lost, {doubled} doubled")),
            None => row("history", "not checked: the hub is not ours".to_owned()),
        }
        let (durable, frames) = (self.durable.max(1.0), self.frames.max(1.0));
        row("throughput", format!("{:.0} durable reports/s over {:.1} s", durable / self.measured_s, self.measured_s));
        row("frames", format!("{:.2} reports and {:.1} bytes each", durable / frames, self.frame_bytes / frames));
        let quantiles = |histogram: &Histogram<u64>| {
            let ms = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
            format!(
                "p50 {:.2}  p90 {:.2}  p99 {:.2}  max {:.2} ms  ({} samples)",
                ms(0.5),
                ms(0.9),
                ms(0.99),
                histogram.max() as f64 / 1000.0,
                histogram.len()
            )
        };
        row("ack", format!("{}, from the newest report it covers", quantiles(&self.latencies.ack)));
        row("kept", format!("{}, from each report", quantiles(&self.latencies.kept)));
        if let Some(hub) = self.hub {
            row(
                "hub CPU",
                format!(
                    "{:.2} us per report ({:.1} user, {:.1} system), {:.1} % of a core",
                    self.cpu_us_per_report().unwrap_or(0.0),
                    hub.user_s * 1e6 / durable,
                    hub.sys_s * 1e6 / durable,
                    100.0 * (hub.user_s + hub.sys_s) / self.measured_s
                ),
            );
            row(
                "hub memory",
                format!(
                    "{:.1} MiB, {:.1} KiB per agent above {:.1} MiB idle, {:.1} MiB at most",
                    hub.rss_bytes as f64 / 1048576.0,
                    self.rss_kib_per_agent().unwrap_or(0.0),
                    hub.rss_idle_bytes as f64 / 1048576.0,
                    hub.rss_max_bytes as f64 / 1048576.0,
                ),
            );
            row(
                "disk",
                format!(
                    "{:.1} MiB, {:.2} bytes per point, write-ahead log included",
                    hub.disk_bytes as f64 / 1048576.0,
                    hub.disk_bytes as f64 / (self.sent.max(1) as f64 * POINTS_PER_REPORT)
                ),
            );
        }
        if let Some(recovered_s) = self.recovered_s {
            let kills = self.kills;
            row(
                "recovered",
                format!("{kills} kills; all back and caught up {recovered_s:.1} s after the start at most"),
            );
        }
        if let Some((rss_mib, open_files)) = self.slopes() {
            row("slope", format!("memory {rss_mib:+.2} MiB an hour, open files {open_files:+.1} an hour"));
        }
        if let Some(hostile) = &self.hostile {
            row(
                "attack",
                format!(
                    "{} connections, {} bytes read, {} greedy reports taken",
                    hostile.connections, hostile.bytes_read, hostile.greedy_acked
                ),
            );
            let bound = hostile.growth_mib_max.map(|max| format!(", at most {max:.0} may be added"));
            row(
                "memory in attack",
                format!(
                    "{:.1} MiB at most before, {:.1} during{}, {:.1} afterwards",
                    hostile.rss_mib_before,
                    hostile.rss_mib_during,
                    bound.unwrap_or_default(),
                    hostile.rss_mib_after
                ),
            );
            row(
                "acks under attack",
                format!(
                    "p99 {:.1} ms before, {:.1} ms during (medians of the seconds)",
                    hostile.ack_p99_ms_before, hostile.ack_p99_ms_during
                ),
            );
            row(
                "browser",
                format!(
                    "{} requests, p99 {:.1}, max {:.1} ms, {} failed",
                    hostile.browsed, hostile.browse_ms_p99, hostile.browse_ms_max, hostile.browse_failed
                ),
            );
        }
        for (operation, answers) in &self.answers {
            let name = operation.name();
            row(
                name,
                format!(
                    "{}, {} were 304, {} failed",
                    quantiles(&answers.latency),
                    answers.not_modified,
                    answers.failed
                ),
            );
            row("", format!("{}, from sending", quantiles(&answers.service)));
        }
        row("generator", format!("{:.0} % busy, {} readings late", self.generator_busy * 100.0, self.late));
        if let Some(why) = self.generator_was_the_limit() {
            row("WARNING", format!("the generator was the limit, not the hub: {why}"));
        }
        table
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let api_ms: serde_json::Map<String, Value> = self
            .answers
            .iter()
            .map(|(operation, answers)| {
                let mut value = quantiles_ms(&answers.latency);
                value["service_ms"] = quantiles_ms(&answers.service);
                value["not_modified"] = answers.not_modified.into();
                value["failed"] = answers.failed.into();
                value["bytes"] = answers.bytes.into();
                (operation.name().to_owned(), value)
            })
            .collect();
        let hub = self.hub.map(|hub| {
            json!({
                "cpu_us_per_report": self.cpu_us_per_report(),
                "user_us": hub.user_s * 1e6 / self.durable.max(1.0),
                "sys_us": hub.sys_s * 1e6 / self.durable.max(1.0),
                "cores": (hub.user_s + hub.sys_s) / self.measured_s,
                "rss_kib_per_agent": self.rss_kib_per_agent(),
                "rss_bytes": hub.rss_bytes,
                "rss_max_bytes": hub.rss_max_bytes,
                "rss_idle_bytes": hub.rss_idle_bytes,
                "disk_bytes": hub.disk_bytes,
            })
        });
        let disk_bytes_per_point =
            self.hub.map(|hub| hub.disk_bytes as f64 / (self.sent.max(1) as f64 * POINTS_PER_REPORT));
        let seconds: Vec<Value> = self.seconds.iter().map(second_json).collect();
        json!({
            "agents": self.agents,
            "interval_s": self.interval_s,
            "profile": self.profile,
            "connected_s": self.connected_s,
            "measured_s": self.measured_s,
            "sent": self.sent,
            "acked": self.acked,
            "refused": self.refused,
            "lost": self.checked.map(|(lost, _)| lost),
            "doubled": self.checked.map(|(_, doubled)| doubled),
            "durable_per_s": self.durable / self.measured_s,
            "reports_per_frame": self.durable / self.frames.max(1.0),
            "ack_ms": quantiles_ms(&self.latencies.ack),
            "kept_ms": quantiles_ms(&self.latencies.kept),
            "api_ms": api_ms,
            "hub": hub,
            "disk_bytes_per_point": disk_bytes_per_point,
            "kills": self.kills,
            "recovered_s": self.recovered_s,
            "rss_mib_an_hour": self.slopes().map(|slopes| slopes.0),
            "open_files_an_hour": self.slopes().map(|slopes| slopes.1),
            "hostile": self.hostile.as_ref().map(|hostile| json!({
                "connections": hostile.connections,
                "bytes_read": hostile.bytes_read,
                "greedy_acked": hostile.greedy_acked,
                "browsed": hostile.browsed,
                "browse_failed": hostile.browse_failed,
                "browse_ms_max": hostile.browse_ms_max,
                "browse_ms_p99": hostile.browse_ms_p99,
                "ack_p99_ms_before": hostile.ack_p99_ms_before,
                "ack_p99_ms_during": hostile.ack_p99_ms_during,
                "rss_mib_before": hostile.rss_mib_before,
                "rss_mib_during": hostile.rss_mib_during,
                "rss_mib_after": hostile.rss_mib_after,
                "growth_mib_max": hostile.growth_mib_max,
            })),
            "generator_busy": self.generator_busy,
            "generator_late": self.late,
            "generator_was_the_limit": self.generator_was_the_limit(),
            "seconds": seconds,
        })
    }
}

/// A line of the table.
pub(crate) fn table_row(name: &str, text: &str) -> String {
    format!("{name:<18} {text}")
}

fn quantiles_ms(histogram: &Histogram<u64>) -> Value {
    let ms = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
    json!({
        "p50": ms(0.5), "p90": ms(0.9), "p99": ms(0.99), "max": histogram.max() as f64 / 1000.0, "count": histogram.len()
    })
}

fn second_json(second: &Second) -> Value {
    json!({
        "at_s": second.at_s,
        "age_s": second.age_s,
        "durable_per_s": second.durable_per_s,
        "frames_per_s": second.frames_per_s,
        "hub_cores": second.hub_cores,
        "generator_cores": second.generator_cores,
        "rss_mib": second.rss_mib,
        "disk_mib": second.disk_mib,
        "open_files": second.open_files,
        "sessions": second.sessions,
        "samples_per_frame": second.samples_per_frame,
        "ack_p50_ms": second.ack_p50_ms,
        "ack_p99_ms": second.ack_p99_ms,
    })
}
