//! Blocks: sealed runs of one server's reports, or of their summaries, column by column. No other room knows these bytes.
//!
//! Reading order: `container` (what every block has: header, table of columns, checksum), `run` (reports), `summary`
//! (rows of a tier), `column` (codecs), `bits`. `docs/storage.md` draws them.

mod bits;
mod column;
mod container;
mod run;
mod summary;

pub use column::Effort;
pub use column::check_column;
pub use container::{Block, with_checksum};
pub(crate) use run::ABSENT;
#[cfg(test)]
pub(crate) use run::tests::arbitrary_samples;
pub use run::{Run, column_name};
pub(crate) use summary::SummaryRun;
pub use summary::read_summaries;
