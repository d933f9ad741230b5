//! Which certificate is believed of another side: exactly one, by its fingerprint. Names and dates do not matter.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
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
    let provider = default_provider();
    let algorithms = provider.signature_verification_algorithms;
    let builder =
        ClientConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(rustls::ALL_VERSIONS)?;
    let pin = Arc::new(Pin { expected, otherwise, algorithms });
    Ok(builder.dangerous().with_custom_certificate_verifier(pin).with_no_client_auth())
}

#[derive(Debug)]
struct Pin {
    expected: Fingerprint,
    otherwise: &'static str,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = Fingerprint::of(end_entity);
        if found == self.expected {
            return Ok(ServerCertVerified::assertion());
        }
        let (expected, otherwise) = (self.expected, self.otherwise);
        Err(Error::General(format!("the certificate has the fingerprint {found}, not {expected}: {otherwise}")))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
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
