//! Placeholders of Nezha v0, filled in as v0 did it, so that channels that were taken over send the same bytes.

use jiff::Timestamp;
use serde_json::Value;
use windfire_engine::sample::Sample;

use crate::facts::Facts;
use crate::style::Style;

/// Where the message goes.
pub(crate) const MESSAGE_PLACE: &str = "#NEZHA#";

/// What placeholders stand for.
pub(crate) struct Values<'a> {
    /// For [`MESSAGE_PLACE`].
    pub(crate) message: &'a str,
    /// Unix milliseconds of `#DATETIME#`.
    pub(crate) time_ms: i64,
    pub(crate) style: &'a Style,
    /// Without a server its placeholders stay as they are.
    pub(crate) facts: Option<&'a Facts>,
}

impl Values<'_> {
    /// A URL: values are escaped as parts of a query, wherever they are.
    pub(crate) fn in_url(&self, url: &str) -> String {
        as_go_sends(&self.fill(url, query_escaped))
    }

    /// The body of a request with JSON: values are escaped as the inside of a string.
    pub(crate) fn in_json(&self, body: &str) -> String {
        self.fill(body, json_escaped)
    }

    /// The body of a request with a form: `body` is a JSON object, whose values are filled in. Otherwise why not.
    pub(crate) fn in_form(&self, body: &str) -> Result<String, String> {
        let fields: Value = serde_json::from_str(body).map_err(|error| format!("not a JSON object: {error}"))?;
        let fields = fields.as_object().ok_or("not a JSON object, whose keys are the fields of the form")?;
        let filled = fields.iter().map(|(name, value)| (name.clone(), self.fill(&plain(value), str::to_owned)));
        Ok(form(filled))
    }

    /// One placeholder after the other, as v0 did: one that is in a value is filled in too, if it comes later.
    fn fill(&self, text: &str, escape: impl Fn(&str) -> String) -> String {
        let mut filled = text.replace(MESSAGE_PLACE, &escape(self.message));
        filled = filled.replace("#DATETIME#", &escape(&time(self.time_ms, self.style)));
        let Some(facts) = self.facts else { return filled };
        for (name, value) in values(facts) {
            filled = filled.replace(&format!("#SERVER.{name}#"), &escape(&value));
        }
        filled
    }
}

/// The values of a server, in v0's order.
fn values(facts: &Facts) -> Vec<(&'static str, String)> {
    let sample = facts.latest.as_ref().map_or_else(Sample::default, |latest| latest.sample.clone());
    let total = |of: fn(&windfire_engine::latest::HostFacts) -> u64| {
        facts.latest.as_ref().map_or(0, |latest| of(&latest.facts)).to_string()
    };
    let (v4, v6) = facts.addresses();
    vec![
        ("NAME", facts.record.name.clone()),
        ("ID", facts.record.id.to_string()),
        ("CPU", float(sample.cpu)),
        ("MEM", sample.mem_used.to_string()),
        ("SWAP", sample.swap_used.to_string()),
        ("DISK", sample.disk_used.to_string()),
        ("MEMUSED", sample.mem_used.to_string()),
        ("SWAPUSED", sample.swap_used.to_string()),
        ("DISKUSED", sample.disk_used.to_string()),
        ("MEMTOTAL", total(|facts| facts.host.mem_total)),
        ("SWAPTOTAL", total(|facts| facts.host.swap_total)),
        ("DISKTOTAL", total(|facts| facts.host.disk_total)),
        ("NETINSPEED", sample.net_in_speed.to_string()),
        ("NETOUTSPEED", sample.net_out_speed.to_string()),
        ("TRANSFERIN", sample.net_in_transfer.to_string()),
        ("TRANSFEROUT", sample.net_out_transfer.to_string()),
        ("NETINTRANSFER", sample.net_in_transfer.to_string()),
        ("NETOUTTRANSFER", sample.net_out_transfer.to_string()),
        ("LOAD1", float(sample.load1)),
        ("LOAD5", float(sample.load5)),
        ("LOAD15", float(sample.load15)),
        ("TCPCONNCOUNT", sample.tcp_conn_count.to_string()),
        ("UDPCONNCOUNT", sample.udp_conn_count.to_string()),
        ("IP", if v4.is_empty() { v6 } else { v4 }.to_owned()),
        ("IPV4", v4.to_owned()),
        ("IPV6", v6.to_owned()),
    ]
}

/// As `%f` of Go: six decimals.
fn float(value: f64) -> String {
    format!("{value:.6}")
}

/// As Go prints a time: `2024-11-06 12:34:56.789 +0800 CST`, without a fraction that is zero.
fn time(time_ms: i64, style: &Style) -> String {
    let Ok(time) = Timestamp::from_millisecond(time_ms) else { return style.time(time_ms) };
    let shown = time.to_zoned_datetime(style.zone.clone());
    let fraction = format!(".{:03}", time_ms.rem_euclid(1000));
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!("{}{fraction}{}", shown.strftime("%Y-%m-%d %H:%M:%S"), shown.strftime(" %z %Z"))
}

