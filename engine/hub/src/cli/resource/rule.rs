//! `windfire rule`: rules of alerts.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::call::{Call, Output, given};
use crate::cli::table::{since, span, table_of, text};
use crate::cli::values::{Ids, count, id, ids};
use crate::cli::view::View;

const PATH: &str = "/api/v1/alert/rule";

const ADDED: View =
    View { text: |result, _| format!("rule {}", result["id"]), json: |result, _| result.clone(), ..View::DONE };

const CHANGED: View = View {
    remedy: |status, _| if status == 404 { ": \"windfire rule list\" shows all of them" } else { "" },
    ..View::DONE
};

const LIST: View = View::list(|result, _| {
    let head = ["ID", "NAME", "SEVERITY", "WHEN", "FOR", "SERVERS", "CHANNELS", "ENABLED", "FIRING"];
    table_of(head, result, |rule| {
        [
            text(&rule["id"]),
            text(&rule["name"]),
            text(&rule["severity"]),
            when_of(rule),
            format!("{} s", rule["for_s"]),
            servers_of(rule),
            text(&rule["channels"]),
            text(&rule["enabled"]),
            text(&rule["firing"]),
        ]
    })
});

const PREVIEW: View = View {
    text: |result, context| {
        let (servers, firings) = (text(&result["servers"]), &result["firings"]);
        let cut = if result["cut"] == true { ", which are not all of them" } else { "" };
        let count = firings.as_array().map_or(0, Vec::len);
        let words = format!("in the last 24 hours it would have fired for {count} of {servers} servers{cut}");
        if count == 0 {
            return words;
        }
        let head = ["SERVER", "NAME", "TIMES", "IN ALL", "FIRST", "WORST"];
        let firings = table_of(head, firings, |firing| {
            [
                text(&firing["server"]),
                text(&firing["name"]),
                text(&firing["times"]),
                span(firing["total_s"].as_i64().unwrap_or_default()),
                since(context.now_s, &firing["first"]),
                text(&firing["worst"]),
            ]
        });
        format!("{firings}\n\n{words}")
    },
    json: |result, _| result.clone(),
    remedy: |_, _| "",
};

/// The conditions of a rule, as `--when` takes them.
fn when_of(rule: &Value) -> String {
    let condition = |condition: &Value| {
        let clear = match &condition["clear"] {
            Value::Null => String::new(),
            clear => format!(" clear {clear}"),
        };
        format!("{} {} {}{clear}", text(&condition["metric"]), text(&condition["op"]), condition["value"])
    };
    let all = rule["when"].as_array().into_iter().flatten().map(condition);
    all.collect::<Vec<_>>().join(" and ")
}

/// The servers that a rule is about.
fn servers_of(rule: &Value) -> String {
    let scope = &rule["scope"];
    let except = text(&rule["except_ids"]);
    let servers = match (&scope["tags"], &scope["ids"]) {
        (Value::Null, Value::Null) => "all".to_owned(),
        (Value::Null, ids) => text(ids),
        (tags, _) => format!("tag {}", text(tags)),
    };
    if except.is_empty() { servers } else { format!("{servers} but {except}") }
}

/// What may be changed of a rule.
#[derive(Args)]
pub(crate) struct Settings {
    /// Condition, such as "disk > 90 clear 85"; if it is given several times, all must hold
    #[arg(long, value_name = "CONDITION", value_parser = condition)]
    when: Vec<Value>,
    /// How bad it is
    #[arg(long, value_parser = ["info", "warning", "critical"])]
    severity: Option<String>,
    /// Note for administrators
    #[arg(long)]
    note: Option<String>,
    /// Whether servers are judged by it
    #[arg(long)]
    enabled: Option<bool>,
    /// Seconds for which the conditions must hold
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    for_s: Option<u32>,
    /// Part of that time in which they must hold, 0.5 to 1
    #[arg(long)]
    share: Option<f64>,
    /// Seconds for which they must not hold before the alert ends
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    keep_s: Option<u32>,
    /// All servers
    #[arg(long, conflicts_with_all = ["tags", "ids"])]
    all: bool,
    /// Servers of these tags
    #[arg(long = "tag", value_name = "TAG", value_delimiter = ',', conflicts_with = "ids")]
    tags: Vec<String>,
    /// Servers of these ids
    #[arg(long = "id", value_name = "IDS", value_parser = ids, allow_negative_numbers = true)]
    ids: Option<Ids>,
    /// But not these servers, or none
    #[arg(long, value_name = "IDS", value_parser = ids, allow_negative_numbers = true)]
    except_ids: Option<Ids>,
    /// Whether a server that never reported counts as offline
    #[arg(long, value_name = "BOOL")]
    never: Option<bool>,
    /// Channels that are told, or none
    #[arg(long, value_name = "IDS", value_parser = ids, allow_negative_numbers = true)]
    channels: Option<Ids>,
    /// Seconds after which a message is repeated, 60 to 604800, or 0 for never
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    repeat_s: Option<u32>,
    /// Whether the end of an alert is told
    #[arg(long, value_name = "BOOL")]
    resolved: Option<bool>,
}

