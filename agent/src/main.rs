//! The agent's process: options, clock, and the two tasks.

use std::fs;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;
use windfire_agent::backoff::BackoffOptions;
use windfire_agent::clock::Clock;
use windfire_agent::collector::{Collector, CollectorOptions};
use windfire_agent::identity::{Identity, machine_id};
use windfire_agent::limits::{HUBS_MAX, REPORT_INTERVAL_MAX, REPORT_INTERVAL_MIN, SPOOL_BYTES_MAX, SPOOL_BYTES_MIN};
use windfire_agent::link::{Endpoints, Link, LinkOptions};
use windfire_agent::outbox::{Outbox, SpoolOptions, new_outbox_id};
use windfire_agent::sampler::{self, Feed};
use windfire_agent::trust::{Fingerprint, Trust};
use windfire_wire::limits::{IP_TEXT_BYTES_MAX, NAME_BYTES_MAX, SECRET_BYTES_MAX};

/// Reports this machine's status to a Windfire hub, and does nothing else.
#[derive(Parser)]
#[command(name = "windfire-agent", version)]
struct Arguments {
    /// Hub as host:port; several are tried in turn
    #[arg(long = "hub", env = "WINDFIRE_HUB", value_delimiter = ',', required = true)]
    hubs: Vec<String>,
    /// SHA-256 fingerprint of the hub's certificate ("windfire fingerprint" prints it)
    #[arg(long, env = "WINDFIRE_FINGERPRINT", required_unless_present = "ca")]
    fingerprint: Option<Fingerprint>,
    /// PEM file of certificate authorities to trust instead of one fingerprint
    #[arg(long, env = "WINDFIRE_CA", conflicts_with = "fingerprint")]
    ca: Option<PathBuf>,
    /// The server's credential; prefer the environment or a file, which other users cannot see
    #[arg(long, env = "WINDFIRE_CREDENTIAL", hide_env_values = true)]
    credential: Option<String>,
    /// File that holds the credential
    #[arg(long, env = "WINDFIRE_CREDENTIAL_FILE", conflicts_with = "credential")]
    credential_file: Option<PathBuf>,
    /// Enrolment token: makes a server for this machine at the first connection
    #[arg(long, env = "WINDFIRE_ENROL", hide_env_values = true, conflicts_with_all = ["credential", "credential_file"])]
    enrol: Option<String>,
    /// File that holds the enrolment token
    #[arg(long, env = "WINDFIRE_ENROL_FILE", conflicts_with_all = ["credential", "credential_file", "enrol"])]
    enrol_file: Option<PathBuf>,
    /// Name of the server that is made by enrolment; the host name unless given
    #[arg(long, env = "WINDFIRE_NAME")]
    name: Option<String>,
    /// What identifies this machine at enrolment; its machine id unless given
    #[arg(long, env = "WINDFIRE_MACHINE")]
    machine: Option<String>,
    /// Seconds between reports, 1 to 60; the hub may ask for another number within these
    #[arg(long, env = "WINDFIRE_INTERVAL_S", default_value_t = 1, value_parser = interval_bounds())]
    interval_s: u64,
    /// Folder that keeps unacknowledged reports over a restart; in memory only unless given
    #[arg(long, env = "WINDFIRE_SPOOL")]
    spool: Option<PathBuf>,
    /// Bytes that the spool may take
    #[arg(long, env = "WINDFIRE_SPOOL_BYTES_MAX", default_value_t = SPOOL_BYTES_MAX, value_parser = clap::value_parser!(u64).range(SPOOL_BYTES_MIN..))]
    spool_bytes_max: u64,
    /// Public addresses to show, "v4", "v6" or "v4/v6"; as the hub sees the connection unless given
    #[arg(long, env = "WINDFIRE_IP", default_value = "")]
    ip: String,
    /// Report temperature sensors
    #[arg(long, env = "WINDFIRE_TEMPERATURE")]
    temperature: bool,
    /// Report GPUs
    #[arg(long, env = "WINDFIRE_GPU")]
    gpu: bool,
    /// What is logged: error, warn, info, debug
    #[arg(long, env = "WINDFIRE_LOG", default_value = "info")]
    log: String,
}

fn interval_bounds() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(REPORT_INTERVAL_MIN.as_secs()..=REPORT_INTERVAL_MAX.as_secs())
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_new(&arguments.log).unwrap_or_else(|_| EnvFilter::new("info"));
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal)
        .with_target(false)
        .init();
    match start(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: Arguments) -> Result<(), String> {
    let trust = trust(&arguments)?;
    let options = LinkOptions {
        hubs: hubs(&arguments)?,
        identity: identity(&arguments)?,
        backoff: BackoffOptions::default(),
        clock: Clock::new(unix_ms),
        ack_each_frame: false,
    };
    check_length("--ip", &arguments.ip, IP_TEXT_BYTES_MAX)?;
    let outbox = match arguments.spool {
        None => Outbox::in_memory(new_outbox_id()),
        Some(folder) => {
            let spool = SpoolOptions { folder, bytes_max: arguments.spool_bytes_max };
            Outbox::in_spool(&spool, new_outbox_id()).map_err(|error| error.to_string())?
        }
    };
    let collector = CollectorOptions { temperatures: arguments.temperature, gpu: arguments.gpu, ip: arguments.ip };
    let collector = Collector::new(collector).map_err(|error| error.to_string())?;
    let feed = Feed::new(outbox, Duration::from_secs(arguments.interval_s));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    let ended = runtime.block_on(run(options, trust, collector, feed));
    // A name that is still looked up must not hold the process.
    runtime.shutdown_background();
    ended
}

