//! One stream, read in order.
//!
//! A follower asks for a bounded number of messages and bytes (a pull consumer that is in the brokers' memory and needs
//! no acknowledgements), hands over one message after another, and asks for more when all of them were taken. So it has
//! at most one such portion in memory, and a slow receiver slows only its own reading. The brokers send new messages of
//! an open request at once. Direct gets would be simpler, but must be repeated every few milliseconds to be as fast.
//! The client's ordered consumer asks again when half of a portion is left, so it may have more than one in memory.
//!
//! The position is the hub's own. A consumer is only a place to read from, so it is made again after any trouble, at
//! the message that comes next.
//!
//! Brokers that lose the end of a stream have to be restarted for that, or lead it from another place. Then the
//! consumer ends, and before the next one it is looked whether the stream is still the same: it is not shorter, was not
//! created again, and has the message that was taken last in its place.

use std::future::Future;
use std::ops::ControlFlow;

use async_nats::{Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::api::{ConsumerConfig, ConsumerInfo, ConsumerRequest, MessageQuery, PullRequest};
use crate::backoff::Backoff;
use crate::brokers::Brokers;
use crate::error::{FollowError, Trouble, shown};
use crate::limits::{CONSUMER_KEPT, HEARTBEAT, PULL_BYTES_MAX, PULL_MAX, PULL_MESSAGES_MAX, REWOUND_MIN, SILENCE_MAX};
use crate::mailbox::Mailbox;
use crate::names::{HubId, Names, StreamOf};
use crate::stored::{led_stream, message};

/// A message of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The stream.
    pub of: StreamOf,
    /// Its sequence: one more than that of the message before.
    pub sequence: u64,
    /// The hub that wrote it; none if the subject does not name one, which is nothing that a hub does.
    pub hub: Option<HubId>,
    /// What it holds.
    pub bytes: Bytes,
    /// When the brokers stored it, in Unix milliseconds of the leader's clock.
    pub stored_ms: i64,
}

/// Takes the messages of a stream.
pub trait Apply: Send {
    /// Takes the next message, and may take its time: nothing more is read until it is done. `Break` ends the follower,
    /// with the message counted as taken.
    fn apply(&mut self, delivery: Delivery) -> impl Future<Output = ControlFlow<()>> + Send;
}

/// How far a follower is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The sequence of the last message that was taken.
    pub applied: u64,
    /// The sequence of the stream's last message, as far as it is known.
    pub last: u64,
    /// When a broker last said how far the stream is. None: not yet.
    pub heard: Option<Instant>,
}

impl Progress {
    /// Messages that were not taken yet.
    pub fn lag(&self) -> u64 {
        self.last.saturating_sub(self.applied)
    }
}

/// Reads one stream.
pub struct Follower {
    brokers: Brokers,
    names: Names,
    of: StreamOf,
    stream: String,
    /// The message that comes next.
    next: u64,
    /// The id of the message that was taken last.
    taken_id: Option<String>,
    /// When the stream was created, as the brokers say it.
    created: Option<Created>,
    /// Since when the stream ends before the position.
    rewound: Option<Instant>,
    /// Since when the stream was created at another time.
    recreated: Option<Instant>,
    /// A message after a hole, which the last consumer began with.
    beyond: Option<u64>,
    progress: watch::Sender<Progress>,
}

impl Follower {
    /// One that begins after the message with the sequence `applied`; 0 for the beginning of the stream.
    pub fn new(brokers: &Brokers, names: &Names, of: StreamOf, applied: u64) -> (Self, watch::Receiver<Progress>) {
        let (progress, watch) = watch::channel(Progress { applied, last: applied, heard: None });
        let follower = Self {
            brokers: brokers.clone(),
            names: names.clone(),
            of,
            stream: names.stream(of),
            next: applied.saturating_add(1),
            taken_id: None,
            created: None,
            rewound: None,
            recreated: None,
            beyond: None,
            progress,
        };
        (follower, watch)
    }

