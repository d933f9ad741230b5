//! Makes a call that may never return, on its own thread.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Stack of such a thread, bytes: it reads small files.
pub(super) const STACK_BYTES: usize = 128 * 1024;

/// A call on another thread, never twice at once.
pub(super) struct Apart<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    is_asked: bool,
    is_over: bool,
    answer: Option<(T, Instant)>,
}

impl<T: Clone + Send + 'static> Apart<T> {
    /// Makes no call yet. `answer` may never return. It then blocks only its own thread.
    pub(super) fn new(name: &str, mut answer: impl FnMut() -> T + Send + 'static) -> Self {
        let state = Mutex::new(State { is_asked: false, is_over: false, answer: None });
        let shared = Arc::new(Shared { state, changed: Condvar::new() });
        let of_thread = Arc::clone(&shared);
        let run = move || {
            loop {
                {
                    let mut state = of_thread.state.lock();
                    of_thread.changed.wait_while(&mut state, |state| !state.is_asked && !state.is_over);
                    if state.is_over {
                        return;
                    }
                }
                let found = answer();
                let mut state = of_thread.state.lock();
                (state.is_asked, state.answer) = (false, Some((found, Instant::now())));
                of_thread.changed.notify_all();
            }
        };
        if let Err(error) = thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(run) {
            tracing::warn!(%error, "no thread for {name}: they are not reported");
        }
        Self { shared }
    }

    /// Makes the call, unless one is under way. Returns the newest answer, if it is not older than `age_max`.
    pub(super) fn ask(&self, age_max: Duration) -> Option<T> {
        let mut state = self.shared.state.lock();
        state.is_asked = true;
        self.shared.changed.notify_all();
        state.answer.as_ref().filter(|(_, at)| at.elapsed() <= age_max).map(|(answer, _)| answer.clone())
    }

    /// Makes the call, and waits some time for its answer.
    pub(super) fn wait(&self, at_most: Duration) -> Option<T> {
        let mut state = self.shared.state.lock();
        state.is_asked = true;
        self.shared.changed.notify_all();
        self.shared.changed.wait_while_for(&mut state, |state| state.is_asked, at_most);
        state.answer.as_ref().map(|(answer, _)| answer.clone())
    }
}

impl<T> Drop for Apart<T> {
    fn drop(&mut self) {
        self.shared.state.lock().is_over = true;
        self.shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn who_asks_waits_for_no_answer_and_never_asks_twice_at_once() {
        let (go, goes) = mpsc::channel::<u32>();
        let asked = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&asked);
        let apart = Apart::new("test", move || {
            counted.fetch_add(1, Ordering::SeqCst);
            goes.recv().unwrap_or(0)
        });
        for _ in 0..100 {
            assert_eq!(apart.ask(LONG), None, "nothing has answered");
        }
        assert_eq!(apart.wait(Duration::from_millis(1)), None);
        assert!(asked.load(Ordering::SeqCst) <= 1, "not asked again while it hangs");
        // The wait may come before the answer, or ask once more after it.
        (0..2).for_each(|_| go.send(7).expect("it waits"));
        assert_eq!(apart.wait(LONG), Some(7));
        assert_eq!(apart.ask(LONG), Some(7), "the newest is given while the next is asked");
        assert_eq!(apart.ask(Duration::ZERO), None, "but not one that is too old");
        // Dropped while the call hangs: nothing waits for it.
        drop(apart);
    }
}
