//! Hubs of a cluster whose followers have their own threads, and operators who change the registry at the same time.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::NOW_S;
use super::shared::seen;
use crate::error::ChangeError;
use crate::registry::{Ledger, Proposal, Proposed};
use crate::server::NewServer;
use crate::{Engine, Followed, Member, Membership, Options};

/// Servers that each operator adds.
const EACH: usize = 20;

/// The registry's stream.
#[derive(Default)]
struct Stream {
    messages: Mutex<Messages>,
    grown: Condvar,
}

#[derive(Default)]
struct Messages {
    stored: Vec<Vec<u8>>,
    /// Nothing comes any more.
    is_over: bool,
}

impl Stream {
    /// Lets a hub follow to the end.
    fn bring(&self, engine: &Engine) {
        for position in 1.. {
            let mut messages = self.messages.lock();
            self.grown.wait_while(&mut messages, |of| of.stored.len() < position && !of.is_over);
            let Some(message) = messages.stored.get(position - 1).cloned() else { return };
            drop(messages);
            assert_eq!(engine.follow_registry(position as u64, &message), Ok(Followed::Applied));
        }
    }

    fn end(&self) {
        self.messages.lock().is_over = true;
        self.grown.notify_all();
    }
}

impl Ledger for Stream {
    fn propose(&self, proposal: &Proposal<'_>) -> Proposed {
        let mut messages = self.messages.lock();
        if messages.stored.len() as u64 != proposal.expected {
            return Proposed::Overtaken;
        }
        messages.stored.push(proposal.bytes.to_vec());
        self.grown.notify_all();
        Proposed::Stored
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(60)
    }
}

/// Adds servers, and returns their ids.
fn add_servers(engine: &Engine, operator: usize) -> Vec<u64> {
    let add = |number: usize| {
        let new = NewServer { name: format!("{operator} {number}"), ..NewServer::default() };
        loop {
            match engine.registry().add_server(new.clone(), NOW_S) {
                Ok(made) => return made.id,
                // Nothing was changed.
                Err(ChangeError::Overtaken) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    (0..EACH).map(add).collect()
}

#[test]
fn changes_that_compete_on_several_hubs_are_each_made_once() {
    let stream = Arc::new(Stream::default());
    let folders = [tempfile::tempdir().expect("a temporary folder"), tempfile::tempdir().expect("a temporary folder")];
    let open = |(hub_id, folder): (u32, &tempfile::TempDir)| {
        let member = Member { hub_id, boot_id: 1 };
        let following = Some(Membership { member, ledger: Arc::clone(&stream) as _ });
        Engine::open(folder.path(), Options { following, ..Options::default() }).expect("a new store")
    };
    let engines: Vec<Engine> = (0..).zip(&folders).map(open).collect();
    let ids = thread::scope(|scope| {
        let stream = &stream;
        engines.iter().for_each(|engine| drop(scope.spawn(move || stream.bring(engine))));
        let begin = |operator: usize| {
            let engine = &engines[operator % 2];
            scope.spawn(move || add_servers(engine, operator))
        };
        let operators: Vec<_> = (0..4).map(begin).collect();
        let ids: Vec<_> = operators.into_iter().map(thread::ScopedJoinHandle::join).collect();
        // In any case, so that the followers come to their end.
        stream.end();
        ids
    });
    let mut ids: Vec<u64> = ids.into_iter().flat_map(|ids| ids.expect("every change is made")).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=4 * EACH as u64).collect::<Vec<u64>>());
    assert_eq!(seen(&engines[0]), seen(&engines[1]));
    assert_eq!(seen(&engines[0]).len(), 4 * EACH);
}
