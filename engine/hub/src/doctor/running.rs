//! What a running hub says of itself: its counters (`/metrics`) and its lists.

use std::collections::BTreeMap;

use serde_json::Value;
use windfire_doctor::Finding;

use super::asked::Asked;
use super::page::Page;
use crate::cli::span;

/// Names that a finding lists. The others are counted.
const NAMED_MAX: usize = 5;
/// Percent of rounds that may begin late without a warning.
const LATE_PERCENT_MAX: f64 = 1.0;
/// Servers that together say something of the hub: with fewer it may be their own fault.
const TOGETHER_MIN: usize = 3;
/// Difference of clocks above which readings are dated by the hub's, milliseconds.
const CLOCK_WARN_MS: i64 = 5_000;
/// Difference above which tokens and certificates end at another time than they should, milliseconds.
const CLOCK_BAD_MS: i64 = 60_000;

pub(super) fn judge_hub(asked: &Asked) -> Finding {
    const CHECK: &str = "hub";
    match asked {
        Asked::Stopped => Finding::info(CHECK, "no hub runs on this data folder, so its own checks are left out"),
        Asked::Silent(error) if error.contains("is starting") => {
            Finding::warn(CHECK, error, "look again when it is ready")
        }
        Asked::Silent(error) => {
            let remedy = "run this as the hub's user; if that is so, look at the hub's log and restart it";
            Finding::bad(CHECK, error, remedy)
        }
        Asked::Answers(facts) => Finding::ok(CHECK, format!("version {} runs and answers", facts.version)),
    }
}

/// A number of the page `/metrics`.
fn number(page: &str, name: &str) -> Option<f64> {
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    value.trim().parse().ok()
}

/// A page without a number is another hub's, or of another version.
fn lacks(check: &'static str) -> Finding {
    Finding::info(check, "the hub does not tell it (/metrics)")
}

pub(super) fn judge_commits(page: &str) -> Finding {
    const CHECK: &str = "commits";
    let counts = ["poisoned", "store_failing", "commit_failures_total", "commits_total", "commit_seconds_sum"]
        .map(|name| number(page, &format!("windfire_{name}")));
    let [Some(poisoned), Some(store_failing), Some(failures), Some(commits), Some(seconds)] = counts else {
        return lacks(CHECK);
    };
    if poisoned > 0.0 || store_failing > 0.0 {
        let seen = "the store takes no writes; agents keep their reports";
        return Finding::bad(CHECK, seen, "/readyz and the log have the reason; free space, or mend the disk");
    }
    let mean_ms = if commits > 0.0 { seconds * 1000.0 / commits } else { 0.0 };
    let seen = format!("{commits} since the start, {mean_ms:.1} ms each, {failures} failed");
    if failures > 0.0 {
        return Finding::warn(CHECK, seen, "the hub's log has the reason; nothing that was acknowledged is lost");
    }
    Finding::ok(CHECK, seen)
}

pub(super) fn judge_late_rounds(page: &str) -> Finding {
    const CHECK: &str = "late_rounds";
    let counts = (number(page, "windfire_late_rounds_total"), number(page, "windfire_rounds_total"));
    let (Some(late), Some(rounds)) = counts else { return lacks(CHECK) };
    let percent = if rounds > 0.0 { late * 100.0 / rounds } else { 0.0 };
    let seen = format!("{late} of {rounds} rounds since the start were late ({percent:.2} %)");
    if percent > LATE_PERCENT_MAX {
        return Finding::warn(CHECK, seen, "give the hub another core, or fuller frames (samples_per_frame)");
    }
    Finding::ok(CHECK, seen)
}

/// `configured` is the smallest number that the hub asks for.
pub(super) fn judge_samples_per_frame(page: &str, configured: u32) -> Finding {
    const CHECK: &str = "samples_per_frame";
    let Some(samples) = number(page, "windfire_samples_per_frame") else { return lacks(CHECK) };
    let seen = format!("{samples:.1} on average");
    if samples > f64::from(configured) + 0.5 {
        let seen = format!("{seen}: the hub is busy, and live values are older");
        return Finding::warn(CHECK, seen, "give the hub another core; history has every sample");
    }
    Finding::ok(CHECK, seen)
}

