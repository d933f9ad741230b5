//! What a fault does to a cluster: what every hub has afterwards, as a row of a table.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use windfire_bench::swarm::{Account, SwarmOptions};
use windfire_bench::tally;
use windfire_cluster::stream_states;
use windfire_engine::limits::SHARDS;

use super::brokers::{Broker, WAIT_MAX, names};
use super::{Hubs, export};
use crate::hub::quick_backoff;

/// Time within which acks must come again. The quick forms share the machine with other tests, and its disk: some ten
/// writes follow one another until there are acks again.
pub(crate) fn acks_max(is_quick: bool) -> Duration {
    Duration::from_secs(if is_quick { 60 } else { 15 })
}

/// Consecutive numbers that one outbox gave to its reports.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made {
    pub(crate) first: u64,
    pub(crate) count: u64,
}

/// What the hubs have of the reports that were acknowledged.
#[derive(Debug)]
pub(crate) struct Found {
    acked: u64,
    /// Missing on a hub, of all hubs together.
    lost: u64,
    /// More than once on a hub, or never made, of all hubs together.
    doubled: u64,
    are_exports_equal: bool,
}

/// Agents that report often, and ask for an ack of every report, so that a silence is seen.
pub(crate) fn eager_agents() -> SwarmOptions {
    SwarmOptions {
        interval: Duration::from_millis(100),
        backoff: quick_backoff(),
        ack_each_report: true,
        ..SwarmOptions::default()
    }
}

/// The reports of agents with one outbox each, by server. All of them must be acknowledged.
pub(crate) fn made_by(accounts: &[Account]) -> Vec<Vec<Made>> {
    let made = |account: &Account| {
        assert_eq!(account.acked, account.pushed, "everything is acknowledged");
        vec![Made { first: 1, count: account.pushed }]
    };
    accounts.iter().map(made).collect()
}

/// Sends a signal to a child of this process.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.cast_signed()).expect("a process");
    kill_process(pid, signal).expect("own child");
}

impl Hubs {
    /// The place in the list of the broker that leads most streams.
    pub(crate) fn leader_of_most(&self) -> usize {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let partitions = u16::try_from(SHARDS).expect("few");
        let states = runtime.block_on(async {
            let (brokers, started) = (self.brokers.connect().await, Instant::now());
            loop {
                match stream_states(&brokers, &names(), partitions).await {
                    Ok(states) => return states,
                    Err(error) => assert!(started.elapsed() < WAIT_MAX, "{error}"),
                }
            }
        });
        let led = |broker: &Broker| states.iter().filter(|state| state.leader.as_ref() == Some(&broker.name)).count();
        let brokers = &self.brokers.brokers;
        (0..brokers.len()).max_by_key(|number| led(&brokers[*number])).expect("a broker")
    }

    /// Stops all hubs, and compares what each has with what was made, by server.
    pub(crate) fn stop_and_compare(&mut self, made: &[Vec<Made>]) -> Found {
        self.hubs.iter_mut().for_each(|hub| assert!(hub.terminate().success()));
        let acked = made.iter().flatten().map(|made| made.count).sum();
        let (mut lost, mut doubled) = (0, 0);
        for hub in &self.hubs {
            let stored = hub.reported_numbers();
            assert_eq!(stored.len(), made.len(), "servers");
            for (numbers, made) in stored.iter().zip(made) {
                let differences = differences(numbers, made);
                lost += differences.0;
                doubled += differences.1;
            }
        }
        let exports: Vec<Vec<u8>> = self.hubs.iter().map(export).collect();
        assert!(!exports[0].is_empty());
        let are_exports_equal = exports.iter().all(|export| *export == exports[0]);
        Found { acked, lost, doubled, are_exports_equal }
    }
}

impl Found {
    /// Prints it as a row of a table, and checks it.
    pub(crate) fn tell_and_check(&self, fault: &str, times: u64, silence: Duration) {
        let Self { acked, lost, doubled, are_exports_equal } = self;
        let exports = if *are_exports_equal { "equal" } else { "DIFFER" };
        tally!("| {fault} | {times} | {acked} | {lost} | {doubled} | {:.1} s | {exports} |", silence.as_secs_f64());
        self.check();
    }

    /// Nothing is lost, nothing is doubled, and all hubs have the same.
    pub(crate) fn check(&self) {
        assert!(self.acked > 0, "nothing was acknowledged: the test shows nothing");
        assert_eq!((self.lost, self.doubled), (0, 0), "lost and doubled, of {} reports", self.acked);
        assert!(self.are_exports_equal, "the exports of the hubs differ");
    }
}

/// Reports that are missing, and those that are there more than once or that nobody made.
fn differences(numbers: &[u64], made: &[Made]) -> (u64, u64) {
    let is_made = |number: &u64| made.iter().any(|made| (made.first..made.first + made.count).contains(number));
    let found: BTreeSet<u64> = numbers.iter().copied().filter(is_made).collect();
    let count: u64 = made.iter().map(|made| made.count).sum();
    (count - found.len() as u64, (numbers.len() - found.len()) as u64)
}
