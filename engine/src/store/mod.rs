//! Everything that is stored on disk: RocksDB, its keys and the bytes of its values. No other room knows RocksDB. Keys are
//! known to the rooms whose records they are of, in `history`, `registry` and `intake`.

pub(crate) mod alert_log;
pub(crate) mod alerts;
mod backup;
mod changes;
pub(crate) mod channels;
pub(crate) mod checkpoints;
mod clock;
mod contents;
mod damage;
mod database;
mod durable;
mod error;
mod format;
pub(crate) mod hosts;
pub(crate) mod key;
pub(crate) mod latest;
pub(crate) mod log;
mod log_walk;
mod marks;
pub(crate) mod notices;
mod numbers;
mod options;
mod positions;
mod rollback;
pub(crate) mod rules;
mod salvage;
pub(crate) mod servers;
pub(crate) mod silences;
mod tables;
pub(crate) mod tokens;
pub(crate) mod users;
mod whole;
mod write_gate;

pub(crate) use changes::Changes;
pub(crate) use checkpoints::Checkpoints;
pub use contents::{Contents, contents};
pub use damage::KnownDamage;
pub(crate) use database::Store;
pub use error::StoreError;
pub use format::{begin_store, is_begun, is_store, store_format};
pub(crate) use log::LogEntry;
pub(crate) use log_walk::Unreadable;
pub use marks::DamagedTable;
pub(crate) use positions::Positions;
pub(crate) use rollback::open_or_upgrade;
pub use rollback::{
    Rollback, RollbackError, RolledBack, Upgraded, check_rollback, drop_rollback, is_rollback_unfinished,
    kept_rollback, roll_back, rollback_names,
};
pub(crate) use salvage::next_readable;
pub use salvage::{Salvaged, SalvagedFamily, salvage};
pub(crate) use tables::TableFile;
pub use write_gate::{WriteGate, WritePoint};

/// Reads a text as the file `FORMAT`, for the fuzzer: the version that it says.
#[doc(hidden)]
pub fn format_version(text: &str) -> Option<u32> {
    format::version(text)
}

/// Reads a text as the file `DURABLE`, for the fuzzer: the same note as a hub writes it.
#[doc(hidden)]
pub fn durable_note(text: &str) -> Option<String> {
    durable::rewritten(text)
}

/// Reads a text as the file `DAMAGED`, for the fuzzer: the same marks as a hub writes them.
#[doc(hidden)]
pub fn damaged_note(text: &str) -> Option<String> {
    marks::rewritten(text)
}

/// Reads a text as the file `ROLLBACK`, for the fuzzer: the same note as a hub writes it.
#[doc(hidden)]
pub fn rollback_note(text: &str) -> Option<String> {
    rollback::rewritten(text)
}

/// Reads `value` as each kind of record, for the fuzzer: stored bytes may be damaged, and must never be worse than an
/// error. Whether any kind took it.
#[doc(hidden)]
pub fn is_any_record(value: &[u8]) -> bool {
    let mut entries = 0;
    log::read(value, &mut |_| entries += 1).is_ok_and(|()| entries > 0)
        || Checkpoints::read(value).is_ok()
        || Positions::read(value).is_ok()
        || clock::read(value).is_ok()
        || latest::read(value).is_ok()
        || hosts::read(value).is_ok()
        || servers::read(1, value).is_ok()
        || tokens::read_token(1, value).is_ok()
        || tokens::read_enrol_token(1, value).is_ok()
        || users::read_user(1, value).is_ok()
        || users::read_login(&[0; 32], value).is_ok()
        || rules::read(1, value).is_ok()
        || channels::read(1, value).is_ok()
        || silences::read(1, value).is_ok()
        || alerts::read(&[0; 16], value).is_ok()
        || notices::read(1, value).is_ok()
        || alert_log::read(&[0; 16], value).is_ok()
}
