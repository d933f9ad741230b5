//! Every verb does the same through the admin socket of a running hub and on the store of a stopped one.

use crate::hub::new_hub;
use serde_json::{Value, json as value};
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
    manage_alerts(hub, &id);
    json(hub, &["server", "remove", &id]);
    assert_eq!(json(hub, &["server", "list"]), serde_json::json!([]));
    assert_eq!(json(hub, &["fingerprint"])["fingerprint"].as_str().expect("text").len(), 64);
}

/// The entry of that id in a list.
fn entry(hub: &HubProcess, verb: &str, id: &str) -> Value {
    let all = json(hub, &[verb, "list"]);
    let found = all.as_array().expect("a list").iter().find(|entry| entry["id"].as_u64() == id.parse().ok());
    found.cloned().unwrap_or_default()
}

fn manage_alerts(hub: &HubProcess, server: &str) {
    let names = |verb: &str| {
        let all = json(hub, &[verb, "list"]);
        all.as_array().expect("a list").iter().map(|entry| entry["name"].clone()).collect::<Vec<_>>()
    };
    let own = ["Server offline", "Disk almost full", "Hub disk almost full", "Commits failing", "Hub isolated"];
    assert_eq!(names("rule"), own, "the rules of a new hub, whoever asks first");
    let add = |arguments: &[&str]| json(hub, arguments)["id"].to_string();

    // Nobody listens there, and nothing leaves this machine.
    let base_url = "http://127.0.0.1:9";
    let base = format!("base_url={base_url}");
    let set = ["--set", &base, "--set", "token=1:secret", "--set", "chat_id=-1001"];
    let channel = add(&[&["channel", "add", "--name", "ops", "--kind", "telegram"][..], &set].concat());
    json(hub, &["channel", "edit", &channel, "--set", "thread_id=7", "--subject", "s", "--time-zone", "Europe/Berlin"]);
    let edited = entry(hub, "channel", &channel);
    let settings = value!({"base_url": base_url, "token": "••••", "chat_id": "-1001", "thread_id": 7});
    assert_eq!(
        (&edited["settings"], &edited["subject"], &edited["time_zone"]),
        (&settings, &"s".into(), &"Europe/Berlin".into())
    );
    let listed = hub.cli(&["channel", "list", "--json"]);
    assert!(!String::from_utf8_lossy(&listed.stdout).contains("secret"));

    let when = ["--when", "disk > 90 clear 85", "--when", "load1 > 2"];
    let rule = add(&[&["rule", "add", "--name", "full", "--id", server, "--channels", &channel][..], &when].concat());
    json(hub, &["rule", "edit", &rule, "--for-s", "60", "--severity", "critical", "--enabled", "false"]);
    let edited = entry(hub, "rule", &rule);
    let conditions = value!([
        {"metric": "disk", "op": ">", "value": 90.0, "clear": 85.0},
        {"metric": "load1", "op": ">", "value": 2.0, "clear": null},
    ]);
    assert_eq!((&edited["when"], &edited["for_s"], &edited["enabled"]), (&conditions, &60.into(), &false.into()));
    assert_eq!(edited["scope"], value!({"ids": [server.parse::<u64>().expect("an id")]}));

    let preview = json(hub, &["rule", "preview", "--when", "offline > 60", "--id", server]);
    assert_eq!(preview, value!({"servers": 1, "server_days": 1, "cut": false, "firings": []}));
    assert!(hub.cli(&["rule", "preview", "--when", "rebooted"]).status.success(), "as a text");
    json(hub, &["channel", "test", &channel]);
    assert_eq!(json(hub, &["alerts", "list", "--state", "firing", "--tag", "a b"]), value!([]));
    assert!(json(hub, &["alerts", "log", "--from", "2026-01-01T00:00:00+01:00", "--id", "0"]).is_array());
    for verb in ["list", "log"] {
        assert!(hub.cli(&["alerts", verb]).status.success(), "alerts {verb} as a table");
    }

    let silence = add(&["silence", "add", "--minutes", "60", "--comment", "updates", "--rules", &rule, "--tag", "web"]);
    let added = entry(hub, "silence", &silence);
    assert_eq!((&added["active"], &added["by"]), (&true.into(), &"the command line".into()));
    assert!(added["to"].as_i64().zip(added["created"].as_i64()).is_some_and(|(to, from)| to - from == 3600), "{added}");
    let weekly = ["--days", "sat,sun", "--start", "22:00", "--end", "07:00", "--zone", "Europe/Berlin"];
    json(hub, &[&["silence", "edit", &silence][..], &weekly].concat());
    let edited = entry(hub, "silence", &silence);
    let expected = value!({"days": ["sat", "sun"], "start": "22:00", "end": "07:00", "zone": "Europe/Berlin"});
    assert_eq!((&edited["weekly"], &edited["to"], &edited["tags"]), (&expected, &Value::Null, &value!(["web"])));

    for (arguments, words) in [
        (&["channel", "remove", &channel][..], "is used by rule"),
        (&["rule", "remove", "5"], "is the hub's own"),
        (&["rule", "remove", "999"], "rule list"),
        (&["rule", "preview", "--for-s", "5"], "--when"),
        (&["channel", "remove", "999"], "channel list"),
        (&["channel", "test", "999"], "channel list"),
        (&["silence", "remove", "999"], "silence list"),
        (&["alerts", "acknowledge", "1", "999"], "alerts list"),
        (&["alerts", "log", "--from", "yesterday"], "yesterday"),
    ] {
        let refused = hub.cli(arguments);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(words), "{arguments:?}: {said}");
    }
    for (verb, id) in [("silence", silence), ("rule", rule), ("channel", channel)] {
        assert!(hub.cli(&[verb, "list"]).status.success(), "{verb} as a table");
        json(hub, &[verb, "remove", &id]);
        assert_eq!(entry(hub, verb, &id), Value::Null);
    }
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
