//! A connection to the brokers, which is made again whenever it breaks.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event};

use crate::credentials::Credentials;
use crate::error::{ClusterError, shown};
use crate::limits::{BACKOFF, COMMANDS_MAX, CONNECT_MAX, PING_INTERVAL, SUBSCRIPTION_MESSAGES_MAX};
use crate::mailbox::Mailbox;
use crate::options::BrokerOptions;

/// A connection to the brokers. Cheap to clone.
#[derive(Clone)]
pub struct Brokers {
    client: Client,
    urls: Arc<str>,
}

impl Brokers {
    /// Connects to the first broker that answers. Later the connection is made again whenever it breaks, to any broker
    /// of the cluster.
    ///
    /// # Errors
    /// When an option cannot be used, no broker answers, or they do not admit this hub.
    pub async fn connect(options: &BrokerOptions) -> Result<Self, ClusterError> {
        options.check()?;
        let urls = options.shown_urls();
        match open(options, options.urls.clone(), options.credentials.as_ref()).await {
            Ok(client) => Ok(Self { client, urls: urls.into() }),
            Err(error) => Err(unconnected(urls, &error)),
        }
    }

    /// Whether there is a connection now.
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// The name of the broker at the other end; of the last one, if there is no connection now.
    pub fn broker(&self) -> String {
        shown(&self.client.server_info().server_name)
    }

    /// Where requests of one task are sent from.
    pub(crate) fn mailbox(&self) -> Mailbox {
        Mailbox::new(self.client.clone())
    }

    /// The connection.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }
}

impl Debug for Brokers {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Brokers").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// Connects to one of those addresses.
pub(crate) async fn open(
    options: &BrokerOptions,
    urls: Vec<String>,
    credentials: Option<&Credentials>,
) -> Result<Client, ConnectError> {
    let mut connect = ConnectOptions::new()
        .name(&options.name)
        .connection_timeout(CONNECT_MAX)
        .ping_interval(PING_INTERVAL)
        .subscription_capacity(SUBSCRIPTION_MESSAGES_MAX)
        .client_capacity(COMMANDS_MAX)
        .reconnect_delay_callback(reconnect_delay)
        .event_callback(|event| async move { tell(&event) });
    if options.are_urls_all {
        connect = connect.ignore_discovered_servers();
    }
    if let Some(path) = &options.ca_file {
        connect = connect.add_root_certificates(path.clone()).require_tls(true);
    }
    if let Some((certificate, key)) = &options.client_certificate {
        connect = connect.add_client_certificate(certificate.clone(), key.clone()).require_tls(true);
    }
    match credentials {
        Some(Credentials::User { user, password }) => {
            connect = connect.user_and_password(user.clone(), password.clone());
        }
        Some(Credentials::Token(token)) => connect = connect.token(token.clone()),
        None => {}
    }
    connect.connect(urls).await
}

/// What is said of brokers to which there is no connection.
pub(crate) fn unconnected(urls: String, error: &ConnectError) -> ClusterError {
    let reason = shown(&error.to_string());
    match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            ClusterError::NotAdmitted { urls, reason }
        }
        _ => ClusterError::Unreachable { urls, reason },
    }
}

/// How long to wait before the connection is tried again, after so many failures. Half of the hubs come earlier.
fn reconnect_delay(attempts: usize) -> Duration {
    let (first, max) = BACKOFF;
    let doubled = u32::try_from(attempts).ok().and_then(|attempts| 1_u32.checked_shl(attempts.min(20)));
    first.saturating_mul(doubled.unwrap_or(u32::MAX)).min(max).mul_f64(0.5 + fastrand::f64() / 2.0)
}

fn tell(event: &Event) {
    match event {
        Event::Connected => tracing::info!("connected to the brokers"),
        Event::Disconnected => tracing::warn!("the connection to the brokers broke; it is made again"),
        Event::SlowConsumer(_) => tracing::warn!("messages of a broker were dropped, and are asked for again"),
        other => tracing::info!("brokers: {}", shown(&other.to_string())),
    }
}
