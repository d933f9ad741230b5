//! What a token is limited to, and that its removal needs no wait.

use crate::hub::new_hub;
use crate::hub::panel::{Panel, Stream};
use serde_json::json;

#[test]
fn tokens_see_their_tags_and_end_at_once() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.make_servers(2, "shop");
    hub.make_servers(3, "office \"2\"");
    hub.start();
    let admin = Panel::of_admin(&hub);
    let wish = json!({"note": "for the office", "scopes": ["read"], "tags": ["office \"2\""]});
    let made = admin.done(&hub, "POST", "/api/v1/token", &wish);
    let token = made["token"].as_str().expect("a token").to_owned();
    let count = |path: &str| hub.get(path, &token).text().matches("\"id\":").count();
    assert_eq!(count("/api/v1/server/list"), 3);
    assert_eq!(count("/api/v1/server/details?id=1,2,3"), 1, "servers of other tags are not there");
    assert_eq!(count("/api/v1/server/list?tag=shop"), 0);
    assert_eq!(count("/api/v1/server/history?metric=cpu&id=1,4"), 1);
    let mut stream = Stream::open(&hub, "", &[("Authorization", &token)]);
    let snapshot = stream.next().expect("a snapshot");
    assert_eq!(snapshot.data["servers"].as_array().map(Vec::len), Some(3));
    let registered = hub.request("POST", "/api/v1/server/register", &[("Authorization", &token)], b"{}");
    assert!(registered.expect("an answer").text().contains("scope register"));

    // Who may do everything cannot be limited to some servers.
    let wish = json!({"note": "", "scopes": ["admin"], "tags": ["shop"]});
    assert_eq!(admin.change(&hub, "POST", "/api/v1/token", &wish).status, 409);

    // A token that registers does so within its tags.
    let wish = json!({"note": "", "scopes": ["register"], "tags": ["shop"]});
    let registrar = admin.done(&hub, "POST", "/api/v1/token", &wish)["token"].as_str().expect("a token").to_owned();
    let register = |body: &[u8]| {
        let answer = hub.request("POST", "/api/v1/server/register", &[("Authorization", &registrar)], body);
        answer.expect("an answer").text()
    };
    assert!(register(br#"{"Tag":"office"}"#).contains("\"code\":403"));
    assert!(register(br#"{"Tag":"shop"}"#).contains("\"code\":200"));

    let path = format!("/api/v1/token/{}", made["id"]);
    admin.done(&hub, "DELETE", &path, &json!(null));
    assert!(hub.get("/api/v1/server/list", &token).text().contains("\"code\":403"));
    assert_eq!(admin.change(&hub, "DELETE", &path, &json!(null)).status, 404);
    while stream.next().is_some() {}
}
