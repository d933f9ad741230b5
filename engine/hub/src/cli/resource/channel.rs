//! `windfire channel`: channels that messages about alerts go to.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::call::{Call, Output, given};
use crate::cli::table::{since, table_of, text};
use crate::cli::values::{count, id};
use crate::cli::view::View;

const PATH: &str = "/api/v1/alert/channel";
/// Bytes of a file with settings: more than any body of a request has.
const SETTINGS_BYTES_MAX: u64 = 64 * 1024;
/// Settings that are numbers.
const NUMBERS: [&str; 2] = ["port", "thread_id"];

const ADDED: View =
    View { text: |result, _| format!("channel {}", result["id"]), json: |result, _| result.clone(), ..View::DONE };

const CHANGED: View = View {
    remedy: |status, message| match status {
        404 => ": \"windfire channel list\" shows all of them",
        409 if message.contains("is used by") => ", with \"windfire rule edit ID --channels …\"",
        _ => "",
    },
    ..View::DONE
};

const TESTED: View = View {
    text: |_, _| "a test message is on its way: \"windfire channel list\" shows how that went".to_owned(),
    remedy: |status, _| if status == 404 { ": \"windfire channel list\" shows all of them" } else { "" },
    ..View::DONE
};

const LIST: View = View::list(|result, context| {
    let head = ["ID", "NAME", "KIND", "PER MINUTE", "ZONE", "LANGUAGE", "ENABLED", "LAST SENT", "FAILS"];
    table_of(head, result, |channel| {
        let fails = match &channel["failing_since"] {
            Value::Null => String::new(),
            at => format!("since {}: {}", since(context.now_s, at), text(&channel["failure"])),
        };
        [
            text(&channel["id"]),
            text(&channel["name"]),
            text(&channel["kind"]),
            text(&channel["messages_per_minute"]),
            text(&channel["time_zone"]),
            text(&channel["language"]),
            text(&channel["enabled"]),
            since(context.now_s, &channel["last_sent"]),
            fails,
        ]
    })
});

/// What may be changed of a channel.
#[derive(Args)]
pub(crate) struct Settings {
    /// webhook, alertmanager, telegram, slack, discord, ntfy, email, or a webhook that is filled in: bark, dingtalk,
    /// wecom, matrix, lark, gotify
    #[arg(long)]
    kind: Option<String>,
    /// Setting of this kind, such as chat_id=-1001 or headers.X-Key=secret; lists have commas
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// JSON file with settings, or - for standard input: other users of this machine can read options, but not this
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Template of the subject; empty for the default text
    #[arg(long)]
    subject: Option<String>,
    /// Template of the text; empty for the default text
    #[arg(long)]
    body: Option<String>,
    /// Messages that are sent in a minute; what is more becomes one digest
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    messages_per_minute: Option<u32>,
    /// Whether the certificate of the other side is checked
    #[arg(long, value_name = "BOOL")]
    tls_verify: Option<bool>,
    /// Time zone of times in texts, such as Europe/Berlin
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Language of default texts
    #[arg(long, value_parser = ["en", "zh"])]
    language: Option<String>,
    /// Whether anything is sent there
    #[arg(long, value_name = "BOOL")]
    enabled: Option<bool>,
}

#[derive(Subcommand)]
pub(crate) enum ChannelVerb {
    /// Create a channel
    Add {
        /// Shown name
        #[arg(long)]
        name: String,
        #[command(flatten)]
        settings: Box<Settings>,
        #[command(flatten)]
        output: Output,
    },
    /// List channels; secrets are not shown
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Change a channel; options and settings that are not given leave their value as it is
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
    /// Send a test message to a channel
    Test {
        /// Its id, as "list" shows it
        #[arg(value_parser = id, allow_negative_numbers = true)]
        id: u64,
        #[command(flatten)]
        output: Output,
    },
    /// Remove a channel that no rule names
    Remove {
        /// Its id, as "list" shows it
        #[arg(value_parser = id, allow_negative_numbers = true)]
        id: u64,
        #[command(flatten)]
        output: Output,
    },
}

impl ChannelVerb {
    /// # Errors
    /// Options that make no request.
    pub(super) fn into_call(self) -> Result<Call, String> {
        Ok(match self {
            Self::Add { settings, .. } if settings.kind.is_none() => {
                return Err("a channel needs a kind: give --kind, such as --kind telegram".to_owned());
            }
            Self::Add { name, settings, output } => {
                let mut body = settings.body(Some(&name))?;
                // A kind whose every setting has a default is refused by name of what it lacks.
                if body["settings"].is_null() {
                    body["settings"] = json!({});
                }
                Call::add(PATH, body, ADDED, output)
            }
            Self::List { output } => Call::list(PATH, LIST, output),
            Self::Edit { id, name, settings, output } => {
                let body = settings.body(name.as_deref())?;
                if body.as_object().is_none_or(Map::is_empty) {
                    return Err("nothing to change: give an option, such as --set, --name or --enabled".to_owned());
                }
                Call::edit(PATH, id, body, CHANGED, output)
            }
            Self::Test { id, output } => Call::new("POST", format!("{PATH}/{id}/test"), None, TESTED, output),
            Self::Remove { id, output } => Call::remove(PATH, id, CHANGED, output),
        })
    }
}

