//! How long a hub takes to answer after it was killed under load.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::clock::unix_ms;
use crate::crashed_log::{self, COMMITS_PER_S_USUAL, CrashedLog};
use crate::hub_process::HubProcess;
use crate::swarm::{Swarm, SwarmOptions};

/// Time between two looks at the hub.
const POLL: Duration = Duration::from_millis(2);

/// The hub that was killed.
#[derive(Debug, Clone, Copy)]
pub struct Killed {
    /// Servers, each with a report a second.
    pub servers: usize,
    /// Seconds of reports that are in the log, and in nothing else.
    pub seconds: i64,
}

/// Leaves the log in a new folder, waits until `begin` returns, starts the hub, and measures. Returns a table.
///
/// # Panics
/// When the hub does not start, or does not answer as it should.
pub fn measure(binary: &Path, data: &Path, killed: Killed, begin: impl FnOnce()) -> String {
    let mut hub = HubProcess::new(binary, data, &[]);
    let token = hub.make_token();
    let Killed { servers, seconds } = killed;
    let log = CrashedLog { servers, seconds, commits_per_s: COMMITS_PER_S_USUAL, end_ms: unix_ms() };
    let left = crashed_log::leave(data, log);
    print!("{left}");
    begin();
    let started = Instant::now();
    let row = |what: &str| format!("{what:<28} {:>7.2} s", started.elapsed().as_secs_f64());
    hub.start_at_once();
    let mut rows = vec![row("says that it is ready")];
    // Each is asked by a client of its own, as in a fleet.
    let (hub, mut agent) = (&hub, None);
    let details_bytes = thread::scope(|scope| {
        let readyz = scope.spawn(|| {
            assert_eq!(hub.get("/readyz", &token).status, 200);
            row("/readyz answers 200")
        });
        let one = scope.spawn(|| {
            assert_eq!(hub.get("/api/v1/server/details?id=1", &token).status, 200);
            row("details of one server")
        });
        let all = scope.spawn(|| {
            let details = hub.get("/api/v1/server/details", &token);
            assert_eq!(details.status, 200);
            (row("details of all servers"), details.body.len())
        });
        let options = SwarmOptions { ack_each_report: true, ..SwarmOptions::default() };
        let swarm = agent.insert(Swarm::start(hub, &[left.credential], options));
        while swarm.accounts().iter().all(|account| account.acked == 0) {
            thread::sleep(POLL);
        }
        let acked = row("a new report is acknowledged");
        rows.extend([readyz, one].map(|asked| asked.join().expect("an answer")));
        rows.push(acked);
        let (all, bytes) = all.join().expect("an answer");
        rows.push(all);
        bytes
    });
    let mut rss_max_bytes = 0;
    while hub.metric("windfire_catch_up_commits") > 0.0 {
        rss_max_bytes = rss_max_bytes.max(hub.usage().rss_bytes);
        thread::sleep(POLL * 50);
    }
    rows.push(row("history is complete"));
    drop(agent);
    rows.push(format!("{:<28} {:>7.2} MiB", "memory at most", rss_max_bytes as f64 / 1048576.0));
    rows.push(format!("{:<28} {:>7.2} MiB", "bytes of details", details_bytes as f64 / 1048576.0));
    rows.join("\n") + "\n"
}
