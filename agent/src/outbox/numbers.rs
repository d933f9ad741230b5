//! Numbers that distinguish the reports of one outbox, and the outboxes of one server.

use windfire_wire::limits::SEQUENCE_MAX;

/// Shifts of one run differ by multiples of this. So a sequence number identifies its report with any shift, also for
/// an agent with an earlier copy of the spool, and after a hub that lied about its numbers. No shift is kept, so none
/// can be outdated, and none must grow for ever. The number is far above the reports that an outbox holds, and a quarter
/// of the numbers that a hub lets a session leave out.
pub(super) const STRIDE: u64 = 1 << 30;

/// Highest `next` of a `Welcome` that leaves numbers for all that an agent will ever send.
pub(super) const NEXT_MAX: u64 = SEQUENCE_MAX - 2 * STRIDE;

/// A new outbox id from the operating system.
///
/// # Panics
/// When the operating system has no randomness to give.
pub fn new_outbox_id() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    u128::from_le_bytes(bytes)
}
