//! A message as JSON: what a webhook sends, and what templates know.

use serde_json::{Map, Value, json};
use windfire_engine::alert::channel::Channel;
use windfire_engine::alert::measure::Measure;
use windfire_engine::alert::notice::Message;
use windfire_engine::latest::Latest;
use windfire_engine::metric::{Metric, Number};

use crate::facts::Facts;
use crate::style::Style;
use crate::words::{self, server_text};

/// The version of this form. It rises when a field goes or changes its meaning.
const VERSION: u32 = 1;

/// A message as JSON. Times are Unix seconds.
pub(crate) fn of_message(message: &Message, channel: &Channel) -> Map<String, Value> {
    let style = Style::of(channel);
    let servers = message.servers.iter().map(|server| {
        json!({
            "id": server.id,
            "name": style.name(&server.name),
            "tag": style.name(&server.tag),
            "value": server.value,
            "since": seconds(server.since_ms),
            "ended": server.ended_ms.map(seconds),
            "text": server_text(server, message.measure, &style),
        })
    });
    let by_tag = message.by_tag.iter().map(|(tag, count)| json!({"tag": style.name(tag), "count": count}));
    let rule = message.rule.as_ref().map(|(id, name)| json!({"id": id, "name": style.name(name)}));
    let all = json!({
        "version": VERSION,
        "key": message.key,
        "status": words::status(message),
        "severity": message.severity.name(),
        "rule": rule,
        "metric": message.measure.map(Measure::name),
        "unit": message.measure.map(Measure::unit),
        "since": seconds(message.since_ms),
        "ended": message.ended_ms.map(seconds),
        "count": message.count,
        "servers": servers.collect::<Vec<_>>(),
        "by_tag": by_tag.collect::<Vec<_>>(),
        "truncated": message.truncated,
        "link": message.link,
    });
    match all {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// What templates know as `server`: the only server of a message. `null` for a message about none or several.
pub(crate) fn of_facts(facts: Option<&Facts>, channel: &Channel) -> Value {
    let Some(facts) = facts else { return Value::Null };
    let style = Style::of(channel);
    let (ipv4, ipv6) = facts.addresses();
    let mut known = json!({
        "id": facts.record.id,
        "name": style.name(&facts.record.name),
        "tag": style.name(&facts.record.tag),
        "ip": if ipv4.is_empty() { ipv6 } else { ipv4 },
        "ipv4": ipv4,
        "ipv6": ipv6,
    });
    if let (Some(latest), Some(known)) = (facts.latest.as_deref(), known.as_object_mut()) {
        known.extend(of_latest(latest));
    }
    known
}

/// What a server reported: facts of its machine, and each metric under its name.
fn of_latest(latest: &Latest) -> Map<String, Value> {
    let host = &latest.facts.host;
    let mut known = Map::new();
    for (name, value) in [
        ("country", json!(latest.facts.country)),
        ("last_active", json!(latest.last_active_s())),
        ("platform", json!(host.platform)),
        ("platform_version", json!(host.platform_version)),
        ("arch", json!(host.arch)),
        ("virtualization", json!(host.virtualization)),
        ("agent_version", json!(host.version)),
        ("boot_time", json!(host.boot_time_s)),
        ("mem_total", json!(host.mem_total)),
        ("swap_total", json!(host.swap_total)),
        ("disk_total", json!(host.disk_total)),
    ] {
        known.insert(name.to_owned(), value);
    }
    for metric in Metric::ALL {
        let value = match metric.number_of(&latest.sample) {
            Some(Number::Integer(value)) => json!(value),
            Some(Number::Float(value)) => json!(value),
            None => Value::Null,
        };
        known.insert(metric.name().to_owned(), value);
    }
    known
}

fn seconds(ms: i64) -> i64 {
    ms.div_euclid(1000)
}
