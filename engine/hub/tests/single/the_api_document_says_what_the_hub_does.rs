//! `docs/api.md`, walked: each route and parameter that it names is asked of a hub, the hub has no other, and what the document
//! says of an answer is looked at where a machine can.

use std::collections::{BTreeMap, BTreeSet};

use crate::api_document::*;
use crate::hub::panel::{self, Stream};
use crate::hub::{new_hub, wait_until};
use regex::Regex;
use serde_json::{Value, json};

#[test]
fn the_document_names_what_the_hub_has_and_nothing_else() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    let machine = json_of(&hub.get("/openapi.json", ""));
    let (mut described, mut bodies) = (BTreeMap::new(), BTreeMap::new());
    for (path, methods) in machine["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let parameters = operation["parameters"].as_array().expect("a list").iter();
            let in_query = parameters.filter(|parameter| parameter["in"] == "query");
            let names: BTreeSet<String> =
                in_query.map(|parameter| parameter["name"].as_str().expect("a name").to_owned()).collect();
            let name = format!("{} {path}", method.to_uppercase());
            let body = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str();
            let body = body.and_then(|reference| reference.rsplit('/').next());
            bodies.insert(name.clone(), body.map(|schema| machine["components"]["schemas"][schema].clone()));
            described.insert(name, names);
        }
    }
    let routes = routes();
    let documented: BTreeMap<String, BTreeSet<String>> = routes
        .iter()
        .filter(|route| !HUBS_OWN.contains(&route.path))
        .map(|route| (route.name(), route.parameters.iter().map(|name| (*name).to_owned()).collect()))
        .collect();
    assert_eq!(documented, described, "docs/api.md at the left, the hub at the right");
    for own in HUBS_OWN {
        assert!(routes.iter().any(|route| route.path == own), "{own}");
    }
    // Bodies too.
    for route in routes.iter().filter(|route| route.path.starts_with("/api/v1") && route.who.contains("admin")) {
        let Some(Some(schema)) = bodies.get(&route.name()) else { continue };
        let shapes = schema["oneOf"].as_array().cloned().unwrap_or_else(|| vec![schema.clone()]);
        let known: BTreeSet<String> = shapes.iter().flat_map(|shape| keys_of(&shape["properties"])).collect();
        let (before, _) = route.says.split_once('→').unwrap_or((route.says, ""));
        let said: BTreeSet<String> = spans(before).filter(|span| span.starts_with('{')).flat_map(keys).collect();
        assert_eq!(said, known, "{}: keys of the body", route.name());
    }
    // History's parameters have a table of their own.
    let rows = &tables(section("History"))[0];
    let explained: BTreeSet<&str> = rows.iter().flat_map(|row| spans(row[0])).collect();
    let history = routes.iter().find(|route| route.path.ends_with("/history")).expect("a route");
    assert_eq!(explained, history.parameters);
    let names = |row: &str| -> BTreeSet<String> {
        let row = rows.iter().find(|cells| cells[0] == format!("`{row}`")).expect("a row");
        let word = Regex::new(r"\b(cpu|gpu|uptime|temperature|[a-z]+_[a-z_]+|load\d+)\b").expect("a pattern");
        word.find_iter(row[1]).map(|found| found.as_str().to_owned()).collect()
    };
    let parameters = machine["paths"]["/api/v1/server/history"]["get"]["parameters"].as_array().expect("a list");
    let metric = parameters.iter().find(|parameter| parameter["name"] == "metric").expect("there");
    let metrics: BTreeSet<String> = serde_json::from_value(metric["schema"]["items"]["enum"].clone()).expect("names");
    assert_eq!(names("metric"), metrics);
}

