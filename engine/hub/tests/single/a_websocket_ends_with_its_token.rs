//! Whoever may not see the fleet any more gets no further document: a token that is removed, a sign-out, a user that is
//! removed, a token that expires. Guests, who showed nothing, go on.

use crate::hub::new_hub;
use crate::hub::panel::{Panel, password, sign_in};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use windfire_bench::clock::unix_ms;
use windfire_bench::hub_process::HubProcess;

type Socket = WebSocketStream<TcpStream>;

async fn open(hub: &HubProcess, header: Option<(&'static str, &str)>) -> Socket {
    let mut request = format!("ws://{}/ws", hub.http()).into_client_request().expect("a request");
    if let Some((name, value)) = header {
        request.headers_mut().insert(name, value.parse().expect("a header"));
    }
    let socket = TcpStream::connect(hub.http()).await.expect("a connection");
    let (mut socket, _) = tokio_tungstenite::client_async(request, socket).await.expect("a WebSocket");
    let document = socket.next().await.expect("a message").expect("a document").into_text().expect("text");
    let document: Value = serde_json::from_str(&document).expect("JSON");
    let seen = document["servers"].as_array().map_or(0, Vec::len);
    assert_eq!(seen, if header.is_some() { 2 } else { 1 }, "guests do not see what is hidden");
    socket
}

/// The code with which it ends; the documents before are passed over.
async fn close_code(mut socket: Socket) -> Option<u16> {
    while let Some(message) = socket.next().await {
        if let Message::Close(frame) = message.expect("a message") {
            return frame.map(|frame| frame.code.into());
        }
    }
    None
}

#[test]
fn a_websocket_ends_with_its_token() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    let admin = Panel::of_admin(&hub);
    for (name, hidden) in [("seen", false), ("hidden", true)] {
        admin.done(&hub, "POST", "/api/v1/manage/server", &json!({"name": name, "hide_for_guest": hidden}));
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut guest = runtime.block_on(open(&hub, None));

    let token = admin.done(&hub, "POST", "/api/v1/token", &json!({"note": "", "scopes": ["read"], "tags": []}));
    let by_token = runtime.block_on(open(&hub, Some(("Authorization", token["token"].as_str().expect("a token")))));
    admin.done(&hub, "DELETE", &format!("/api/v1/token/{}", token["id"]), &json!(null));
    assert_eq!(runtime.block_on(close_code(by_token)), Some(1008), "the token was removed");

    // Late enough that a slow machine gets the first document before.
    let soon_s = unix_ms() / 1000 + 20;
    let wish = json!({"note": "", "scopes": ["read"], "tags": [], "expires": soon_s});
    let token = admin.done(&hub, "POST", "/api/v1/token", &wish);
    let by_token = runtime.block_on(open(&hub, Some(("Authorization", token["token"].as_str().expect("a token")))));
    assert_eq!(runtime.block_on(close_code(by_token)), Some(1008), "the token expired");

    let of_user = |name: &str| {
        let wish = json!({"name": name, "password": "correct horse battery", "role": "viewer"});
        let id = admin.done(&hub, "POST", "/api/v1/user", &wish)["id"].clone();
        (id, Panel::of_answer(&sign_in(&hub, name, "correct horse battery", &[])))
    };
    let (_, visitor) = of_user("visitor");
    let by_login = runtime.block_on(open(&hub, Some(("Cookie", &visitor.cookie))));
    visitor.done(&hub, "DELETE", "/api/v1/session", &json!(null));
    assert_eq!(runtime.block_on(close_code(by_login)), Some(1008), "the user signed out");

    let (id, leaver) = of_user("leaver");
    let by_login = runtime.block_on(open(&hub, Some(("Cookie", &leaver.cookie))));
    admin.done(&hub, "DELETE", &format!("/api/v1/user/{id}"), &json!(null));
    assert_eq!(runtime.block_on(close_code(by_login)), Some(1008), "the user was removed");

    let by_login = runtime.block_on(open(&hub, Some(("Cookie", &admin.cookie))));
    let _new = password(&hub, "admin");
    assert_eq!(runtime.block_on(close_code(by_login)), Some(1008), "a new password ends the logins before it");

    assert!(runtime.block_on(guest.next()).is_some_and(|message| message.is_ok()), "a guest goes on");
}
