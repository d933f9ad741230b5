//! Changes of the registry: each is written only if no other hub was faster.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use crate::api::MessageQuery;
use crate::backoff::Backoff;
use crate::brokers::Brokers;
use crate::error::{PublishError, Trouble};
use crate::limits::{MESSAGE_BYTES_MAX, REGISTRY_MAX};
use crate::mailbox::Mailbox;
use crate::names::{BootId, HubId, Names, StreamOf};
use crate::stored::{Draft, Expected, bounds, message, publish};

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is stored, with this sequence, which follows the expected one.
    Written(u64),
    /// Another change was stored in its place. It can be made again from the newer state.
    Overtaken,
    /// The brokers did not tell in time. It may be stored, now or a little later; the follower of the registry will say
    /// so.
    Unknown,
}

/// Publishes changes of the registry. Several may be under way at once; one of them wins.
pub struct RegistryPublisher {
    brokers: Brokers,
    stream: String,
    subject: String,
    origin: String,
    number: AtomicU64,
}

impl RegistryPublisher {
    /// A publisher for one run of a hub.
    pub fn new(brokers: &Brokers, names: &Names, hub: &HubId, boot: BootId) -> Self {
        Self {
            brokers: brokers.clone(),
            stream: names.stream(StreamOf::Registry),
            subject: names.subject(StreamOf::Registry, hub),
            origin: format!("{hub}.{boot}"),
            number: AtomicU64::new(0),
        }
    }

    /// Stores a change as the next message after the one with the sequence `last`, 0 if there is none. Takes five
    /// seconds at most.
    ///
    /// # Errors
    /// When the change is too large.
    pub async fn publish(&self, bytes: Bytes, last: u64) -> Result<Outcome, PublishError> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(PublishError::TooLarge { bytes: bytes.len() });
        }
        let number = self.number.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let id = format!("{}.{number}", self.origin);
        let deadline = Instant::now() + REGISTRY_MAX;
        Ok(timeout_at(deadline, self.write(&id, &bytes, last)).await.unwrap_or(Outcome::Unknown))
    }

    async fn write(&self, id: &str, bytes: &Bytes, last: u64) -> Outcome {
        let mut mailbox = self.brokers.mailbox();
        let mut backoff = Backoff::new();
        let expected = Expected::OfStream(last);
        let draft = Draft { stream: &self.stream, subject: &self.subject, id, expected, is_deletion: false };
        loop {
            if let Ok(sequence) = publish(&mut mailbox, &draft, bytes.clone()).await {
                return Outcome::Written(sequence);
            }
            // A change that was refused may be stored all the same, by an earlier try.
            loop {
                match self.look(&mut mailbox, id, last).await {
                    Ok(Some(outcome)) => return outcome,
                    Ok(None) => break,
                    Err(_) => backoff.wait().await,
                }
            }
            backoff.wait().await;
        }
    }

    /// What is stored in the change's place. None: nothing yet.
    async fn look(&self, mailbox: &mut Mailbox, id: &str, last: u64) -> Result<Option<Outcome>, Trouble> {
        let place = last.saturating_add(1);
        if let Some(found) = message(mailbox, &self.stream, &MessageQuery::Seq(place)).await? {
            let is_ours = found.id.as_deref() == Some(id);
            return Ok(Some(if is_ours { Outcome::Written(found.sequence) } else { Outcome::Overtaken }));
        }
        // A message that was there and is too old by now: whose it was is not known.
        let is_past = bounds(mailbox, &self.stream).await?.first_seq > place;
        Ok(is_past.then_some(Outcome::Unknown))
    }
}
