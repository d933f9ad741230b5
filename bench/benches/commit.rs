//! From a decoded frame to the disk: sessions apply, one synced commit takes all.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use windfire_bench::workload::{Machine, Trace};
use windfire_engine::server::NewServer;
use windfire_engine::{Engine, Options, Session};
use windfire_wire::{Hello, PROTOCOL_VERSION, ReportChain, Reports, Up};

const SERVERS: usize = 1000;

fn commit(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = Engine::open(folder.path(), Options::default()).expect("a new store");
    let trace = Trace::new();
    let (mut sessions, mut machines) = (Vec::new(), Vec::new());
    for seed in 0..SERVERS as u64 {
        let credential = engine.add_server(NewServer::default(), 0).expect("room").credential;
        let mut session = Session::new("127.0.0.1".to_owned(), Box::new(|_| {}));
        let hello = Hello {
            protocol: PROTOCOL_VERSION,
            credential,
            enrol: None,
            agent_version: String::new(),
            outbox_id: u128::from(seed),
        };
        session.on_frame(&engine, Up::Hello(hello), 0).expect("an open session");
        session.on_watermark(&engine).expect("a welcome");
        sessions.push(session);
        machines.push((ReportChain::new(), Machine::new(seed)));
    }
    let mut second = 0;
    let mut group = criterion.benchmark_group("commit");
    group.throughput(Throughput::Elements(SERVERS as u64));
    group.sample_size(20);
    group.bench_function("apply 1000 reports and commit, synced", |bencher| {
        bencher.iter_batched(
            || {
                second += 1;
                let frame = |(chain, machine): &mut (ReportChain, Machine)| {
                    let report = machine.next(&trace, second * 1000);
                    let reports = vec![chain.shrink(&report).expect("finite")];
                    Up::Reports(Reports { first_sequence: second.unsigned_abs(), ack_now: false, reports })
                };
                machines.iter_mut().map(frame).collect::<Vec<_>>()
            },
            |frames| {
                for (session, frame) in sessions.iter_mut().zip(frames) {
                    session.on_frame(&engine, frame, 1).expect("taken");
                }
                engine.commit().expect("on disk")
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, commit);
criterion_main!(benches);
