//! From the bytes of a frame to its shard: the work of a listener for each report. Throughput is in reports.

use std::cell::RefCell;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use windfire_bench::sessions::Sessions;
use windfire_engine::Scratch;

// As in the hub.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SERVERS: usize = 10_000;

fn apply(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Set-up and the measured part both need them, one after the other.
    let sessions = RefCell::new(Sessions::open(folder.path(), SERVERS));
    let mut scratch = Scratch::default();
    let mut group = criterion.benchmark_group("apply");
    group.sample_size(20);
    for per_frame in [1, 10] {
        group.throughput(Throughput::Elements((SERVERS * per_frame) as u64));
        group.bench_function(format!("10000 frames of {per_frame}"), |bencher| {
            bencher.iter_batched(
                || {
                    let mut sessions = sessions.borrow_mut();
                    sessions.engine.commit().expect("on disk");
                    sessions.upkeep();
                    sessions.frames(per_frame)
                },
                |frames| sessions.borrow_mut().take(&frames, &mut scratch),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, apply);
criterion_main!(benches);
