//! TLS of the connections that are opened: what is believed of the other side.

use std::sync::{Arc, OnceLock};

use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters, TlsParametersBuilder};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use windfire_certificate::believing;

use crate::error::Failure;
use crate::stream::Bounded;

/// What is believed of the other side.
pub(crate) struct Tls {
    /// The system's root certificates, once there were any.
    roots: OnceLock<Vec<CertificateDer<'static>>>,
    checked: OnceLock<Arc<ClientConfig>>,
    unchecked: OnceLock<Arc<ClientConfig>>,
}

impl Tls {
    /// Believes the system's root certificates, which are read when they are needed first.
    pub(crate) fn of_system() -> Self {
        Self { roots: OnceLock::new(), checked: OnceLock::new(), unchecked: OnceLock::new() }
    }

    /// Believes these.
    pub(crate) fn of(roots: Vec<CertificateDer<'static>>) -> Self {
        Self { roots: OnceLock::from(roots), ..Self::of_system() }
    }

    /// A stream with TLS over `stream`.
    pub(crate) async fn wrap(
        &self,
        stream: Bounded<TcpStream>,
        host: &str,
        is_checked: bool,
    ) -> Result<TlsStream<Bounded<TcpStream>>, Failure> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Failure::never(format!("{host} is no name or address that a certificate can have")))?;
        let connector = TlsConnector::from(self.config(is_checked)?);
        connector.connect(name, stream).await.map_err(|error| Failure::later(format!("TLS with {host}: {error}")))
    }

    /// The same for a connection that goes over to TLS later.
    pub(crate) fn of_mail(&self, host: &str, is_checked: bool) -> Result<TlsParameters, Failure> {
        let wrong = |error: lettre::transport::smtp::Error| Failure::later(format!("TLS with {host}: {error}"));
        let mut parameters = TlsParametersBuilder::new(host.to_owned()).certificate_store(CertificateStore::None);
        if is_checked {
            for root in self.roots()? {
                parameters = parameters.add_root_certificate(Certificate::from_der(root.to_vec()).map_err(wrong)?);
            }
        } else {
            parameters = parameters.dangerous_accept_invalid_certs(true).dangerous_accept_invalid_hostnames(true);
        }
        parameters.build().map_err(wrong)
    }

    fn config(&self, is_checked: bool) -> Result<Arc<ClientConfig>, Failure> {
        let kept = if is_checked { &self.checked } else { &self.unchecked };
        if let Some(config) = kept.get() {
            return Ok(Arc::clone(config));
        }
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::later(format!("TLS cannot be set up: {error}")))?;
        let config = if is_checked {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(self.roots()?.iter().cloned());
            builder.with_root_certificates(roots).with_no_client_auth()
        } else {
            // A channel says that certificates are not to be checked.
            believing(builder, |_| Ok(())).with_no_client_auth()
        };
        Ok(Arc::clone(kept.get_or_init(|| Arc::new(config))))
    }

    /// The root certificates. A system without any may get some later, so that is not remembered.
    fn roots(&self) -> Result<&[CertificateDer<'static>], Failure> {
        if let Some(roots) = self.roots.get() {
            return Ok(roots);
        }
        let mut store = RootCertStore::empty();
        let mut found = rustls_native_certs::load_native_certs().certs;
        found.retain(|certificate| store.add(certificate.clone()).is_ok());
        if found.is_empty() {
            let reason = "this machine has no root certificates to check the other side with: install ca-certificates";
            return Err(Failure::later(reason));
        }
        Ok(self.roots.get_or_init(|| found))
    }
}
