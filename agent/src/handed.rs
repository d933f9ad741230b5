//! A secret that the service manager hands over as a file: `LoadCredential=` of systemd.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::given::plain;

/// Variable with the folder of the secrets that systemd hands over. Units can name the folder only since systemd 251
/// (`%d`), and systemd has it since 247.
pub const FOLDER_VARIABLE: &str = "CREDENTIALS_DIRECTORY";

/// Names that the package's units give the files.
const CREDENTIAL: &str = "credential";
const ENROLMENT_TOKEN: &str = "enrolment-token";

/// A file with a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretFile {
    /// With the server's credential.
    Credential(PathBuf),
    /// With an enrolment token.
    EnrolmentToken(PathBuf),
}

/// The secret in the folder that [`FOLDER_VARIABLE`] names: the credential, or else the enrolment token. `None` without
/// a folder, and without both files: then the folder is about other secrets.
pub fn handed_over(folder: Option<&OsStr>) -> Option<SecretFile> {
    let folder = folder.filter(|name| name.to_str().is_none_or(|text| !plain(text).is_empty())).map(Path::new)?;
    // A file that cannot be looked at is taken, so that the agent says why it cannot.
    let there = |name: &str| Some(folder.join(name)).filter(|path| path.try_exists().unwrap_or(true));
    let credential = there(CREDENTIAL).map(SecretFile::Credential);
    credential.or_else(|| there(ENROLMENT_TOKEN).map(SecretFile::EnrolmentToken))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_credential_goes_before_a_token() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let found = || handed_over(Some(folder.path().as_os_str()));
        fs::write(folder.path().join("password-of-another-service"), "secret").expect("room");
        assert_eq!(found(), None);
        let token = folder.path().join("enrolment-token");
        fs::write(&token, "token").expect("room");
        assert_eq!(found(), Some(SecretFile::EnrolmentToken(token)));
        // Even an empty one: that is told as a fault, and not passed over.
        let credential = folder.path().join("credential");
        fs::write(&credential, "").expect("room");
        assert_eq!(found(), Some(SecretFile::Credential(credential)));
    }

    #[test]
    fn an_empty_variable_is_no_folder() {
        for blank in ["", " ", "\"\""] {
            assert_eq!(handed_over(Some(OsStr::new(blank))), None, "{blank:?}");
        }
        assert_eq!(handed_over(None), None);
        assert_eq!(handed_over(Some(OsStr::new("/nowhere"))), None, "a folder that is not there");
    }
}
