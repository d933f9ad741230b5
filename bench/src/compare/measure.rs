//! The work for both, and how it is measured and shown.

use std::fmt::Write;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use windfire_wire::Report;

use crate::clock::unix_ms;
use crate::fleet::POINTS_PER_REPORT;
use crate::http_client::Answer;
use crate::hub_process::usage_of;
use crate::workload::{Machine, Trace};

/// Seconds of live reports before they are measured, so that the effects of a start are over.
pub(super) const SETTLE_S: u64 = 10;
/// Time after the last report in which work in the background still counts.
pub(super) const AFTER: Duration = Duration::from_secs(10);
/// Questions about one server.
pub(super) const RANGE_QUESTIONS: usize = 300;
/// Questions about all servers.
pub(super) const LATEST_QUESTIONS: usize = 20;

/// The work for both.
#[derive(Debug, Clone)]
pub struct Work {
    /// Servers of the bulk part.
    pub servers: usize,
    /// Reports of each of them, one second apart; at most as many as an agent keeps.
    pub seconds: usize,
    /// Servers of the live part.
    pub live_servers: usize,
    /// Seconds of the live part.
    pub live_s: u64,
    /// Cores that the engine may use, as `taskset` takes them.
    pub cores: String,
}

/// The figures of one of them.
pub struct Figures {
    pub(super) name: String,
    pub(super) bulk: Load,
    pub(super) live: Load,
    pub(super) disk_bytes: u64,
    pub(super) range: Asked,
    pub(super) latest: Asked,
}

/// Reports taken.
pub(super) struct Load {
    pub(super) sent: u64,
    /// In history, counted afterwards.
    pub(super) found: u64,
    pub(super) took_s: f64,
    pub(super) cpu_s: f64,
    pub(super) cpu_after_s: f64,
    pub(super) rss_bytes: u64,
}

/// The answers to a question that is asked again and again over one connection.
pub(super) struct Asked {
    pub(super) us: Histogram<u64>,
    pub(super) bytes: u64,
}

/// The figures side by side, as a table in Markdown.
pub fn table(work: &Work, all: &[Figures]) -> String {
    let mut table = format!(
        "{} servers × {} s in bulk, {} servers × 1/s for {} s live, engine on core {}\n\n",
        work.servers, work.seconds, work.live_servers, work.live_s, work.cores
    );
    let mut row = |name: &str, value: &dyn Fn(&Figures) -> String| {
        let _infallible = write!(table, "| {name} |");
        for figures in all {
            let _infallible = write!(table, " {} |", value(figures));
        }
        table.push('\n');
    };
    let million_points = |load: &Load| load.sent as f64 * POINTS_PER_REPORT / 1e6;
    row("", &|figures| figures.name.clone());
    row("---", &|_| "---".to_owned());
    row("bulk, reports sent, of them found", &|figures| format!("{}, {}", figures.bulk.sent, figures.bulk.found));
    row("bulk, data points/s", &|figures| format!("{:.0}", million_points(&figures.bulk) * 1e6 / figures.bulk.took_s));
    row("bulk, CPU s per million points (10 s after)", &|figures| {
        let per_million = |cpu_s: f64| cpu_s / million_points(&figures.bulk);
        format!("{:.3} ({:.3})", per_million(figures.bulk.cpu_s), per_million(figures.bulk.cpu_after_s))
    });
    row("bulk, µs CPU per report", &|figures| format!("{:.2}", figures.bulk.cpu_s * 1e6 / figures.bulk.sent as f64));
    row("bulk, RSS, MiB", &|figures| format!("{:.0}", figures.bulk.rss_bytes as f64 / 1_048_576.0));
    row("bytes per data point on disk, merged", &|figures| {
        format!("{:.3}", figures.disk_bytes as f64 / (million_points(&figures.bulk) * 1e6))
    });
    row("live, reports sent, of them found", &|figures| format!("{}, {}", figures.live.sent, figures.live.found));
    row("live, CPU s per million points", &|figures| {
        format!("{:.3}", figures.live.cpu_s / million_points(&figures.live))
    });
    row("live, cores", &|figures| format!("{:.2}", figures.live.cpu_s / figures.live.took_s));
    row("live, RSS, MiB", &|figures| format!("{:.0}", figures.live.rss_bytes as f64 / 1_048_576.0));
    row("newest of all live servers, ms, p50 / max", &|figures| {
        let ms = |us: u64| us as f64 / 1000.0;
        let latest = &figures.latest;
        format!("{:.1} / {:.1}", ms(latest.us.value_at_quantile(0.5)), ms(latest.us.max()))
    });
    row("its answer, MB", &|figures| format!("{:.1}", figures.latest.bytes as f64 / 1e6));
    row("an hour of one metric, every report, ms, p50 / p99", &|figures| {
        let ms = |quantile| figures.range.us.value_at_quantile(quantile) as f64 / 1000.0;
        format!("{:.2} / {:.2}", ms(0.5), ms(0.99))
    });
    row("its answer, kB", &|figures| format!("{:.0}", figures.range.bytes as f64 / 1e3));
    table
}

/// Runs `work`, and measures what process `pid` used for it. `work` returns the reports that it sent.
pub(super) fn load(pid: u32, work: impl FnOnce() -> io::Result<u64>) -> io::Result<Load> {
    let (before, started) = (usage_of(pid), Instant::now());
    let sent = work()?;
    let (took_s, end) = (started.elapsed().as_secs_f64(), usage_of(pid));
    thread::sleep(AFTER);
    let after = usage_of(pid);
    Ok(Load {
        sent,
        found: 0,
        took_s,
        cpu_s: end.cpu_s() - before.cpu_s(),
        cpu_after_s: after.cpu_s() - before.cpu_s(),
        rss_bytes: after.rss_bytes,
    })
}

/// Asks `times` times, one after the other.
pub(super) fn ask(times: usize, mut question: impl FnMut(usize) -> io::Result<Answer>) -> io::Result<Asked> {
    let mut asked = Asked { us: Histogram::new(3).expect("3 digits"), bytes: 0 };
    for number in 0..times {
        let started = Instant::now();
        let answer = question(number)?;
        let us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
        if answer.status != 200 {
            return Err(io::Error::other(format!("question {number}: status {}", answer.status)));
        }
        asked.us.record(us).expect("a histogram that grows");
        asked.bytes = answer.bytes;
    }
    Ok(asked)
}

/// Servers whose reports are generated one second after the other.
pub(super) struct Fleet {
    machines: Vec<Machine>,
    trace: Trace,
    number: u64,
}

impl Fleet {
    pub(super) fn new(servers: usize) -> Self {
        Self {
            machines: (0..servers).map(|server| Machine::new(server as u64)).collect(),
            trace: Trace::new(),
            number: 0,
        }
    }

    /// The next report of every server. It carries its own number, so that it can be found again.
    pub(super) fn next(&mut self, time_ms: i64) -> impl Iterator<Item = Report> {
        self.number += 1;
        let (trace, udp_conn_count) = (&self.trace, self.number);
        self.machines.iter_mut().map(move |machine| Report { udp_conn_count, ..machine.next(trace, time_ms) })
    }
}

/// The time of the first report of the bulk part, so that the last report is due now.
pub(super) fn bulk_start_ms(work: &Work) -> i64 {
    unix_ms() - i64::try_from(work.seconds).unwrap_or(0) * 1000
}
