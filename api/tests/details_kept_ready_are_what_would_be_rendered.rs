//! `details` of all servers comes from the cache. Asked by `id`, the same servers are rendered. Both must be the same,
//! whatever happened between two requests.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};

use std::sync::Arc;

use windfire_api::{Api, Caller, handle};
use windfire_bench::fast::FastFleet;
use windfire_bench::workload::{Machine, Trace};
use windfire_engine::server::{NewServer, ServerEdit};
use windfire_engine::token::NewToken;
use windfire_engine::{Engine, Options, Selection};

const STEPS: usize = 300;

struct Reader {
    api: Api,
    token: String,
}

impl Reader {
    fn get(&self, engine: &Arc<Engine>, path: &str, coding: &str) -> (String, Vec<u8>) {
        let request = http::Request::get(path)
            .header("Authorization", &self.token)
            .header("Accept-Encoding", coding)
            .body(bytes::Bytes::new())
            .expect("a request");
        let caller = Caller { peer: IpAddr::V4(Ipv4Addr::LOCALHOST), now_ms: 1000 };
        let (head, body) = handle(&self.api, engine, &request, caller).into_parts();
        let body = body.collect().expect("a body that is there").to_vec();
        let length = head.headers.get("content-length").and_then(|length| length.to_str().ok());
        assert_eq!(length, Some(body.len().to_string().as_str()));
        let tag = head.headers.get("etag").and_then(|tag| tag.to_str().ok()).expect("a tag");
        (tag.to_owned(), body)
    }
}

#[test]
fn details_kept_ready_are_what_would_be_rendered() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut fleet = FastFleet::open(folder.path(), 30, Options::default(), 1000);
    let (_, token) = fleet.engine.registry().add_token(NewToken::of_v0("test"), 0).expect("room");
    let reader = Reader { api: Api::default(), token };
    let (trace, mut machines) = (Trace::new(), (0..30).map(Machine::new).collect::<Vec<_>>());
    let (mut tags, mut last) = (HashSet::new(), None);
    for _ in 0..STEPS {
        let ids: Vec<u64> = fleet.engine.snapshot(Selection::All).iter().map(|view| view.record.id).collect();
        match random.u32(0..10) {
            0 => drop(
                fleet.engine.registry().add_server(NewServer { name: "new".to_owned(), ..NewServer::default() }, 0),
            ),
            // One that has no agent, or the test's own fleet would lose one.
            1 if ids.len() > 32 => fleet.engine.registry().remove_servers(&ids[ids.len() - 1..]).expect("removed"),
            2 => {
                let name = Some(format!("called {}", random.u8(..)));
                let id = ids[random.usize(..ids.len())];
                drop(
                    fleet
                        .engine
                        .registry()
                        .edit_server(id, ServerEdit { name, ..ServerEdit::default() })
                        .expect("edited"),
                );
            }
            3 => {}
            _ => {
                let mut done = HashSet::new();
                let some: HashSet<usize> = (0..random.usize(0..9)).map(|_| random.usize(..30)).collect();
                let time_ms = random.i64(1000..1_000_000);
                fleet.commit(time_ms, &mut |server, _| {
                    let is_due = some.contains(&server) && done.insert(server);
                    is_due.then(|| machines[server].next(&trace, time_ms))
                });
            }
        }
        let engine = Arc::new(fleet.engine);
        let ids = engine.snapshot(Selection::All).iter().map(|view| view.record.id.to_string()).collect::<Vec<_>>();
        let (_, expected) = reader.get(&engine, &format!("/api/v1/server/details?id={}", ids.join(",")), "");
        let (tag, kept) = reader.get(&engine, "/api/v1/server/details", "");
        assert_eq!(String::from_utf8_lossy(&kept), String::from_utf8_lossy(&expected));
        match &last {
            Some((last_tag, last_body)) if *last_body == kept => assert!(*last_tag == tag || tags.insert(tag.clone())),
            _ => assert!(tags.insert(tag.clone()), "another answer has another tag"),
        }
        last = Some((tag, kept));
        fleet.engine = Arc::into_inner(engine).expect("nobody else");
    }
    // Compressed answers may lag a report behind, but never an edit.
    let edit = ServerEdit { name: Some("seen at once".to_owned()), ..ServerEdit::default() };
    let engine = Arc::new(fleet.engine);
    drop(reader.get(&engine, "/api/v1/server/details", "zstd"));
    let id = engine.snapshot(Selection::All)[0].record.id;
    engine.registry().edit_server(id, edit).expect("edited");
    let (_, packed) = reader.get(&engine, "/api/v1/server/details", "zstd");
    let unpacked = zstd::decode_all(&packed[..]).expect("zstd");
    assert!(String::from_utf8_lossy(&unpacked).contains("seen at once"));
}
