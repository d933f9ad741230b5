//! Slack gets an attachment with the colour of its severity, in which no name calls anybody.

#[allow(dead_code, reason = "each test needs a part of it")]
mod fakes;

use fakes::{Fake, answer, channel, outbound};
use serde_json::{Value, json};
use windfire_engine::alert::channel::ChannelKind;
use windfire_engine::alert::notice::{Message, NoticeKind};
use windfire_engine::alert::rule::Severity;
use windfire_outbound::samples;

async fn sent(message: &Message, said: &str) -> Value {
    let fake = Fake::new(vec![answer(200, said)]).await;
    let channel = channel(ChannelKind::Slack { url: fake.url("/services/T1/B2/x") });
    outbound(Vec::new()).send(message, &channel, None).await.expect("it is taken");
    let request = fake.request();
    println!("{} {}", request.line, request.body);
    assert_eq!(request.line, "POST /services/T1/B2/x HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/json"));
    request.json()
}

#[tokio::test]
async fn a_fault_is_an_attachment() {
    let mut message = samples::firing();
    "<!channel> & @all".clone_into(&mut message.servers[0].name);
    let name = "&lt;\u{200b}!channel&gt; &amp; @\u{200b}all";
    let title = format!("FIRING (critical): CPU: {name}");
    let link = "https://hub.example.org/alerts";
    let expected = json!({"attachments": [{
        "color": "#c62828",
        "title": title,
        "title_link": link,
        "text": format!("{name} (prod): cpu 97.5 %, since 2026-09-21 14:13:20 UTC\n{link}"),
        "fallback": title,
    }]});
    assert_eq!(sent(&message, "ok").await, expected);
}

#[tokio::test]
async fn each_severity_and_the_end_have_their_colours() {
    let over = Message { kind: NoticeKind::Resolved, ..samples::over() };
    let with = |severity| Message { severity, ..samples::firing() };
    for (message, colour) in [
        (over, "#2e7d32"),
        (with(Severity::Warning), "#f9a825"),
        (with(Severity::Info), "#1565c0"),
        (samples::bare(), "#1565c0"),
    ] {
        // As Rocket.Chat answers.
        let body = sent(&message, r#"{"success":true}"#).await;
        assert_eq!(body["attachments"][0]["color"], colour);
        assert_eq!(body["attachments"][0].get("title_link").is_some(), message.link.is_some());
    }
}
