//! Answers that nobody reads are worth a part of the memory, and a client has a share of it. Beyond, it is told so before
//! anything is rendered, and others are answered.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::hub::panel::Panel;
use crate::hub::{new_hub, wait_until};
use windfire_bench::hub_process::HubProcess;

const SERVERS: usize = 2000;
const MIB: u64 = 1024 * 1024;

/// Asks, reads the status and no further.
fn ask_and_leave_unread(hub: &HubProcess, token: &str, path: &str) -> (u16, TcpStream) {
    let mut socket = TcpStream::connect(hub.http()).expect("a connection");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    write!(socket, "GET {path} HTTP/1.1\r\nHost: hub\r\nAuthorization: {token}\r\n\r\n").expect("sent");
    let mut line = [0; 12];
    socket.read_exact(&mut line).expect("a status");
    let status = std::str::from_utf8(&line).ok().and_then(|line| line.rsplit(' ').next()?.parse().ok());
    (status.expect("a number"), socket)
}

#[test]
fn answers_under_way_are_bounded_in_bytes() {
    // Of 64 MiB, 8 are for answers: 4 for each client.
    let (_folder, mut hub) = new_hub(&["--memory-bytes-max", "67108864"]);
    hub.make_servers(SERVERS, "shop");
    let token = hub.make_token();
    hub.start();
    let repeated = format!("/api/v1/server/details?id={}", vec!["1"; 30_000].join(","));
    let answer = hub.get(&repeated, &token);
    assert_eq!(answer.text().matches("\"id\":1,").count(), 1001, "a server is repeated as often as v0's clients need");
    // A sign-in takes memory of its own, which is kept for the next.
    Panel::of_admin(&hub);
    let before = hub.usage().rss_bytes;

    for path in [repeated.as_str(), "/api/v1/server/details", "/api/v1/server/details?tag=shop", "/api/v1/server/list"]
    {
        let unread: Vec<(u16, TcpStream)> = (0..100).map(|_| ask_and_leave_unread(&hub, &token, path)).collect();
        let answered = unread.iter().filter(|(status, _)| *status == 200).count();
        let refused = unread.iter().filter(|(status, _)| *status == 429).count();
        assert!(answered > 0 && refused > 0 && answered + refused == 100, "{path}: {answered} and {refused}");
        let grown = hub.usage().rss_bytes.saturating_sub(before);
        assert!(grown < 48 * MIB, "{path}: {} MiB more", grown / MIB);
        let answer = hub.get("/api/v1/server/list", &token);
        assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")), "{}", answer.text());
        // Others, and what must always be possible, are not held up.
        assert_eq!(hub.get("/healthz", "").status, 200);
        assert_eq!(hub.get("/api/v1/server/top?metric=cpu", "").status, 200, "a guest has a share of its own");
        let admin = Panel::of_admin(&hub);
        assert_eq!(admin.get(&hub, "/api/v1/session").status, 200, "one can sign in");
        drop(unread);
        wait_until("what they held is there again", || hub.get("/api/v1/server/list", &token).status == 200);
    }
    assert!(hub.metric("windfire_http_busy_total") > 100.0);
}
