//! Makes a failing run smaller: first fewer steps, then fewer kinds of faults, each tried from scratch.

use crate::faults::{Fault, Rates};
use crate::run::{Failure, Plan, run};

/// The smallest run found that fails, and how it fails.
pub(crate) fn shrink(plan: &Plan, failure: Failure) -> (Plan, Failure) {
    let mut smallest = (plan.clone(), failure);
    fewer_steps(&mut smallest);
    let faults: Vec<Fault> = Rates::of(plan.seed, &plan.without, plan.is_cluster).all().collect();
    for fault in faults {
        let mut fewer = smallest.0.clone();
        fewer.without.insert(fault);
        try_it(fewer, &mut smallest);
    }
    fewer_steps(&mut smallest);
    smallest
}

/// Halves the steps as long as it fails. It need not fail with more steps whenever it fails with fewer, so this finds a small
/// number, and not always the smallest.
fn fewer_steps(smallest: &mut (Plan, Failure)) {
    let exact = Plan { steps: smallest.1.steps, ..smallest.0.clone() };
    try_it(exact, smallest);
    let mut passes = 0;
    while passes + 1 < smallest.0.steps {
        let steps = passes + (smallest.0.steps - passes) / 2;
        if !try_it(Plan { steps, ..smallest.0.clone() }, smallest) {
            passes = steps;
        }
    }
}

/// Takes the plan when it fails and is another.
fn try_it(plan: Plan, smallest: &mut (Plan, Failure)) -> bool {
    if plan == smallest.0 {
        return true;
    }
    let failure = run(&plan, false).failure;
    let fails = failure.is_some();
    if let Some(failure) = failure {
        *smallest = (plan, failure);
    }
    fails
}
