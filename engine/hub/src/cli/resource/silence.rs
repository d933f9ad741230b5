//! `windfire silence`: times in which alerts are not told.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::call::{Call, Output, given};
use crate::cli::table::{span, table_of, text};
use crate::cli::values::{Ids, id, ids, minutes};
use crate::cli::view::{Context, View};

const PATH: &str = "/api/v1/alert/silence";

const ADDED: View =
    View { text: |result, _| format!("silence {}", result["id"]), json: |result, _| result.clone(), ..View::DONE };

const CHANGED: View = View {
    remedy: |status, _| if status == 404 { ": \"windfire silence list\" shows all of them" } else { "" },
    ..View::DONE
};

const LIST: View = View::list(|result, context| {
    table_of(["ID", "COMMENT", "RULES", "TAGS", "SERVERS", "WHEN", "BY", "ACTIVE"], result, |silence| {
        let any = |key: &str| match text(&silence[key]) {
            all if all.is_empty() && silence[key].as_array().is_none_or(Vec::is_empty) => "any".to_owned(),
            some => some,
        };
        [
            text(&silence["id"]),
            text(&silence["comment"]),
            any("rules"),
            any("tags"),
            any("ids"),
            when_of(silence, context),
            text(&silence["by"]),
            text(&silence["active"]),
        ]
    })
});

/// When a silence holds.
fn when_of(silence: &Value, context: &Context<'_>) -> String {
    let weekly = &silence["weekly"];
    if weekly.is_object() {
        let [days, start, end, zone] = ["days", "start", "end", "zone"].map(|key| text(&weekly[key]));
        return format!("{days} {start}-{end} {zone}");
    }
    let now_s = context.now_s;
    match (silence["from"].as_i64(), silence["to"].as_i64()) {
        (_, Some(to_s)) if to_s <= now_s => format!("over for {}", span(now_s - to_s)),
        (Some(from_s), Some(to_s)) if from_s > now_s => {
            format!("in {} for {}", span(from_s - now_s), span(to_s - from_s))
        }
        (_, Some(to_s)) => format!("for {}", span(to_s - now_s)),
        _ => String::new(),
    }
}

/// What may be changed of a silence.
#[derive(Args)]
pub(crate) struct Settings {
    /// What it is for
    #[arg(long)]
    comment: Option<String>,
    /// Alerts of these rules, or none for any rule
    #[arg(long, value_name = "IDS", value_parser = ids, allow_negative_numbers = true)]
    rules: Option<Ids>,
    /// Alerts of servers of these tags
    #[arg(long = "tag", value_name = "TAG", value_delimiter = ',')]
    tags: Vec<String>,
    /// Alerts of servers of any tag
    #[arg(long, conflicts_with = "tags")]
    any_tag: bool,
    /// Alerts of these servers, or none for any server
    #[arg(long = "id", value_name = "IDS", value_parser = ids, allow_negative_numbers = true)]
    ids: Option<Ids>,
    /// Minutes from now on
    #[arg(long, value_name = "N", value_parser = minutes, allow_negative_numbers = true)]
    #[arg(conflicts_with_all = ["from", "to", "days"])]
    minutes: Option<u32>,
    /// Beginning, Unix seconds (default: now)
    #[arg(long, value_name = "TIME", conflicts_with = "days")]
    from: Option<u64>,
    /// End, Unix seconds
    #[arg(long, value_name = "TIME", conflicts_with = "days")]
    to: Option<u64>,
    /// Days of the week on which it begins, such as sat,sun
    #[arg(long, value_delimiter = ',', value_parser = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"])]
    #[arg(requires = "start", requires = "end")]
    days: Vec<String>,
    /// Time of day at which it begins, such as 22:00
    #[arg(long, value_name = "HH:MM", requires = "days")]
    start: Option<String>,
    /// Time of day at which it ends, such as 07:00, which is on the next day
    #[arg(long, value_name = "HH:MM", requires = "days")]
    end: Option<String>,
    /// Time zone of these times, such as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE", requires = "days")]
    zone: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum SilenceVerb {
    /// Create a silence: for some minutes, from one time to another, or every week
    Add {
        #[command(flatten)]
        settings: Box<Settings>,
        #[command(flatten)]
        output: Output,
    },
    /// List silences
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Change a silence; options that are not given leave their value as it is
    Edit {
        /// Its id, as "list" shows it
        #[arg(value_parser = id, allow_negative_numbers = true)]
        id: u64,
        #[command(flatten)]
        settings: Box<Settings>,
        #[command(flatten)]
        output: Output,
    },
    /// Remove a silence, effective at once
    Remove {
        /// Its id, as "list" shows it
        #[arg(value_parser = id, allow_negative_numbers = true)]
        id: u64,
        #[command(flatten)]
        output: Output,
    },
}

impl SilenceVerb {
    /// # Errors
    /// Options that make no request.
    pub(super) fn into_call(self) -> Result<Call, String> {
        Ok(match self {
            Self::Add { settings, .. } if !settings.has_end() => {
                return Err("a silence needs an end: give --minutes, --to, or --days with --start and --end".to_owned());
            }
            Self::Add { settings, output } => Call::add(PATH, settings.body(), ADDED, output).lasting(settings.minutes),
            Self::List { output } => Call::list(PATH, LIST, output),
            Self::Edit { id, settings, output } => {
                let body = settings.body();
                if body.as_object().is_none_or(Map::is_empty) && settings.minutes.is_none() {
                    return Err("nothing to change: give an option, such as --minutes or --comment".to_owned());
                }
                Call::edit(PATH, id, body, CHANGED, output).lasting(settings.minutes)
            }
            Self::Remove { id, output } => Call::remove(PATH, id, CHANGED, output),
        })
    }
}

impl Settings {
    fn has_end(&self) -> bool {
        self.minutes.is_some() || self.to.is_some() || !self.days.is_empty()
    }

    fn body(&self) -> Value {
        let numbers = |ids: &Option<Ids>| ids.as_ref().map(|Ids(ids)| json!(ids)).unwrap_or_default();
        let zone = self.zone.as_deref().unwrap_or("UTC");
        let weekly = json!({"days": self.days, "start": self.start, "end": self.end, "zone": zone});
        let tags = if self.tags.is_empty() && !self.any_tag { Value::Null } else { json!(self.tags) };
        given([
            ("comment", json!(self.comment)),
            ("rules", numbers(&self.rules)),
            ("tags", tags),
            ("ids", numbers(&self.ids)),
            ("from", json!(self.from)),
            ("to", json!(self.to)),
            ("weekly", if self.days.is_empty() { Value::Null } else { weekly }),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::AgentsLine;

    #[test]
    fn the_time_of_a_silence_is_shown_as_seen_from_now() {
        let agents = AgentsLine { address: None, port: 1, fingerprint: String::new() };
        let context = Context { agents: &agents, now_s: 1_000_000 };
        let weekly = json!({"days": ["sat", "sun"], "start": "22:00", "end": "07:00", "zone": "UTC"});
        for (silence, words) in [
            (json!({"from": 999_000, "to": 1_000_060}), "for 60 s"),
            (json!({"from": 1_000_060, "to": 1_007_260}), "in 60 s for 2 h"),
            (json!({"from": 0, "to": 999_000}), "over for 16 min"),
            (json!({"from": null, "to": null, "weekly": weekly}), "sat,sun 22:00-07:00 UTC"),
        ] {
            assert_eq!(when_of(&silence, &context), words);
        }
    }
}
