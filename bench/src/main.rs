//! The harness' command line.

#![allow(clippy::cast_possible_truncation, reason = "simulated numbers, and counts that are small")]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::{Parser, Subcommand};
use windfire_agent::backoff::BackoffOptions;
use windfire_agent::limits::SPOOL_BYTES_MAX;
use windfire_agent::outbox::{Outbox, SpoolOptions, new_outbox_id};
use windfire_agent::trust::Fingerprint;
use windfire_bench::clock::unix_ms;
use windfire_bench::compare::{self, Work};
use windfire_bench::crashed_log::{self, COMMITS_PER_S_USUAL, CrashedLog};
use windfire_bench::fleet::report;
use windfire_bench::fleet::storm::Storm;
use windfire_bench::month::{self, Month};
use windfire_bench::numbered::{self, Numbered};
use windfire_bench::sizes::{Fleet, stored, table};
use windfire_bench::start::Killed;
use windfire_bench::swarm::{Account, Swarm, SwarmOptions, Target};
use windfire_engine::FailPoint;
use windfire_engine::history::Retention;

use arguments::FleetArguments;
use cluster_arguments::ClusterArguments;

mod arguments;
mod cluster_arguments;

/// Time between two lines of accounts of agents with spools.
const ACCOUNTS_INTERVAL: Duration = Duration::from_millis(5);

