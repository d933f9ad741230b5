//! An Alertmanager gets every alert with its labels and its end, 256 in a request.

#[allow(dead_code, reason = "each test needs a part of it")]
mod fakes;

use fakes::{Fake, alert, answer, channel, outbound};
use serde_json::json;
use windfire_engine::alert::channel::ChannelKind;
use windfire_outbound::{Retry, ShownAlert, samples};

#[tokio::test]
async fn an_alert_has_labels_and_times() {
    let fake = Fake::new(vec![answer(200, "")]).await;
    let channel = channel(ChannelKind::Alertmanager { url: fake.url("/am/") });
    let bare = ShownAlert {
        server_id: 0,
        server_name: String::new(),
        tag: String::new(),
        value: None,
        ends_ms: 0,
        link: None,
        ..alert(0)
    };
    outbound(Vec::new()).send_alerts(&[alert(7), bare], &channel).await.expect("they are taken");
    let request = fake.request();
    println!("{} {}", request.line, request.body);
    assert_eq!(request.line, "POST /am/api/v2/alerts HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/json"));
    let expected = json!([
        {
            "labels": {
                "alertname": "CPU", "severity": "critical", "rule_id": "3", "server_id": "7", "server": "web-7",
                "tag": "prod",
            },
            "annotations": {"summary": "cpu 97.5 %, since 2026-09-21 14:13:20 UTC", "value": "97.5 %"},
            "startsAt": "2026-09-21T14:13:20Z",
            "endsAt": "2026-09-21T14:17:20Z",
            "generatorURL": "https://hub.example.org/alerts",
        },
        {
            "labels": {"alertname": "CPU", "severity": "critical", "rule_id": "3", "server_id": "0"},
            "annotations": {"summary": "cpu, since 2026-09-21 14:13:20 UTC"},
            "startsAt": "2026-09-21T14:13:20Z",
            "endsAt": "2026-09-21T14:13:20Z",
        },
    ]);
    assert_eq!(request.body, expected.to_string());
}

#[tokio::test]
async fn many_alerts_are_several_requests_and_the_first_that_fails_is_the_last() {
    let alerts: Vec<ShownAlert> = (1..=600).map(alert).collect();
    let fake = Fake::new(vec![answer(200, ""), answer(200, ""), answer(200, "")]).await;
    let manager = channel(ChannelKind::Alertmanager { url: fake.url("") });
    outbound(Vec::new()).send_alerts(&alerts, &manager).await.expect("they are taken");
    let sizes: Vec<usize> =
        fake.requests().iter().map(|request| request.json().as_array().map_or(0, Vec::len)).collect();
    assert_eq!(sizes, [256, 256, 88]);
    let last = fake.requests()[2].json();
    assert_eq!(last[87]["labels"]["server"], "web-600");

    let fake = Fake::new(vec![answer(200, ""), answer(500, "full"), answer(200, "")]).await;
    let manager = channel(ChannelKind::Alertmanager { url: fake.url("") });
    let error = outbound(Vec::new()).send_alerts(&alerts, &manager).await.expect_err("the second is refused");
    assert_eq!((error.text.as_str(), error.retry, fake.requests().len()), ("HTTP 500: full", Retry::Later, 2));
}

#[tokio::test]
async fn messages_and_alerts_are_not_mixed_up() {
    let manager = channel(ChannelKind::Alertmanager { url: "http://127.0.0.1:1".to_owned() });
    let error = outbound(Vec::new()).send(&samples::firing(), &manager, None).await.expect_err("it takes no message");
    assert_eq!(error.retry, Retry::Never);
    let slack = channel(ChannelKind::Slack { url: "http://127.0.0.1:1".to_owned() });
    let error = outbound(Vec::new()).send_alerts(&[alert(1)], &slack).await.expect_err("it takes no alerts");
    assert_eq!(error.retry, Retry::Never);
}
