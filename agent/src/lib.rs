//! The agent, which runs on a watched server: `collector → sampler → outbox → link`.
//!
//! It reads its own machine's numbers, keeps each reading until the hub has it on disk, and opens one connection, to
//! its hub. Nothing a hub sends can make it run, write or connect to anything: there is no code for it.
//!
//! It is a library, so that the fleet harness can run thousands of outboxes and links in one process.

pub mod address;
pub mod backoff;
pub mod clock;
pub mod collector;
mod dial;
pub mod doctor;
pub mod given;
pub mod handed;
pub mod identity;
pub mod limits;
pub mod link;
pub mod outbox;
pub mod sampler;
pub mod trust;
pub mod variables;
