//! The command line: verbs, and how their answers are shown.

use std::error::Error as _;
use std::num::ParseIntError;
use std::path::PathBuf;
use std::str::ParseBoolError;
use std::time::Duration;

use clap::error::ContextKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use serde_json::{Value, json};

use crate::admin::{AgentsLine, Request, Response, StorageAnswer, TierLine, VerifiedAnswer};
use crate::config::{Place, Settings};
use crate::limits::{EXPIRY_DAYS_MAX, RETENTION_DAYS_MAX};
use crate::output::plain;
use crate::variables;

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

impl AdminVerb {
    pub(crate) fn into_request(self) -> (Request, Output) {
        match self {
            Self::Password { user, new, output } => (Request::Password { user, is_new: new }, output),
            Self::Users { output } => (Request::UserList, output),
        }
    }
}

impl ServerVerb {
    pub(crate) fn into_request(self) -> (Request, Output) {
        match self {
            Self::Add { name, tag, note, display_index, hide_for_guest, country, output } => {
                (Request::ServerAdd { name, tag, note, display_index, hide_for_guest, country }, output)
            }
            Self::List { output } => (Request::ServerList, output),
            Self::Edit { id, name, tag, note, display_index, hide_for_guest, country, output } => {
                (Request::ServerEdit { id, name, tag, note, display_index, hide_for_guest, country }, output)
            }
            Self::Rotate { id, output } => (Request::ServerRotate { id }, output),
            Self::Remove { id, output } => (Request::ServerRemove { id }, output),
        }
    }
}

impl TokenVerb {
    pub(crate) fn into_request(self) -> (Request, Output) {
        match self {
            Self::Add { note, token, scopes, tags, expires_days, output } => {
                (Request::TokenAdd { note, token, scopes, tags, expires_days }, output)
            }
            Self::List { output } => (Request::TokenList, output),
            Self::Remove { id, output } => (Request::TokenRemove { id }, output),
        }
    }
}

impl EnrolTokenVerb {
    pub(crate) fn into_request(self) -> (Request, Output) {
        match self {
            Self::Add { note, tag, uses, expires_days, output } => {
                (Request::EnrolTokenAdd { note, tag, uses, expires_days }, output)
            }
            Self::List { output } => (Request::EnrolTokenList, output),
            Self::Remove { id, output } => (Request::EnrolTokenRemove { id }, output),
        }
    }
}

/// The answer as text for a person, or as one line of JSON for a script.
pub(crate) fn show(response: Response, json: bool, now_s: i64) -> Result<String, String> {
    if let Response::Failed(error) = response {
        return Err(error);
    }
    if json {
        let value: Value = match response {
            Response::Done | Response::Failed(_) => json!({}),
            Response::Credential { id, credential, agents } => {
                let command = agents.map(|agents| agent_command("CREDENTIAL", &credential, &agents));
                json!({"id": id, "credential": credential, "command": command})
            }
            Response::Token { id, token, agents: None } => json!({"id": id, "token": token}),
            Response::Token { id, token, agents: Some(agents) } => {
                json!({"id": id, "token": token, "command": agent_command("ENROL", &token, &agents)})
            }
            Response::Password { user, password } => json!({"user": user, "password": password}),
            Response::Users(lines) => json!(lines),
            Response::Servers(lines) => json!(lines),
            Response::Tokens(lines) => json!(lines),
            Response::EnrolTokens(lines) => json!(lines),
            Response::Storage(storage) => json!(storage),
            Response::Verified(verified) => json!(verified),
            Response::Rows => json!({}),
        };
        return Ok(value.to_string());
    }
    Ok(match response {
        Response::Done | Response::Rows | Response::Failed(_) => "done".to_owned(),
        Response::Storage(storage) => show_storage(&storage, now_s),
        Response::Verified(verified) => show_verified(&verified)?,
        Response::Credential { id, credential, agents } => {
            let start = agents.map_or_else(String::new, |agents| {
                format!("\nOn the server:\n{}", agent_lines("CREDENTIAL", &credential, &agents))
            });
            format!(
                "server {id}\ncredential {credential}{start}\nThe credential is not kept and cannot be shown again."
            )
        }
        Response::Token { id, token, agents } => {
            let start = agents.map_or_else(String::new, |agents| {
                format!("\nOn each server:\n{}", agent_lines("ENROL", &token, &agents))
            });
            format!("token {id}\n{token}{start}\nThe token is not kept and cannot be shown again.")
        }
        Response::Password { user, password } => {
            format!("user {user}\npassword {password}\nThe password is not kept and cannot be shown again.")
        }
        Response::Users(lines) => {
            let rows =
                lines.into_iter().map(|line| [line.id.to_string(), line.name, line.role, ago(now_s, line.created)]);
            table(["ID", "NAME", "ROLE", "MADE"], rows)
        }
        Response::Servers(lines) => {
            let rows = lines.into_iter().map(|line| {
                let active = line.last_active.map_or("never".to_owned(), |at| ago(now_s, at));
                [line.id.to_string(), line.name, line.tag, active, line.address]
            });
            table(["ID", "NAME", "TAG", "REPORTED", "ADDRESS"], rows)
        }
        Response::Tokens(lines) => {
            let rows = lines.into_iter().map(|line| {
                let used = line.last_used.map_or("never".to_owned(), |at| ago(now_s, at));
                [
                    line.id.to_string(),
                    line.note,
                    line.scopes.join(","),
                    line.tags.join(","),
                    used,
                    until(now_s, line.expires),
                ]
            });
            table(["ID", "NOTE", "SCOPES", "TAGS", "USED", "EXPIRES"], rows)
        }
        Response::EnrolTokens(lines) => {
            let rows = lines.into_iter().map(|line| {
                let uses = line.uses_left.map_or("any".to_owned(), |uses| uses.to_string());
                [line.id.to_string(), line.note, line.tag, uses, until(now_s, line.expires)]
            });
            table(["ID", "NOTE", "TAG", "USES LEFT", "EXPIRES"], rows)
        }
    })
}

