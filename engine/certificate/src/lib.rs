//! TLS that believes the other side by its certificate alone, and not by names, dates or authorities. Agents, hubs and
//! channels each have a rule of which certificate that is.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, SignatureScheme, WantsVerifier};

/// Believes the other side if `rule` accepts its certificate, and it proves that the certificate is its own.
pub fn believing<F>(
    builder: ConfigBuilder<ClientConfig, WantsVerifier>,
    rule: F,
) -> ConfigBuilder<ClientConfig, WantsClientCert>
where
    F: Fn(&CertificateDer<'_>) -> Result<(), Error> + Send + Sync + 'static,
{
    let algorithms = builder.crypto_provider().signature_verification_algorithms;
    builder.dangerous().with_custom_certificate_verifier(Arc::new(ByRule { rule, algorithms }))
}

struct ByRule<F> {
    rule: F,
    algorithms: WebPkiSupportedAlgorithms,
}

impl<F> Debug for ByRule<F> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ByRule").finish_non_exhaustive()
    }
}

impl<F: Fn(&CertificateDer<'_>) -> Result<(), Error> + Send + Sync> ServerCertVerifier for ByRule<F> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        (self.rule)(end_entity).map(|()| ServerCertVerified::assertion())
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
