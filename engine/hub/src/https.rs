//! The panel's certificate, which changes while the hub runs: a certificate for browsers is renewed every few months.
//!
//! The files are read again at a reload, and when their times or sizes have changed. A pair that cannot be used changes
//! nothing: the one before is shown until there is a better one.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::Config;
use crate::counters::Counters;
use crate::limits::CERTIFICATE_LOOK_INTERVAL;
use crate::swap::Swap;
use crate::tls::Certificate;

/// An operator's files, PEM: the chain and the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

/// When each of the files was written and how long it is, as far as it can be looked at.
type Stamp = [Option<(SystemTime, u64)>; 2];

/// A certificate that was read and can be used.
pub(crate) struct Loaded {
    key: CertifiedKey,
    watched: Option<(Files, Stamp)>,
}

/// The certificate that the panel shows.
#[derive(Debug)]
pub(crate) struct PanelCertificate {
    shown: Swap<CertifiedKey>,
    /// The operator's files and what they were when they were read last; `None` for the hub's own certificate.
    watched: Mutex<Option<(Files, Stamp)>>,
    /// Are told under the lock of `watched` whether the newest look at the files failed.
    counters: Arc<Counters>,
}

impl Loaded {
    /// Reads the operator's files, or the hub's own certificate.
    ///
    /// # Errors
    /// A file cannot be read, or the key is not the certificate's.
    pub(crate) fn read(data: &Path, files: Option<&Files>) -> Result<Self, String> {
        let Some(files) = files else {
            return Ok(Self { key: Certificate::own(data)?.certified()?, watched: None });
        };
        // Looked at first: a file that changes while it is read is read again.
        let stamp = files.stamp();
        Ok(Self { key: files.read()?, watched: Some((files.clone(), stamp)) })
    }
}

impl Files {
    /// Those of a configuration. `None` for the hub's own certificate.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        let (cert, key) = config.https_cert.clone().zip(config.https_key.clone())?;
        Some(Self { cert, key })
    }

    fn stamp(&self) -> Stamp {
        [&self.cert, &self.key].map(|path| {
            let meta = fs::metadata(path).ok()?;
            Some((meta.modified().ok()?, meta.len()))
        })
    }

    /// Whether the panel can show them.
    ///
    /// # Errors
    /// A file cannot be read, or the key is not the certificate's.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.read().map(drop)
    }

    fn read(&self) -> Result<CertifiedKey, String> {
        for (key, path) in [("https_cert", &self.cert), ("https_key", &self.key)] {
            File::open(path).map_err(|error| unread(key, path, &error))?;
        }
        let named = |error: String| {
            format!("https_cert {} with https_key {}: {error}", self.cert.display(), self.key.display())
        };
        Certificate::from_files(&self.cert, &self.key).and_then(Certificate::certified).map_err(named)
    }
}

/// Why an operator's file cannot be read, and what to do.
fn unread(key: &str, path: &Path, error: &io::Error) -> String {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "put the PEM file there, or name another",
        io::ErrorKind::PermissionDenied => {
            "the hub's user must be able to read it and to enter the folders above it: give it to the user's group (chgrp), \
             then chmod 640"
        }
        _ => return format!("{key} {}: {error}", path.display()),
    };
    format!("{key} {}: {error}: {remedy}", path.display())
}

impl PanelCertificate {
    pub(crate) fn new(loaded: Loaded, counters: Arc<Counters>) -> Self {
        let Loaded { key, watched } = loaded;
        Self { shown: Swap::new(key), watched: Mutex::new(watched), counters }
    }

    /// Files that were to be shown cannot be used.
    pub(crate) fn note_failure(&self) {
        let _watched = self.watched.lock();
        self.counters.set_https_reload_failed(true);
    }

    /// Shows another one from the next connection on.
    pub(crate) fn replace(&self, loaded: Loaded) {
        let Loaded { key, watched } = loaded;
        let mut known = self.watched.lock();
        *known = watched;
        self.shown.replace(key);
        self.counters.set_https_reload_failed(false);
    }

    /// TLS for browsers and scripts.
    pub(crate) fn server_config(self: &Arc<Self>) -> Result<ServerConfig, String> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Self>::clone(self);
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .map_err(|error| format!("TLS cannot be set up: {error}"))?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Reads the files again if they have changed since they were read last. `None` if they have not.
    fn look(&self) -> Option<Result<(), String>> {
        let mut watched = self.watched.lock();
        let (files, seen) = watched.as_mut()?;
        let stamp = files.stamp();
        if *seen == stamp {
            return None;
        }
        // A pair that cannot be used is not read again until it changes: usually only one file of it was written so far.
        *seen = stamp;
        let read = files.read().map(|key| self.shown.replace(key));
        self.counters.set_https_reload_failed(read.is_err());
        Some(read)
    }
}

impl ResolvesServerCert for PanelCertificate {
    fn resolve(&self, _client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown.current())
    }
}

/// Looks at the files now and then, for as long as it is polled.
pub(crate) async fn watch(certificate: Option<Arc<PanelCertificate>>) -> Infallible {
    let Some(certificate) = certificate else { return std::future::pending().await };
    let mut ticks = interval(CERTIFICATE_LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let looked_at = Arc::clone(&certificate);
        // The files may be on a disk that hangs.
        let looked = spawn_blocking(move || looked_at.look()).await;
        let Some(result) = looked.ok().flatten() else { continue };
        match result {
            Ok(()) => tracing::info!("the panel shows its new certificate"),
            Err(error) => tracing::error!("the panel keeps its certificate, the new one cannot be used: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_pair(files: &Files) -> Vec<u8> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        fs::write(&files.cert, made.cert.pem()).expect("written");
        fs::write(&files.key, made.signing_key.serialize_pem()).expect("written");
        made.cert.der().to_vec()
    }

    fn shown(certificate: &PanelCertificate) -> Vec<u8> {
        certificate.shown.current().cert[0].to_vec()
    }

    #[test]
    fn a_pair_that_cannot_be_used_changes_nothing_until_a_better_one_comes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files = Files { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        let first = write_pair(&files);
        let loaded = Loaded::read(folder.path(), Some(&files)).expect("a pair");
        let certificate = PanelCertificate::new(loaded, Arc::default());
        assert!(certificate.look().is_none(), "nothing has changed");
        let sound = fs::read(&files.key).expect("there");

        // Half of it was written so far.
        for broken in [&sound[..sound.len() / 2], b"no PEM, and of another size".as_slice(), b""] {
            fs::write(&files.key, broken).expect("written");
            assert!(certificate.look().expect("seen").is_err());
            assert_eq!(shown(&certificate), first);
            assert!(certificate.look().is_none(), "it is told once");
        }
        fs::remove_file(&files.key).expect("there");
        assert!(certificate.look().expect("seen").is_err());
        // The key of another certificate.
        let other = Files { cert: folder.path().join("other.pem"), ..files.clone() };
        let second = write_pair(&other);
        let error = certificate.look().expect("seen").expect_err("they are no pair");
        assert!(error.contains("cert.pem") && error.contains("key.pem"), "{error}");
        assert_eq!(shown(&certificate), first);
        fs::rename(&other.cert, &files.cert).expect("moved");
        certificate.look().expect("seen").expect("a pair");
        assert_eq!(shown(&certificate), second);
    }
}
