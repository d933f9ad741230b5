//! History: heads become blocks, blocks become rows of coarser tiers, and everything expires in the end. Readers get series.
//!
//! ```text
//! head ──seal──► raw, short blocks ──pack──► raw, one dense block an hour ──expire──► gone
//!                                      └──► minute, an hour's rows ──pack──► minute, one block a day ──expire──► gone
//!                                                                      └──► quarter, one block a day ──expire──► gone
//! ```
//! Hours and days to be packed are in the family `todo`. An entry is written with the blocks that need packing, and deleted in
//! the same write as the packed result, so after a crash the work is repeated and nothing is lost. [`crate::Engine::upkeep`]
//! does all of it, on one thread at a time.
//!
//! Reading: `plan` chooses tier and step, `walk` reads, and `series`, `reports`, `facts` and `uptime` build the answers.

mod catch_up;
mod damaged;
mod expire;
mod facts;
mod head_blocks;
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

pub(crate) use catch_up::CatchUp;
pub use catch_up::CatchUpProgress;
pub use facts::FactsPage;
pub use plan::{HistoryQuery, Otherwise, Plan, Step};
pub use reader::HistoryReader;
pub use series::Series;
pub use storage::TierUsage;
pub(crate) use tier::{DAY_MS, MINUTE_MS};
pub use tier::{Retention, Tier};
pub(crate) use upkeep::History;
pub use upkeep::Upkeep;
pub use uptime::Uptime;
pub use verify::{Verified, verify_unopened};
