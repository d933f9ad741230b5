//! Frames between agent and hub: bytes to values and back.
//!
//! This crate knows the wire format and nothing else: no sockets, no runtime, no clock. `docs/wire.md` draws the bytes,
//! and the tests compare them with `tests/golden/`. It is the only crate that names bincode.
//!
//! Reading order: [`limits`] (every bound), [`frame`] (what is said), [`report`] and [`delta`] (how a reading becomes
//! few bytes), [`reader`] (a byte stream cut into frames), `body` (bincode's primitives with our errors).

pub mod delta;
pub mod error;
pub mod frame;
pub mod host;
pub mod limits;
pub mod reader;
pub mod report;

mod body;

pub use delta::{ReportChain, ReportDelta};
pub use error::WireError;
pub use frame::{
    ALPN, Down, Enrol, Hello, HelloClock, PROTOCOL_VERSION, RefuseReason, Reports, Up, Welcome, decode_down,
    decode_reports, decode_up, encode_down, encode_up,
};
pub use host::Host;
pub use reader::FrameReader;
pub use report::{Report, Temperature};
