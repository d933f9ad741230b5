//! A start that takes its time says how far it has read the log: first nothing, then more and more, at last all of it.

use std::sync::{Arc, Mutex};

use windfire_bench::fast::FastFleet;
use windfire_bench::numbered::{INTERVAL_MS, START_MS, report};
use windfire_engine::{Engine, Options};

const SERVERS: usize = 20;
const COMMITS: u64 = 50;

#[test]
fn a_start_says_how_far_it_has_read_the_log() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let heard = Arc::new(Mutex::new(Vec::new()));
    let open = || {
        let heard = Arc::clone(&heard);
        heard.lock().expect("sound").clear();
        let listen = move |read, all| heard.lock().expect("sound").push((read, all));
        let options = Options { on_replay: Some(Box::new(listen)), ..Options::default() };
        Engine::open(folder.path(), options).expect("a store")
    };
    drop(open());
    assert_eq!(*heard.lock().expect("sound"), [(0, 0)], "a new store has no log");

    let mut fleet = FastFleet::open(folder.path(), SERVERS, Options::default(), START_MS);
    let ids = fleet.server_ids();
    for until in 1..=COMMITS {
        let now_ms = START_MS + until.cast_signed() * INTERVAL_MS;
        fleet.commit(now_ms, &mut |server, sequence| (sequence <= until).then(|| report(ids[server], sequence)));
    }
    drop(fleet);
    drop(open());
    let heard = heard.lock().expect("sound");
    let (all, read): (Vec<u64>, Vec<u64>) = heard[1..].iter().map(|(read, all)| (*all, *read)).unzip();
    assert_eq!(heard[0], (0, 0), "the store is this process's before anything is read");
    assert!(all.iter().all(|all| *all == COMMITS), "{all:?}");
    assert!(read.is_sorted() && read.first() == Some(&1) && read.last() == Some(&COMMITS), "{read:?}");
}
