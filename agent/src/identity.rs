//! The identity of the agent.

use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};
use windfire_wire::Enrol;

use crate::given::plain;
use crate::limits::{MACHINE_ID_BYTES_MAX, MACHINE_ID_DIGITS_MIN};

/// The credential and the enrolment that the agent sends in `Hello`.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The server's credential.
    pub credential: String,
    /// Set when the agent enrols itself.
    pub enrol: Option<Enrol>,
}

impl Identity {
    /// The identity of a server that was created before.
    pub fn of_credential(credential: String) -> Self {
        Self { credential, enrol: None }
    }

    /// The identity of a machine that creates its own server with an enrolment token. The credential is derived from
    /// the token and the machine, so that the agent is the same server after a restart without having stored anything.
    pub fn of_enrolment(token: String, machine: &str, name: String) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"windfire enrolment 1\0");
        hash.update(token.as_bytes());
        hash.update(b"\0");
        hash.update(machine.as_bytes());
        Self { credential: hex(&hash.finalize()), enrol: Some(Enrol { token, name }) }
    }
}

/// Files below the root that may have the machine's id.
const MACHINE_ID_FILES: [&str; 3] = ["etc/machine-id", "var/lib/dbus/machine-id", "etc/hostid"];

/// The lasting name of the machine with that root: its machine id.
///
/// # Errors
/// There is none, or none that tells machines apart. The error has the files' contents and the remedy.
pub fn machine_id(root: &Path) -> Result<String, String> {
    let texts = MACHINE_ID_FILES.map(|file| {
        let path = root.join(file);
        (path.display().to_string(), read_start(&path))
    });
    choose_machine_id(texts.iter().map(|(path, text)| (path.as_str(), text.clone())))
}

/// The host name of the machine with that root, from its file. `None` if it has none.
pub fn host_name(root: &Path) -> Option<String> {
    let text = read_start(&root.join("etc/hostname"))?;
    let mut lines = text.lines().map(plain);
    lines.find(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned)
}

/// The first of these texts that is a machine's own.
fn choose_machine_id<'a>(texts: impl IntoIterator<Item = (&'a str, Option<String>)>) -> Result<String, String> {
    let mut found = Vec::new();
    for (path, text) in texts {
        let Some(text) = text else { continue };
        match plain(&text) {
            id if is_a_machines_own(id) => return Ok(id.to_owned()),
            id => found.push(format!("{path} says {id:.40?}")),
        }
    }
    let found = if found.is_empty() { String::new() } else { format!(" ({})", found.join(", ")) };
    Err(format!(
        "this machine does not have its own machine id{found}: create one with \"systemd-machine-id-setup\", or give \
         --machine with a text that no other machine has"
    ))
}

/// Whether a text tells a machine from others. Images have an empty file, the word "uninitialized", or a typed number,
/// and every machine created from them has the same.
fn is_a_machines_own(id: &str) -> bool {
    let digits: Vec<u32> = id.chars().filter_map(|c| c.to_digit(16)).collect();
    let is_id = id.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    // 0000…, 0123456789abcdef…, fedcba9876543210…: a random number of this length is never one of these.
    let is_typed = (0..16).any(|step| digits.windows(2).all(|pair| (pair[1] + 16 - pair[0]) % 16 == step));
    is_id && digits.len() >= MACHINE_ID_DIGITS_MIN && !is_typed
}

/// The beginning of a file, which is all of one that has a machine's id or its name.
fn read_start(path: &Path) -> Option<String> {
    let mut text = String::new();
    fs::File::open(path).ok()?.take(MACHINE_ID_BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text)
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
    #[test]
    fn what_every_copy_of_an_image_says_is_no_machines_id() {
        let good = "8f3a1c0de4b94f7d9a6be21c5d70f3aa";
        for none in [
            "",
            "\n",
            "uninitialized\n",
            "UNINITIALIZED",
            "00000000000000000000000000000000",
            "ffffffffffffffffffffffffffffffff",
            "00000000-0000-0000-0000-000000000000",
            "11111111-1111-1111-1111-111111111111",
            "0123456789abcdef0123456789abcdef",
            "fedcba9876543210fedcba9876543210",
            "8f3a1c0d",
            "localhost",
            "localhost.localdomain",
            "${MACHINE_ID}",
        ] {
            let alone = choose_machine_id([("/etc/machine-id", Some(none.to_owned()))]).expect_err(none);
            assert!(alone.contains("--machine") && alone.contains("/etc/machine-id says"), "{alone}");
            let next = choose_machine_id([("a", Some(none.to_owned())), ("b", None), ("c", Some(good.to_owned()))]);
            assert_eq!(next, Ok(good.to_owned()), "{none:?}");
        }
        let without = choose_machine_id([("/etc/machine-id", None)]).expect_err("none");
        assert!(without.contains("--machine") && !without.contains("says"), "{without}");
    }

    #[test]
    fn a_machine_is_known_by_the_files_below_its_root() {
        let tree = tempfile::tempdir().expect("a temporary folder");
        let error = machine_id(tree.path()).expect_err("none");
        assert!(error.contains("--machine") && host_name(tree.path()).is_none(), "{error}");
        let etc = tree.path().join("etc");
        fs::create_dir(&etc).expect("made");
        fs::write(etc.join("machine-id"), "uninitialized\n").expect("written");
        let error = machine_id(tree.path()).expect_err("none");
        assert!(error.contains(&etc.join("machine-id").display().to_string()), "the file is named: {error}");
        fs::write(etc.join("machine-id"), "8f3a1c0de4b94f7d9a6be21c5d70f3aa\n").expect("written");
        assert_eq!(machine_id(tree.path()), Ok("8f3a1c0de4b94f7d9a6be21c5d70f3aa".to_owned()));
        fs::write(etc.join("hostname"), "# a comment\n\nweb-2\n").expect("written");
        assert_eq!(host_name(tree.path()), Some("web-2".to_owned()));
    }

    #[test]
    fn what_identified_a_machine_before_still_does() {
        for (text, id) in [
            ("8f3a1c0de4b94f7d9a6be21c5d70f3aa\n", "8f3a1c0de4b94f7d9a6be21c5d70f3aa"),
            ("\u{feff}8f3a1c0de4b94f7d9a6be21c5d70f3aa\r\n", "8f3a1c0de4b94f7d9a6be21c5d70f3aa"),
            ("4C4C4544-0042-3510-8054-B4C04F4E3132\n", "4C4C4544-0042-3510-8054-B4C04F4E3132"),
        ] {
            assert_eq!(choose_machine_id([("/etc/hostid", Some(text.to_owned()))]), Ok(id.to_owned()));
        }
    }
}
