//! Telegram gets plain text of a length that it takes, for a chat and a topic.

#[allow(dead_code, reason = "each test needs a part of it")]
mod fakes;

use fakes::{Fake, Request, answer, outbound};
use serde_json::json;
use windfire_engine::alert::channel::{ChannelKind, NewChannel};
use windfire_outbound::samples;

async fn sent(chat_id: &str, thread_id: Option<i64>, body: Option<&str>) -> Request {
    let fake = Fake::new(vec![answer(200, r#"{"ok":true}"#)]).await;
    let (token, chat_id) = ("123:AA-b_c".to_owned(), chat_id.to_owned());
    let kind = ChannelKind::Telegram { base_url: Some(fake.url("/")), token, chat_id, thread_id };
    let channel = NewChannel { body: body.map(str::to_owned), ..NewChannel::of("ops", kind) }.into_channel(1, 0);
    outbound(Vec::new()).send(&samples::firing(), &channel, None).await.expect("it is taken");
    let request = fake.request();
    println!("{} {}", request.line, request.body);
    request
}

#[tokio::test]
async fn a_message_to_a_topic_of_a_group() {
    let request = sent("-1001234567890", Some(5), None).await;
    assert_eq!(request.line, "POST /bot123:AA-b_c/sendMessage HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/json"));
    let text = "FIRING (critical): CPU: web-1\nweb-1 (prod): cpu 97.5 %, since 2026-09-21 14:13:20 UTC\n\
                https://hub.example.org/alerts";
    let expected = json!({
        "chat_id": -1_001_234_567_890_i64,
        "message_thread_id": 5,
        "text": text,
        "link_preview_options": {"is_disabled": true},
    });
    assert_eq!(request.body, expected.to_string());
}

#[tokio::test]
async fn a_long_message_to_a_channel() {
    let request = sent("@alerts", None, Some("{% for a in range(3000) %}🔥{% endfor %}")).await.json();
    assert_eq!(request["chat_id"], "@alerts");
    assert_eq!(request.get("message_thread_id"), None);
    let text = request["text"].as_str().expect("a text");
    let size = text.encode_utf16().count();
    assert!((4_095..=4_096).contains(&size) && text.ends_with("🔥…"), "{size}");
}
