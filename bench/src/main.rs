//! The harness' command line.

#![allow(clippy::cast_possible_truncation, reason = "simulated numbers, and counts that are small")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use hdrhistogram::Histogram;
use windfire_agent::backoff::BackoffOptions;
use windfire_agent::limits::SPOOL_BYTES_MAX;
use windfire_agent::outbox::{Outbox, SpoolOptions, new_outbox_id};
use windfire_agent::trust::Fingerprint;
use windfire_bench::hub_process::{HubProcess, request};
use windfire_bench::month::{self, Month};
use windfire_bench::numbered;
use windfire_bench::sizes::{Fleet, stored, table};
use windfire_bench::swarm::{Swarm, SwarmOptions, Target, unix_ms};
use windfire_engine::history::Retention;

/// Measures a hub under a fleet.
#[derive(Parser)]
#[command(name = "windfire-bench", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run agents in this process against a hub in a process of its own, on an empty data folder
    Fleet {
        /// Agents
        #[arg(long, default_value_t = 1000)]
        agents: usize,
        /// Seconds of measured reporting
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Milliseconds between two reports of one agent
        #[arg(long, default_value_t = 1000)]
        interval_ms: u64,
        /// Ask for an ack of every report: measures how long one takes, and costs packets
        #[arg(long)]
        ack_each: bool,
        /// Hours of history, a report a second, that the hub has before it starts
        #[arg(long, default_value_t = 0)]
        history_hours: i64,
        /// Leave all of that history to be packed while it is measured
        #[arg(long)]
        unpacked: bool,
        /// Queries of one metric of one server over the last hour, a second, beside the agents
        #[arg(long, default_value_t = 0)]
        history_queries_per_s: u32,
        /// Argument for the hub's "serve", such as --hub-arg=--commit-interval-ms=20; may be repeated
        #[arg(long = "hub-arg", allow_hyphen_values = true)]
        hub_arguments: Vec<String>,
        /// The hub's binary; the one beside this unless given
        #[arg(long)]
        hub: Option<PathBuf>,
    },
    /// Print what history costs on disk, per field, beside Gorilla and zstd
    Sizes {
        /// Servers
        #[arg(long, default_value_t = 200)]
        servers: usize,
        /// Seconds of one report a second
        #[arg(long, default_value_t = 7200)]
        seconds: usize,
    },
    /// Make days of history of a calm fleet in fast time, in a stopped hub's data folder
    Month {
        /// The data folder
        #[arg(long)]
        data: PathBuf,
        /// Servers
        #[arg(long, default_value_t = 50)]
        servers: usize,
        /// Days
        #[arg(long, default_value_t = 30)]
        days: i64,
        /// Minutes before now at which it ends
        #[arg(long, default_value_t = 0)]
        minutes_ago: i64,
        /// Milliseconds between two reports of one server
        #[arg(long, default_value_t = 1000)]
        interval_ms: i64,
        /// Days that every report is kept
        #[arg(long, default_value_t = 7)]
        raw_days: u32,
    },
    /// Report in fast time into a store of its own, and die at a point of its upkeep; for tests
    #[command(hide = true)]
    Numbered {
        /// The store
        #[arg(long)]
        data: PathBuf,
        /// Servers
        #[arg(long, default_value_t = 4)]
        servers: usize,
        /// Last report's number
        #[arg(long)]
        last: u64,
        /// File to which durable numbers are appended
        #[arg(long)]
        acks: PathBuf,
        /// Point to die at, counted from 0
        #[arg(long)]
        kill_at: Option<usize>,
        /// Times that the point is passed until then
        #[arg(long, default_value_t = 1)]
        passes: u64,
    },
    /// Run agents with spools against a hub that runs already, until killed; tests do the killing
    Spooled {
        /// Hub as host:port
        #[arg(long)]
        hub: String,
        /// The hub's fingerprint
        #[arg(long)]
        fingerprint: Fingerprint,
        /// File with one credential a line: one agent for each
        #[arg(long)]
        credentials: PathBuf,
        /// Folder for the spools
        #[arg(long)]
        spools: PathBuf,
        /// Milliseconds between two reports of one agent
        #[arg(long, default_value_t = 100)]
        interval_ms: u64,
        /// Make no reports: only send what the spools hold, and end when all of it is acknowledged
        #[arg(long)]
        drain: bool,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().verb {
        Verb::Month { data, servers, days, minutes_ago, interval_ms, raw_days } => {
            let retention = Retention { raw_days, ..Retention::default() };
            let end_ms = unix_ms() - minutes_ago * 60_000;
            let month = Month { servers, hours: days * 24, interval_ms, end_ms, retention, upkeep_lag_ms: 0 };
            print!("{}", month::make(&data, month));
            ExitCode::SUCCESS
        }
        Verb::Numbered { data, servers, last, acks, kill_at, passes } => {
            numbered::run(&data, servers, last, &acks, kill_at.map(|point| (point, passes)));
            ExitCode::SUCCESS
        }
        Verb::Sizes { servers, seconds } => {
            for fleet in [Fleet::Trace, Fleet::Calm] {
                println!("{}{}\n", table(fleet, servers, seconds, &[600, 3600]), stored(fleet, servers, seconds));
            }
            ExitCode::SUCCESS
        }
        Verb::Fleet {
            agents,
            seconds,
            interval_ms,
            ack_each,
            history_hours,
            unpacked,
            history_queries_per_s,
            hub_arguments,
            hub,
        } => {
            let options = SwarmOptions {
                interval: Duration::from_millis(interval_ms),
                backoff: BackoffOptions::default(),
                ack_each_report: ack_each,
            };
            let beside = BesideAgents { history_hours, unpacked, history_queries_per_s };
            fleet(agents, Duration::from_secs(seconds), options, beside, &hub_arguments, hub)
        }
        Verb::Spooled { hub, fingerprint, credentials, spools, interval_ms, drain } => {
            let options = SwarmOptions {
                interval: Duration::from_millis(interval_ms),
                backoff: BackoffOptions {
                    first: Duration::from_millis(50),
                    max: Duration::from_millis(500),
                    refused: Duration::from_millis(500),
                },
                ack_each_report: false,
            };
            spooled(&Target { hub, fingerprint }, &credentials, &spools, options, drain);
            ExitCode::SUCCESS
        }
    }
}

