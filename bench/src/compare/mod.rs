//! The same work done by a hub and by another engine, one after the other on the same cores, with the same values:
//! figures of different days, machines or data do not compare.
//!
//! ```text
//! bulk        an hour of every server, as fast as it is taken     → throughput, CPU, bytes per point
//! live        more servers, one report per second each            → CPU, memory
//! questions   an hour of one metric; the newest of all servers    → latency
//! ```

mod measure;
mod victoria;
mod windfire;

use std::io;
use std::path::Path;

pub use measure::{Figures, Work, table};

/// Does the work with the hub at `hub` and then with the VictoriaMetrics at `victoria`.
///
/// # Errors
/// One of them cannot be run, or does not answer.
pub fn run(work: &Work, hub: &Path, victoria: &Path) -> io::Result<Vec<Figures>> {
    Ok(vec![windfire::measure(work, hub)?, victoria::measure(work, victoria)?])
}