    /// Reads until `apply` says `Break`. Whatever may pass is tried again, for as long as it takes.
    ///
    /// # Errors
    /// Only what will not pass.
    pub async fn run(mut self, mut apply: impl Apply) -> Result<(), FollowError> {
        let mut backoff = Backoff::new();
        loop {
            let before = self.next;
            match self.read(&mut apply).await {
                Ok(()) => return Ok(()),
                Err(Read::Ended(error)) => return Err(error),
                Err(Read::Failed(trouble)) => {
                    if matches!(trouble, Trouble::NotConnected | Trouble::NoAnswer(_) | Trouble::NoResponders) {
                        // Who did not answer may be the new leader, which has to be asked for as long again.
                        (self.rewound, self.recreated) = (None, None);
                    }
                    if self.next > before {
                        backoff.succeeded();
                    }
                    if backoff.is_to_be_told() {
                        tracing::warn!("the stream {} is read again from {}: {trouble}", self.stream, self.next);
                    }
                }
            }
            backoff.wait().await;
        }
    }

    /// Reads with one consumer, until there is trouble or `apply` wants no more.
    async fn read(&mut self, apply: &mut impl Apply) -> Result<(), Read> {
        let mut mailbox = self.brokers.mailbox();
        self.check_position(&mut mailbox).await?;
        self.check_taken(&mut mailbox).await?;
        let consumer = self.consumer(&mut mailbox).await?;
        let client = self.brokers.client().clone();
        let inbox = client.new_inbox();
        let subscribed = client.subscribe(format!("{inbox}.*")).await;
        let mut messages = subscribed.map_err(|error| Read::other(error.to_string()))?;
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{consumer}", self.stream);
        let request = PullRequest {
            batch: PULL_MESSAGES_MAX,
            max_bytes: PULL_BYTES_MAX,
            expires: nanoseconds(PULL_MAX),
            idle_heartbeat: nanoseconds(HEARTBEAT),
        };
        let request = serde_json::to_vec(&request).map_err(|error| Read::other(error.to_string()))?;
        let request = Bytes::from(request);
        let mut number: u64 = 0;
        loop {
            number = number.wrapping_add(1);
            let reply = format!("{inbox}.{number}");
            let sent = client.publish_with_reply(subject.clone(), reply.clone(), request.clone()).await;
            sent.map_err(|error| Read::other(error.to_string()))?;
            if self.take_portion(&mut mailbox, &mut messages, &reply, apply).await?.is_break() {
                return Ok(());
            }
        }
    }

