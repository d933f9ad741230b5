//! Two of three brokers are killed. The hub says that it is not ready, answers those who are signed in, acknowledges nothing, and
//! sends its agents away. It answers no token, because another hub may have removed it, and changes nothing but who is
//! signed in there. Once the brokers are back, everything that the agents kept comes in, and nobody has to do anything.

use std::time::Duration;

use crate::hub::panel::{Panel, password, sign_in};
use crate::hub::{quick_backoff, wait_until};
use crate::hubs::{Hubs, await_acks, is_ready};
use serde_json::json;
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::{Account, Swarm, SwarmOptions, Target};

const AGENTS: usize = 5;

#[test]
fn brokers_go_and_come_back() {
    let mut cluster = Hubs::new(1, AGENTS);
    cluster.start();
    let interval = Duration::from_millis(200);
    let options = SwarmOptions { interval, backoff: quick_backoff(), ack_each_report: true, ..SwarmOptions::default() };
    let mut swarm = Swarm::start_at(&Target::of_all(&cluster.hubs), &cluster.credentials, options);
    await_acks(&swarm);
    let secret = password(&cluster.hubs[0], "admin");
    let panel = Panel::of_answer(&sign_in(&cluster.hubs[0], "admin", &secret, &[]));
    let wish = json!({"note": "", "scopes": ["read"], "tags": []});
    let made = panel.done(&cluster.hubs[0], "POST", "/api/v1/token", &wish);
    let token = made["token"].as_str().expect("a token");
    let status_of_token = |hub: &HubProcess| hub.get("/api/v1/server/list", token).status;
    assert_eq!(status_of_token(&cluster.hubs[0]), 200);
    // The third one still answers, and does not know what the others have stored.
    (0..2).for_each(|broker| cluster.brokers.kill(broker));

    let hub = &cluster.hubs[0];
    wait_until("tokens are not answered", || status_of_token(hub) == 503);
    assert_eq!(panel.get(hub, "/api/v1/manage/server").status, 200, "who is signed in may look");
    let server = json!({"name": "no brokers"});
    assert_eq!(panel.change(hub, "POST", "/api/v1/manage/server", &server).status, 503);
    let elsewhere = Panel::of_answer(&sign_in(hub, "admin", &secret, &[]));
    assert_eq!(elsewhere.get(hub, "/api/v1/manage/server").status, 200, "signed in on this hub");
    let is_deaf = || {
        let ready = hub.get("/readyz", "");
        ready.status == 503 && ready.text().contains("the brokers were not heard")
    };
    wait_until("the hub is not ready, and says why", is_deaf);
    let acked = Account::total(&swarm.accounts()).acked;
    wait_until("agents are sent away", || hub.log().iter().any(|line| line.contains("does not reach the brokers")));
    let listed = hub.cli(&["server", "list", "--json"]);
    assert!(listed.status.success() && listed.stdout.len() > 2, "readers are answered");
    assert_eq!(hub.metric("windfire_cluster_ready"), 0.0);
    let kept = Account::total(&swarm.accounts());
    assert_eq!(kept.acked, acked, "nothing is acknowledged");
    assert!(kept.pushed > kept.acked);

    (0..2).for_each(|broker| cluster.brokers.restart(broker));
    let hub = &cluster.hubs[0];
    wait_until("the hub is ready", || is_ready(hub));
    wait_until("tokens are answered", || status_of_token(hub) == 200);
    let servers = panel.get(hub, "/api/v1/manage/server").text();
    assert!(!servers.contains("no brokers"), "{servers}");
    await_acks(&swarm);
    let accounts = swarm.settle();
    cluster.await_equal();
    cluster.stop_and_check(&accounts);
}