#[test]
fn who_may_ask_is_one_rule_on_every_route() {
    for has_guests in [true, false] {
        let (_folder, mut hub) = new_hub(&["--guests", if has_guests { "true" } else { "false" }]);
        hub.make_servers(1, "web");
        hub.start();
        let callers = Callers::make(&hub);
        for route in routes() {
            let (path, body) = sample(&route);
            for (caller, headers) in callers.all() {
                let mut wanted = expected(&route, caller, has_guests);
                let is_v0 = matches!(route.path.rsplit('/').next(), Some("list" | "details" | "register"));
                if is_v0 && wanted == 401 {
                    wanted = 403;
                }
                // What changes something is asked only where it must be refused: the other test does the rest.
                if route.method != "GET" && wanted == 200 {
                    continue;
                }
                let answer = ask_as(&hub, &route, &headers, &path, &body);
                let name = format!("{}, {caller}, guests {has_guests}: {}", route.name(), answer.text());
                assert_eq!(told(&route, &answer), wanted, "{name}");
                if wanted != 200 && caller.starts_with("an unknown token") && !route.who.contains("session") {
                    assert!(answer.text().contains("the token is not known"), "{name}");
                } else if wanted != 200 && caller == "nobody" && !route.who.contains("session") {
                    assert!(answer.text().contains("needs a token"), "{name}");
                }
            }
        }
    }
}

#[test]
fn each_route_answers_as_the_document_says() {
    let (_folder, hub, token, callers) = hub_with_history(&["--alert-interval-s", "1"]);
    // One of each, so that lists have an entry.
    callers.session.done(&hub, "POST", "/api/v1/enrol-token", &json!({}));
    // No disk is all free.
    let when = json!([{"metric": "hub.disk_free", "op": "<", "value": 100}]);
    let rule = json!({"name": "fires", "severity": "info", "when": when});
    let made = callers.session.done(&hub, "POST", "/api/v1/alert/rule", &rule);
    assert_eq!(made["id"], FIRING_RULE);
    wait_until("the rule fires", || hub.get("/api/v1/alert?state=firing", &token).text().contains("\"fires\""));
    let is_listed =
        |route: &&Route| matches!(&*route.name(), "POST /api/v1/alert/channel" | "POST /api/v1/alert/silence");
    for route in routes().iter().filter(is_listed) {
        callers.session.done(&hub, "POST", route.path, &sample(route).1);
    }
    let session = vec![("Cookie", callers.session.cookie.clone()), ("X-CSRF-Token", callers.session.csrf.clone())];
    // What removes something comes last, and signing out at the very end.
    let mut routes = routes();
    routes.sort_by_key(|route| match (route.method, route.path) {
        ("GET", _) => 0,
        ("DELETE", "/api/v1/session") => 3,
        ("DELETE", _) => 2,
        _ => 1,
    });
    let mut made: BTreeMap<&str, u64> = BTreeMap::new();
    let mut result_keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for route in &routes {
        let (mut path, body) = sample(route);
        // What was made is what is removed.
        if let (Some((before, after)), false) = (route.path.split_once("/{id}"), route.path.contains("/server/{id}"))
            && let Some(id) = made.get(before)
        {
            path = format!("{before}/{id}{after}");
        }
        let own_password = route.path == "/api/v1/session/password";
        let headers = if own_password {
            vec![("Cookie", callers.viewer.cookie.clone()), ("X-CSRF-Token", callers.viewer.csrf.clone())]
        } else {
            session.clone()
        };
        let (sent, _) = route.shapes();
        if !sent.is_empty() && !route.path.ends_with("/bulk") {
            assert_eq!(keys_of(&body), sent, "{}: the body of this test is the document's", route.name());
        }
        let answer = ask_as(&hub, route, &headers, &path, &body);
        assert_eq!(told(route, &answer), 200, "{}: {}", route.name(), answer.text());
        if answer.body.first() != Some(&b'{') || !route.path.starts_with("/api/v1") {
            continue;
        }
        let answer = json_of(&answer);
        let code = if route.path.ends_with("/register") { 200 } else { 0 };
        assert!(answer["code"] == code || answer["success"] == true, "{}: {answer}", route.name());
        let result = match &answer["result"] {
            Value::Array(list) => list.first().cloned().unwrap_or_default(),
            Value::Null if route.path.ends_with("/register") => answer.clone(),
            other => other.clone(),
        };
        if let (Some(id), "POST") = (result["id"].as_u64(), route.method) {
            made.insert(route.path, id);
        }
        result_keys.insert(route.name(), keys_of(&result));
        let (_, said) = route.shapes();
        // Nobody is at the top whose last report is more than a minute old.
        let is_empty = answer["result"].as_array().is_some_and(Vec::is_empty);
        if !(said.is_empty() || route.path.ends_with("/top") && is_empty) {
            assert_eq!(keys_of(&result), said, "{}: {result}", route.name());
        }
    }
    // Results that are drawn elsewhere.
    let list = result_keys["GET /api/v1/server/list"].clone();
    let details = list.into_iter().chain(["host", "status"].map(str::to_owned)).collect();
    assert_eq!(result_keys["GET /api/v1/server/details"], details);
    let said_of = |route: &str| {
        let text =
            section("History").split("\n\n").find(|text| text.starts_with(&format!("`{route}` has"))).expect(route);
        spans(text).filter(|span| span.starts_with("{\"")).map(keys).collect::<Vec<_>>()
    };
    assert_eq!(vec![result_keys["GET /api/v1/server/uptime"].clone()], said_of("uptime"));
    let facts = json_of(&hub.get("/api/v1/server/facts", &token));
    let [of_server, of_change] = &said_of("facts")[..] else { panic!("two shapes") };
    assert_eq!((&keys_of(&facts["result"][0]), &keys_of(&facts["result"][0]["changes"][0])), (of_server, of_change));
    let v2 = json_of(&hub.get("/api/v1/server/2/metrics?metric=cpu", &token));
    let said: Vec<_> = said_of("{id}/metrics").into_iter().collect();
    assert_eq!(said[0], keys_of(&v2).into_iter().chain(keys_of(&v2["data"])).collect());
    assert_eq!(keys_of(&v2["data"]["data_points"][0]), ["ts", "value"].map(str::to_owned).into());
    // The example of history.
    let example = section("History").split("```json\n").nth(1).and_then(|text| text.split("```").next()).expect("one");
    let example: Value = serde_json::from_str(example).expect("JSON");
    let target = section("History").split("```\n").nth(1).and_then(|text| text.strip_prefix("GET ")).expect("one");
    let answer = json_of(&hub.get(target.trim(), &token));
    assert_eq!(keys_of(&answer), keys_of(&example));
    assert_eq!(keys_of(&answer["result"][0]), keys_of(&example["result"][0]));
    assert_eq!((&answer["tier"], &answer["step"]), (&example["tier"], &example["step"]));
}