    /// Hands over the messages of one request.
    async fn take_portion(
        &mut self,
        mailbox: &mut Mailbox,
        messages: &mut Subscriber,
        reply: &str,
        apply: &mut impl Apply,
    ) -> Result<ControlFlow<()>, Read> {
        let mut left = PULL_MESSAGES_MAX;
        while left > 0 {
            let message = match timeout(SILENCE_MAX, messages.next()).await {
                Ok(Some(message)) => message,
                Ok(None) => return Err(Read::Failed(Trouble::NotConnected)),
                Err(_) => return Err(Read::Failed(Trouble::NoAnswer(SILENCE_MAX))),
            };
            match message.status {
                None | Some(StatusCode::OK) => {
                    left = left.saturating_sub(1);
                    if self.take(message, apply).await?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                // The broker that says so may be cut off from the others. Only the stream's leader knows that nothing came.
                Some(StatusCode::IDLE_HEARTBEAT) => self.check_position(mailbox).await?,
                // An earlier request ends after its last message.
                Some(_) if message.subject.as_str() != reply => {}
                Some(status) if is_end(status, message.description.as_deref()) => break,
                Some(StatusCode::NO_RESPONDERS) => return Err(Read::Failed(Trouble::NoResponders)),
                Some(status) => {
                    let reason = message.description.as_deref().unwrap_or_default();
                    return Err(Read::other(format!("the brokers said: {status} {}", shown(reason))));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Hands over one message, if it is the next one.
    async fn take(&mut self, message: Message, apply: &mut impl Apply) -> Result<ControlFlow<()>, Read> {
        let place = message.reply.as_ref().and_then(|reply| Place::read(reply.as_str()));
        let Some(place) = place else {
            return Err(Read::other("a message without a sequence came".to_owned()));
        };
        if place.sequence < self.next {
            return Ok(ControlFlow::Continue(()));
        }
        if place.sequence > self.next {
            // A message may have been lost between a broker and this hub. Then it comes with the next consumer.
            if self.beyond == Some(place.sequence) {
                let (stream, missing, found) = (self.stream.clone(), self.next, place.sequence);
                return Err(Read::Ended(FollowError::Hole { stream, missing, found }));
            }
            self.beyond = Some(place.sequence);
            return Err(Read::other(format!("message {} came in the place of {}", place.sequence, self.next)));
        }
        self.beyond = None;
        self.heard(place.sequence.saturating_add(place.pending));
        let id = message.headers.as_ref().and_then(|headers| headers.get("Nats-Msg-Id"));
        let id = id.map(|id| id.as_str().to_owned());
        let delivery = Delivery {
            of: self.of,
            sequence: place.sequence,
            hub: self.names.hub_of(self.of, message.subject.as_str()),
            bytes: message.payload,
            stored_ms: place.stored_ms,
        };
        let flow = apply.apply(delivery).await;
        self.taken_id = id;
        self.next = place.sequence.saturating_add(1);
        self.progress.send_modify(|progress| progress.applied = place.sequence);
        Ok(flow)
    }

    /// Whether the stream has the message that comes next, or will have it.
    async fn check_position(&mut self, mailbox: &mut Mailbox) -> Result<(), Read> {
        let info = led_stream(mailbox, &self.stream).await.map_err(Read::Failed)?;
        self.check_created(&info.created)?;
        let (bounds, applied) = (info.state, self.next.saturating_sub(1));
        if bounds.first_seq > self.next {
            let (stream, first) = (self.stream.clone(), bounds.first_seq);
            return Err(Read::Ended(FollowError::Behind { stream, first, applied }));
        }
        if bounds.last_seq < applied {
            let (stream, last) = (self.stream.clone(), bounds.last_seq);
            return Err(Read::believed(&mut self.rewound, FollowError::Rewound { stream, last, applied }));
        }
        self.rewound = None;
        self.heard(bounds.last_seq);
        Ok(())
    }

    /// Whether the stream is the one that was found first.
    fn check_created(&mut self, at: &str) -> Result<(), Read> {
        match &mut self.created {
            Some(created) if created.at == at => {
                created.is_certain = true;
                self.recreated = None;
                Ok(())
            }
            Some(created) if created.is_certain => {
                let (stream, found, followed) = (self.stream.clone(), shown(at), shown(&created.at));
                let error = FollowError::Recreated { stream, found, followed };
                Err(Read::believed(&mut self.recreated, error))
            }
            _ => {
                self.created = Some(Created { at: at.to_owned(), is_certain: false });
                Ok(())
            }
        }
    }

    /// Whether the message that was taken last is still in its place. If the brokers lost the end of the stream, others
    /// may be there by now, and the stream is as long as before.
    async fn check_taken(&self, mailbox: &mut Mailbox) -> Result<(), Read> {
        let Some(taken) = &self.taken_id else { return Ok(()) };
        let sequence = self.next.saturating_sub(1);
        let found = message(mailbox, &self.stream, &MessageQuery::Seq(sequence)).await.map_err(Read::Failed)?;
        match found {
            Some(found) if found.id.as_ref() != Some(taken) => {
                let (applied, found) = (shown(taken), shown(&found.id.unwrap_or_default()));
                Err(Read::Ended(FollowError::Replaced { stream: self.stream.clone(), sequence, applied, found }))
            }
            // One that is not there was cut off at the stream's beginning.
            Some(_) | None => Ok(()),
        }
    }

    /// A place at the brokers from which the stream is read, beginning with the next message.
    async fn consumer(&self, mailbox: &mut Mailbox) -> Result<String, Read> {
        let request = ConsumerRequest {
            stream_name: self.stream.clone(),
            config: ConsumerConfig {
                deliver_policy: "by_start_sequence",
                opt_start_seq: self.next,
                ack_policy: "none",
                replay_policy: "instant",
                mem_storage: true,
                num_replicas: 1,
                inactive_threshold: nanoseconds(CONSUMER_KEPT),
            },
        };
        let made = mailbox.api::<ConsumerInfo>(&format!("CONSUMER.CREATE.{}", self.stream), &request).await;
        let name = made.map_err(Read::Failed)?.name;
        // It becomes part of a subject.
        if !name.is_empty() && name.bytes().all(|one| one.is_ascii_alphanumeric() || one == b'-' || one == b'_') {
            return Ok(name);
        }
        Err(Read::other(format!("the brokers made a consumer {:?}", shown(&name))))
    }

    fn heard(&self, last: u64) {
        self.progress.send_modify(|progress| {
            progress.last = progress.last.max(last);
            progress.heard = Some(Instant::now());
        });
    }
}

/// When a stream was created.
struct Created {
    at: String,
    /// Whether the brokers said it twice. A copy that is just being made may say when that was.
    is_certain: bool,
}

/// Why reading stopped.
enum Read {
    Failed(Trouble),
    Ended(FollowError),
}

impl Read {
    fn other(reason: String) -> Self {
        Self::Failed(Trouble::Other(reason))
    }

    /// An error that is believed when it stays for a while: a new leader may be behind for a moment. Until then nothing
    /// more is read.
    fn believed(since: &mut Option<Instant>, error: FollowError) -> Self {
        if since.get_or_insert_with(Instant::now).elapsed() >= REWOUND_MIN {
            return Self::Ended(error);
        }
        Self::other(error.to_string())
    }
}

/// Whether a status says that a request for messages has come to its end, as it does all the time.
fn is_end(status: StatusCode, description: Option<&str>) -> bool {
    match status {
        StatusCode::TIMEOUT | StatusCode::NOT_FOUND => true,
        StatusCode::REQUEST_TERMINATED => {
            description.is_some_and(|text| text.contains("Batch Completed") || text.contains("Exceeds MaxBytes"))
        }
        _ => false,
    }
}

/// Where a message is in its stream, as the reply subject of a delivery says.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    sequence: u64,
    stored_ms: i64,
    /// Messages after it.
    pending: u64,
}

impl Place {
    /// Reads `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<consumer sequence>.<nanoseconds>.<pending>`. A newer
    /// form has a domain and an account in front of the stream, and may have more parts at its end.
    fn read(reply: &str) -> Option<Self> {
        let parts: Vec<&str> = reply.strip_prefix("$JS.ACK.")?.split('.').take(16).collect();
        let skipped = match parts.len() {
            7 => 0,
            9.. => 2,
            _ => return None,
        };
        let number = |index: usize| parts.get(skipped + index)?.parse::<u64>().ok();
        let stored_ms = i64::try_from(number(5)? / 1_000_000).ok()?;
        Some(Self { sequence: number(3)?, stored_ms, pending: number(6)? })
    }
}

fn nanoseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_message_is_read_in_both_forms() {
        let place = Place { sequence: 3, stored_ms: 1_795_763_583_143, pending: 4 };
        for reply in [
            "$JS.ACK.WF_x_00.Bch2cwgo.1.3.2.1795763583143672476.4",
            "$JS.ACK._.ACCHASH.WF_x_00.Bch2cwgo.1.3.2.1795763583143672476.4",
            "$JS.ACK.hub.ACCHASH.WF_x_00.Bch2cwgo.1.3.2.1795763583143672476.4.token",
        ] {
            assert_eq!(Place::read(reply).as_ref(), Some(&place), "{reply}");
        }
        for reply in [
            "",
            "_INBOX.a.1",
            "$JS.ACK.WF_x_00.Bch2cwgo.1.3.2.1795763583143672476",
            "$JS.ACK.WF_x_00.Bch2cwgo.1.-3.2.1795763583143672476.4",
            "$JS.ACK.WF_x_00.Bch2cwgo.1.3.2.99999999999999999999999.4",
            "$JS.ACK.a.WF_x_00.Bch2cwgo.1.3.2.1.4",
        ] {
            assert_eq!(Place::read(reply), None, "{reply}");
        }
    }

    #[test]
    fn the_end_of_a_request_is_told_from_trouble() {
        for (status, description, expected) in [
            (StatusCode::TIMEOUT, Some("Request Timeout"), true),
            (StatusCode::NOT_FOUND, Some("No Messages"), true),
            (StatusCode::REQUEST_TERMINATED, Some("Batch Completed"), true),
            (StatusCode::REQUEST_TERMINATED, Some("Message Size Exceeds MaxBytes"), true),
            (StatusCode::REQUEST_TERMINATED, Some("Consumer Deleted"), false),
            (StatusCode::REQUEST_TERMINATED, Some("Leadership Change"), false),
            (StatusCode::REQUEST_TERMINATED, None, false),
            (StatusCode::NO_RESPONDERS, None, false),
        ] {
            assert_eq!(is_end(status, description), expected, "{status} {description:?}");
        }
    }

    #[test]
    fn lag_is_what_was_not_taken() {
        let progress = Progress { applied: 7, last: 10, heard: None };
        assert_eq!(progress.lag(), 3);
        assert_eq!(Progress { applied: 11, ..progress }.lag(), 0);
    }
}
