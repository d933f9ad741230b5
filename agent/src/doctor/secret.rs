//! The credential or enrolment token: whether there is one, and who else may read it. It is never shown.

use std::io;
use std::path::PathBuf;

use windfire_doctor::Finding;

use crate::identity::Identity;

/// Rights of users that are neither the owner nor in the file's group.
const WORLD: u32 = 0o007;
const GROUP: u32 = 0o070;

/// Where the credential or the enrolment token comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// There is none.
    Missing,
    /// An option, which every user of the machine can see.
    CommandLine,
    /// A variable.
    Variable,
    /// A file.
    File(PathBuf),
}

pub(super) fn judge_identity(identity: Result<&Identity, &String>) -> Finding {
    const CHECK: &str = "identity";
    match identity {
        Ok(identity) if identity.enrol.is_some() => {
            Finding::ok(CHECK, "an enrolment token, and something that identifies this machine")
        }
        Ok(_) => Finding::ok(CHECK, "a credential"),
        Err(error) => Finding::bad(CHECK, error, "\"windfire server add\" on the hub prints a credential"),
    }
}

pub(super) fn judge_source(source: &SecretSource) -> Finding {
    const CHECK: &str = "secret_source";
    match source {
        SecretSource::Missing => Finding::info(CHECK, "neither credential nor enrolment token"),
        SecretSource::CommandLine => {
            let remedy = "use WINDFIRE_CREDENTIAL_FILE or WINDFIRE_ENROL_FILE";
            Finding::warn(CHECK, "the command line, which every user of this machine can see", remedy)
        }
        SecretSource::Variable => Finding::ok(CHECK, "a variable"),
        SecretSource::File(path) => {
            let path = path.display().to_string();
            judge_file(CHECK, &path, &mode(&path))
        }
    }
}

#[cfg(unix)]
fn mode(path: &str) -> io::Result<Option<u32>> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).map(|found| Some(found.mode()))
}

/// Other systems have no modes.
#[cfg(not(unix))]
fn mode(path: &str) -> io::Result<Option<u32>> {
    std::fs::metadata(path).map(|_| None)
}

fn judge_file(check: &'static str, path: &str, mode: &io::Result<Option<u32>>) -> Finding {
    let mode = match mode {
        Ok(Some(mode)) => mode & 0o777,
        Ok(None) => return Finding::info(check, format!("{path}: look at its rights")),
        Err(error) => {
            return Finding::bad(check, format!("{path} cannot be read: {error}"), "run this as the agent's user");
        }
    };
    let seen = format!("{path} has mode {mode:03o}");
    if mode & WORLD != 0 {
        Finding::bad(check, seen, format!("every user may use it: chmod 600 {path}"))
    } else if mode & GROUP != 0 {
        Finding::info(check, format!("{seen}: its group may read it"))
    } else {
        Finding::ok(check, seen)
    }
}

#[cfg(test)]
mod tests {
    use windfire_doctor::Verdict;

    use super::*;

    #[test]
    fn an_identity_is_told_without_its_secret() {
        let error = "give a credential".to_owned();
        let credential = Identity::of_credential("s3cret".to_owned());
        let enrolment = Identity::of_enrolment("s3cret".to_owned(), "machine", "name".to_owned());
        let findings = [Ok(&credential), Ok(&enrolment), Err(&error)].map(judge_identity);
        assert_eq!(findings.each_ref().map(|finding| finding.verdict), [Verdict::Ok, Verdict::Ok, Verdict::Bad]);
        assert!(!format!("{findings:?}").contains("s3cret"));
    }

    #[test]
    fn a_file_that_everybody_may_read_is_bad() {
        for (mode, verdict) in [
            (Ok(Some(0o100_600)), Verdict::Ok),
            (Ok(Some(0o100_440)), Verdict::Info),
            (Ok(Some(0o100_644)), Verdict::Bad),
            (Ok(None), Verdict::Info),
            (Err(io::ErrorKind::NotFound.into()), Verdict::Bad),
        ] {
            assert_eq!(judge_file("secret_source", "/etc/credential", &mode).verdict, verdict, "{mode:?}");
        }
        for (source, verdict) in [
            (SecretSource::Missing, Verdict::Info),
            (SecretSource::CommandLine, Verdict::Warn),
            (SecretSource::Variable, Verdict::Ok),
            (SecretSource::File(PathBuf::from("/not/there")), Verdict::Bad),
        ] {
            assert_eq!(judge_source(&source).verdict, verdict, "{source:?}");
        }
    }
}
