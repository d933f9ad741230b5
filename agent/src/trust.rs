//! Which hub the agent trusts: one certificate by its fingerprint, or any that a certificate authority has signed.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{CipherSuite, ClientConfig, Error, RootCertStore};
use sha2::{Digest, Sha256};
use windfire_certificate::believing;
use windfire_wire::ALPN;

use crate::given::plain;
use crate::identity::hex;

/// SHA-256 of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    /// Reads 64 hexadecimal digits, with or without colons, and with or without the `sha256` that tools put before
    /// them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = plain(text).to_ascii_lowercase();
        let named = ["sha256", "sha-256"].into_iter().find_map(|name| lower.strip_prefix(name));
        let hex = named.map_or(lower.as_str(), |rest| {
            // As openssl says it: "sha256 Fingerprint=AA:BB:…".
            rest.trim_start().trim_start_matches("fingerprint").trim_start_matches([':', '=', ' '])
        });
        let wrong =
            || format!("fingerprint {text:?} is not 64 hexadecimal digits: run \"windfire fingerprint\" on the hub");
        let digits: Option<Vec<u32>> = hex.chars().filter(|c| *c != ':').map(|c| c.to_digit(16)).collect();
        let digits = digits.ok_or_else(wrong)?;
        let bytes: Option<Vec<u8>> =
            digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair.get(1)?).ok()).collect();
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or_else(wrong)
    }
}

/// Which hub the agent trusts.
#[derive(Debug, Clone)]
pub enum Trust {
    /// The one with this certificate.
    Fingerprint(Fingerprint),
    /// Any hub whose certificate these authorities have signed, under the name by which it was reached.
    Authorities(Arc<RootCertStore>),
}

/// TLS for the link, and the certificate that it saw: the error for a wrong one has both fingerprints.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The configuration.
    pub config: Arc<ClientConfig>,
    wrong: Arc<Mutex<Option<Fingerprint>>>,
}

impl Tls {
    /// TLS that accepts `trust`.
    ///
    /// # Errors
    /// The provider cannot speak TLS 1.3.
    pub fn new(trust: &Trust) -> Result<Self, Error> {
        let mut provider = ring::default_provider();
        // SHA-256 and AES-128 first: processors have instructions for both, and a hub has many handshakes to make.
        provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
        let provider = Arc::new(provider);
        let wrong = Arc::new(Mutex::new(None));
        let builder =
            ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13])?;
        let mut config = match trust {
            Trust::Fingerprint(expected) => {
                let (expected, wrong) = (*expected, Arc::clone(&wrong));
                // Names and dates do not matter: the fingerprint says more than either.
                let is_pinned = move |certificate: &CertificateDer<'_>| {
                    let found = Fingerprint::of(certificate);
                    if found == expected {
                        return Ok(());
                    }
                    *wrong.lock() = Some(found);
                    Err(Error::General("certificate fingerprint differs".to_owned()))
                };
                believing(builder, is_pinned).with_no_client_auth()
            }
            Trust::Authorities(roots) => builder.with_root_certificates(Arc::clone(roots)).with_no_client_auth(),
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        // A session lasts for days: there is nothing to resume, and a cache of tickets would cost memory.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Self { config: Arc::new(config), wrong })
    }

    /// The fingerprint of the last certificate that was not the pinned one.
    pub fn take_wrong_fingerprint(&self) -> Option<Fingerprint> {
        self.wrong.lock().take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_they_are_shown() {
        let fingerprint = Fingerprint::of(b"certificate");
        let shown = fingerprint.to_string();
        assert_eq!(shown.parse(), Ok(fingerprint));
        let colons: Vec<&str> = (0..32).map(|i| &shown[2 * i..2 * i + 2]).collect();
        assert_eq!(colons.join(":").parse(), Ok(fingerprint));
        let (upper, colons) = (shown.to_uppercase(), colons.join(":"));
        for written in [
            format!(" {shown}\r\n"),
            format!("\"{shown}\""),
            format!("SHA256:{shown}"),
            format!("sha256={colons}"),
            format!("sha256 Fingerprint={}", colons.to_uppercase()),
            upper,
        ] {
            assert_eq!(written.parse(), Ok(fingerprint), "{written:?}");
        }
        assert!("abc".parse::<Fingerprint>().is_err());
        assert!(format!("{shown}z").parse::<Fingerprint>().is_err());
        assert!(format!("{shown}00").parse::<Fingerprint>().is_err());
    }
}
