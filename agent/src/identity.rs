//! Who the agent says it is.

use std::fmt::Write;
use std::fs;

use sha2::{Digest, Sha256};
use windfire_wire::Enrol;

/// What the agent shows at `Hello`.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The server's credential.
    pub credential: String,
    /// Set when the agent enrols itself.
    pub enrol: Option<Enrol>,
}

impl Identity {
    /// The identity of a server that was made beforehand.
    pub fn of_credential(credential: String) -> Self {
        Self { credential, enrol: None }
    }

    /// The identity of a machine that makes its own server with an enrolment token. The credential is derived from the
    /// token and the machine, so that the agent comes back as the same server without having written anything.
    pub fn of_enrolment(token: String, machine: &str, name: String) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"windfire enrolment 1\0");
        hash.update(token.as_bytes());
        hash.update(b"\0");
        hash.update(machine.as_bytes());
        Self { credential: hex(&hash.finalize()), enrol: Some(Enrol { token, name }) }
    }
}

/// What names this machine and stays: its machine id.
pub fn machine_id() -> Option<String> {
    ["/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/hostid"]
        .into_iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .map(|text| text.trim().to_owned())
        .find(|text| !text.is_empty())
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enrolled_machine_keeps_its_credential_and_differs_from_others() {
        let identity = |token: &str, machine| Identity::of_enrolment(token.into(), machine, "n".into()).credential;
        assert_eq!(identity("t", "a"), identity("t", "a"));
        assert_ne!(identity("t", "a"), identity("t", "b"));
        assert_ne!(identity("t", "a"), identity("u", "a"));
        assert_eq!(identity("t", "a").len(), 64);
    }
}