impl Settings {
    fn body(&self, name: Option<&str>) -> Result<Value, String> {
        let mut settings = self.settings.as_deref().map(read_settings).transpose()?.unwrap_or_default();
        for (key, value) in &self.set {
            put(&mut settings, key, value)?;
        }
        let mut body = given([
            ("name", json!(name)),
            ("enabled", json!(self.enabled)),
            ("kind", json!(self.kind)),
            ("messages_per_minute", json!(self.messages_per_minute)),
            ("tls_verify", json!(self.tls_verify)),
            ("time_zone", json!(self.time_zone)),
            ("language", json!(self.language)),
        ]);
        if !settings.is_empty() {
            body["settings"] = Value::Object(settings);
        }
        for (key, template) in [("subject", &self.subject), ("body", &self.body)] {
            if let Some(template) = template {
                // An empty template would be an empty message.
                body[key] =
                    Some(template).filter(|template| !template.is_empty()).map_or(Value::Null, |text| json!(text));
            }
        }
        Ok(body)
    }
}

/// # Errors
/// The text has no equals sign.
fn setting(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let pair = pair.map(|(key, value)| (key.to_owned(), value.to_owned()));
    pair.ok_or_else(|| "write a setting as KEY=VALUE, such as chat_id=-1001".to_owned())
}

/// Puts a setting where the API wants it.
fn put(settings: &mut Map<String, Value>, key: &str, value: &str) -> Result<(), String> {
    let value = match key {
        _ if key.starts_with("headers.") => json!(value),
        "to" => json!(value.split(',').map(str::trim).collect::<Vec<_>>()),
        _ if NUMBERS.contains(&key) => {
            let number = value.parse::<i64>().map_err(|_| format!("--set {key}={value}: write a whole number"))?;
            json!(number)
        }
        _ => json!(value),
    };
    match key.strip_prefix("headers.") {
        Some(name) => {
            let headers = settings.entry("headers").or_insert_with(|| json!({}));
            let headers = headers.as_object_mut().ok_or("headers in the file with settings must be an object")?;
            headers.insert(name.to_owned(), value);
        }
        None => drop(settings.insert(key.to_owned(), value)),
    }
    Ok(())
}

/// Reads a file with settings.
///
/// # Errors
/// It cannot be read, or is no JSON object.
fn read_settings(path: &Path) -> Result<Map<String, Value>, String> {
    let wrong = |reason: &dyn std::fmt::Display| format!("--settings {}: {reason}", path.display());
    let mut text = String::new();
    let read = if path == Path::new("-") {
        io::stdin().take(SETTINGS_BYTES_MAX + 1).read_to_string(&mut text)
    } else {
        fs::File::open(path).and_then(|file| file.take(SETTINGS_BYTES_MAX + 1).read_to_string(&mut text))
    };
    let bytes = read.map_err(|error| wrong(&error))?;
    if bytes as u64 > SETTINGS_BYTES_MAX {
        return Err(wrong(&format!("it has more than {SETTINGS_BYTES_MAX} bytes")));
    }
    serde_json::from_str(&text).map_err(|error| wrong(&format!("it must be a JSON object: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_put_where_the_api_wants_them() {
        let mut settings = Map::new();
        for written in ["token=a=b", "port=25", "to=a@b, c@d", "headers.X-Key=secret", "headers.Y=", "chat_id=-1001"] {
            let (key, value) = setting(written).expect("a pair");
            put(&mut settings, &key, &value).expect("a value");
        }
        let expected = json!({
            "token": "a=b", "port": 25, "to": ["a@b", "c@d"], "headers": {"X-Key": "secret", "Y": ""},
            "chat_id": "-1001",
        });
        assert_eq!(Value::Object(settings), expected);
        assert!(put(&mut Map::new(), "port", "smtp").expect_err("no number").contains("port=smtp"));
        assert!(["", "token", "=x"].iter().all(|wrong| setting(wrong).is_err()));
    }

    #[test]
    fn a_file_with_settings_is_a_json_object() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("settings.json");
        fs::write(&file, "{\"token\":\"1:secret\"}").expect("room");
        assert_eq!(read_settings(&file).map(Value::Object), Ok(json!({"token": "1:secret"})));
        for wrong in ["", "[]", "{\"token\":"] {
            fs::write(&file, wrong).expect("room");
            let said = read_settings(&file).expect_err("refused");
            assert!(said.contains("settings.json: it must be a JSON object"), "{said}");
        }
        fs::write(&file, format!("{{\"token\":\"{}\"}}", "x".repeat(65_536))).expect("room");
        assert!(read_settings(&file).expect_err("too long").contains("65536 bytes"));
        assert!(read_settings(&folder.path().join("none")).is_err());
    }
}
