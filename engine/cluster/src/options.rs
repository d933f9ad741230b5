//! How the brokers are reached.

use std::path::PathBuf;

use async_nats::ServerAddr;

use crate::credentials::Credentials;
use crate::error::{ClusterError, shown};
use crate::limits::{URL_CHARS_MAX, URLS_MAX};

/// How the brokers are reached.
#[derive(Debug, Clone)]
pub struct BrokerOptions {
    /// Their addresses, such as `nats://a:4222` or `tls://a:4222`.
    pub urls: Vec<String>,
    /// What the brokers know of this connection: the hub's id. For their logs.
    pub name: String,
    /// Who this hub is. Default: nobody, which brokers without accounts admit.
    pub credentials: Option<Credentials>,
    /// A user of the system account, which alone may ask how the brokers write.
    pub system: Option<Credentials>,
    /// Certificates in PEM that vouch for the brokers. Default: those of the machine. If given, TLS is required.
    pub ca_file: Option<PathBuf>,
    /// A certificate and its key in PEM that this hub shows. If given, TLS is required.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// The operator states that every broker syncs each write.
    pub is_sync_stated: bool,
    /// Only the given addresses are used, and not those that the brokers advertise. For brokers behind a proxy.
    pub are_urls_all: bool,
}

impl BrokerOptions {
    /// Those addresses, and everything else by default.
    pub fn new(urls: Vec<String>) -> Self {
        Self {
            urls,
            name: "windfire".to_owned(),
            credentials: None,
            system: None,
            ca_file: None,
            client_certificate: None,
            is_sync_stated: false,
            are_urls_all: false,
        }
    }

    /// Checks the addresses.
    ///
    /// # Errors
    /// Which one cannot be used, and why.
    pub fn check(&self) -> Result<(), ClusterError> {
        if self.urls.is_empty() || self.urls.len() > URLS_MAX {
            let reason = format!("give 1 to {URLS_MAX} addresses");
            return Err(ClusterError::Option { option: "cluster_nats", value: self.urls.len().to_string(), reason });
        }
        self.urls.iter().try_for_each(|url| check_url(url))
    }

    /// The addresses in one line.
    pub(crate) fn shown_urls(&self) -> String {
        shown(&self.urls.join(","))
    }
}

fn check_url(url: &str) -> Result<(), ClusterError> {
    let wrong = |value: String, reason: &str| {
        Err(ClusterError::Option { option: "cluster_nats", value, reason: reason.to_owned() })
    };
    if url.contains('@') {
        // The value may have a password.
        let reason = "an address must not have a user or a password: put them into cluster_credentials_file";
        return wrong("…".to_owned(), reason);
    }
    let is_plain = match url.split_once("://") {
        Some((scheme, _)) => matches!(scheme, "nats" | "tls"),
        None => true,
    };
    let is_address = || url.parse::<ServerAddr>().is_ok_and(|address| !address.host().is_empty());
    if url.chars().count() > URL_CHARS_MAX || !is_plain || !is_address() {
        return wrong(shown(url), "an address must be like nats://host:4222 or tls://host:4222");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(url: &str) -> Option<String> {
        BrokerOptions::new(vec![url.to_owned()]).check().err().map(|error| error.to_string())
    }

    #[test]
    fn addresses_are_checked() {
        for url in ["nats://a:4222", "tls://a.example:4222", "nats://127.0.0.1:1", "nats://[::1]:4222", "a:4222", "a"] {
            assert_eq!(error(url), None, "{url}");
        }
        for url in ["", "http://a:80", "ws://a:80", "nats://", "nats://a:99999", "nats://a b"] {
            assert!(error(url).is_some_and(|text| text.contains("nats://host:4222")), "{url}");
        }
        assert!(error(&format!("nats://{}", "a".repeat(URL_CHARS_MAX))).is_some());
        assert!(BrokerOptions::new(Vec::new()).check().is_err());
        assert!(BrokerOptions::new(vec!["a".to_owned(); URLS_MAX + 1]).check().is_err());
    }

    #[test]
    fn a_password_in_an_address_is_not_repeated() {
        let text = error("nats://wf:secret@a:4222").unwrap_or_default();
        assert!(text.contains("credentials_file") && !text.contains("secret"), "{text}");
    }
}
