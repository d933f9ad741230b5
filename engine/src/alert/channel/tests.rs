use super::*;

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn webhook(url: &str, headers: &[(String, String)]) -> ChannelKind {
    ChannelKind::Webhook {
        method: Method::Post,
        url: url.to_owned(),
        headers: headers.to_vec(),
        content: Content::Json,
        subject: None,
        body: None,
        engine: TemplateEngine::Plain,
    }
}

fn telegram(base_url: Option<&str>, token: &str) -> ChannelKind {
    let (base_url, token) = (base_url.map(str::to_owned), token.to_owned());
    ChannelKind::Telegram { base_url, token, chat_id: "-1001".to_owned(), thread_id: Some(7) }
}

fn ntfy(url: &str, token: Option<&str>) -> ChannelKind {
    ChannelKind::Ntfy { url: url.to_owned(), topic: "alerts".to_owned(), token: token.map(str::to_owned) }
}

fn email(host: &str, security: Security, password: Option<&str>) -> ChannelKind {
    ChannelKind::Email {
        host: host.to_owned(),
        port: 587,
        security,
        user: password.map(|_| "ops".to_owned()),
        password: password.map(str::to_owned),
        from: "hub@example.org".to_owned(),
        to: vec!["ops@example.org".to_owned()],
    }
}

/// One of each kind, with secrets wherever there may be some.
fn kinds() -> [ChannelKind; 7] {
    let url = || "https://hooks.example.org/secret-1".to_owned();
    [
        webhook("https://example.org/secret-1", &[header("X-Key", "secret-2")]),
        ChannelKind::Alertmanager { url: "http://127.0.0.1:9093".to_owned() },
        telegram(None, "123:secret-1"),
        ChannelKind::Slack { url: url() },
        ChannelKind::Discord { url: url() },
        ntfy("https://ntfy.sh", Some("secret-1")),
        email("mail.example.org", Security::StartTls, Some("secret-1")),
    ]
}

fn said(kind: ChannelKind) -> String {
    let checked = NewChannel::of("ops", kind).into_channel(1, 0).check();
    checked.err().map(|error| error.to_string()).unwrap_or_default()
}

/// Every text of a kind, as it would be shown.
fn texts(kind: &ChannelKind) -> String {
    match kind {
        ChannelKind::Webhook { url, headers, .. } => format!("{url} {headers:?}"),
        ChannelKind::Alertmanager { url } | ChannelKind::Slack { url } | ChannelKind::Discord { url } => url.clone(),
        ChannelKind::Telegram { token, .. } => token.clone(),
        ChannelKind::Ntfy { token, .. } => format!("{token:?}"),
        ChannelKind::Email { password, .. } => format!("{password:?}"),
    }
}

#[test]
fn each_kind_has_its_name_and_is_taken() {
    assert_eq!(kinds().each_ref().map(ChannelKind::name), ChannelKind::NAMES);
    kinds().into_iter().for_each(|kind| assert_eq!(said(kind), ""));
    assert_eq!(said(email("[::1]", Security::Plain, None)), "");
    assert!(Method::ALL.iter().all(|one| Method::named(one.name()) == Some(*one)));
    assert_eq!(Security::named("StartTLS"), None);
}

#[test]
fn secrets_are_hidden_and_come_back() {
    let mut hidden_secrets = 0;
    for kind in kinds() {
        let hidden = kind.with_secrets_hidden();
        assert!(!texts(&hidden).contains("secret") && !format!("{kind:?}").contains("secret"), "{kind:?}");
        hidden_secrets += texts(&hidden).matches(SECRET_SHOWN).count();
        assert_eq!(hidden.with_secrets_of(Some(&kind)), Ok(kind));
    }
    assert_eq!(hidden_secrets, 7);
}

