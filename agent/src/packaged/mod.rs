//! The options of the package's service, for a doctor that is given no hub: it looks at the agent that runs here.

mod environment_file;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, CommandFactory};
use windfire_agent::doctor::SecretSource;
use windfire_agent::given::{plain, truth};
use windfire_agent::limits::VARIABLES_FILE_BYTES_MAX;
use windfire_agent::variables::misspelt;
use windfire_doctor::Finding;

use crate::options::{Cli, without_blank_variables};

const CHECK: &str = "options";
const AS_ROOT: &str = "run it as root: sudo windfire-agent doctor";
const CORRECT: &str = "correct it there, then: sudo systemctl restart windfire-agent";
const SET: &str = "set WINDFIRE_HUB and WINDFIRE_FINGERPRINT there, then: sudo systemctl restart windfire-agent";

/// Options of which the agent takes one of each row. One that is given keeps out the file's others of its row.
const RIVALS: [&[&str]; 2] = [&["fingerprint", "ca"], &SECRETS];
const SECRETS: [&str; 4] = ["credential", "credential_file", "enrol", "enrol_file"];

/// Where the package has the options of its service, as its unit names them.
pub(crate) struct Files {
    variables: PathBuf,
    credential: PathBuf,
    enrolment_token: PathBuf,
    spool: PathBuf,
}

impl Files {
    /// Those of the machine with that root.
    pub(crate) fn below(root: &Path) -> Self {
        let folder = root.join("etc/windfire-agent");
        Self {
            variables: folder.join("agent.env"),
            credential: folder.join("credential"),
            enrolment_token: folder.join("enrolment-token"),
            spool: root.join("var/lib/windfire-agent/spool"),
        }
    }

    /// The credential, or the token if only that has something in it: the package creates an empty credential.
    fn secret(&self) -> (&'static str, &Path) {
        let has_text = |path: &Path| fs::metadata(path).is_ok_and(|found| found.len() > 0);
        if has_text(&self.enrolment_token) && !has_text(&self.credential) {
            ("--enrol-file=", self.enrolment_token.as_path())
        } else {
            ("--credential-file=", self.credential.as_path())
        }
    }
}

/// A doctor's command line with the options of the service.
#[derive(Debug)]
pub(crate) struct Packaged {
    /// The whole command line. What was given before stays, and wins.
    pub(crate) words: Vec<OsString>,
    /// The file of variables, if the secret is in it.
    pub(crate) source: Option<SecretSource>,
    /// What was seen of the files. Without a right to read them that is all.
    pub(crate) findings: Vec<Finding>,
    pub(crate) is_usable: bool,
    /// Whether the findings are printed as JSON.
    pub(crate) is_json: bool,
    variables: PathBuf,
}

impl Packaged {
    /// The options of the service, if these words are those of a doctor that is given no hub, and the package is
    /// installed. A secret that is handed over by the environment wins over the service's.
    pub(crate) fn of_doctor(words: &[OsString], files: &Files, is_handed: bool) -> Option<Self> {
        // A fault of the command line is told as it is without a package.
        let fault = without_blank_variables(Cli::command()).try_get_matches_from(words).err()?;
        if fault.kind() != ErrorKind::MissingRequiredArgument {
            return None;
        }
        let lenient = without_blank_variables(Cli::command()).ignore_errors(true);
        let matches = lenient.try_get_matches_from(words).ok()?;
        let doctor = matches.subcommand_matches("doctor")?;
        if is_given(doctor, "hubs") {
            return None;
        }
        let mut packaged = Self {
            words: words.to_vec(),
            source: None,
            findings: Vec::new(),
            is_usable: true,
            is_json: is_given(doctor, "json"),
            variables: files.variables.clone(),
        };
        match text_of(&files.variables) {
            Ok(text) => packaged.take(&text?, doctor, files, is_handed),
            Err(finding) => packaged.give_up(finding),
        }
        Some(packaged)
    }

    /// What is found if the command line does not accept the options of the service.
    pub(crate) fn refused(&self, error: &clap::Error) -> Vec<Finding> {
        let remedy = if error.kind() == ErrorKind::MissingRequiredArgument { SET } else { CORRECT };
        let found = Finding::bad(CHECK, format!("{}: {}", self.variables.display(), in_one_line(error)), remedy);
        [&self.findings[..], &[found]].concat()
    }

    fn give_up(&mut self, finding: Finding) {
        self.findings.push(finding);
        self.is_usable = false;
    }

