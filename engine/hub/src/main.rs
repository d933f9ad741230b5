//! The hub's process. `serve` is its life; every other verb asks a running hub or works on its stopped store.

mod admin;
mod cli;
mod committer;
mod config;
mod country;
mod historian;
mod http;
mod ingest;
mod limits;
mod metrics;
mod serve;
mod tls;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use serde_json::json;
use tracing_subscriber::EnvFilter;

use cli::{Cli, Verb};
use config::{Config, Place, check_variables};
use tls::Certificate;

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
    let now_s = unix_ms().div_euclid(1000);
    match cli.verb {
        Verb::Serve { settings } => {
            let config = Config::load(&cli.place, settings)?;
            start_logs(&config.log)?;
            die_on_panic();
            serve::serve(&config, unix_ms)
        }
        Verb::Server(verb) => ask(&cli.place, verb.into_request(), now_s),
        Verb::Token(verb) => ask(&cli.place, verb.into_request(now_s), now_s),
        Verb::EnrolToken(verb) => ask(&cli.place, verb.into_request(now_s), now_s),
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

fn ask(place: &Place, (request, output): (admin::Request, cli::Output), now_s: i64) -> Result<(), String> {
    let response = admin::ask(&Config::data_folder(place)?, request, now_s)?;
    println!("{}", cli::show(response, output.json, now_s)?);
    Ok(())
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
