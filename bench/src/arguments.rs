//! Options of `windfire-bench fleet`.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Args;
use windfire_agent::backoff::BackoffOptions;
use windfire_agent::trust::Fingerprint;
use windfire_bench::clock::unix_ms;
use windfire_bench::fleet::api_load::ApiLoad;
use windfire_bench::fleet::outcome::Outcome;
use windfire_bench::fleet::profile::Profile;
use windfire_bench::fleet::{Hub, OtherHub, Run};
use windfire_bench::hub_process::HubProcess;
use windfire_bench::month::{self, Month};
use windfire_bench::swarm::{SwarmOptions, Target};
use windfire_bench::workload::Trace;
use windfire_engine::history::Retention;

/// The hub's option that bounds the memory of what clients ask.
const MEMORY_OPTION: &str = "--memory-bytes-max";
/// Its value for the profile `hostile`, if none is given: a quarter of a gibibyte, so that an attack meets the bound.
const HOSTILE_MEMORY_BYTES_MAX: u64 = 256 * 1024 * 1024;

#[derive(Args)]
pub(crate) struct FleetArguments {
    /// Agents (with --hub there is one per credential)
    #[arg(long, default_value_t = 1000)]
    agents: usize,
    /// Time between two reports of one agent, such as 1s or 500ms
    #[arg(long, default_value = "1s", value_parser = duration)]
    interval: Duration,
    /// Time of measured reporting, such as 60s or 15m
    #[arg(long, default_value = "60s", value_parser = duration)]
    duration: Duration,
    /// Time over which the agents start [default: one second per 500 agents]
    #[arg(long, value_parser = duration)]
    ramp: Option<Duration>,
    /// Events during the measurement
    #[arg(long, value_enum, default_value_t = Profile::Steady)]
    profile: Profile,
    /// Kill the hub and start it at once, again and again after this time, such as 10m
    #[arg(long, value_parser = duration)]
    kill_every: Option<Duration>,
    /// Readings to replay: a line of names, then one line per second with 15 numbers [default: the built-in trace]
    #[arg(long)]
    trace: Option<PathBuf>,
    /// API requests to send: details, details-304, details-gzip, list, history, with rates, such as
    /// details=50/s,list=20/s
    #[arg(long, value_delimiter = ',')]
    api: Vec<ApiLoad>,
    /// Write all figures to this file
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Write a page with charts to this file
    #[arg(long)]
    pub(crate) report: Option<PathBuf>,
    /// Start a hub on an empty folder, on these cores, such as 0 or 0,1, or on all cores if none are named. This is the
    /// default without --hub
    #[arg(long, num_args = 0..=1, default_missing_value = "", conflicts_with = "hub")]
    spawn: Option<String>,
    /// The hub's binary [default: windfire, next to this program]
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Argument for the hub's "serve", such as --hub-arg=--commit-interval-ms=20 (may be repeated)
    #[arg(long = "hub-arg", allow_hyphen_values = true)]
    hub_arguments: Vec<String>,
    /// Readings of an agent that are taken at a time, with their proper times. This saves most of the generator's work.
    /// The hub sees no difference if it asks for at least as many samples per frame
    #[arg(long, default_value_t = 1)]
    readings_at_once: u32,
    /// Threads that the agents share [default: as many as cores]
    #[arg(long)]
    threads: Option<usize>,
    /// Ask for an ack of every frame: measures how long one takes, and costs packets
    #[arg(long)]
    ack_each: bool,
    /// Hours of history, with one report per second, that the hub has before it starts
    #[arg(long, default_value_t = 0)]
    history_hours: i64,
    /// Let the hub pack all of that history during the measurement
    #[arg(long)]
    unpacked: bool,
    /// A hub that already runs, as host:port
    #[arg(long, requires_all = ["fingerprint", "http", "token", "credentials"])]
    hub: Option<String>,
    /// That hub's fingerprint
    #[arg(long)]
    fingerprint: Option<Fingerprint>,
    /// That hub's HTTP address
    #[arg(long)]
    http: Option<SocketAddr>,
    /// A token of that hub that may read
    #[arg(long)]
    token: Option<String>,
    /// File with credentials of that hub, one per line, for one agent each
    #[arg(long)]
    credentials: Option<PathBuf>,
}

