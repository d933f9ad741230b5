//! When a session acknowledges.

use crate::engine::Engine;
use crate::intake::{Batch, Ticket};
use crate::limits::{ACK_FRAMES_MIN, ACK_INTERVAL_MS, ACK_REPORTS_MAX};
use crate::slot::Slot;

/// Decides when to acknowledge. An ack costs a packet and the agent's answer to it, so acks are few. An ack covers
/// everything taken until then.
#[derive(Default)]
pub(super) struct Acks {
    /// The ack that is due, sent as soon as its commit is durable.
    pub(super) due: Option<(Ticket, u64)>,
    /// The one after it: asked for while `due` waited.
    next: Option<(Ticket, u64)>,
    reports_since: u64,
    frames_since: u64,
    pub(super) last_ms: i64,
}

impl Acks {
    pub(super) fn on_applied(&mut self, batch: &Batch, ticket: Ticket, last_sequence: u64, now_ms: i64) {
        self.reports_since += batch.samples.len() as u64;
        self.frames_since += 1;
        // A clock that was set back must not silence acks until it has caught up.
        let is_time = !(0..ACK_INTERVAL_MS).contains(&(now_ms - self.last_ms));
        let is_due =
            batch.ack_now || self.reports_since >= ACK_REPORTS_MAX || is_time && self.frames_since >= ACK_FRAMES_MIN;
        if is_due {
            let ack = Some((ticket, last_sequence));
            let slot = if self.due.is_none() { &mut self.due } else { &mut self.next };
            *slot = ack;
            (self.reports_since, self.frames_since) = (0, 0);
            self.last_ms = now_ms;
        }
    }

    pub(super) fn on_watermark(&mut self, engine: &Engine, slot: &Slot, epoch: u64) -> Option<u64> {
        let mut durable = None;
        while let Some((_, sequence)) = self.due.filter(|(ticket, _)| engine.is_durable(slot, epoch, *ticket)) {
            durable = Some(sequence);
            self.due = self.next.take();
        }
        durable
    }
}
