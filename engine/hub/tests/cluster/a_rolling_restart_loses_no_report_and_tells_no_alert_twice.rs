//! Each hub is restarted, one after the other, and then each broker, as for an upgrade. Agents report all the time and
//! lose nothing. An alert fires all the time: people are told of it once before, and of its end once afterwards.
//! `ROUNDS=10` does so more often.

use crate::hub::receiver::{Receiver, add_rule};
use crate::hub::wait_until;
use crate::hubs::faults::{eager_agents, made_by, signal};
use crate::hubs::{Hubs, await_acks, is_ready};
use rustix::process::Signal;
use windfire_bench::given::given;
use windfire_bench::swarm::{Swarm, SwarmOptions, Target};

const AGENTS: usize = 11;
const HUBS: usize = 2;
/// Hubs that judge each second and tell at once.
const JUDGE_QUICKLY: [&str; 8] =
    ["--alert-interval-s", "1", "--alert-grace-s", "0", "--group-wait-s", "0", "--group-interval-s", "0"];
/// Longer than brokers that stand still keep the reports of an agent that runs.
const AWAY: &str = "offline > 15";
/// Passes in which a hub that judges would tell again of what another one has told.
const PASSES: f64 = 3.0;

#[test]
fn hubs_and_brokers_are_restarted() {
    let rounds = given("ROUNDS", 1);
    let receiver = Receiver::start();
    let mut cluster = Hubs::new(HUBS, AGENTS);
    for number in 0..HUBS {
        let id = format!("hub-{number}");
        let mut arguments = cluster.arguments(&id);
        arguments.extend(JUDGE_QUICKLY.map(str::to_owned));
        cluster.hubs[number] = cluster.hub(&id, &arguments);
    }
    cluster.start();
    let target = Target::of_all(&cluster.hubs);
    let channel = receiver.channel(&cluster.hubs[0], "ops");
    add_rule(&cluster.hubs[0], "away", AWAY, &channel, &["--id", "1"]);
    let (of_one, of_others) = cluster.credentials.split_at(1);
    let mut one = Swarm::start_at(&target, of_one, eager_agents());
    let mut swarm = Swarm::start_at(&target, of_others, eager_agents());
    await_acks(&one);
    let stopped = one.settle();
    let told = || receiver.told("ops").iter().map(|message| message["status"].clone()).collect::<Vec<_>>();
    wait_until("people are told that it is away", || told() == ["firing"]);

    for _ in 0..rounds {
        for number in 0..HUBS {
            assert!(cluster.hubs[number].terminate().success());
            cluster.hubs[number].start_at_once();
            wait_until("the hub is ready", || is_ready(&cluster.hubs[number]));
            await_acks(&swarm);
        }
        for number in 0..cluster.brokers.brokers.len() {
            signal(cluster.brokers.brokers[number].pid(), Signal::TERM);
            cluster.brokers.await_end(number);
            cluster.brokers.restart(number);
            await_acks(&swarm);
        }
        let passes = || cluster.hubs.iter().map(|hub| hub.metric("windfire_alert_pass_seconds_count")).sum::<f64>();
        let before = passes();
        wait_until("alerts were judged again", || passes() >= before + PASSES);
    }
    assert_eq!(told(), ["firing"], "the fault lasts, and was told");

    let options = SwarmOptions { first_number: Some(stopped[0].pushed + 1), ..eager_agents() };
    let mut back = Swarm::start_at(&target, of_one, options);
    wait_until("people are told that it is back", || told() == ["firing", "resolved"]);
    let mut accounts = back.settle();
    accounts[0].pushed += stopped[0].pushed;
    accounts[0].acked += stopped[0].acked;
    accounts.extend(swarm.settle());
    cluster.await_equal();
    let fault = "restart of each hub, then of each broker";
    cluster.stop_and_compare(&made_by(&accounts)).tell_and_check(fault, rounds, swarm.take_longest_silence());
    // The agent that came back has stopped again. If the rest took long, that is a fault of its own, and told as well.
    let (told, again) = (told(), ["firing", "resolved", "firing"]);
    assert!(told.len() >= 2 && told.len() <= 3 && told == again[..told.len()], "{told:?}");
}
