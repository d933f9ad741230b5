//! How many frames without a new report a session may bring: the agent's clock, its facts, reports that are known, and
//! questions for an ack. None of them counts against the server's share of reports, and each costs time.

use windfire_wire::RefuseReason;

use crate::error::Refusal;
use crate::limits::{ASIDES_BURST_MAX, ASIDES_PER_S_MAX};

/// The rest of a session's share, in thousandths, because a millisecond adds a thousandth of a second's share.
pub(super) struct Asides {
    left: i64,
    /// When it was last filled, by the hub's clock. Nothing before the first of these frames.
    filled_ms: Option<i64>,
}

const FRAME: i64 = 1000;
const LEFT_MAX: i64 = ASIDES_BURST_MAX as i64 * FRAME;

impl Default for Asides {
    fn default() -> Self {
        Self { left: LEFT_MAX, filled_ms: None }
    }
}

impl Asides {
    /// Takes the cost of one such frame.
    pub(super) fn spend(&mut self, now_ms: i64) -> Result<(), Refusal> {
        let filled_ms = self.filled_ms.replace(now_ms).unwrap_or(now_ms);
        // A clock that was set back fills nothing, and is followed from its new time on.
        let passed_ms = now_ms.saturating_sub(filled_ms).max(0);
        let filled = passed_ms.saturating_mul(i64::from(ASIDES_PER_S_MAX));
        self.left = self.left.saturating_add(filled).min(LEFT_MAX) - FRAME;
        if self.left >= 0 {
            return Ok(());
        }
        let detail = format!(
            "more than {ASIDES_BURST_MAX} frames without a new report, and {ASIDES_PER_S_MAX} more each second: no agent \
             needs so many"
        );
        Err(Refusal::new(RefuseReason::BadFrame, detail))
    }
}
