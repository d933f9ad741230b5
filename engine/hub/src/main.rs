//! The hub's process. `serve` runs the hub. Every other verb asks a running hub or works on its stopped store.

mod admin;
mod alert;
mod cli;
mod clock;
mod cluster;
mod commit_thread;
mod config;
mod config_words;
mod counters;
mod country;
mod doctor;
mod enroller;
mod folder;
mod http;
mod https;
mod ingest;
mod limits;
mod maintenance_thread;
mod memory;
mod moment;
mod network;
mod output;
mod pacer;
mod page;
mod panel_address;
mod pin;
mod progress;
mod proxies;
mod pulse;
mod reload;
mod serve;
mod service;
mod signals;
mod starting;
mod swap;
mod threads;
mod tls;
mod unbound;
mod user;
mod variables;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::Mode;
use rustix::process::umask;
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use tracing_subscriber::EnvFilter;

use crate::clock::at_one_moment;
use admin::{Request, Response};
use cli::{Call, Cli, ClusterVerb, Verb};
use config::{Config, Place, Settings};
use https::Files;
use output::{Draft, Pipe, complain, plain, say};
use reload::{SetLog, Source};
use serve::Launch;
use service::Service;
use tls::Certificate;
use user::HubsUser;
use windfire_api::Agents;
use windfire_engine::Options;
use windfire_engine::clock::Reading;
use windfire_log::{Lines, LogFormat};

