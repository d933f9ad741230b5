//! The hub's clock.

use std::sync::Arc;

use windfire_engine::Engine;
use windfire_engine::clock::Reading;

/// The trusted time, Unix milliseconds, which the engine computes from the machine's clocks.
pub(crate) type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The clock of an engine, from readings of the machine's clocks.
pub(crate) fn clock_of(engine: &Arc<Engine>, reading: fn() -> Reading) -> Clock {
    let engine = Arc::clone(engine);
    Arc::new(move || engine.clock().read(reading()))
}
