//! What one hub publishes in one partition: one message at a time, and again until the stream is known to have it.

use std::sync::Arc;

use windfire_engine::{Engine, Outcome};

use super::stream::{Answer, MessageId, Stream};

/// Ticks after which an answer is no longer waited for.
const PATIENCE: u64 = 12;

/// One hub's publisher of one partition.
#[derive(Debug, Default)]
pub(crate) struct Publisher {
    waiting: Option<Waiting>,
    /// What was sent last.
    sent: Option<MessageId>,
    /// Where the subject's last message is, as far as the hub knows.
    last: Option<u64>,
    /// On their way to the stream. They arrive though the hub has died.
    requests: Vec<Request>,
    /// On their way back, with the tick in which they arrive.
    answers: Vec<(u64, MessageId, Answer)>,
}

#[derive(Debug)]
struct Waiting {
    id: MessageId,
    since: u64,
}

#[derive(Debug)]
struct Request {
    id: MessageId,
    expected_last: u64,
    bytes: Arc<[u8]>,
    arrives: u64,
}

/// One moment of a network between hub and brokers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) tick: u64,
    pub(crate) now_ms: i64,
    /// Ticks for which something that is said now is on its way.
    pub(crate) delay: u64,
    /// Answers get lost.
    pub(crate) is_lossy: bool,
}

/// What happened, for the counts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Published {
    pub(crate) sent: u64,
    pub(crate) repeated: u64,
    pub(crate) lost: u64,
    pub(crate) refused: u64,
    /// Messages that the hub found in the stream, after their answer was lost.
    pub(crate) found: u64,
}

impl Publisher {
    /// The hub has died: what is on its way stays on its way, and the answers have nobody to go to.
    pub(crate) fn die(&mut self) {
        (self.waiting, self.last) = (None, None);
        self.answers.clear();
    }

    /// Requests reach the stream.
    pub(crate) fn land(&mut self, stream: &mut Stream, moment: Moment, counts: &mut Published) {
        let requests = std::mem::take(&mut self.requests).into_iter();
        let (due, later): (Vec<Request>, Vec<Request>) = requests.partition(|of| of.arrives <= moment.tick);
        self.requests = later;
        for Request { id, expected_last, bytes, .. } in due {
            match stream.publish(id, expected_last, &bytes, moment.now_ms) {
                Some(answer) if !moment.is_lossy => self.answers.push((moment.tick + moment.delay, id, answer)),
                Some(_) | None => counts.lost += 1,
            }
        }
    }

    /// The hub hears answers, gives up on those that do not come, finds out what became of its message, and publishes.
    pub(crate) fn speak(
        &mut self,
        engine: &Engine,
        partition: usize,
        own: (u32, u64),
        stream: &Stream,
        moment: Moment,
        counts: &mut Published,
    ) {
        self.hear(engine, partition, moment.tick, counts);
        if self.waiting.as_ref().is_some_and(|waiting| moment.tick > waiting.since + PATIENCE) {
            // It may be in the stream, or on its way.
            self.forget(engine, partition);
        }
        let Some(message) = engine.next_message(partition) else { return };
        let id = MessageId { hub_id: own.0, boot_id: own.1, number: message.number };
        let waits_for = self.waiting.as_ref().map(|waiting| waiting.id);
        if waits_for == Some(id) {
            return;
        }
        if waits_for.is_some() {
            // The hub's follower has passed that one before its answer came.
            self.forget(engine, partition);
        }
        let expected_last = match self.last {
            Some(last) => last,
            None => {
                let Some(last) = stream.last_of(own.0) else { return };
                let (position, last_id) = last.map_or((0, None), |(position, id)| (position, Some(id)));
                self.last = Some(position);
                if last_id == Some(id) {
                    counts.found += 1;
                    engine.settled(partition, id.number, Outcome::Stored);
                    return;
                }
                position
            }
        };
        counts.sent += 1;
        counts.repeated += u64::from(self.sent.replace(id) == Some(id));
        let arrives = moment.tick + moment.delay;
        self.requests.push(Request { id, expected_last, bytes: message.bytes, arrives });
        self.waiting = Some(Waiting { id, since: moment.tick });
    }

    fn hear(&mut self, engine: &Engine, partition: usize, tick: u64, counts: &mut Published) {
        let answers = std::mem::take(&mut self.answers).into_iter();
        let (due, later): (Vec<_>, Vec<_>) = answers.partition(|(arrives, ..)| *arrives <= tick);
        self.answers = later;
        for (_, id, answer) in due {
            if self.waiting.as_ref().is_none_or(|waiting| waiting.id != id) {
                // Of an earlier attempt: what became of that message is known by now.
                continue;
            }
            match answer {
                Answer::Stored(position) => {
                    engine.settled(partition, id.number, Outcome::Stored);
                    (self.waiting, self.last) = (None, Some(position));
                }
                Answer::WrongLast => {
                    counts.refused += 1;
                    self.forget(engine, partition);
                }
            }
        }
    }

    /// Nothing is known of the message on its way, nor of the subject.
    fn forget(&mut self, engine: &Engine, partition: usize) {
        if let Some(waiting) = self.waiting.take() {
            engine.settled(partition, waiting.id.number, Outcome::Unknown);
        }
        self.last = None;
    }
}
