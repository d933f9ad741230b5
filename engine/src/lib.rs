//! Reports in, snapshots out: the core of Windfire. It has no network and no clock: callers pass the time.
//!
//! The path of a report: [`session`] takes a frame, `intake` applies it to the server's `status` and keeps it pending,
//! writes everything pending in one synced commit to `store`, and raises the watermark; the session acknowledges. In a
//! cluster, a stream that all hubs follow comes between the session and the status.
//! The report also goes into the server's `head`, which becomes a [`block`] and later rows of coarser tiers
//! ([`history`]). `recover` restores the state after a stop of any kind. [`engine`] is the front.
//! `docs/ARCHITECTURE.md` draws it.

pub mod alert;
pub mod clock;
pub mod counters;
pub mod engine;
pub mod error;
pub mod latest;
pub mod limits;
pub mod sample;
pub mod secret;
pub mod server;
pub mod session;
pub mod token;
pub mod user;
pub mod waits;

#[doc(hidden)]
pub mod block;
mod cluster;
mod decimal;
mod fail_point;
mod head;
mod health;
pub mod history;
mod intake;
pub mod metric;
mod offering;
mod options;
mod pacing;
mod record;
mod recover;
pub mod registry;
mod session_id;
mod share;
mod slot;
mod status;
mod store;
pub mod summary;
mod timing;
mod view;

pub use engine::Engine;
#[doc(hidden)]
pub use fail_point::FailPoint;
pub use intake::{Committed, FollowError, Followed, Member, Message, Outcome};
#[doc(hidden)]
pub use intake::{checked_message, read_message};
pub use options::{CountryLookup, Membership, Options, ReplayListener, Tuning};
pub use record::Corrupt;
pub use registry::{Ledger, Proposal, Proposed};
#[doc(hidden)]
pub use registry::{checked_registry_message, read_registry_message};
pub use session::{Flow, Scratch, Session};
pub use status::Kick;
pub use store::{
    Contents, DamagedTable, KnownDamage, Rollback, RollbackError, RolledBack, Salvaged, SalvagedFamily, StoreError,
    Upgraded, begin_store, check_rollback, contents, drop_rollback, is_begun, is_rollback_unfinished, is_store,
    kept_rollback, roll_back, rollback_names, salvage, store_format,
};
#[doc(hidden)]
pub use store::{WriteGate, WritePoint, damaged_note, durable_note, format_version, is_any_record, rollback_note};
pub use view::{Selection, ServerView};