pub(super) fn judge_history(page: &str) -> Finding {
    const CHECK: &str = "history";
    let counts = ["catch_up_commits", "history_unreadable", "corrupt_blocks_total", "expiry_behind_seconds"]
        .map(|name| number(page, &format!("windfire_{name}")));
    let [Some(behind), Some(unreadable), Some(corrupt), Some(expiry_s)] = counts else { return lacks(CHECK) };
    if number(page, "windfire_upkeep_failing").is_some_and(|failing| failing > 0.0) {
        let seen = "it takes no reports out of the log, and agents stall when there is no room";
        return Finding::bad(CHECK, seen, "/readyz and the log have the reason, which is most likely the disk");
    }
    if unreadable > 0.0 || corrupt > 0.0 {
        let seen = format!("{unreadable} hours or days cannot be read, {corrupt} corrupt blocks were met");
        let remedy = "\"windfire verify\" names them; restore a backup into another folder and export what is missing";
        return Finding::bad(CHECK, seen, remedy);
    }
    if behind > 0.0 {
        let seen = format!("{behind} commits of the log are not in history yet, after a start");
        return Finding::warn(CHECK, seen, "wait some minutes; queries are complete when none is left");
    }
    if expiry_s > 120.0 {
        return Finding::info(CHECK, format!("every hour is readable; history expires {expiry_s:.0} s late"));
    }
    Finding::ok(CHECK, "every hour that was met is readable, and the log is in history")
}

pub(super) fn judge_panel(page: &Result<Page, String>) -> Finding {
    const CHECK: &str = "panel";
    match page {
        Ok(page) if page.status == 200 && page.content_type.starts_with("text/html") => {
            Finding::ok(CHECK, "it is part of the hub's program")
        }
        Ok(page) if page.status == 200 => {
            Finding::info(CHECK, "this hub was built without its panel; Node.js is needed to build it")
        }
        // A hub with another base path leads there from /, and knows no page elsewhere.
        Ok(Page { status: 307 | 404, .. }) => {
            let remedy = "look with the configuration of the hub; if it is that, restart the hub";
            Finding::warn(CHECK, "the hub that runs does not have it at base_path", remedy)
        }
        Ok(page) => {
            Finding::warn(CHECK, format!("it answers with HTTP status {}", page.status), "look at the hub's log")
        }
        Err(error) => Finding::warn(CHECK, error, "look at the hub's log"),
    }
}

/// Servers that have reported before and do not now, by their tags.
pub(super) fn judge_servers(servers: &Result<Vec<Value>, String>, now_s: i64, offline_after_s: i64) -> Finding {
    const CHECK: &str = "servers";
    let servers = match servers {
        Ok(servers) => servers,
        Err(error) => return Finding::info(CHECK, format!("their list cannot be read: {error}")),
    };
    let (mut offline, mut never) = (BTreeMap::<&str, usize>::new(), 0);
    for server in servers {
        match server["last_active"].as_i64() {
            None => never += 1,
            Some(at_s) if now_s.saturating_sub(at_s) > offline_after_s => {
                *offline.entry(server["tag"].as_str().unwrap_or_default()).or_default() += 1;
            }
            Some(_) => {}
        }
    }
    let (all, gone): (usize, usize) = (servers.len(), offline.values().sum());
    let mut seen = format!("{gone} of {all} are offline");
    if never > 0 {
        seen.push_str(&format!(", {never} have never reported"));
    }
    if gone == 0 {
        return Finding::ok(CHECK, seen);
    }
    let named = offline.iter().take(NAMED_MAX).map(|(tag, count)| match *tag {
        "" => format!("{count} without a tag"),
        tag => format!("{count} of tag {tag:?}"),
    });
    seen.push_str(&format!(" ({})", named.collect::<Vec<_>>().join(", ")));
    if gone + never == all && gone >= TOGETHER_MIN {
        let remedy = "no agent reaches this hub: look at its UDP port, the firewalls, and the certificate";
        return Finding::bad(CHECK, seen, remedy);
    }
    Finding::warn(CHECK, seen, "run \"windfire-agent doctor\" on one of them")
}

/// Agents that are older than the hub, or newer.
pub(super) fn judge_agent_versions(details: &Result<Vec<Value>, String>, hub: &str) -> Finding {
    const CHECK: &str = "agent_versions";
    let details = match details {
        Ok(details) => details,
        Err(error) => return Finding::info(CHECK, format!("they cannot be read: {error}")),
    };
    let Some(own) = version(hub) else { return Finding::info(CHECK, format!("the hub's own is {hub:?}")) };
    let (mut older, mut newer, mut all) = (Vec::new(), Vec::new(), 0);
    for server in details {
        let said = server["host"]["Version"].as_str().unwrap_or_default();
        let Some(found) = version(said) else { continue };
        all += 1;
        let name = || format!("{:?} {said}", server["name"].as_str().unwrap_or_default());
        if found < own {
            older.push(name());
        } else if found > own {
            newer.push(name());
        }
    }
    if let Some(name) = newer.first() {
        let seen = format!("{} of {all} agents are newer than the hub ({hub}): {name}", newer.len());
        return Finding::warn(CHECK, seen, "upgrade the hub: it does not know every newer protocol");
    }
    if older.is_empty() {
        return Finding::ok(CHECK, format!("{all} agents of the hub's version, {hub}"));
    }
    let seen = format!("{} of {all} agents are older than the hub ({hub}): {}", older.len(), some(&older));
    Finding::warn(CHECK, seen, "upgrade them when it suits you: the hub knows their protocol")
}

