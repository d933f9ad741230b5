//! One hub of two no longer reaches the brokers, and its agents still reach it. It says that it is not ready, answers no
//! token, still answers those who are signed in and says how old that is, and acknowledges nothing, so its agents keep
//! their reports. Those of the other hub notice nothing. Once the network is back, everything comes in. `CUT_S=60` cuts
//! it off for longer.

use std::thread::sleep;
use std::time::Duration;

use crate::hub::panel::Panel;
use crate::hub::sick_disk::acked;
use crate::hub::wait_until;
use crate::hubs::brokers::BrokerCluster;
use crate::hubs::brokers::relay::Relay;
use crate::hubs::faults::{eager_agents, made_by};
use crate::hubs::{Hubs, await_acks, is_ready};
use serde_json::json;
use windfire_bench::given::given;
use windfire_bench::swarm::{Account, Swarm, Target};
use windfire_bench::tally;

const AGENTS: usize = 10;
/// Reports that each agent keeps at least, while nothing is acknowledged.
const KEPT_MIN: u64 = 10;

#[test]
fn a_hub_is_cut_off() {
    let cut = Duration::from_secs(given("CUT_S", 0));
    let mut cluster = Hubs::with_brokers(BrokerCluster::unadvertised(3), 2, AGENTS);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let mut relays = Vec::new();
    for broker in &cluster.brokers.brokers {
        relays.push(runtime.block_on(Relay::to(broker.port)));
    }
    let mut arguments = cluster.arguments("hub-0");
    let at = arguments.iter().position(|argument| argument == "--cluster-nats").expect("given");
    arguments[at + 1] = relays.iter().map(Relay::url).collect::<Vec<_>>().join(",");
    cluster.hubs[0] = cluster.hub("hub-0", &arguments);
    cluster.start();
    let [first, second] = &cluster.hubs[..] else { panic!("two hubs") };
    let (of_first, of_second) = cluster.credentials.split_at(AGENTS / 2);
    let mut stuck = Swarm::start_at(&Target::of(first), of_first, eager_agents());
    let mut others = Swarm::start_at(&Target::of(second), of_second, eager_agents());
    await_acks(&stuck);
    let panel = Panel::of_admin(first);
    let wish = json!({"note": "", "scopes": ["read"], "tags": []});
    let made = panel.done(first, "POST", "/api/v1/token", &wish);
    let token = made["token"].as_str().expect("a token");
    assert_eq!(first.get("/api/v1/server/list", token).status, 200);
    await_acks(&others);
    let noticed = others.take_longest_silence();

    relays.iter().for_each(|relay| {
        relay.lose_requests();
        relay.lose_answers();
    });
    wait_until("tokens are not answered", || first.get("/api/v1/server/list", token).status == 503);
    let is_deaf = || {
        let ready = first.get("/readyz", "");
        ready.status == 503 && ready.text().contains("the brokers were not heard")
    };
    wait_until("the hub is not ready, and says why", is_deaf);
    let shown = panel.get(first, "/api/v1/manage/server");
    assert_eq!(shown.status, 200, "who is signed in may look");
    let note = shown.header("windfire-note").unwrap_or_default();
    assert!(note.contains("were not heard for"), "an answer says that it is old: {note:?}");
    let before = Account::total(&stuck.accounts());
    sleep(cut);
    let kept = KEPT_MIN * of_first.len() as u64;
    wait_until("its agents have more", || Account::total(&stuck.accounts()).pushed >= before.pushed + kept);
    assert_eq!(acked(&stuck), before.acked, "nothing is acknowledged");
    await_acks(&others);
    let silence_of_others = others.take_longest_silence();
    assert!(is_ready(second), "the other hub is as before");

    relays.iter().for_each(Relay::heal);
    wait_until("the hub is ready", || is_ready(first));
    assert_eq!(panel.get(first, "/api/v1/manage/server").header("windfire-note"), None);
    await_acks(&stuck);
    let accounts = [stuck.settle(), others.settle()].concat();
    tally!("the agents of the other hub waited {noticed:?} at most before, {silence_of_others:?} meanwhile");
    cluster.await_equal();
    let fault = "hub cut off from its brokers, not from its agents";
    cluster.stop_and_compare(&made_by(&accounts)).tell_and_check(fault, 1, stuck.take_longest_silence());
}
