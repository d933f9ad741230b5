//! `windfire alerts`: alerts, and what happened to them.

use std::time::Duration;

use clap::Subcommand;
use serde_json::Value;

use crate::cli::call::{Call, Output};
use crate::cli::table::{ago, since, size, span, table_of, text};
use crate::cli::values::{count, id, query_text, server_or_hub};
use crate::cli::view::View;

const PATH: &str = "/api/v1/alert";

const LIST: View = View::list(|result, context| {
    let head =
        ["RULE", "SERVER", "SEVERITY", "STATE", "WHAT", "WHERE", "TAG", "VALUE", "WORST", "BAD SINCE", "KNOWN TO"];
    table_of(head, result, |alert| {
        let value = |key: &str| measured(&alert[key], &text(&alert["unit"]));
        [
            text(&alert["rule"]),
            text(&alert["server"]),
            text(&alert["severity"]),
            state_of(alert),
            text(&alert["rule_name"]),
            place_of(alert),
            text(&alert["tag"]),
            value("value"),
            value("worst_value"),
            since(context.now_s, &alert["since"]),
            text(&alert["acknowledged_by"]),
        ]
    })
});

const LOG: View = View::list(|result, context| {
    table_of(["WHEN", "EVENT", "SEVERITY", "WHAT", "WHERE", "NOTE"], result, |event| {
        let at = event["time"].as_f64().and_then(|at| Duration::try_from_secs_f64(at).ok()).unwrap_or_default();
        [
            ago(context.now_s, at.as_secs().cast_signed()),
            text(&event["what"]),
            text(&event["severity"]),
            text(&event["rule_name"]),
            place_of(event),
            text(&event["note"]),
        ]
    })
});

const ACKNOWLEDGED: View = View {
    remedy: |status, _| if status == 404 { ": \"windfire alerts list\" shows those that fire" } else { "" },
    ..View::DONE
};

/// The state of an alert, and what keeps it from being told.
fn state_of(alert: &Value) -> String {
    let marks = [("silenced", "silenced"), ("suppressed", "server offline")];
    let marks = marks.iter().filter(|(key, _)| alert[*key] == true).map(|(_, mark)| (*mark).to_owned());
    let frozen = (!alert["frozen_since"].is_null()).then(|| "no value".to_owned());
    let all: Vec<String> = std::iter::once(text(&alert["state"])).chain(marks).chain(frozen).collect();
    all.join(", ")
}

/// The server of an alert by name, or the hub.
fn place_of(alert: &Value) -> String {
    if alert["server"] == 0 { "the hub".to_owned() } else { text(&alert["server_name"]) }
}

