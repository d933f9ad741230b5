//! When the hub is asked to stop, or to read its configuration again.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::limits::STOP_TIMEOUT;
use crate::threads::runtime;

/// SIGTERM, SIGINT and SIGHUP, on their own thread.
pub(crate) struct Signals {
    /// Whether a stop was asked for.
    asked: watch::Receiver<bool>,
    /// How often the hub was asked to read its configuration again.
    reloads: watch::Receiver<u64>,
    /// Set once the hub needs an orderly stop.
    is_running: Arc<AtomicBool>,
}

impl Signals {
    /// From the start on, because opening a store takes long. Until [`Signals::serving`] a request to stop ends the process
    /// at once, and a request to read the configuration again waits. The system would end the process by either, and the
    /// first process of a container by none.
    pub(crate) fn watch() -> Result<Self, String> {
        let (sender, asked) = watch::channel(false);
        let (reload_sender, reloads) = watch::channel(0);
        let had_terminal = has_terminal();
        let (ready_sender, ready) = std::sync::mpsc::channel();
        let is_running = Arc::new(AtomicBool::new(false));
        let is_running_now = Arc::clone(&is_running);
        let watch = move || -> Result<(), String> {
            let runtime = runtime()?;
            runtime.block_on(async {
                let failed = |error: io::Error| format!("signals: {error}");
                let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
                let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
                let mut hang_up = signal(SignalKind::hangup()).map_err(failed)?;
                let _start_goes_on = ready_sender.send(());
                let mut first_asked = None;
                loop {
                    tokio::select! {
                        _ = terminate.recv() => {}
                        _ = interrupt.recv() => {}
                        _ = hang_up.recv() => {
                            // When a terminal is closed, its programs get the same signal, and are expected to end.
                            if !had_terminal || has_terminal() {
                                reload_sender.send_modify(|count| *count += 1);
                                continue;
                            }
                        }
                    }
                    // All acknowledged reports are on disk, so the process may end at any moment.
                    if !is_running_now.load(Ordering::Acquire) {
                        tracing::info!("stopped while starting");
                        std::process::exit(0);
                    }
                    sender.send_replace(true);
                    // One request to stop may come as several signals, from a terminal and from a process manager.
                    if first_asked.get_or_insert_with(Instant::now).elapsed() > STOP_TIMEOUT {
                        tracing::warn!(
                            "asked to stop again: stopped at once, agents keep their unacknowledged reports"
                        );
                        // An orderly stop would wait for the same disk. The first process of a container must end
                        // itself.
                        let _first =
                            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
                        std::process::exit(1);
                    }
                }
            })
        };
        let named = thread::Builder::new().name("signals".to_owned());
        // It ends with the process.
        let thread = named.spawn(watch).map_err(|error| format!("a thread cannot be started: {error}"))?;
        match ready.recv() {
            Ok(()) => Ok(Self { asked, reloads, is_running }),
            Err(_) => Err(why_it_ended(thread)),
        }
    }

    /// Changes each time that the hub is asked to read its configuration again.
    pub(crate) fn reloads(&self) -> watch::Receiver<u64> {
        self.reloads.clone()
    }

    /// From now on a request to stop waits for [`Signals::asked`]. To be called before anybody is answered: whoever sees
    /// that the hub serves may ask it to stop, and expects an orderly one.
    pub(crate) fn serving(&self) {
        self.is_running.store(true, Ordering::Release);
    }

    /// Ends when a stop was asked for.
    pub(crate) async fn asked(&mut self) {
        if self.asked.wait_for(|asked| *asked).await.is_err() {
            // Signals are watched as long as the process lives.
            std::future::pending::<()>().await;
        }
    }
}

/// Whether a person's terminal is where the hub reads or logs.
fn has_terminal() -> bool {
    io::stdin().is_terminal() || io::stderr().is_terminal()
}

fn why_it_ended(thread: thread::JoinHandle<Result<(), String>>) -> String {
    thread.join().ok().and_then(Result::err).unwrap_or_else(|| "signals cannot be watched".to_owned())
}
