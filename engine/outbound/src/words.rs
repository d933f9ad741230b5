//! The default subject and text of a message, in each language.

use windfire_engine::alert::channel::{Channel, Language};
use windfire_engine::alert::measure::Measure;
use windfire_engine::alert::notice::{Message, NoticeKind, NoticeServer};
use windfire_engine::alert::rule::Severity;

use crate::style::Style;

/// A message's state as one word, as webhooks know it. A fault that has ended before it was told is over.
pub(crate) fn status(message: &Message) -> &'static str {
    if is_over(message) { NoticeKind::Resolved.name() } else { message.kind.name() }
}

/// Whether all alerts of a message have ended.
pub(crate) fn is_over(message: &Message) -> bool {
    match message.kind {
        NoticeKind::Resolved => true,
        NoticeKind::Firing => message.ended_ms.is_some(),
        NoticeKind::Digest | NoticeKind::Isolated | NoticeKind::Test => false,
    }
}

/// The default subject. It begins with the state.
pub(crate) fn subject(message: &Message, channel: &Channel, style: &Style) -> String {
    let count = message.count;
    let rule = message.rule.as_ref().map(|(_, name)| style.name(name));
    let who = match message.servers.as_slice() {
        [server] if count <= 1 => style.name(&server.name),
        _ => counted(count, style.language),
    };
    let severity = severity(message.severity, style.language);
    match (message.kind, style.language) {
        (NoticeKind::Test, Language::En) => format!("TEST: channel {}", style.name(&channel.name)),
        (NoticeKind::Test, Language::Zh) => format!("测试：通知方式 {}", style.name(&channel.name)),
        (NoticeKind::Digest, Language::En) => format!("DIGEST: {count} alerts"),
        (NoticeKind::Digest, Language::Zh) => format!("摘要：{count} 条告警"),
        (NoticeKind::Isolated, Language::En) => format!("ISOLATED: the hub heard no server; {who} did not come back"),
        (NoticeKind::Isolated, Language::Zh) => format!("隔离：监控中心曾与服务器失去联系，{who}未恢复"),
        (NoticeKind::Firing | NoticeKind::Resolved, language) => {
            let state = match (is_over(message), language) {
                (false, Language::En) => format!("FIRING ({severity})"),
                (false, Language::Zh) => format!("告警（{severity}）"),
                (true, Language::En) => "RESOLVED".to_owned(),
                (true, Language::Zh) => "恢复".to_owned(),
            };
            let colon = match language {
                Language::En => ": ",
                Language::Zh => "：",
            };
            // The hub has no name, and its rules say what they are about.
            let is_of_hub = count <= 1 && message.servers.iter().any(|server| server.id == 0);
            let who = (!is_of_hub).then_some(who);
            [Some(state), rule, who].into_iter().flatten().collect::<Vec<_>>().join(colon)
        }
    }
}

/// The default text: a line for each server that is named, one for the others, and the link.
pub(crate) fn text(message: &Message, style: &Style) -> String {
    let mut lines = Vec::new();
    match (message.kind, style.language) {
        (NoticeKind::Test, Language::En) => lines.push("A test: messages of this hub come here.".to_owned()),
        (NoticeKind::Test, Language::Zh) => lines.push("测试：本监控中心的消息会发送到这里。".to_owned()),
        (NoticeKind::Digest, Language::En) => {
            lines.push("There were too many messages to send each of them. Among others:".to_owned());
        }
        (NoticeKind::Digest, Language::Zh) => lines.push("消息过多，无法逐条发送。其中包括：".to_owned()),
        (NoticeKind::Isolated, language) => {
            let ended_ms = message.ended_ms.unwrap_or(message.since_ms);
            lines.push(span(message.since_ms, ended_ms, style));
            if message.count > 0 {
                lines.push(match language {
                    Language::En => "Not back:".to_owned(),
                    Language::Zh => "未恢复：".to_owned(),
                });
            }
        }
        (NoticeKind::Firing | NoticeKind::Resolved, _) => {}
    }
    for server in &message.servers {
        let place = match (server.tag.as_str(), style.language) {
            (_, Language::En) if server.id == 0 => "hub".to_owned(),
            (_, Language::Zh) if server.id == 0 => "监控中心".to_owned(),
            ("", _) => style.name(&server.name),
            (tag, Language::En) => format!("{} ({})", style.name(&server.name), style.name(tag)),
            (tag, Language::Zh) => format!("{}（{}）", style.name(&server.name), style.name(tag)),
        };
        match style.language {
            Language::En => lines.push(format!("{place}: {}", server_text(server, message.measure, style))),
            Language::Zh => lines.push(format!("{place}：{}", server_text(server, message.measure, style))),
        }
    }
    lines.extend(others(message, style));
    lines.extend(message.link.clone());
    lines.join("\n")
}