fn spooled(target: &Target, credentials: &Path, spools: &Path, options: SwarmOptions, drain: bool) {
    let credentials = fs::read_to_string(credentials).unwrap_or_else(|error| panic!("credentials: {error}"));
    let credentials: Vec<String> = credentials.lines().map(str::to_owned).collect();
    let outbox = |number: usize| {
        let spool = SpoolOptions { folder: spools.join(number.to_string()), bytes_max: SPOOL_BYTES_MAX };
        Outbox::in_spool(&spool, new_outbox_id()).unwrap_or_else(|error| panic!("{error}"))
    };
    let outboxes = (0..credentials.len()).map(outbox).collect();
    let mut swarm = if drain {
        Swarm::start_silent(target, &credentials, outboxes, options)
    } else {
        Swarm::start_with(target, &credentials, outboxes, options)
    };
    println!("started");
    if drain {
        while swarm.accounts().iter().any(|account| account.acked < account.pushed) {
            thread::sleep(Duration::from_millis(20));
        }
        for account in swarm.finish() {
            println!("{}", account.pushed);
        }
    } else {
        // Only a signal ends it.
        loop {
            thread::park();
        }
    }
}

/// What the hub has to do beside taking reports.
#[derive(Clone, Copy)]
struct BesideAgents {
    history_hours: i64,
    unpacked: bool,
    history_queries_per_s: u32,
}

/// Asks for one metric of one server over an hour, so many times a second, until told to stop; how long each took,
/// microseconds, counted from when it was due.
fn query_history(
    http: std::net::SocketAddr,
    token: &str,
    servers: usize,
    per_s: u32,
    stop: &AtomicBool,
) -> Histogram<u64> {
    let mut latencies = Histogram::new(3).expect("3 digits");
    if per_s == 0 {
        return latencies;
    }
    let metrics = ["cpu", "mem_used", "load1", "net_in_transfer", "net_in_speed"];
    let started = Instant::now();
    for query in 0u32.. {
        let due = started + Duration::from_secs(1) * query / per_s;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if stop.load(Ordering::Acquire) {
            break;
        }
        let (id, metric) = (1 + query as usize * 7 % servers, metrics[query as usize % metrics.len()]);
        let path = format!("/api/v1/server/history?id={id}&metric={metric}&from=-1h");
        let answer = request(http, "GET", &path, &[("Authorization", token)], b"").expect("an answer");
        assert!(answer.status == 200 && answer.text().contains("\"values\":["), "{}", answer.text());
        latencies.record(due.elapsed().as_micros() as u64).expect("a histogram that grows");
    }
    latencies
}

