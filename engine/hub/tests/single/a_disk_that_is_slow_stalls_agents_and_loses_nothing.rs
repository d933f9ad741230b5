//! Each sync of the hub's disk takes about a second, while agents come with many readings from before: the disk is
//! frozen and thawed in turn. The hub stays ready and answers readers, takes no more than it may hold, and stalls its
//! agents. No ack is given for what is not durable, and at the end each report is in history once, also after `kill
//! -9`. `DISK_ROUNDS=100` keeps the disk slow for longer.
//!
//! Needs root and loop devices. Elsewhere it is skipped and says so.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::hub::frozen_disk::FrozenDisk;
use crate::hub::sick_disk::{Reader, acked, eager_agents, settle};
use crate::hub::{HUB, wait_until};
use windfire_bench::given::given;
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::{Swarm, SwarmOptions};
use windfire_bench::{skipped, tally};
use windfire_engine::limits::{PENDING_BYTES_PER_SHARD_MAX, SHARDS};

const AGENTS: usize = 80;
/// Readings of each agent from before. All together they are half as much again as the hub may hold for a commit: some
/// 85 bytes each, against 1 MiB for each of the 16 shards.
const BACKLOG: u32 = 3500;
/// How long a sync takes.
const HELD: Duration = Duration::from_secs(1);
/// Memory that the hub may need more than at its start: pending reports twice, RocksDB's newest parts, heads, sessions.
const RSS_GROWTH_BYTES_MAX: u64 = 256 << 20;

/// What was seen while the disk was slow.
struct Seen {
    pending_bytes_max: f64,
    rss_bytes_max: u64,
    acked: u64,
    newest_ack: Instant,
    without_ack: Duration,
}

impl Seen {
    fn look(&mut self, hub: &HubProcess, swarm: &Swarm) {
        // In this order: what is acknowledged by now was durable before the next question.
        let acked = acked(swarm);
        let durable = hub.metric("windfire_reports_durable_total");
        assert!(acked as f64 <= durable, "{acked} are acknowledged, and {durable} are durable");
        if acked > self.acked {
            (self.acked, self.newest_ack) = (acked, Instant::now());
        }
        self.without_ack = self.without_ack.max(self.newest_ack.elapsed());
        self.pending_bytes_max = self.pending_bytes_max.max(hub.metric("windfire_pending_bytes"));
        self.rss_bytes_max = self.rss_bytes_max.max(hub.usage().rss_bytes);
    }
}

#[test]
fn a_disk_that_is_slow_stalls_agents_and_loses_nothing() {
    let rounds = given("DISK_ROUNDS", 6);
    let disk = match FrozenDisk::mount() {
        Ok(disk) => disk,
        Err(why) => return skipped!("no file system can be mounted here: {why}"),
    };
    let mut hub = HubProcess::new(Path::new(HUB), &disk.path().join("data"), &[]);
    let credentials = hub.make_servers(AGENTS, "");
    let token = hub.make_token();
    hub.start();
    let rss_bytes_before = hub.usage().rss_bytes;
    let reader = Reader::start(&hub, &token, &["/readyz"]);

    let mut frozen = disk.freeze();
    let options = SwarmOptions { backlog: BACKLOG, ..eager_agents() };
    let mut swarm = Swarm::start(&hub, &credentials, options);
    let now = Instant::now();
    let mut seen =
        Seen { pending_bytes_max: 0.0, rss_bytes_max: 0, acked: 0, newest_ack: now, without_ack: Duration::ZERO };
    wait_until("agents are stalled", || {
        seen.look(&hub, &swarm);
        hub.metric("windfire_stalls_total") > 0.0
    });
    let commits = || hub.metric("windfire_commits_total");
    let commits_before = commits();
    for _ in 0..rounds {
        let (until, answered) = (Instant::now() + HELD, reader.rounds());
        wait_until("readers are answered while a sync takes its time", || {
            seen.look(&hub, &swarm);
            Instant::now() >= until && reader.rounds() >= answered + 2
        });
        let before = commits();
        drop(frozen);
        wait_until("a commit is on disk", || commits() > before);
        frozen = disk.freeze();
    }
    drop(frozen);
    let slow_commits = commits() - commits_before;
    wait_until("what waited is acknowledged", || {
        seen.look(&hub, &swarm);
        seen.acked >= u64::from(BACKLOG) * AGENTS as u64
    });
    let stalls = hub.metric("windfire_stalls_total");
    let failures = hub.metric("windfire_commit_failures_total");
    let answers = reader.finish();

    let acked_at_kill = acked(&swarm);
    hub.kill();
    hub.start_at_once();
    let (pushed, lost, doubled) = settle(&mut hub, &mut swarm);
    let (pending_mib, rss_bytes) = (seen.pending_bytes_max / 1_048_576.0, seen.rss_bytes_max);
    let growth_bytes = rss_bytes.saturating_sub(rss_bytes_before);
    tally!(
        "{rounds} times held for {HELD:?}, with {slow_commits} commits, then kill -9: {pushed} reports, \
         {acked_at_kill} of them acknowledged before the kill; {lost} lost, {doubled} doubled; {stalls} stalls, \
         {pending_mib:.1} MiB pending and {} MiB more memory at the most; {} answers, none for {:?} at the longest; no \
         ack for {:?} at the longest",
        growth_bytes >> 20,
        answers.count,
        answers.longest_silence,
        seen.without_ack
    );
    assert_eq!(failures, 0.0, "a slow commit is none that fails");
    assert!(seen.pending_bytes_max <= (SHARDS * PENDING_BYTES_PER_SHARD_MAX) as f64, "{}", seen.pending_bytes_max);
    assert!(growth_bytes <= RSS_GROWTH_BYTES_MAX, "{growth_bytes} bytes more memory");
    assert_eq!((lost, doubled), (0, 0));
}