#[derive(Subcommand)]
pub(crate) enum RuleVerb {
    /// Create a rule
    Add {
        /// Shown name
        #[arg(long)]
        name: String,
        #[command(flatten)]
        settings: Box<Settings>,
        #[command(flatten)]
        output: Output,
    },
    /// List rules
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Change a rule; options that are not given leave their value as it is
    Edit {
        /// Its id, as "list" shows it
        #[arg(value_parser = id, allow_negative_numbers = true)]
        id: u64,
        /// Shown name
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        settings: Box<Settings>,
        #[command(flatten)]
        output: Output,
    },
    /// Show what a rule would have done in the last 24 hours, without creating it
    Preview {
        #[command(flatten)]
        settings: Box<Settings>,
        #[command(flatten)]
        output: Output,
    },
    /// Remove a rule; those of the hub itself stay
    Remove {
        /// Its id, as "list" shows it
        #[arg(value_parser = id, allow_negative_numbers = true)]
        id: u64,
        #[command(flatten)]
        output: Output,
    },
}

impl RuleVerb {
    /// # Errors
    /// Options that make no request.
    pub(super) fn into_call(self) -> Result<Call, String> {
        Ok(match self {
            Self::Add { settings, .. } | Self::Preview { settings, .. } if settings.when.is_empty() => {
                return Err("a rule needs a condition: give --when, such as --when \"disk > 90\"".to_owned());
            }
            Self::Add { name, mut settings, output } => {
                settings.severity.get_or_insert_with(|| "warning".to_owned());
                Call::add(PATH, settings.body(Some(&name)), ADDED, output)
            }
            Self::Preview { mut settings, output } => {
                settings.severity.get_or_insert_with(|| "warning".to_owned());
                let body = settings.body(Some("preview"));
                Call::new("POST", format!("{PATH}/preview"), Some(body), PREVIEW, output)
            }
            Self::List { output } => Call::list(PATH, LIST, output),
            Self::Edit { id, name, settings, output } => {
                let body = settings.body(name.as_deref());
                if body.as_object().is_none_or(Map::is_empty) {
                    return Err("nothing to change: give an option, such as --when, --channels or --enabled".to_owned());
                }
                Call::edit(PATH, id, body, CHANGED, output)
            }
            Self::Remove { id, output } => Call::remove(PATH, id, CHANGED, output),
        })
    }
}

impl Settings {
    fn body(&self, name: Option<&str>) -> Value {
        let numbers = |ids: &Option<Ids>| ids.as_ref().map(|Ids(ids)| json!(ids)).unwrap_or_default();
        let scope = match (self.all, self.tags.is_empty(), &self.ids) {
            (true, _, _) => json!({"all": true}),
            (_, false, _) => json!({"tags": self.tags}),
            (_, _, Some(Ids(ids))) => json!({"ids": ids}),
            _ => Value::Null,
        };
        let when = if self.when.is_empty() { Value::Null } else { json!(self.when) };
        given([
            ("name", json!(name)),
            ("note", json!(self.note)),
            ("enabled", json!(self.enabled)),
            ("severity", json!(self.severity)),
            ("when", when),
            ("for_s", json!(self.for_s)),
            ("share", json!(self.share)),
            ("keep_s", json!(self.keep_s)),
            ("scope", scope),
            ("except_ids", numbers(&self.except_ids)),
            ("never", json!(self.never)),
            ("channels", numbers(&self.channels)),
            ("repeat_s", json!(self.repeat_s)),
            ("resolved", json!(self.resolved)),
        ])
    }
}

/// A condition, as the API takes it. The hub knows which measures there are.
///
/// # Errors
/// The text has another form.
fn condition(text: &str) -> Result<Value, String> {
    let number = |word: &str| word.parse::<f64>().ok().filter(|number| number.is_finite());
    let words: Vec<&str> = text.split_whitespace().collect();
    let read = match words[..] {
        [metric] => Some(json!({"metric": metric})),
        [metric, op @ (">" | "<"), value] => {
            number(value).map(|value| json!({"metric": metric, "op": op, "value": value}))
        }
        [metric, op @ (">" | "<"), value, "clear", clear] => number(value)
            .zip(number(clear))
            .map(|(value, clear)| json!({"metric": metric, "op": op, "value": value, "clear": clear})),
        _ => None,
    };
    read.ok_or_else(|| "write a condition such as \"disk > 90\", \"disk > 90 clear 85\" or \"rebooted\"".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_read_as_it_is_shown() {
        for (written, expected) in [
            ("rebooted", json!({"metric": "rebooted"})),
            ("disk > 90", json!({"metric": "disk", "op": ">", "value": 90.0})),
            ("hub.disk_free  <  10.5", json!({"metric": "hub.disk_free", "op": "<", "value": 10.5})),
            ("disk > 90 clear 85", json!({"metric": "disk", "op": ">", "value": 90.0, "clear": 85.0})),
        ] {
            assert_eq!(condition(written), Ok(expected), "{written}");
        }
        for wrong in ["", "disk >", "disk >90", "disk = 90", "disk > 90%", "disk > 90 clear", "disk > inf", "a > 1 b 2"]
        {
            assert!(condition(wrong).is_err(), "{wrong:?}");
        }
        let shown = json!({"when": [
            {"metric": "disk", "op": ">", "value": 90, "clear": 85},
            {"metric": "cpu", "op": "<", "value": 0.5, "clear": null},
        ]});
        assert_eq!(when_of(&shown), "disk > 90 clear 85 and cpu < 0.5");
        for (scope, except_ids, words) in [
            (json!({"all": true}), json!([]), "all"),
            (json!({"tags": ["a", "b"]}), json!([1]), "tag a,b but 1"),
            (json!({"ids": [1, 2]}), json!([]), "1,2"),
        ] {
            assert_eq!(servers_of(&json!({"scope": scope, "except_ids": except_ids})), words);
        }
    }
}