#[test]
fn the_stream_and_the_websocket_are_as_the_document_draws_them() {
    let (_folder, hub, token, _) = hub_with_history(&[]);
    let mut stream = Stream::open(&hub, "", &[("Authorization", &token)]);
    let snapshot = stream.next().expect("a snapshot");
    let said = section("Live stream");
    let drawn = said.split("data: ").nth(1).expect("a drawing");
    assert_eq!(keys_of(&snapshot.data), ["now", "offline_after", "fields", "servers"].map(str::to_owned).into());
    assert!(keys_of(&snapshot.data).iter().all(|key| drawn.contains(&format!("\"{key}\":"))));
    for field in snapshot.data["fields"].as_array().expect("a list") {
        let name = field[0].as_str().expect("a name");
        assert!(spans(said).any(|span| span == name), "the document does not name the field {name}");
    }
    let names = said.split("A server is `[").nth(1).and_then(|text| text.split("]`").next()).expect("names");
    let names = names.replace("[state…]", "state");
    assert_eq!(snapshot.data["servers"][0].as_array().map(Vec::len), Some(names.split(',').count()));
    let state = snapshot.data["servers"][0].as_array().and_then(|server| server.last()).expect("a state");
    assert_eq!(state.as_array().map(Vec::len), snapshot.data["fields"].as_array().map(Vec::len));
    // The header wins over the query; what is no event of this hub is a snapshot.
    for (query, header) in [("", "x"), ("?last_event_id=x", ""), ("?last_event_id=1-2", "3-4"), ("?id=1,1,x", "")] {
        let headers = [("Authorization", token.as_str()), ("Last-Event-ID", header)];
        assert_eq!(Stream::open(&hub, query, &headers).next().expect("an event").name, "snapshot", "{query} {header}");
    }
    let too_many: Vec<String> = (1..=201).map(|id| id.to_string()).collect();
    let path = format!("/api/v1/server/stream?id={}", too_many.join(","));
    assert!(said.contains("(200 at most)"));
    assert_eq!(hub.get(&path, &token).status, 400);
    assert_eq!(hub.get("/ws", &token).status, 426);
    assert_eq!(ask(&hub, "POST", "/ws", &[], &json!(null)).header("allow"), Some("GET, HEAD"));
}

