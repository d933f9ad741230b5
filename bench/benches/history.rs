//! Reading history inside the engine: one metric of one server from packed hours, with an open head on top.

use criterion::{Criterion, criterion_group, criterion_main};
use windfire_bench::fast::FastFleet;
use windfire_bench::workload::CalmMachine;
use windfire_engine::Options;
use windfire_engine::history::{HistoryQuery, Step};
use windfire_engine::metric::Metric;
use windfire_engine::summary::Aggregate;

// As in the hub.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const START_MS: i64 = 1_790_035_200_000;
const HOUR_MS: i64 = 3_600_000;
const SERVERS: usize = 4;

fn history(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut fleet = FastFleet::open(folder.path(), SERVERS, Options::default(), START_MS);
    let mut machines: Vec<CalmMachine> = (0..SERVERS as u64).map(CalmMachine::new).collect();
    // Ends in the middle of a head, twenty minutes into an hour.
    let end_ms = START_MS + 30 * HOUR_MS + 20 * 60_000 + 300_000;
    let mut now_ms = START_MS;
    while now_ms < end_ms {
        let mut left = [120; SERVERS];
        let from_ms = now_ms;
        now_ms += 120_000;
        fleet.run(now_ms, &mut |server, _| {
            left[server] -= 1;
            let at_ms = from_ms + (119 - left[server]) * 1000;
            (left[server] >= 0).then(|| machines[server].next(at_ms))
        });
    }
    let id = fleet.server_ids()[1];
    let mut group = criterion.benchmark_group("history read");
    for (name, metric, hours, step) in [
        ("cpu, 1 h, every report", Metric::Cpu, 1, Step::Raw),
        ("cpu, 1 h, 2 s steps", Metric::Cpu, 1, Step::Ms(2000)),
        ("net_in_transfer, 1 h, every report", Metric::NetInTransfer, 1, Step::Raw),
        ("net_in_speed, 1 h, every report", Metric::NetInSpeed, 1, Step::Raw),
        ("cpu, 1 h of yesterday, every report", Metric::Cpu, -1, Step::Raw),
        ("cpu, a whole hour of yesterday, every report", Metric::Cpu, -2, Step::Raw),
        ("cpu, 24 h of reports, 45 s steps", Metric::Cpu, 24, Step::Ms(45_000)),
        ("mem_used, 24 h of reports, 45 s steps", Metric::MemUsed, 24, Step::Ms(45_000)),
        ("cpu, 24 h, 1 min steps", Metric::Cpu, 24, Step::Ms(60_000)),
    ] {
        let to_ms = match hours {
            -1 => now_ms - 24 * HOUR_MS,
            -2 => START_MS + 5 * HOUR_MS,
            _ => now_ms,
        };
        let metrics = vec![(metric, Aggregate::usual(metric))];
        let from_ms = to_ms - HOUR_MS * i64::from(hours).max(1);
        let query = HistoryQuery { metrics, from_ms, to_ms, step, points_max: 20_000 };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let plan = fleet.engine.history().plan(&query);
                fleet.engine.history().series(id, &plan).expect("readable").expect("a known server")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, history);
criterion_main!(benches);
