//! A log as a hub leaves it that is killed under load: reports of many servers, commit by commit, and none of them in history.

use std::fmt;
use std::path::Path;
use std::time::Instant;

use windfire_engine::Options;
use windfire_wire::Report;

use crate::fast::FastFleet;
use crate::workload::CalmMachine;

/// Commits in a second that a hub makes with the default interval.
pub const COMMITS_PER_S_USUAL: usize = 50;

/// What to leave.
#[derive(Debug, Clone, Copy)]
pub struct CrashedLog {
    /// Servers, each with a report a second.
    pub servers: usize,
    /// Seconds until `end_ms`.
    pub seconds: i64,
    /// Commits in a second. Each has its share of the servers.
    pub commits_per_s: usize,
    /// Unix milliseconds.
    pub end_ms: i64,
}

/// What was left.
#[derive(Debug)]
pub struct Left {
    /// Reports in the log.
    pub reports: u64,
    /// Seconds that it took.
    pub took_s: f64,
    /// The credential of the first server.
    pub credential: String,
}

/// Leaves it in `folder`. Nothing is stored that a kill would have kept from being stored.
///
/// # Panics
/// When the store refuses what it should take.
pub fn leave(folder: &Path, log: CrashedLog) -> Left {
    let start_ms = log.end_ms - log.seconds * 1000;
    let mut fleet = FastFleet::open(folder, log.servers, Options::default(), start_ms);
    let mut machines: Vec<CalmMachine> = (0..log.servers).map(|server| CalmMachine::new(server as u64)).collect();
    let (started, mut reports) = (Instant::now(), 0u64);
    let per_commit = log.servers.div_ceil(log.commits_per_s).max(1);
    for second in 0..log.seconds {
        for (turn, first) in (0..log.servers).step_by(per_commit).enumerate() {
            let now_ms = start_ms + second * 1000 + turn as i64 * 1000 / log.commits_per_s as i64;
            let some = first..(first + per_commit).min(log.servers);
            reports += some.len() as u64;
            fleet.commit_one_each(some, now_ms, &mut |server| {
                // Where those of a swarm have their numbers too.
                Report { udp_conn_count: second.unsigned_abs() + 1, ..machines[server].next(now_ms) }
            });
        }
    }
    Left { reports, took_s: started.elapsed().as_secs_f64(), credential: fleet.credential(0) }
}

impl fmt::Display for Left {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(to, "{} reports in the log, in {:.1} s", self.reports, self.took_s)
    }
}
