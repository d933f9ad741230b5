//! The hub's metrics and its use of the machine during a measurement, over its restarts.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use super::Hub;
use super::outcome::{HubUse, Second};
use crate::hub_process::{Usage, request};
use crate::swarm::{Account, Target};

/// One reading.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    pub(super) sessions: f64,
    durable: f64,
    frames: f64,
    frame_bytes: f64,
    samples_per_frame: f64,
    user_s: f64,
    sys_s: f64,
    rss_bytes: u64,
    open_files: u64,
    disk_bytes: u64,
}

/// Counters that only rise. A hub that was restarted counts from zero, but here they continue.
#[derive(Debug, Default)]
struct Rising {
    last: f64,
    sum: f64,
}

impl Rising {
    fn see(&mut self, value: f64) -> f64 {
        self.sum += if value < self.last { value } else { value - self.last };
        self.last = value;
        self.sum
    }
}

pub(super) struct HubWatch {
    pub(super) target: Target,
    pub(super) http: SocketAddr,
    pub(super) now: Look,
    before: Look,
    begin: Look,
    end: Look,
    rising: [Rising; 5],
    is_own: bool,
    rss_idle_bytes: u64,
    rss_max_bytes: u64,
    disk_after_stop_bytes: u64,
}

impl HubWatch {
    /// Starts a hub of our own, and takes the first reading.
    pub(super) fn start(hub: &mut Hub) -> Self {
        let (target, http) = match hub {
            Hub::Own(process) => {
                process.start_at_once();
                (Target::of(process), process.http())
            }
            Hub::Other(other) => (other.target.clone(), other.http),
        };
        let mut watch = Self {
            target,
            http,
            now: Look::default(),
            before: Look::default(),
            begin: Look::default(),
            end: Look::default(),
            rising: Default::default(),
            is_own: matches!(hub, Hub::Own(_)),
            rss_idle_bytes: 0,
            rss_max_bytes: 0,
            disk_after_stop_bytes: 0,
        };
        watch.look(hub);
        watch.rss_idle_bytes = watch.now.rss_bytes;
        watch
    }

    /// Takes a reading. A hub that is not running keeps its last numbers.
    pub(super) fn look(&mut self, hub: &Hub) {
        self.before = self.now;
        let Ok(answer) = request(self.http, "GET", "/metrics", &[], b"") else {
            self.now.sessions = 0.0;
            return;
        };
        let page = answer.text();
        let metric = |name: &str| {
            let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            value.and_then(|value| value.parse().ok()).unwrap_or(0.0)
        };
        let usage = match hub {
            Hub::Own(process) => process.usage(),
            Hub::Other(_) => Usage::default(),
        };
        let [durable, frames, frame_bytes, user_s, sys_s] = &mut self.rising;
        self.now = Look {
            sessions: metric("windfire_sessions"),
            durable: durable.see(metric("windfire_reports_durable_total")),
            frames: frames.see(metric("windfire_received_frames_total")),
            frame_bytes: frame_bytes.see(metric("windfire_received_bytes_total")),
            samples_per_frame: metric("windfire_samples_per_frame"),
            user_s: user_s.see(usage.user_s),
            sys_s: sys_s.see(usage.sys_s),
            rss_bytes: usage.rss_bytes,
            open_files: usage.open_files,
            disk_bytes: if let Hub::Own(process) = hub { folder_bytes(process.data()) } else { 0 },
        };
        self.rss_max_bytes = self.rss_max_bytes.max(usage.rss_bytes);
    }

    /// Resident memory at the last reading, MiB.
    pub(super) fn rss_mib(&self) -> f64 {
        self.now.rss_bytes as f64 / 1048576.0
    }

    /// The measured part begins at the last reading.
    pub(super) fn begin(&mut self) {
        self.begin = self.now;
        self.rss_max_bytes = self.now.rss_bytes;
    }

    /// The measured part ends at the last reading.
    pub(super) fn end(&mut self) {
        self.end = self.now;
    }

    /// The differences between the last two readings.
    pub(super) fn second(&self, took_s: f64) -> Second {
        let (now, before) = (&self.now, &self.before);
        Second {
            durable_per_s: (now.durable - before.durable) / took_s,
            frames_per_s: (now.frames - before.frames) / took_s,
            hub_cores: (now.user_s + now.sys_s - before.user_s - before.sys_s) / took_s,
            rss_mib: now.rss_bytes as f64 / 1048576.0,
            disk_mib: now.disk_bytes as f64 / 1048576.0,
            open_files: now.open_files as f64,
            sessions: now.sessions,
            samples_per_frame: now.samples_per_frame,
            ..Second::default()
        }
    }

    /// Reports that became durable in the measured part.
    pub(super) fn durable(&self) -> f64 {
        self.end.durable - self.begin.durable
    }

    /// Frames taken in the measured part.
    pub(super) fn frames(&self) -> f64 {
        self.end.frames - self.begin.frames
    }

    /// Bytes of these frames.
    pub(super) fn frame_bytes(&self) -> f64 {
        self.end.frame_bytes - self.begin.frame_bytes
    }

    /// Stops our own hub. Returns how many reports are missing in its history, and how many are there twice.
    pub(super) fn stop_and_check(&mut self, hub: &mut Hub, accounts: &[Account]) -> Option<(u64, u64)> {
        let Hub::Own(process) = hub else { return None };
        process.terminate();
        self.disk_after_stop_bytes = folder_bytes(process.data());
        Some(process.check_history(accounts.iter().map(|account| account.pushed)))
    }

    /// The use of CPU, memory and disk of our own hub.
    pub(super) fn hub_use(&self) -> Option<HubUse> {
        self.is_own.then_some(HubUse {
            user_s: self.end.user_s - self.begin.user_s,
            sys_s: self.end.sys_s - self.begin.sys_s,
            rss_idle_bytes: self.rss_idle_bytes,
            rss_bytes: self.end.rss_bytes,
            rss_max_bytes: self.rss_max_bytes,
            disk_bytes: self.disk_after_stop_bytes,
        })
    }
}

/// Bytes of all files below a folder. Files that vanish in the meantime do not count.
pub(crate) fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => folder_bytes(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_goes_on_after_a_restart() {
        let mut counter = Rising::default();
        let seen = [5.0, 9.0, 2.0, 4.0].map(|value| counter.see(value));
        assert_eq!(seen.map(f64::to_bits), [5.0f64, 9.0, 11.0, 13.0].map(f64::to_bits));
    }
}