/// What is said of one server.
pub(crate) fn server_text(server: &NoticeServer, measure: Option<Measure>, style: &Style) -> String {
    if let Some(ended_ms) = server.ended_ms {
        return span(server.since_ms, ended_ms, style);
    }
    let value = measure.zip(server.value).map(|(measure, value)| style.value(value, measure.unit()));
    let what = [measure.map(|measure| measure.name().to_owned()), value.filter(|value| !value.is_empty())];
    let what = what.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let since = style.time(server.since_ms);
    match (what.as_str(), style.language) {
        ("", Language::En) => format!("since {since}"),
        (what, Language::En) => format!("{what}, since {since}"),
        ("", Language::Zh) => format!("自 {since}"),
        (what, Language::Zh) => format!("{what}，自 {since}"),
    }
}

/// From when to when, and how long that is.
fn span(from_ms: i64, to_ms: i64, style: &Style) -> String {
    let (from, to) = (style.time(from_ms), style.time(to_ms));
    let lasted = style.duration(to_ms.saturating_sub(from_ms) as f64 / 1000.0);
    match style.language {
        Language::En => format!("{from} to {to} ({lasted})"),
        Language::Zh => format!("{from} 至 {to}（{lasted}）"),
    }
}

/// How many are not named, by tag.
fn others(message: &Message, style: &Style) -> Option<String> {
    let unnamed = message.count.saturating_sub(message.servers.len() as u64);
    if unnamed == 0 {
        return None;
    }
    let mut untagged = unnamed;
    let mut counts = Vec::new();
    for (tag, count) in message.by_tag.iter().filter(|(tag, _)| !tag.is_empty()) {
        counts.push(format!("{} {count}", style.name(tag)));
        untagged = untagged.saturating_sub(*count);
    }
    let counts = counts.join(", ");
    let rest = (untagged > 0 && !counts.is_empty()).then_some(untagged);
    Some(match (style.language, rest) {
        _ if counts.is_empty() => match style.language {
            Language::En => format!("and {unnamed} more"),
            Language::Zh => format!("另有 {unnamed} 台"),
        },
        (Language::En, None) => format!("and {unnamed} more: {counts}"),
        (Language::En, Some(rest)) => format!("and {unnamed} more: {counts}, without these tags {rest}"),
        (Language::Zh, None) => format!("另有 {unnamed} 台：{counts}"),
        (Language::Zh, Some(rest)) => format!("另有 {unnamed} 台：{counts}，其他 {rest}"),
    })
}

fn counted(count: u64, language: Language) -> String {
    match (count, language) {
        (1, Language::En) => "1 server".to_owned(),
        (_, Language::En) => format!("{count} servers"),
        (_, Language::Zh) => format!("{count} 台服务器"),
    }
}

fn severity(severity: Severity, language: Language) -> &'static str {
    match (severity, language) {
        (severity, Language::En) => severity.name(),
        (Severity::Info, Language::Zh) => "提示",
        (Severity::Warning, Language::Zh) => "警告",
        (Severity::Critical, Language::Zh) => "严重",
    }
}

#[cfg(test)]
mod tests {
    use windfire_engine::alert::channel::{ChannelKind, NewChannel};

    use super::*;
    use crate::samples;

    fn written(message: &Message, language: Language) -> (String, String) {
        let url = "http://127.0.0.1:1".to_owned();
        let kind = ChannelKind::Ntfy { url, topic: "t".to_owned(), token: None };
        let channel = NewChannel { language, ..NewChannel::of("ops", kind) }.into_channel(1, 0);
        let style = Style::of(&channel);
        (subject(message, &channel, &style), text(message, &style))
    }