    /// Adds what is not given, behind the doctor's name.
    fn take(&mut self, text: &str, doctor: &ArgMatches, files: &Files, is_handed: bool) {
        let shown = files.variables.display();
        self.findings.push(Finding::info(CHECK, format!("from {shown}, as the service has them")));
        let variables = environment_file::variables(text);
        for line in variables.odd {
            let remedy = "write NAME=VALUE in one line, without \"export\"";
            self.findings.push(Finding::warn(CHECK, format!("{shown}: line {line} has no effect"), remedy));
        }
        let mut taken = Vec::new();
        let mut more: Vec<OsString> = Vec::new();
        let mut has_secret = is_handed || SECRETS.iter().any(|id| is_given(doctor, id));
        let command = Cli::command();
        let name_of = |option: &Arg| option.get_env().and_then(OsStr::to_str).map(str::to_owned);
        let known: Vec<String> = command.get_arguments().filter_map(name_of).collect();
        for (name, meant) in misspelt(&known, variables.values.keys().cloned()) {
            let seen = format!("{shown}: {name} has no effect");
            self.findings.push(Finding::warn(CHECK, seen, format!("did you mean {meant}?")));
        }
        for option in command.get_arguments() {
            let id = option.get_id().as_str();
            let (Some(long), Some(name)) = (option.get_long(), name_of(option)) else { continue };
            let Some(value) = variables.values.get(&name).filter(|value| !plain(value).is_empty()) else { continue };
            // The unit names its own spool on the command line.
            if id == "spool" || is_settled(doctor, id) || (is_handed && SECRETS.contains(&id)) {
                continue;
            }
            taken.push(id);
            if !matches!(option.get_action(), ArgAction::SetTrue) {
                more.push(format!("--{long}={value}").into());
                continue;
            }
            match truth(value) {
                Ok(true) => more.push(format!("--{long}").into()),
                Ok(false) => {}
                Err(error) => self.findings.push(Finding::bad(CHECK, format!("{shown}: {name}: {error}"), CORRECT)),
            }
        }
        if taken.contains(&"credential") || taken.contains(&"enrol") {
            self.source = Some(SecretSource::File(files.variables.clone()));
        }
        has_secret |= SECRETS.iter().any(|id| taken.contains(id));
        if !has_secret {
            let (option, path) = files.secret();
            if let Some(error) = denied(path) {
                self.give_up(unreadable(path, &error));
                return;
            }
            more.push(word(option, path));
        }
        if !is_given(doctor, "spool") {
            more.push(word("--spool=", &files.spool));
        }
        let behind = self.words.iter().position(|word| word == "doctor").map_or(self.words.len(), |at| at + 1);
        self.words.splice(behind..behind, more);
    }
}

/// Whether an option is on the command line, or its variable is in the environment.
fn is_given(doctor: &ArgMatches, id: &str) -> bool {
    matches!(doctor.value_source(id), Some(ValueSource::CommandLine | ValueSource::EnvVariable))
}

/// Whether an option, or another that excludes it, is given.
fn is_settled(doctor: &ArgMatches, id: &str) -> bool {
    let mut rivals = RIVALS.into_iter().filter(|row| row.contains(&id)).flatten();
    is_given(doctor, id) || rivals.any(|rival| is_given(doctor, rival))
}

fn word(option: &str, path: &Path) -> OsString {
    let mut word = OsString::from(option);
    word.push(path);
    word
}

/// The error of a file that this user may not read.
fn denied(path: &Path) -> Option<io::Error> {
    File::open(path).err().filter(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

fn unreadable(path: &Path, error: &io::Error) -> Finding {
    let is_denied = error.kind() == io::ErrorKind::PermissionDenied;
    let remedy = if is_denied { AS_ROOT } else { "put the file of the package there" };
    Finding::bad(CHECK, format!("{} cannot be read: {error}", path.display()), remedy)
}

/// The text of the file of variables. `None` if there is none: then the package is not installed.
fn text_of(path: &Path) -> Result<Option<String>, Finding> {
    let bytes = match bytes_of(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, &error)),
    };
    let shown = path.display();
    if bytes.len() as u64 > VARIABLES_FILE_BYTES_MAX {
        let seen = format!("{shown} has more than {VARIABLES_FILE_BYTES_MAX} bytes");
        return Err(Finding::bad(CHECK, seen, "leave only variables of the agent in it"));
    }
    let text = String::from_utf8(bytes);
    text.map(Some).map_err(|_| Finding::bad(CHECK, format!("{shown} is not UTF-8"), "save it as UTF-8"))
}

fn bytes_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(VARIABLES_FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What is wrong, without the usage of a command line that is not this one.
fn in_one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let line = first.split_whitespace().collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

#[cfg(test)]
mod tests;
