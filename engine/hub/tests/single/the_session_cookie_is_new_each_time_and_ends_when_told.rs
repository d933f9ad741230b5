//! Sign-in, cookie flags, fixation, restart, sign-out, a changed password, too many tries, roles.

use std::time::{Duration, Instant};

use crate::hub::new_hub;
use crate::hub::panel::{Panel, password, result, sign_in};
use serde_json::json;

#[test]
fn the_session_cookie_is_new_each_time_and_ends_when_told() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    let secret = password(&hub, "admin");

    // A cookie that somebody planted beforehand signs nobody in.
    let planted = "nezha-dashboard=0123456789abcdefghijklmnopqrstuv";
    let answer = sign_in(&hub, "admin", &secret, &[("Cookie", planted)]);
    let admin = Panel::of_answer(&answer);
    assert_ne!(admin.cookie, planted);
    let planted = Panel { cookie: planted.to_owned(), csrf: admin.csrf.clone() };
    assert_eq!(result(&planted.get(&hub, "/api/v1/session"))["user"], json!(null));

    let set = answer.header("set-cookie").expect("a cookie");
    for flag in ["; HttpOnly", "; SameSite=Lax", "; Path=/", "; Max-Age="] {
        assert!(set.contains(flag), "{set} lacks {flag}");
    }
    assert!(!set.contains("Secure"), "over HTTP a browser would not send it back");
    let behind_tls = sign_in(&hub, "admin", &secret, &[("X-Forwarded-Proto", "https")]);
    assert!(behind_tls.header("set-cookie").expect("a cookie").contains("; Secure"));

    // Both ways into the API; and the login survives a restart.
    assert_eq!(admin.get(&hub, "/api/v1/server/list").text(), r#"{"code":0,"message":"success","result":[]}"#);
    hub.kill();
    hub.start();
    assert_eq!(result(&admin.get(&hub, "/api/v1/session"))["user"], json!("admin"));

    // A viewer looks and changes nothing.
    let user = json!({"name": "bob", "password": "correct horse battery", "role": "viewer"});
    let id = admin.done(&hub, "POST", "/api/v1/user", &user)["id"].clone();
    let bob = Panel::of_answer(&sign_in(&hub, "bob", "correct horse battery", &[]));
    assert_eq!(bob.get(&hub, "/api/v1/server/list").text(), r#"{"code":0,"message":"success","result":[]}"#);
    for path in ["/api/v1/token", "/api/v1/user", "/api/v1/manage/server", "/api/v1/hub"] {
        assert_eq!(bob.get(&hub, path).status, 403, "{path}");
    }
    assert_eq!(bob.change(&hub, "POST", "/api/v1/manage/server", &json!({"name": "x"})).status, 403);

    // A new password ends what was signed in with the old one, but for who changed it.
    let elsewhere = Panel::of_answer(&sign_in(&hub, "bob", "correct horse battery", &[]));
    let wrong = json!({"old": "wrong horse battery", "new": "another horse battery"});
    assert_eq!(bob.change(&hub, "PUT", "/api/v1/session/password", &wrong).status, 401);
    bob.done(
        &hub,
        "PUT",
        "/api/v1/session/password",
        &json!({"old": "correct horse battery", "new": "another horse battery"}),
    );
    assert_eq!(result(&elsewhere.get(&hub, "/api/v1/session"))["user"], json!(null));
    assert_eq!(result(&bob.get(&hub, "/api/v1/session"))["user"], json!("bob"));
    assert_eq!(sign_in(&hub, "bob", "correct horse battery", &[]).status, 401);

    // Removed users are gone at once; the last administrator stays.
    admin.done(&hub, "DELETE", &format!("/api/v1/user/{id}"), &json!(null));
    assert_eq!(result(&bob.get(&hub, "/api/v1/session"))["user"], json!(null));
    assert_eq!(admin.change(&hub, "DELETE", "/api/v1/user/1", &json!(null)).status, 409);

    // Signed out is signed out, whatever the browser keeps.
    let answer = admin.change(&hub, "DELETE", "/api/v1/session", &json!(null));
    assert!(answer.header("set-cookie").expect("a cookie").contains("Max-Age=0"));
    assert_eq!(admin.get(&hub, "/api/v1/token").status, 401);
    assert!(admin.get(&hub, "/api/v1/server/list").text().contains(r#""code":403"#));

    // Whoever guesses has to wait, even with the right password at last.
    let mut asked = Instant::now();
    let guess = |_| {
        asked = Instant::now();
        sign_in(&hub, "nobody", "wrong horse battery", &[])
    };
    let refused = (0..20).map(guess).find(|answer| answer.status != 401).expect("not for ever");
    assert_eq!(refused.status, 429);
    let seconds = refused.header("retry-after").and_then(|seconds| seconds.parse::<u64>().ok()).expect("seconds");
    assert!(seconds > 0);
    // They are rounded up. On a machine that stands still, that time may be over before the next try.
    let right = sign_in(&hub, "admin", &secret, &[]);
    assert!(right.status == 429 || asked.elapsed() >= Duration::from_secs(seconds - 1), "{}", right.text());
}
