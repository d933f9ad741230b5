//! A webhook sends all of a message as JSON, or what its template makes of it, with its method and its headers.

#[allow(dead_code, reason = "each test needs a part of it")]
mod fakes;

use fakes::{Fake, Request, answer, channel, outbound, webhook};
use serde_json::json;
use windfire_engine::alert::channel::{Channel, ChannelKind, Content, Method, NewChannel, TemplateEngine};
use windfire_engine::alert::notice::{Message, NoticeKind};
use windfire_outbound::{Facts, samples};

async fn sent(message: &Message, facts: Option<&Facts>, channel_at: impl Fn(String) -> Channel) -> Request {
    let fake = Fake::new(vec![answer(200, "")]).await;
    let channel = channel_at(fake.url("/hook/{key}?a=b"));
    outbound(Vec::new()).send(message, &channel, facts).await.expect("it is taken");
    let request = fake.request();
    println!("{} {}", request.line, request.body);
    assert_eq!(request.header("host"), Some(fake.address.to_string().as_str()));
    assert_eq!(request.header("user-agent"), Some("windfire/1.2.3"));
    request
}

#[tokio::test]
async fn all_of_a_message_is_json() {
    let request = sent(&samples::firing(), None, |url| channel(webhook(url))).await;
    assert_eq!(request.line, "POST /hook/w-1?a=b HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/json"));
    let mut names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "content-type", "host", "user-agent"]);
    let firing = json!({
        "version": 1, "key": "w-1", "status": "firing", "severity": "critical", "rule": {"id": 3, "name": "CPU"},
        "metric": "cpu", "unit": "percent", "since": 1_790_000_000, "ended": null, "count": 1,
        "servers": [{
            "id": 7, "name": "web-1", "tag": "prod", "value": 97.5, "since": 1_790_000_000, "ended": null,
            "text": "cpu 97.5 %, since 2026-09-21 14:13:20 UTC",
        }],
        "by_tag": [], "truncated": false, "link": "https://hub.example.org/alerts",
    });
    assert_eq!(request.json(), firing);
    assert_eq!(request.body, firing.to_string(), "to the byte");

    let over = Message { kind: NoticeKind::Resolved, ..samples::over() };
    let request = sent(&over, None, |url| channel(webhook(url))).await.json();
    assert_eq!((&request["status"], &request["ended"]), (&json!("resolved"), &json!(1_790_000_185)));
    let request = sent(&samples::many(), None, |url| channel(webhook(url))).await.json();
    assert_eq!((&request["count"], &request["truncated"]), (&json!(5000), &json!(true)));
    assert_eq!(request["by_tag"], json!([{"tag": "prod", "count": 4000}, {"tag": "test", "count": 900}]));
    assert_eq!(request["servers"].as_array().map(Vec::len), Some(10));
    let request = sent(&samples::bare(), None, |url| channel(webhook(url))).await.json();
    assert_eq!((&request["status"], &request["rule"], &request["link"]), (&json!("test"), &json!(null), &json!(null)));
}

#[tokio::test]
async fn a_template_makes_the_body_and_its_values_are_escaped() {
    let facts = samples::facts();
    let mut message = samples::firing();
    "a\"b\\c\n{{ d }}".clone_into(&mut message.servers[0].name);
    let request = sent(&message, Some(&facts), |url| {
        let body = r#"{"title":{{ subject }},"text":{{ text }},"who":{{ servers[0].name }},"ip":{{ server.ip }}}"#;
        let headers =
            vec![("X-Key".to_owned(), "tk_5".to_owned()), ("content-type".to_owned(), "text/json".to_owned())];
        channel(ChannelKind::Webhook {
            method: Method::Put,
            url,
            headers,
            content: Content::Json,
            subject: Some("{{ status|upper }} {{ rule.name }}".to_owned()),
            body: Some(body.to_owned()),
            engine: TemplateEngine::Plain,
        })
    })
    .await;
    assert_eq!(request.line, "PUT /hook/w-1?a=b HTTP/1.1");
    assert_eq!((request.header("x-key"), request.header("content-type")), (Some("tk_5"), Some("text/json")));
    let text = "a\"b\\c {{ d }} (prod): cpu 97.5 %, since 2026-09-21 14:13:20 UTC\nhttps://hub.example.org/alerts";
    let expected = json!({"title": "FIRING CPU", "text": text, "who": "a\"b\\c {{ d }}", "ip": "203.0.113.7"});
    assert_eq!(request.json(), expected);
}

#[tokio::test]
async fn a_form_has_its_fields_and_a_get_has_no_body() {
    let form = |method, body: Option<&str>| {
        let body = body.map(str::to_owned);
        move |url| {
            let (headers, body) = (Vec::new(), body.clone());
            let (content, engine) = (Content::Form, TemplateEngine::Plain);
            let kind = ChannelKind::Webhook { method, url, headers, content, subject: None, body, engine };
            let subject = Some("a & b + c".to_owned());
            NewChannel { subject, ..NewChannel::of("form", kind) }.into_channel(1, 0)
        }
    };
    let template = r#"{"title":{{ subject }},"count":{{ count }}}"#;
    let request = sent(&samples::firing(), None, form(Method::Post, Some(template))).await;
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(request.body, "count=1&title=a+%26+b+%2B+c");
    let request = sent(&samples::firing(), None, form(Method::Post, None)).await;
    assert!(request.body.starts_with("message=%7B%22by_tag%22"), "{}", request.body);
    assert!(request.body.contains("&subject=a+%26+b+%2B+c&text=web-1+%28prod%29%3A"), "{}", request.body);
    let request = sent(&samples::firing(), None, form(Method::Get, None)).await;
    assert_eq!((request.line.as_str(), request.body.as_str()), ("GET /hook/w-1?a=b HTTP/1.1", ""));
    assert_eq!((request.header("content-type"), request.header("content-length")), (None, None));
}
