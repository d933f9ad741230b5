//! A service manager for one test: it records whatever it is told, and when.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// What was said, and when.
type Said = Arc<Mutex<Vec<(Instant, String)>>>;

/// The manager; its socket is in the test's folder.
pub(crate) struct Manager {
    path: PathBuf,
    said: Said,
    is_over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Manager {
    pub(crate) fn new(folder: &Path) -> Self {
        Self::that_does(folder, |_| {})
    }

    /// Calls `act` with each message before it is recorded.
    pub(crate) fn that_does(folder: &Path, mut act: impl FnMut(&str) + Send + 'static) -> Self {
        let path = folder.join("notify.sock");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("own");
        let (said, is_over) = (Said::default(), Arc::<AtomicBool>::default());
        let (recorded, over) = (Arc::clone(&said), Arc::clone(&is_over));
        let record = move || {
            let mut bytes = [0; 8192];
            while !over.load(Ordering::Relaxed) {
                let Ok(count) = socket.recv(&mut bytes) else { continue };
                let message = String::from_utf8_lossy(&bytes[..count]).into_owned();
                act(&message);
                recorded.lock().push((Instant::now(), message));
            }
        };
        Self { path, said, is_over, thread: Some(thread::spawn(record)) }
    }

    /// For `NOTIFY_SOCKET`.
    pub(crate) fn socket(&self) -> &Path {
        &self.path
    }

    /// Every message so far.
    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().iter().map(|(_, message)| message.clone()).collect()
    }

    /// Whether a message has that in it.
    pub(crate) fn was_told(&self, what: &str) -> bool {
        self.said.lock().iter().any(|(_, message)| message.contains(what))
    }

    /// The newest status.
    pub(crate) fn status(&self) -> String {
        let said = self.said.lock();
        let lines = said.iter().rev().flat_map(|(_, message)| message.lines());
        lines.filter_map(|line| line.strip_prefix("STATUS=")).next().unwrap_or_default().to_owned()
    }

    /// How many pings there were.
    pub(crate) fn pings(&self) -> usize {
        self.said.lock().iter().filter(|(_, message)| message == "WATCHDOG=1").count()
    }

    /// Time since the newest ping, or since the first message.
    pub(crate) fn silence(&self) -> Duration {
        let said = self.said.lock();
        let newest = said.iter().rev().find(|(_, message)| message == "WATCHDOG=1").or(said.first());
        newest.map_or(Duration::ZERO, |(at, _)| at.elapsed())
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}
