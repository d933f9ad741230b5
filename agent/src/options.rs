//! The options of the agent and of its doctor.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, Parser, Subcommand};
use tracing_subscriber::filter::Targets;
use windfire_agent::address::HubList;
use windfire_agent::given::{log_filter, plain, server_name, shown_addresses, some_text, truth, value};
use windfire_agent::handed::SecretFile;
use windfire_agent::limits::{REPORT_INTERVAL_MAX, REPORT_INTERVAL_MIN, SPOOL_BYTES_MAX, SPOOL_BYTES_MIN};
use windfire_agent::trust::Fingerprint;
use windfire_log::LogFormat;
use windfire_wire::limits::IP_TEXT_BYTES_MAX;

use crate::manual;

/// Reports this machine's status to a Windfire hub, and does nothing else.
#[derive(Parser)]
#[command(
    name = "windfire-agent",
    version,
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    #[command(flatten)]
    pub(crate) arguments: Arguments,
}

impl Cli {
    /// With the secret that the service manager hands over, if no other is given.
    pub(crate) fn or_handed_over(mut self, handed: Option<SecretFile>) -> Self {
        let agent = match &mut self.verb {
            Some(Verb::Doctor(doctor)) => &mut doctor.agent,
            Some(Verb::Manual(_)) | None => &mut self.arguments,
        };
        agent.or_handed_over(handed);
        self
    }
}

/// What the agent does instead of reporting.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Check the way to the hub, the spool and the readings, and say what to do
    #[command(after_help = "Without a hub, it takes the options of the package's service: run it as root then")]
    Doctor(Box<DoctorArguments>),
    #[command(flatten)]
    Manual(manual::Verb),
}

#[derive(Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    pub(crate) agent: Arguments,
    /// Show the credential to the hub (disconnects an agent that runs with it for up to five minutes)
    #[arg(long)]
    pub(crate) session: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Arguments {
    /// Hub as host:port (default port: 5555), or several, separated by commas, which are tried in a random order
    #[arg(long = "hub", env = "WINDFIRE_HUB", value_name = "HOST[:PORT]", required = true)]
    pub(crate) hubs: Vec<HubList>,
    /// SHA-256 fingerprint of the hub's certificate ("windfire fingerprint" prints it)
    #[arg(long, env = "WINDFIRE_FINGERPRINT", required_unless_present = "ca")]
    pub(crate) fingerprint: Option<Fingerprint>,
    /// PEM file of certificate authorities to trust instead of one fingerprint
    #[arg(long, env = "WINDFIRE_CA", conflicts_with = "fingerprint")]
    pub(crate) ca: Option<PathBuf>,
    /// The server's credential (prefer the environment or a file, which other users cannot see)
    #[arg(long, env = "WINDFIRE_CREDENTIAL", hide_env_values = true)]
    pub(crate) credential: Option<String>,
    /// File that holds the credential
    #[arg(long, env = "WINDFIRE_CREDENTIAL_FILE", conflicts_with = "credential")]
    pub(crate) credential_file: Option<PathBuf>,
    /// Enrolment token: creates a server for this machine at the first connection
    #[arg(long, env = "WINDFIRE_ENROL", hide_env_values = true, conflicts_with_all = ["credential", "credential_file"])]
    pub(crate) enrol: Option<String>,
    /// File that holds the enrolment token
    #[arg(long, env = "WINDFIRE_ENROL_FILE", conflicts_with_all = ["credential", "credential_file", "enrol"])]
    pub(crate) enrol_file: Option<PathBuf>,
    /// Name of the server that enrolment creates (default: the host name)
    #[arg(long, env = "WINDFIRE_NAME", value_parser = server_name)]
    pub(crate) name: Option<String>,
    /// Text that identifies this machine at enrolment (default: its machine id)
    #[arg(long, env = "WINDFIRE_MACHINE", value_parser = machine)]
    pub(crate) machine: Option<String>,
    /// Seconds between reports, 1 to 60 (the hub may ask for another number in this range)
    #[arg(long, env = "WINDFIRE_INTERVAL_S", default_value_t = 1, value_parser = interval_s)]
    pub(crate) interval_s: u64,
    /// Folder that keeps unacknowledged reports over a restart (default: they are kept in memory only)
    #[arg(long, env = "WINDFIRE_SPOOL")]
    pub(crate) spool: Option<PathBuf>,
    /// Bytes that the spool may take
    #[arg(long, env = "WINDFIRE_SPOOL_BYTES_MAX", default_value_t = SPOOL_BYTES_MAX, value_parser = spool_bytes_max)]
    pub(crate) spool_bytes_max: u64,
    /// Public addresses to show, "v4", "v6" or "v4/v6" (default: the address that the hub sees)
    #[arg(long, env = "WINDFIRE_IP", value_parser = shown_addresses)]
    pub(crate) ip: Option<String>,
    /// Report temperature sensors
    #[arg(long, env = "WINDFIRE_TEMPERATURE", value_parser = truth)]
    pub(crate) temperature: bool,
    /// Report GPUs
    #[arg(long, env = "WINDFIRE_GPU", value_parser = truth)]
    pub(crate) gpu: bool,
    /// Folder where the host's root is mounted, in a container that reports its host (default: this machine)
    #[arg(long, env = "WINDFIRE_HOST_ROOT", value_name = "DIR")]
    pub(crate) host_root: Option<PathBuf>,
    /// What is logged: error, warn, info, debug
    #[arg(long, env = "WINDFIRE_LOG", default_value = "info", value_parser = log_filter)]
    pub(crate) log: Targets,
    /// How the log is written: text or json
    #[arg(long, env = "WINDFIRE_LOG_FORMAT", default_value_t = LogFormat::Text, value_parser = value::<LogFormat>)]
    pub(crate) log_format: LogFormat,
}

