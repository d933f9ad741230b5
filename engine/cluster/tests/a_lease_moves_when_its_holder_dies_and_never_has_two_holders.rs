//! Three hubs want a lease. Its holder dies again and again, and once a broker that keeps it. Another hub takes it, and
//! no two may act at the same time.

#[allow(dead_code, reason = "each test needs a part of it")]
mod brokers;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use brokers::{PARTITION, WAIT_MAX, hub, names, three_brokers};
use tokio::time::Instant;
use windfire_bench::tally;
use windfire_cluster::{BootId, Brokers, Lease, Standing};

const TTL: Duration = Duration::from_secs(2);

/// A time in which a hub may act: its boot, and from when until when.
type Turn = (u64, Instant, Instant);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holders_die() {
    let (mut cluster, brokers) = three_brokers().await;
    let turns = Arc::new(Mutex::new(Vec::new()));
    let want = |boot: u64| (boot, tokio::spawn(take_part(brokers.clone(), boot, Arc::clone(&turns))));
    let mut hubs: Vec<_> = (1..=3).map(want).collect();
    let mut holder = await_holder(&turns, None).await;
    for death in 0..4 {
        if death == 2 {
            // Each of the three brokers has a copy of the leases.
            let leader = cluster.leader(&brokers, PARTITION).await;
            cluster.kill(leader);
        }
        let place = hubs.iter().position(|(boot, _)| *boot == holder).expect("a hub that takes part");
        let (_, dead) = hubs.swap_remove(place);
        dead.abort();
        hubs.push(want(10 + death));
        let died = Instant::now();
        holder = await_holder(&turns, Some(holder)).await;
        tally!("death {death}: hub {holder} took the lease after {} ms", died.elapsed().as_millis());
    }
    for (_, hub) in hubs {
        hub.abort();
    }
    let mut turns = turns.lock().expect("no test panicked here").clone();
    turns.sort_by_key(|(_, from, _)| *from);
    let mut holders = 1;
    for pair in turns.windows(2) {
        let ((before, _, until), (after, from, _)) = (pair[0], pair[1]);
        if before != after {
            holders += 1;
            assert!(from >= until, "hubs {before} and {after} have the lease at the same time");
        }
    }
    assert!(holders >= 5, "{holders} holders");
}

async fn take_part(brokers: Brokers, boot: u64, turns: Arc<Mutex<Vec<Turn>>>) {
    let mut lease = Lease::new(&brokers, &names(), "alerts", &hub("a"), BootId(boot), TTL);
    loop {
        // Nothing is known of the brokers while they elect a leader.
        if let Ok(Standing::Held { until }) = lease.step().await {
            assert_eq!(lease.held_until(), Some(until));
            turns.lock().expect("no test panicked here").push((boot, Instant::now(), until));
        }
        tokio::time::sleep(lease.step_interval()).await;
    }
}

/// Waits until a hub has the lease that is not that one.
async fn await_holder(turns: &Mutex<Vec<Turn>>, not: Option<u64>) -> u64 {
    let started = Instant::now();
    loop {
        let last = turns.lock().expect("no test panicked here").last().map(|(boot, ..)| *boot);
        if let Some(boot) = last.filter(|boot| Some(*boot) != not) {
            return boot;
        }
        assert!(started.elapsed() < WAIT_MAX, "no hub takes the lease");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
