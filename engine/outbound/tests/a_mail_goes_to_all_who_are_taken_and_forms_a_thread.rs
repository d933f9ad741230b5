//! Mail is sent over SMTP as its channel says, and messages about one fault form one thread.

#[allow(dead_code, reason = "each test needs a part of it")]
mod fakes;

use fakes::outbound;
use fakes::smtp::{Secured, Smtp};
use windfire_engine::alert::channel::{Channel, ChannelKind, NewChannel, Security};
use windfire_engine::alert::notice::{Message, NoticeKind};
use windfire_outbound::{Retry, SendError, samples};

fn mail(smtp: &Smtp, security: Security, login: Option<&str>, to: &[&str]) -> Channel {
    let host = if security == Security::Plain { "127.0.0.1" } else { "localhost" };
    let kind = ChannelKind::Email {
        host: host.to_owned(),
        port: smtp.address.port(),
        security,
        user: login.map(str::to_owned),
        password: login.map(|_| "pass-word".to_owned()),
        from: "windfire@example.org".to_owned(),
        to: to.iter().map(|to| (*to).to_owned()).collect(),
    };
    NewChannel::of("mail", kind).into_channel(1, 0)
}

async fn sent(smtp: &Smtp, channel: &Channel, message: &Message) -> Result<(), SendError> {
    let result = outbound(vec![smtp.certificate.clone()]).send(message, channel, None).await;
    println!("{result:?}\n  {}", smtp.lines().join("\n  "));
    result
}

#[tokio::test]
async fn a_mail_is_plain_text_from_a_program() {
    let smtp = Smtp::new(Secured::Never, &[]).await;
    let channel = mail(&smtp, Security::Plain, None, &["a@example.org", "b@example.org"]);
    sent(&smtp, &channel, &samples::firing()).await.expect("it is taken");
    let commands = smtp.lines_until("QUIT").await;
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    assert_eq!(
        commands[..5],
        [
            "EHLO example.org",
            "MAIL FROM:<windfire@example.org>",
            "RCPT TO:<a@example.org>",
            "RCPT TO:<b@example.org>",
            "DATA",
        ]
    );
    assert_eq!(commands[commands.len() - 2..], [".", "QUIT"]);
    for (name, value) in [
        ("From", "windfire@example.org"),
        ("To", "a@example.org, b@example.org"),
        ("Subject", "FIRING (critical): CPU: web-1"),
        ("Message-ID", "<w-1.1790000000000@example.org>"),
        ("In-Reply-To", "<rule-3.1790000000000@example.org>"),
        ("References", "<rule-3.1790000000000@example.org>"),
        ("Auto-Submitted", "auto-generated"),
        ("MIME-Version", "1.0"),
        ("Content-Type", "text/plain; charset=utf-8"),
    ] {
        assert_eq!(smtp.header(name).as_deref(), Some(value), "{name}");
    }
    assert!(smtp.header("Date").is_some());
    let text = ["web-1 (prod): cpu 97.5 %, since 2026-09-21 14:13:20 UTC", "https://hub.example.org/alerts"];
    assert!(commands.windows(2).any(|lines| lines == text), "the text in two lines");
}

#[tokio::test]
async fn a_fault_and_its_end_have_one_ancestor_and_ids_of_their_own() {
    let over = Message { key: "w-9".to_owned(), kind: NoticeKind::Resolved, ..samples::over() };
    let mut ids = Vec::new();
    for message in [samples::firing(), samples::firing(), over, samples::bare()] {
        let smtp = Smtp::new(Secured::Never, &[]).await;
        let channel = mail(&smtp, Security::Plain, None, &["a@example.org"]);
        sent(&smtp, &channel, &message).await.expect("it is taken");
        ids.push((smtp.header("Message-ID").expect("an id"), smtp.header("In-Reply-To")));
    }
    let [first, again, over, test] = ids.as_slice() else { panic!("four mails") };
    assert_eq!(first, again, "a repetition is known by its id");
    assert_ne!(first.0, over.0);
    assert_eq!(first.1, over.1, "one thread");
    assert_eq!(test.1, None, "a test is about no fault");
}

