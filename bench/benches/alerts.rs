//! One pass of the alerts over a large fleet with many rules: while all is well, and while a hundredth of it fires.
//! `ALERT_SERVERS=100000` is the fleet that the hub must look at in a tenth of a second; making it takes a while.

use std::env;

use criterion::{Criterion, criterion_group, criterion_main};
use windfire_bench::sessions::Sessions;
use windfire_engine::alert::Outside;
use windfire_engine::alert::measure::Measure;
use windfire_engine::alert::rule::{Condition, NewRule, Operator, Scope, Severity};
use windfire_engine::alert::state::AlertTime;
use windfire_engine::{Scratch, Selection};

// As in the hub.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SERVERS: usize = 10_000;
/// What the rules look at, and a bound that no server of the fleet is over.
const RULES: [(Measure, f64); 20] = [
    (Measure::Offline, 1e9),
    (Measure::Cpu, 100.0),
    (Measure::Mem, 100.0),
    (Measure::Swap, 100.0),
    (Measure::Disk, 100.0),
    (Measure::Gpu, 100.0),
    (Measure::MemUsed, 1e18),
    (Measure::SwapUsed, 1e18),
    (Measure::DiskUsed, 1e18),
    (Measure::NetIn, 1e18),
    (Measure::NetOut, 1e18),
    (Measure::NetAll, 1e18),
    (Measure::Load1, 1e9),
    (Measure::Load5, 1e9),
    (Measure::Load15, 1e9),
    (Measure::TcpConn, 1e9),
    (Measure::UdpConn, 1e9),
    (Measure::ProcessCount, 1e9),
    (Measure::Temperature, 1e9),
    (Measure::Late, 1e9),
];

fn rule(measure: Measure, value: f64) -> NewRule {
    let condition = Condition { measure, operator: Operator::Above, value, clear: None };
    NewRule::of(measure.name(), Severity::Warning, vec![condition])
}

fn alerts(criterion: &mut Criterion) {
    let servers = env::var("ALERT_SERVERS").ok().and_then(|text| text.parse().ok()).unwrap_or(SERVERS);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut sessions = Sessions::open(folder.path(), servers);
    let frames = sessions.frames(1);
    sessions.take(&frames, &mut Scratch::default());
    let engine = sessions.engine.clone();
    engine.commit().expect("on disk");
    for (measure, value) in RULES {
        engine.registry().add_rule(rule(measure, value), 0).expect("a rule");
    }
    // The reports are those of the first second. Nothing changes between passes.
    let time = AlertTime { now_ms: 1_000, uptime_ms: 1_000_000 };
    let outside = Outside { quiet_ms: Some(0), sessions: servers, ..Outside::default() };
    let pass = || engine.alerts().evaluate(time, &outside).expect("a healthy disk");
    println!("{:?}", pass());
    let mut group = criterion.benchmark_group("alerts");
    group.sample_size(20);
    group.bench_function(format!("a pass over {servers} servers, 20 rules"), |bencher| bencher.iter(pass));
    let some: Vec<u64> = engine.snapshot(Selection::All).iter().map(|view| view.record.id).step_by(100).collect();
    let low = Condition { measure: Measure::Late, operator: Operator::Below, value: 1e9, clear: None };
    let firing = NewRule { scope: Scope::Ids(some), ..NewRule::of("late", Severity::Warning, vec![low]) };
    engine.registry().add_rule(firing, 0).expect("a rule");
    println!("{:?}", pass());
    group.bench_function(format!("a pass over {servers} servers, {} firing", servers / 100), |bencher| {
        bencher.iter(pass);
    });
    group.finish();
}

criterion_group!(benches, alerts);
criterion_main!(benches);
