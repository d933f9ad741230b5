//! Decides what a connection sends next and how it handles the hub's frames: frames in, frames out, without a socket or
//! a clock.

use windfire_wire::limits::FRAME_BODY_BYTES_MAX;
use windfire_wire::{Down, HelloClock, ReportChain, Reports, Up, Welcome, WireError};

use super::error::{LinkError, no_numbers};
use crate::clock::Told;
use crate::outbox::{Outbox, Pending};

/// Bytes of a frame kept free for all but the reports.
const FRAME_HEAD_BYTES: usize = 32;

/// The frames that go up on one connection. They go in turns: ready frames are sent, then the link waits for more.
pub struct Outgoing {
    chain: ReportChain,
    told: Told,
    /// Whether the hub is asked to acknowledge every frame.
    ack_each_frame: bool,
    /// Whether this is the first turn. The reports that waited for this connection are a backlog, even a single one:
    /// nothing may come after it for long.
    is_first_turn: bool,
    is_stopping: bool,
    /// Whether reports were sent in this turn.
    has_sent: bool,
}

impl Outgoing {
    /// The frames after a welcome. `told` is the clock in `Hello`.
    pub fn new(told: Told, ack_each_frame: bool) -> Self {
        let chain = ReportChain::new();
        Self { chain, told, ack_each_frame, is_first_turn: true, is_stopping: false, has_sent: false }
    }

    /// Begins a turn. Returns whether reports are sent in it, with `unsent` of them and `frame_samples` per frame.
    pub fn begin_turn(&mut self, is_stopping: bool, unsent: u64, frame_samples: u64) -> bool {
        (self.is_stopping, self.has_sent) = (is_stopping, false);
        is_stopping || self.is_first_turn || unsent >= frame_samples
    }

    /// One frame with as many of `pending` as it holds. The outbox counts them as sent.
    ///
    /// # Errors
    /// A report cannot be encoded.
    pub fn pack(&mut self, outbox: &mut Outbox, pending: &Pending, frame_samples: u64) -> Result<Reports, WireError> {
        let mut reports = Vec::with_capacity(pending.reports.len());
        let mut bytes = FRAME_HEAD_BYTES;
        for report in &pending.reports {
            let before = self.chain.clone();
            let delta = self.chain.shrink(report)?;
            bytes += delta.encoded_bytes_max();
            if bytes > FRAME_BODY_BYTES_MAX && !reports.is_empty() {
                self.chain = before;
                break;
            }
            reports.push(delta);
        }
        outbox.sent(pending, reports.len());
        self.has_sent = true;
        // A drained backlog, an outbox that needs room and a stop need their ack at once. Regular reports do not.
        let is_drained_backlog = reports.len() as u64 > frame_samples && !outbox.has_unsent();
        let is_urgent = self.is_stopping || self.is_first_turn || self.ack_each_frame;
        let ack_now = is_drained_backlog || outbox.is_half_full() || is_urgent;
        Ok(Reports { first_sequence: pending.first_sequence, ack_now, reports })
    }

    /// The clock, if the hub must get it before the frame that was just packed.
    pub fn clock_news(&mut self, now: HelloClock) -> Option<HelloClock> {
        self.told.news(now)
    }

    /// Ends a turn. Returns a frame without reports if an ack is needed and no frame of the turn asked for it.
    pub fn end_turn(&mut self, next_sequence: u64) -> Option<Up> {
        self.is_first_turn = false;
        let is_unasked = self.is_stopping && !self.has_sent;
        is_unasked.then(|| Up::Reports(Reports { first_sequence: next_sequence, ack_now: true, reports: Vec::new() }))
    }
}

/// The action of the link for a frame after the welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// Reports up to this sequence number are on the hub's disk.
    Ack(u64),
    /// So many samples make a frame from now on.
    Pace(u32),
}

/// The action of the link for `down`, after the welcome.
///
/// # Errors
/// The hub refuses, or sends a second welcome.
pub fn receive(hub: &str, down: Down) -> Result<Received, LinkError> {
    match down {
        Down::Ack { up_to } => Ok(Received::Ack(up_to)),
        Down::Pace { samples_per_frame } => Ok(Received::Pace(samples_per_frame)),
        Down::Refuse { reason, detail } => Err(LinkError::Refused { reason, detail }),
        Down::Welcome(_) => Err(unexpected(hub, "a second welcome")),
    }
}

