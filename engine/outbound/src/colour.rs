//! The colour at the side of a message, where a chat draws one.

use windfire_engine::alert::notice::{Message, NoticeKind};
use windfire_engine::alert::rule::Severity;

use crate::words::is_over;

/// Red, green and blue, a byte each.
pub(crate) fn colour(message: &Message) -> u32 {
    match (message.kind, message.severity) {
        _ if is_over(message) => 0x2e7d32,
        (NoticeKind::Test, _) | (_, Severity::Info) => 0x1565c0,
        (_, Severity::Warning) => 0xf9a825,
        (_, Severity::Critical) => 0xc62828,
    }
}
