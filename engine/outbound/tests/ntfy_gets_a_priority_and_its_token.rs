//! ntfy gets the topic in the body, the priority of the severity, and the token in the head.

#[allow(dead_code, reason = "each test needs a part of it")]
mod fakes;

use fakes::{Fake, Request, answer, outbound};
use serde_json::json;
use windfire_engine::alert::channel::{ChannelKind, NewChannel};
use windfire_engine::alert::notice::{Message, NoticeKind};
use windfire_engine::alert::rule::Severity;
use windfire_outbound::samples;

async fn sent(message: &Message, token: Option<&str>, body: Option<&str>) -> Request {
    let fake = Fake::new(vec![answer(200, r#"{"id":"x"}"#)]).await;
    let kind = ChannelKind::Ntfy { url: fake.url(""), topic: "ops".to_owned(), token: token.map(str::to_owned) };
    let channel = NewChannel { body: body.map(str::to_owned), ..NewChannel::of("ops", kind) }.into_channel(1, 0);
    outbound(Vec::new()).send(message, &channel, None).await.expect("it is taken");
    let request = fake.request();
    println!("{} {}", request.line, request.body);
    request
}

#[tokio::test]
async fn a_fault() {
    let request = sent(&samples::firing(), Some("tk_secret"), None).await;
    assert_eq!(request.line, "POST / HTTP/1.1");
    assert_eq!(request.header("authorization"), Some("Bearer tk_secret"));
    let expected = json!({
        "topic": "ops",
        "title": "FIRING (critical): CPU: web-1",
        "message": "web-1 (prod): cpu 97.5 %, since 2026-09-21 14:13:20 UTC\nhttps://hub.example.org/alerts",
        "priority": 5,
        "tags": ["rotating_light"],
        "click": "https://hub.example.org/alerts",
    });
    assert_eq!(request.body, expected.to_string());
}

#[tokio::test]
async fn priorities_and_bounds() {
    let over = Message { kind: NoticeKind::Resolved, ..samples::over() };
    let with = |severity| Message { severity, ..samples::firing() };
    for (message, priority, tag) in [
        (over, 3, "white_check_mark"),
        (with(Severity::Warning), 4, "warning"),
        (with(Severity::Info), 3, "information_source"),
    ] {
        let request = sent(&message, None, Some("{% for a in range(3000) %}火{% endfor %}")).await;
        assert_eq!(request.header("authorization"), None);
        let body = request.json();
        assert_eq!((&body["priority"], &body["tags"]), (&json!(priority), &json!([tag])));
        let text = body["message"].as_str().expect("a text");
        assert!((4_091..=4_096).contains(&text.len()) && text.ends_with("火…"), "{}", text.len());
    }
}
