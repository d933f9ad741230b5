//! A long start: it says how far it is, and the command line gets the same answer while the hub starts.
//!
//! ```text
//! Engine::open ── (read, all) ──► Progress ──► a line now and then, once it takes long
//!                                        └───► the admin socket, once the store is this process's: "it is starting"
//! ```

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;
use windfire_engine::ReplayListener;

use crate::admin::{self, Meanwhile};
use crate::progress::Progress;

/// A start, until this is dropped.
pub(crate) struct Starting {
    progress: Arc<Progress>,
    /// Answers on the admin socket until the hub is ready.
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
    says: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Starting {
    /// Calls `say` with the progress when the start has taken `quiet`, and then every `interval`.
    pub(crate) fn new(quiet: Duration, interval: Duration, say: impl Fn(&str) + Send + 'static) -> Self {
        let progress = Arc::new(Progress::default());
        let (over, is_over) = mpsc::channel::<()>();
        let watched = Arc::clone(&progress);
        let watch = move || {
            let mut wait = quiet;
            while is_over.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                say(&watched.words());
                wait = interval;
            }
        };
        // Without this thread the start works too, but says nothing.
        let thread = thread::Builder::new().name("start".to_owned()).spawn(watch).ok();
        let says = thread.map(|thread| (over, thread));
        Self { progress, meanwhile: Arc::default(), says }
    }

    /// For the engine, when a verb opens the store for itself.
    pub(crate) fn listener(&self) -> ReplayListener {
        let progress = Arc::clone(&self.progress);
        Box::new(move |read, all| progress.set(read, all))
    }

    /// For the engine of a hub: from its first call on, verbs get the answer that the hub of this folder is starting.
    pub(crate) fn listener_of_hub(&self, data: &Path) -> ReplayListener {
        let (progress, meanwhile, data) = (Arc::clone(&self.progress), Arc::clone(&self.meanwhile), data.to_owned());
        Box::new(move |read, all| {
            progress.set(read, all);
            if all == 0 {
                // If the socket cannot be bound, the hub reports it when the store is open.
                *meanwhile.lock() = admin::bind(&data)
                    .and_then(|listener| Meanwhile::answer(listener, data.clone(), Arc::clone(&progress)))
                    .ok();
            }
        })
    }

    /// The admin socket, which stays open without a gap. If it could not be bound before, it is bound now.
    pub(crate) fn admin_socket(&self, data: &Path) -> Result<std::os::unix::net::UnixListener, String> {
        let meanwhile = self.meanwhile.lock().take();
        meanwhile.and_then(Meanwhile::end).map_or_else(|| admin::bind(data), Ok)
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some((over, thread)) = self.says.take() {
            drop(over);
            let _ended = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write, sink};
    use std::os::unix::net::UnixStream;

    use windfire_api::Agents;
    use windfire_engine::Options;

    use super::*;
    use crate::admin::{Request, Response};

    fn list() -> Request {
        let (method, path) = ("GET".to_owned(), "/api/v1/manage/server".to_owned());
        Request::Api { method, path, body: None, expires_days: None, lasts_minutes: None }
    }

    #[test]
    fn whoever_asks_a_hub_that_is_starting_hears_that_it_is() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let starting = Starting::new(Duration::from_hours(1), Duration::from_hours(1), |_| {});
        let listener = starting.listener_of_hub(folder.path());
        listener(0, 0);
        let socket = folder.path().join("admin.sock");
        // A silent client does not hold up the others for long.
        let silent = UnixStream::connect(&socket).expect("a socket");
        listener(1, 4);
        for request in [list(), Request::Verify, Request::Password { user: "x".repeat(9000), is_new: true }] {
            let answer = admin::ask(folder.path(), None, Options::default(), Agents::default, request, 0, &mut sink())
                .expect("an answer");
            let Response::Failed(words) = answer else { panic!("{answer:?}") };
            assert!(words.contains("is starting (reading the log, 25 % of 4 commits)"), "{words}");
            assert!(words.contains(&folder.path().display().to_string()), "{words}");
        }
        drop(silent);
        let taken = starting.admin_socket(folder.path()).expect("the socket");
        // It is the same socket: a client that connects in between waits for the hub.
        let mut waiting = UnixStream::connect(&socket).expect("still there");
        waiting.write_all(b"\"server-list\"\n").expect("room");
        taken.set_nonblocking(false).expect("own");
        let (hub, _) = taken.accept().expect("the waiting client");
        let mut line = String::new();
        BufReader::new(hub).read_line(&mut line).expect("a request");
        assert_eq!(line, "\"server-list\"\n");
    }

    #[test]
    fn a_start_that_failed_leaves_nobody_who_answers() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let starting = Starting::new(Duration::from_hours(1), Duration::from_hours(1), |_| {});
        let listener = starting.listener_of_hub(folder.path());
        listener(0, 0);
        drop((starting, listener));
        let error = admin::ask(folder.path(), None, Options::default(), Agents::default, list(), 0, &mut sink());
        assert!(error.expect_err("nobody").contains("not a hub's"));
    }

    #[test]
    fn it_says_what_it_does_and_how_far_it_is() {
        let progress = Progress::default();
        for (read, all, words) in [
            (0, 0, "opening the database"),
            (0, 3, "reading the log, 0 % of 3 commits"),
            (2, 3, "reading the log, 66 % of 3 commits"),
            (3, 3, "all 3 commits of the log are read"),
            (u64::MAX - 1, u64::MAX, "reading the log, 99 % of 18446744073709551615 commits"),
            (5, 3, "all 3 commits of the log are read"),
        ] {
            progress.set(read, all);
            assert_eq!(progress.words(), words);
        }
    }

    #[test]
    fn a_long_start_is_heard_and_a_short_one_is_not() {
        let (sender, said) = mpsc::channel();
        let second = sender.clone();
        let say = move |sender: &Sender<String>, words: &str| sender.send(words.to_owned()).expect("heard");
        let long = Starting::new(Duration::ZERO, Duration::from_millis(1), move |words| say(&sender, words));
        let listener = long.listener();
        assert_eq!(said.recv().expect("a word"), "opening the database");
        listener(1, 2);
        assert!(said.iter().any(|words| words == "reading the log, 50 % of 2 commits"));
        listener(2, 2);
        assert!(said.iter().any(|words| words == "all 2 commits of the log are read"));
        drop(long);
        while said.try_recv().is_ok() {}
        let short = Starting::new(Duration::from_hours(1), Duration::ZERO, move |words| say(&second, words));
        short.listener()(1, 2);
        drop(short);
        assert!(said.recv().is_err(), "nothing was said, and no thread is left to say it");
    }
}
