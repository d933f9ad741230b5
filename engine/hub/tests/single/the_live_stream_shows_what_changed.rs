//! Snapshot, changes, coming back, guests, and servers that leave what somebody watches.

use std::io::{Read, Write};
use std::time::Duration;

use crate::hub::panel::{Panel, Stream};
use crate::hub::{new_hub, quick_backoff, wait_until};
use serde_json::{Value, json};
use windfire_bench::swarm::{Swarm, SwarmOptions};

#[test]
fn the_live_stream_shows_what_changed() {
    let (_folder, mut hub) = new_hub(&["--offline-after-s", "5"]);
    let credentials = hub.make_servers(3, "shop");
    hub.start();
    let admin = Panel::of_admin(&hub);
    let cookie = [("Cookie", admin.cookie.as_str())];

    let mut all = Stream::open(&hub, "", &cookie);
    let snapshot = all.next().expect("a snapshot");
    assert_eq!(snapshot.name, "snapshot");
    let state = |snapshot: &Value, index: usize| snapshot["servers"][index][16].clone();
    assert_eq!(state(&snapshot.data, 0)[0], json!(-1), "nothing was ever reported");

    // Reports come, and go.
    let options = SwarmOptions {
        interval: Duration::from_millis(200),
        backoff: quick_backoff(),
        ack_each_report: false,
        ..SwarmOptions::default()
    };
    let mut swarm = Swarm::start(&hub, &credentials[..1], options);
    all.next_where(|event| active_of_1(&event.data) == Some(0));
    swarm.finish();
    wait_until("the agent has gone", || hub.metric("windfire_sessions") == 0.0);
    // It may have been silent for a while before, on a machine that stood still.
    let list = crate::hub::panel::result(&admin.get(&hub, "/api/v1/server/list"));
    let last_active = list[0]["last_active"].as_i64().filter(|active| *active > 1_700_000_000).expect("a time");
    let offline = all.next_where(|event| active_of_1(&event.data) == Some(last_active));

    // Who comes back goes on where it was.
    admin.done(&hub, "PATCH", "/api/v1/manage/server/2", &json!({"name": "renamed"}));
    let renamed = all.next_where(|event| event.data["servers"][0][1] == json!("renamed"));
    let last_event_id = ("Last-Event-ID", offline.id.as_str());
    let mut again = Stream::open(&hub, "", &[cookie[0], last_event_id]);
    assert_eq!(again.next().expect("an event"), renamed, "what was missed, the very same");
    let foreign = ("Last-Event-ID", "1234-1");
    assert_eq!(Stream::open(&hub, "", &[cookie[0], foreign]).next().expect("an event").name, "snapshot");
    let by_query = format!("?last_event_id={}", offline.id);
    assert_eq!(Stream::open(&hub, &by_query, &cookie).next().expect("an event"), renamed);

    // A server that is hidden, retagged or removed leaves those who must not see it any more.
    let mut guest = Stream::open(&hub, "", &[]);
    let mut shop = Stream::open(&hub, "?tag=shop", &cookie);
    assert_eq!(guest.next().expect("a snapshot").data["servers"].as_array().map(Vec::len), Some(3));
    assert_eq!(shop.next().expect("a snapshot").data["servers"].as_array().map(Vec::len), Some(3));
    admin.done(&hub, "PATCH", "/api/v1/manage/server/3", &json!({"hide_for_guest": true}));
    assert_eq!(guest.next().expect("a change").data["gone"], json!([3]));
    assert_eq!(shop.next().expect("a change").data["servers"][0][4], json!(1));
    admin.done(&hub, "POST", "/api/v1/manage/server/bulk", &json!({"ids": [2, 3], "tag": "office"}));
    assert_eq!(gone(&mut shop, 2), [2, 3]);
    assert_eq!(guest.next().expect("a change").data["servers"][0][2], json!("office"));
    admin.done(&hub, "POST", "/api/v1/manage/server/bulk", &json!({"ids": [2, 3], "remove": true}));
    assert_eq!(guest.next().expect("a change").data["gone"], json!([2]), "3 was never seen");
    assert_eq!(hub.get("/api/v1/server/list", "").text().matches("\"id\":").count(), 0, "guests have the stream only");

    assert!(hub.get("/api/v1/server/history?metric=cpu", "").text().contains("\"code\":0"), "and their history");
    assert!(hub.get("/api/v1/server/facts", "").text().contains("\"code\":401"), "but no addresses");

    // Some servers by id are shown exactly.
    let exact = Stream::open(&hub, "?id=1", &cookie).next().expect("a snapshot");
    assert_eq!(exact.data["fields"][1], json!(["cpu", 100]));

    // Two people edit one server: the later one is told.
    let versions = crate::hub::panel::result(&admin.get(&hub, "/api/v1/manage/server"));
    let version = versions[0]["version"].clone();
    admin.done(&hub, "PATCH", "/api/v1/manage/server/1", &json!({"note": "first", "version": version}));
    let later = admin.change(&hub, "PATCH", "/api/v1/manage/server/1", &json!({"note": "second", "version": version}));
    assert_eq!(later.status, 409);

    // Signing out ends the stream.
    admin.done(&hub, "DELETE", "/api/v1/session", &json!(null));
    while all.next().is_some() {}
    wait_until("only the guest watches", || hub.metric("windfire_live_streams") <= 1.0);

    // The same in gzip.
    let gzip = {
        let mut socket = std::net::TcpStream::connect(hub.http()).expect("a connection");
        let request = "GET /api/v1/server/stream HTTP/1.0\r\nHost: hub\r\nAccept-Encoding: gzip\r\n\r\n";
        socket.write_all(request.as_bytes()).expect("sent");
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        while !bytes.windows(4).any(|four| four == [0, 0, 0xff, 0xff]) {
            let read = socket.read(&mut piece).expect("in time");
            assert!(read > 0, "the stream ended");
            bytes.extend_from_slice(&piece[..read]);
        }
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        bytes.split_off(head + 4)
    };
    let mut text = [0; 3];
    flate2::read::GzDecoder::new(&gzip[..]).read_exact(&mut text).expect("gzip");
    assert_eq!(&text, b"id:");
}

/// So many servers that leave, in one event or in two: the hub may look at the fleet between two changes.
fn gone(stream: &mut Stream, count: usize) -> Vec<u64> {
    let mut gone = Vec::new();
    while gone.len() < count {
        let data = stream.next().expect("a change").data;
        let ids = data["gone"].as_array().unwrap_or_else(|| panic!("nobody leaves: {data}"));
        gone.extend(ids.iter().map(|id| id.as_u64().expect("an id")));
    }
    gone
}

/// What the event says of whether server 1 is active.
fn active_of_1(data: &Value) -> Option<i64> {
    let renewed = || (data["servers"][0][0] == json!(1)).then(|| data["servers"][0][16][0].as_i64()).flatten();
    let is_told = data["rows"][0] == json!(1) && data["rows"][1].as_u64().is_some_and(|mask| mask & 1 == 1);
    is_told.then(|| data["rows"][2].as_i64()).flatten().or_else(renewed)
}
