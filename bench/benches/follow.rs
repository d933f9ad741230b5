//! Messages of a stream to the shards of a hub of a cluster: the work of a follower for each report, decoding included,
//! commits and upkeep not. Throughput is in reports.

use std::path::Path;
use std::process::Command;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use windfire_bench::cluster::maker::{Maker, follow, open_follower, settle};
use windfire_bench::hub_process::HubProcess;

// As in the hub.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SERVERS: usize = 1000;
const START_MS: i64 = 1_790_035_200_000;
/// The hub that follows.
const HUB_ID: u32 = 2;

fn follow_messages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("follow");
    group.sample_size(20);
    for per_frame in [1, 10] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (source, target) = (folder.path().join("source"), folder.path().join("target"));
        let credentials = HubProcess::new(Path::new("windfire"), &source, &[]).make_servers(SERVERS, "");
        let copied = Command::new("cp").arg("-a").arg(&source).arg(&target).status();
        assert!(copied.is_ok_and(|status| status.success()), "{} is not copied", source.display());
        let (follower, mut maker) = (open_follower(&target, HUB_ID), Maker::open(&source, &credentials, START_MS));
        follow(&follower, &maker.take());
        group.throughput(Throughput::Elements(SERVERS as u64 * per_frame));
        group.bench_function(format!("{SERVERS} frames of {per_frame}"), |bencher| {
            bencher.iter_batched(
                || {
                    settle(&follower, maker.now_ms());
                    maker.round(per_frame);
                    maker.take()
                },
                |messages| follow(&follower, &messages),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, follow_messages);
criterion_main!(benches);