    #[test]
    fn a_fault_and_its_end_say_who_and_since_when() {
        let firing = samples::firing();
        let over = Message { kind: NoticeKind::Resolved, ..samples::over() };
        for (message, language, subject, text) in [
            (
                &firing,
                Language::En,
                "FIRING (critical): CPU: web-1",
                "web-1 (prod): cpu 97.5 %, since 2026-09-21 14:13:20 UTC\nhttps://hub.example.org/alerts",
            ),
            (
                &firing,
                Language::Zh,
                "告警（严重）：CPU：web-1",
                "web-1（prod）：cpu 97.5 %，自 2026-09-21 14:13:20 UTC\nhttps://hub.example.org/alerts",
            ),
            (
                &over,
                Language::En,
                "RESOLVED: CPU: web-1",
                "web-1 (prod): 2026-09-21 14:13:20 UTC to 2026-09-21 14:16:25 UTC (3 min 5 s)\n\
                 https://hub.example.org/alerts",
            ),
            (
                &over,
                Language::Zh,
                "恢复：CPU：web-1",
                "web-1（prod）：2026-09-21 14:13:20 UTC 至 2026-09-21 14:16:25 UTC（3 分 5 秒）\n\
                 https://hub.example.org/alerts",
            ),
        ] {
            assert_eq!(written(message, language), (subject.to_owned(), text.to_owned()));
        }
        // A fault that ended before it could be told is one message, and it is over.
        assert_eq!(written(&samples::over(), Language::En), written(&over, Language::En));
        assert_eq!((status(&samples::over()), status(&firing)), ("resolved", "firing"));
    }

    #[test]
    fn the_unnamed_are_counted_by_tag() {
        let many = samples::many();
        let (subject, text) = written(&many, Language::En);
        assert_eq!(subject, "FIRING (critical): CPU: 5000 servers");
        assert_eq!(text.lines().count(), 12, "{text}");
        let line = text.lines().nth(10).unwrap_or_default();
        assert_eq!(line, "and 4990 more: prod 4000, test 900, without these tags 90");
        let untold = Message { by_tag: vec![(String::new(), 4990)], ..many.clone() };
        assert!(written(&untold, Language::En).1.contains("\nand 4990 more\n"));
        assert!(written(&many, Language::Zh).1.contains("\n另有 4990 台：prod 4000, test 900，其他 90\n"));
    }

    #[test]
    fn what_is_about_the_hub_says_so() {
        let mut message = samples::firing();
        (message.rule, message.measure) = (Some((5, "Hub isolated".to_owned())), Some(Measure::HubIsolated));
        for server in &mut message.servers {
            (server.id, server.name, server.tag, server.value) = (0, String::new(), String::new(), Some(1.0));
        }
        let (subject, text) = written(&message, Language::En);
        assert_eq!(subject, "FIRING (critical): Hub isolated");
        assert!(text.starts_with("hub: hub.isolated, since 2026"), "{text}");
        let (subject, text) = written(&message, Language::Zh);
        assert_eq!(subject, "告警（严重）：Hub isolated");
        assert!(text.starts_with("监控中心：hub.isolated，自 2026"), "{text}");
    }

    #[test]
    fn what_is_about_no_rule_has_its_own_words() {
        for (kind, count, subject) in [
            (NoticeKind::Test, 0, "TEST: channel ops"),
            (NoticeKind::Digest, 312, "DIGEST: 312 alerts"),
            (NoticeKind::Isolated, 0, "ISOLATED: the hub heard no server; 0 servers did not come back"),
        ] {
            let message = Message { kind, count, ..samples::bare() };
            let (english, chinese) = (written(&message, Language::En), written(&message, Language::Zh));
            assert_eq!(english.0, subject);
            assert!(!english.1.is_empty() && !chinese.1.is_empty() && !chinese.0.is_ascii(), "{english:?} {chinese:?}");
        }
        let removed = Message { rule: None, measure: None, ..samples::firing() };
        let (subject, text) = written(&removed, Language::En);
        assert_eq!(subject, "FIRING (critical): web-1");
        assert!(text.starts_with("web-1 (prod): since 2026"), "{text}");
    }
}
