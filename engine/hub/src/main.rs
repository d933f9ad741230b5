//! The hub's process. `serve` is its life; every other verb asks a running hub or works on its stopped store.

mod admin;
mod cli;
mod committer;
mod config;
mod country;
mod enroller;
mod historian;
mod http;
mod ingest;
mod limits;
mod memory;
mod metrics;
mod pacer;
mod serve;
mod tls;

use std::io::{BufWriter, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use serde_json::json;
use tracing_subscriber::EnvFilter;

use admin::{Request, Response};
use cli::{Cli, Verb};
use config::{Config, Place, Settings, check_variables};
use tls::Certificate;
use windfire_engine::clock::Reading;
use windfire_engine::{Engine, Options};

// Gives memory of closed sessions back sooner than the system's allocator; its cost per session is in
// docs/decisions/allocator.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    match check_variables::<Cli>(variables).and_then(|()| run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("windfire: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<(), String> {
    let now_ms = unix_ms();
    let now_s = now_ms.div_euclid(1000);
    match cli.verb {
        Verb::Serve { settings } => {
            let config = Config::load(&cli.place, settings)?;
            start_logs(&config.log)?;
            die_on_panic();
            serve::serve(&config, reading)
        }
        Verb::Server(verb) => ask(&cli.place, verb.into_request(), now_ms),
        Verb::Token(verb) => ask(&cli.place, verb.into_request(now_s), now_ms),
        Verb::EnrolToken(verb) => ask(&cli.place, verb.into_request(now_s), now_ms),
        Verb::Admin(verb) => ask(&cli.place, verb.into_request(), now_ms),
        Verb::Storage { raw_days, minute_days, quarter_days, output } => {
            ask(&cli.place, (Request::Storage { raw_days, minute_days, quarter_days }, output), now_ms)
        }
        Verb::Backup { folder, output } => {
            // The hub may run in another folder.
            let folder = std::path::absolute(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
            ask(&cli.place, (Request::Backup { folder }, output), now_ms)
        }
        Verb::Restore { folder } => {
            let data = Config::data_folder(&cli.place)?;
            restore(&folder, &data)?;
            println!("{} is made from {}: start the hub on it", data.display(), folder.display());
            Ok(())
        }
        Verb::Verify { output } => ask(&cli.place, (Request::Verify, output), now_ms),
        Verb::Export { from, to, ids, tag, format, out } => {
            let request = Request::Export { from, to, ids, tag, is_csv: format == "csv" };
            export(&cli.place, request, out.as_deref(), now_ms)
        }
        Verb::Fingerprint { output } => {
            let data = Config::data_folder(&cli.place)?;
            serve::make_data_folder(&data)?;
            let fingerprint = Certificate::own(&data)?.fingerprint();
            let line = if output.json { json!({"fingerprint": fingerprint}).to_string() } else { fingerprint };
            println!("{line}");
            Ok(())
        }
        Verb::CheckConfig { settings, output } => {
            let config = Config::load(&cli.place, settings)?;
            let text = serde_json::to_value(&config).map_err(|error| error.to_string())?;
            match text.as_object() {
                Some(keys) if !output.json => keys.iter().for_each(|(key, value)| println!("{key} = {value}")),
                _ => println!("{text}"),
            }
            Ok(())
        }
    }
}

fn ask(place: &Place, (request, output): (Request, cli::Output), now_ms: i64) -> Result<(), String> {
    let response = exchange(place, request, now_ms, &mut std::io::sink())?;
    println!("{}", cli::show(response, output.json, now_ms.div_euclid(1000))?);
    Ok(())
}

fn export(place: &Place, request: Request, out: Option<&Path>, now_ms: i64) -> Result<(), String> {
    let response = match out {
        None => exchange(place, request, now_ms, &mut BufWriter::new(std::io::stdout().lock())),
        Some(path) => {
            let failed = |error: std::io::Error| format!("{}: {error}", path.display());
            let mut file = BufWriter::new(std::fs::File::create(path).map_err(failed)?);
            let response = exchange(place, request, now_ms, &mut file)?;
            file.flush().map_err(failed)?;
            Ok(response)
        }
    };
    match response? {
        Response::Failed(error) => Err(error),
        _ => Ok(()),
    }
}

/// Asks the hub of this place, or works on its store.
fn exchange(place: &Place, request: Request, now_ms: i64, out: &mut dyn Write) -> Result<Response, String> {
    let config = Config::load(place, Settings::default())?;
    let options = Options { retention: config.retention(), ..Options::default() };
    admin::ask(&config.data, options, request, now_ms, out)
}

/// Makes the data folder from a backup, and opens it once to see that it is one.
fn restore(backup: &Path, data: &Path) -> Result<(), String> {
    let is_used = std::fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_some());
    if is_used {
        return Err(format!("data folder {} is not empty: name a new one with --data", data.display()));
    }
    if !backup.join("FORMAT").is_file() {
        return Err(format!("{} is no backup: it has no file FORMAT", backup.display()));
    }
    serve::make_data_folder(data)?;
    admin::copy_tree(backup, data).map_err(|error| format!("restore to {}: {error}", data.display()))?;
    Engine::open(data, Options::default()).map(drop).map_err(|error| error.to_string())
}

fn start_logs(filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("log = {filter:?} is no filter: {error}"))?;
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal)
        .with_target(false)
        .init();
    Ok(())
}

/// A panic is a fault in this program, and what it left behind cannot be trusted. Everything acknowledged is on disk, so
/// the shortest way back to a sound state is a new process.
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

/// The wall clock, and one that never leaps.
fn reading() -> Reading {
    static STARTED: OnceLock<Instant> = OnceLock::new();
    let uptime = STARTED.get_or_init(Instant::now).elapsed();
    Reading { wall_ms: unix_ms(), uptime_ms: i64::try_from(uptime.as_millis()).unwrap_or(i64::MAX) }
}
