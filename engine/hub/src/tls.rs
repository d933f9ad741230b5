//! The hub's own certificate, which agents verify by its fingerprint, and the keys that outlive a restart.
//!
//! `tls/cert.pem`, `tls/key.pem`: created at the first start only. `tls/fingerprint`: the fingerprint that agents were told,
//! because most changes of a byte leave a certificate valid and give it another fingerprint. `tls/reset.key`: signs QUIC's stateless resets. With
//! them, agents of a hub that was killed notice it at their next packet instead of after a timeout.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};

const FOLDER: &str = "tls";
const CERT: &str = "tls/cert.pem";
/// The key of the hub's own certificate, in the data folder.
pub(crate) const KEY: &str = "tls/key.pem";
const FINGERPRINT: &str = "tls/fingerprint";
const NOTE_PREFIX: &str = "windfire fingerprint ";
/// In the name of each certificate that a hub created.
const CREATED_HERE: &[u8] = b"rcgen self signed cert";
const RESET_KEY_BYTES: usize = 64;

/// Which file of the hub's own certificate is missing in the folder. `None` when none is.
pub(crate) fn missing(data: &Path) -> Result<Option<&'static str>, String> {
    for name in [CERT, KEY] {
        let path = data.join(name);
        if !path.try_exists().map_err(|error| at(&path, &error))? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Why the hub's own certificate cannot be used, with the remedy.
pub(crate) fn damaged(data: &Path, error: &str) -> String {
    format!(
        "data folder {}: {CERT} or {KEY}, by which agents verify the hub, is damaged ({error}): put both back, for \
         example from a backup; or remove both, start once with --new-certificate, and give every agent the new \
         fingerprint",
        data.display()
    )
}

/// A certificate chain and its key.
pub(crate) struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Certificate {
    /// The hub's own.
    pub(crate) fn own(data: &Path) -> Result<Self, String> {
        match missing(data)? {
            None => {
                let own = Self::from_files(&data.join(CERT), &data.join(KEY)).map_err(|error| damaged(data, &error))?;
                check_noted(data, &own.fingerprint())?;
                Ok(own)
            }
            Some(missing) => Err(format!(
                "data folder {} has lost its {missing}, by which agents verify the hub: put it back, for example from \
                 a backup; or start once with --new-certificate, and give every agent the new fingerprint",
                data.display()
            )),
        }
    }

    /// Creates the hub's own, unless there is one.
    pub(crate) fn make(data: &Path) -> Result<(), String> {
        if missing(data)?.is_none() {
            return Ok(());
        }
        let made = rcgen::generate_simple_self_signed(["windfire".to_owned(), "localhost".to_owned()])
            .map_err(|error| format!("a certificate cannot be created: {error}"))?;
        let folder = data.join(FOLDER);
        fs::create_dir_all(&folder).map_err(|error| at(&folder, &error))?;
        // The next start notes the new one.
        let note = data.join(FINGERPRINT);
        match fs::remove_file(&note) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&note, &error)),
            _ => {}
        }
        // The certificate is written last: if it exists, its key does too.
        write_private(&data.join(KEY), made.signing_key.serialize_pem().as_bytes())?;
        write_private(&data.join(CERT), made.cert.pem().as_bytes())
    }

    pub(crate) fn from_files(cert: &Path, key: &Path) -> Result<Self, String> {
        let chain = CertificateDer::pem_file_iter(cert)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| at(cert, &error))?;
        if chain.is_empty() {
            return Err(at(cert, &"holds no certificate"));
        }
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
            pem::Error::NoItemsFound => at(key, &"holds no private key"),
            error => at(key, &error),
        })?;
        Ok(Self { chain, key })
    }

    /// SHA-256 of the certificate, in hexadecimal: what agents pin.
    pub(crate) fn fingerprint(&self) -> String {
        hex(&Sha256::digest(self.der()))
    }

    /// The certificate itself, without its chain, in DER.
    pub(crate) fn der(&self) -> &[u8] {
        &self.chain[0]
    }

    /// Whether a hub created it. An operator's own is renewed now and then, and agents verify it by its authority.
    pub(crate) fn is_created_here(&self) -> bool {
        self.der().windows(CREATED_HERE.len()).any(|part| part == CREATED_HERE)
    }

    /// TLS for agents: only version 1.3, only our protocol.
    pub(crate) fn for_agents(self) -> Result<ServerConfig, String> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(self.chain, self.key))
            .map_err(|error| format!("certificate cannot be used: {error}"))?;
        config.alpn_protocols = vec![windfire_wire::ALPN.to_vec()];
        // Sessions last for days, so tickets and a cache for them would waste memory.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        Ok(config)
    }

    /// To show it to browsers and scripts. Its key must be the certificate's.
    pub(crate) fn certified(self) -> Result<CertifiedKey, String> {
        CertifiedKey::from_der(self.chain, self.key, &default_provider())
            .map_err(|error| format!("certificate cannot be used: {error}"))
    }
}

