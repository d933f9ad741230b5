//! From heads to blocks to tiers to nothing, and back to readers.
//!
//! ```text
//! head ──seal──► raw, short blocks ──pack──► raw, one dense block an hour ──expire──► gone
//!                                      └──► minute, an hour's rows ──pack──► minute, one block a day ──expire──► gone
//!                                                                      └──► quarter, one block a day ──expire──► gone
//! ```
//! What is to be packed stands in the family `todo`, written with what makes it due and deleted with what does it, so a
//! crash in between loses nothing and repeats harmlessly. [`crate::Engine::upkeep`] does it all, one thread at a time.
//! A reader's way: `plan` chooses tier and step, `walk` reads, `series`, `reports`, `facts` and `uptime` make answers of it.

mod expire;
mod facts;
mod heads;
mod minutes;
mod pack;
mod piece;
mod plan;
mod reader;
mod reports;
mod seal;
mod series;
mod storage;
#[cfg(test)]
mod testing;
mod tier;
mod upkeep;
mod uptime;
mod verify;
mod walk;

pub use facts::FactsPage;
pub use plan::{HistoryQuery, Otherwise, Plan, Step};
pub use reader::HistoryReader;
pub(crate) use seal::{seal_heads, write_sealed};
pub use series::Series;
pub use storage::TierUsage;
pub(crate) use tier::{DAY_MS, MINUTE_MS};
pub use tier::{Retention, Tier};
pub(crate) use upkeep::History;
pub use upkeep::{FailPoint, Upkeep};
pub use uptime::Uptime;
pub use verify::{Verified, verify_unopened};
