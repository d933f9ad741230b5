//! Every verb does the same through the admin socket of a running hub and on the store of a stopped one.

mod hub;

use hub::new_hub;
use serde_json::Value;
use windfire_bench::hub_process::HubProcess;

fn json(hub: &HubProcess, arguments: &[&str]) -> Value {
    let output = hub.cli(&[arguments, &["--json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).expect("one line of JSON")
}

fn manage(hub: &HubProcess, first_id: u64) {
    let made = json(hub, &["server", "add", "--name", "web <1>", "--tag", "a b", "--country", "hk"]);
    assert_eq!(made["id"], first_id);
    assert!(made["credential"].as_str().expect("text").len() >= 32);
    let id = first_id.to_string();
    json(hub, &["server", "edit", &id, "--display-index", "-3", "--tag", ""]);
    let servers = json(hub, &["server", "list"]);
    let server = servers.as_array().expect("a list").iter().find(|s| s["id"] == first_id).expect("the server");
    assert_eq!(
        (&server["name"], &server["tag"], &server["display_index"]),
        (&"web <1>".into(), &"".into(), &(-3).into())
    );
    assert_ne!(json(hub, &["server", "rotate", &id])["credential"], made["credential"]);
    let token = json(hub, &["token", "add", "--note", "n", "--scope", "read"]);
    let enrol = json(hub, &["enrol-token", "add", "--tag", "fleet", "--uses", "2"]);
    assert_eq!(json(hub, &["enrol-token", "list"])[0]["uses_left"], 2);
    assert_eq!(json(hub, &["token", "list"])[0]["scopes"], serde_json::json!(["read"]));
    for (verb, made) in [("token", token), ("enrol-token", enrol)] {
        assert_eq!(made["token"].as_str().expect("text").len(), 32);
        json(hub, &[verb, "remove", &made["id"].to_string()]);
        assert_eq!(json(hub, &[verb, "list"]), serde_json::json!([]));
        assert!(!hub.cli(&[verb, "remove", "999"]).status.success());
    }
    json(hub, &["server", "remove", &id]);
    assert_eq!(json(hub, &["server", "list"]), serde_json::json!([]));
    assert_eq!(json(hub, &["fingerprint"])["fingerprint"].as_str().expect("text").len(), 64);
}

#[test]
fn the_command_line_works_on_a_running_and_a_stopped_hub() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    manage(&hub, 1);
    assert!(hub.terminate().success());
    manage(&hub, 2);
    // An id is never given out twice, whoever was removed.
    manage(&hub, 3);
}

#[test]
fn a_removed_token_is_refused_at_the_next_request() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    let made = json(&hub, &["token", "add", "--note", "n"]);
    let token = made["token"].as_str().expect("text");
    assert!(hub.get("/api/v1/server/list", token).text().starts_with("{\"code\":0,"));
    json(&hub, &["token", "remove", &made["id"].to_string()]);
    assert!(hub.get("/api/v1/server/list", token).text().starts_with("{\"code\":403,"));
}
