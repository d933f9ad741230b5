//! The agent's process: clock, and the two tasks.

mod manual;
mod options;
mod packaged;
mod service;

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Arg, CommandFactory, FromArgMatches};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use windfire_agent::address::HubList;
use windfire_agent::backoff::BackoffOptions;
use windfire_agent::clock::Clock;
use windfire_agent::collector::{Collector, CollectorOptions};
use windfire_agent::doctor::{self, DoctorOptions, SecretSource};
use windfire_agent::given::{secret, secret_of_file, server_name};
use windfire_agent::handed::{FOLDER_VARIABLE, handed_over};
use windfire_agent::identity::{Identity, host_name, machine_id};
use windfire_agent::limits::{CA_FILE_BYTES_MAX, KEEP_TIMEOUT};
use windfire_agent::link::{Endpoints, Link, LinkOptions};
use windfire_agent::outbox::{Outbox, SpoolOptions, new_outbox_id};
use windfire_agent::sampler::{self, Feed};
use windfire_agent::trust::Trust;
use windfire_agent::variables::misspelt;
use windfire_doctor::Finding;
use windfire_log::Lines;
use windfire_service::ServiceManager;

use crate::options::{Arguments, Cli, DoctorArguments, Verb, is_secret_shown, without_blank_variables};
use crate::packaged::{Files, Packaged};

/// What the process is to do.
struct Given {
    cli: Cli,
    /// Where the doctor's secret comes from, if its options do not tell.
    source: Option<SecretSource>,
    /// What was seen where the doctor's options come from.
    findings: Vec<Finding>,
}

/// The command line, with what it leaves to the service manager and to the package.
///
/// # Errors
/// The doctor cannot use the options of the package's service, and has said so.
fn given() -> Result<Given, ExitCode> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let handed = handed_over(std::env::var_os(FOLDER_VARIABLE).as_deref());
    let packaged = Packaged::of_doctor(&words, &Files::below(Path::new("/")), handed.is_some());
    if let Some(packaged) = packaged.as_ref().filter(|packaged| !packaged.is_usable) {
        return Err(tell(&packaged.findings, packaged.is_json));
    }
    let mut command = without_blank_variables(Cli::command());
    let words = packaged.as_ref().map_or(&words, |packaged| &packaged.words);
    let matches = match (command.try_get_matches_from_mut(words), &packaged) {
        (Ok(matches), _) => matches,
        (Err(error), Some(packaged)) => return Err(tell(&packaged.refused(&error), packaged.is_json)),
        (Err(error), None) => error.exit(),
    };
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit());
    let (source, findings) = packaged.map_or((None, Vec::new()), |packaged| (packaged.source, packaged.findings));
    let source = source.or(is_secret_shown(&matches).then_some(SecretSource::CommandLine));
    Ok(Given { cli: cli.or_handed_over(handed), source, findings })
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
    let Given { cli: Cli { verb, arguments }, source, findings } = match given() {
        Ok(given) => given,
        Err(code) => return code,
    };
    if let Some(Verb::Doctor(doctor)) = verb {
        return examine(*doctor, source, findings);
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

/// Prints what the doctor finds, after the `findings` that there are. The exit code is that of the worst.
fn examine(doctor: DoctorArguments, source: Option<SecretSource>, mut findings: Vec<Finding>) -> ExitCode {
    let DoctorArguments { agent: arguments, session: with_session, json: is_json } = doctor;
    let file = arguments.credential_file.clone().or_else(|| arguments.enrol_file.clone());
    let source = match (source, file) {
        (Some(source), _) => source,
        (None, Some(path)) => SecretSource::File(path),
        (None, None) if arguments.credential.is_some() || arguments.enrol.is_some() => SecretSource::Variable,
        (None, None) => SecretSource::Missing,
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
    findings.extend(runtime.block_on(doctor::examine(options)));
    // A name lookup that is still running must not keep the process alive.
    runtime.shutdown_background();
    tell(&findings, is_json)
}

fn tell(findings: &[Finding], is_json: bool) -> ExitCode {
    let said = if is_json {
        windfire_doctor::json("windfire-agent", env!("CARGO_PKG_VERSION"), findings)
    } else {
        windfire_doctor::text(findings)
    };
    // The reader may have closed the pipe, as "head" does.
    let _is_read = writeln!(std::io::stdout(), "{said}");
    ExitCode::from(windfire_doctor::exit_code(findings))
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