#[test]
fn bodies_of_the_panel_are_as_strict_as_the_document_says() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.make_servers(1, "web");
    hub.start();
    let callers = Callers::make(&hub);
    let session = [("Cookie", callers.session.cookie.as_str()), ("X-CSRF-Token", &callers.session.csrf)];
    let mut strict = 0;
    for route in routes().iter().filter(|route| !route.shapes().0.is_empty() && !route.path.contains("register")) {
        let (path, mut body) = sample(route);
        body["unknown"] = json!(1);
        let answer = ask(&hub, route.method, &path, &session, &body);
        assert_eq!(
            (answer.status, &json_of(&answer)["code"]),
            (400, &json!(400)),
            "{}: {}",
            route.name(),
            answer.text()
        );
        let typed = [&session[..], &[("Content-Type", "text/plain")]].concat();
        let answer = hub.request(route.method, &path, &typed, b"{}").expect("an answer");
        assert_eq!(answer.status, 415, "{}: {}", route.name(), answer.text());
        let without_csrf = ask(&hub, route.method, &path, &session[..1], &body);
        let is_sign_in = route.name() == "POST /api/v1/session";
        assert_eq!(without_csrf.status, if is_sign_in { 400 } else { 403 }, "{}", route.name());
        strict += 1;
    }
    assert_eq!(strict, 16, "bodies");
    let ids = json!({"ids": vec![1; 2501], "tag": "x"});
    assert_eq!(callers.session.change(&hub, "POST", "/api/v1/manage/server/bulk", &ids).status, 200, "one id, often");
    let ids = json!({"ids": (1..=2501).collect::<Vec<_>>(), "tag": "x"});
    assert!(section("What the panel does").contains("2,500 ids at most"));
    assert_eq!(callers.session.change(&hub, "POST", "/api/v1/manage/server/bulk", &ids).status, 400);
    // Requests as a whole.
    assert!(section("How a request is read").contains("64 KiB"));
    let long = "x".repeat(66 * 1024);
    let answer = ask(&hub, "GET", &format!("/api/v1/server/top?metric={long}"), &session, &json!(null));
    assert_eq!(answer.status, 414);
}

