//! The command line: verbs and what they take. `call` makes requests of them, `show` shows the answers.

mod call;
mod show;

use std::error::Error as _;
use std::num::ParseIntError;
use std::path::PathBuf;
use std::str::ParseBoolError;

use clap::error::ContextKind;
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::config::{Place, Settings};
use crate::limits::{EXPIRY_DAYS_MAX, RETENTION_DAYS_MAX};
use crate::variables;

pub(crate) use call::Call;
pub(crate) use show::show;

/// The hub: watches a fleet, keeps its history, answers in Nezha v0's JSON.
#[derive(Parser)]
#[command(name = "windfire", version)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Run the hub
    Serve {
        /// Make a new certificate if the data folder has lost its own; every agent needs its fingerprint
        #[arg(long)]
        new_certificate: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Manage watched servers
    #[command(subcommand)]
    Server(ServerVerb),
    /// Manage API tokens
    #[command(subcommand)]
    Token(TokenVerb),
    /// Manage enrolment tokens, with which agents make their own servers
    #[command(subcommand)]
    EnrolToken(EnrolTokenVerb),
    /// Manage users of the panel
    #[command(subcommand)]
    Admin(AdminVerb),
    /// Show what history takes on disk, its forecast, and what a changed retention would free
    Storage {
        /// Days that every report would be kept
        #[arg(long, value_name = "N", value_parser = days::<1, RETENTION_DAYS_MAX>, allow_negative_numbers = true)]
        raw_days: Option<u32>,
        /// Days that one row a minute would be kept
        #[arg(long, value_name = "N", value_parser = days::<2, RETENTION_DAYS_MAX>, allow_negative_numbers = true)]
        minute_days: Option<u32>,
        /// Days that one row a quarter of an hour would be kept
        #[arg(long, value_name = "N", value_parser = days::<2, RETENTION_DAYS_MAX>, allow_negative_numbers = true)]
        quarter_days: Option<u32>,
        #[command(flatten)]
        output: Output,
    },
    /// Copy everything into a new folder, while the hub goes on
    Backup {
        /// Folder that does not exist yet, best on another disk
        folder: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// Make the data folder from a backup; it must not exist or be empty
    Restore {
        /// The backup
        folder: PathBuf,
        /// Restore a backup that has lost its certificate
        #[arg(long)]
        new_certificate: bool,
    },
    /// Save what can be read of a damaged data folder into a new one, and say what cannot
    Salvage {
        /// The new folder; it must not exist or be empty
        folder: PathBuf,
    },
    /// Read every block of history and its checksum
    Verify {
        #[command(flatten)]
        output: Output,
    },
    /// Print every report of a range
    Export {
        /// Unix seconds, RFC 3339, or before now, as in -24h
        #[arg(long, default_value = "-24h", allow_hyphen_values = true)]
        from: String,
        /// As --from
        #[arg(long, default_value = "now", allow_hyphen_values = true)]
        to: String,
        /// Servers by id; all unless given
        #[arg(long = "id", value_delimiter = ',', value_parser = id, allow_negative_numbers = true)]
        ids: Vec<u64>,
        /// Servers of this tag
        #[arg(long, conflicts_with = "ids")]
        tag: Option<String>,
        /// One line a report
        #[arg(long, default_value = "csv", value_parser = ["csv", "ndjson"])]
        format: String,
        /// File to write; standard output unless given
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Print the fingerprint that agents pin
    Fingerprint {
        #[command(flatten)]
        output: Output,
    },
    /// Check the configuration and print what would be in force
    CheckConfig {
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Args)]
pub(crate) struct Output {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum ServerVerb {
    /// Make a server; prints the credential for its agent, once
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
        /// Country by hand, two lower-case letters; looked up unless given
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
    /// Change a server; what is not given stays
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
        /// Country by hand; empty to have it looked up
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

#[derive(Subcommand)]
pub(crate) enum TokenVerb {
    /// Make an API token; prints it, once
    Add {
        /// What it is for
        #[arg(long)]
        note: String,
        /// Keep using a token from elsewhere, such as a Nezha installation
        #[arg(long)]
        token: Option<String>,
        /// read, register, admin; read and register unless given
        #[arg(long = "scope", value_parser = ["read", "register", "admin"], value_delimiter = ',')]
        scopes: Vec<String>,
        /// Servers of these tags only; all unless given
        #[arg(long = "tag", value_delimiter = ',')]
        tags: Vec<String>,
        /// Days until it is refused; never unless given
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

#[derive(Subcommand)]
pub(crate) enum EnrolTokenVerb {
    /// Make an enrolment token; prints it, once
    Add {
        /// What it is for
        #[arg(long, default_value = "")]
        note: String,
        /// Tag of the servers it makes
        #[arg(long, default_value = "")]
        tag: String,
        /// Servers it may make; unlimited unless given
        #[arg(long, value_name = "N", value_parser = uses, allow_negative_numbers = true)]
        uses: Option<u64>,
        /// Days until it is refused; never unless given
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
    /// Remove an enrolment token; servers made with it stay
    Remove {
        /// Its id, as "list" shows it
        #[arg(value_parser = id, allow_negative_numbers = true)]
        id: u64,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Subcommand)]
pub(crate) enum AdminVerb {
    /// Give a user a new password; prints it, once. Ends the user's sessions
    Password {
        /// The user
        #[arg(default_value = "admin")]
        user: String,
        /// Make the user, as an administrator
        #[arg(long)]
        new: bool,
        #[command(flatten)]
        output: Output,
    },
    /// List users of the panel
    Users {
        #[command(flatten)]
        output: Output,
    },
}

/// The command line, read; a process that cannot read it ends here, with words on what is wrong.
pub(crate) fn parse() -> Cli {
    variables::read_command_line::<Cli>().unwrap_or_else(|error| in_plain_words(error).exit())
}

/// Puts what the libraries say of a value into words for whoever typed it, and a verb that stands below others to its place.
pub(crate) fn in_plain_words(error: clap::Error) -> clap::Error {
    let told = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let value =
        || format!("invalid value '{}' for '{}'", told(ContextKind::InvalidValue), told(ContextKind::InvalidArg));
    let words = match error.source() {
        Some(source) if source.is::<ParseIntError>() => format!("{}: write a whole number, without a unit", value()),
        Some(source) if source.is::<ParseBoolError>() => format!("{}: write true or false", value()),
        _ => match places_of(&told(ContextKind::InvalidSubcommand)) {
            places if places.is_empty() => return error,
            places => format!("there is {}", places.join(", ")),
        },
    };
    clap::Error::raw(error.kind(), format!("{words}\n\nFor more information, try '--help'.\n"))
}

/// Where a verb stands that was looked for at the top.
fn places_of(verb: &str) -> Vec<String> {
    let has = |command: &&clap::Command| command.get_subcommands().any(|below| below.get_name() == verb);
    Cli::command()
        .get_subcommands()
        .filter(has)
        .map(|above| format!("'windfire {} {verb}'", above.get_name()))
        .collect()
}

/// A whole number within bounds; `None` for any other text.
fn whole(text: &str, min: u64, max: u64) -> Option<u64> {
    text.parse().ok().filter(|number| (min..=max).contains(number))
}

fn id(text: &str) -> Result<u64, String> {
    whole(text, 1, u64::MAX).ok_or_else(|| "ids are whole numbers from 1 on, as the verb 'list' shows them".to_owned())
}

fn uses(text: &str) -> Result<u64, String> {
    whole(text, 1, u64::MAX).ok_or_else(|| "write how many servers it may make, a whole number from 1 on".to_owned())
}

fn days<const MIN: u64, const MAX: u64>(text: &str) -> Result<u32, String> {
    let days = whole(text, MIN, MAX).and_then(|days| u32::try_from(days).ok());
    days.ok_or_else(|| format!("write how many days, a whole number from {MIN} to {MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_made() {
        Cli::command().debug_assert();
    }

    fn refusal(arguments: &[&str]) -> String {
        let all = ["windfire"].iter().chain(arguments);
        in_plain_words(Cli::try_parse_from(all).err().expect("refused")).to_string()
    }

    #[test]
    fn a_wrong_value_is_named_with_what_would_be_right() {
        for (arguments, words) in [
            (&["server", "remove", "abc"][..], &["'abc'", "<ID>", "'list'", "from 1"][..]),
            (&["server", "rotate", ""], &["<ID>", "from 1"]),
            (&["server", "edit", "-1", "--name", "x"], &["'-1'", "<ID>"]),
            (&["token", "remove", "0"], &["'0'", "from 1"]),
            (&["enrol-token", "remove", "1.5"], &["'1.5'"]),
            (&["server", "remove", "99999999999999999999"], &["99999999999999999999"]),
            (&["export", "--id", "1,web"], &["'web'", "--id"]),
            (&["enrol-token", "add", "--uses", "0"], &["--uses", "from 1"]),
            (&["enrol-token", "add", "--expires-days", "-1"], &["'-1'", "--expires-days", "1 to 36525"]),
            (&["token", "add", "--note", "n", "--expires-days", "1w"], &["'1w'", "1 to 36525"]),
            (&["storage", "--raw-days", "0"], &["--raw-days", "1 to 3650"]),
            (&["storage", "--minute-days", "60d"], &["'60d'", "2 to 3650"]),
            (
                &["server", "add", "--name", "n", "--display-index", "top"],
                &["'top'", "--display-index", "whole number"],
            ),
            (&["serve", "--commit-interval-ms", "20ms"], &["'20ms'", "--commit-interval-ms"]),
            (&["serve", "--sessions-max", "-5"], &["-5"]),
            (&["server", "edit", "1", "--hide-for-guest", "maybe"], &["'maybe'", "true"]),
        ] {
            let said = refusal(arguments);
            assert!(words.iter().all(|word| said.contains(word)), "{arguments:?}: {said}");
            // The hub's settings have their own words.
            for jargon in ["digit", "target type", "provided string", "parse", "..="] {
                assert!(!said.contains(jargon) || arguments[0] == "serve", "{arguments:?}: {said}");
            }
        }
    }

    #[test]
    fn a_verb_that_is_misspelt_or_left_out_is_helped() {
        assert!(refusal(&["serv"]).contains("'serve'"));
        assert!(refusal(&["server", "ad", "--name", "x"]).contains("'add'"));
        assert!(refusal(&["rotate", "1"]).contains("there is 'windfire server rotate'"));
        let lists = "there is 'windfire server list', 'windfire token list', 'windfire enrol-token list'";
        assert!(refusal(&["list"]).contains(lists));
        assert!(refusal(&["server", "add"]).contains("--name"));
        assert!(refusal(&["server", "add", "--nme", "x"]).contains("'--name'"));
        assert!(refusal(&[]).contains("serve"));
        assert!(refusal(&["server"]).contains("add"));
    }
}
