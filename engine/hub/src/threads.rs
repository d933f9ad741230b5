//! The hub's threads. Each has a name and a place in the order of a stop. If one of them ends before a stop, the hub
//! ends.

use std::thread;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};

/// How far a stop is. Later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// No stop was requested.
    Running,
    /// Nothing new is taken, and work under way ends.
    Draining,
    /// No requests come any more. Waiting writes are done.
    LastWrites,
}

/// The phases of a stop, in their order.
const STOP: [Phase; 2] = [Phase::Draining, Phase::LastWrites];

/// A thread's view of a stop.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<Phase>);

impl Stop {
    /// Resolves when the stop is as far as that.
    pub(crate) async fn reached(&mut self, phase: Phase) {
        // An error means that the sender is gone: then the stop is over as well.
        let _reached_or_over = self.0.wait_for(|now| *now >= phase).await;
    }

    /// Whether the stop is as far as that.
    pub(crate) fn has_reached(&self, phase: Phase) -> bool {
        *self.0.borrow() >= phase
    }
}

/// The work of one thread.
pub(crate) struct Worker {
    pub(crate) name: &'static str,
    /// The phase in which it ends.
    pub(crate) ends_in: Phase,
    pub(crate) run: Box<dyn FnOnce() -> Result<(), String> + Send>,
}

impl Worker {
    /// A thread that does not fail.
    pub(crate) fn new(name: &'static str, ends_in: Phase, run: impl FnOnce() + Send + 'static) -> Self {
        let run = || {
            run();
            Ok(())
        };
        Self { name, ends_in, run: Box::new(run) }
    }
}

/// Every thread but the main one.
pub(crate) struct Threads {
    phase: watch::Sender<Phase>,
    ended: (mpsc::UnboundedSender<&'static str>, mpsc::UnboundedReceiver<&'static str>),
    running: Vec<Running>,
}

struct Running {
    name: &'static str,
    ends_in: Phase,
    thread: thread::JoinHandle<Result<(), String>>,
}

impl Threads {
    pub(crate) fn new() -> Self {
        Self { phase: watch::Sender::new(Phase::Running), ended: mpsc::unbounded_channel(), running: Vec::new() }
    }

    /// A stop to watch, so that the thread ends in time.
    pub(crate) fn stop(&self) -> Stop {
        Stop(self.phase.subscribe())
    }

    /// Starts a thread.
    ///
    /// # Errors
    /// The system cannot create it.
    pub(crate) fn start(&mut self, worker: Worker) -> Result<(), String> {
        let Worker { name, ends_in, run } = worker;
        let ended = Ended { name, sender: self.ended.0.clone() };
        let run = move || {
            let _ended = ended;
            run()
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
        let thread = thread.map_err(|error| format!("the thread for {name} cannot be started: {error}"))?;
        self.running.push(Running { name, ends_in, thread });
        Ok(())
    }

    /// Starts a thread with its own runtime.
    ///
    /// # Errors
    /// As [`Threads::start`].
    pub(crate) fn start_driving(
        &mut self,
        name: &'static str,
        ends_in: Phase,
        run: impl FnOnce(Runtime) -> Result<(), String> + Send + 'static,
    ) -> Result<(), String> {
        self.start(Worker { name, ends_in, run: Box::new(move || run(runtime()?)) })
    }

    /// Resolves to the name of a thread that ended before a stop.
    pub(crate) async fn ended(&mut self) -> &'static str {
        match self.ended.1.recv().await {
            Some(name) => name,
            // There is a sender here.
            None => std::future::pending().await,
        }
    }

    /// Ends them all, phase by phase. Within one, in the order in which they were started.
    ///
    /// # Errors
    /// The error of the first one that failed.
    pub(crate) fn stop_all(self) -> Result<(), String> {
        let Self { phase, mut running, .. } = self;
        let mut ended = Ok(());
        for now in STOP {
            phase.send_replace(now);
            let (ending, later) = running.into_iter().partition::<Vec<_>, _>(|thread| thread.ends_in <= now);
            running = later;
            for Running { name, thread, .. } in ending {
                ended = ended.and(thread.join().unwrap_or_else(|_| Err(format!("the thread for {name} failed"))));
            }
        }
        ended
    }
}

/// Reports that its thread ended, even by a panic.
struct Ended {
    name: &'static str,
    /// Takes one message of each thread.
    sender: mpsc::UnboundedSender<&'static str>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        let _stopping_already = self.sender.send(self.name);
    }
}

/// A runtime of one thread.
pub(crate) fn runtime() -> Result<Runtime, String> {
    Builder::new_current_thread().enable_all().build().map_err(|error| format!("no runtime: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[test]
    fn a_thread_that_fails_is_noticed() {
        let mut threads = Threads::new();
        let run = Box::new(|| panic!("a fault"));
        threads.start(Worker { name: "agents", ends_in: Phase::Draining, run }).expect("a thread");
        assert_eq!(runtime().expect("a runtime").block_on(threads.ended()), "agents");
        assert_eq!(threads.stop_all(), Err("the thread for agents failed".to_owned()));
    }

    #[test]
    fn a_stop_goes_phase_by_phase_and_keeps_the_first_error() {
        let (mut threads, order) = (Threads::new(), Arc::new(Mutex::new(Vec::new())));
        for (name, ends_in) in [("commits", Phase::LastWrites), ("http", Phase::Draining), ("agents", Phase::Draining)]
        {
            let (mut stop, order) = (threads.stop(), Arc::clone(&order));
            let run = move |runtime: Runtime| {
                assert!(!stop.has_reached(Phase::LastWrites) || ends_in == Phase::LastWrites);
                runtime.block_on(stop.reached(ends_in));
                order.lock().push(ends_in);
                Err(name.to_owned())
            };
            threads.start_driving(name, ends_in, run).expect("a thread");
        }
        assert_eq!(threads.stop_all(), Err("http".to_owned()));
        assert_eq!(*order.lock(), [Phase::Draining, Phase::Draining, Phase::LastWrites]);
    }
}