#[test]
fn servers_are_registered_with_what_the_document_says_is_usual() {
    let (_folder, mut hub) = new_hub(&[]);
    let token = hub.make_token();
    hub.start();
    let register = |query: &str, more: &[(&str, &str)], body: &str| {
        let headers = [&[("Authorization", token.as_str())], more].concat();
        hub.request("POST", &format!("/api/v1/server/register{query}"), &headers, body.as_bytes()).expect("an answer")
    };
    let rows = &tables(section("Routes"))[1];
    let keys: Vec<&str> = rows.iter().filter_map(|row| spans(row[0]).next()).collect();
    assert_eq!(keys, ["Name", "Tag", "Note", "HideForGuest"]);
    let forwarded = [("X-Forwarded-For", "192.0.2.7, 10.0.0.1")];
    let plain = register("", &[], "{}");
    assert_eq!(json_of(&plain)["message"], "Server created successfully");
    assert_eq!(register("", &forwarded, "null").status, 200);
    let all = r#"{"nAME":"web","TAG":"shop","Note":"n","HideForGuest":"off","More":1} and more"#;
    assert_eq!(register("?simple=0", &[], all).status, 200);
    for simple in ["1", "true"] {
        let answer =
            register(&format!("?simple={simple}&unknown=1"), &[], r#"{"Name":"","Tag":"","HideForGuest":"on"}"#);
        assert!(json_of(&answer).is_string(), "{}", answer.text());
    }
    for wrong in ["", "x", "[]", "{\"Name\":1}"] {
        assert_eq!(register("", &[], wrong).status, 400, "{wrong}");
    }
    let servers = json_of(&hub.get("/api/v1/server/list", &token));
    let described: Vec<(&str, &str, bool)> = servers["result"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|server| {
            let text = |key: &str| server[key].as_str().expect("text");
            (text("name"), text("tag"), server["hide_for_guest"].as_bool().expect("a flag"))
        })
        .collect();
    let usual = ("127.0.0.1", "AutoRegister", true);
    assert_eq!(described, [usual, ("192.0.2.7", "AutoRegister", true), ("web", "shop", false), usual, usual]);
}

#[test]
fn a_path_has_many_spellings_and_none_leads_elsewhere() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.make_servers(1, "web");
    let token = hub.make_token();
    hub.start();
    let status = |path: &str| hub.get(path, &token).status;
    let list = hub.get("/api/v1/server/list", &token).body;
    for same in
        ["//api/v1/server/list", "/api//v1///server/list", "/api/v1/server/%6cist", "/%61pi/v1/server/lis%74?x=%2f"]
    {
        assert_eq!(hub.get(same, &token).body, list, "{same}");
    }
    for same in ["/%68ealthz", "//readyz", "/metric%73", "//openapi.json", "/api/v1/server/%31/metrics?metric=cpu"] {
        assert_eq!(status(same), 200, "{same}");
    }
    let redirected = hub.get("//api/v1/server/list/?tag=web", &token);
    assert_eq!((redirected.status, redirected.header("location")), (301, Some("/api/v1/server/list?tag=web")));
    for other in [
        "/api%2fv1/server/list",
        "/api/v1/server%5clist",
        "/api/v1/server/%256cist",
        "/api/v1/x/../server/list",
        "/api/v1/%2e%2e/v1/server/list",
        "/api/v1/server/./list",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/api/v1/server/list%00",
        "/api/v1/server/list%0d%0aX: y",
        "/assets/..%2f..%2fCargo.toml",
        "/api/v1/server/lisT",
    ] {
        let answer = hub.get(&other.replace(' ', "%20"), &token);
        assert_eq!(answer.status, 404, "{other}: {}", answer.text());
    }
    // Under /api the answer is JSON, however it is spelled.
    for other in ["/api/v1/nothing", "//api/v1/nothing", "/%61pi/nothing", "/api/v1/../x"] {
        assert_eq!(json_of(&hub.get(other, &token))["code"], 404, "{other}");
    }
}

