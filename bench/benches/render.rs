//! The hot read: the whole fleet's details.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use windfire_api::{Api, Caller, handle};
use windfire_bench::workload::{Machine, Trace, host};
use windfire_engine::server::NewServer;
use windfire_engine::token::NewToken;
use windfire_engine::{Engine, Options, Session};
use windfire_wire::{Hello, HelloClock, PROTOCOL_VERSION, ReportChain, Reports, Up};

const SERVERS: usize = 1000;

fn render(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = Arc::new(Engine::open(folder.path(), Options::default()).expect("a new store"));
    let trace = Trace::new();
    for number in 0..SERVERS {
        let new = NewServer { name: format!("server-{number}"), ..NewServer::default() };
        let credential = engine.registry().add_server(new, 0).expect("room").credential;
        let mut session = Session::new("127.0.0.1".to_owned(), Box::new(|_| {}));
        let (agent_version, clock) = (String::new(), Some(HelloClock::default()));
        let hello = Hello { protocol: PROTOCOL_VERSION, credential, enrol: None, agent_version, outbox_id: 1, clock };
        session.on_frame(&engine, Up::Hello(hello), 0).expect("an open session");
        session.on_watermark(&engine).expect("a welcome");
        session.on_frame(&engine, Up::Host(Box::new(host(number))), 0).expect("taken");
        let report = Machine::new(number as u64).next(&trace, 1000);
        let reports = vec![ReportChain::new().shrink(&report).expect("finite")];
        let batch = Reports { first_sequence: 1, ack_now: false, reports };
        session.on_frame(&engine, Up::Reports(batch), 1000).expect("taken");
    }
    engine.commit().expect("on disk");
    let (_, token) = engine.registry().add_token(NewToken::of_v0("bench"), 0).expect("room");
    let api = Api::default();
    let caller = Caller { peer: IpAddr::V4(Ipv4Addr::LOCALHOST), now_ms: 1000 };
    let mut group = criterion.benchmark_group("render");
    for (name, encoding) in
        [("details of 1000", ""), ("details of 1000, zstd", "zstd"), ("details of 1000, gzip", "gzip")]
    {
        let request = http::Request::get("/api/v1/server/details")
            .header("Authorization", &token)
            .header("Accept-Encoding", encoding)
            .body(bytes::Bytes::new())
            .expect("a request");
        group.bench_function(name, |bencher| bencher.iter(|| handle(&api, &engine, &request, caller)));
    }
    group.finish();
}

criterion_group!(benches, render);
criterion_main!(benches);