/// Stands for what only the operator knows, or what is not made yet. No shell takes it for something of its own.
const HUB_PLACEHOLDER: &str = "HUB";
const FINGERPRINT_PLACEHOLDER: &str = "FINGERPRINT";

/// The command that starts an agent with a secret of that kind, as the panel shows it.
fn agent_command(kind: &str, secret: &str, agents: &AgentsLine) -> String {
    let AgentsLine { address, port, fingerprint } = agents;
    let hub = address.clone().unwrap_or_else(|| format!("{HUB_PLACEHOLDER}:{port}"));
    let fingerprint = Some(fingerprint.as_str()).filter(|text| !text.is_empty()).unwrap_or(FINGERPRINT_PLACEHOLDER);
    format!("WINDFIRE_{kind}={secret} windfire-agent --hub {hub} --fingerprint {fingerprint}")
}

/// The command, and what has to be put into it.
fn agent_lines(kind: &str, secret: &str, agents: &AgentsLine) -> String {
    let mut lines = format!("  {}", agent_command(kind, secret, agents));
    if agents.address.is_none() {
        lines += "\nIn the place of HUB, put the name or address by which it reaches this machine over UDP; agents_address in the \
                  hub's\nconfiguration puts it there for good.";
    }
    if agents.fingerprint.is_empty() {
        lines += "\nIn the place of FINGERPRINT, put what \"windfire fingerprint\" says once the hub has started.";
    }
    lines
}

fn show_storage(storage: &StorageAnswer, now_s: i64) -> String {
    let maybe = |bytes: Option<u64>| bytes.map_or("unknown".to_owned(), size);
    let rows = storage.tiers.iter().map(|tier: &TierLine| {
        [
            tier.tier.clone(),
            format!("{} d", tier.days),
            size(tier.bytes),
            tier.oldest.map_or("empty".to_owned(), |at| ago(now_s, at)),
            tier.bytes_per_row.map_or("unknown".to_owned(), |bytes| format!("{bytes:.1}")),
            tier.bytes_per_data_point.map_or(String::new(), |bytes| format!("{bytes:.3}")),
            maybe(tier.forecast_bytes),
            size(tier.freed_bytes),
        ]
    });
    let expiry = match storage.expiry_behind_s {
        0..EXPIRY_BEHIND_SHOWN_S => String::new(),
        seconds => format!(
            "\nhistory expires {} late, until the clock has run evenly for a day (docs/decisions/clocks.md)",
            span(seconds)
        ),
    };
    let head = ["TIER", "KEPT", "SIZE", "OLDEST", "BYTES/ROW", "BYTES/POINT", "FORECAST", "FREED"];
    let bound = match storage.bytes_max {
        0 => "no bound (history_gib_max)".to_owned(),
        bytes => format!("at most {}", size(bytes)),
    };
    format!(
        "{}\n\n{} servers; history takes {}, {bound}\nforecast with these servers when every tier is as long as it is \
         kept: {}\nfreed at once by the days shown: {}",
        table(head, rows),
        storage.servers,
        size(storage.bytes),
        maybe(storage.forecast_bytes),
        size(storage.freed_bytes)
    ) + &expiry
}

