//! The hub's part: agents that connect with an hour in their outboxes, then agents that report live.

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use windfire_agent::backoff::BackoffOptions;
use windfire_agent::outbox::{Outbox, new_outbox_id};
use windfire_engine::{Engine, Options};

use super::measure::{
    Asked, Figures, Fleet, LATEST_QUESTIONS, Load, RANGE_QUESTIONS, SETTLE_S, Work, ask, bulk_start_ms, load,
};
use crate::clock::unix_ms;
use crate::fleet::folder_bytes;
use crate::http_client::HttpClient;
use crate::hub_process::HubProcess;
use crate::swarm::{Account, Swarm, SwarmOptions, Target};

const HOUR_MS: i64 = 3_600_000;
/// Agents that connect per second.
const CONNECTS_PER_S: f64 = 500.0;
/// Time that any step may take.
const TIMEOUT: Duration = Duration::from_secs(600);

pub(super) fn measure(work: &Work, binary: &Path) -> io::Result<Figures> {
    let (bulk, range, disk_bytes) = bulk(work, binary)?;
    let (live, latest) = live(work, binary)?;
    Ok(Figures { name: format!("Windfire {}", env!("CARGO_PKG_VERSION")), bulk, live, disk_bytes, range, latest })
}

fn bulk(work: &Work, binary: &Path) -> io::Result<(Load, Asked, u64)> {
    let folder = tempfile::tempdir()?;
    let mut hub = HubProcess::new(binary, &folder.path().join("data"), &[]).on_cores(&work.cores);
    let credentials = hub.make_servers(work.servers, "fleet");
    let token = hub.make_token();
    hub.start();
    let start_ms = bulk_start_ms(work);
    let mut outboxes: Vec<Outbox> = credentials.iter().map(|_| Outbox::in_memory(new_outbox_id())).collect();
    let mut fleet = Fleet::new(work.servers);
    for second in 0..work.seconds {
        let time_ms = start_ms + second as i64 * 1000;
        for (outbox, report) in outboxes.iter_mut().zip(fleet.next(time_ms)) {
            outbox.push(report).map_err(io::Error::other)?;
        }
    }
    let options = SwarmOptions { ramp: Duration::from_secs_f64(work.servers as f64 / CONNECTS_PER_S), ..swarm() };
    let mut agents = None;
    let mut load = load(hub.pid(), || {
        let agents = agents.insert(Swarm::start_silent(&Target::of(&hub), &credentials, outboxes, options));
        wait_until("every report is acknowledged", || {
            agents.accounts().iter().all(|account| account.acked == account.pushed)
        })?;
        Ok(agents.accounts().iter().map(|account| account.acked).sum())
    })?;
    let mut client = HttpClient::new(hub.http()).with_header("Authorization", &token);
    let (from, to) = (start_ms as f64 / 1000.0, unix_ms() as f64 / 1000.0);
    let range = ask(RANGE_QUESTIONS, |number| {
        let id = 1 + number * 7919 % work.servers;
        let path = format!("/api/v1/server/history?id={id}&metric=cpu&from={from:.0}&to={to:.0}&step=raw");
        client.get(&path, None)
    })?;
    let accounts = agents.map(|mut agents| agents.finish()).unwrap_or_default();
    hub.terminate();
    load.found = found(&hub, load.sent, &accounts)?;
    pack(hub.data())?;
    Ok((load, range, folder_bytes(hub.data())))
}

/// The upkeep that an idle hub does within two hours: packs the hours that are over and gives back the log.
fn pack(data: &Path) -> io::Result<()> {
    let open = || Engine::open(data, Options::default()).map_err(io::Error::other);
    let engine = open()?;
    // The second round gives back the log of the blocks that the first one sealed.
    for minutes in [0, 2] {
        let now_ms = unix_ms() + 2 * HOUR_MS + minutes * 60_000;
        while engine.upkeep(now_ms).1.map_err(io::Error::other)? {}
    }
    engine.history().compact().map_err(io::Error::other)?;
    drop(engine);
    // The write-ahead log of data that is now in files is deleted at the next start.
    drop(open()?);
    Ok(())
}

fn live(work: &Work, binary: &Path) -> io::Result<(Load, Asked)> {
    let folder = tempfile::tempdir()?;
    let mut hub = HubProcess::new(binary, &folder.path().join("data"), &[]).on_cores(&work.cores);
    let credentials = hub.make_servers(work.live_servers, "fleet");
    let token = hub.make_token();
    hub.start();
    let options = SwarmOptions { ramp: Duration::from_secs_f64(work.live_servers as f64 / CONNECTS_PER_S), ..swarm() };
    let mut agents = Swarm::start(&hub, &credentials, options);
    wait_until("every agent is welcome", || hub.metric("windfire_sessions") as usize >= work.live_servers)?;
    thread::sleep(Duration::from_secs(SETTLE_S));
    let mut load = load(hub.pid(), || {
        let durable = || hub.metric("windfire_reports_durable_total") as u64;
        let before = durable();
        thread::sleep(Duration::from_secs(work.live_s));
        Ok(durable() - before)
    })?;
    let mut client = HttpClient::new(hub.http()).with_header("Authorization", &token);
    let latest = ask(LATEST_QUESTIONS, |_| client.get("/api/v1/server/details", None))?;
    let accounts = agents.finish();
    hub.terminate();
    load.found = found(&hub, load.sent, &accounts)?;
    Ok((load, latest))
}

fn swarm() -> SwarmOptions {
    SwarmOptions { backoff: BackoffOptions::default(), ..SwarmOptions::default() }
}

/// `sent`, less the agents' reports that are missing. A report that is there twice is an error.
fn found(hub: &HubProcess, sent: u64, accounts: &[Account]) -> io::Result<u64> {
    match hub.check_history(accounts.iter().map(|account| account.pushed)) {
        (lost, 0) => Ok(sent.saturating_sub(lost)),
        (_, doubled) => Err(io::Error::other(format!("{doubled} reports are in history twice"))),
    }
}

fn wait_until(what: &str, is_true: impl Fn() -> bool) -> io::Result<()> {
    let started = Instant::now();
    while !is_true() {
        if started.elapsed() > TIMEOUT {
            return Err(io::Error::other(format!("waited {} s until {what}", TIMEOUT.as_secs())));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
