//! Errors in bytes from a peer, or in values to be sent to one.

use crate::limits::FRAME_BODY_BYTES_MAX;

/// Why bytes are not a frame, or a value cannot become one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The length prefix announces more than a frame may hold.
    #[error("frame of {found} bytes is over the limit of {FRAME_BODY_BYTES_MAX}")]
    FrameTooLarge {
        /// Announced bytes.
        found: u64,
    },
    /// The length prefix announces an empty frame.
    #[error("frame of 0 bytes: every frame has at least its kind")]
    FrameEmpty,
    /// The body ends inside a value.
    #[error("frame ends inside {what}")]
    Truncated {
        /// The value being read.
        what: &'static str,
    },
    /// The body continues after the last value.
    #[error("frame continues after its last value")]
    TrailingBytes,
    /// A text or list is longer than its limit.
    #[error("{what} of {found} is over its limit of {max}")]
    TooLong {
        /// The text (counted in bytes) or list (counted in entries).
        what: &'static str,
        /// Announced length.
        found: u64,
        /// The limit.
        max: usize,
    },
    /// A text is not UTF-8.
    #[error("{what} is not UTF-8")]
    NotUtf8 {
        /// The text.
        what: &'static str,
    },
    /// A number is NaN or infinite.
    #[error("{what} is not a finite number")]
    NonFinite {
        /// The number.
        what: &'static str,
    },
    /// A number is outside its range.
    #[error("{what} is out of range")]
    OutOfRange {
        /// The number.
        what: &'static str,
    },
    /// A `Welcome` with impossible numbers: no agent can continue from them.
    #[error("the next report would have number {next}, after {durable} that are durable")]
    Numbers {
        /// Highest durable sequence number, as received.
        durable: u64,
        /// Lowest sequence number that is taken next, as received.
        next: u64,
    },
    /// A frame kind, presence bit or other code that this version does not know.
    #[error("{what} {found} is unknown")]
    Unknown {
        /// The meaning of the code.
        what: &'static str,
        /// The code.
        found: u64,
    },
    /// The peer speaks another protocol version.
    #[error("protocol version {found} is unknown, this side speaks {supported}")]
    UnknownVersion {
        /// The peer's version.
        found: u16,
        /// The newest version of this side.
        supported: u16,
    },
    /// bincode refused the bytes for another reason.
    #[error("{what} is not valid bincode")]
    Malformed {
        /// The value being read.
        what: &'static str,
    },
}