// It gives memory of closed sessions back sooner than the system's allocator. docs/decisions/allocator.md has its cost
// per session.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // All files of a data folder or a backup are for its owner only.
    let mask = umask(Mode::from_raw_mode(0o077));
    let cli = cli::parse();
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    let ignored = variables::check::<Cli>(std::env::vars_os().filter_map(text));
    match ignored.and_then(|ignored| run(cli, mask, &ignored)) {
        Ok(code) => code,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// `mask` is the user's umask for new files. `ignored` are variables that other tools set.
fn run(cli: Cli, mask: Mode, ignored: &[String]) -> Result<ExitCode, String> {
    let now_ms = unix_ms();
    let done = match cli.verb {
        Verb::Doctor { settings, output } => return doctor::run(&cli.place, &settings, output.json, now_ms),
        Verb::Serve { new_certificate, without_rollback, settings } => {
            let config = Config::load(&cli.place, settings.clone())?;
            let set_log = start_logs(config.log_filter()?, config.log_format);
            for variable in ignored {
                tracing::debug!(variable, "ignored: Kubernetes or Docker sets it for a service of this name");
            }
            die_on_panic();
            let source = Source { place: cli.place, given: settings };
            let service = Service::from_environment();
            let with_new_certificate = new_certificate;
            let launch = Launch { with_new_certificate, without_rollback, reading, source, set_log, service };
            serve::serve(&config, launch)
        }
        Verb::Resource(verb) => ask(&cli.place, verb.into_call()?, now_ms),
        Verb::Storage { raw_days, minute_days, quarter_days, drop_rollback, output } => {
            let request = Request::Storage { raw_days, minute_days, quarter_days, drop_rollback };
            ask(&cli.place, Call::of_hub(request, output), now_ms)
        }
        Verb::Backup { folder, output } => {
            // The hub may run in another folder.
            let folder = std::path::absolute(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
            ask(&cli.place, Call::of_hub(Request::Backup { folder }, output), now_ms)
        }
        Verb::Restore { folder, new_certificate } => {
            let data = Config::data_folder(&cli.place)?;
            admin::restore(&folder, &data, new_certificate)?;
            say(&format!("{} is restored from {}: start the hub on it", data.display(), folder.display()))
        }
        Verb::Rollback => {
            let data = Config::data_folder(&cli.place)?;
            if admin::is_answered(&data) {
                return Err(format!("a hub runs on data folder {}: stop it first", data.display()));
            }
            say(&admin::rollback(&data)?)
        }
        Verb::Salvage { folder } => {
            let absolute =
                |path: &Path| std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()));
            let data = absolute(&Config::data_folder(&cli.place)?)?;
            if admin::is_answered(&data) {
                return Err(format!("a hub runs on data folder {}: stop it first", data.display()));
            }
            say(&admin::salvage(&data, &absolute(&folder)?)?)
        }
        Verb::Verify { output } => ask(&cli.place, Call::of_hub(Request::Verify, output), now_ms),
        Verb::Export { from, to, ids, tag, format, out } => {
            let request = Request::Export { from, to, ids, tag, is_csv: format == "csv" };
            export(&cli.place, request, out.as_deref(), mask, now_ms)
        }
        Verb::Cluster(ClusterVerb::Init(settings)) => {
            cluster::init(&Config::load(&cli.place, *settings)?).and_then(|done| say(&done))
        }
        Verb::Cluster(ClusterVerb::Invite { output }) => ask(&cli.place, Call::of_hub(Request::Invite, output), now_ms),
        Verb::Cluster(ClusterVerb::Join { source, settings }) => {
            cluster::join(&Config::load(&cli.place, *settings)?, &source).and_then(|done| say(&done))
        }
        Verb::Cluster(ClusterVerb::Leave(settings)) => {
            cluster::leave(&Config::load(&cli.place, *settings)?).and_then(|done| say(&done))
        }
        Verb::Cluster(ClusterVerb::Status { output }) => {
            ask(&cli.place, Call::of_hub(Request::Cluster, output), now_ms)
        }
        Verb::Reload { output } => ask(&cli.place, Call::of_hub(Request::Reload, output), now_ms),
        Verb::Fingerprint { output } => {
            let data = Config::data_folder(&cli.place)?;
            folder::check_is_hubs(&data)?;
            let fingerprint = Certificate::own(&data)?.fingerprint();
            say(&if output.json { json!({"fingerprint": fingerprint}).to_string() } else { fingerprint })
        }
        Verb::CheckConfig { settings, output } => {
            let config = Config::load(&cli.place, settings)?;
            match HubsUser::behind_root(&config.data) {
                // What root may read says nothing of the hub.
                Some(user) => user.run(|| check_files(&config)).unwrap_or_else(|_| check_files(&config))?,
                None => check_files(&config)?,
            }
            let text = serde_json::to_value(&config).map_err(|error| error.to_string())?;
            match text.as_object() {
                Some(keys) if !output.json => {
                    keys.iter().try_for_each(|(key, value)| say(&format!("{key} = {}", plain(&value.to_string()))))
                }
                _ => say(&text.to_string()),
            }
        }
        Verb::Completions { shell } => say(&cli::completions(shell)),
        Verb::Man { folder } => {
            // Others read the pages too.
            let _ours = umask(mask);
            cli::write_pages(&folder)
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Reads the files that a configuration names, as a start of the hub does.
fn check_files(config: &Config) -> Result<(), String> {
    if let Some(files) = Files::of(config).filter(|_| config.https) {
        files.check()?;
    }
    config.country_db.as_deref().map(country::open).transpose().map(drop)
}

fn ask(place: &Place, call: Call, now_ms: i64) -> Result<(), String> {
    let Call { request, view, output } = call;
    let response = exchange(place, request, now_ms, &mut std::io::sink())?;
    say(&cli::show(response, view, output.json, now_ms.div_euclid(1000))?)
}

fn export(place: &Place, request: Request, out: Option<&Path>, mask: Mode, now_ms: i64) -> Result<(), String> {
    let exported = |response| match response {
        Response::Failed(error) => Err(error),
        _ => Ok(()),
    };
    let Some(path) = out else {
        let mut pipe = Pipe::new();
        let result = exchange(place, request, now_ms, &mut pipe).and_then(exported);
        // The reader has closed the pipe, as "head" does.
        return if pipe.is_closed() { Ok(()) } else { result };
    };
    let mut draft = Draft::new(path, 0o666 & !mask.as_raw_mode());
    exchange(place, request, now_ms, &mut draft).and_then(exported)?;
    draft.done().map_err(|error| format!("{}: {error}", path.display()))
}

/// Asks the hub of this place, or works on its store.
fn exchange(place: &Place, request: Request, now_ms: i64, out: &mut dyn Write) -> Result<Response, String> {
    let config = Config::load(place, Settings::default())?;
    let options = Options { retention: config.retention(), alerts: config.alerts(), ..Options::default() };
    let agents = || Agents {
        address: config.agents_address_at(config.quic.port()),
        port: config.quic.port(),
        // A store that was created without a hub has none yet.
        fingerprint: Certificate::own(&config.data).map(|own| own.fingerprint()).unwrap_or_default(),
    };
    admin::ask(&config.data, config.first_password_file.as_deref(), options, agents, request, now_ms, out)
}

/// Starts the log. The result changes what is logged.
fn start_logs(filter: EnvFilter, format: LogFormat) -> SetLog {
    windfire_log::set_format(format);
    windfire_log::write_panics();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // The hub continues if the log's reader goes away.
        .log_internal_errors(false)
        .event_format(Lines::of_stderr())
        .with_filter_reloading();
    let handle = log.reload_handle();
    log.init();
    Box::new(move |filter| handle.reload(filter).map_err(|error| format!("the log cannot be changed: {error}")))
}

/// A panic is a fault in this program, and its state in memory cannot be trusted afterwards. Everything acknowledged is
/// on disk, so the shortest way back to a sound state is a new process.
fn die_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
}

/// The one place where the hub reads the wall clock.
fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The wall clock, and one that never leaps and counts the time asleep where the system does.
fn reading() -> Reading {
    #[cfg(target_os = "linux")]
    const NEVER_LEAPS: ClockId = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const NEVER_LEAPS: ClockId = ClockId::Monotonic;
    let since_ms = || {
        let since = clock_gettime(NEVER_LEAPS);
        since.tv_sec * 1000 + since.tv_nsec / 1_000_000
    };
    let (wall_ms, uptime_ms) = at_one_moment(unix_ms, since_ms);
    Reading { wall_ms, uptime_ms }
}