impl FleetArguments {
    /// Does the measurement.
    pub(crate) fn run(self) -> Result<Outcome, String> {
        let named = |path: &PathBuf| fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
        let trace = match &self.trace {
            Some(path) => Trace::parse(&named(path)?).map_err(|error| format!("{}: {error}", path.display()))?,
            None => Trace::new(),
        };
        // Removed when the run is over.
        let folder = tempfile::tempdir().map_err(|error| format!("a temporary folder: {error}"))?;
        let is_hostile = self.profile == Profile::Hostile;
        let mut hub_arguments = self.hub_arguments.clone();
        if is_hostile && !hub_arguments.iter().any(|argument| argument.starts_with(MEMORY_OPTION)) {
            hub_arguments.push(format!("{MEMORY_OPTION}={HOSTILE_MEMORY_BYTES_MAX}"));
        }
        let memory_bytes_max = self.hub.is_none().then(|| memory_bytes_max(&hub_arguments)).flatten();
        let (hub, credentials, token) = match (&self.hub, self.fingerprint, self.http, &self.token, &self.credentials) {
            (Some(hub), Some(fingerprint), Some(http), Some(token), Some(credentials)) => {
                let target = Target { hubs: vec![hub.clone()], fingerprint };
                let credentials = named(credentials)?.lines().map(str::to_owned).collect();
                (Hub::Other(OtherHub { target, http }), credentials, token.clone())
            }
            _ => {
                let own_folder = || std::env::current_exe().map(|path| path.with_file_name("windfire"));
                let binary =
                    self.binary.clone().or_else(|| own_folder().ok()).unwrap_or_else(|| PathBuf::from("windfire"));
                let arguments: Vec<&str> = hub_arguments.iter().map(String::as_str).collect();
                let hub = HubProcess::new(&binary, &folder.path().join("data"), &arguments)
                    .on_cores(self.spawn.as_deref().unwrap_or(""));
                let credentials = self.make_servers(&hub);
                if is_hostile {
                    hub.leave_out_last();
                }
                let token = hub.make_token();
                (Hub::Own(Box::new(hub)), credentials, token)
            }
        };
        let threads = self.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, std::num::NonZero::get));
        let ramp = self.ramp.unwrap_or_else(|| Duration::from_secs_f64(credentials.len() as f64 / 500.0));
        let swarm = SwarmOptions {
            interval: self.interval,
            backoff: BackoffOptions::default(),
            ack_each_report: self.ack_each,
            ramp,
            threads,
            readings_at_once: self.readings_at_once.clamp(1, 60),
            trace: Some(Arc::new(trace)),
            ..SwarmOptions::default()
        };
        let run = Run {
            hub,
            credentials,
            token,
            swarm,
            measured: self.duration,
            profile: self.profile,
            kill_every: self.kill_every,
            api: self.api,
            memory_bytes_max,
        };
        Ok(run.measure())
    }

    fn make_servers(&self, hub: &HubProcess) -> Vec<String> {
        let servers = self.agents + usize::from(self.profile == Profile::Hostile);
        if self.history_hours == 0 {
            return hub.make_servers(servers, "fleet");
        }
        let month = Month {
            servers,
            hours: self.history_hours,
            interval_ms: 1000,
            end_ms: unix_ms(),
            retention: Retention::default(),
            upkeep_lag_ms: if self.unpacked { self.history_hours * 3_600_000 } else { 0 },
        };
        print!("{}", month::make(hub.data(), month));
        hub.rotate_credentials()
    }
}

/// The hub's `memory_bytes_max`, if its arguments have one.
fn memory_bytes_max(hub_arguments: &[String]) -> Option<u64> {
    let at = hub_arguments.iter().position(|argument| argument.starts_with(MEMORY_OPTION))?;
    let value: &str = match hub_arguments[at].split_once('=') {
        Some((_, value)) => value,
        None => hub_arguments.get(at + 1)?,
    };
    value.parse().ok()
}

/// Reads a time such as 500ms, 60s, 15m or 1h.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a time such as 500ms, 60s, 15m or 1h");
    let end = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let number: f64 = text[..end].parse().map_err(|_| wrong())?;
    let seconds = match &text[end..] {
        "ms" => number / 1000.0,
        "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero()).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hubs_bound_of_memory_is_found_in_either_form() {
        let found = |arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
            memory_bytes_max(&arguments)
        };
        assert_eq!(found(&["--commit-interval-ms=20", "--memory-bytes-max=67108864"]), Some(67_108_864));
        assert_eq!(found(&["--memory-bytes-max", "67108864"]), Some(67_108_864));
        assert_eq!(found(&["--commit-interval-ms=20"]), None);
    }

    #[test]
    fn a_time_has_a_unit() {
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("15m"), Ok(Duration::from_secs(900)));
        for wrong in ["15", "0s", "-1s", "s", "1d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
