//! A channel that was taken over from Nezha v0 sends what v0 would have sent.

#[allow(dead_code, reason = "each test needs a part of it")]
mod fakes;

use std::sync::Arc;

use fakes::{Fake, Request, answer, outbound};
use windfire_engine::alert::channel::{ChannelKind, Content, Method, NewChannel, TemplateEngine};
use windfire_engine::latest::{HostFacts, Latest};
use windfire_outbound::{Facts, samples};
use windfire_wire::Host;

async fn sent(method: Method, path: &str, content: Content, body: Option<&str>, facts: Option<&Facts>) -> Request {
    let fake = Fake::new(vec![answer(200, "")]).await;
    let url = fake.url(path);
    let (body, headers) = (body.map(str::to_owned), vec![("X-Token".to_owned(), "abcd".to_owned())]);
    let kind =
        ChannelKind::Webhook { method, url, headers, content, subject: None, body, engine: TemplateEngine::Nezha };
    let texts = (Some("[Incident] {{ servers[0].name }} & co".to_owned()), Some("CPU +97%".to_owned()));
    let new = NewChannel { subject: texts.0, body: texts.1, ..NewChannel::of("v0", kind) };
    let channel = NewChannel { time_zone: "Asia/Shanghai".to_owned(), ..new }.into_channel(1, 0);
    outbound(Vec::new()).send(&samples::firing(), &channel, facts).await.expect("it is taken");
    let request = fake.request();
    println!("{} {}", request.line, request.body);
    request
}

/// The sample's server, with a machine.
fn facts() -> Facts {
    let facts = samples::facts();
    let latest = facts.latest.as_deref().expect("a status").clone();
    let host = Host { mem_total: 8 << 30, ..Host::default() };
    let machine = HostFacts { host, ..(*latest.facts).clone() };
    Facts { latest: Some(Arc::new(Latest { facts: Arc::new(machine), ..latest })), ..facts }
}

#[tokio::test]
async fn a_get_to_telegram() {
    let path = "/bot123:AAF/sendMessage?chat_id=-100&text=#NEZHA#%0A#SERVER.NAME#+#SERVER.CPU#+#SERVER.LOAD5#";
    let request = sent(Method::Get, path, Content::Json, None, Some(&facts())).await;
    assert_eq!(
        request.line,
        "GET /bot123:AAF/sendMessage?chat_id=-100&text=%5BIncident%5D+web-1+%26+co%0ACPU+%2B97%25%0Aweb-1+97.500000+\
         0.000000 HTTP/1.1"
    );
    assert_eq!((request.body.as_str(), request.header("content-type")), ("", None));
    assert_eq!(request.header("x-token"), Some("abcd"));
}

#[tokio::test]
async fn a_post_of_json() {
    let body = r##"{"text":"#NEZHA#","at":"#DATETIME#","mem":#SERVER.MEM#,"of":#SERVER.MEMTOTAL#,"ip":["#SERVER.IP#",
"#SERVER.IPV6#"]}"##;
    let request = sent(Method::Post, "/x", Content::Json, Some(body), Some(&facts())).await;
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(
        request.body,
        "{\"text\":\"[Incident] web-1 \\u0026 co\\nCPU +97%\",\"at\":\"2026-09-21 22:13:20 +0800 CST\",\
         \"mem\":4294967296,\"of\":8589934592,\"ip\":[\"203.0.113.7\",\n\"2001:db8::7\"]}"
    );
}

#[tokio::test]
async fn a_post_of_a_form() {
    let body = r##"{"title":"#SERVER.NAME#","desp":"#NEZHA#"}"##;
    let request = sent(Method::Post, "/x", Content::Form, Some(body), Some(&facts())).await;
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(request.body, "desp=%5BIncident%5D+web-1+%26+co%0ACPU+%2B97%25&title=web-1");
}

#[tokio::test]
async fn without_a_server_its_placeholders_stay() {
    let body = r##"{"name":"#SERVER.NAME#","text":"#NEZHA#"}"##;
    let request = sent(Method::Post, "/x", Content::Json, Some(body), None).await;
    assert!(request.body.starts_with(r##"{"name":"#SERVER.NAME#","text":"[Incident]"##), "{}", request.body);
}