/// What is known of the fingerprint that agents were told.
enum Noted {
    Nothing,
    Damaged,
    Said(String),
}

fn read_note(data: &Path) -> Result<Noted, String> {
    let path = data.join(FINGERPRINT);
    let text = match fs::read(&path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Noted::Nothing),
        Err(error) => return Err(at(&path, &error)),
    };
    let said = text.lines().next().and_then(|line| line.strip_prefix(NOTE_PREFIX));
    let sound = said.filter(|said| note_of(said) == text);
    Ok(sound.map_or(Noted::Damaged, |said| Noted::Said(said.to_owned())))
}

/// The note of a fingerprint, with a checksum: a note that is damaged says nothing.
fn note_of(fingerprint: &str) -> String {
    let check = hex(&Sha256::digest(fingerprint)[..4]);
    format!("{NOTE_PREFIX}{fingerprint}\ncheck {check}\n")
}

/// Whether the certificate is the one that agents were told of, as far as that is noted.
fn check_noted(data: &Path, fingerprint: &str) -> Result<(), String> {
    match read_note(data)? {
        Noted::Said(noted) if noted != fingerprint => Err(format!(
            "data folder {}: {CERT} has fingerprint {fingerprint}, but agents know this hub by {noted} ({FINGERPRINT}). If \
             {CERT} is damaged, put it back, for example from a backup; if you replaced it, delete {FINGERPRINT}, and give \
             every agent the new fingerprint",
            data.display()
        )),
        _ => Ok(()),
    }
}

/// Notes the fingerprint of a certificate that a hub created, unless it is noted.
pub(crate) fn note(data: &Path, fingerprint: &str) -> Result<(), String> {
    match read_note(data)? {
        Noted::Said(_) => return Ok(()),
        Noted::Damaged => {
            tracing::warn!(
                "{FINGERPRINT} is damaged and written again: compare \"windfire fingerprint\" with your agents"
            );
        }
        Noted::Nothing => {}
    }
    if let Err(error) = write_private(&data.join(FINGERPRINT), note_of(fingerprint).as_bytes()) {
        tracing::warn!("a change of the certificate will not be noticed: {error}");
    }
    Ok(())
}

/// The key of stateless resets. It is created if there is none.
pub(crate) fn reset_key(data: &Path) -> Result<Vec<u8>, String> {
    let path = data.join(FOLDER).join("reset.key");
    match fs::read(&path) {
        Ok(key) if key.len() == RESET_KEY_BYTES => Ok(key),
        Ok(_) => Err(at(&path, &format!("is not {RESET_KEY_BYTES} bytes long: delete it, and it is created again"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut key = vec![0; RESET_KEY_BYTES];
            ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut key)
                .map_err(|_| "the operating system gives no randomness".to_owned())?;
            write_private(&path, &key)?;
            Ok(key)
        }
        Err(error) => Err(at(&path, &error)),
    }
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let draft = PathBuf::from(format!("{}.new", path.display()));
    let write = || {
        let mut options = fs::OpenOptions::new();
        let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().map_err(|error| at(path, &error))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn at(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}
