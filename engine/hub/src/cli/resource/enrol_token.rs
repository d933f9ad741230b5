//! `windfire enrol-token`: tokens with which agents create their own servers.

use clap::Subcommand;
use serde_json::json;

use crate::cli::agent_command::{agent_lines, with_agent_command};
use crate::cli::call::{Call, Output, given};
use crate::cli::table::{table_of, text, until};
use crate::cli::values::{days, id, uses};
use crate::cli::view::View;
use crate::limits::EXPIRY_DAYS_MAX;

const PATH: &str = "/api/v1/enrol-token";

pub(in crate::cli) const ADDED: View = View {
    text: |result, context| {
        let start = agent_lines("ENROL", &result["token"], context.agents);
        format!(
            "token {}\n{}\nOn each server:\n{start}\nThe token is not kept and cannot be shown again.",
            result["id"],
            text(&result["token"])
        )
    },
    json: |result, context| with_agent_command(result, "ENROL", "token", context.agents),
    ..View::DONE
};

const REMOVED: View = View {
    remedy: |status, _| if status == 404 { ": \"windfire enrol-token list\" shows all of them" } else { "" },
    ..View::DONE
};

const LIST: View = View::list(|result, context| {
    table_of(["ID", "NOTE", "TAG", "USES LEFT", "EXPIRES"], result, |token| {
        let uses = token["uses_left"].as_u64().map_or("any".to_owned(), |uses| uses.to_string());
        let expires = until(context.now_s, &token["expires"]);
        [text(&token["id"]), text(&token["note"]), text(&token["tag"]), uses, expires]
    })
});

#[derive(Subcommand)]
pub(crate) enum EnrolTokenVerb {
    /// Create an enrolment token; prints it, once
    Add {
        /// What it is for
        #[arg(long, default_value = "")]
        note: String,
        /// Tag of the servers it creates
        #[arg(long, default_value = "")]
        tag: String,
        /// Servers it may create (default: unlimited)
        #[arg(long, value_name = "N", value_parser = uses, allow_negative_numbers = true)]
        uses: Option<u64>,
        /// Days until it expires (default: never)
        #[arg(long, value_name = "N", value_parser = days::<1, EXPIRY_DAYS_MAX>, allow_negative_numbers = true)]
        expires_days: Option<u32>,
        #[command(flatten)]
        output: Output,
    },
    /// List enrolment tokens
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Remove an enrolment token; servers created with it stay
    Remove {
        /// Its id, as "list" shows it
        #[arg(value_parser = id, allow_negative_numbers = true)]
        id: u64,
        #[command(flatten)]
        output: Output,
    },
}

impl EnrolTokenVerb {
    pub(super) fn into_call(self) -> Call {
        match self {
            Self::Add { note, tag, uses, expires_days, output } => {
                let body = given([("note", json!(note)), ("tag", json!(tag)), ("uses", json!(uses))]);
                Call::add(PATH, body, ADDED, output).ending_in(expires_days)
            }
            Self::List { output } => Call::list(PATH, LIST, output),
            Self::Remove { id, output } => Call::remove(PATH, id, REMOVED, output),
        }
    }
}
