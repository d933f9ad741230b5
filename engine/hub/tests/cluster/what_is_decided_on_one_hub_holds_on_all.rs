//! Two hubs of one cluster. A server, a token, a rule and a sign-in of one hub are there on the other within a second,
//! also after that one was killed, and a token that one hub removes is refused by the other. Of two hubs that make the
//! same change at once, one is told that it came second. Changes that differ are all made, in the same order on both.

use std::thread;
use std::time::{Duration, Instant};

use crate::hub::panel::{Panel, password, result, sign_in};
use crate::hub::{quick_backoff, wait_until};
use crate::hubs::{Hubs, await_acks, is_ready};
use serde_json::{Value, json};
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::{Swarm, SwarmOptions, Target};

/// How soon a hub knows what another one has answered.
const SHARED_MAX: Duration = Duration::from_secs(1);
/// Changes that each hub makes at the same time.
const ROUNDS: usize = 10;
const SERVERS: &str = "/api/v1/manage/server";

/// Waits until it is so, which must be soon.
fn soon(what: &str, is_true: impl FnMut() -> bool) {
    let begun = Instant::now();
    wait_until(what, is_true);
    let took = begun.elapsed();
    assert!(took <= SHARED_MAX, "{what}: only after {took:?}");
}

/// The ids and names of a list, in the order of the ids.
fn names(panel: &Panel, hub: &HubProcess, path: &str) -> Vec<(u64, String)> {
    let list = result(&panel.get(hub, path));
    let name = |entry: &Value| (entry["id"].as_u64().expect("an id"), entry["name"].to_string());
    let mut names: Vec<_> = list.as_array().into_iter().flatten().map(name).collect();
    names.sort_unstable();
    names
}

/// Whether a token is taken.
fn is_known(hub: &HubProcess, token: &str) -> bool {
    let answer = hub.get("/api/v1/server/list", token);
    assert_eq!(answer.status, 200, "{}", answer.text());
    !answer.text().contains("\"code\":403")
}

#[test]
fn changes_of_one_hub_are_there_on_the_other() {
    let mut cluster = Hubs::new(2, 1);
    cluster.start();
    let (first, second) = (&cluster.hubs[0], &cluster.hubs[1]);
    let panel = Panel::of_admin(first);
    soon("who signed in on one hub is signed in on the other", || panel.get(second, SERVERS).status == 200);

    let server = panel.done(first, "POST", SERVERS, &json!({"name": "shared"}));
    let has_server = |hub: &HubProcess| names(&panel, hub, SERVERS).iter().any(|(_, name)| name == "\"shared\"");
    soon("the server is there", || has_server(second));
    let rule = json!({
        "name": "busy", "severity": "warning", "when": [{"metric": "cpu", "op": ">", "value": 90}],
    });
    let rule = panel.done(first, "POST", "/api/v1/alert/rule", &rule);
    let rules = || names(&panel, second, "/api/v1/alert/rule");
    soon("the rule is there", || rules().iter().any(|(id, _)| Some(*id) == rule["id"].as_u64()));
    let wish = json!({"note": "", "scopes": ["read"], "tags": []});
    let token = panel.done(first, "POST", "/api/v1/token", &wish);
    let (path, token) = (format!("/api/v1/token/{}", token["id"]), token["token"].as_str().expect("a token"));
    soon("the token is there", || is_known(second, token));

    // Its agent reports to the hub that did not make it.
    let credential = server["credential"].as_str().expect("a credential").to_owned();
    let interval = Duration::from_millis(100);
    let options = SwarmOptions { interval, backoff: quick_backoff(), ack_each_report: true, ..SwarmOptions::default() };
    let mut swarm = Swarm::start_at(&Target::of(second), &[credential], options);
    await_acks(&swarm);
    swarm.settle();

    panel.done(second, "DELETE", &path, &json!(null));
    assert!(!is_known(second, token), "where it was removed, at once");
    soon("the token is refused", || !is_known(first, token));

    let second = &mut cluster.hubs[1];
    second.kill();
    second.start_at_once();
    let second = &*second;
    assert!(has_server(second) && !is_known(second, token), "a start waits until it knows");
}

#[test]
fn changes_at_once_are_made_one_after_the_other() {
    let mut cluster = Hubs::new(2, 1);
    cluster.start();
    let secret = password(&cluster.hubs[0], "admin");
    cluster.await_equal();
    let panel = |hub: &HubProcess| Panel::of_answer(&sign_in(hub, "admin", &secret, &[]));
    let panels: Vec<Panel> = cluster.hubs.iter().map(panel).collect();
    let at_once = |path: &str, body: &Value| -> Vec<u16> {
        thread::scope(|scope| {
            let asked = cluster.hubs.iter().zip(&panels);
            let asked = asked.map(|(hub, panel)| scope.spawn(move || panel.change(hub, "POST", path, body).status));
            let asked: Vec<_> = asked.collect();
            asked.into_iter().map(|one| one.join().expect("an answer")).collect()
        })
    };
    for round in 0..ROUNDS {
        let user = json!({"name": format!("user-{round}"), "password": "a long password", "role": "viewer"});
        let mut statuses = at_once("/api/v1/user", &user);
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "a name is given once");
        let server = json!({"name": format!("server-{round}")});
        assert_eq!(at_once(SERVERS, &server), [200, 200], "both are made");
    }
    cluster.await_equal();
    for (path, count) in [("/api/v1/user", 1 + ROUNDS), (SERVERS, 1 + 2 * ROUNDS)] {
        let [first, second] = [0, 1].map(|number| names(&panels[number], &cluster.hubs[number], path));
        assert!(first.len() == count && first == second, "{path}: {first:?} {second:?}");
    }
    assert!(cluster.hubs.iter().all(is_ready));
}
