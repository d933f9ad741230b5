//! The messages of one hub to one stream: each is stored once, and in order.
//!
//! One message is in flight. It is sent on the condition that the message before it is the last one of this hub in the
//! stream. So it can be sent again when its answer was lost: either the first one was stored, and the second is
//! refused, or the other way round. What became of it is read from the stream before anything else is sent, and until
//! that is known nothing else is.
//!
//! The message before it must be the one that was stored last. If the brokers lost that one, a publisher that went on
//! from an older message would put new messages into the lost places, and followers that have passed these would never
//! see them. So it ends, and the hub with it.

use bytes::Bytes;
use tokio::time::Instant;

use crate::api::MessageQuery;
use crate::backoff::Backoff;
use crate::brokers::Brokers;
use crate::error::{PublishError, Trouble, shown};
use crate::limits::{MESSAGE_BYTES_MAX, QUIET_MAX, REWOUND_MIN};
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
    /// A message that is begun from now on gets a higher sequence than this, if it is stored.
    floor: u64,
    /// The sequence of this boot's last message that was stored, 0 before the first. From the first one on no other
    /// process may have written under the hub's id.
    confirmed: u64,
    /// When `last` was known to be true.
    known_at: Instant,
    begun: Option<Begun>,
}

/// A message on its way. Nothing else is sent before its fate is known.
struct Begun {
    id: String,
    bytes: Bytes,
    tries: u32,
    /// It gets a higher sequence than this, if it is stored.
    floor: u64,
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
            confirmed: 0,
            known_at: Instant::now(),
            begun: None,
        }
    }

    /// What is begun from now on is stored after that sequence, because the stream was seen to have it. If it is not,
    /// the brokers lost messages.
    pub fn after(&mut self, sequence: u64) {
        self.floor = self.floor.max(sequence);
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
        let id = format!("{}.{}", self.origin, self.number);
        self.begun = Some(Begun { id, bytes, tries: 0, floor: self.floor });
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
        let mut lost_since: Option<Instant> = None;
        if self.known_at.elapsed() > QUIET_MAX {
            self.last = None;
        }
        loop {
            let result = match self.last {
                Some(last) => self.send(last).await.map(Some),
                None => match self.look().await {
                    Ok(found) => {
                        lost_since = None;
                        Ok(found)
                    }
                    Err(Look::Failed(trouble)) => {
                        // Who did not answer may be the new leader, which has to be asked for as long again.
                        lost_since = None;
                        Err(trouble)
                    }
                    Err(Look::Lost(error)) => {
                        // A new leader may be behind for a moment.
                        if lost_since.get_or_insert_with(Instant::now).elapsed() >= REWOUND_MIN {
                            return Err(error);
                        }
                        Err(Trouble::Other(error.to_string()))
                    }
                    Err(Look::Ended(error)) => return Err(error),
                },
            };
            match result {
                Ok(Some(sequence)) => return self.stored(sequence),
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
        let Some(begun) = &mut self.begun else { return Ok(None) };
        if begun.tries == 0 {
            // Before the first try, so that the message can only be stored after it.
            let bounds = bounds(&mut self.mailbox, &self.stream).await.map_err(Look::Failed)?;
            begun.floor = begun.floor.max(bounds.last_seq);
        }
        let (own_id, tries, floor) = (begun.id.clone(), begun.tries, begun.floor);
        let query = MessageQuery::LastBySubj(self.subject.clone());
        let found = message(&mut self.mailbox, &self.stream, &query).await.map_err(Look::Failed)?;
        let last = match found {
            Some(found) if found.id.as_deref() == Some(own_id.as_str()) => return Ok(Some(found.sequence)),
            Some(found) if found.sequence < self.confirmed => return Err(self.lost(found.sequence)),
            Some(found) => {
                let id = found.id.unwrap_or_default();
                if self.confirmed > 0 && !self.is_ours(&id) {
                    let found = shown(&id);
                    return Err(Look::Ended(PublishError::Overwritten { subject: self.subject.clone(), found }));
                }
                found.sequence
            }
            None => {
                let first = bounds(&mut self.mailbox, &self.stream).await.map_err(Look::Failed)?.first_seq;
                // What was cut off at the stream's beginning was not lost.
                if self.confirmed > 0 && first <= self.confirmed {
                    return Err(self.lost(0));
                }
                if tries > 0 && first > floor.saturating_add(1) {
                    let (stream, number) = (self.stream.clone(), self.number);
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

    /// The brokers had confirmed a message that is not there: the hub's last one is at `found`.
    fn lost(&self, found: u64) -> Look {
        // The message before the one that is begun.
        let number = self.number.saturating_sub(1);
        Look::Lost(PublishError::Lost { stream: self.stream.clone(), number, confirmed: self.confirmed, found })
    }

    fn stored(&mut self, sequence: u64) -> Result<Written, PublishError> {
        let (tries, floor) = self.begun.take().map_or((0, 0), |begun| (begun.tries, begun.floor));
        if sequence <= floor {
            let (stream, number) = (self.stream.clone(), self.number);
            return Err(PublishError::Refilled { stream, number, sequence, floor });
        }
        self.last = Some(sequence);
        self.floor = self.floor.max(sequence);
        self.confirmed = sequence;
        self.known_at = Instant::now();
        Ok(Written { sequence, number: self.number, tries })
    }
}

/// Why a look found nothing.
enum Look {
    Failed(Trouble),
    /// What the brokers had confirmed is not there. That is believed when it stays so.
    Lost(PublishError),
    Ended(PublishError),
}