#[test]
fn a_stored_secret_goes_to_no_other_place() {
    let plain = email("mail.example.org", Security::StartTls, Some(SECRET_SHOWN));
    for (edit, stored, field) in [
        (webhook("https://evil.example", &[header("X-Key", SECRET_SHOWN)]), 0, "settings.headers.X-Key: "),
        (webhook(SECRET_SHOWN, &[header("X-Other", SECRET_SHOWN)]), 0, "settings.headers.X-Other: "),
        (telegram(Some("https://evil.example"), SECRET_SHOWN), 2, "settings.token: "),
        (ntfy("https://evil.example", Some(SECRET_SHOWN)), 5, "settings.token: "),
        (email("evil.example", Security::StartTls, Some(SECRET_SHOWN)), 6, "settings.password: "),
        (email("mail.example.org", Security::Tls, Some(SECRET_SHOWN)), 6, "settings.password: "),
        // Another kind, and one that has no secret to keep.
        (plain.clone(), 5, "settings.password: "),
        (ChannelKind::Slack { url: SECRET_SHOWN.to_owned() }, 4, "settings.url: "),
    ] {
        let kept = edit.with_secrets_of(Some(&kinds()[stored])).err().map(|error| error.to_string());
        assert!(kept.as_ref().is_some_and(|said| said.starts_with(field)), "{field} {kept:?}");
    }
    assert!(plain.with_secrets_of(None).is_err(), "of a new channel nothing is stored");
    // What is written out goes anywhere, and what is not secret is changed freely.
    let moved = webhook("https://other.example/", &[header("X-Key", "new")]);
    assert_eq!(moved.clone().with_secrets_of(Some(&kinds()[0])), Ok(moved));
    let renamed = ChannelKind::Telegram {
        base_url: None,
        token: SECRET_SHOWN.to_owned(),
        chat_id: "@ops".to_owned(),
        thread_id: None,
    };
    let expected = ChannelKind::Telegram {
        base_url: None,
        token: "123:secret-1".to_owned(),
        chat_id: "@ops".to_owned(),
        thread_id: None,
    };
    assert_eq!(renamed.with_secrets_of(Some(&kinds()[2])), Ok(expected));
}

#[test]
fn a_wrong_setting_is_named() {
    let mail = |from: &str, to: &[&str]| {
        let (host, port, security) = ("localhost".to_owned(), 25, Security::Plain);
        let to = to.iter().map(|address| (*address).to_owned()).collect();
        ChannelKind::Email { host, port, security, user: None, password: None, from: from.to_owned(), to }
    };
    let get = ChannelKind::Webhook {
        method: Method::Get,
        url: "https://a/".to_owned(),
        headers: vec![],
        content: Content::Json,
        subject: None,
        body: text("x"),
        engine: TemplateEngine::Nezha,
    };
    for (kind, field) in [
        (webhook("example.org", &[]), "settings.url: "),
        (webhook("https://a/#NEZHA# x", &[]), "settings.url: "),
        (webhook("https://a/", &[header("X", "a\r\nb")]), "settings.headers: "),
        (get, "settings.body: "),
        (ChannelKind::Alertmanager { url: "https://user:pw@a/".to_owned() }, "settings.url: "),
        (telegram(Some("localhost"), "1:a"), "settings.base_url: "),
        (telegram(None, ""), "settings.token: "),
        (ntfy("ntfy.sh", None), "settings.url: "),
        (email("mail.example.org", Security::Plain, None), "settings.security: "),
        (email("", Security::Tls, None), "settings.host: "),
        (mail("hub", &["a@b"]), "settings.from: "),
        (mail("a@b", &[]), "settings.to: "),
        (mail("a@b", &["c@d", "e"]), "settings.to: "),
        (mail("a@b", &["c@d"; RECIPIENTS_MAX + 1]), "settings.to: 51 recipients"),
    ] {
        let said = said(kind);
        assert!(said.starts_with(field), "{field} {said:?}");
    }
    let topic = ChannelKind::Ntfy { url: "https://ntfy.sh".to_owned(), topic: "a b".to_owned(), token: None };
    assert!(said(topic).starts_with("settings.topic: "));
}

#[test]
fn the_rest_of_a_channel_is_checked_too() {
    let channel = || NewChannel::of("ops", ntfy("https://ntfy.sh", None)).into_channel(1, 0);
    let long = "x".repeat(TEMPLATE_CHARS_MAX + 1);
    for (wrong, field) in [
        (Channel { name: String::new(), ..channel() }, "name: "),
        (Channel { subject: text(&long), ..channel() }, "subject of 16385"),
        (Channel { body: text(&long), ..channel() }, "body of 16385"),
        (Channel { messages_per_minute: 0, ..channel() }, "messages_per_minute: 0"),
        (Channel { messages_per_minute: MESSAGES_PER_MINUTE_MAX + 1, ..channel() }, "messages_per_minute: 601"),
        (Channel { time_zone: "Berlin".to_owned(), ..channel() }, "time_zone: "),
    ] {
        let said = wrong.check().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(said.starts_with(field), "{field} {said:?}");
    }
}

#[test]
fn an_edit_changes_what_it_names() {
    let channel = NewChannel::of("ops", ntfy("https://ntfy.sh", Some("t"))).into_channel(1, 0);
    let edit = ChannelEdit {
        kind: Some(ntfy("https://ntfy.sh", Some(SECRET_SHOWN))),
        body: Some(text("x")),
        ..ChannelEdit::default()
    };
    let edited = edit.applied_to(&channel).expect("the same place");
    assert_eq!(edited, Channel { body: text("x"), ..channel });
    let edit = ChannelEdit { body: Some(None), enabled: Some(false), ..ChannelEdit::default() };
    let again = edit.applied_to(&edited).expect("no secret");
    assert_eq!(again, Channel { body: None, enabled: false, ..edited });
}
