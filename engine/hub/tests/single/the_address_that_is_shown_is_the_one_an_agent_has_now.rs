//! An agent that moves to another network goes on with its session, and is shown where it is.

use std::net::UdpSocket;
use std::time::Duration;

use crate::hub::new_hub;
use crate::hub::raw_agent::RawAgent;
use quinn::Endpoint;
use tokio::time::{sleep, timeout};
use windfire_bench::hub_process::HubProcess;
use windfire_wire::{Down, Host, PROTOCOL_VERSION, Reports, Up};

fn shown(hub: &HubProcess, token: &str, id: u64) -> String {
    let details: serde_json::Value =
        serde_json::from_slice(&hub.get(&format!("/api/v1/server/details?id={id}"), token).body).expect("JSON");
    details["result"][0]["valid_ip"].as_str().unwrap_or_default().to_owned()
}

async fn until_shown(hub: &HubProcess, token: &str, id: u64, address: &str) {
    let is_shown = async {
        while shown(hub, token, id) != address {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let in_time = timeout(Duration::from_secs(120), is_shown).await;
    assert!(in_time.is_ok(), "server {id} is shown at {} and not at {address}", shown(hub, token, id));
}

async fn move_to(endpoint: &Endpoint, address: &str) {
    endpoint.rebind(UdpSocket::bind((address, 0)).expect("a socket")).expect("another address");
}

#[test]
fn the_address_that_is_shown_is_the_one_an_agent_has_now() {
    let (_folder, mut hub) = new_hub(&[]);
    let mut credentials = hub.make_servers(3, "").into_iter();
    let token = hub.make_token();
    hub.start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let endpoint = Endpoint::client("127.0.0.1:0".parse().expect("an address")).expect("a socket");
        let mut connect = async || {
            let credential = credentials.next().expect("a server");
            RawAgent::connect(&hub, &endpoint, credential, PROTOCOL_VERSION).await
        };
        let (mut plain, mut named, mut early) = (connect().await, connect().await, connect().await);
        let host = |ip: &str| Up::Host(Box::new(Host { ip: ip.to_owned(), ..Host::default() }));
        plain.say(&host("")).await;
        named.say(&host("192.0.2.7")).await;
        until_shown(&hub, &token, 1, "127.0.0.1").await;
        until_shown(&hub, &token, 2, "192.0.2.7").await;

        move_to(&endpoint, "127.0.0.2").await;
        // This one says what it is only now.
        early.say(&host("")).await;
        until_shown(&hub, &token, 1, "127.0.0.2").await;
        until_shown(&hub, &token, 3, "127.0.0.2").await;
        assert_eq!(shown(&hub, &token, 2), "192.0.2.7", "an agent that names its own address knows it better");

        // And once more; a session is worth as much afterwards.
        move_to(&endpoint, "127.0.0.3").await;
        until_shown(&hub, &token, 1, "127.0.0.3").await;
        plain.say(&Up::Reports(Reports { first_sequence: 1, ack_now: true, reports: Vec::new() })).await;
        assert!(matches!(plain.hear().await, Down::Ack { .. }));
    });
    assert_eq!(hub.metric("windfire_sessions_opened_total").to_string(), "3", "nobody connected again");
}
