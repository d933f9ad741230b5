//! The disk of agents' spools loses its power at random moments, with the hub away for a part of the time: what the
//! kernel had not written is lost. Each reading that was on the disk or acknowledged is in history exactly once, none
//! is taken for another, and the agents start again by themselves. `CUTS=20` cuts more often.
//!
//! Needs root and loop devices. Elsewhere it is skipped and says so.

use std::thread::sleep;
use std::time::Duration;

use crate::hub::agent_process::{AgentProcess, with_spool};
use crate::hub::cut_spools::CutSpools;
use crate::hub::frozen_disk::{FrozenDisk, stand_still};
use crate::hub::spools::{SpooledAgents, accounts, drain, times_in_answers};
use crate::hub::{new_hub, wait_until};
use windfire_bench::clock::unix_ms;
use windfire_bench::given::{given, seed};
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::Account;
use windfire_bench::{skipped, tally};
use windfire_engine::sample::Sample;

/// Agents in one process, with ten readings a second.
const AGENTS: usize = 20;
/// Processes of the agent's own program, which read this machine once a second.
const PROGRAMS: usize = 3;
const DISK_BYTES: u64 = 64 << 20;
/// More than an agent takes from one cut to the next.
const READINGS_PER_LIFE: u64 = 1_000_000;
/// Longer than an agent waits for its last acks.
const STOP_MAX: Duration = Duration::from_secs(30);

fn number(sample: &Sample) -> u64 {
    sample.udp_conn_count
}

fn time(sample: &Sample) -> u64 {
    sample.time_ms.cast_unsigned()
}

#[test]
fn readings_on_the_disk_of_a_spool_survive_a_power_cut_exactly_once() {
    let (mut random, cuts) = (fastrand::Rng::with_seed(seed()), given("CUTS", 4));
    let disk = match FrozenDisk::mount_of(DISK_BYTES) {
        Ok(disk) => disk,
        Err(why) => return skipped!("no disk of its own: {why}"),
    };
    let began_s = unix_ms() / 1000;
    let (folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(AGENTS + PROGRAMS, "");
    let token = hub.make_token();
    let credentials_file = folder.path().join("credentials");
    std::fs::write(&credentials_file, credentials[..AGENTS].join("\n")).expect("written");
    let agents_folder = disk.path().join("agents");
    let programs_file = folder.path().join("credentials-of-programs");
    std::fs::write(&programs_file, credentials[AGENTS..].join("\n")).expect("written");
    let programs_folder = disk.path().join("programs");
    std::fs::create_dir(&programs_folder).expect("a folder");
    let program_folder = |program: usize| programs_folder.join(program.to_string());
    let of_agents = (0..AGENTS).map(|agent| (agents_folder.join(agent.to_string()), number as fn(&Sample) -> u64));
    let of_programs = (0..PROGRAMS).map(|program| (program_folder(program), time as fn(&Sample) -> u64));
    let mut spools = CutSpools::new(of_agents.chain(of_programs));
    hub.start_at_once();
    let start_programs = |hub: &HubProcess| -> Vec<AgentProcess> {
        let start = |(program, credential): (usize, &String)| {
            AgentProcess::start(with_spool(hub, credential, &program_folder(program)))
        };
        credentials[AGENTS..].iter().enumerate().map(start).collect()
    };

    let mut is_away = false;
    for life in 0..cuts {
        let accounts_file = folder.path().join(format!("accounts-{life}"));
        let first_number = (life * READINGS_PER_LIFE + 1).to_string();
        let more = ["--first-number", &first_number, "--accounts", accounts_file.to_str().expect("UTF-8")];
        let mut agents = SpooledAgents::start(&hub, &credentials_file, &agents_folder, &more);
        let mut programs = start_programs(&hub);
        if is_away {
            hub.start_at_once();
        }
        wait_until("the agents are back", || hub.metric("windfire_sessions") >= AGENTS as f64);
        wait_until("some are acknowledged", || accounts(&accounts_file).iter().any(|account| account.acked > 0));
        sleep(Duration::from_millis(random.u64(100..700)));
        hub.kill();
        let pushed = || Account::total(&accounts(&accounts_file)).pushed;
        let before = pushed();
        sleep(Duration::from_millis(random.u64(100..500)));
        wait_until("readings are in the spools that the hub does not have", || pushed() > before);
        spools.sync(&disk);
        let synced = pushed();
        sleep(Duration::from_millis(random.u64(50..350)));
        wait_until("readings are in the spools that the disk does not have", || pushed() > synced);
        // The next process finds the hub away, or the power goes while the hub takes what waited.
        is_away = life % 2 == 0;
        if !is_away {
            hub.start_at_once();
            sleep(Duration::from_millis(random.u64(0..400)));
        }
        stand_still(agents.pid());
        programs.iter().for_each(|program| stand_still(program.pid()));
        spools.cut(&disk, &accounts(&accounts_file), || {
            agents.kill();
            programs.iter_mut().for_each(AgentProcess::stop);
        });
    }
    if is_away {
        hub.start_at_once();
    }

    drain(&hub, &credentials_file, &agents_folder);
    let restarted_ms = unix_ms();
    let mut programs = start_programs(&hub);
    for server in AGENTS..AGENTS + PROGRAMS {
        wait_until("the programs have sent what was on the disk, and report on", || {
            let times = times_in_answers(&hub, &token, server + 1, began_s);
            let is_there = |time: &u64| times.contains(&time.cast_signed());
            spools.safe(server).iter().all(is_there) && times.iter().any(|time| *time > restarted_ms)
        });
    }
    for program in &mut programs {
        program.terminate();
        assert!(program.ends_within(STOP_MAX), "an agent does not stop");
    }
    // They ended in order, but a slow disk of the hub may not have given them their last acks in time.
    spools.sync(&disk);
    drain(&hub, &programs_file, &programs_folder);
    assert!(hub.terminate().success());
    tally!("{cuts} power cuts of {AGENTS} agents in one process and of {PROGRAMS} in their own");
    spools.check(&hub.samples());
    let found = &spools.found;
    assert!(found.acked > 0, "no cut came after an ack: the test shows nothing");
    assert!(found.unacked > 0, "no spool held anything that the hub had not: the test shows nothing");
    assert!(found.taken > 0, "no cut took anything: the power was not cut");
}
