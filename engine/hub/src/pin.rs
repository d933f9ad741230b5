//! Which certificate is believed of another side: exactly one, by its fingerprint. Names and dates do not matter.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, Error};
use sha2::{Digest, Sha256};

use crate::variables::plain;

/// Bytes of a fingerprint.
const BYTES: usize = 32;

/// SHA-256 of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; BYTES]);

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub(crate) fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl Display for Fingerprint {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    /// Reads 64 hexadecimal digits, with or without colons.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("fingerprint {text:?} is not 64 hexadecimal digits: run \"windfire fingerprint\" on that hub");
        let digits: Option<Vec<u32>> = plain(text).chars().filter(|c| *c != ':').map(|c| c.to_digit(16)).collect();
        let digits = digits.filter(|digits| digits.len() == 2 * BYTES).ok_or_else(wrong)?;
        let mut bytes = [0; BYTES];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let read = pair.iter().try_fold(0_u8, |byte, digit| Some(byte << 4 | u8::try_from(*digit).ok()?));
            *byte = read.ok_or_else(wrong)?;
        }
        Ok(Self(bytes))
    }
}

/// TLS that believes exactly the certificate with that fingerprint. `otherwise` says what another one means.
///
/// # Errors
/// TLS cannot be set up.
pub(crate) fn believing(expected: Fingerprint, otherwise: &'static str) -> Result<ClientConfig, Error> {
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(rustls::ALL_VERSIONS)?;
    let is_pinned = move |certificate: &CertificateDer<'_>| {
        let found = Fingerprint::of(certificate);
        if found == expected {
            return Ok(());
        }
        Err(Error::General(format!("the certificate has the fingerprint {found}, not {expected}: {otherwise}")))
    };
    Ok(windfire_certificate::believing(builder, is_pinned).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_they_are_shown() {
        let fingerprint = Fingerprint::of(b"certificate");
        let shown = fingerprint.to_string();
        let pairs: Vec<&str> = (0..BYTES).map(|at| &shown[2 * at..2 * at + 2]).collect();
        for text in [shown.clone(), shown.to_uppercase(), pairs.join(":"), format!(" \"{shown}\"\n")] {
            assert_eq!(text.parse(), Ok(fingerprint), "{text}");
        }
        let (longer, other) = (format!("{shown}0"), shown.replace(&shown[..1], "g"));
        for wrong in ["", "ab", &shown[1..], longer.as_str(), other.as_str(), "é"] {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
        }
    }
}
