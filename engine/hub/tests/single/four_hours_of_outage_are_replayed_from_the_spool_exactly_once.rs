//! The hub is away for four hours, in fast time: each agent's spool gathers 14,400 readings, one per second. Then the
//! hub comes while new readings are taken. Each reading is in history exactly once, as it was read, at the moment when
//! it was taken. This holds for agents whose clock is an hour behind too, because they say what it shows.
//! `OUTAGE_AGENTS=20` has more agents.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::hub::spools::{bytes_in, samples_in, times_in_answers};
use crate::hub::{new_hub, quick_backoff, wait_until};
use windfire_agent::limits::SPOOL_BYTES_MAX;
use windfire_agent::outbox::{Outbox, SpoolOptions, new_outbox_id};
use windfire_bench::clock::unix_ms;
use windfire_bench::given::given;
use windfire_bench::swarm::{Swarm, SwarmOptions, Target};
use windfire_bench::tally;
use windfire_engine::sample::Sample;

const OUTAGE_S: u32 = 4 * 3600;
const AGENTS_BEHIND: usize = 2;
const BEHIND_MS: i64 = 3_600_000;
/// How exactly the hub knows how far a clock is behind: it takes a moment to say what a clock shows, and a busy machine
/// some seconds.
const SKEW_ERROR_MS_MAX: i64 = 10_000;
/// Milliseconds by which an agent's timer is late at most, and a little more.
const LATE_MS_MAX: i64 = 50;
const MINUTE_MS: i64 = 60_000;

fn behind_ms() -> i64 {
    unix_ms() - BEHIND_MS
}

fn options(unix_ms: fn() -> i64) -> SwarmOptions {
    SwarmOptions { backoff: quick_backoff(), backlog: OUTAGE_S, unix_ms, ..SwarmOptions::default() }
}

fn open(folders: &[PathBuf]) -> Vec<Outbox> {
    let open = |folder: &PathBuf| {
        let spool = SpoolOptions { folder: folder.clone(), bytes_max: SPOOL_BYTES_MAX };
        Outbox::in_spool(&spool, new_outbox_id()).expect("a new spool")
    };
    folders.iter().map(open).collect()
}

fn reports(swarms: [&Swarm; 2]) -> (u64, u64) {
    let accounts = swarms.iter().flat_map(|swarm| swarm.accounts());
    accounts.fold((0, 0), |(pushed, acked), account| (pushed + account.pushed, acked + account.acked))
}

/// Each whole minute of the outage has its readings: 60, or one more or less where a timer was late at its border.
fn check_minutes(times: &[i64], from_ms: i64, to_ms: i64) -> i64 {
    let (first, end) = (from_ms.div_euclid(MINUTE_MS) + 1, to_ms.div_euclid(MINUTE_MS));
    for minute in first..end {
        let count = times.iter().filter(|time_ms| time_ms.div_euclid(MINUTE_MS) == minute).count();
        assert!((59..=61).contains(&count), "{count} readings in minute {} of {}", minute - first, end - first);
    }
    end - first
}

