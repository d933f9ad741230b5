//! `windfire server`: watched servers.

use clap::Subcommand;
use serde_json::{Map, json};

use crate::cli::agent_command::{agent_lines, with_agent_command};
use crate::cli::call::{Call, Output, given};
use crate::cli::table::{since, table_of, text};
use crate::cli::values::id;
use crate::cli::view::View;

const PATH: &str = "/api/v1/manage/server";

pub(in crate::cli) const CREDENTIAL: View = View {
    text: |result, context| {
        let start = agent_lines("CREDENTIAL", &result["credential"], context.agents);
        format!(
            "server {}\ncredential {}\nOn the server:\n{start}\nThe credential is not kept and cannot be shown again.",
            result["id"],
            text(&result["credential"])
        )
    },
    json: |result, context| with_agent_command(result, "CREDENTIAL", "credential", context.agents),
    remedy,
};

pub(in crate::cli) const CHANGED: View = View { remedy, ..View::DONE };

fn remedy(status: u16, _message: &str) -> &'static str {
    if status == 404 { ": \"windfire server list\" shows all of them" } else { "" }
}

const LIST: View = View::list(|result, context| {
    table_of(["ID", "NAME", "TAG", "REPORTED", "ADDRESS"], result, |server| {
        let active = since(context.now_s, &server["last_active"]);
        [text(&server["id"]), text(&server["name"]), text(&server["tag"]), active, text(&server["address"])]
    })
});

#[derive(Subcommand)]
pub(crate) enum ServerVerb {
    /// Create a server; prints the credential for its agent, once
    Add {
        /// Shown name
        #[arg(long)]
        name: String,
        /// Group
        #[arg(long, default_value = "")]
        tag: String,
        /// Note for administrators
        #[arg(long, default_value = "")]
        note: String,
        /// Position: higher comes first where a client sorts by it
        #[arg(long, default_value_t = 0, allow_hyphen_values = true)]
        display_index: i64,
        /// Hide from guests
        #[arg(long)]
        hide_for_guest: bool,
        /// Country, two lower-case letters (default: looked up by address)
        #[arg(long, default_value = "")]
        country: String,
        #[command(flatten)]
        output: Output,
    },
    /// List servers
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Change a server; options that are not given leave their value as it is
    Edit {
        /// Its id, as "list" shows it
        #[arg(value_parser = id, allow_negative_numbers = true)]
        id: u64,
        /// Shown name
        #[arg(long)]
        name: Option<String>,
        /// Group
        #[arg(long)]
        tag: Option<String>,
        /// Note for administrators
        #[arg(long)]
        note: Option<String>,
        /// Position
        #[arg(long, allow_hyphen_values = true)]
        display_index: Option<i64>,
        /// Hide from guests
        #[arg(long)]
        hide_for_guest: Option<bool>,
        /// Country, two lower-case letters; empty to have it looked up by address
        #[arg(long)]
        country: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Give a server a new credential; its agent with the old one is refused
    Rotate {
        /// Its id, as "list" shows it
        #[arg(value_parser = id, allow_negative_numbers = true)]
        id: u64,
        #[command(flatten)]
        output: Output,
    },
    /// Remove a server
    Remove {
        /// Its id, as "list" shows it
        #[arg(value_parser = id, allow_negative_numbers = true)]
        id: u64,
        #[command(flatten)]
        output: Output,
    },
}

impl ServerVerb {
    /// # Errors
    /// Options that make no request.
    pub(super) fn into_call(self) -> Result<Call, String> {
        Ok(match self {
            Self::Add { name, tag, note, display_index, hide_for_guest, country, output } => {
                check_name(&name)?;
                let body = json!({
                    "name": name, "tag": tag, "note": note, "display_index": display_index,
                    "hide_for_guest": hide_for_guest, "country": country,
                });
                Call::add(PATH, body, CREDENTIAL, output)
            }
            Self::List { output } => Call::list(PATH, LIST, output),
            Self::Edit { id, name, tag, note, display_index, hide_for_guest, country, output } => {
                name.as_deref().map_or(Ok(()), check_name)?;
                let body = given([
                    ("name", json!(name)),
                    ("tag", json!(tag)),
                    ("note", json!(note)),
                    ("display_index", json!(display_index)),
                    ("hide_for_guest", json!(hide_for_guest)),
                    ("country", json!(country)),
                ]);
                if body.as_object().is_none_or(Map::is_empty) {
                    return Err(
                        "nothing to change: give --name, --tag, --note, --display-index, --hide-for-guest or --country"
                            .to_owned(),
                    );
                }
                Call::edit(PATH, id, body, CHANGED, output)
            }
            Self::Rotate { id, output } => {
                Call::new("POST", format!("{PATH}/{id}/credential"), None, CREDENTIAL, output)
            }
            Self::Remove { id, output } => Call::remove(PATH, id, CHANGED, output),
        })
    }
}

fn check_name(name: &str) -> Result<(), String> {
    match name.trim() {
        "" => Err("a server's name is what people see of it, and this one is empty: give another --name".to_owned()),
        _ => Ok(()),
    }
}
