//! The messages of one hub to one stream: each is stored once, and in order.
//!
//! One message is in flight. It is sent on the condition that the message before it is the last one of this hub in the
//! stream. So it can be sent again when its answer was lost: either the first one was stored, and the second is
//! refused, or the other way round. What became of it is read from the stream before anything else is sent, and until
//! that is known nothing else is.

use bytes::Bytes;
use tokio::time::Instant;

use crate::api::MessageQuery;
use crate::backoff::Backoff;
use crate::brokers::Brokers;
use crate::error::{PublishError, Trouble, shown};
use crate::limits::{MESSAGE_BYTES_MAX, QUIET_MAX};
use crate::mailbox::Mailbox;
use crate::names::{BootId, HubId, Names, StreamOf};
use crate::stored::{Draft, Expected, bounds, message, publish};

/// A message that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Its sequence in the stream.
    pub sequence: u64,
    /// The number that the publisher gave it: 1 for the first message of a boot.
    pub number: u64,
    /// How often it was sent.
    pub tries: u32,
}

/// Publishes the messages of one hub to one stream.
pub struct Publisher {
    mailbox: Mailbox,
    stream: String,
    subject: String,
    /// What the ids of this boot's messages begin with.
    origin: String,
    /// Of the last message that was begun.
    number: u64,
    /// The sequence of this hub's last message in the stream, 0 if there is none; none if it must be read.
    last: Option<u64>,
    /// A message that is begun, and not stored by now, gets a higher sequence than this, if it is stored.
    floor: u64,
    /// Whether a message of this boot was stored. From then on no other process may have written under the hub's id.
    is_alone: bool,
    /// When `last` was known to be true.
    known_at: Instant,
    begun: Option<Begun>,
}

/// A message on its way. Nothing else is sent before its fate is known.
struct Begun {
    id: String,
    bytes: Bytes,
    tries: u32,
}

impl Publisher {
    /// A publisher for one run of a hub. There must be one for each stream.
    pub fn new(brokers: &Brokers, names: &Names, of: StreamOf, hub: &HubId, boot: BootId) -> Self {
        Self {
            mailbox: brokers.mailbox(),
            stream: names.stream(of),
            subject: names.subject(of, hub),
            origin: format!("{hub}.{boot}"),
            number: 0,
            last: None,
            floor: 0,
            is_alone: false,
            known_at: Instant::now(),
            begun: None,
        }
    }

    /// Stores a message, and returns when it is stored. It is tried again for as long as it takes.
    ///
    /// Once it was called, the message is stored sooner or later: when the caller stops waiting, the next call stores
    /// that message first.
    ///
    /// # Errors
    /// Only what will not pass. Nothing can be published after that.
    pub async fn publish(&mut self, bytes: Bytes) -> Result<Written, PublishError> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(PublishError::TooLarge { bytes: bytes.len() });
        }
        self.settle().await?;
        self.number = self.number.saturating_add(1);
        self.begun = Some(Begun { id: format!("{}.{}", self.origin, self.number), bytes, tries: 0 });
        self.finish().await
    }

    /// Stores the message that an earlier call of [`publish`](Self::publish) did not wait for, if there is one.
    ///
    /// # Errors
    /// As for `publish`.
    pub async fn settle(&mut self) -> Result<Option<Written>, PublishError> {
        if self.begun.is_none() {
            return Ok(None);
        }
        // What became of it in the meantime is not known.
        self.last = None;
        self.finish().await.map(Some)
    }

    /// Brings the message that is begun to its end.
    async fn finish(&mut self) -> Result<Written, PublishError> {
        let mut backoff = Backoff::new();
        if self.known_at.elapsed() > QUIET_MAX {
            self.last = None;
        }
        loop {
            let result = match self.last {
                Some(last) => self.send(last).await.map(Some),
                None => match self.look().await {
                    Ok(found) => Ok(found),
                    Err(Look::Failed(trouble)) => Err(trouble),
                    Err(Look::Ended(error)) => return Err(error),
                },
            };
            match result {
                Ok(Some(sequence)) => return Ok(self.stored(sequence)),
                Ok(None) => {}
                Err(trouble) => {
                    self.last = None;
                    if backoff.is_to_be_told() {
                        tracing::warn!("message {} to {} is sent again: {trouble}", self.number, self.stream);
                    }
                    backoff.wait().await;
                }
            }
        }
    }

    /// Sends the message once.
    async fn send(&mut self, last: u64) -> Result<u64, Trouble> {
        // Whoever stops waiting here leaves a message whose fate is not known.
        self.last = None;
        let Some(begun) = &mut self.begun else { return Err(Trouble::Other("there is no message".to_owned())) };
        begun.tries = begun.tries.saturating_add(1);
        let draft = Draft {
            stream: &self.stream,
            subject: &self.subject,
            id: &begun.id,
            expected: Expected::OfSubject(last),
            is_deletion: false,
        };
        publish(&mut self.mailbox, &draft, begun.bytes.clone()).await
    }

    /// Reads this hub's last message in the stream: it is the one that is begun, which is then stored, or the one that
    /// comes before that.
    async fn look(&mut self) -> Result<Option<u64>, Look> {
        let Some(begun) = &self.begun else { return Ok(None) };
        if begun.tries == 0 {
            // Before the first try, so that the message can only be stored after it.
            let bounds = bounds(&mut self.mailbox, &self.stream).await.map_err(Look::Failed)?;
            self.floor = self.floor.max(bounds.last_seq);
        }
        let query = MessageQuery::LastBySubj(self.subject.clone());
        let found = message(&mut self.mailbox, &self.stream, &query).await.map_err(Look::Failed)?;
        let last = match found {
            Some(found) if found.id.as_deref() == Some(begun.id.as_str()) => return Ok(Some(found.sequence)),
            Some(found) => {
                let id = found.id.unwrap_or_default();
                if self.is_alone && !self.is_ours(&id) {
                    let found = shown(&id);
                    return Err(Look::Ended(PublishError::Overwritten { subject: self.subject.clone(), found }));
                }
                found.sequence
            }
            None => {
                let first = bounds(&mut self.mailbox, &self.stream).await.map_err(Look::Failed)?.first_seq;
                if begun.tries > 0 && first > self.floor.saturating_add(1) {
                    let (stream, number, floor) = (self.stream.clone(), self.number, self.floor);
                    return Err(Look::Ended(PublishError::FateUnknown { stream, number, first, floor }));
                }
                0
            }
        };
        self.last = Some(last);
        Ok(None)
    }

    /// Whether a message has an id that this boot gave.
    fn is_ours(&self, id: &str) -> bool {
        id.strip_prefix(&self.origin).is_some_and(|rest| rest.starts_with('.'))
    }

    fn stored(&mut self, sequence: u64) -> Written {
        self.last = Some(sequence);
        self.floor = self.floor.max(sequence);
        self.is_alone = true;
        self.known_at = Instant::now();
        let tries = self.begun.take().map_or(0, |begun| begun.tries);
        Written { sequence, number: self.number, tries }
    }
}

/// Why a look found nothing.
enum Look {
    Failed(Trouble),
    Ended(PublishError),
}
