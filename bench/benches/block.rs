//! Sealing and re-packing blocks, and reading one field of one. Throughput is in reports.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use windfire_bench::sizes::{Fleet, run_of, samples};
use windfire_bench::workload::Trace;
use windfire_engine::block::{Block, Effort};
use windfire_engine::metric::Metric;

// As in the hub.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SEAL_ROWS: usize = 600;
const HOUR_ROWS: usize = 3600;

fn block(criterion: &mut Criterion) {
    let trace = Trace::new();
    for (name, fleet) in [("trace", Fleet::Trace), ("calm", Fleet::Calm)] {
        let mut group = criterion.benchmark_group(format!("block/{name}"));
        group.sample_size(20);
        let hour = samples(fleet, &trace, 1, HOUR_ROWS);
        let (sealed, whole) = (run_of(1, &hour[..SEAL_ROWS]), run_of(1, &hour));
        group.throughput(Throughput::Elements(SEAL_ROWS as u64));
        group.bench_function("seal 600, quick", |bencher| bencher.iter(|| sealed.encode(1, Effort::Quick)));
        group.bench_function("encode 600, dense", |bencher| bencher.iter(|| sealed.encode(1, Effort::Dense)));
        group.throughput(Throughput::Elements(HOUR_ROWS as u64));
        let parts: Vec<Vec<u8>> = hour.chunks(SEAL_ROWS).map(|part| run_of(1, part).encode(1, Effort::Quick)).collect();
        group.bench_function("decode six of 600", |bencher| {
            bencher.iter(|| {
                parts.iter().map(|part| Block::read(part).expect("sealed").run().expect("sealed").len()).sum::<usize>()
            });
        });
        group.bench_function("encode 3600, dense", |bencher| bencher.iter(|| whole.encode(1, Effort::Dense)));
        let dense = whole.encode(1, Effort::Dense);
        group.bench_function("decode 3600, dense", |bencher| {
            bencher.iter(|| Block::read(black_box(&dense)).expect("sealed").run().expect("sealed"));
        });
        group.bench_function("check 3600, dense", |bencher| {
            bencher.iter(|| Block::read(black_box(&dense)).expect("sealed"));
        });
        group.bench_function("check and read the times of 3600, dense", |bencher| {
            bencher.iter(|| Block::read(black_box(&dense)).expect("sealed").times_ms().expect("sealed"));
        });
        for metric in [Metric::Cpu, Metric::MemUsed, Metric::NetInTransfer] {
            group.bench_function(format!("check and read {} of 3600, dense", metric.name()), |bencher| {
                bencher.iter(|| Block::read(black_box(&dense)).expect("sealed").values(metric, &[]).expect("sealed"));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, block);
criterion_main!(benches);
