//! The agent's process: options, clock, and the two tasks.

mod manual;
mod service;

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use windfire_agent::address::HubList;
use windfire_agent::backoff::BackoffOptions;
use windfire_agent::clock::Clock;
use windfire_agent::collector::{Collector, CollectorOptions};
use windfire_agent::doctor::{self, DoctorOptions, SecretSource};
use windfire_agent::given::{
    log_filter, plain, secret, secret_of_file, server_name, shown_addresses, some_text, truth, value,
};
use windfire_agent::identity::{Identity, host_name, machine_id};
use windfire_agent::limits::{
    CA_FILE_BYTES_MAX, KEEP_TIMEOUT, REPORT_INTERVAL_MAX, REPORT_INTERVAL_MIN, SPOOL_BYTES_MAX, SPOOL_BYTES_MIN,
};
use windfire_agent::link::{Endpoints, Link, LinkOptions};
use windfire_agent::outbox::{Outbox, SpoolOptions, new_outbox_id};
use windfire_agent::sampler::{self, Feed};
use windfire_agent::trust::{Fingerprint, Trust};
use windfire_agent::variables::misspelt;
use windfire_log::{Lines, LogFormat};
use windfire_service::ServiceManager;
use windfire_wire::limits::IP_TEXT_BYTES_MAX;

/// Reports this machine's status to a Windfire hub, and does nothing else.
#[derive(Parser)]
#[command(
    name = "windfire-agent",
    version,
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    arguments: Arguments,
}

/// What the agent does instead of reporting.
#[derive(Subcommand)]
enum Verb {
    /// Check the way to the hub, the spool and the readings, and say what to do
    Doctor(Box<DoctorArguments>),
    #[command(flatten)]
    Manual(manual::Verb),
}

#[derive(Args)]
struct DoctorArguments {
    #[command(flatten)]
    agent: Arguments,
    /// Show the credential to the hub (disconnects an agent that runs with it for up to five minutes)
    #[arg(long)]
    session: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Arguments {
    /// Hub as host:port (default port: 5555), or several, separated by commas, which are tried in a random order
    #[arg(long = "hub", env = "WINDFIRE_HUB", value_name = "HOST[:PORT]", required = true)]
    hubs: Vec<HubList>,
    /// SHA-256 fingerprint of the hub's certificate ("windfire fingerprint" prints it)
    #[arg(long, env = "WINDFIRE_FINGERPRINT", required_unless_present = "ca")]
    fingerprint: Option<Fingerprint>,
    /// PEM file of certificate authorities to trust instead of one fingerprint
    #[arg(long, env = "WINDFIRE_CA", conflicts_with = "fingerprint")]
    ca: Option<PathBuf>,
    /// The server's credential (prefer the environment or a file, which other users cannot see)
    #[arg(long, env = "WINDFIRE_CREDENTIAL", hide_env_values = true)]
    credential: Option<String>,
    /// File that holds the credential
    #[arg(long, env = "WINDFIRE_CREDENTIAL_FILE", conflicts_with = "credential")]
    credential_file: Option<PathBuf>,
    /// Enrolment token: creates a server for this machine at the first connection
    #[arg(long, env = "WINDFIRE_ENROL", hide_env_values = true, conflicts_with_all = ["credential", "credential_file"])]
    enrol: Option<String>,
    /// File that holds the enrolment token
    #[arg(long, env = "WINDFIRE_ENROL_FILE", conflicts_with_all = ["credential", "credential_file", "enrol"])]
    enrol_file: Option<PathBuf>,
    /// Name of the server that enrolment creates (default: the host name)
    #[arg(long, env = "WINDFIRE_NAME", value_parser = server_name)]
    name: Option<String>,
    /// Text that identifies this machine at enrolment (default: its machine id)
    #[arg(long, env = "WINDFIRE_MACHINE", value_parser = machine)]
    machine: Option<String>,
    /// Seconds between reports, 1 to 60 (the hub may ask for another number in this range)
    #[arg(long, env = "WINDFIRE_INTERVAL_S", default_value_t = 1, value_parser = interval_s)]
    interval_s: u64,
    /// Folder that keeps unacknowledged reports over a restart (default: they are kept in memory only)
    #[arg(long, env = "WINDFIRE_SPOOL")]
    spool: Option<PathBuf>,
    /// Bytes that the spool may take
    #[arg(long, env = "WINDFIRE_SPOOL_BYTES_MAX", default_value_t = SPOOL_BYTES_MAX, value_parser = spool_bytes_max)]
    spool_bytes_max: u64,
    /// Public addresses to show, "v4", "v6" or "v4/v6" (default: the address that the hub sees)
    #[arg(long, env = "WINDFIRE_IP", value_parser = shown_addresses)]
    ip: Option<String>,
    /// Report temperature sensors
    #[arg(long, env = "WINDFIRE_TEMPERATURE", value_parser = truth)]
    temperature: bool,
    /// Report GPUs
    #[arg(long, env = "WINDFIRE_GPU", value_parser = truth)]
    gpu: bool,
    /// Folder where the host's root is mounted, in a container that reports its host (default: this machine)
    #[arg(long, env = "WINDFIRE_HOST_ROOT", value_name = "DIR")]
    host_root: Option<PathBuf>,
    /// What is logged: error, warn, info, debug
    #[arg(long, env = "WINDFIRE_LOG", default_value = "info", value_parser = log_filter)]
    log: Targets,
    /// How the log is written: text or json
    #[arg(long, env = "WINDFIRE_LOG_FORMAT", default_value_t = LogFormat::Text, value_parser = value::<LogFormat>)]
    log_format: LogFormat,
}

impl Arguments {
    /// The root of the machine that is reported.
    fn root(&self) -> &Path {
        self.host_root.as_deref().unwrap_or(Path::new("/"))
    }
}

/// Used as it is, with blanks and quotes, because the credentials of enrolled machines depend on it.
fn machine(text: &str) -> Result<String, String> {
    some_text(text).map(|_| text.to_owned())
}

fn interval_s(text: &str) -> Result<u64, String> {
    let (min, max) = (REPORT_INTERVAL_MIN.as_secs(), REPORT_INTERVAL_MAX.as_secs());
    value(text)
        .and_then(|s| if (min..=max).contains(&s) { Ok(s) } else { Err(format!("{s} is not within {min} to {max}")) })
}

fn spool_bytes_max(text: &str) -> Result<u64, String> {
    value(text).and_then(|bytes| {
        if bytes >= SPOOL_BYTES_MIN { Ok(bytes) } else { Err(format!("it must be at least {SPOOL_BYTES_MIN}")) }
    })
}

/// The same command, for which an empty variable counts as unset, because some tools cannot leave one out.
fn without_blank_variables(command: Command) -> Command {
    let is_blank = |name: &std::ffi::OsStr| std::env::var(name).is_ok_and(|value| plain(&value).is_empty());
    let command =
        command.mut_args(|arg| if arg.get_env().is_some_and(is_blank) { arg.env(Resettable::Reset) } else { arg });
    command.mut_subcommands(without_blank_variables)
}

/// The command line, and whether a secret for the doctor stands in it.
fn cli() -> (Cli, bool) {
    let mut command = without_blank_variables(Cli::command());
    let matches = command.get_matches_mut();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit());
    (cli, is_secret_shown(&matches))
}

