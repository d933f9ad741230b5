//! Agents gather four hours of readings in their spools, in fast time, while the hub is away. While the hub takes them,
//! the disk of the spools loses its power, again and again: acknowledged files are deleted or back, and the hub has
//! more than a spool knows. Each of these readings is in history exactly once. `CUTS=20` cuts more often.
//!
//! Needs root and loop devices. Elsewhere it is skipped and says so.

use crate::hub::cut_spools::CutSpools;
use crate::hub::frozen_disk::{FrozenDisk, stand_still};
use crate::hub::spools::{SpooledAgents, accounts, drain};
use crate::hub::{new_hub, wait_until};
use windfire_bench::given::{given, seed};
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::Account;
use windfire_bench::{skipped, tally};
use windfire_engine::sample::Sample;

const AGENTS: usize = 8;
const OUTAGE_S: u64 = 4 * 3600;
const DISK_BYTES: u64 = 64 << 20;
/// More than an agent takes from one cut to the next.
const READINGS_PER_LIFE: u64 = 1_000_000;
/// Outages until a cut comes while one is replayed, which takes a second: this test may stand still for longer.
const OUTAGES_MAX: usize = 5;

#[test]
fn a_power_cut_while_a_spool_is_replayed_costs_no_reading() {
    let (mut random, cuts) = (fastrand::Rng::with_seed(seed()), given("CUTS", 4));
    for _ in 0..OUTAGES_MAX {
        match is_cut_halfway(&mut random, cuts) {
            Err(why) => return skipped!("no disk of its own: {why}"),
            Ok(true) => return,
            Ok(false) => println!("no cut came during the replay: once more"),
        }
    }
    panic!("no cut came during one of {OUTAGES_MAX} replays: the test shows nothing");
}

/// Checks one outage with so many cuts after it. Whether any of them came while some readings were acknowledged and
/// others were not. `Err` where no disk can be mounted.
fn is_cut_halfway(random: &mut fastrand::Rng, cuts: u64) -> Result<bool, String> {
    let disk = FrozenDisk::mount_of(DISK_BYTES)?;
    let (folder, mut hub) = new_hub(&[]);
    let credentials_file = folder.path().join("credentials");
    std::fs::write(&credentials_file, hub.make_servers(AGENTS, "").join("\n")).expect("written");
    let spools_folder = disk.path().join("spools");
    let number: fn(&Sample) -> u64 = |sample| sample.udp_conn_count;
    let mut spools = CutSpools::new((0..AGENTS).map(|agent| (spools_folder.join(agent.to_string()), number)));
    // Only to get its addresses: then it is away.
    hub.start();
    assert!(hub.terminate().success());

    let accounts_of = |life: u64| folder.path().join(format!("accounts-{life}"));
    let start = |hub: &HubProcess, life: u64, backlog: u64| {
        let (first_number, backlog) = ((life * READINGS_PER_LIFE + 1).to_string(), backlog.to_string());
        let file = accounts_of(life);
        let file = file.to_str().expect("UTF-8");
        let readings = ["--interval-ms", "1000", "--backlog", &backlog, "--first-number", &first_number];
        let more = [&readings[..], &["--accounts", file]].concat();
        SpooledAgents::start(hub, &credentials_file, &spools_folder, &more)
    };
    let mut agents = start(&hub, 0, OUTAGE_S);
    wait_until("the readings of the outage are in the spools", || {
        let accounts = accounts(&accounts_of(0));
        accounts.len() == AGENTS && accounts.iter().all(|account| account.pushed >= OUTAGE_S)
    });
    spools.sync(&disk);
    hub.start_at_once();

    let outage = OUTAGE_S * AGENTS as u64;
    let of_outage = |account: &Account| account.acked.min(OUTAGE_S);
    let replayed = |life: u64| accounts(&accounts_of(life)).iter().map(of_outage).sum::<u64>();
    let mut halfway = 0;
    for life in 0..cuts {
        let wanted = (outage * life + random.u64(1..outage)) / cuts;
        wait_until("so many are acknowledged", || replayed(life) >= wanted);
        stand_still(agents.pid());
        halfway += u64::from(replayed(life) < outage);
        spools.cut(&disk, &accounts(&accounts_of(life)), || agents.kill());
        agents = start(&hub, life + 1, 0);
    }
    wait_until("the rest is acknowledged", || replayed(cuts) == outage);
    agents.kill();
    // A kill takes nothing.
    spools.sync(&disk);
    drain(&hub, &credentials_file, &spools_folder);
    assert!(hub.terminate().success());
    tally!("{outage} readings of an outage, {cuts} power cuts, {halfway} of them before all were acknowledged");
    spools.check(&hub.samples());
    Ok(halfway > 0 && spools.found.unacked > 0 && spools.found.acked > 0)
}
