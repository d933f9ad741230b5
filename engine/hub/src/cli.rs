//! The command line: verbs, and how their answers are shown.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};

use crate::admin::{Request, Response, StorageAnswer, TierLine, VerifiedAnswer};
use crate::config::{Place, Settings};
use crate::output::plain;

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
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3650))]
        raw_days: Option<u32>,
        /// Days that one row a minute would be kept
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=3650))]
        minute_days: Option<u32>,
        /// Days that one row a quarter of an hour would be kept
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=3650))]
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
        #[arg(long = "id", value_delimiter = ',')]
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
        /// Its id
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
        /// Its id
        id: u64,
        #[command(flatten)]
        output: Output,
    },
    /// Remove a server
    Remove {
        /// Its id
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
        #[arg(long)]
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
        /// Its id
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
        #[arg(long)]
        uses: Option<u64>,
        /// Days until it is refused; never unless given
        #[arg(long)]
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
        /// Its id
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
            Response::Credential { id, credential } => json!({"id": id, "credential": credential}),
            Response::Token { id, token } => json!({"id": id, "token": token}),
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
        Response::Credential { id, credential } => {
            format!("server {id}\ncredential {credential}\nThe credential is not kept and cannot be shown again.")
        }
        Response::Token { id, token } => {
            format!("token {id}\n{token}\nThe token is not kept and cannot be shown again.")
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
    fn a_cell_of_a_table_stays_in_its_place() {
        let shown = table(["NAME", "TAG"], [["a\nb\x1b[1A\u{202e}".to_owned(), "x".to_owned()]].into_iter());
        assert_eq!(shown.lines().count(), 2, "{shown}");
        assert!(shown.contains("a\\u{a}b\\u{1b}[1A\\u{202e}  x"), "{shown}");
    }
}
