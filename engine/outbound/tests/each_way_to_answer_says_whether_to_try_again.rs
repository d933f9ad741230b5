//! Whatever a receiver does, the sender knows soon whether the message is taken, and whether and when to try again.

#[allow(dead_code, reason = "each test needs a part of it")]
mod fakes;

use std::time::{Duration, Instant};

use fakes::{EXCHANGE_MAX, Fake, Reply, alert, answer, channel, outbound, webhook};
use windfire_engine::alert::channel::ChannelKind;
use windfire_outbound::{Retry, samples};

/// Time that a busy machine may need besides. Together they are less than the 10 s of a hub.
const BUSY_MAX: Duration = Duration::from_secs(4);
const LATER: Option<Retry> = Some(Retry::Later);
const NEVER: Option<Retry> = Some(Retry::Never);

/// A channel of each kind that speaks HTTP, and the body with which its receiver takes a message.
fn kinds(url: &str) -> Vec<(ChannelKind, &'static str)> {
    let url = url.to_owned();
    vec![
        (webhook(url.clone()), "thanks"),
        (ChannelKind::Alertmanager { url: url.clone() }, ""),
        (
            ChannelKind::Telegram {
                base_url: Some(url.clone()),
                token: "1:A".to_owned(),
                chat_id: "2".to_owned(),
                thread_id: None,
            },
            r#"{"ok":true,"result":{"message_id":5}}"#,
        ),
        (ChannelKind::Slack { url: url.clone() }, "ok"),
        (ChannelKind::Discord { url: url.clone() }, r#"{"id":"5"}"#),
        (ChannelKind::Ntfy { url, topic: "ops".to_owned(), token: None }, r#"{"id":"x"}"#),
    ]
}

/// What becomes of a message, the time it takes, and how many requests there were.
type Sent = (Option<Retry>, String, Duration, usize);

/// The same message to a channel of each kind at once.
async fn sent_to_each(reply: impl Fn(&'static str) -> Reply) -> [Sent; 6] {
    let sent = |kind_at| sent(kind_at, &reply);
    tokio::join!(sent(0), sent(1), sent(2), sent(3), sent(4), sent(5)).into()
}

/// A message to a channel of that kind.
async fn sent(kind_at: usize, reply: impl Fn(&'static str) -> Reply) -> Sent {
    let (_, taken) = kinds("http://127.0.0.1:1")[kind_at].clone();
    let fake = Fake::new(vec![reply(taken), answer(200, taken)]).await;
    let (kind, _) = kinds(&fake.url("/hook"))[kind_at].clone();
    let channel = channel(kind);
    let (outbound, begun) = (outbound(Vec::new()), Instant::now());
    let result = match channel.kind {
        ChannelKind::Alertmanager { .. } => outbound.send_alerts(&[alert(1)], &channel).await,
        _ => outbound.send(&samples::firing(), &channel, None).await,
    };
    let (retry, text) = result.err().map_or((None, String::new()), |error| (Some(error.retry), error.text));
    println!("{}: {retry:?} {text:?} after {:?}", channel.kind.name(), begun.elapsed());
    (retry, text, begun.elapsed(), fake.requests().len())
}

/// Each kind is answered so, and each takes it so: webhook, Alertmanager, Telegram, Slack, Discord, ntfy.
async fn check(what: &str, reply: impl Fn(&'static str) -> Reply, expected: [Option<Retry>; 6]) {
    println!("{what}");
    for (kind_at, (sent, expected)) in sent_to_each(reply).await.into_iter().zip(expected).enumerate() {
        let (retry, text, elapsed, requests) = sent;
        assert_eq!(retry, expected, "{what}, kind {kind_at}: {text}");
        assert_eq!(requests, 1, "{what}, kind {kind_at}: asked once");
        assert!(elapsed < EXCHANGE_MAX + BUSY_MAX, "{what}, kind {kind_at}: {elapsed:?}");
    }
}

#[tokio::test]
async fn a_success_is_one_where_the_receiver_says_so() {
    check("200", |taken| answer(200, taken), [None; 6]).await;
    check("204", |_| Reply::Answer(204, "", String::new()), [None, None, LATER, LATER, None, None]).await;
    let false_ok = r#"{"ok":false,"description":"no"}"#;
    check("200 and no", |_| answer(200, false_ok), [None, None, NEVER, NEVER, None, None]).await;
}

#[tokio::test]
async fn a_wait_is_kept_exactly() {
    let after = |seconds| Some(Retry::After(Duration::from_secs(seconds)));
    let head = "Retry-After: 23\r\n";
    check("429 and a head", |_| Reply::Answer(429, head, "slowly".to_owned()), [after(23); 6]).await;
    let telegram = r#"{"ok":false,"error_code":429,"description":"x","parameters":{"retry_after":7}}"#;
    let mut expected = [LATER; 6];
    expected[2] = after(7);
    check("429 and Telegram's body", |_| answer(429, telegram), expected).await;
    let discord = r#"{"message":"x","retry_after":0.65,"global":false}"#;
    let mut expected = [LATER; 6];
    expected[4] = Some(Retry::After(Duration::from_millis(650)));
    check("429 and Discord's body", |_| answer(429, discord), expected).await;
    check("a day is an hour", |_| Reply::Answer(429, "Retry-After: 86400\r\n", String::new()), [after(3_600); 6]).await;
}

#[tokio::test]
async fn errors_of_the_receiver_pass_and_refusals_do_not() {
    check("500", |_| answer(500, "oh"), [LATER; 6]).await;
    check("503", |_| answer(503, ""), [LATER; 6]).await;
    check("400", |_| answer(400, "what?"), [NEVER; 6]).await;
    check("404", |_| answer(404, "no_service"), [NEVER; 6]).await;
    let redirect = "Location: /elsewhere\r\n";
    check("302", |_| Reply::Answer(302, redirect, String::new()), [NEVER; 6]).await;
}

#[tokio::test]
async fn what_is_no_answer_is_tried_again() {
    check("half a head", |_| Reply::HalfHead, [LATER; 6]).await;
    check("garbage", |_| Reply::Garbage, [LATER; 6]).await;
    check("an endless head", |_| Reply::EndlessHead, [LATER; 6]).await;
    // The head has said that the message is taken. Only Telegram and Slack say so in the body.
    check("an endless body", |_| Reply::EndlessBody, [None, None, LATER, NEVER, None, None]).await;
    check("half a body", |_| Reply::HalfBody(""), [None, None, LATER, LATER, None, None]).await;
}

#[tokio::test]
async fn a_receiver_that_hangs_is_left_after_a_while() {
    for (retry, text, elapsed, _) in sent_to_each(|_| Reply::Hang).await {
        assert_eq!((retry, text.as_str()), (LATER, "no answer within 5 s"));
        assert!((EXCHANGE_MAX..EXCHANGE_MAX + BUSY_MAX).contains(&elapsed), "{elapsed:?}");
    }
}

#[tokio::test]
async fn nobody_at_all_is_tried_again() {
    let fake = Fake::new(Vec::new()).await;
    let channel = channel(webhook(fake.url("/secret-path")));
    // Its port is closed as soon as it has nothing to answer.
    let result = loop {
        match outbound(Vec::new()).send(&samples::firing(), &channel, None).await {
            Err(error) if error.text.contains("no connection") => break error,
            other => println!("{other:?}"),
        }
    };
    assert_eq!(result.retry, Retry::Later);
}

#[tokio::test]
async fn what_is_said_of_a_failure_has_no_secret_and_is_short() {
    let said = format!("no token 123456:AAF-secret\r\nhere {}", "and more ".repeat(100));
    let fake = Fake::new(vec![answer(401, &said)]).await;
    let telegram = ChannelKind::Telegram {
        base_url: Some(fake.url("")),
        token: "123456:AAF-secret".to_owned(),
        chat_id: "2".to_owned(),
        thread_id: None,
    };
    let error = outbound(Vec::new()).send(&samples::firing(), &channel(telegram), None).await.expect_err("401");
    println!("{error}");
    assert!(error.text.starts_with("HTTP 401: no token ••••  here and more"), "{error}");
    assert_eq!(error.text.chars().count(), 200);
    assert!(fake.request().line.starts_with("POST /bot123456:AAF-secret/sendMessage "), "it was sent there");
}
