//! Prometheus' Alertmanager, which is told of alerts and not of messages:
//! <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>.

use jiff::Timestamp;
use serde_json::{Value, json};
use windfire_engine::alert::channel::Channel;
use windfire_engine::alert::notice::NoticeServer;

use crate::client::Call;
use crate::facts::ShownAlert;
use crate::style::Style;
use crate::words::server_text;

/// The request with these alerts.
pub(crate) fn call(url: &str, alerts: &[ShownAlert], channel: &Channel) -> Call {
    let style = Style::of(channel);
    let alerts: Vec<Value> = alerts.iter().map(|alert| shown(alert, &style)).collect();
    Call::json(format!("{}/api/v2/alerts", url.trim_end_matches('/')), &Value::from(alerts))
}

fn shown(alert: &ShownAlert, style: &Style) -> Value {
    let measure = alert.rule.when.first().map(|condition| condition.measure);
    let server = NoticeServer {
        id: alert.server_id,
        name: alert.server_name.clone(),
        tag: alert.tag.clone(),
        value: alert.value,
        since_ms: alert.since_ms,
        ended_ms: None,
    };
    let value = measure.zip(alert.value).map(|(measure, value)| style.value(value, measure.unit()));
    let mut labels = json!({"alertname": alert.rule.name, "severity": alert.rule.severity.name()});
    for (label, value) in [
        // Two rules may have one name. Alerts with the same labels are one to it, which the end of either would end.
        ("rule_id", alert.rule.id.to_string()),
        ("server_id", alert.server_id.to_string()),
        ("server", alert.server_name.clone()),
        ("tag", alert.tag.clone()),
    ] {
        // An empty label is none to it.
        if !value.is_empty() {
            labels[label] = value.into();
        }
    }
    let mut annotations = json!({"summary": server_text(&server, measure, style)});
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        annotations["value"] = value.into();
    }
    // An end before the start would be refused, and the whole request with it.
    let ends_ms = alert.ends_ms.max(alert.since_ms);
    let mut all = json!({
        "labels": labels,
        "annotations": annotations,
        "startsAt": moment(alert.since_ms),
        "endsAt": moment(ends_ms),
    });
    if let Some(link) = &alert.link {
        all["generatorURL"] = link.as_str().into();
    }
    all
}

fn moment(time_ms: i64) -> Option<String> {
    Timestamp::from_millisecond(time_ms).ok().map(|time| time.to_string())
}
