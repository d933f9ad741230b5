//! The hub is away for eight hours, in fast time, and the spools have room for fewer readings. Each reading is kept or
//! refused, and the kept ones are the oldest, without a hole. An agent that starts on such a spool says that it takes
//! no readings, and afterwards how many that were. When the hub comes, all that was kept is in history exactly once.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::hub::agent_process::{AgentProcess, with_spool};
use crate::hub::spools::{bytes_in, samples_in, times_in_answers};
use crate::hub::{new_hub, quick_backoff, wait_until};
use windfire_agent::limits::SPOOL_BYTES_MIN;
use windfire_agent::outbox::{Outbox, SpoolOptions, new_outbox_id};
use windfire_bench::clock::unix_ms;
use windfire_bench::swarm::{Account, Swarm, SwarmOptions, Target};
use windfire_bench::tally;
use windfire_engine::sample::Sample;

const AGENTS: usize = 3;
const OUTAGE_S: u32 = 8 * 3600;
/// Milliseconds that two readings may be further apart or closer together than their second.
const LATE_MS_MAX: i64 = 50;
/// Seconds that the agent's program may need to start, with those in which the machine stands still: they have no
/// readings.
const START_S_MAX: i64 = 15;
/// How long the program finds no room: it misses more readings than [`START_S_MAX`].
const WITHOUT_ROOM: Duration = Duration::from_secs(20);
/// Longer than an agent waits for its last acks.
const STOP_MAX: Duration = Duration::from_secs(30);

fn open(folders: &[PathBuf]) -> Vec<Outbox> {
    let open = |folder: &PathBuf| {
        let spool = SpoolOptions { folder: folder.clone(), bytes_max: SPOOL_BYTES_MIN };
        Outbox::in_spool(&spool, new_outbox_id()).expect("a spool")
    };
    folders.iter().map(open).collect()
}

#[test]
fn an_outage_longer_than_a_spool_is_told_and_costs_nothing_that_was_kept() {
    let (folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(AGENTS, "");
    let token = hub.make_token();
    // Only to get its addresses: then it is away.
    hub.start();
    assert!(hub.terminate().success());
    let target = Target::of(&hub);
    let spools: Vec<PathBuf> = (0..AGENTS).map(|agent| folder.path().join(format!("spool-{agent}"))).collect();
    let options = SwarmOptions { backoff: quick_backoff(), ..SwarmOptions::default() };

    let began_ms = unix_ms();
    let outage = SwarmOptions { backlog: OUTAGE_S, ..options.clone() };
    let mut swarm = Swarm::start_silent(&target, &credentials, open(&spools), outage);
    let kept = |swarm: &Swarm| swarm.accounts().iter().map(|account| account.pushed).sum::<u64>();
    let made = AGENTS as u64 * u64::from(OUTAGE_S);
    wait_until("each reading is kept or refused", || kept(&swarm) + swarm.refused() == made);
    let (kept, refused) = (kept(&swarm), swarm.refused());
    swarm.finish();
    drop(swarm);
    assert!(refused > 0, "{kept} readings fitted: the test shows nothing");
    let spooled: Vec<Vec<Sample>> =
        spools.iter().map(|spool| samples_in(spool).into_iter().map(|(_, sample)| sample).collect()).collect();
    assert_eq!(spooled.iter().map(|samples| samples.len() as u64).sum::<u64>(), kept, "what was kept is there");
    let oldest_ms = began_ms - i64::from(OUTAGE_S) * 1000;
    for (samples, spool) in spooled.iter().zip(&spools) {
        let bytes = bytes_in(spool);
        assert!((SPOOL_BYTES_MIN * 9 / 10..=SPOOL_BYTES_MIN).contains(&bytes), "{bytes} bytes");
        assert!(samples[0].time_ms >= oldest_ms && samples[0].time_ms < oldest_ms + 60_000, "not the oldest");
        let is_next = |a: &Sample, b: &Sample| (b.time_ms - a.time_ms - 1000).abs() <= LATE_MS_MAX;
        assert!(samples.is_sorted_by(is_next), "a reading between others was not kept");
    }

    // The first of them is found by the agent's own program.
    let started_ms = unix_ms();
    let mut command = with_spool(&hub, &credentials[0], &spools[0]);
    command.args(["--spool-bytes-max", &SPOOL_BYTES_MIN.to_string()]);
    let mut program = AgentProcess::start(command);
    program.wait_for_log("the outbox is full: sampling pauses until the hub has taken some");
    // Readings that find no room for a given time are what is asked for.
    thread::sleep(WITHOUT_ROOM);
    let returned_ms = unix_ms();
    hub.start_at_once();
    let mut swarm = Swarm::start_silent(&target, &credentials[1..], open(&spools[1..]), options);
    let is_done = |account: &Account| account.acked == account.pushed;
    wait_until("the hub has all that was kept", || swarm.accounts().iter().all(is_done));
    let continued = program.wait_for_log("sampling continues");
    let missed: i64 = continued
        .split("missed=")
        .nth(1)
        .and_then(|rest| rest.split(|character: char| !character.is_ascii_digit()).next())
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_else(|| panic!("how many readings were missed? {continued:?}"));
    wait_until("the program reports what it reads now", || {
        times_in_answers(&hub, &token, 1, started_ms / 1000).iter().any(|time_ms| *time_ms > returned_ms)
    });
    program.terminate();
    assert!(program.ends_within(STOP_MAX), "an agent does not stop");
    swarm.finish();
    assert!(hub.terminate().success());

    let history = hub.samples();
    let (found, read_now) = history[0].split_at(spooled[0].len());
    assert!(found == spooled[0] && history[1..] == spooled[1..], "each is in history once, as it was read");
    // The program's readings are a second apart, the first a second after its start.
    let (before, after): (Vec<&Sample>, Vec<&Sample>) =
        read_now.iter().partition(|sample| sample.time_ms < returned_ms);
    let taken = after.first().map_or(0, |first| (first.time_ms - started_ms) / 1000);
    let told = i64::try_from(before.len()).expect("few") + missed + 1;
    let is_exact = missed > 0 && (0..=START_S_MAX).contains(&(taken - told));
    assert!(is_exact, "{missed} missed and {} kept before reading {taken} or a little less", before.len());
    tally!(
        "{made} readings of {AGENTS} agents in eight hours: {kept} kept, {refused} refused, all that were kept are in \
         history; the program missed {missed} more before the hub came, said so, and kept {}",
        read_now.len()
    );
}
