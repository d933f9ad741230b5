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
/// Changes of one kind of which one must be known so soon. A machine that stands still, or whose disk needs a second
/// for a write, delays some.
const TRIES_MAX: usize = 5;
/// Changes that each hub makes at the same time.
const ROUNDS: usize = 10;
const SERVERS: &str = "/api/v1/manage/server";

/// Makes a change on one hub, and waits until the other one knows of it, which must be soon, or take no longer than the
/// change itself did. Returns what the last change gave.
fn soon<T>(what: &str, mut change: impl FnMut() -> T, is_known: impl Fn(&T) -> bool) -> T {
    let mut times = Vec::new();
    loop {
        let begun = Instant::now();
        let made = change();
        let (took, answered) = (begun.elapsed(), Instant::now());
        wait_until(what, || is_known(&made));
        let shared = answered.elapsed();
        times.push(shared);
        if shared <= SHARED_MAX.max(took) {
            return made;
        }
        assert!(times.len() < TRIES_MAX, "{what}: only after {times:?}");
    }
}

/// The ids and names of a list, in the order of the ids.
fn names(panel: &Panel, hub: &HubProcess, path: &str) -> Vec<(u64, String)> {
    let list = result(&panel.get(hub, path));
    let name = |entry: &Value| (entry["id"].as_u64().expect("an id"), entry["name"].to_string());
    let mut names: Vec<_> = list.as_array().into_iter().flatten().map(name).collect();
    names.sort_unstable();
    names
}

/// Whether a token is taken. A hub that has not heard of its brokers for some seconds does not say it.
fn is_known(hub: &HubProcess, token: &str) -> bool {
    let ask = || hub.get("/api/v1/server/list", token);
    let mut answer = ask();
    wait_until("the hub answers tokens", || {
        if answer.status == 503 {
            answer = ask();
        }
        answer.status != 503
    });
    assert_eq!(answer.status, 200, "{}", answer.text());
    !answer.text().contains("\"code\":403")
}

#[test]
fn changes_of_one_hub_are_there_on_the_other() {
    let mut cluster = Hubs::new(2, 1);
    cluster.start();
    let (first, second) = (&cluster.hubs[0], &cluster.hubs[1]);
    let secret = password(first, "admin");
    let sign_in = || Panel::of_answer(&sign_in(first, "admin", &secret, &[]));
    let is_signed_in = |panel: &Panel| panel.get(second, SERVERS).status == 200;
    let panel = soon("who signed in on one hub is signed in on the other", sign_in, is_signed_in);

    let has = |path: &str, hub: &HubProcess, made: &Value| {
        names(&panel, hub, path).iter().any(|(id, _)| Some(*id) == made["id"].as_u64())
    };
    let add = |path: &str, wish: Value| panel.done(first, "POST", path, &wish);
    let add_server = || add(SERVERS, json!({"name": "shared"}));
    let server = soon("the server is there", add_server, |made| has(SERVERS, second, made));
    let rule = json!({
        "name": "busy", "severity": "warning", "when": [{"metric": "cpu", "op": ">", "value": 90}],
    });
    let rules = "/api/v1/alert/rule";
    soon("the rule is there", || add(rules, rule.clone()), |made| has(rules, second, made));
    let add_token = || {
        let made = add("/api/v1/token", json!({"note": "", "scopes": ["read"], "tags": []}));
        let token = made["token"].as_str().expect("a token").to_owned();
        (format!("/api/v1/token/{}", made["id"]), token)
    };
    soon("the token is there", add_token, |(_, token)| is_known(second, token));

    // Its agent reports to the hub that did not make it.
    let credential = server["credential"].as_str().expect("a credential").to_owned();
    let interval = Duration::from_millis(100);
    let options = SwarmOptions { interval, backoff: quick_backoff(), ack_each_report: true, ..SwarmOptions::default() };
    let mut swarm = Swarm::start_at(&Target::of(second), &[credential], options);
    await_acks(&swarm);
    swarm.settle();

    let mut tokens: Vec<_> = (0..TRIES_MAX).map(|_| add_token()).collect();
    wait_until("the tokens are there", || tokens.iter().all(|(_, token)| is_known(second, token)));
    let remove_token = || {
        let (path, token) = tokens.pop().expect("one for each try");
        panel.done(second, "DELETE", &path, &json!(null));
        assert!(!is_known(second, &token), "where it was removed, at once");
        token
    };
    let token = soon("the token is refused", remove_token, |token| !is_known(first, token));

    let second = &mut cluster.hubs[1];
    second.kill();
    second.start_at_once();
    let second = &*second;
    assert!(has(SERVERS, second, &server) && !is_known(second, &token), "a start waits until it knows");
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