/// The text of a JSON value: a string without its quotes.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Fields of a form, by their names in ascending order.
pub(crate) fn form(fields: impl IntoIterator<Item = (String, String)>) -> String {
    let mut fields: Vec<_> = fields.into_iter().collect();
    fields.sort();
    let pairs = fields.iter().map(|(name, value)| format!("{}={}", query_escaped(name), query_escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// As Go's `url.QueryEscape`: a space is `+`.
fn query_escaped(text: &str) -> String {
    percent_encoded(text.as_bytes(), is_unreserved).replace("%20", "+")
}

/// The inside of a JSON string, as Go's encoder writes it: what HTML knows is escaped too.
fn json_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            _ => escaped.push(letter),
        }
    }
    escaped
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)
}

fn percent_encoded(bytes: &[u8], stays: impl Fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(bytes.len());
    for byte in bytes {
        if stays(*byte) {
            encoded.push(char::from(*byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// A URL as Go's client sends it. A path that is well encoded stays. Otherwise all of it is decoded and encoded again. A
/// query stays as it is, but for what no server would read.
fn as_go_sends(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let path_at = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    let (before, rest) = url.split_at(path_at);
    let rest = rest.split('#').next().unwrap_or_default();
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    let is_of_path = |byte: u8| is_unreserved(byte) || b"!$&'()*+,;=:@[]/%".contains(&byte);
    let path = match decoded(path) {
        Some(decoded) if !path.bytes().all(is_of_path) => {
            percent_encoded(&decoded, |byte| is_unreserved(byte) || b"$&+,/:;=@".contains(&byte))
        }
        _ => percent_encoded(path.as_bytes(), is_of_path),
    };
    let query = query.map(|query| {
        let mut sent = String::with_capacity(query.len() + 1);
        sent.push('?');
        for letter in query.chars() {
            match letter {
                ' ' | '"' | '<' | '>' => sent.push_str(&format!("%{:02X}", u32::from(letter))),
                _ => sent.push(letter),
            }
        }
        sent
    });
    format!("{before}{path}{}", query.unwrap_or_default())
}

/// What a text with percent signs stands for. `None` if one of them is no escape.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut found = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?].map(|digit| char::from(digit).to_digit(16));
            let [Some(high), Some(low)] = digits else { return None };
            found.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            found.push(byte);
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use windfire_engine::alert::channel::{ChannelKind, NewChannel};
    use windfire_engine::latest::{HostFacts, Latest};
    use windfire_wire::Host;

    use super::*;
    use crate::samples;

    const TIME_MS: i64 = 1_730_867_696_789;
    const ALL: &str = "#NEZHA#|#DATETIME#|#SERVER.NAME#|#SERVER.ID#|#SERVER.CPU#|#SERVER.MEM#|#SERVER.SWAP#|\
        #SERVER.DISK#|#SERVER.MEMUSED#|#SERVER.SWAPUSED#|#SERVER.DISKUSED#|#SERVER.MEMTOTAL#|#SERVER.SWAPTOTAL#|\
        #SERVER.DISKTOTAL#|#SERVER.NETINSPEED#|#SERVER.NETOUTSPEED#|#SERVER.TRANSFERIN#|#SERVER.TRANSFEROUT#|\
        #SERVER.NETINTRANSFER#|#SERVER.NETOUTTRANSFER#|#SERVER.LOAD1#|#SERVER.LOAD5#|#SERVER.LOAD15#|\
        #SERVER.TCPCONNCOUNT#|#SERVER.UDPCONNCOUNT#|#SERVER.IP#|#SERVER.IPV4#|#SERVER.IPV6#";

    fn style() -> Style {
        let kind = ChannelKind::Ntfy { url: String::new(), topic: String::new(), token: None };
        let time_zone = "Asia/Shanghai".to_owned();
        Style::of(&NewChannel { time_zone, ..NewChannel::of("v0", kind) }.into_channel(1, 0))
    }

    fn facts(name: &str, address: &str) -> Facts {
        let sample = Sample {
            cpu: 12.5,
            mem_used: 1,
            swap_used: 2,
            disk_used: 3,
            net_in_speed: 4,
            net_out_speed: 5,
            net_in_transfer: 6,
            net_out_transfer: 7,
            load1: 0.1,
            load5: 2.0,
            load15: 1.0 / 3.0,
            tcp_conn_count: 8,
            udp_conn_count: 9,
            ..Sample::default()
        };
        let host = Host { mem_total: 10, swap_total: 20, disk_total: 30, ..Host::default() };
        let facts = HostFacts { host, address: address.to_owned(), ..HostFacts::default() };
        let latest = Latest { facts: Arc::new(facts), sample, last_active_ms: Some(TIME_MS) };
        let mut record = (*samples::facts().record).clone();
        name.clone_into(&mut record.name);
        Facts { record: Arc::new(record), latest: Some(Arc::new(latest)) }
    }

    #[test]
    fn every_placeholder_is_filled_in_as_v0_did() {
        let (style, facts) = (style(), facts("web 1", "203.0.113.7/2001:db8::7"));
        let values = Values { message: "[Incident] a&b", time_ms: TIME_MS, style: &style, facts: Some(&facts) };
        assert_eq!(
            values.fill(ALL, str::to_owned),
            "[Incident] a&b|2024-11-06 12:34:56.789 +0800 CST|web 1|7|12.500000|1|2|3|1|2|3|10|20|30|4|5|6|7|6|7|\
             0.100000|2.000000|0.333333|8|9|203.0.113.7|203.0.113.7|2001:db8::7"
        );
        let none = Values { facts: None, ..values };
        let left = none.fill(ALL, str::to_owned);
        assert!(left.starts_with("[Incident] a&b|2024-11-06 12:34:56.789 +0800 CST|#SERVER.NAME#|"), "{left}");
        assert_eq!(left.matches("#SERVER.").count(), 26);
        for (time_ms, shown) in [
            (TIME_MS - 789, "2024-11-06 12:34:56 +0800 CST"),
            (TIME_MS - 89, "2024-11-06 12:34:56.7 +0800 CST"),
            (TIME_MS - 780, "2024-11-06 12:34:56.009 +0800 CST"),
        ] {
            assert_eq!(time(time_ms, &style), shown);
        }
    }

    #[test]
    fn addresses_of_one_kind_are_found_by_their_colons() {
        for (address, shown) in
            [("203.0.113.7", "203.0.113.7|203.0.113.7|"), ("2001:db8::7", "2001:db8::7||2001:db8::7"), ("", "||")]
        {
            let (style, facts) = (style(), facts("a", address));
            let values = Values { message: "", time_ms: TIME_MS, style: &style, facts: Some(&facts) };
            assert_eq!(values.fill("#SERVER.IP#|#SERVER.IPV4#|#SERVER.IPV6#", str::to_owned), shown);
        }
    }

    #[test]
    fn values_are_escaped_for_their_place() {
        let (style, facts) = (style(), facts("a\"b\\<c>", ""));
        let values = Values { message: "掉线 #1 +50%\n~", time_ms: TIME_MS, style: &style, facts: Some(&facts) };
        assert_eq!(
            values.in_url("https://api.telegram.org/bot1:A/sendMessage?chat_id=-1&text=#NEZHA#&n=#SERVER.NAME#"),
            "https://api.telegram.org/bot1:A/sendMessage?chat_id=-1&text=%E6%8E%89%E7%BA%BF+%231+%2B50%25%0A~&\
             n=a%22b%5C%3Cc%3E"
        );
        assert_eq!(
            values.in_json(r##"{"text":"#NEZHA#","name":"#SERVER.NAME#"}"##),
            r##"{"text":"掉线 #1 +50%\n~","name":"a\"b\\\u003cc\u003e"}"##
        );
        assert_eq!(
            values.in_form(r##"{"title":"#SERVER.NAME#","desp":"#NEZHA#","n":5}"##).as_deref(),
            Ok("desp=%E6%8E%89%E7%BA%BF+%231+%2B50%25%0A~&n=5&title=a%22b%5C%3Cc%3E")
        );
        assert!(values.in_form("a=b").is_err() && values.in_form("[]").is_err());
    }

    #[test]
    fn a_path_that_is_not_well_encoded_is_encoded_again() {
        for (url, sent) in [
            ("https://a.example/k/x%2Fy+z", "https://a.example/k/x%2Fy+z"),
            ("https://a.example/掉线/x%2Fy+%23z", "https://a.example/%E6%8E%89%E7%BA%BF/x/y+%23z"),
            ("https://a.example/a b", "https://a.example/a%20b"),
            ("https://a.example/a?t=掉 线#rest", "https://a.example/a?t=掉%20线"),
            ("https://a.example?x=1", "https://a.example?x=1"),
            ("https://a.example", "https://a.example"),
        ] {
            assert_eq!(as_go_sends(url), sent);
        }
    }

    proptest! {
        #[test]
        fn json_stays_json_and_says_the_same(message in "(?s).{0,40}", name in "(?s).{0,40}") {
            let (style, facts) = (style(), facts(&name, ""));
            let values = Values { message: &message, time_ms: TIME_MS, style: &style, facts: Some(&facts) };
            let body = values.in_json(r##"{"text":"#NEZHA#","name":"#SERVER.NAME#","cpu":#SERVER.CPU#}"##);
            let read: Value = serde_json::from_str(&body).map_err(|error| TestCaseError::fail(error.to_string()))?;
            if !message.contains('#') && !name.contains('#') {
                prop_assert_eq!(read["text"].as_str(), Some(message.as_str()));
                prop_assert_eq!(read["name"].as_str(), Some(name.as_str()));
            }
            let url = values.in_url("http://127.0.0.1:1/x/#SERVER.NAME#?text=#NEZHA#");
            prop_assert!(url.parse::<http::Uri>().is_ok(), "{}", url);
            let form = values.in_form(r##"{"text":"#NEZHA#"}"##).map_err(TestCaseError::fail)?;
            prop_assert!(form.starts_with("text=") && form.matches('&').count() == 0, "{}", form);
        }
    }
}