/// `1.2.3`, also with something behind it.
fn version(text: &str) -> Option<[u32; 3]> {
    let mut parts = text.split(['-', '+']).next()?.split('.').map(|part| part.parse::<u32>().ok());
    let read = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(read)
}

/// The first of the names, and how many more there are.
fn some(names: &[String]) -> String {
    let shown = names.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(NAMED_MAX);
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// Channels that fail. The reason is left out, because a receiver may repeat a secret in its answer.
pub(super) fn judge_channels(channels: &Result<Vec<Value>, String>) -> Finding {
    const CHECK: &str = "channels";
    let channels = match channels {
        Ok(channels) => channels,
        Err(error) => return Finding::info(CHECK, format!("their list cannot be read: {error}")),
    };
    let enabled: Vec<&Value> = channels.iter().filter(|channel| channel["enabled"] == true).collect();
    if enabled.is_empty() {
        return Finding::info(CHECK, "alerts are sent nowhere: there is no channel that is enabled");
    }
    let name = |channel: &&Value| format!("{} {:?}", channel["id"], channel["name"].as_str().unwrap_or_default());
    let failing: Vec<String> = enabled.iter().filter(|channel| !channel["failing_since"].is_null()).map(name).collect();
    let remedy = "\"windfire channel list\" has the reason";
    match failing.len() {
        0 => Finding::ok(CHECK, format!("{} work or have sent nothing yet", enabled.len())),
        count if count == enabled.len() => {
            Finding::bad(CHECK, format!("no message about alerts arrives: {}", some(&failing)), remedy)
        }
        _ => Finding::warn(CHECK, format!("messages do not arrive: {}", some(&failing)), remedy),
    }
}

/// The machine's clock against those of agents that reported just now.
pub(super) fn judge_clock(servers: &Result<Vec<Value>, String>, ahead_ms: i64, now_s: i64) -> Finding {
    const CHECK: &str = "clock";
    /// Age of a report whose clock counts, seconds.
    const FRESH_S: i64 = 60;
    let remedy = "set the clock of this machine by the network (NTP)";
    if ahead_ms.abs() > CLOCK_WARN_MS {
        let seen = format!("the hub does not trust this machine's clock: it is {} off", span(ahead_ms.abs() / 1000));
        return Finding::bad(CHECK, seen, remedy);
    }
    let is_fresh = |server: &&Value| {
        server["last_active"].as_i64().is_some_and(|at_s| now_s.saturating_sub(at_s).abs() <= FRESH_S)
    };
    let servers = servers.as_deref().unwrap_or_default();
    let mut skews: Vec<i64> =
        servers.iter().filter(is_fresh).filter_map(|server| server["clock_skew_ms"].as_i64()).collect();
    skews.sort_unstable();
    let count = skews.len();
    if count < TOGETHER_MIN {
        return Finding::info(CHECK, format!("{count} agents tell their clock, too few to judge this one"));
    }
    let median_ms = skews.get(count / 2).copied().unwrap_or_default();
    let seen = format!("the clocks of {count} agents are {median_ms} ms ahead of it (median)");
    if median_ms.abs() > CLOCK_BAD_MS {
        Finding::bad(CHECK, seen, remedy)
    } else if median_ms.abs() > CLOCK_WARN_MS {
        Finding::warn(CHECK, seen, remedy)
    } else {
        Finding::ok(CHECK, seen)
    }
}

/// The panel is part of the hub's program, so this is its version too.
pub(super) fn judge_version(running: &str, own: &str) -> Finding {
    const CHECK: &str = "version";
    if running == own {
        return Finding::ok(CHECK, format!("hub, panel and this program are {own}"));
    }
    let seen = format!("the running hub and its panel are {running}, this program is {own}");
    Finding::warn(CHECK, seen, "restart the hub after an upgrade")
}

#[cfg(test)]
mod tests;
