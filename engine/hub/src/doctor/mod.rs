//! `windfire doctor`: looks at the machine, the data folder and the running hub, and says what to do.
//!
//! It changes nothing but a temporary file in the data folder. The store of a stopped hub is not opened, because that
//! may upgrade it. Each check is a function of what was read, so that tests can give it any machine.

mod asked;
mod certificate;
mod disk;
mod folder;
mod page;
mod ports;
mod running;
mod system;
mod validity;

use std::fs;
use std::process::ExitCode;

use windfire_doctor::{Finding, exit_code};

use crate::config::{Config, Place, Settings};
use crate::folder::{Holder, holder};
use crate::output::say;
use crate::user::HubsUser;
use asked::Facts;

/// Prints all findings. The exit code is that of the worst.
pub(crate) fn run(place: &Place, settings: &Settings, is_json: bool, now_ms: i64) -> Result<ExitCode, String> {
    let look = || look(place, settings.clone(), now_ms.div_euclid(1000));
    let user = Config::data_folder(place).ok().and_then(|data| HubsUser::behind_root(&data));
    let findings = match user.map(|user| (user.uid(), user.run(look))) {
        None => look(),
        Some((_, Ok(findings))) => findings,
        Some((uid, Err(error))) => {
            let seen = format!("root may do more than user {uid}, the hub's, and cannot become that user: {error}");
            let remedy = format!("run this as user {uid}: \"sudo -u '#{uid}' windfire doctor\"");
            [vec![Finding::warn("user", seen, remedy)], look()].concat()
        }
    };
    say(&if is_json {
        windfire_doctor::json("windfire", env!("CARGO_PKG_VERSION"), &findings)
    } else {
        windfire_doctor::text(&findings)
    })?;
    Ok(ExitCode::from(exit_code(&findings)))
}

/// What is found with the rights of the hub's user.
fn look(place: &Place, settings: Settings, now_s: i64) -> Vec<Finding> {
    match Config::load(place, settings) {
        Ok(config) => examine(&config, now_s),
        Err(error) => {
            let first = error.lines().next().unwrap_or_default().to_owned();
            let remedy = "correct it; \"windfire check-config\" shows the place";
            vec![Finding::bad("configuration", first, remedy)]
        }
    }
}

/// All checks, in the order of their lines.
fn examine(config: &Config, now_s: i64) -> Vec<Finding> {
    let data = &config.data;
    let asked = asked::ask(data);
    let holder = holder(data);
    let mut findings = vec![folder::judge_owner(data, &folder::owner(data), rustix::process::geteuid().as_raw())];
    if data.is_dir() {
        findings.push(folder::judge_format(
            data,
            &folder::format(data),
            windfire_engine::is_begun(data),
            &folder::first_stranger(data),
        ));
        findings.extend(folder::rollback(data, now_s));
        findings.push(folder::judge_lock(&holder, &asked));
        findings.push(disk::judge_space(disk::free_bytes(data), asked.facts().map(|facts| &facts.storage)));
    }
    if windfire_engine::is_store(data) {
        findings.push(folder::judge_files(data, &folder::owners(data)));
        findings.push(disk::judge_writes(&disk::timed_writes(data)));
        findings.extend(certificate::agents(data, now_s));
    }
    findings.extend(certificate::https(config, now_s));
    let process = match &holder {
        Ok(Holder::Process(Some(process))) => Some(*process),
        _ => None,
    };
    findings.extend(machine(config, process, asked.facts()));
    findings.push(ports::judge_agents(config.quic, &asked, || ports::try_udp(config.quic)));
    let page = asked.facts().map(|_| page::get(config, "/metrics"));
    findings.push(ports::judge_http(config.http, &asked, page.as_ref(), || ports::try_tcp(config.http)));
    findings.push(ports::judge_agents_address(config));
    findings.push(running::judge_hub(&asked));
    if let Some(facts) = asked.facts() {
        findings.extend(of_running(config, facts, page.as_ref(), now_s));
    }
    findings
}

/// What the machine gives the hub. `process` is the hub's process, if it runs.
fn machine(config: &Config, process: Option<i32>, facts: Option<&Facts>) -> Vec<Finding> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let of_process = |file: &str| process.map(|process| read(&format!("/proc/{process}/{file}")));
    let counts = system::udp_counts(&read("/proc/net/snmp"), &read("/proc/net/snmp6"));
    let servers = facts.and_then(|facts| facts.servers.as_ref().ok()).map_or(0, Vec::len);
    let is_loaded = counts.is_some_and(|counts| counts.lost > 0) || servers >= system::LARGE_FLEET_SERVERS;
    let may_exceed = of_process("status").and_then(|status| system::may_exceed_buffers(&status));
    let limits = of_process("limits");
    let own = read("/proc/self/limits");
    vec![
        system::judge_buffer(&read("/proc/sys/net/core/rmem_max"), config.udp_buffer_bytes, may_exceed, is_loaded),
        system::judge_losses(counts),
        system::judge_descriptors(limits.as_deref().and_then(system::open_files), system::open_files(&own)),
    ]
}

/// What a hub that answers says of itself.
fn of_running(
    config: &Config,
    facts: &Facts,
    metrics: Option<&Result<page::Page, String>>,
    now_s: i64,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    // If they cannot be read, the check of the port has said why.
    if let Some(Ok(page)) = metrics {
        findings.push(running::judge_commits(&page.body));
        findings.push(running::judge_late_rounds(&page.body));
        findings.push(running::judge_samples_per_frame(&page.body, config.samples_per_frame));
        findings.push(running::judge_history(&page.body));
        findings.push(running::judge_panel(&page::get(config, config.base_path.as_str())));
    }
    findings.push(running::judge_servers(&facts.servers, now_s, config.offline_after_s.into()));
    findings.push(running::judge_agent_versions(&facts.details, &facts.version));
    findings.push(running::judge_channels(&facts.channels));
    findings.push(running::judge_clock(&facts.servers, facts.clock_ahead_ms, now_s));
    findings.push(running::judge_version(&facts.version, env!("CARGO_PKG_VERSION")));
    findings
}
