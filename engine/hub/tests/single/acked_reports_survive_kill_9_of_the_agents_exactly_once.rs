//! 200 agents with spools on disk at 10 reports a second, in a process that is killed 20 times at random moments. Every
//! report that was ever spooled arrives, in order, exactly once.

use std::time::Duration;

use crate::hub::new_hub;
use crate::hub::spools::{SpooledAgents, drain};
use windfire_bench::given::seed;
use windfire_bench::tally;

const AGENTS: usize = 200;
const KILLS: usize = 20;

#[test]
fn acked_reports_survive_kill_9_of_the_agents_exactly_once() {
    let mut random = fastrand::Rng::with_seed(seed());
    let (folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(AGENTS, "");
    let credentials_file = folder.path().join("credentials");
    std::fs::write(&credentials_file, credentials.join("\n")).expect("written");
    let spools = folder.path().join("spools");
    hub.start();
    for kill in 0..KILLS {
        let mut agents = SpooledAgents::start(&hub, &credentials_file, &spools, &[]);
        std::thread::sleep(Duration::from_millis(random.u64(100..2000)));
        agents.kill();
        if kill % 5 == 4 {
            // The worst is both at once.
            hub.kill();
            hub.start();
        }
    }
    let spooled = drain(&hub, &credentials_file, &spools);
    assert_eq!(spooled.len(), AGENTS);
    let known = hub.metric("windfire_reports_duplicate_total");
    assert!(hub.terminate().success());

    let numbers = hub.reported_numbers();
    let total: u64 = spooled.iter().sum();
    let found: usize = numbers.iter().map(Vec::len).sum();
    tally!(
        "{KILLS} kills of {AGENTS} agents, 4 of the hub: {total} reports spooled, {found} in history, {known} sent again and known"
    );
    assert!(total > AGENTS as u64 * KILLS as u64 / 2, "hardly anything was reported: the test shows nothing");
    assert_eq!(numbers.len(), spooled.len());
    for (count, numbers) in spooled.iter().zip(&numbers) {
        assert!(
            numbers.iter().copied().eq(1..=*count),
            "expected 1 to {count} once each and in order, found {numbers:?}"
        );
    }
}
