//! The command line: verbs and what they take. `resource/` has those of the API's resources, `show` shows answers.

mod agent_command;
mod call;
mod cluster;
mod manual;
mod resource;
mod show;
mod table;
mod values;
mod view;

use std::error::Error as _;
use std::num::ParseIntError;
use std::path::PathBuf;
use std::str::ParseBoolError;

use clap::error::ContextKind;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::{Place, Settings};
use crate::limits::RETENTION_DAYS_MAX;
use crate::variables;
use resource::ResourceVerb;
use values::{days, id};

pub(crate) use call::{Call, Output};
pub(crate) use cluster::ClusterVerb;
pub(crate) use manual::{completions, write_pages};
pub(crate) use show::show;
pub(crate) use table::{size, span};

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
        /// Create a new certificate if the data folder has lost its own; every agent needs its fingerprint
        #[arg(long)]
        new_certificate: bool,
        /// Upgrade a store of an older format without keeping it as it was: only a backup leads back then
        #[arg(long)]
        without_rollback: bool,
        #[command(flatten)]
        settings: Settings,
    },
    #[command(flatten)]
    Resource(ResourceVerb),
    /// Show the disk use of history, its forecast, and what another retention would free
    Storage {
        /// Days that every report would be kept
        #[arg(long, value_name = "N", value_parser = days::<1, RETENTION_DAYS_MAX>, allow_negative_numbers = true)]
        raw_days: Option<u32>,
        /// Days that one row per minute would be kept
        #[arg(long, value_name = "N", value_parser = days::<2, RETENTION_DAYS_MAX>, allow_negative_numbers = true)]
        minute_days: Option<u32>,
        /// Days that one row per 15 minutes would be kept
        #[arg(long, value_name = "N", value_parser = days::<2, RETENTION_DAYS_MAX>, allow_negative_numbers = true)]
        quarter_days: Option<u32>,
        /// Remove what is kept for a rollback of the newest upgrade
        #[arg(long)]
        drop_rollback: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Copy everything into a new folder, while the hub runs
    Backup {
        /// A folder that does not exist yet, best on another disk
        folder: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// Create the data folder from a backup; it must not exist, or be empty
    Restore {
        /// The backup
        folder: PathBuf,
        /// Restore a backup that has lost its certificate
        #[arg(long)]
        new_certificate: bool,
    },
    /// Undo the newest upgrade of the store, with the hub stopped; reports and changes since the upgrade are lost
    Rollback,
    /// Save what can be read of a damaged data folder into a new one, and list what cannot
    Salvage {
        /// The new folder; it must not exist, or be empty
        folder: PathBuf,
    },
    /// Read every block of history and its checksum
    Verify {
        #[command(flatten)]
        output: Output,
    },
    /// Print every report of a time range
    Export {
        /// Unix seconds, RFC 3339, or a span before now, such as -24h
        #[arg(long, default_value = "-24h", allow_hyphen_values = true)]
        from: String,
        /// As --from
        #[arg(long, default_value = "now", allow_hyphen_values = true)]
        to: String,
        /// Servers by id (default: all servers)
        #[arg(long = "id", value_delimiter = ',', value_parser = id, allow_negative_numbers = true)]
        ids: Vec<u64>,
        /// Servers of this tag
        #[arg(long, conflicts_with = "ids")]
        tag: Option<String>,
        /// Format, one line per report
        #[arg(long, default_value = "csv", value_parser = ["csv", "ndjson"])]
        format: String,
        /// File to write (default: standard output)
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Check the machine, the data folder and the running hub, and say what to do; give it the options of serve
    ///
    /// It reads, with one exception: 100 small writes into a temporary file in the data folder measure the disk. It
    /// exits with 1 after a warning, and with 2 if something is bad.
    Doctor {
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        output: Output,
    },
    /// Have the running hub read its configuration again
    Reload {
        #[command(flatten)]
        output: Output,
    },
    /// Make this hub one of several, and see how they are
    #[command(subcommand)]
    Cluster(ClusterVerb),
    /// Print the fingerprint that agents pin
    Fingerprint {
        #[command(flatten)]
        output: Output,
    },
    /// Check the configuration and print the values that a hub would use
    CheckConfig {
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        output: Output,
    },
    /// Print the completions of this command line for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the manual pages of this command line
    Man {
        /// Folder for the pages
        folder: PathBuf,
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
            (&["rule", "add", "--name", "n", "--when", "disk >90"], &["'disk >90'", "--when", "disk > 90 clear 85"]),
            (&["rule", "add", "--name", "n", "--for-s", "1m"], &["'1m'", "--for-s", "without a unit"]),
            (&["rule", "edit", "1", "--channels", "ops"], &["'ops'", "--channels", "or none"]),
            (&["channel", "add", "--name", "n", "--set", "token"], &["'token'", "KEY=VALUE"]),
            (&["silence", "add", "--minutes", "0"], &["'0'", "--minutes", "from 1"]),
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
