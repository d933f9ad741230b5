//! A hub that logs everything, as text or as JSON, logs no token, cookie, password or credential, and no secret of a
//! channel.

use std::time::Duration;

use crate::hub::new_hub;
use crate::hub::panel::{Panel, password, sign_in};
use serde_json::json;
use windfire_bench::swarm::{Swarm, SwarmOptions};

#[test]
fn secrets_never_stand_in_the_log() {
    check("text");
}

#[test]
fn secrets_never_stand_in_a_log_of_json() {
    check("json");
}

fn check(log_format: &str) {
    let (_folder, mut hub) = new_hub(&["--log", "trace", "--log-format", log_format]);
    let credentials = hub.make_servers(1, "");
    hub.start();
    let secret = password(&hub, "admin");
    let admin = Panel::of_answer(&sign_in(&hub, "admin", &secret, &[]));
    let made = admin.done(&hub, "POST", "/api/v1/token", &json!({"note": "n"}));
    let token = made["token"].as_str().expect("a token").to_owned();
    let enrol = admin.done(&hub, "POST", "/api/v1/enrol-token", &json!({}));
    let server = admin.done(&hub, "POST", "/api/v1/manage/server", &json!({"name": "s"}));
    let bot = "123456:secret-of-a-bot";
    let settings = json!({"token": bot, "chat_id": "-1001"});
    let channel = json!({"name": "ops", "kind": "telegram", "settings": settings});
    let channel = admin.done(&hub, "POST", "/api/v1/alert/channel", &channel);
    let wrong = json!({"settings": {"token": format!("{bot}/")}});
    let path = format!("/api/v1/alert/channel/{}", channel["id"]);
    assert_eq!(admin.change(&hub, "PATCH", &path, &wrong).status, 400);
    for path in ["/api/v1/server/list", "/api/v1/server/history?metric=cpu", "/api/v1/nothing"] {
        hub.get(path, &token);
        hub.get(path, "wrongwrongwrongwrongwrongwrongwr");
    }
    hub.get(&format!("/api/v1/server/list?token={token}"), "");
    let wrong_password = "wrong horse battery";
    sign_in(&hub, "admin", wrong_password, &[]);
    let options = SwarmOptions {
        interval: Duration::from_millis(100),
        backoff: crate::hub::quick_backoff(),
        ack_each_report: true,
        ..SwarmOptions::default()
    };
    let mut swarm = Swarm::start(&hub, &credentials, options);
    crate::hub::wait_until("a report is on disk", || hub.metric("windfire_reports_durable_total") > 0.0);
    swarm.finish();
    hub.terminate();
    let log = hub.log().join("\n");
    assert!(log.contains("ready"), "there is a log");
    assert_eq!(log.starts_with('{'), log_format == "json", "it is of that format");
    let text = |value: &serde_json::Value| value.as_str().expect("a secret").to_owned();
    let cookie = admin.cookie.split_once('=').expect("a cookie").1.to_owned();
    let secrets = [
        secret,
        wrong_password.to_owned(),
        token,
        cookie,
        admin.csrf,
        text(&enrol["token"]),
        text(&server["credential"]),
        credentials[0].clone(),
        bot.to_owned(),
    ];
    for secret in secrets {
        assert!(!log.contains(&secret), "{secret} stands in the log");
    }
}
