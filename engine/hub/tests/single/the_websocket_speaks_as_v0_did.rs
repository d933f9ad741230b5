//! `/ws` for front ends that were written for Nezha v0: keys, order, and who sees what.

use crate::hub::new_hub;
use crate::hub::panel::Panel;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use windfire_bench::hub_process::HubProcess;

async fn documents(hub: &HubProcess, cookie: Option<&str>, count: usize) -> Vec<Value> {
    let mut request = format!("ws://{}/ws", hub.http()).into_client_request().expect("a request");
    if let Some(cookie) = cookie {
        request.headers_mut().insert("Cookie", cookie.parse().expect("a header"));
    }
    let socket = tokio::net::TcpStream::connect(hub.http()).await.expect("a connection");
    let (socket, _) = tokio_tungstenite::client_async(request, socket).await.expect("a WebSocket");
    let texts = socket.filter_map(|message| async { message.expect("a message").into_text().ok() });
    let parsed = texts.take(count).map(|text| serde_json::from_str(&text).expect("JSON"));
    parsed.collect().await
}

#[test]
fn the_websocket_speaks_as_v0_did() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    let admin = Panel::of_admin(&hub);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let empty = runtime.block_on(documents(&hub, None, 1));
    assert_eq!(empty[0].as_object().map(|all| all.keys().cloned().collect::<Vec<_>>()), Some(vec!["now".to_owned()]));

    for (name, display_index, hidden) in [("a", 0, false), ("b", 5, false), ("c", 0, true)] {
        let server = json!({"name": name, "display_index": display_index, "hide_for_guest": hidden});
        admin.done(&hub, "POST", "/api/v1/manage/server", &server);
    }
    let names = |document: &Value| -> Vec<String> {
        let servers = document["servers"].as_array().expect("servers").iter();
        servers.map(|server| server["Name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let seen = runtime.block_on(documents(&hub, Some(&admin.cookie), 4));
    assert_eq!(names(&seen[1]), ["b", "a", "c"], "higher positions first, then by id");
    // Two seconds, between times that are both cut to whole seconds. A machine that stands still makes some longer, and
    // all of them are not shorter.
    let now_ms = |document: &Value| document["now"].as_i64().expect("a time");
    let between_ms: Vec<i64> = seen.windows(2).map(|two| now_ms(&two[1]) - now_ms(&two[0])).collect();
    let (shortest_ms, all_ms) = (between_ms.iter().min().expect("some"), between_ms.iter().sum::<i64>());
    assert!(*shortest_ms <= 3000 && all_ms >= 4000, "{between_ms:?} ms between documents");
    let keys: Vec<String> = seen[0]["servers"][0].as_object().expect("an object").keys().cloned().collect();
    let mut expected = vec![
        "ID",
        "CreatedAt",
        "UpdatedAt",
        "DeletedAt",
        "Name",
        "Tag",
        "DisplayIndex",
        "HideForGuest",
        "EnableDDNS",
        "Host",
        "State",
        "LastActive",
    ];
    expected.sort_unstable();
    assert_eq!(keys, expected, "as parsed, in the order of the alphabet");
    assert_eq!(seen[0]["servers"][0]["LastActive"], json!("0001-01-01T00:00:00Z"));
    assert_eq!(names(&runtime.block_on(documents(&hub, None, 1))[0]), ["b", "a"]);

    let plain = hub.get("/ws", "");
    assert_eq!((plain.status, plain.header("upgrade")), (426, Some("websocket")));
    // Another site's page has the cookie sent along, and sees what guests see.
    let foreign = runtime.block_on(async {
        let mut request = format!("ws://{}/ws", hub.http()).into_client_request().expect("a request");
        request.headers_mut().insert("Cookie", admin.cookie.parse().expect("a header"));
        request.headers_mut().insert("Origin", "https://evil.example".parse().expect("a header"));
        let socket = tokio::net::TcpStream::connect(hub.http()).await.expect("a connection");
        let (mut socket, _) = tokio_tungstenite::client_async(request, socket).await.expect("a WebSocket");
        socket.next().await.expect("a message").expect("a message").into_text().expect("text").to_string()
    });
    assert_eq!(names(&serde_json::from_str(&foreign).expect("JSON")), ["b", "a"]);
}
