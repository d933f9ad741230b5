//! Any request to the API and the panel: path, cookie, token, origin, last event and body, as anybody may send them.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use windfire_api::{Api, Body, Caller, handle};
use windfire_engine::server::NewServer;
use windfire_engine::user::{PasswordHash, Role};
use windfire_engine::{Engine, Options};

const COOKIE: &str = "0123456789abcdefghijklmnopqrstuv";

struct Hub {
    api: Api,
    engine: Arc<Engine>,
}

static HUB: LazyLock<Hub> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder").keep();
    let engine = Engine::open(&folder, Options::default()).expect("a new store");
    engine.registry().add_server(NewServer { name: "web".to_owned(), ..NewServer::default() }, 0).expect("room");
    let password = PasswordHash::of("correct horse battery").expect("long enough");
    engine.registry().add_user("admin".to_owned(), Role::Admin, password, 0).expect("room");
    engine.registry().add_login(Some(COOKIE.to_owned()), "admin".to_owned(), 0).expect("room");
    Hub { api: Api::default(), engine: Arc::new(engine) }
});

/// A request as a corpus has it: a line with method and path, a line a header, an empty line, the body.
struct Parts<'a> {
    is_admin: bool,
    method: &'a str,
    path: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    body: &'a [u8],
}

/// Reads the parts of `input`; nothing when it is not written like that.
fn parts(input: &[u8]) -> Option<Parts<'_>> {
    let end = input.windows(2).position(|pair| pair == b"\n\n")?;
    let mut lines = std::str::from_utf8(&input[..end]).ok()?.lines();
    let (method, path) = lines.next()?.split_once(' ')?;
    let headers = lines.filter_map(|line| line.split_once(": ")).collect();
    let is_admin = method.starts_with('@');
    Some(Parts { is_admin, method: method.trim_start_matches('@'), path, headers, body: &input[end + 2..] })
}

fuzz_target!(|input: &[u8]| {
    let Some(parts) = parts(input) else { return };
    let mut request = http::Request::builder().method(parts.method).uri(parts.path);
    for (name, value) in parts.headers {
        request = request.header(name, value);
    }
    // With an @ before the method it is an administrator's, so that what follows sign-in is reached too. It never changes
    // anything: changes need the token of that cookie.
    if parts.is_admin {
        request = request.header("cookie", format!("nezha-dashboard={COOKIE}"));
    }
    let Ok(request) = request.body(bytes::Bytes::copy_from_slice(parts.body)) else { return };
    let hub = &*HUB;
    let caller = Caller { peer: IpAddr::V4(Ipv4Addr::LOCALHOST), now_ms: 1000 };
    let response = handle(&hub.api, &hub.engine, &request, caller);
    assert!(response.status().as_u16() < 500, "{response:?}");
    if let Body::Live(watching) = response.body() {
        let live = windfire_api::live::Live::new(1, 30);
        let position = live.position(watching.last_event_id.as_deref());
        let next = live.next(&hub.engine, &watching.key, position, watching.is_compressed, 1);
        assert!(next.is_ok_and(|next| next.is_some()), "there is a snapshot at least");
    }
    let (_, body) = response.into_parts();
    if matches!(body, Body::Whole(_) | Body::Stream(_)) {
        body.collect().expect("the store is sound");
    }
});
