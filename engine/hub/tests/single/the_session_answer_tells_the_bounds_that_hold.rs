//! The panel takes its bounds from the answer of the session: each is accepted, and one step beyond it is refused.

use crate::hub::new_hub;
use crate::hub::panel::{Panel, result};
use serde_json::json;

#[test]
fn the_session_answer_tells_the_bounds_that_hold() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    let admin = Panel::of_admin(&hub);
    let limits = result(&admin.get(&hub, "/api/v1/session"))["limits"].clone();
    println!("the hub tells {limits}");
    assert_eq!(result(&hub.get("/api/v1/session", ""))["limits"], limits, "before somebody signs in, too");
    let limit = |name: &str| limits[name].as_u64().and_then(|limit| usize::try_from(limit).ok()).expect("a bound");

    let (min, max) = (limit("password_chars_min"), limit("password_chars_max"));
    for (chars, status) in [(min - 1, 400), (min, 200), (max, 200), (max + 1, 400)] {
        // A character, and not a byte.
        let user = json!({"name": format!("user-{chars}"), "password": "密".repeat(chars), "role": "viewer"});
        let answer = admin.change(&hub, "POST", "/api/v1/user", &user);
        println!("a password of {chars} characters: {}", answer.text());
        assert_eq!(answer.status, status, "a password of {chars} characters");
    }

    // Where the number of ids is accepted, the first server is looked for, and there is none.
    let max = limit("servers_per_change_max");
    for (count, status) in [(max, 404), (max + 1, 400)] {
        let ids: Vec<usize> = (1..=count).collect();
        let answer = admin.change(&hub, "POST", "/api/v1/manage/server/bulk", &json!({"ids": ids, "tag": "web"}));
        println!("{count} ids: {}", answer.text());
        assert_eq!(answer.status, status, "{count} ids");
    }
}
