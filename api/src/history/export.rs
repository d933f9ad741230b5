//! Every report of a range, for the command line.

use std::io::{self, Write};

use windfire_engine::sample::Sample;
use windfire_engine::{Engine, Selection};

use super::io_error;
use crate::render;
use crate::render::history::Format;
use crate::time_arguments::time_ms;

/// Writes every report of a range, one row each, as CSV or NDJSON, for the command line.
///
/// # Errors
/// The writer's, or the store cannot be read.
pub fn export(
    engine: &Engine,
    selection: Selection<'_>,
    (from_ms, to_ms): (i64, i64),
    is_csv: bool,
    out: &mut dyn Write,
) -> io::Result<u64> {
    let format = if is_csv { Format::Csv } else { Format::Ndjson };
    let mut rows = 0;
    out.write_all(&render::history::export_head(format))?;
    for server in engine.snapshot(selection) {
        let mut result = Ok(());
        let visit = &mut |_: u64, sample: &Sample| {
            if result.is_ok() {
                result = out.write_all(&render::history::export_row(format, &server.record, sample));
                rows += 1;
            }
        };
        engine.history().reports(server.record.id, from_ms, to_ms, visit).map_err(io_error)?;
        result?;
    }
    out.flush()?;
    Ok(rows)
}

/// A range from the texts that queries have, Unix milliseconds.
///
/// # Errors
/// A sentence for the person who gave them.
pub fn parse_range(from: &str, to: &str, now_ms: i64) -> Result<(i64, i64), String> {
    Ok((time_ms(from, now_ms)?, time_ms(to, now_ms)?))
}
