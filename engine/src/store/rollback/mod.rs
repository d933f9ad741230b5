//! The way back from an upgrade: a store of an older format, kept as it was in the data folder's folder `pre-<format>`.
//!
//! ```text
//! pre-5/FORMAT, DURABLE, DAMAGED, rocksdb/     as in a data folder; the table files are links
//! pre-5/ROLLBACK                               what it is: see `note`
//! pre-5/SINCE = "windfire since " ms "\n"      when upkeep first saw it, Unix milliseconds
//! pre-5.new/                                   one that is being taken, or removed
//! rolling-back/                                one that is being put back: unfinished while it has a FORMAT
//! ```

mod age;
mod keep;
mod note;
mod place;
mod put_back;
#[cfg(test)]
mod tests;
mod upgrade;

pub use age::{Rollback, kept_rollback};
pub use keep::Upgraded;
pub(super) use note::rewritten;
pub(super) use place::{check_is_finished, check_may_open};
pub use place::{drop_rollback, is_rollback_unfinished, rollback_names};
pub use put_back::{RollbackError, RolledBack, check_rollback, roll_back};
pub(crate) use upgrade::open_or_upgrade;
