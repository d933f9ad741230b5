//! One message to one channel.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use windfire_engine::alert::channel::{Channel, ChannelKind};
use windfire_engine::alert::notice::Message;

use crate::answer::{Answer, check_status};
use crate::client::{Call, Client};
use crate::email::Mailer;
use crate::error::{Failure, SendError};
use crate::facts::{Facts, ShownAlert};
use crate::limits::{ALERTMANAGER_BATCH, EXCHANGE_MAX};
use crate::secrets::Secrets;
use crate::template::texts;
use crate::tls::Tls;
use crate::webhook::Webhook;
use crate::{alertmanager, discord, ntfy, slack, telegram};

/// Sends messages. Cheap to clone.
#[derive(Clone)]
pub struct Outbound {
    client: Arc<Client>,
}

impl Outbound {
    /// One that says it is this version of Windfire, and believes the certificates that this machine believes.
    pub fn new(version: &str) -> Self {
        Self { client: Arc::new(Client::new(version, Tls::of_system(), EXCHANGE_MAX)) }
    }

    /// One that believes only these root certificates, and waits only so long for an exchange. For tests.
    #[doc(hidden)]
    pub fn for_tests(version: &str, roots: Vec<Vec<u8>>, exchange_max: Duration) -> Self {
        let tls = Tls::of(roots.into_iter().map(CertificateDer::from).collect());
        Self { client: Arc::new(Client::new(version, tls, exchange_max)) }
    }

    /// Sends one message to one channel, within [`EXCHANGE_MAX`]. Not to an Alertmanager,
    /// which takes no messages.
    ///
    /// # Errors
    /// Why it was not sent, and whether to try again.
    pub async fn send(&self, message: &Message, channel: &Channel, facts: Option<&Facts>) -> Result<(), SendError> {
        let sent = self.send_to(message, channel, facts).await;
        sent.map_err(|failure| failure.without(&Secrets::of(&channel.kind)))
    }

    /// Tells an Alertmanager of alerts, in as many requests as it takes. The first that fails is the last.
    ///
    /// # Errors
    /// Why they were not sent, and whether to try again.
    pub async fn send_alerts(&self, alerts: &[ShownAlert], channel: &Channel) -> Result<(), SendError> {
        let secrets = Secrets::of(&channel.kind);
        let ChannelKind::Alertmanager { url } = &channel.kind else {
            let reason = format!("a channel of the kind {} takes messages, not alerts", channel.kind.name());
            return Err(Failure::never(reason).without(&secrets));
        };
        for batch in alerts.chunks(ALERTMANAGER_BATCH) {
            let call = alertmanager::call(url, batch, channel);
            let sent = self.exchange(call, channel, check_status).await;
            sent.map_err(|failure| failure.without(&secrets))?;
        }
        Ok(())
    }

    async fn send_to(&self, message: &Message, channel: &Channel, facts: Option<&Facts>) -> Result<(), Failure> {
        let texts = texts(message, channel, facts);
        match &channel.kind {
            ChannelKind::Webhook { .. } => {
                let webhook = Webhook::of(&channel.kind).ok_or_else(|| Failure::never("not a webhook"))?;
                let call = webhook.call(message, channel, facts, &texts)?;
                self.exchange(call, channel, check_status).await
            }
            ChannelKind::Alertmanager { .. } => Err(Failure::never("an Alertmanager takes alerts, not messages")),
            ChannelKind::Telegram { base_url, token, chat_id, thread_id } => {
                let call = telegram::call(base_url.as_deref(), token, chat_id, *thread_id, &texts);
                self.exchange(call, channel, telegram::check).await
            }
            ChannelKind::Slack { url } => self.exchange(slack::call(url, message, &texts), channel, slack::check).await,
            ChannelKind::Discord { url } => {
                self.exchange(discord::call(url, message, &texts), channel, discord::check).await
            }
            ChannelKind::Ntfy { url, topic, token } => {
                let call = ntfy::call(url, topic, token.as_deref(), message, &texts);
                self.exchange(call, channel, check_status).await
            }
            ChannelKind::Email { host, port, security, user, password, from, to } => {
                let mailer = Mailer {
                    host,
                    port: *port,
                    security: *security,
                    user: user.as_deref(),
                    password: password.as_deref(),
                    from,
                    to,
                    is_checked: channel.tls_verify,
                };
                mailer.send(message, &texts, &self.client).await
            }
        }
    }

    async fn exchange(
        &self,
        call: Call,
        channel: &Channel,
        check: fn(&Answer) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let answer = self.client.exchange(call, channel.tls_verify).await?;
        check(&answer)
    }
}

impl Debug for Outbound {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Outbound").finish_non_exhaustive()
    }
}