// A hundred thousand simulated agents allocate and free small things all the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures a hub under a fleet.
#[derive(Parser)]
#[command(name = "windfire-bench", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Measure a hub under a fleet of agents in this process
    Fleet(Box<FleetArguments>),
    /// Measure hubs of one cluster with three brokers: under agents, then with batches that are published without agents
    Cluster(ClusterArguments),
    /// Draw several runs of `fleet --json` as charts by agents, load and time
    Plot {
        /// Files that `fleet --json` wrote
        #[arg(required = true)]
        runs: Vec<PathBuf>,
        /// Folder for the charts
        #[arg(long)]
        out: PathBuf,
    },
    /// Give the same work to a hub and to VictoriaMetrics, one after the other, and print the figures of both
    Compare {
        /// VictoriaMetrics' binary
        #[arg(long, default_value = "victoria-metrics")]
        victoria: PathBuf,
        /// Servers whose reports are taken as fast as possible
        #[arg(long, default_value_t = 1000)]
        servers: usize,
        /// Reports of each, one second apart: an agent keeps 3,600
        #[arg(long, default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=3600))]
        seconds: u64,
        /// Servers that report live, with one report per second each
        #[arg(long, default_value_t = 10_000)]
        live_servers: usize,
        /// Seconds of live reports
        #[arg(long, default_value_t = 60)]
        live_seconds: u64,
        /// Cores for the hub and for the other, such as 0 or 0,1 (the rest of the machine is for the load)
        #[arg(long, default_value = "0")]
        spawn: String,
    },
    /// Print the size of history on disk, per field, compared with Gorilla and zstd
    Sizes {
        /// Servers
        #[arg(long, default_value_t = 200)]
        servers: usize,
        /// Seconds of reports, one per second
        #[arg(long, default_value_t = 7200)]
        seconds: usize,
    },
    /// Generate days of history of a calm fleet in fast time, in a stopped hub's data folder
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
    /// Leave a log as a hub does that is killed under load, with nothing of it in history, in a new data folder
    CrashedLog {
        /// The data folder
        #[arg(long)]
        data: PathBuf,
        /// Servers, each with a report a second
        #[arg(long, default_value_t = 100_000)]
        servers: usize,
        /// Seconds of reports until now
        #[arg(long, default_value_t = 600)]
        seconds: i64,
    },
    /// Leave such a log in a new folder, start a hub on it, and measure when it answers
    Start {
        /// The data folder [default: a temporary one]
        #[arg(long)]
        data: Option<PathBuf>,
        /// Servers, each with a report a second
        #[arg(long, default_value_t = 100_000)]
        servers: usize,
        /// Seconds of reports until now
        #[arg(long, default_value_t = 600)]
        seconds: i64,
        /// Let the system forget all files before the start; needs root
        #[arg(long)]
        cold: bool,
    },
    /// Stop half of a fleet at once, let it come back at once, and kill the hub under all of it: count what channels
    /// are told of that, and fail if it is more than a few messages
    Storm {
        /// Agents, of which half stop
        #[arg(long, default_value_t = 10_000)]
        agents: usize,
        /// Seconds without a report after which the rule fires
        #[arg(long, default_value_t = 20)]
        offline_s: u32,
        /// Seconds for which acks and passes are timed before and after
        #[arg(long, default_value_t = 30)]
        steady_s: u64,
        /// Cores for the hub, such as 0 or 0,1 [default: all]
        #[arg(long, default_value = "", hide_default_value = true)]
        spawn: String,
    },
    /// Report in fast time into a separate store, and die at a named point; for tests
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
        /// Folder of the newest backup
        #[arg(long)]
        backup: PathBuf,
        /// Name of the point to die at
        #[arg(long, value_parser = fail_point)]
        kill_at: Option<FailPoint>,
        /// Pass of that point at which to die, counted from 1
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
        passes: u64,
    },
    /// Run agents with spools against a hub that already runs, until killed (for tests)
    Spooled {
        /// Hub as host:port
        #[arg(long)]
        hub: String,
        /// The hub's fingerprint
        #[arg(long)]
        fingerprint: Fingerprint,
        /// File with one credential per line, for one agent each
        #[arg(long)]
        credentials: PathBuf,
        /// Folder for the spools
        #[arg(long)]
        spools: PathBuf,
        /// Milliseconds between two reports of one agent
        #[arg(long, default_value_t = 100)]
        interval_ms: u64,
        /// Readings of each agent from before its start, with their proper times
        #[arg(long, default_value_t = 0)]
        backlog: u32,
        /// Number of each agent's first report [default: the one after those of its spool]
        #[arg(long)]
        first_number: Option<u64>,
        /// File to which lines are appended all the time: of each agent, how many reports its spool took, and how many
        /// of them are acknowledged
        #[arg(long)]
        accounts: Option<PathBuf>,
        /// Create no reports: only send those in the spools, and end when all of them are acknowledged
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
        Verb::Numbered { data, servers, last, acks, backup, kill_at, passes } => {
            let kill_at = kill_at.map(|point| (point, passes));
            numbered::run(&Numbered { data: &data, servers, last, acks: &acks, backup: &backup, kill_at });
            ExitCode::SUCCESS
        }
        Verb::CrashedLog { data, servers, seconds } => {
            let log = CrashedLog { servers, seconds, commits_per_s: COMMITS_PER_S_USUAL, end_ms: unix_ms() };
            print!("{}", crashed_log::leave(&data, log));
            ExitCode::SUCCESS
        }
        Verb::Start { data, servers, seconds, cold } => start(data, Killed { servers, seconds }, cold),
        Verb::Storm { agents, offline_s, steady_s, spawn } => {
            storm(Storm { agents, offline_s, steady: Duration::from_secs(steady_s) }, &spawn)
        }
        Verb::Sizes { servers, seconds } => {
            for fleet in [Fleet::Trace, Fleet::Calm] {
                println!("{}{}\n", table(fleet, servers, seconds, &[600, 3600]), stored(fleet, servers, seconds));
            }
            ExitCode::SUCCESS
        }
        Verb::Fleet(arguments) => fleet(*arguments),
        Verb::Cluster(arguments) => match arguments.run() {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("windfire-bench: {error}");
                ExitCode::FAILURE
            }
        },
        Verb::Compare { victoria, servers, seconds, live_servers, live_seconds, spawn } => {
            let seconds = seconds as usize;
            let work = Work { servers, seconds, live_servers, live_s: live_seconds, cores: spawn };
            let own = std::env::current_exe().map(|path| path.with_file_name("windfire"));
            match own.and_then(|hub| compare::run(&work, &hub, &victoria)) {
                Ok(figures) => {
                    print!("{}", compare::table(&work, &figures));
                    ExitCode::SUCCESS
                }
                Err(error) => {
                    eprintln!("windfire-bench: {error}");
                    ExitCode::FAILURE
                }
            }
        }
        Verb::Plot { runs, out } => plot(&runs, &out),
        Verb::Spooled {
            hub,
            fingerprint,
            credentials,
            spools,
            interval_ms,
            backlog,
            first_number,
            accounts,
            drain,
        } => {
            let options = SwarmOptions {
                interval: Duration::from_millis(interval_ms),
                backoff: BackoffOptions {
                    first: Duration::from_millis(50),
                    max: Duration::from_millis(500),
                    refused: Duration::from_millis(500),
                },
                ack_each_report: false,
                backlog,
                first_number,
                ..SwarmOptions::default()
            };
            let spooled = Spooled { target: Target { hubs: vec![hub], fingerprint }, credentials, spools, options };
            if drain {
                spooled.drain();
            } else {
                spooled.report(accounts.as_deref());
            }
            ExitCode::SUCCESS
        }
    }
}