#[test]
fn four_hours_of_outage_are_replayed_from_the_spool_exactly_once() {
    let right = given("OUTAGE_AGENTS", 6);
    let agents = right + AGENTS_BEHIND;
    let (folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(agents, "");
    let token = hub.make_token();
    // Only to get its addresses: then it is away.
    hub.start();
    assert!(hub.terminate().success());
    let target = Target::of(&hub);
    let spools: Vec<PathBuf> = (0..agents).map(|agent| folder.path().join(format!("spool-{agent}"))).collect();

    let began = Instant::now();
    let began_ms = unix_ms();
    let mut of_right = Swarm::start_with(&target, &credentials[..right], open(&spools[..right]), options(unix_ms));
    let mut of_behind = Swarm::start_with(&target, &credentials[right..], open(&spools[right..]), options(behind_ms));
    let is_gathered = |swarm: &Swarm| swarm.accounts().iter().all(|account| account.pushed >= u64::from(OUTAGE_S));
    wait_until("the readings of the outage are in the spools", || is_gathered(&of_right) && is_gathered(&of_behind));
    let (gathered_s, ended_ms) = (began.elapsed().as_secs_f64(), unix_ms());
    let spooled: Vec<Vec<Sample>> =
        spools.iter().map(|spool| samples_in(spool).into_iter().map(|(_, sample)| sample).collect()).collect();
    let bytes: u64 = spools.iter().map(|spool| bytes_in(spool)).sum();
    let (waiting, acked) = reports([&of_right, &of_behind]);
    assert_eq!(acked, 0, "the hub is away");

    hub.start_at_once();
    let (replay, rss_before) = (Instant::now(), hub.usage().rss_bytes);
    let (mut first_ack, mut rss_max) = (None, rss_before);
    wait_until("the hub has what waited", || {
        rss_max = rss_max.max(hub.usage().rss_bytes);
        let acked = reports([&of_right, &of_behind]).1;
        if acked > 0 {
            first_ack.get_or_insert_with(Instant::now);
        }
        acked >= waiting
    });
    let (replay_s, ack_s) = (replay.elapsed(), first_ack.map_or(Duration::ZERO, |at| at.elapsed()));
    // A client of the running hub sees every second of the outage.
    let mut minutes = 0;
    for agent in 0..agents {
        let times = times_in_answers(&hub, &token, agent + 1, began_ms / 1000 - i64::from(OUTAGE_S) - 60);
        // Those of a clock that is behind may all be some seconds off.
        let off_ms = if agent >= right { SKEW_ERROR_MS_MAX } else { 0 };
        let from_ms = ended_ms - i64::from(OUTAGE_S - 1) * 1000;
        minutes += check_minutes(&times, from_ms + off_ms, began_ms - off_ms);
    }
    let accounts = [of_right.settle(), of_behind.settle()].concat();
    assert_eq!(of_right.refused() + of_behind.refused(), 0, "a spool was full");
    assert!(hub.terminate().success());

    let history = hub.samples();
    let mut live = 0;
    for (agent, (history, spooled)) in history.iter().zip(&spooled).enumerate() {
        let account = accounts[agent];
        assert_eq!((account.acked, history.len() as u64), (account.pushed, account.pushed), "agent {agent}");
        let numbers = history.iter().map(|sample| sample.udp_conn_count);
        assert!(numbers.eq(1..=account.pushed), "agent {agent}: each reading once, in its order");
        assert!(spooled.len() >= OUTAGE_S as usize, "agent {agent} had {} readings in its spool", spooled.len());
        let moved_ms = history[0].time_ms - spooled[0].time_ms;
        let is_behind = agent >= right;
        let error_ms = moved_ms - if is_behind { BEHIND_MS } else { 0 };
        assert!(error_ms.abs() <= if is_behind { SKEW_ERROR_MS_MAX } else { 0 }, "agent {agent}: {error_ms} ms off");
        // All of them by the same.
        for (history, spooled) in history.iter().zip(&spooled[..OUTAGE_S as usize]) {
            assert_eq!(*history, Sample { time_ms: spooled.time_ms + moved_ms, ..spooled.clone() }, "agent {agent}");
        }
        // The oldest is four hours old.
        let outage_ms = i64::from(OUTAGE_S) * 1000;
        let truly_ms = began_ms - outage_ms..=ended_ms - outage_ms + LATE_MS_MAX;
        let off_ms = if is_behind { SKEW_ERROR_MS_MAX } else { 0 };
        let is_there = (truly_ms.start() - off_ms..=truly_ms.end() + off_ms).contains(&history[0].time_ms);
        assert!(is_there, "agent {agent}: the first reading is at {}, not within {truly_ms:?}", history[0].time_ms);
        assert!(history.is_sorted_by(|a, b| a.time_ms <= b.time_ms), "agent {agent}: time goes on");
        live += account.pushed - u64::from(OUTAGE_S);
    }
    let per_reading = bytes as f64 / waiting as f64;
    tally!(
        "{agents} agents: {waiting} readings of an outage gathered in {gathered_s:.1} s, {bytes} bytes of spools with \
         {per_reading:.0} each, so {:.1} days fit into {SPOOL_BYTES_MAX} bytes; replayed {:.2} s after the hub's start, \
         {:.0} reports per second from the first ack on; the hub's memory was {:.0} MiB and at most {:.0} MiB; \
         {minutes} minutes of the outage are whole, {live} readings were taken meanwhile, and all are in history once \
         and at their own times",
        SPOOL_BYTES_MAX as f64 / per_reading / 86_400.0,
        replay_s.as_secs_f64(),
        waiting as f64 / ack_s.as_secs_f64(),
        rss_before as f64 / f64::from(1 << 20),
        rss_max as f64 / f64::from(1 << 20),
    );
}
