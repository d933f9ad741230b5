//! E-mail over SMTP.

use lettre::message::SinglePart;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use lettre::{Address, transport::smtp::Error};
use tokio::time::timeout;
use windfire_engine::alert::channel::Security;
use windfire_engine::alert::notice::Message;

use crate::client::Client;
use crate::error::Failure;
use crate::limits::{QUIT_MAX, SMTP_BYTES_MAX};
use crate::stream::{Bounded, connect};
use crate::template::Texts;

/// The settings of a channel that sends mail.
pub(crate) struct Mailer<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) security: Security,
    pub(crate) user: Option<&'a str>,
    pub(crate) password: Option<&'a str>,
    pub(crate) from: &'a str,
    pub(crate) to: &'a [String],
    /// Whether the server's certificate is checked.
    pub(crate) is_checked: bool,
}

impl Mailer<'_> {
    /// Sends the message to all recipients. Those who are refused do not keep it from the others.
    pub(crate) async fn send(&self, message: &Message, texts: &Texts, client: &Client) -> Result<(), Failure> {
        let letter = self.letter(message, texts)?;
        let delivered = timeout(client.exchange_max, self.deliver(&letter, client)).await;
        let (mut connection, refused) = delivered.unwrap_or_else(|_| Err(client.too_slow()))?;
        // The mail is taken. A server that is slow to say goodbye changes nothing about that.
        let _ = timeout(QUIT_MAX, connection.quit()).await;
        match refused.first() {
            None => Ok(()),
            Some((address, error)) => {
                let (count, all) = (refused.len(), self.to.len());
                let reason =
                    format!("{count} of {all} recipients were refused, the others have it: {address}: {error}");
                // Another try would bring it to the others once more.
                Err(Failure::never(reason))
            }
        }
    }

    /// Hands the letter over. Returns the recipients who were refused.
    async fn deliver(
        &self,
        letter: &lettre::Message,
        client: &Client,
    ) -> Result<(AsyncSmtpConnection, Vec<(Address, Error)>), Failure> {
        let mut connection = self.connect(client).await?;
        if let (Some(user), Some(password)) = (self.user, self.password) {
            let credentials = Credentials::new(user.to_owned(), password.to_owned());
            connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await.map_err(failure)?;
        }
        let mut options = Vec::new();
        if !self.from.is_ascii() || !self.to.iter().all(|address| address.is_ascii()) {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Err(Failure::never("the mail server takes only ASCII addresses"));
            }
            options.push(MailParameter::SmtpUtfEight);
        }
        connection.command(Mail::new(letter.envelope().from().cloned(), options)).await.map_err(failure)?;
        let mut refused = Vec::new();
        for address in letter.envelope().to() {
            match connection.command(Rcpt::new(address.clone(), Vec::new())).await {
                Ok(_) => {}
                Err(error) if error.status().is_some() => refused.push((address.clone(), error)),
                Err(error) => return Err(failure(error)),
            }
        }
        if refused.len() == letter.envelope().to().len() {
            // One who may be taken later is worth another try.
            let worth = refused.iter().position(|(_, error)| error.is_transient()).unwrap_or(0);
            let (address, error) = refused.swap_remove(worth);
            let is_for_now = error.is_transient();
            let reason = format!("no recipient was taken: {address}: {error}");
            return Err(if is_for_now { Failure::later(reason) } else { Failure::never(reason) });
        }
        connection.command(Data).await.map_err(failure)?;
        connection.message(&letter.formatted()).await.map_err(failure)?;
        Ok((connection, refused))
    }

    async fn connect(&self, client: &Client) -> Result<AsyncSmtpConnection, Failure> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let hello = ClientId::Domain(domain(self.from).to_owned());
        let stream = connect(host, self.port, SMTP_BYTES_MAX).await?;
        let stream: Box<dyn AsyncTokioStream> = match self.security {
            Security::Tls => {
                let peer = stream.peer();
                let stream = client.tls.wrap(stream, host, self.is_checked).await?;
                Box::new(Bounded::new(stream, peer, SMTP_BYTES_MAX))
            }
            Security::StartTls | Security::Plain => Box::new(stream),
        };
        let mut connection = AsyncSmtpConnection::connect_with_transport(stream, &hello).await.map_err(failure)?;
        if self.security == Security::StartTls {
            if !connection.can_starttls() {
                let reason = "the mail server does not offer STARTTLS, and nothing is sent in clear: choose tls";
                return Err(Failure::never(reason));
            }
            let parameters = client.tls.of_mail(host, self.is_checked)?;
            connection.starttls(parameters, &hello).await.map_err(failure)?;
        }
        Ok(connection)
    }

    fn letter(&self, message: &Message, texts: &Texts) -> Result<lettre::Message, Failure> {
        let address = |text: &str| {
            let address = text.parse::<Address>();
            address.map_err(|error| Failure::never(format!("{text} cannot be written to: {error}")))
        };
        let domain = domain(self.from);
        let auto = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
        let mut builder = lettre::Message::builder()
            .from(address(self.from)?.into())
            .subject(texts.subject.as_str())
            // The same each time the message is tried, so that a server can drop the repetition.
            .message_id(Some(format!("<{}.{}@{domain}>", message.key, message.since_ms)))
            .raw_header(auto);
        for to in self.to {
            builder = builder.to(address(to)?.into());
        }
        // A message does not know the key of the one before. All that is told of a fault names the same ancestor, which
        // was never sent, so mail programs show it as one conversation.
        if let Some((rule_id, _)) = &message.rule {
            let thread = format!("<rule-{rule_id}.{}@{domain}>", message.since_ms);
            builder = builder.in_reply_to(thread.clone()).references(thread);
        }
        let letter = builder.singlepart(SinglePart::plain(texts.text.clone()));
        letter.map_err(|error| Failure::never(format!("the mail cannot be written: {error}")))
    }
}

/// The domain of an address, where identifiers and greetings can have it.
fn domain(address: &str) -> &str {
    let domain = address.rsplit('@').next().unwrap_or_default();
    if !domain.is_empty() && domain.is_ascii() { domain } else { "windfire.invalid" }
}

/// A refusal for good, or something that may pass.
#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn failure(error: Error) -> Failure {
    let text = error.to_string();
    if error.is_permanent() || error.is_client() { Failure::never(text) } else { Failure::later(text) }
}
