//! `windfire token`: API tokens.

use clap::Subcommand;
use serde_json::json;

use crate::cli::call::{Call, Output, given};
use crate::cli::table::{since, table_of, text, until};
use crate::cli::values::{days, id};
use crate::cli::view::View;
use crate::limits::EXPIRY_DAYS_MAX;

const PATH: &str = "/api/v1/token";

pub(in crate::cli) const ADDED: View = View {
    text: |result, _| {
        let token = text(&result["token"]);
        format!("token {}\n{token}\nThe token is not kept and cannot be shown again.", result["id"])
    },
    json: |result, _| result.clone(),
    remedy: |status, message| {
        if status == 409 && message.ends_with("exists already") {
            ": it remains valid, or \"windfire token remove\" it first"
        } else {
            ""
        }
    },
};

const REMOVED: View = View {
    remedy: |status, _| if status == 404 { ": \"windfire token list\" shows all of them" } else { "" },
    ..View::DONE
};

const LIST: View = View::list(|result, context| {
    table_of(["ID", "NOTE", "SCOPES", "TAGS", "USED", "EXPIRES"], result, |token| {
        [
            text(&token["id"]),
            text(&token["note"]),
            text(&token["scopes"]),
            text(&token["tags"]),
            since(context.now_s, &token["last_used"]),
            until(context.now_s, &token["expires"]),
        ]
    })
});

#[derive(Subcommand)]
pub(crate) enum TokenVerb {
    /// Create an API token; prints it, once
    Add {
        /// What it is for
        #[arg(long)]
        note: String,
        /// Keep using a token from elsewhere, such as a Nezha installation
        #[arg(long)]
        token: Option<String>,
        /// read, register, admin (default: read,register)
        #[arg(long = "scope", value_parser = ["read", "register", "admin"], value_delimiter = ',')]
        scopes: Vec<String>,
        /// Servers of these tags only (default: all servers)
        #[arg(long = "tag", value_delimiter = ',')]
        tags: Vec<String>,
        /// Days until it expires (default: never)
        #[arg(long, value_name = "N", value_parser = days::<1, EXPIRY_DAYS_MAX>, allow_negative_numbers = true)]
        expires_days: Option<u32>,
        #[command(flatten)]
        output: Output,
    },
    /// List API tokens
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Remove an API token, effective at once
    Remove {
        /// Its id, as "list" shows it
        #[arg(value_parser = id, allow_negative_numbers = true)]
        id: u64,
        #[command(flatten)]
        output: Output,
    },
}

impl TokenVerb {
    /// # Errors
    /// Options that make no request.
    pub(super) fn into_call(self) -> Result<Call, String> {
        Ok(match self {
            Self::Add { note, .. } if note.trim().is_empty() => {
                return Err("a token's note says what it is for, and this one is empty: give another --note".to_owned());
            }
            Self::Add { note, token, scopes, tags, expires_days, output } => {
                let scopes = Some(scopes).filter(|scopes| !scopes.is_empty());
                let body = given([
                    ("note", json!(note)),
                    ("token", json!(token)),
                    ("scopes", json!(scopes)),
                    ("tags", json!(tags)),
                ]);
                Call::add(PATH, body, ADDED, output).ending_in(expires_days)
            }
            Self::List { output } => Call::list(PATH, LIST, output),
            Self::Remove { id, output } => Call::remove(PATH, id, REMOVED, output),
        })
    }
}
