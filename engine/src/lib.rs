//! Reports in, snapshots out: the core of Windfire. No network and no clock; time is handed in.
//!
//! The path of a report: [`session`] takes a frame, `shard` applies it to the server's [`latest`] status and keeps it
//! pending, `commit` writes everything pending in one synced write to `store`, `watermark` rises, the session acknowledges.
//! Beside it, the report goes into the server's `head`, which becomes a [`block`] and, by and by, rows of coarser tiers
//! ([`history`]). `recover` is the way back after a stop of any kind. [`engine`] is the front. `docs/ARCHITECTURE.md` draws it.

pub mod clock;
pub mod engine;
pub mod error;
pub mod latest;
pub mod limits;
pub mod metrics;
pub mod sample;
pub mod secret;
pub mod server;
pub mod session;
pub mod token;
pub mod user;
pub mod waits;

#[doc(hidden)]
pub mod block;
mod commit;
mod head;
mod health;
pub mod history;
pub mod metric;
mod pacing;
mod record;
mod recover;
pub mod registry;
mod shard;
mod share;
mod slot;
mod store;
pub mod summary;
mod timing;
mod watermark;

pub use commit::Committed;
pub use engine::{Engine, Options, ReplayListener, Selection, ServerView};
pub use session::{Flow, Scratch, Session};
pub use slot::Kick;
#[doc(hidden)]
pub use store::is_any_record;
pub use store::{Contents, Salvaged, SalvagedFamily, StoreError, begin_store, contents, is_begun, is_store, salvage};
