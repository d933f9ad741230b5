//! A client that has said everything may say so, and is answered: `printf … | nc` and what is like it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::hub::panel::Panel;
use crate::hub::{new_hub, wait_until};
use serde_json::json;
use windfire_bench::hub_process::HubProcess;

fn ask_and_close_half(hub: &HubProcess, method: &str, path: &str, more: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(hub.http()).expect("a connection");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let length = body.len();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: hub\r\n{more}Content-Length: {length}\r\n\r\n{body}");
    socket.write_all(request.as_bytes()).expect("sent");
    socket.shutdown(Shutdown::Write).expect("half closed");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("read to the end");
    answer
}

#[test]
fn half_closed_clients_get_their_answer() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.make_servers(500, "shop");
    let token = hub.make_token();
    hub.start();
    let token = format!("Authorization: {token}\r\n");
    for round in 0..100 {
        for path in ["/healthz", "/", "/api/v1/server/details", "/api/v1/server/details?tag=shop"] {
            let answer = ask_and_close_half(&hub, "GET", path, &token, "");
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "round {round}, {path}: {answer:?}");
        }
        let answer = ask_and_close_half(&hub, "GET", "/api/v1/server/uptime", "", "");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("]}\r\n0\r\n\r\n"), "round {round}");
    }
    // What changes something, and waits for the disk meanwhile.
    let answer =
        ask_and_close_half(&hub, "POST", "/api/v1/server/register", &token, &json!({"Name": "new"}).to_string());
    assert!(answer.contains("\"code\":200"), "{answer}");

    // A stream that is only left is noticed at once, and not when the next event would be.
    let admin = Panel::of_admin(&hub);
    let stream = crate::hub::panel::Stream::open(&hub, "", &[("Cookie", &admin.cookie)]);
    wait_until("the stream is open", || hub.metric("windfire_live_streams") == 1.0);
    drop(stream);
    wait_until("the stream is gone", || hub.metric("windfire_live_streams") == 0.0);
}