/// `Err` when something is wrong with history, so that the command fails.
fn show_verified(verified: &VerifiedAnswer) -> Result<String, String> {
    let VerifiedAnswer { blocks, rows, bytes, doubled, corrupt_blocks, corrupt } = verified;
    let read = format!("{blocks} blocks, {rows} rows, {} read", size(*bytes));
    if *corrupt_blocks == 0 && *doubled == 0 {
        return Ok(format!("{read}: all sound"));
    }
    let named = corrupt.iter().map(|name| format!("\n{name}")).collect::<String>();
    Err(format!("{read}: {corrupt_blocks} corrupt, {doubled} reports doubled{named}"))
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

/// Seconds of expiry's delay that nobody needs to know of: it is looked at once a minute.
const EXPIRY_BEHIND_SHOWN_S: i64 = 120;

fn ago(now_s: i64, at_s: i64) -> String {
    format!("{} ago", span(now_s - at_s))
}

fn until(now_s: i64, expires_s: Option<i64>) -> String {
    match expires_s {
        None => "never".to_owned(),
        Some(expires_s) if expires_s <= now_s => "expired".to_owned(),
        Some(expires_s) => format!("in {}", span(expires_s - now_s)),
    }
}

fn span(seconds: i64) -> String {
    let seconds = Duration::from_secs(seconds.max(0).unsigned_abs()).as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows = rows.map(|row| row.map(|cell| plain(&cell).into_owned()));
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let widths: Vec<usize> =
        (0..N).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
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

    #[test]
    fn a_server_that_is_made_comes_with_its_agents_command() {
        let credential = |address: Option<&str>, fingerprint: &str| Response::Credential {
            id: 7,
            credential: "secret".to_owned(),
            agents: Some(AgentsLine {
                address: address.map(str::to_owned),
                port: 5556,
                fingerprint: fingerprint.to_owned(),
            }),
        };
        let said = show(credential(Some("hub.example:1"), "ab"), false, 0).expect("shown");
        let command = "WINDFIRE_CREDENTIAL=secret windfire-agent --hub hub.example:1 --fingerprint ab";
        assert!(said.contains(&format!("\n  {command}\n")) && !said.contains("HUB"), "{said}");
        let said = show(credential(Some("hub.example:1"), "ab"), true, 0).expect("shown");
        let said: Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!(said, json!({"id": 7, "credential": "secret", "command": command}));
        let said = show(credential(None, ""), false, 0).expect("shown");
        assert!(said.contains("--hub HUB:5556 --fingerprint FINGERPRINT\n"), "{said}");
        assert!(said.contains("agents_address") && said.contains("windfire fingerprint"), "{said}");
        // An older hub answers without.
        let old: Response = serde_json::from_str(r#"{"credential":{"id":7,"credential":"secret"}}"#).expect("read");
        assert!(!show(old, false, 0).expect("shown").contains("--hub"));
        let agents = AgentsLine { address: None, port: 5555, fingerprint: "ab".to_owned() };
        let enrol = Response::Token { id: 1, token: "t".to_owned(), agents: Some(agents) };
        let said = show(enrol, false, 0).expect("shown");
        assert!(said.contains("WINDFIRE_ENROL=t windfire-agent --hub HUB:5555 --fingerprint ab"), "{said}");
        let api = Response::Token { id: 1, token: "t".to_owned(), agents: None };
        assert!(!show(api, false, 0).expect("shown").contains("windfire-agent"));
    }

    #[test]
    fn a_cell_of_a_table_stays_in_its_place() {
        let shown = table(["NAME", "TAG"], [["a\nb\x1b[1A\u{202e}".to_owned(), "x".to_owned()]].into_iter());
        assert_eq!(shown.lines().count(), 2, "{shown}");
        assert!(shown.contains("a\\u{a}b\\u{1b}[1A\\u{202e}  x"), "{shown}");
    }
}
