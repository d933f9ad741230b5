//! The hub's clock.

use std::sync::Arc;

use windfire_engine::Engine;
use windfire_engine::clock::Reading;

/// The trusted time, Unix milliseconds: what the engine makes of the machine's clocks.
pub(crate) type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The clock of an engine, by what the machine's clocks show.
pub(crate) fn clock_of(engine: &Arc<Engine>, reading: fn() -> Reading) -> Clock {
    let engine = Arc::clone(engine);
    Arc::new(move || engine.clock().read(reading()))
}
