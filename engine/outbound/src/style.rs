//! How a channel's texts are written: language, time zone, and what becomes of names that would call people.

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use windfire_engine::alert::channel::{Channel, ChannelKind, Language, TemplateEngine};

/// Not to be seen, and it ends every mention: the chats look for `@name` and `<!channel>`.
const BREAK: char = '\u{200b}';

/// How texts of a channel are written.
#[derive(Debug, Clone)]
pub(crate) struct Style {
    pub(crate) language: Language,
    pub(crate) zone: TimeZone,
    /// Whether people read the text in a chat, where a name such as `@all` would call them.
    pub(crate) is_chat: bool,
}

impl Style {
    pub(crate) fn of(channel: &Channel) -> Self {
        let is_chat = match &channel.kind {
            ChannelKind::Telegram { .. } | ChannelKind::Slack { .. } | ChannelKind::Discord { .. } => true,
            // What is written by a template is for people; all of the message as JSON is for a program.
            ChannelKind::Webhook { body, engine, .. } => body.is_some() && *engine == TemplateEngine::Plain,
            ChannelKind::Alertmanager { .. } | ChannelKind::Ntfy { .. } | ChannelKind::Email { .. } => false,
        };
        Self { language: channel.language, zone: zone_named(&channel.time_zone).unwrap_or(TimeZone::UTC), is_chat }
    }

    /// A name, in one line. In a chat it calls nobody.
    pub(crate) fn name(&self, name: &str) -> String {
        let mut written = String::with_capacity(name.len());
        for letter in name.chars() {
            written.push(if letter.is_control() { ' ' } else { letter });
            if self.is_chat && matches!(letter, '@' | '<') {
                written.push(BREAK);
            }
        }
        written
    }

    /// A time as clocks in the channel's zone show it.
    pub(crate) fn time(&self, time_ms: i64) -> String {
        time_in(&self.zone, time_ms)
    }

    /// A value in its unit. Empty without a unit: such a measure is the case, and has no number.
    pub(crate) fn value(&self, value: f64, unit: &str) -> String {
        match unit {
            "" => String::new(),
            "percent" => percent(value),
            "bytes" => bytes(value),
            "bytes/s" => format!("{}/s", bytes(value)),
            "seconds" => self.duration(value),
            "celsius" => format!("{value:.0} °C"),
            "load" => format!("{value:.2}"),
            _ => format!("{value:.0} {unit}"),
        }
    }

    /// A duration, in the two largest units that it has.
    #[expect(clippy::cast_possible_truncation, reason = "of whole seconds; it saturates")]
    pub(crate) fn duration(&self, seconds: f64) -> String {
        let units = match self.language {
            Language::En => ["d", "h", "min", "s"],
            Language::Zh => ["天", "小时", "分", "秒"],
        };
        let total = seconds.round() as u64;
        let parts = [total / 86_400, total / 3_600 % 24, total / 60 % 60, total % 60];
        let first = parts.iter().position(|part| *part > 0).unwrap_or(3);
        let shown = parts.iter().zip(units).skip(first).take(2).filter(|(part, _)| **part > 0 || first == 3);
        shown.map(|(part, unit)| format!("{part} {unit}")).collect::<Vec<_>>().join(" ")
    }
}

/// The time zone of that name in the IANA database, which is a part of the program.
pub(crate) fn zone_named(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

/// Such as `2026-11-27 12:01:05 CET`.
pub(crate) fn time_in(zone: &TimeZone, time_ms: i64) -> String {
    match Timestamp::from_millisecond(time_ms) {
        Ok(time) => time.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
        Err(_) => format!("{time_ms} ms"),
    }
}

/// Bytes in units of 1024.
pub(crate) fn bytes(value: f64) -> String {
    let mut units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"].into_iter();
    let (mut value, mut unit) = (value, units.next().unwrap_or_default());
    while value.abs() >= 1024.0 {
        let Some(next) = units.next() else { break };
        (value, unit) = (value / 1024.0, next);
    }
    if unit == "B" { format!("{value:.0} B") } else { format!("{value:.1} {unit}") }
}

/// Percent with at most one decimal.
pub(crate) fn percent(value: f64) -> String {
    let shown = format!("{value:.1}");
    format!("{} %", shown.strip_suffix(".0").unwrap_or(&shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(language: Language) -> Style {
        Style { language, zone: TimeZone::UTC, is_chat: false }
    }

    #[test]
    fn values_have_their_units() {
        for (value, unit, shown) in [
            (93.46, "percent", "93.5 %"),
            (90.0, "percent", "90 %"),
            (1023.0, "bytes", "1023 B"),
            (1536.0, "bytes", "1.5 KiB"),
            (5.0 * 1024.0 * 1024.0 * 1024.0, "bytes/s", "5.0 GiB/s"),
            (1e30, "bytes", "888178419700125.2 PiB"),
            (61.4, "celsius", "61 °C"),
            (8.0, "load", "8.00"),
            (13.0, "connections", "13 connections"),
            (90.0, "seconds", "1 min 30 s"),
            (1.0, "", ""),
        ] {
            assert_eq!(style(Language::En).value(value, unit), shown, "{value} {unit}");
        }
    }

    #[test]
    fn durations_have_two_units() {
        for (seconds, english, chinese) in [
            (0.0, "0 s", "0 秒"),
            (-5.0, "0 s", "0 秒"),
            (f64::NAN, "0 s", "0 秒"),
            (59.6, "1 min", "1 分"),
            (185.0, "3 min 5 s", "3 分 5 秒"),
            (3_600.0, "1 h", "1 小时"),
            (90_061.0, "1 d 1 h", "1 天 1 小时"),
            (86_460.0, "1 d", "1 天"),
        ] {
            assert_eq!(style(Language::En).duration(seconds), english, "{seconds}");
            assert_eq!(style(Language::Zh).duration(seconds), chinese, "{seconds}");
        }
    }

    #[test]
    fn times_are_those_of_the_zone() {
        let zone = |name| zone_named(name).expect("a zone");
        assert_eq!(time_in(&zone("UTC"), 1_790_000_000_999), "2026-09-21 14:13:20 UTC");
        assert_eq!(time_in(&zone("Europe/Berlin"), 1_790_000_000_000), "2026-09-21 16:13:20 CEST");
        assert_eq!(time_in(&zone("Asia/Shanghai"), 1_790_000_000_000), "2026-09-21 22:13:20 CST");
        assert_eq!(time_in(&zone("UTC"), i64::MAX), format!("{} ms", i64::MAX));
        assert!(zone_named("Mars/Olympus").is_none());
    }

    #[test]
    fn names_stay_in_their_line_and_call_nobody() {
        let chat = Style { is_chat: true, ..style(Language::En) };
        assert_eq!(chat.name("a\r\n@all <!here> <at x>"), "a  @\u{200b}all <\u{200b}!here> <\u{200b}at x>");
        assert_eq!(style(Language::En).name("a\tb@c"), "a b@c");
    }
}