#[test]
fn each_point_where_v0_differs_is_so() {
    let (_folder, hub, token, callers) = hub_with_history(&[]);
    let get = |path: &str, more: &[(&str, &str)]| {
        let headers = [&[("Authorization", token.as_str())], more].concat();
        ask(&hub, "GET", path, &headers, &json!(null))
    };
    let [differing, absent] = &tables(section("Where we differ from v0"))[..] else { panic!("two tables") };
    for row in differing {
        let point = row[0];
        match point {
            "order without filter" => {
                let answer = json_of(&get("/api/v1/server/details", &[]));
                let ids = answer["result"].as_array().expect("a list").iter().map(|server| server["id"].as_u64());
                assert!(ids.is_sorted());
            }
            "`display_index`, `hide_for_guest` in filtered calls" => {
                let edit = json!({"display_index": 7, "hide_for_guest": true});
                callers.session.done(&hub, "PATCH", "/api/v1/manage/server/2", &edit);
                let server = json_of(&get("/api/v1/server/details?id=2", &[]))["result"][0].clone();
                assert_eq!((&server["display_index"], &server["hide_for_guest"]), (&json!(7), &json!(true)));
            }
            "messages" => assert!(hub.get("/api/v1/server/list", "").text().is_ascii()),
            // The history was made before this hub started.
            "last status after a restart" => {
                let server = json_of(&get("/api/v1/server/list", &[]))["result"][0].clone();
                assert!(server["last_active"].as_i64().is_some_and(|at_s| at_s > 0), "{server}");
            }
            "HEAD, wrong method, unknown path" => {
                let ask =
                    |method: &str, path: &str| ask(&hub, method, path, &[("Authorization", &token)], &json!(null));
                for route in routes().iter().filter(|route| route.method == "GET" && route.path != "/ws") {
                    let (path, _) = sample(route);
                    let cookie = [("Cookie", callers.session.cookie.as_str())];
                    let head = self::ask(&hub, "HEAD", &path, &cookie, &json!(null));
                    assert_eq!((head.status, head.body.len()), (200, 0), "HEAD {path}");
                    let wrong = self::ask(&hub, "PURGE", &path, &cookie, &json!(null));
                    assert!(wrong.status == 405 && wrong.header("allow").is_some(), "PURGE {path}: {}", wrong.status);
                }
                assert_eq!(json_of(&ask("GET", "/api/v1/unknown"))["code"], 404);
            }
            "`register`" => {
                let answer = ask(&hub, "POST", "/api/v1/server/register", &[("Authorization", &token)], &json!({}));
                assert!(json_of(&answer)["id"].is_u64());
            }
            "compression, ETag" => {
                let gzip = get("/openapi.json", &[("Accept-Encoding", "gzip")]);
                assert_eq!(gzip.header("content-encoding"), Some("gzip"));
                let zstd = get("/openapi.json", &[("Accept-Encoding", "gzip, zstd;q=0.1")]);
                assert_eq!(zstd.header("content-encoding"), Some("zstd"));
                for none in ["", "identity", "gzip;q=0", "br"] {
                    let plain = get("/openapi.json", &[("Accept-Encoding", none)]);
                    assert_eq!(plain.header("content-encoding"), None, "{none}");
                }
                for path in
                    ["/api/v1/server/list", "/api/v1/server/details", "/api/v1/server/top?metric=cpu", "/openapi.json"]
                {
                    let tag = get(path, &[]).header("etag").map(str::to_owned).expect("a tag");
                    assert_eq!(get(path, &[("If-None-Match", &tag)]).status, 304, "{path}");
                    assert_eq!(get(path, &[("If-None-Match", "\"other\"")]).status, 200, "{path}");
                }
                let short = get("/api/v1/server/list?tag=nope", &[("Accept-Encoding", "gzip")]);
                assert_eq!(short.header("content-encoding"), None, "{}", short.text());
                let history = get("/api/v1/server/history?metric=cpu&from=-1m", &[("Accept-Encoding", "gzip")]);
                assert_eq!((history.header("content-encoding"), history.header("etag")), (Some("gzip"), None));
            }
            "CORS" => {
                let answer = get("/api/v1/server/list", &[("Origin", "https://other.example")]);
                assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("access-control")));
            }
            "doubled slash, encoded letters in a path" => assert_eq!(get("//api/v1/server/%6cist", &[]).status, 200),
            "a token that is not known, on `/ws`" => {
                let ws = routes().into_iter().find(|route| route.path == "/ws").expect("a route");
                let wrong = [("Authorization", "this-token-is-of-another-hub".to_owned())];
                assert_eq!(ask_as(&hub, &ws, &wrong, "/ws", &json!(null)).status, 401);
            }
            "`Authorization: Bearer <token>`" => {
                let bearer = hub.get("/api/v1/server/list", &format!("bEARER  {token}"));
                assert_eq!(json_of(&bearer)["code"], 0);
            }
            "tokens" => {
                let listed = callers.session.get(&hub, "/api/v1/token").text();
                assert!(!listed.contains(&callers.read) && !listed.contains(&token));
            }
            "token routes" => {
                for path in spans(row[2]) {
                    assert_eq!(callers.session.get(&hub, path).status, 200, "{path}");
                }
                assert_eq!(get("/api/token", &[]).status, 404);
            }
            "sign-in" => {
                let answer =
                    panel::sign_in(&hub, "viewer", "looks, and nothing else", &[("X-Forwarded-Proto", "https")]);
                let cookie = answer.header("set-cookie").expect("a cookie");
                assert!(["HttpOnly", "SameSite=Lax", "Secure"].iter().all(|part| cookie.contains(part)), "{cookie}");
            }
            // An agent cannot even be made to send one: the wire's own tests, and the vectors, try.
            "NaN from an agent" => {}
            other => panic!("docs/api.md differs from v0 in {other:?}, and this test does not look at it"),
        }
    }
    for row in absent {
        for path in spans(row[0]).filter(|span| span.starts_with('/')) {
            assert_eq!(get(&path.replace("{id}", "1"), &[]).status, 404, "{path}");
        }
        if row[0] == "public notes" {
            assert!(!get("/api/v1/server/details", &[]).text().contains("PublicNote"));
        }
    }
}
