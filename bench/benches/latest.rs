//! Reading the latest status while reports come in as fast as they can.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use criterion::{Criterion, criterion_group, criterion_main};
use windfire_bench::sessions::Sessions;
use windfire_engine::{Scratch, Selection};

// As in the hub.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SERVERS: usize = 10_000;

fn latest(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut sessions = Sessions::open(folder.path(), SERVERS);
    let frames = sessions.frames(1);
    let mut scratch = Scratch::default();
    sessions.take(&frames, &mut scratch);
    sessions.engine.commit().expect("on disk");
    let engine = sessions.engine.clone();
    let ids: Vec<u64> = engine.snapshot(Selection::All).iter().map(|view| view.record.id).collect();
    let mut group = criterion.benchmark_group("latest");
    for is_written in [false, true] {
        let name = |what: &str| format!("{what}{}", if is_written { ", under write" } else { "" });
        let is_done = AtomicBool::new(!is_written);
        thread::scope(|scope| {
            let (sessions, is_done) = (&mut sessions, &is_done);
            scope.spawn(move || {
                let mut scratch = Scratch::default();
                while !is_done.load(Ordering::Acquire) {
                    let frames = sessions.frames(1);
                    sessions.take(&frames, &mut scratch);
                    sessions.engine.commit().expect("on disk");
                    sessions.upkeep();
                }
            });
            let mut next = 0;
            group.bench_function(name("one server"), |bencher| {
                bencher.iter(|| {
                    next = (next + 7919) % SERVERS;
                    engine.snapshot(Selection::Ids(&ids[next..=next]))
                });
            });
            group.bench_function(name("all of 10000"), |bencher| {
                bencher.iter(|| {
                    let mut sum = 0.0;
                    engine.visit(|_, latest| sum += latest.sample.cpu);
                    sum
                });
            });
            is_done.store(true, Ordering::Release);
        });
    }
    group.finish();
}

criterion_group!(benches, latest);
criterion_main!(benches);
