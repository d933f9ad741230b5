//! Discord gets a message with an embed, and is told that names in it call nobody.

#[allow(dead_code, reason = "each test needs a part of it")]
mod fakes;

use fakes::{Fake, Reply, channel, outbound};
use serde_json::json;
use windfire_engine::alert::channel::ChannelKind;
use windfire_outbound::samples;

#[tokio::test]
async fn a_fault_with_a_name_that_would_call_everyone() {
    let fake = Fake::new(vec![Reply::Answer(204, "", String::new())]).await;
    let channel = channel(ChannelKind::Discord { url: fake.url("/api/webhooks/1/x") });
    let mut message = samples::firing();
    "@everyone".clone_into(&mut message.servers[0].name);
    outbound(Vec::new()).send(&message, &channel, None).await.expect("it is taken");
    let request = fake.request();
    println!("{} {}", request.line, request.body);
    assert_eq!(request.line, "POST /api/webhooks/1/x HTTP/1.1");
    let expected = json!({
        "content": "FIRING (critical): CPU: @\u{200b}everyone",
        "embeds": [{
            "description": "@\u{200b}everyone (prod): cpu 97.5 %, since 2026-09-21 14:13:20 UTC\n\
                            https://hub.example.org/alerts",
            "color": 0xc62828,
            "timestamp": "2026-09-21T14:13:20Z",
        }],
        "username": "Windfire",
        "allowed_mentions": {"parse": []},
    });
    assert_eq!(request.body, expected.to_string());
}