fn fleet(
    agents: usize,
    measured: Duration,
    options: SwarmOptions,
    beside: BesideAgents,
    hub_arguments: &[String],
    hub: Option<PathBuf>,
) -> ExitCode {
    let own_folder = || std::env::current_exe().map(|path| path.with_file_name("windfire"));
    let binary = hub.or_else(|| own_folder().ok()).unwrap_or_else(|| PathBuf::from("windfire"));
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("a temporary folder: {error}"));
    let hub_arguments: Vec<&str> = hub_arguments.iter().map(String::as_str).collect();
    let mut hub = HubProcess::new(&binary, &folder.path().join("data"), &hub_arguments);
    let credentials = if beside.history_hours > 0 {
        let month = Month {
            servers: agents,
            hours: beside.history_hours,
            interval_ms: 1000,
            end_ms: unix_ms(),
            retention: Retention::default(),
            upkeep_lag_ms: if beside.unpacked { beside.history_hours * 3_600_000 } else { 0 },
        };
        print!("{}", month::make(hub.data(), month));
        hub.rotate_credentials()
    } else {
        hub.make_servers(agents, "fleet")
    };
    let token = hub.make_token();
    hub.start();
    println!("hub              http://{}/", hub.http());
    let idle = hub.usage();

    let started = Instant::now();
    let mut swarm = Swarm::start(&hub, &credentials, options);
    while (hub.metric("windfire_sessions_opened_total") as usize) < agents {
        assert!(started.elapsed() < Duration::from_secs(300), "not all agents were welcomed in time");
        thread::sleep(Duration::from_millis(50));
    }
    println!("connected        {agents} agents in {:.1} s", started.elapsed().as_secs_f64());
    // The first seconds settle what a start disturbs.
    thread::sleep(Duration::from_secs(5));

    drop(swarm.take_latencies());
    let (stop, http) = (Arc::new(AtomicBool::new(false)), hub.http());
    let queries = thread::spawn({
        let (stop, per_s) = (Arc::clone(&stop), beside.history_queries_per_s);
        move || query_history(http, &token, agents, per_s, &stop)
    });
    let packed_before = hub.metric("windfire_hours_packed_total");
    let (before, durable_before) = (hub.usage(), hub.metric("windfire_reports_durable_total"));
    let (bytes_before, window) = (hub.metric("windfire_received_bytes_total"), Instant::now());
    thread::sleep(measured);
    let (after, durable_after) = (hub.usage(), hub.metric("windfire_reports_durable_total"));
    let (bytes_after, window_s) = (hub.metric("windfire_received_bytes_total"), window.elapsed().as_secs_f64());
    let latencies = swarm.take_latencies();
    let packed = hub.metric("windfire_hours_packed_total") - packed_before;
    stop.store(true, Ordering::Release);
    let queries = queries.join().unwrap_or_else(|_| panic!("a query failed"));

    let accounts = swarm.finish();
    let (pushed, acked) = accounts.iter().fold((0, 0), |(p, a), account| (p + account.pushed, a + account.acked));

    let (reports, cpu_s) = (durable_after - durable_before, after.cpu_s - before.cpu_s);
    println!("reports          {:.0}/s durable over {window_s:.1} s", reports / window_s);
    println!("frame bytes      {:.1} a report, length included", (bytes_after - bytes_before) / reports);
    println!("hub CPU          {:.2} us a report, {:.1} % of a core", cpu_s * 1e6 / reports, 100.0 * cpu_s / window_s);
    println!(
        "hub memory       {:.1} MiB, {:.1} KiB an agent above {:.1} MiB idle",
        after.rss_bytes as f64 / 1048576.0,
        after.rss_bytes.saturating_sub(idle.rss_bytes) as f64 / 1024.0 / agents as f64,
        idle.rss_bytes as f64 / 1048576.0,
    );
    let ms = |quantile| latencies.value_at_quantile(quantile) as f64 / 1000.0;
    let kind = if options.ack_each_report { "asked with each report" } else { "cumulative, every 5 s" };
    println!("ack latency      p50 {:.1} ms, p99 {:.1} ms, {} samples ({kind})", ms(0.5), ms(0.99), latencies.len());
    println!("history          {packed:.0} hours of a server packed meanwhile");
    if !queries.is_empty() {
        let ms = |quantile| queries.value_at_quantile(quantile) as f64 / 1000.0;
        println!(
            "history queries  p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms, {} of 1 h of one metric",
            ms(0.5),
            ms(0.99),
            queries.max() as f64 / 1000.0,
            queries.len()
        );
    }
    println!("acked            {acked} of {pushed} reports");
    if acked != pushed {
        eprintln!("not every report was acknowledged");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
