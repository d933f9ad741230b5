//! The engine's doors for tests: moments at which a write is refused, or at which the hub dies. They are functions without
//! state, so what shall happen is kept per thread: each seed runs on one.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use windfire_engine::{Engine, FailPoint, WritePoint};

#[derive(Clone, Copy)]
struct Plan {
    /// Moments that pass before the hub dies at one.
    dies_after: Option<u64>,
    /// Where every write fails.
    refuses: Option<WritePoint>,
}

thread_local! {
    static PLAN: Cell<Plan> = const { Cell::new(Plan { dies_after: None, refuses: None }) };
}

/// What a hub that dies throws: the moment.
pub(crate) struct Died(pub(crate) String);

/// Lets the hub die after so many moments; never with `None`.
pub(crate) fn die_after(moments: Option<u64>) {
    PLAN.set(Plan { dies_after: moments, ..PLAN.get() });
}

/// Lets every write fail there; none with `None`.
pub(crate) fn refuse(point: Option<WritePoint>) {
    PLAN.set(Plan { refuses: point, ..PLAN.get() });
}

/// For [`windfire_engine::Options::at_fail_point`].
pub(crate) fn at_fail_point(point: FailPoint) {
    pass(|| format!("{point:?}"));
}

/// For [`windfire_engine::Options::at_write`].
pub(crate) fn at_write(point: WritePoint) -> bool {
    pass(|| format!("write {point:?}"));
    PLAN.get().refuses != Some(point)
}

fn pass(name: impl FnOnce() -> String) {
    match PLAN.get().dies_after {
        None => {}
        Some(0) => {
            die_after(None);
            // Past the hook that prints panics: this is none.
            resume_unwind(Box::new(Died(name())));
        }
        Some(moments) => die_after(Some(moments - 1)),
    }
}

/// Does something with an engine that may die on the way.
pub(crate) fn mortal<T>(engine: &Engine, act: impl FnOnce(&Engine) -> T) -> Result<T, Died> {
    catch_unwind(AssertUnwindSafe(|| act(engine))).map_err(|thrown: Box<dyn Any + Send>| {
        match thrown.downcast::<Died>() {
            Ok(died) => *died,
            Err(other) => resume_unwind(other),
        }
    })
}