/// A value of a measure with its unit.
#[expect(clippy::cast_possible_truncation, reason = "a few digits are shown")]
fn measured(value: &Value, unit: &str) -> String {
    let Some(value) = value.as_f64() else { return String::new() };
    match unit {
        "percent" => format!("{value:.1} %"),
        "bytes" => size(value.max(0.0) as u64),
        "bytes/s" => format!("{}/s", size(value.max(0.0) as u64)),
        "seconds" => span(value as i64),
        "celsius" => format!("{value:.1} °C"),
        // It is the case, or it is not.
        "" => String::new(),
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

#[derive(Subcommand)]
pub(crate) enum AlertVerb {
    /// List alerts: rules for servers, and for the hub, that are not ok
    List {
        /// Only those in this state
        #[arg(long, value_parser = ["pending", "firing", "clearing"])]
        state: Option<String>,
        /// Only those of this severity
        #[arg(long, value_parser = ["info", "warning", "critical"])]
        severity: Option<String>,
        /// Only those of servers of this tag
        #[arg(long)]
        tag: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Show what happened to alerts, the newest first
    Log {
        /// Unix seconds, RFC 3339, or a span before now, such as -24h
        #[arg(long, default_value = "-24h", allow_hyphen_values = true)]
        from: String,
        /// As --from
        #[arg(long, default_value = "now", allow_hyphen_values = true)]
        to: String,
        /// Only of these servers, by id; 0 is the hub
        #[arg(long = "id", value_delimiter = ',', value_parser = server_or_hub, allow_negative_numbers = true)]
        ids: Vec<u64>,
        /// Rows, the newest ones, 1 to 10000
        #[arg(long, default_value = "100", value_name = "N", value_parser = count, allow_negative_numbers = true)]
        limit: u32,
        #[command(flatten)]
        output: Output,
    },
    /// Note that you know of an alert that fires: it is not repeated
    Acknowledge {
        /// The rule's id, as "list" shows it
        #[arg(value_parser = id, allow_negative_numbers = true)]
        rule: u64,
        /// The server's id, as "list" shows it; 0 is the hub
        #[arg(value_parser = server_or_hub, allow_negative_numbers = true)]
        server: u64,
        #[command(flatten)]
        output: Output,
    },
}

impl AlertVerb {
    pub(super) fn into_call(self) -> Call {
        match self {
            Self::List { state, severity, tag, output } => {
                let given = [("state", state), ("severity", severity), ("tag", tag)];
                Call::list(&with_query(PATH, given), LIST, output)
            }
            Self::Log { from, to, ids, limit, output } => {
                let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
                let ids = Some(ids.join(",")).filter(|ids| !ids.is_empty());
                let given = [("from", Some(from)), ("to", Some(to)), ("id", ids), ("limit", Some(limit.to_string()))];
                Call::list(&with_query(&format!("{PATH}/log"), given), LOG, output)
            }
            Self::Acknowledge { rule, server, output } => {
                Call::new("POST", format!("{PATH}/{rule}/{server}/acknowledge"), None, ACKNOWLEDGED, output)
            }
        }
    }
}

/// A path with the parameters that are given.
fn with_query<const N: usize>(path: &str, parameters: [(&str, Option<String>); N]) -> String {
    let given = parameters.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", query_text(&value?))));
    let given: Vec<String> = given.collect();
    if given.is_empty() { path.to_owned() } else { format!("{path}?{}", given.join("&")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::admin::Request;

    fn path(verb: AlertVerb) -> String {
        match verb.into_call().request {
            Request::Api { path, .. } => path,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_given_is_asked_for() {
        let output = || Output { json: false };
        let list = AlertVerb::List { state: None, severity: None, tag: None, output: output() };
        assert_eq!(path(list), "/api/v1/alert");
        let tag = Some("a b&c=ü".to_owned());
        let list = AlertVerb::List { state: Some("firing".to_owned()), severity: None, tag, output: output() };
        assert_eq!(path(list), "/api/v1/alert?state=firing&tag=a%20b%26c%3D%C3%BC");
        let (from, to) = ("2026-11-01T00:00:00+01:00".to_owned(), "now".to_owned());
        let log = AlertVerb::Log { from, to, ids: vec![0, 7], limit: 5, output: output() };
        assert_eq!(path(log), "/api/v1/alert/log?from=2026-11-01T00%3A00%3A00%2B01%3A00&to=now&id=0%2C7&limit=5");
    }

    #[test]
    fn values_have_their_units() {
        for (value, unit, shown) in [
            (json!(97.31), "percent", "97.3 %"),
            (json!(2048), "bytes", "2.0 KiB"),
            (json!(1.5e6), "bytes/s", "1.4 MiB/s"),
            (json!(61.2), "seconds", "61 s"),
            (json!(3), "connections", "3"),
            (json!(1.25), "load", "1.25"),
            (json!(1), "", ""),
            (Value::Null, "percent", ""),
        ] {
            assert_eq!(measured(&value, unit), shown, "{value} {unit}");
        }
    }

    #[test]
    fn an_alert_says_what_keeps_it_from_being_told() {
        let alert = |silenced, frozen_since| {
            let alert =
                json!({"state": "firing", "silenced": silenced, "suppressed": false, "frozen_since": frozen_since});
            state_of(&alert)
        };
        assert_eq!(alert(false, Value::Null), "firing");
        assert_eq!(alert(true, json!(1_790_000_000)), "firing, silenced, no value");
    }
}