fn start(data: Option<PathBuf>, killed: Killed, cold: bool) -> ExitCode {
    let scratch = tempfile::tempdir();
    let folder = data.or_else(|| scratch.as_ref().ok().map(|scratch| scratch.path().join("data")));
    let hub = std::env::current_exe().map(|path| path.with_file_name("windfire"));
    let (Some(folder), Ok(hub)) = (folder, hub) else {
        eprintln!("windfire-bench: no temporary folder, or no hub next to this program");
        return ExitCode::FAILURE;
    };
    let mut forgotten = Ok(());
    let forget = || {
        if cold {
            rustix::fs::sync();
            forgotten = fs::write("/proc/sys/vm/drop_caches", "3");
        }
    };
    let table = windfire_bench::start::measure(&hub, &folder, killed, forget);
    if let Err(error) = forgotten {
        eprintln!("windfire-bench: /proc/sys/vm/drop_caches: {error}: run it as root, or without --cold");
        return ExitCode::FAILURE;
    }
    print!("{table}");
    ExitCode::SUCCESS
}

fn storm(storm: Storm, cores: &str) -> ExitCode {
    let hub = std::env::current_exe().map(|path| path.with_file_name("windfire"));
    let (Ok(folder), Ok(hub)) = (tempfile::tempdir(), hub) else {
        eprintln!("windfire-bench: no temporary folder, or no hub next to this program");
        return ExitCode::FAILURE;
    };
    let outcome = storm.run(&hub, &folder.path().join("data"), cores);
    print!("{}", outcome.table());
    if outcome.is_as_promised() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn fail_point(name: &str) -> Result<FailPoint, String> {
    FailPoint::named(name).ok_or_else(|| {
        let names: Vec<&str> = FailPoint::ALL.iter().map(|point| point.name()).collect();
        format!("{name:?} must be one of {}", names.join(", "))
    })
}

/// Agents with spools.
struct Spooled {
    target: Target,
    credentials: PathBuf,
    spools: PathBuf,
    options: SwarmOptions,
}

impl Spooled {
    /// Starts them with `start`, and says so.
    fn start(self, start: fn(&Target, &[String], Vec<Outbox>, SwarmOptions) -> Swarm) -> Swarm {
        let credentials = fs::read_to_string(&self.credentials).unwrap_or_else(|error| panic!("credentials: {error}"));
        let credentials: Vec<String> = credentials.lines().map(str::to_owned).collect();
        let outbox = |number: usize| {
            let spool = SpoolOptions { folder: self.spools.join(number.to_string()), bytes_max: SPOOL_BYTES_MAX };
            Outbox::in_spool(&spool, new_outbox_id()).unwrap_or_else(|error| panic!("{error}"))
        };
        let outboxes = (0..credentials.len()).map(outbox).collect();
        let swarm = start(&self.target, &credentials, outboxes, self.options);
        println!("started");
        swarm
    }

    /// Sends the reports in the spools, and prints how many each spool took when all of them are acknowledged.
    fn drain(self) {
        let mut swarm = self.start(Swarm::start_silent);
        while swarm.accounts().iter().any(|account| account.acked < account.pushed) {
            thread::sleep(Duration::from_millis(20));
        }
        for account in swarm.finish() {
            println!("{}", account.pushed);
        }
    }

    /// Makes reports until a signal ends the process, and appends accounts to a file.
    fn report(self, accounts: Option<&Path>) {
        let swarm = self.start(Swarm::start_with);
        let named = |path: &Path| File::create(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let Some(mut file) = accounts.map(named) else {
            loop {
                thread::park();
            }
        };
        loop {
            let account = |account: &Account| format!("{}/{}", account.pushed, account.acked);
            let line: Vec<String> = swarm.accounts().iter().map(account).collect();
            file.write_all((line.join(" ") + "\n").as_bytes()).expect("accounts written");
            thread::sleep(ACCOUNTS_INTERVAL);
        }
    }
}

fn fleet(arguments: FleetArguments) -> ExitCode {
    let json = arguments.json.clone();
    let report_file = arguments.report.clone();
    let outcome = match arguments.run() {
        Ok(outcome) => outcome,
        Err(error) => {
            eprintln!("windfire-bench: {error}");
            return ExitCode::FAILURE;
        }
    };
    print!("{}", outcome.table());
    let written = [(json, format!("{:#}\n", outcome.json())), (report_file, report::html(&outcome))];
    for (path, text) in written {
        if let Some(path) = path
            && let Err(error) = fs::write(&path, text)
        {
            eprintln!("windfire-bench: {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    let broken = outcome.broken_promises();
    for promise in &broken {
        eprintln!("windfire-bench: {promise}");
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn plot(runs: &[PathBuf], out: &Path) -> ExitCode {
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    };
    let draw = || {
        let runs: Vec<serde_json::Value> = runs.iter().map(read).collect::<Result<_, String>>()?;
        fs::create_dir_all(out).map_err(|error| format!("{}: {error}", out.display()))?;
        for (name, svg) in report::of_runs(&runs)? {
            fs::write(out.join(name), svg).map_err(|error| format!("{name}: {error}"))?;
        }
        Ok::<(), String>(())
    };
    match draw() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("windfire-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