async fn run(options: LinkOptions, trust: Trust, mut collector: Collector, feed: Feed) -> Result<(), String> {
    let (host_sender, host) = watch::channel(collector.host(unix_ms() / 1000));
    let (stop_sender, stop) = watch::channel(false);
    let endpoints = Endpoints::new(trust).map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let link = Link::new(options, endpoints, feed.clone(), host, stop);
    let sampler = tokio::spawn(sampler::run(collector, feed, host_sender, unix_ms));
    let mut signals = Signals::new().map_err(|error| format!("signals cannot be heard: {error}"))?;
    let told_twice = async move {
        signals.next().await;
        tracing::info!("stopping");
        sampler.abort();
        let _link_is_gone = stop_sender.send(true);
        signals.next().await;
        tracing::warn!("told again to stop: what is not acknowledged is not waited for");
    };
    tokio::select! {
        () = link.run() => {}
        () = told_twice => {}
    }
    Ok(())
}

/// What tells the agent to stop. Heard from the start, so that none in between is missed.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        drop(tokio::signal::ctrl_c().await);
    }
}

fn unix_ms() -> i64 {
    // A clock before 1970 is wrong anyway; the hub shows its own time.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn hubs(arguments: &Arguments) -> Result<Vec<String>, String> {
    if arguments.hubs.len() > HUBS_MAX {
        return Err(format!("{} hubs given, at most {HUBS_MAX} may be", arguments.hubs.len()));
    }
    let has_port = |hub: &String| hub.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    match arguments.hubs.iter().find(|hub| !has_port(hub)) {
        Some(hub) => Err(format!("hub {hub:?} is not host:port, such as hub.example:5555")),
        None => Ok(arguments.hubs.clone()),
    }
}

fn trust(arguments: &Arguments) -> Result<Trust, String> {
    match (&arguments.fingerprint, &arguments.ca) {
        (Some(fingerprint), _) => Ok(Trust::Fingerprint(*fingerprint)),
        (None, Some(path)) => {
            let failed = |error: &dyn std::fmt::Display| format!("certificate authorities {}: {error}", path.display());
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))? {
                roots.add(certificate.map_err(|error| failed(&error))?).map_err(|error| failed(&error))?;
            }
            if roots.is_empty() {
                return Err(failed(&"the file holds none"));
            }
            Ok(Trust::Authorities(Arc::new(roots)))
        }
        (None, None) => Err("give the hub's --fingerprint, or a --ca file".to_owned()),
    }
}

fn identity(arguments: &Arguments) -> Result<Identity, String> {
    let from_file = |path: &PathBuf| {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok::<_, String>(text.trim().to_owned())
    };
    let credential = match (&arguments.credential, &arguments.credential_file) {
        (Some(credential), _) => Some(credential.trim().to_owned()),
        (None, Some(path)) => Some(from_file(path)?),
        (None, None) => None,
    };
    let token = match (&arguments.enrol, &arguments.enrol_file) {
        (Some(token), _) => Some(token.trim().to_owned()),
        (None, Some(path)) => Some(from_file(path)?),
        (None, None) => None,
    };
    match (credential, token) {
        (Some(credential), _) => {
            check_length("the credential", &credential, SECRET_BYTES_MAX)?;
            Ok(Identity::of_credential(credential))
        }
        (None, Some(token)) => {
            check_length("the enrolment token", &token, SECRET_BYTES_MAX)?;
            let machine = arguments.machine.clone().or_else(machine_id);
            let machine = machine.ok_or("this machine has no machine id: give --machine with a text of its own")?;
            let name = arguments.name.clone().or_else(|| sysinfo::System::host_name().ok()).unwrap_or_default();
            check_length("--name", &name, NAME_BYTES_MAX)?;
            Ok(Identity::of_enrolment(token, &machine, name))
        }
        (None, None) => {
            Err("give a credential (WINDFIRE_CREDENTIAL) or an enrolment token (WINDFIRE_ENROL)".to_owned())
        }
    }
}

fn check_length(what: &str, text: &str, max: usize) -> Result<(), String> {
    if text.len() > max { Err(format!("{what} of {} bytes is over its limit of {max}", text.len())) } else { Ok(()) }
}
