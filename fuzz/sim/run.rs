//! One run of a seed, from an empty folder to the last check.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::cluster::Cluster;
use crate::faults::{Fault, Rates};
use crate::journal::{Counts, Journal};
use crate::world::World;

thread_local! {
    /// Where the thread panicked last, and why.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What decides everything that happens in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Steps before everything is put right.
    pub(crate) steps: u64,
    /// Faults that do not happen.
    pub(crate) without: BTreeSet<Fault>,
    /// Several hubs and a stream between them, instead of one hub.
    pub(crate) is_cluster: bool,
}

/// One seed's world.
pub(crate) trait Life {
    /// One step.
    fn advance(&mut self) -> Result<(), String>;

    /// Settles everything and checks it.
    fn finish(&mut self) -> Result<(), String>;

    /// Steps that were done.
    fn step(&self) -> u64;

    /// What happened.
    fn journal(&mut self) -> &mut Journal;

    /// Reports made, and those acknowledged.
    fn counts(&self) -> (u64, u64);
}

impl Life for World {
    fn advance(&mut self) -> Result<(), String> {
        Self::advance(self)
    }

    fn finish(&mut self) -> Result<(), String> {
        Self::finish(self)
    }

    fn step(&self) -> u64 {
        self.step
    }

    fn journal(&mut self) -> &mut Journal {
        &mut self.journal
    }

    fn counts(&self) -> (u64, u64) {
        self.model.counts()
    }
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Of its journal.
    pub(crate) hash: u64,
    pub(crate) counts: Counts,
    /// What broke.
    pub(crate) failure: Option<Failure>,
}

/// What broke.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// Steps that were done, the one that broke included.
    pub(crate) steps: u64,
    pub(crate) what: String,
    /// The last lines of the journal.
    pub(crate) lines: Vec<String>,
}

/// Keeps the words of a panic for the run that it ends, instead of printing them.
pub(crate) fn keep_panics() {
    std::panic::set_hook(Box::new(|panic| PANIC.set(Some(panic.to_string()))));
}

/// A folder for the stores of runs: in memory where the system has such a place.
pub(crate) fn scratch_folder() -> Result<tempfile::TempDir, String> {
    let memory = Path::new("/dev/shm");
    let mut folder = tempfile::Builder::new();
    folder.prefix("windfire-sim-");
    let made = if memory.is_dir() { folder.tempdir_in(memory) } else { folder.tempdir() };
    made.map_err(|error| format!("no folder for the stores: {error}"))
}

/// Runs it.
pub(crate) fn run(plan: &Plan, prints: bool) -> Outcome {
    let folder = match scratch_folder() {
        Ok(folder) => folder,
        Err(what) => {
            let failure = Failure { steps: 0, what, lines: Vec::new() };
            return Outcome { hash: 0, counts: Counts::new(), failure: Some(failure) };
        }
    };
    let mut world: Option<Box<dyn Life>> = None;
    PANIC.set(None);
    let ran = catch_unwind(AssertUnwindSafe(|| live(plan, folder.path(), prints, &mut world)));
    let result = ran.unwrap_or_else(|_| Err(PANIC.take().unwrap_or_else(|| "a panic".to_owned())));
    let failure = result.err().map(|what| {
        let steps = world.as_ref().map_or(0, |world| world.step().min(plan.steps.saturating_sub(1)) + 1);
        let lines = world.as_mut().map_or_else(Vec::new, |world| world.journal().lines.iter().cloned().collect());
        Failure { steps, what, lines }
    });
    let journal = world.as_mut().map(|world| world.journal());
    let (hash, counts) = journal.map_or_else(|| (0, Counts::new()), |journal| (journal.hash(), journal.counts.clone()));
    Outcome { hash, counts, failure }
}

fn live(plan: &Plan, folder: &Path, prints: bool, place: &mut Option<Box<dyn Life>>) -> Result<(), String> {
    let rates = Rates::of(plan.seed, &plan.without, plan.is_cluster);
    let folder = folder.to_owned();
    let life: Box<dyn Life> = if plan.is_cluster {
        Box::new(Cluster::new(plan.seed, rates, folder, prints)?)
    } else {
        Box::new(World::new(plan.seed, rates, folder, prints)?)
    };
    let world = place.insert(life);
    for _ in 0..plan.steps {
        world.advance()?;
    }
    world.finish()?;
    let (made, acked) = world.counts();
    world.journal().count("reports sent or waiting", made);
    world.journal().count("reports acked", acked);
    Ok(())
}
