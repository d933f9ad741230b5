//! CSRF, framing and markup: what other sites' pages and hostile names may not do.

use crate::hub::new_hub;
use crate::hub::panel::Panel;
use serde_json::json;

#[test]
fn another_sites_page_changes_nothing() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    let admin = Panel::of_admin(&hub);
    let body = json!({"note": "mine"}).to_string();
    let post = |more: &[(&str, &str)]| {
        let headers = [&[("Cookie", admin.cookie.as_str())], more].concat();
        hub.request("POST", "/api/v1/token", &headers, body.as_bytes()).expect("an answer").status
    };
    let json_type = ("Content-Type", "application/json");
    let csrf = ("X-CSRF-Token", admin.csrf.as_str());
    assert_eq!(post(&[json_type]), 403, "without the token");
    assert_eq!(post(&[json_type, ("X-CSRF-Token", "0123456789abcdef0123456789abcdef")]), 403, "with another one");
    assert_eq!(post(&[json_type, csrf, ("Origin", "https://evil.example")]), 403, "from another site");
    assert_eq!(post(&[json_type, csrf, ("Sec-Fetch-Site", "cross-site")]), 403, "from another site");
    assert_eq!(post(&[csrf, ("Content-Type", "text/plain")]), 415, "as a form can send it");
    assert_eq!(post(&[json_type, csrf, ("Sec-Fetch-Site", "same-origin")]), 200);

    // Nezha's own route takes cookies of scripts, but none that another site's page sends along.
    let register = |origin: &[(&str, &str)]| {
        let headers = [&[("Cookie", admin.cookie.as_str())], origin].concat();
        hub.request("POST", "/api/v1/server/register", &headers, b"{}").expect("an answer").text()
    };
    assert!(register(&[("Origin", "https://evil.example")]).contains("\"code\":403"));
    assert!(register(&[]).contains("\"code\":200"));

    // No token opens what only people may do.
    let made = admin.done(&hub, "POST", "/api/v1/token", &json!({"note": "", "scopes": ["admin"]}));
    let token = made["token"].as_str().expect("a token").to_owned();
    let answer = hub.request("GET", "/api/v1/token", &[("Authorization", &token)], b"").expect("an answer");
    assert_eq!(answer.status, 401);

    for path in ["/", "/login", "/api", "/server/1"] {
        let page = hub.get(path, "");
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.header("x-frame-options"), Some("DENY"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }

    // Markup is text: in JSON it cannot even be mistaken for anything else.
    let hostile = "<img src=x onerror=alert(1)>\"'&\u{2028}";
    let server = json!({"name": hostile, "tag": hostile, "note": hostile});
    admin.done(&hub, "POST", "/api/v1/manage/server", &server);
    let details = admin.get(&hub, "/api/v1/server/details");
    assert_eq!(details.header("content-type"), Some("application/json; charset=utf-8"));
    assert!(!details.text().contains('<'), "v0 escapes it, and so do we");
    let too_long = admin.change(&hub, "POST", "/api/v1/token", &json!({"note": "x".repeat(10_000)}));
    assert_eq!(too_long.status, 400);
    assert!(too_long.text().contains("note of 10000 characters is over its limit of 1024"), "{}", too_long.text());
}
