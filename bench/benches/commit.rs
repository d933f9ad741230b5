//! Pending reports to the disk, in one synced write. Throughput is in reports.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use windfire_bench::sessions::Sessions;
use windfire_engine::Scratch;

// As in the hub.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn commit(criterion: &mut Criterion) {
    let mut scratch = Scratch::default();
    let mut group = criterion.benchmark_group("commit");
    group.sample_size(20);
    for servers in [100, 1000, 10_000] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut sessions = Sessions::open(folder.path(), servers);
        let engine = sessions.engine.clone();
        group.throughput(Throughput::Elements(servers as u64));
        group.bench_function(format!("{servers} reports, synced"), |bencher| {
            bencher.iter_batched(
                || {
                    sessions.upkeep();
                    let frames = sessions.frames(1);
                    sessions.take(&frames, &mut scratch);
                },
                |()| engine.commit().expect("on disk"),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, commit);
criterion_main!(benches);
