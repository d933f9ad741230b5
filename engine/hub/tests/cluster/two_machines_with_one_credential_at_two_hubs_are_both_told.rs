//! Two machines have the same credential, and each reports to another hub. The newer one wins, and the older one is told
//! by its own hub, which has it from the stream. Each comes back only after its wait, so takeovers make no storm, and
//! every report of both is on every hub once. `TAKEOVERS=50` waits for more of them.

use std::time::{Duration, Instant};

use crate::hub::wait_until;
use crate::hubs::Hubs;
use crate::hubs::faults::{Made, eager_agents};
use windfire_agent::backoff::BackoffOptions;
use windfire_bench::given::given;
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::{Swarm, SwarmOptions, Target};
use windfire_bench::tally;

/// Upper end of the wait of an agent that was told that another one came.
const REFUSED: Duration = Duration::from_secs(3);
/// The first number of the second machine's reports.
const SECOND_FIRST: u64 = 1_000_000;

fn superseded(hub: &HubProcess) -> f64 {
    hub.metric("windfire_refusals_total{reason=\"superseded\"}")
}

#[test]
fn two_machines_report_with_one_credential() {
    let takeovers = given("TAKEOVERS", 1u32);
    let mut cluster = Hubs::new(2, 1);
    cluster.start();
    let [first, second] = &cluster.hubs[..] else { panic!("two hubs") };
    let options = || {
        let eager = eager_agents();
        SwarmOptions { backoff: BackoffOptions { refused: REFUSED, ..eager.backoff }, ..eager }
    };
    let mut older = Swarm::start_at(&Target::of(first), &cluster.credentials, options());
    wait_until("the older reports", || older.accounts()[0].acked > 0);
    let begun = Instant::now();
    let of_newer = SwarmOptions { first_number: Some(SECOND_FIRST), ..options() };
    let mut newer = Swarm::start_at(&Target::of(second), &cluster.credentials, of_newer);
    wait_until("the older is told", || superseded(first) > 0.0);
    // The older waits for a second and a half at least. On a machine that stood still it is back by now, and the newer
    // was told in its turn.
    let (of_second, of_first) = (superseded(second), superseded(first));
    assert!(of_second <= of_first, "the newer wins: {of_second} and {of_first}");
    wait_until("the newer reports", || newer.accounts()[0].acked > 0);
    for takeover in 1..=takeovers {
        let told = f64::from(takeover);
        wait_until("each is told again", || superseded(second) >= told && superseded(first) > told);
    }
    // Each of the two is told at most once in its shortest wait.
    let (told, waits) = (superseded(first) + superseded(second), begun.elapsed().div_duration_f64(REFUSED / 2));
    tally!("{told} takeovers in {:.1} s", begun.elapsed().as_secs_f64());
    assert!(told <= 2.0 * (waits + 1.0), "{told} takeovers in {:?}", begun.elapsed());

    let silence = older.take_longest_silence().max(newer.take_longest_silence());
    // The one that reports holds up the other, so one after the other ends.
    let accounts = [older.settle(), newer.settle()].concat();
    assert!(accounts.iter().all(|account| account.acked == account.pushed), "{accounts:?}");
    let made = [(1, accounts[0]), (SECOND_FIRST, accounts[1])];
    let made = made.map(|(first, account)| Made { first, count: account.pushed }).to_vec();
    cluster.await_equal();
    let fault = "one credential on two machines at two hubs";
    cluster.stop_and_compare(&[made]).tell_and_check(fault, u64::from(takeovers), silence);
}
