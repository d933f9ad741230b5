//! `base_path`: the panel, the API, its document, the cookie and the WebSocket are below that path, for a proxy that
//! passes paths on as browsers write them. Beside it there are only the pages for probes, and the way there.

use crate::hub::doctor::{Verdict, of_hub};
use crate::hub::panel::{Panel, password};
use crate::hub::{new_hub, wait_until};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use windfire_bench::hub_process::{HttpAnswer, HubProcess};

const SIGN_IN: &str = "/tools/windfire/api/v1/session";

fn get(hub: &HubProcess, path: &str) -> HttpAnswer {
    hub.request("GET", path, &[], b"").expect("an answer")
}

fn location(answer: &HttpAnswer) -> (u16, Option<&str>) {
    (answer.status, answer.header("location"))
}

/// The first document of `/ws` at that path. `None` if there is no WebSocket.
async fn document(hub: &HubProcess, path: &str) -> Option<Value> {
    let request = format!("ws://{}{path}", hub.http()).into_client_request().expect("a request");
    let socket = tokio::net::TcpStream::connect(hub.http()).await.expect("a connection");
    let (mut socket, _) = tokio_tungstenite::client_async(request, socket).await.ok()?;
    let text = socket.next().await?.expect("a message").into_text().expect("text");
    Some(serde_json::from_str(&text).expect("JSON"))
}

#[test]
fn a_hub_below_a_path_answers_there_and_nowhere_else() {
    let (_folder, mut hub) = new_hub(&["--base-path", "tools/windfire"]);
    hub.start();
    let (_root_folder, mut at_root) = new_hub(&[]);
    at_root.start();

    // Pages are the same bytes: what they name is relative to them.
    for page in ["/", "/login", "/server/5", "/favicon.svg"] {
        let (below, usual) = (get(&hub, &format!("/tools/windfire{page}")), get(&at_root, page));
        assert_eq!(below.status, usual.status, "{page}");
        // A hub that was built without Node names its paths instead.
        let has_panel = !usual.text().contains("built without its panel");
        assert!(below.body == usual.body || !has_panel, "{page}");
    }
    assert_eq!(location(&get(&hub, "/tools/windfire/manage/")), (301, Some("../manage")));

    // The API and the cookie.
    let body = json!({"user": "admin", "password": password(&hub, "admin")}).to_string();
    let headers = [("Content-Type", "application/json")];
    let signed_in = hub.request("POST", SIGN_IN, &headers, body.as_bytes()).expect("an answer");
    let admin = Panel::of_answer(&signed_in);
    let cookie = signed_in.header("set-cookie").expect("a cookie");
    assert!(cookie.contains("; Path=/tools/windfire/; "), "{cookie}");
    let server = json!({"name": "first", "tag": "web"});
    let made = admin.done(&hub, "POST", "/tools/windfire/api/v1/manage/server", &server);
    assert_eq!(made["id"], 1);
    let listed = admin.get(&hub, "/tools/windfire/api/v1/server/list?tag=web");
    assert_eq!(listed.status, 200);
    assert!(listed.text().contains("\"name\":\"first\""), "{}", listed.text());
    let with_slash = get(&hub, "/tools/windfire/api/v1/server/list/?tag=a");
    assert_eq!(location(&with_slash), (301, Some("/tools/windfire/api/v1/server/list?tag=a")));

    let parse = |answer: &HttpAnswer| serde_json::from_slice::<Value>(&answer.body).expect("JSON");
    let mut described = parse(&get(&hub, "/tools/windfire/openapi.json"));
    let servers = described.as_object_mut().and_then(|keys| keys.remove("servers"));
    assert_eq!(servers, Some(json!([{"url": "/tools/windfire"}])));
    assert_eq!(described, parse(&get(&at_root, "/openapi.json")), "otherwise it is the same");

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let document_at = |path: &str| runtime.block_on(document(&hub, path));
    let seen = document_at("/tools/windfire/ws").expect("a WebSocket");
    assert_eq!(seen["servers"][0]["Name"], "first");
    assert_eq!(document_at("/ws"), None);

    // Beside it.
    for (path, way) in [("/", "tools/windfire/"), ("/?a=b", "tools/windfire/?a=b"), ("/tools/windfire", "windfire/")] {
        assert_eq!(location(&get(&hub, path)), (307, Some(way)), "{path}");
    }
    for path in ["/login", "/api/v1/server/list", "/openapi.json", "/tools/", "/tools/windfires/", "/x/tools/windfire/"]
    {
        let answer = admin.get(&hub, path);
        assert_eq!(location(&answer), (404, None), "{path}");
        assert!(answer.text().contains("below /tools/windfire/"), "{path}: {}", answer.text());
    }
    assert_eq!(admin.change(&hub, "POST", "/api/v1/manage/server", &json!({"name": "second"})).status, 404);

    // Probes ask the hub itself, or come through the proxy.
    for path in ["/healthz", "/readyz", "/metrics"] {
        for prefix in ["", "/tools/windfire"] {
            assert_eq!(get(&hub, &format!("{prefix}{path}")).status, 200, "{prefix}{path}");
        }
    }
    // The doctor looks where the configuration has the panel.
    let panel = |more: &[&str]| {
        let findings = of_hub(&hub, more).findings;
        findings.iter().find(|finding| finding.check == "panel").map(|finding| finding.verdict)
    };
    // It gives a page up after 5 s, which a busy machine may need. Then it does not look at the panel.
    let is_found = || panel(&["--base-path", "/tools/windfire/"]).is_some_and(|verdict| verdict < Verdict::Warn);
    wait_until("the doctor finds the panel", is_found);
    for elsewhere in [&[] as &[&str], &["--base-path", "/other/"]] {
        wait_until("the doctor misses the panel", || panel(elsewhere) == Some(Verdict::Warn));
    }
    // The line that says where the panel is has the path, too.
    let ready = hub.log().into_iter().find(|line| line.contains(" ready ")).expect("a line");
    assert!(ready.contains(&format!("http://{}/tools/windfire/", hub.http())), "{ready}");
}
