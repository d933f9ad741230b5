//! The engine's doors for tests: moments at which a write is refused, or at which the hub dies. They are functions without
//! state, so what shall happen is kept per thread: each seed runs on one.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use windfire_engine::{FailPoint, WritePoint};

/// Points at which a hub dies that starts.
pub(crate) const AT_START: [FailPoint; 2] = [FailPoint::StatusRecovered, FailPoint::HeadsHandedOver];

/// When a hub dies.
#[derive(Clone, Copy)]
pub(crate) enum Death {
    /// After so many moments, whichever comes next.
    After(u64),
    /// When it reaches the point.
    At(FailPoint),
}

#[derive(Clone, Copy)]
struct Plan {
    death: Option<Death>,
    /// Where every write fails.
    refuses: Option<WritePoint>,
}

thread_local! {
    static PLAN: Cell<Plan> = const { Cell::new(Plan { death: None, refuses: None }) };
}

/// What a hub that dies throws: the name of the moment.
pub(crate) struct Died(pub(crate) &'static str);

/// Lets the hub die then; never with `None`.
pub(crate) fn die(death: Option<Death>) {
    PLAN.set(Plan { death, ..PLAN.get() });
}

/// Lets every write fail there; none with `None`.
pub(crate) fn refuse(point: Option<WritePoint>) {
    PLAN.set(Plan { refuses: point, ..PLAN.get() });
}

/// Points at which a hub dies that runs. Those of a new store, of one of an older format, and of a log longer than any
/// here are not among them. A dead hub is looked at, so it does not die while its store is closed either.
pub(crate) fn while_running() -> Vec<FailPoint> {
    let is_later = |point: &FailPoint| *point > FailPoint::HeadsHandedOver && *point != FailPoint::StoreClosed;
    FailPoint::ALL.iter().copied().filter(is_later).collect()
}

/// For [`windfire_engine::Options::at_fail_point`].
pub(crate) fn at_fail_point(point: FailPoint) {
    match PLAN.get().death {
        Some(Death::At(at)) if at == point => end(point.name()),
        _ if point == FailPoint::StoreClosed => {}
        _ => pass(point.name()),
    }
}

/// For [`windfire_engine::Options::at_write`].
pub(crate) fn at_write(point: WritePoint) -> bool {
    pass(match point {
        WritePoint::Before => "write-before",
        WritePoint::After => "write-after",
    });
    PLAN.get().refuses != Some(point)
}

fn pass(name: &'static str) {
    match PLAN.get().death {
        Some(Death::After(0)) => end(name),
        Some(Death::After(moments)) => die(Some(Death::After(moments - 1))),
        Some(Death::At(_)) | None => {}
    }
}

fn end(name: &'static str) -> ! {
    die(None);
    // Past the hook that prints panics: this is none.
    resume_unwind(Box::new(Died(name)))
}

/// Does something at which a hub may die.
pub(crate) fn mortal<T>(act: impl FnOnce() -> T) -> Result<T, Died> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|thrown: Box<dyn Any + Send>| match thrown.downcast::<Died>() {
        Ok(died) => *died,
        Err(other) => resume_unwind(other),
    })
}