/// The welcome, from the hub's first frame.
///
/// # Errors
/// The hub refuses, says something else first, or its frame is not sound.
pub fn receive_welcome(hub: &str, first: Result<Down, LinkError>) -> Result<Welcome, LinkError> {
    match first {
        Ok(Down::Welcome(welcome)) => Ok(welcome),
        Ok(Down::Refuse { reason, detail }) => Err(LinkError::Refused { reason, detail }),
        Ok(Down::Ack { .. } | Down::Pace { .. }) => Err(unexpected(hub, "something else came before the welcome")),
        Err(LinkError::Frame(error @ WireError::Numbers { .. })) => Err(no_numbers(hub, &error)),
        Err(error) => Err(error),
    }
}

fn unexpected(hub: &str, reason: &str) -> LinkError {
    LinkError::Connection { hub: hub.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use windfire_wire::limits::{REPORTS_PER_FRAME_MAX, TEMPERATURE_NAME_BYTES_MAX, TEMPERATURES_MAX};
    use windfire_wire::{RefuseReason, Report, Temperature, encode_up};

    use super::*;
    use crate::limits::MEMORY_REPORTS_MAX;

    const CLOCK: HelloClock = HelloClock { now_ms: 1_700_000_000_000, uptime_ms: 60_000 };

    fn outgoing() -> Outgoing {
        Outgoing::new(Told::new(CLOCK), false)
    }

    /// An outbox that was welcomed, with reports of these times.
    fn outbox(times: impl IntoIterator<Item = i64>) -> Outbox {
        let mut outbox = Outbox::in_memory(7);
        outbox.welcome(Welcome { server_id: 1, durable: 0, next: 1, report_interval_ms: 0 }).expect("welcome");
        push(&mut outbox, times);
        outbox
    }

    fn push(outbox: &mut Outbox, times: impl IntoIterator<Item = i64>) {
        times.into_iter().for_each(|time_ms| outbox.push(Report { time_ms, ..Report::default() }).expect("room"));
    }

    /// The frames of a turn: of each, the first sequence number, the reports, and whether it asks for an ack.
    fn turn(
        outgoing: &mut Outgoing,
        outbox: &mut Outbox,
        is_stopping: bool,
        frame_samples: u64,
    ) -> Vec<(u64, usize, bool)> {
        let mut frames = Vec::new();
        if outgoing.begin_turn(is_stopping, outbox.unsent(), frame_samples) {
            while let Some(pending) = outbox.next(REPORTS_PER_FRAME_MAX).expect("readable") {
                frames.push(outgoing.pack(outbox, &pending, frame_samples).expect("encodable"));
            }
        }
        if let Some(Up::Reports(question)) = outgoing.end_turn(outbox.next_sequence()) {
            frames.push(question);
        }
        frames.into_iter().map(|frame| (frame.first_sequence, frame.reports.len(), frame.ack_now)).collect()
    }

    #[test]
    fn the_first_turn_sends_what_waited_and_later_turns_gather() {
        let (mut outgoing, mut outbox) = (outgoing(), outbox(1..=2));
        assert_eq!(turn(&mut outgoing, &mut outbox, false, 10), [(1, 2, true)], "a backlog asks for its ack");
        push(&mut outbox, 3..=11);
        assert_eq!(turn(&mut outgoing, &mut outbox, false, 10), [], "nine are no frame of ten");
        push(&mut outbox, 12..=12);
        assert_eq!(turn(&mut outgoing, &mut outbox, false, 10), [(3, 10, false)], "a steady frame does not ask");
        assert_eq!(turn(&mut outgoing, &mut outbox, false, 10), []);
    }

    #[test]
    fn an_ack_is_asked_for_when_a_backlog_is_drained_or_room_is_short() {
        let (mut outgoing, mut outbox) = (outgoing(), outbox(1..=1));
        turn(&mut outgoing, &mut outbox, false, 1);
        push(&mut outbox, 2..=301);
        let max = REPORTS_PER_FRAME_MAX;
        let frames = turn(&mut outgoing, &mut outbox, false, 1);
        assert_eq!(frames, [(2, max, false), (2 + max as u64, 300 - max, true)], "the last frame of a backlog asks");
        let half = i64::try_from(MEMORY_REPORTS_MAX / 2).expect("small");
        push(&mut outbox, 302..=half);
        turn(&mut outgoing, &mut outbox, false, 1);
        push(&mut outbox, half + 1..=half + 1);
        assert_eq!(turn(&mut outgoing, &mut outbox, false, 1), [(half as u64 + 1, 1, true)]);
        let mut outgoing = Outgoing::new(Told::new(CLOCK), true);
        outbox.ack(half as u64);
        turn(&mut outgoing, &mut outbox, false, 1);
        push(&mut outbox, half + 2..=half + 2);
        assert_eq!(turn(&mut outgoing, &mut outbox, false, 1), [(half as u64 + 2, 1, true)], "asked of each frame");
    }

    #[test]
    fn a_stop_sends_everything_and_asks_even_with_nothing_to_send() {
        let (mut outgoing, mut outbox) = (outgoing(), outbox(1..=1));
        turn(&mut outgoing, &mut outbox, false, 10);
        push(&mut outbox, 2..=3);
        assert_eq!(turn(&mut outgoing, &mut outbox, true, 10), [(2, 2, true)]);
        assert_eq!(turn(&mut outgoing, &mut outbox, true, 10), [(4, 0, true)]);
    }

    #[test]
    fn frames_of_the_largest_reports_fit_and_read_as_they_were_written() {
        let mut outbox = outbox([]);
        // The names change, so that no report is a small difference from the one before it.
        let sensor = |at: usize, time: i64| Temperature {
            name: format!("{at:0>width$}", width = TEMPERATURE_NAME_BYTES_MAX - 1)
                + if time % 2 == 0 { "a" } else { "b" },
            celsius: time as f64,
        };
        let report = |time_ms| Report {
            time_ms,
            temperatures: (0..TEMPERATURES_MAX).map(|at| sensor(at, time_ms)).collect(),
            ..Report::default()
        };
        let written: Vec<Report> = (1..=20).map(report).collect();
        written.iter().for_each(|report| outbox.push(report.clone()).expect("room"));
        let (mut outgoing, mut chain) = (outgoing(), ReportChain::new());
        let (mut read, mut frames) = (Vec::new(), 0);
        assert!(outgoing.begin_turn(false, outbox.unsent(), 1));
        while let Some(pending) = outbox.next(REPORTS_PER_FRAME_MAX).expect("readable") {
            let frame = outgoing.pack(&mut outbox, &pending, 1).expect("encodable");
            assert_eq!(frame.first_sequence, read.len() as u64 + 1);
            read.extend(frame.reports.iter().map(|delta| chain.grow(delta).expect("sound")));
            encode_up(&Up::Reports(frame), &mut Vec::new()).expect("it fits");
            frames += 1;
        }
        assert!(frames > 1, "they were to be more than one frame holds");
        assert_eq!(read, written);
    }

    #[test]
    fn the_hub_is_told_of_a_clock_that_steps_and_of_no_other() {
        let mut outgoing = outgoing();
        let later = HelloClock { now_ms: CLOCK.now_ms + 1_000, uptime_ms: CLOCK.uptime_ms + 1_000 };
        assert_eq!(outgoing.clock_news(later), None);
        let stepped = HelloClock { now_ms: later.now_ms + 5_000, ..later };
        assert_eq!(outgoing.clock_news(stepped), Some(stepped));
        assert_eq!(outgoing.clock_news(stepped), None, "it was told");
    }

    const WELCOME: Welcome = Welcome { server_id: 1, durable: 0, next: 1, report_interval_ms: 0 };

    fn refusal() -> Down {
        Down::Refuse { reason: RefuseReason::Superseded, detail: "another came".to_owned() }
    }

    #[test]
    fn the_first_frame_is_a_welcome_or_ends_the_connection() {
        assert_eq!(receive_welcome("hub", Ok(Down::Welcome(WELCOME))).expect("a welcome"), WELCOME);
        let refused = receive_welcome("hub", Ok(refusal()));
        assert!(matches!(refused, Err(LinkError::Refused { reason: RefuseReason::Superseded, .. })));
        for early in [Down::Ack { up_to: 1 }, Down::Pace { samples_per_frame: 2 }] {
            assert!(matches!(receive_welcome("hub", Ok(early)), Err(LinkError::Connection { .. })));
        }
        let no_numbers = Err(LinkError::Frame(WireError::Numbers { durable: 0, next: u64::MAX }));
        assert!(matches!(receive_welcome("hub", no_numbers), Err(LinkError::Numbers { .. })));
    }

    #[test]
    fn later_frames_acknowledge_pace_or_end_the_connection() {
        assert_eq!(receive("hub", Down::Ack { up_to: 9 }).expect("sound"), Received::Ack(9));
        assert_eq!(receive("hub", Down::Pace { samples_per_frame: 4 }).expect("sound"), Received::Pace(4));
        assert!(matches!(receive("hub", refusal()), Err(LinkError::Refused { .. })));
        assert!(matches!(receive("hub", Down::Welcome(WELCOME)), Err(LinkError::Connection { .. })));
    }
}