impl Arguments {
    /// The root of the machine that is reported.
    pub(crate) fn root(&self) -> &Path {
        self.host_root.as_deref().unwrap_or(Path::new("/"))
    }

    /// Takes the secret that the service manager hands over, unless another is given.
    fn or_handed_over(&mut self, handed: Option<SecretFile>) {
        let is_given = self.credential.is_some() || self.enrol.is_some();
        if is_given || self.credential_file.is_some() || self.enrol_file.is_some() {
            return;
        }
        match handed {
            Some(SecretFile::Credential(path)) => self.credential_file = Some(path),
            Some(SecretFile::EnrolmentToken(path)) => self.enrol_file = Some(path),
            None => {}
        }
    }
}

/// Used as it is, with blanks and quotes, because the credentials of enrolled machines depend on it.
fn machine(text: &str) -> Result<String, String> {
    some_text(text).map(|_| text.to_owned())
}

fn interval_s(text: &str) -> Result<u64, String> {
    let (min, max) = (REPORT_INTERVAL_MIN.as_secs(), REPORT_INTERVAL_MAX.as_secs());
    value(text)
        .and_then(|s| if (min..=max).contains(&s) { Ok(s) } else { Err(format!("{s} is not within {min} to {max}")) })
}

fn spool_bytes_max(text: &str) -> Result<u64, String> {
    value(text).and_then(|bytes| {
        if bytes >= SPOOL_BYTES_MIN { Ok(bytes) } else { Err(format!("it must be at least {SPOOL_BYTES_MIN}")) }
    })
}

/// The same command, for which an empty variable counts as unset, because some tools cannot leave one out.
pub(crate) fn without_blank_variables(command: Command) -> Command {
    let is_blank = |name: &OsStr| std::env::var(name).is_ok_and(|value| plain(&value).is_empty());
    let command =
        command.mut_args(|arg| if arg.get_env().is_some_and(is_blank) { arg.env(Resettable::Reset) } else { arg });
    command.mut_subcommands(without_blank_variables)
}

/// Whether the doctor got a secret as an option, which every user of the machine can see.
pub(crate) fn is_secret_shown(matches: &ArgMatches) -> bool {
    let is_shown = |option: &str| {
        let doctor = matches.subcommand_matches("doctor");
        doctor.and_then(|given| given.value_source(option)) == Some(ValueSource::CommandLine)
    };
    is_shown("credential") || is_shown("enrol")
}

// Two addresses with a slash between them.
const _: () = assert!(IP_TEXT_BYTES_MAX >= "255.255.255.255/ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255".len());

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches};

    use super::*;

    #[test]
    fn the_doctor_takes_the_agents_options_and_the_agent_none_of_its() {
        let read = |words: &[&str]| {
            let matches = Cli::command().try_get_matches_from([&["windfire-agent"][..], words].concat())?;
            Ok::<_, clap::Error>((Cli::from_arg_matches(&matches)?, is_secret_shown(&matches)))
        };
        let doctor = |words: &[&str]| match read(words) {
            Ok((Cli { verb: Some(Verb::Doctor(doctor)), .. }, is_shown)) => (doctor, is_shown),
            Ok(_) => panic!("{words:?}: another verb"),
            Err(error) => panic!("{words:?}: {error}"),
        };
        let fingerprint = "ab".repeat(32);
        let way = ["--hub", "hub.example", "--fingerprint", &fingerprint];
        let (given, is_shown) = doctor(&[&["doctor", "--session"][..], &way].concat());
        assert!(given.session && !given.json && !is_shown);
        assert_eq!(given.agent.hubs.len(), 1);
        let (given, is_shown) = doctor(&[&["doctor", "--json", "--credential", "c"][..], &way].concat());
        assert!(given.json && is_shown);
        assert!(read(&[&["--session"][..], &way].concat()).is_err(), "an agent has a session anyway");
        assert!(read(&[&way[..], &["doctor"]].concat()).is_err(), "options before the verb would have no effect");
    }

    #[test]
    fn a_secret_that_is_handed_over_is_taken_if_none_is_given() {
        let with = |words: &[&str], handed: SecretFile| {
            let way = ["windfire-agent", "--hub", "hub.example", "--ca", "/ca.pem"];
            let matches = Cli::command().try_get_matches_from([&way[..], words].concat()).expect("sound");
            let cli = Cli::from_arg_matches(&matches).expect("sound").or_handed_over(Some(handed));
            let Arguments { credential, credential_file, enrol, enrol_file, .. } = cli.arguments;
            let files = [credential_file, enrol_file].map(|path| path.map(|path| path.display().to_string()));
            (credential.or(enrol), files)
        };
        let credential = || SecretFile::Credential(PathBuf::from("/handed/credential"));
        let token = || SecretFile::EnrolmentToken(PathBuf::from("/handed/enrolment-token"));
        assert_eq!(with(&[], credential()), (None, [Some("/handed/credential".to_owned()), None]));
        assert_eq!(with(&[], token()), (None, [None, Some("/handed/enrolment-token".to_owned())]));
        for (option, expected) in [
            ("--credential", (Some("own".to_owned()), [None, None])),
            ("--credential-file", (None, [Some("own".to_owned()), None])),
            ("--enrol", (Some("own".to_owned()), [None, None])),
            ("--enrol-file", (None, [None, Some("own".to_owned())])),
        ] {
            assert_eq!(with(&[option, "own"], credential()), expected, "{option}");
            assert_eq!(with(&[option, "own"], token()), expected, "{option}");
        }
    }

    #[test]
    fn the_options_are_sound() {
        Cli::command().debug_assert();
    }
}
