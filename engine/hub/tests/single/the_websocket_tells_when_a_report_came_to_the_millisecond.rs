//! Front ends that were written for Nezha v0 say offline after so many seconds without a report: v0 told them fractions of one.

use std::time::Duration;

use crate::hub::{new_hub, quick_backoff, wait_until};
use futures_util::StreamExt;
use serde_json::Value;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use windfire_bench::swarm::{Swarm, SwarmOptions};

#[test]
fn the_websocket_tells_when_a_report_came_to_the_millisecond() {
    let (_folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(1, "web");
    hub.start();
    // Not whole seconds apart, so that one in a thousand at most comes on one.
    let options = SwarmOptions {
        interval: Duration::from_millis(230),
        backoff: quick_backoff(),
        ack_each_report: false,
        ..SwarmOptions::default()
    };
    let mut swarm = Swarm::start(&hub, &credentials, options);
    wait_until("reports come", || hub.metric("windfire_reports_durable_total") >= 2.0);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let times: Vec<String> = runtime.block_on(async {
        let request = format!("ws://{}/ws", hub.http()).into_client_request().expect("a request");
        let socket = tokio::net::TcpStream::connect(hub.http()).await.expect("a connection");
        let (socket, _) = tokio_tungstenite::client_async(request, socket).await.expect("a WebSocket");
        let texts = socket.filter_map(|message| async { message.expect("a message").into_text().ok() });
        let of_server = |text: tokio_tungstenite::tungstenite::Utf8Bytes| {
            let document: Value = serde_json::from_str(&text).expect("JSON");
            document["servers"][0]["LastActive"].as_str().expect("a time").to_owned()
        };
        texts.filter(|text| std::future::ready(!text.is_empty())).take(3).map(of_server).collect().await
    });
    swarm.finish();
    let has_fraction = |time: &String| time.contains('.') && time.ends_with('Z') && !time.ends_with("0Z");
    assert!(times.iter().any(has_fraction), "{times:?}");
    assert!(times.is_sorted_by(|a, b| a[..19] <= b[..19]), "{times:?}");
}
