//! The live stream's look at the whole fleet, with every server changed since the last.

use std::net::{IpAddr, Ipv4Addr};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use windfire_api::live::Live;
use windfire_api::{Api, Body, Caller, handle};
use windfire_bench::sessions::Sessions;
use windfire_engine::Scratch;
use windfire_engine::token::NewToken;

// As in the hub.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SERVERS: usize = 10_000;

fn live(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut sessions = Sessions::open(folder.path(), SERVERS);
    let mut scratch = Scratch::default();
    let (_, token) = sessions.engine.registry().add_token(NewToken::of_v0("bench"), 0).expect("room");
    let request = http::Request::get("/api/v1/server/stream")
        .header("Authorization", &token)
        .body(bytes::Bytes::new())
        .expect("a request");
    let caller = Caller { peer: IpAddr::V4(Ipv4Addr::LOCALHOST), now_ms: 1000 };
    let Body::Live(subscription) = handle(&Api::default(), &sessions.engine, &request, caller).into_body() else {
        panic!("not a stream")
    };
    let stream = Live::new(1, 30);
    let engine = sessions.engine.clone();
    let mut now_s = 1;
    let mut position = None;
    let mut group = criterion.benchmark_group("live");
    group.sample_size(20);
    group.bench_function("diff of 10000 and its event", |bencher| {
        bencher.iter_batched(
            || {
                now_s += 1;
                let frames = sessions.frames(1);
                sessions.take(&frames, &mut scratch);
                sessions.engine.commit().expect("on disk");
                sessions.upkeep();
                now_s
            },
            |now_s| {
                stream.advance(&engine, now_s);
                let next = stream.next(&engine, &subscription.key, position, false, now_s).expect("room");
                let (event, at) = next.expect("an event");
                position = Some(at);
                event.len()
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, live);
criterion_main!(benches);