#[tokio::test]
async fn connections_are_secured_as_the_channel_says() {
    for (secured, security, expected) in [
        (Secured::Later, Security::StartTls, None),
        (Secured::AtOnce, Security::Tls, None),
        // Nothing goes out in clear because a server does not offer better.
        (Secured::Never, Security::StartTls, Some(Retry::Never)),
        (Secured::Never, Security::Tls, Some(Retry::Later)),
    ] {
        let smtp = Smtp::new(secured, &[]).await;
        let channel = mail(&smtp, security, Some("ops"), &["a@example.org"]);
        let result = sent(&smtp, &channel, &samples::firing()).await;
        assert_eq!(result.as_ref().err().map(|error| error.retry), expected, "{security:?}: {result:?}");
        let signed_in = smtp.lines_with("AUTH PLAIN AG9wcwBwYXNzLXdvcmQ=").len();
        assert_eq!((signed_in, smtp.lines_with("MAIL").len()), if expected.is_none() { (1, 1) } else { (0, 0) });
    }
    let (smtp, other) = (Smtp::new(Secured::Later, &[]).await, Smtp::new(Secured::Later, &[]).await);
    let channel = mail(&smtp, Security::StartTls, Some("ops"), &["a@example.org"]);
    let stranger = outbound(vec![other.certificate.clone()]);
    let error = stranger.send(&samples::firing(), &channel, None).await.expect_err("nobody vouches for it");
    assert_eq!((error.retry, smtp.lines_with("AUTH").len()), (Retry::Later, 0), "{error}");
    let unchecked = Channel { tls_verify: false, ..channel };
    stranger.send(&samples::firing(), &unchecked, None).await.expect("it is not checked");
}

/// What the server answers to commands that begin like this.
type Answers = &'static [(&'static str, &'static str)];

#[tokio::test]
async fn answers_say_whether_to_try_again() {
    let cases: [(Answers, Retry, &str); 12] = [
        (&[("greeting", "421 busy")], Retry::Later, "busy"),
        (&[("greeting", "554 go away")], Retry::Never, "go away"),
        (&[("AUTH", "535 wrong pass-word")], Retry::Never, "wrong ••••"),
        (&[("AUTH", "454 not now")], Retry::Later, "not now"),
        (&[("MAIL", "451 later")], Retry::Later, "later"),
        (&[("RCPT", "550 nobody")], Retry::Never, "no recipient was taken: a@example.org"),
        (&[("RCPT TO:<b", "450 grey"), ("RCPT", "550 nobody")], Retry::Later, "b@example.org"),
        (&[("DATA", "554 no")], Retry::Never, "no"),
        (&[(".", "452 full")], Retry::Later, "full"),
        (&[(".", "550 spam")], Retry::Never, "spam"),
        (&[("EHLO", "what is this")], Retry::Later, ""),
        (
            &[("RCPT TO:<b", "550 gone")],
            Retry::Never,
            "1 of 2 recipients were refused, the others have it: b@example.org",
        ),
    ];
    for (answers, expected, said) in cases {
        let smtp = Smtp::new(Secured::Never, answers).await;
        let channel = mail(&smtp, Security::Plain, Some("ops"), &["a@example.org", "b@example.org"]);
        let error = sent(&smtp, &channel, &samples::firing()).await.expect_err("it is refused");
        assert_eq!(error.retry, expected, "{answers:?}: {error}");
        assert!(error.text.contains(said), "{answers:?}: {error}");
    }
}

#[tokio::test]
async fn text_in_any_script_arrives_in_ascii_lines() {
    let smtp = Smtp::new(Secured::Never, &[]).await;
    let channel = mail(&smtp, Security::Plain, None, &["a@example.org"]);
    let mut message = samples::firing();
    "掉线 ü\r\nBcc: c@example.org".clone_into(&mut message.servers[0].name);
    sent(&smtp, &channel, &message).await.expect("it is taken");
    assert!(smtp.lines().iter().all(|line| line.is_ascii() && line.len() <= 998));
    assert!(smtp.lines_with("Bcc").is_empty() && smtp.lines_with("RCPT").len() == 1);
    let encoded = smtp.lines().iter().filter(|line| line.to_ascii_lowercase().contains("=?utf-8?b?")).count();
    assert!(encoded > 0, "the subject is encoded");
}