/// Whether the doctor got a secret as an option, which every user of the machine can see.
fn is_secret_shown(matches: &ArgMatches) -> bool {
    let is_shown = |option: &str| {
        let doctor = matches.subcommand_matches("doctor");
        doctor.and_then(|given| given.value_source(option)) == Some(ValueSource::CommandLine)
    };
    is_shown("credential") || is_shown("enrol")
}

/// A misspelt variable has no effect. It is a warning and no error, because variables of other programs may look alike.
fn warn_of_misspelt_variables() {
    let name_of = |argument: &Arg| argument.get_env()?.to_str().map(str::to_owned);
    let known: Vec<String> = Cli::command().get_arguments().filter_map(name_of).collect();
    let set = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for (name, meant) in misspelt(&known, set) {
        tracing::warn!("variable {name} is unknown and ignored: did you mean {meant}?");
    }
}

fn main() -> ExitCode {
    let (Cli { verb, arguments }, is_secret_shown) = cli();
    if let Some(Verb::Doctor(doctor)) = verb {
        return examine(*doctor, is_secret_shown);
    }
    windfire_log::set_format(arguments.log_format);
    windfire_log::write_panics();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .event_format(Lines::of_stderr())
        // The agent continues if the log's reader goes away.
        .log_internal_errors(false);
    tracing_subscriber::registry().with(lines).with(arguments.log.clone()).init();
    warn_of_misspelt_variables();
    let ended = match verb {
        Some(Verb::Manual(verb)) => manual::print(&verb, Cli::command()),
        Some(Verb::Doctor(_)) | None => start(arguments),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints what the doctor finds. The exit code is that of the worst.
fn examine(doctor: DoctorArguments, is_secret_shown: bool) -> ExitCode {
    let DoctorArguments { agent: arguments, session: with_session, json: is_json } = doctor;
    let file = arguments.credential_file.clone().or_else(|| arguments.enrol_file.clone());
    let source = match file {
        _ if is_secret_shown => SecretSource::CommandLine,
        Some(path) => SecretSource::File(path),
        None if arguments.credential.is_some() || arguments.enrol.is_some() => SecretSource::Variable,
        None => SecretSource::Missing,
    };
    let options = DoctorOptions {
        hubs: hubs(&arguments),
        trust: trust(&arguments),
        identity: identity(&arguments),
        source,
        spool: arguments.spool.map(|folder| SpoolOptions { folder, bytes_max: arguments.spool_bytes_max }),
        collector: CollectorOptions {
            temperatures: arguments.temperature,
            gpu: arguments.gpu,
            ip: String::new(),
            transfers: None,
            host_root: arguments.host_root,
        },
        clock: Clock::new(unix_ms),
        with_session,
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _nobody_hears = writeln!(std::io::stderr(), "windfire-agent: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let findings = runtime.block_on(doctor::examine(options));
    // A name lookup that is still running must not keep the process alive.
    runtime.shutdown_background();
    let said = if is_json {
        windfire_doctor::json("windfire-agent", env!("CARGO_PKG_VERSION"), &findings)
    } else {
        windfire_doctor::text(&findings)
    };
    // The reader may have closed the pipe, as "head" does.
    let _is_read = writeln!(std::io::stdout(), "{said}");
    ExitCode::from(windfire_doctor::exit_code(&findings))
}

fn start(arguments: Arguments) -> Result<(), String> {
    // First, because the machine's id is below the host's root too.
    if let Some(host_root) = &arguments.host_root {
        Collector::check(host_root).map_err(|error| error.to_string())?;
    }
    let trust = trust(&arguments)?;
    let options = LinkOptions {
        hubs: hubs(&arguments)?,
        identity: identity(&arguments)?,
        backoff: BackoffOptions::default(),
        clock: Clock::new(unix_ms),
        ack_each_frame: false,
    };
    let transfers = arguments.spool.as_ref().map(|folder| folder.join("transfers"));
    let root = arguments.root().to_owned();
    let outbox = match arguments.spool {
        None => Outbox::in_memory(new_outbox_id()),
        Some(folder) => {
            let spool = SpoolOptions { folder, bytes_max: arguments.spool_bytes_max };
            Outbox::in_spool_of(&root, &spool, new_outbox_id()).map_err(|error| error.to_string())?
        }
    };
    let collector = CollectorOptions {
        temperatures: arguments.temperature,
        gpu: arguments.gpu,
        ip: arguments.ip.unwrap_or_default(),
        transfers,
        host_root: arguments.host_root,
    };
    let collector = Collector::new(collector).map_err(|error| error.to_string())?;
    let feed = Feed::new(outbox, Duration::from_secs(arguments.interval_s));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    let ended = runtime.block_on(run(options, trust, collector, feed));
    // A name lookup that is still running must not keep the process alive.
    runtime.shutdown_background();
    ended
}

async fn run(options: LinkOptions, trust: Trust, mut collector: Collector, feed: Feed) -> Result<(), String> {
    let mut signals = Signals::new().map_err(|error| format!("signals cannot be handled: {error}"))?;
    let (host_sender, host) = watch::channel(collector.host(unix_ms() / 1000));
    let (stop_sender, stop) = watch::channel(false);
    let endpoints = Endpoints::new(trust).map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let link = Link::new(options, endpoints, feed.clone(), host, stop);
    let manager = ServiceManager::from_environment();
    let telling = service::run(&manager, feed.clone());
    let (stop_sampling, sampling_stop) = watch::channel(false);
    let sampler = tokio::spawn(sampler::run(collector, feed, host_sender, sampling_stop, unix_ms));
    let told_twice = async {
        signals.next().await;
        tracing::info!("stopping");
        manager.stopping("stopping: the last reports are sent");
        let stopped_in_order = async {
            let _sampler_is_gone = stop_sampling.send(true);
            let _in_time = timeout(KEEP_TIMEOUT, sampler).await;
            let _link_is_gone = stop_sender.send(true);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = stopped_in_order => {}
            () = signals.next() => {}
        }
        tracing::warn!("a second signal to stop: the agent does not wait for acks");
    };
    tokio::select! {
        () = link.run() => {}
        () = told_twice => {}
        never = telling => match never {},
    }
    Ok(())
}

/// Signals to stop. They are handled from the start, so that none is missed.
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
    // A clock before 1970 is wrong anyway. The hub shows its own time.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn hubs(arguments: &Arguments) -> Result<Vec<String>, String> {
    let given = arguments.hubs.iter().flat_map(|list| list.0.iter().cloned());
    Ok(HubList::of(given)?.0.iter().map(ToString::to_string).collect())
}

fn trust(arguments: &Arguments) -> Result<Trust, String> {
    match (&arguments.fingerprint, &arguments.ca) {
        (Some(fingerprint), _) => Ok(Trust::Fingerprint(*fingerprint)),
        (None, Some(path)) => {
            let failed = |error: &dyn std::fmt::Display| format!("certificate authorities {}: {error}", path.display());
            let mut roots = RootCertStore::empty();
            let mut pem = Vec::new();
            let file = File::open(path).map_err(|error| failed(&error))?;
            file.take(CA_FILE_BYTES_MAX).read_to_end(&mut pem).map_err(|error| failed(&error))?;
            // Editors begin a file with a mark, which would hide the first certificate.
            let pem = pem.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&pem);
            for certificate in CertificateDer::pem_slice_iter(pem) {
                roots.add(certificate.map_err(|error| failed(&error))?).map_err(|error| failed(&error))?;
            }
            if roots.is_empty() {
                return Err(failed(&"the file has none: it must have -----BEGIN CERTIFICATE-----"));
            }
            Ok(Trust::Authorities(Arc::new(roots)))
        }
        (None, None) => Err("give the hub's --fingerprint, or a --ca file".to_owned()),
    }
}

fn identity(arguments: &Arguments) -> Result<Identity, String> {
    let credential = secret_given("credential", arguments.credential.as_deref(), arguments.credential_file.as_deref())?;
    let token = secret_given("enrolment token", arguments.enrol.as_deref(), arguments.enrol_file.as_deref())?;
    match (credential, token) {
        (Some(credential), _) => Ok(Identity::of_credential(credential)),
        (None, Some(token)) => {
            let machine = arguments.machine.clone().map_or_else(|| machine_id(arguments.root()), Ok)?;
            let name = arguments.name.clone().unwrap_or_else(|| default_name(arguments.host_root.as_deref()));
            Ok(Identity::of_enrolment(token, &machine, name))
        }
        (None, None) => {
            Err("give a credential (WINDFIRE_CREDENTIAL) or an enrolment token (WINDFIRE_ENROL)".to_owned())
        }
    }
}

/// The name of a server that is not given one. A container has a host name of its own, so its host's is in a file.
fn default_name(host_root: Option<&Path>) -> String {
    let name = host_root.and_then(host_name).or_else(|| sysinfo::System::host_name().ok());
    name.and_then(|name| server_name(&name).ok()).unwrap_or_default()
}

/// A secret that was given as a text or as a file. No error shows the secret.
fn secret_given(what: &str, text: Option<&str>, file: Option<&Path>) -> Result<Option<String>, String> {
    let given = text.map(secret).or_else(|| file.map(secret_of_file)).transpose();
    given.map_err(|error| format!("{what}: {error}"))
}

// Two addresses with a slash between them.
const _: () = assert!(IP_TEXT_BYTES_MAX >= "255.255.255.255/ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255".len());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doctor_takes_the_agents_options_and_the_agent_none_of_its() {
        let read = |words: &[&str]| {
            let matches = Cli::command().try_get_matches_from([&["windfire-agent"][..], words].concat())?;
            Ok::<_, clap::Error>((Cli::from_arg_matches(&matches)?, is_secret_shown(&matches)))
        };
        let doctor = |words: &[&str]| match read(words) {
            Ok((Cli { verb: Some(Verb::Doctor(doctor)), .. }, is_shown)) => (doctor, is_shown),
            Ok(_) => panic!("{words:?}: another verb"),
            Err(error) => panic!("{words:?}: {error}"),
        };
        let fingerprint = "ab".repeat(32);
        let way = ["--hub", "hub.example", "--fingerprint", &fingerprint];
        let (given, is_shown) = doctor(&[&["doctor", "--session"][..], &way].concat());
        assert!(given.session && !given.json && !is_shown);
        assert_eq!(given.agent.hubs.len(), 1);
        let (given, is_shown) = doctor(&[&["doctor", "--json", "--credential", "c"][..], &way].concat());
        assert!(given.json && is_shown);
        assert!(read(&[&["--session"][..], &way].concat()).is_err(), "an agent has a session anyway");
        assert!(read(&[&way[..], &["doctor"]].concat()).is_err(), "options before the verb would have no effect");
    }

    #[test]
    fn the_options_are_sound() {
        Cli::command().debug_assert();
    }
}
