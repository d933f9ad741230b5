//! Every operation, asked by every kind of client: which clients are let in, and which servers are in the answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use tempfile::TempDir;
use windfire_api::{Api, Caller, handle};
use windfire_engine::alert::Outside;
use windfire_engine::alert::channel::{ChannelKind, NewChannel};
use windfire_engine::alert::measure::Measure;
use windfire_engine::alert::rule::{Condition, NewRule, Operator, Scope as ServerScope, Severity};
use windfire_engine::alert::silence::{NewSilence, Window};
use windfire_engine::alert::state::AlertTime;
use windfire_engine::server::NewServer;
use windfire_engine::token::{NewToken, Scope, Scopes};
use windfire_engine::user::{PasswordHash, Role};
use windfire_engine::{Engine, Options};

const NOW_S: i64 = 1_790_000_000;

/// A kind of client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Guest,
    WrongToken,
    TaggedToken,
    ReadToken,
    RegisterToken,
    AdminToken,
    Viewer,
    Admin,
    /// An administrator's browser on another site's page.
    AdminWithoutCsrf,
}

const EVERYBODY: [Who; 9] = [
    Who::Guest,
    Who::WrongToken,
    Who::TaggedToken,
    Who::ReadToken,
    Who::RegisterToken,
    Who::AdminToken,
    Who::Viewer,
    Who::Admin,
    Who::AdminWithoutCsrf,
];

/// Who may call an operation: reading, registering, managing, for signed-in browsers, for browsers of administrators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    Anyone,
    Guests,
    Readers,
    Registrars,
    Managers,
    Browsers,
    AdminBrowsers,
}

const OPERATIONS: [(&str, &str, For); 49] = [
    ("GET", "/openapi.json", For::Anyone),
    ("GET", "/api/v1/server/list", For::Readers),
    ("GET", "/api/v1/server/details", For::Readers),
    ("GET", "/api/v1/server/history", For::Guests),
    ("GET", "/api/v1/server/top", For::Guests),
    ("GET", "/api/v1/server/uptime", For::Guests),
    ("GET", "/api/v1/server/facts", For::Readers),
    ("GET", "/api/v1/server/{id}/metrics", For::Guests),
    ("POST", "/api/v1/server/register", For::Registrars),
    ("GET", "/api/v1/server/stream", For::Guests),
    ("GET", "/api/v1/session", For::Anyone),
    ("POST", "/api/v1/session", For::Anyone),
    ("DELETE", "/api/v1/session", For::Browsers),
    ("PUT", "/api/v1/session/password", For::Browsers),
    ("GET", "/api/v1/token", For::AdminBrowsers),
    ("POST", "/api/v1/token", For::AdminBrowsers),
    ("DELETE", "/api/v1/token/{id}", For::AdminBrowsers),
    ("GET", "/api/v1/manage/server", For::Managers),
    ("POST", "/api/v1/manage/server", For::Managers),
    ("PATCH", "/api/v1/manage/server/{id}", For::Managers),
    ("DELETE", "/api/v1/manage/server/{id}", For::Managers),
    ("POST", "/api/v1/manage/server/{id}/credential", For::Managers),
    ("POST", "/api/v1/manage/server/bulk", For::Managers),
    ("GET", "/api/v1/enrol-token", For::Managers),
    ("POST", "/api/v1/enrol-token", For::Managers),
    ("DELETE", "/api/v1/enrol-token/{id}", For::Managers),
    ("GET", "/api/v1/user", For::AdminBrowsers),
    ("POST", "/api/v1/user", For::AdminBrowsers),
    ("PATCH", "/api/v1/user/{id}", For::AdminBrowsers),
    ("DELETE", "/api/v1/user/{id}", For::AdminBrowsers),
    ("GET", "/api/v1/alert/rule", For::Readers),
    ("POST", "/api/v1/alert/rule", For::Managers),
    ("PATCH", "/api/v1/alert/rule/{id}", For::Managers),
    ("DELETE", "/api/v1/alert/rule/{id}", For::Managers),
    ("GET", "/api/v1/alert/channel", For::Readers),
    ("POST", "/api/v1/alert/channel", For::Managers),
    ("PATCH", "/api/v1/alert/channel/{id}", For::Managers),
    ("DELETE", "/api/v1/alert/channel/{id}", For::Managers),
    ("GET", "/api/v1/alert/silence", For::Readers),
    ("POST", "/api/v1/alert/silence", For::Managers),
    ("PATCH", "/api/v1/alert/silence/{id}", For::Managers),
    ("DELETE", "/api/v1/alert/silence/{id}", For::Managers),
    ("GET", "/api/v1/alert", For::Readers),
    ("GET", "/api/v1/alert/log", For::Readers),
    ("POST", "/api/v1/alert/{rule}/{server}/acknowledge", For::Managers),
    ("POST", "/api/v1/alert/channel/{id}/test", For::Managers),
    ("POST", "/api/v1/alert/rule/preview", For::Managers),
    ("GET", "/api/v1/hub", For::Managers),
    ("GET", "/api/v1/cluster", For::Managers),
];

impl For {
    fn is_open_to(self, who: Who) -> bool {
        let is_browser = matches!(who, Who::Viewer | Who::Admin);
        match self {
            // Signing in with a wrong password is refused for that.
            Self::Anyone => true,
            Self::Guests => who != Who::WrongToken && who != Who::RegisterToken,
            Self::Readers => matches!(who, Who::TaggedToken | Who::ReadToken | Who::AdminToken) || is_browser,
            Self::Registrars => matches!(who, Who::RegisterToken | Who::AdminToken | Who::Admin),
            Self::Managers => matches!(who, Who::AdminToken | Who::Admin),
            Self::Browsers => is_browser,
            Self::AdminBrowsers => who == Who::Admin,
        }
    }
}

/// A hub with a hidden server, a server of the tag that a token is limited to, and one more.
struct Hub {
    _folder: TempDir,
    engine: Arc<Engine>,
    api: Api,
    tokens: [(Who, String); 4],
    logins: [(Who, String); 2],
}

impl Hub {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let engine = Arc::new(Engine::open(folder.path(), Options::default()).expect("a new store"));
        let registry = engine.registry();
        for (name, tag, hide_for_guest) in
            [("hidden-one", "", true), ("tagged-one", "web", false), ("plain-one", "", false)]
        {
            let (name, tag) = (name.to_owned(), tag.to_owned());
            registry.add_server(NewServer { name, tag, hide_for_guest, ..NewServer::default() }, NOW_S).expect("room");
        }
        let token = |who, scope, tags: &[&str]| {
            let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
            let new = NewToken { text: None, note: "n".to_owned(), scopes: Scopes::of([scope]), tags, expires_s: None };
            (who, registry.add_token(new, NOW_S).expect("room").1)
        };
        let tokens = [
            token(Who::TaggedToken, Scope::Read, &["web"]),
            token(Who::ReadToken, Scope::Read, &[]),
            token(Who::RegisterToken, Scope::Register, &[]),
            token(Who::AdminToken, Scope::Admin, &[]),
        ];
        let login = |who, name: &str, role| {
            let password = PasswordHash::of("a long password").expect("a password");
            registry.add_user(name.to_owned(), role, password, NOW_S).expect("room");
            (who, registry.add_login(None, name.to_owned(), NOW_S).expect("room").cookie)
        };
        let logins = [login(Who::Viewer, "vera", Role::Viewer), login(Who::Admin, "ada", Role::Admin)];
        Self { engine: Arc::clone(&engine), api: Api::default(), tokens, logins, _folder: folder }
    }

    /// Status and body of an answer.
    fn ask(&self, who: Who, method: &str, path: &str, body: &'static str) -> (u16, String) {
        let mut request = Request::builder().method(method).uri(path).header("Content-Type", "application/json");
        if let Some((_, token)) = self.tokens.iter().find(|(of, _)| *of == who) {
            request = request.header("Authorization", token);
        }
        if who == Who::WrongToken {
            request = request.header("Authorization", "not-a-token-of-this-hub");
        }
        let as_who = if who == Who::AdminWithoutCsrf { Who::Admin } else { who };
        if let Some((_, cookie)) = self.logins.iter().find(|(of, _)| *of == as_who) {
            let cookie = format!("nezha-dashboard={cookie}");
            if who != Who::AdminWithoutCsrf {
                let session = Request::get("/api/v1/session").header("Cookie", &cookie);
                let (_, session) = self.answer(&session.body(Bytes::new()).expect("a request"));
                let session: Value = serde_json::from_str(&session).expect("JSON");
                request = request.header("X-CSRF-Token", session["result"]["csrf"].as_str().expect("signed in"));
            }
            request = request.header("Cookie", cookie);
        }
        self.answer(&request.body(Bytes::from_static(body.as_bytes())).expect("a request"))
    }

    fn answer(&self, request: &Request<Bytes>) -> (u16, String) {
        let caller = Caller { peer: [127, 0, 0, 1].into(), now_ms: NOW_S * 1000 };
        let response = handle(&self.api, &self.engine, request, caller);
        let status = response.status().as_u16();
        let body = if request.uri().path().ends_with("/stream") {
            Bytes::new()
        } else {
            response.into_body().collect().expect("whole")
        };
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    /// Whether the client was let in, even if the answer says that the request is wrong.
    fn lets_in(&self, who: Who, method: &str, path: &str) -> bool {
        // An id that does not exist, so that allowed requests change nothing.
        let path = ["{id}", "{rule}", "{server}"].iter().fold(path.to_owned(), |path, part| path.replace(part, "999"));
        let (status, body) = self.ask(who, method, &path, "{\"unknown\":1}");
        let is_refused_in_body = serde_json::from_str::<Value>(&body).is_ok_and(|body| body["code"] == 403);
        !matches!(status, 401 | 403) && !is_refused_in_body
    }
}

#[test]
fn every_operation_lets_in_whom_it_is_for() {
    let (_, document) = Hub::new().ask(Who::Guest, "GET", "/openapi.json", "");
    let document: Value = serde_json::from_str(&document).expect("JSON");
    let methods = |(path, methods): (&String, &Value)| {
        let methods = methods.as_object().into_iter().flat_map(|methods| methods.keys()).cloned();
        methods.map(|method| (method.to_ascii_uppercase(), path.clone())).collect::<Vec<_>>()
    };
    let described: BTreeSet<_> = document["paths"].as_object().expect("paths").iter().flat_map(methods).collect();
    let listed = OPERATIONS.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()));
    assert_eq!(described, listed.collect(), "each is listed here, and no other");
    let mut hub = Hub::new();
    for (method, path, open_to) in OPERATIONS {
        for who in EVERYBODY {
            if (method, path) == ("DELETE", "/api/v1/session") {
                // A user who signed out is no longer signed in.
                hub = Hub::new();
            }
            let is_change = Method::from_bytes(method.as_bytes()).expect("a method") != Method::GET;
            let expected = match who {
                // The browser also sends the cookie for other sites' pages. Without the header that only our own page
                // knows, nothing changes. `register` is Nezha's, whose scripts do not know that header.
                Who::AdminWithoutCsrf if is_change => matches!(open_to, For::Anyone | For::Registrars),
                Who::AdminWithoutCsrf => open_to.is_open_to(Who::Admin),
                other => open_to.is_open_to(other),
            };
            assert_eq!(hub.lets_in(who, method, path), expected, "{who:?} {method} {path}");
        }
    }
}

#[test]
fn everybody_sees_the_servers_that_are_theirs() {
    let hub = Hub::new();
    let paths =
        ["list", "details", "details?id=1,2,3", "history?metric=cpu", "history?metric=cpu&id=1,2,3", "uptime", "facts"];
    for path in paths {
        for (who, names) in [
            (Who::Guest, &["tagged-one", "plain-one"][..]),
            (Who::TaggedToken, &["tagged-one"]),
            (Who::ReadToken, &["hidden-one", "tagged-one", "plain-one"]),
            (Who::Viewer, &["hidden-one", "tagged-one", "plain-one"]),
            (Who::Admin, &["hidden-one", "tagged-one", "plain-one"]),
        ] {
            let (_, body) = hub.ask(who, "GET", &format!("/api/v1/server/{path}"), "");
            let is_refused = who == Who::Guest && !path.starts_with("history") && path != "uptime";
            for name in ["hidden-one", "tagged-one", "plain-one"] {
                assert_eq!(body.contains(name), names.contains(&name) && !is_refused, "{who:?} {path} {name}: {body}");
            }
        }
    }
}

/// Rules, a channel and silences, each about something else: the server of the tag `web` has the id 2.
fn set_alerts_up(hub: &Hub) {
    let registry = hub.engine.registry();
    let slack = ChannelKind::Slack { url: "https://hooks.example.org/a-secret".to_owned() };
    let channel = registry.add_channel(NewChannel::of("ops-chat", slack), NOW_S).expect("room");
    let rule = |name: &str, scope: ServerScope, except_ids: &[u64]| {
        let condition = Condition { measure: Measure::Cpu, operator: Operator::Above, value: 90.0, clear: None };
        let new = NewRule::of(name, Severity::Warning, vec![condition]);
        let (note, except_ids) = ("for administrators".to_owned(), except_ids.to_vec());
        let new = NewRule { note, scope, except_ids, channels: vec![channel], ..new };
        registry.add_rule(new, NOW_S).expect("room")
    };
    let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
    rule("all-rule", ServerScope::All, &[1, 2]);
    rule("two-tags-rule", ServerScope::Tags(tags(&["db", "web"])), &[]);
    let of_others = rule("db-rule", ServerScope::Tags(tags(&["db"])), &[]);
    rule("ids-rule", ServerScope::Ids(vec![1, 2, 3]), &[]);
    rule("other-ids-rule", ServerScope::Ids(vec![1, 3]), &[]);
    let silence = |comment: &str, rules: &[u64], of_tags: &[&str], ids: &[u64]| {
        let (comment, by) = (comment.to_owned(), "ada".to_owned());
        let window = Window::Span { from_s: NOW_S, to_s: NOW_S + 60 };
        let new = NewSilence { comment, rules: rules.to_vec(), tags: tags(of_tags), ids: ids.to_vec(), window, by };
        registry.add_silence(new, NOW_S).expect("room");
    };
    silence("any-silence", &[], &[], &[]);
    silence("two-tags-silence", &[], &["db", "web"], &[]);
    silence("ids-silence", &[], &[], &[2, 3]);
    silence("db-silence", &[], &["db"], &[]);
    silence("other-ids-silence", &[], &[], &[3]);
    silence("db-rule-silence", &[of_others], &[], &[]);
}

/// What an answer has under that key, of each entry that has it.
fn column(hub: &Hub, who: Who, path: &str, key: &str) -> Vec<Value> {
    let (status, body) = hub.ask(who, "GET", path, "");
    assert_eq!(status, 200, "{who:?} {path}: {body}");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    body["result"].as_array().expect("a list").iter().map(|entry| entry[key].clone()).collect()
}

#[test]
fn a_token_of_a_tag_sees_the_alerts_set_up_for_it_and_nothing_of_others() {
    let hub = Hub::new();
    set_alerts_up(&hub);
    let (rules, channels, silences) = ("/api/v1/alert/rule", "/api/v1/alert/channel", "/api/v1/alert/silence");
    let tagged = |path: &str, key: &str| Value::from(column(&hub, Who::TaggedToken, path, key));
    let names = json!(["Server offline", "Disk almost full", "all-rule", "two-tags-rule", "ids-rule"]);
    assert_eq!(tagged(rules, "name"), names, "and none of the hub's own");
    let all = || json!({"all": true});
    assert_eq!(tagged(rules, "scope"), json!([all(), all(), all(), {"tags": ["web"]}, {"ids": [2]}]));
    assert_eq!(tagged(rules, "except_ids"), json!([[], [], [2], [], []]));
    assert_eq!(tagged(rules, "channels"), json!([[], [], [], [], []]));
    assert_eq!(tagged(channels, "name"), json!([]));
    assert_eq!(tagged(silences, "comment"), json!(["any-silence", "two-tags-silence", "ids-silence"]));
    assert_eq!(tagged(silences, "tags"), json!([[], ["web"], []]));
    assert_eq!(tagged(silences, "ids"), json!([[], [], [2]]));
    for who in [Who::ReadToken, Who::AdminToken, Who::Viewer, Who::Admin] {
        let counted = [rules, channels, silences].map(|path| column(&hub, who, path, "id").len());
        assert_eq!(counted, [10, 1, 6], "{who:?}");
        let is_manager = For::Managers.is_open_to(who);
        let notes = column(&hub, who, rules, "note");
        assert_eq!(notes.iter().filter(|note| *note == "for administrators").count(), if is_manager { 5 } else { 0 });
        assert_eq!(column(&hub, who, rules, "channels")[5], json!([1]), "{who:?}");
    }
    for who in EVERYBODY {
        for path in [rules, channels, silences] {
            assert!(!hub.ask(who, "GET", path, "").1.contains("a-secret"), "{who:?} {path}");
        }
    }
}

#[test]
fn alerts_are_seen_by_those_who_see_their_servers() {
    let hub = Hub::new();
    let registry = hub.engine.registry();
    registry.begin_rules(NOW_S).expect("on disk");
    for (name, tag) in [("old-web", "web"), ("old-db", "db")] {
        let new = NewServer { name: name.to_owned(), tag: tag.to_owned(), ..NewServer::default() };
        registry.add_server(new, NOW_S - 1000).expect("room");
    }
    let away = Condition { measure: Measure::Offline, operator: Operator::Above, value: 60.0, clear: None };
    let rule = NewRule { never: true, ..NewRule::of("away", Severity::Critical, vec![away]) };
    let rule = registry.add_rule(rule, NOW_S).expect("room");
    // The first pass gives everybody time. The disk is almost full in both.
    let outside = Outside { disk_free_percent: Some(5.0), ..Outside::default() };
    for before_s in [200, 0] {
        let time = AlertTime { now_ms: (NOW_S - before_s) * 1000, uptime_ms: (200 - before_s) * 1000 };
        hub.engine.alerts().evaluate(time, &outside).expect("on disk");
    }
    let (alerts, log) = ("/api/v1/alert", "/api/v1/alert/log");
    let names = |who, path: &str| column(&hub, who, path, "server_name");
    assert_eq!(names(Who::TaggedToken, alerts), [json!("old-web")]);
    assert_eq!(names(Who::TaggedToken, log), [json!("old-web")]);
    assert_eq!(names(Who::TaggedToken, "/api/v1/alert?tag=db"), Vec::<Value>::new());
    let firing = |who| {
        let all = column(&hub, who, "/api/v1/alert/rule", "firing").into_iter();
        all.map(|count| count.as_u64().expect("a number")).sum::<u64>()
    };
    assert_eq!(firing(Who::TaggedToken), 1);
    for who in [Who::ReadToken, Who::Viewer, Who::AdminToken, Who::Admin] {
        let mut all = names(who, alerts);
        all.sort_by_key(ToString::to_string);
        assert_eq!(all, [json!(""), json!("old-db"), json!("old-web")], "{who:?}: the hub and both servers");
        assert_eq!((names(who, log).len(), firing(who)), (3, 3), "{who:?}");
        assert_eq!(names(who, "/api/v1/alert/log?id=0"), [json!("")], "{who:?}");
        assert_eq!(names(who, "/api/v1/alert/log?limit=1").len(), 1, "{who:?}");
        assert_eq!(names(who, "/api/v1/alert?severity=critical&tag=db"), [json!("old-db")], "{who:?}");
        assert!(names(who, "/api/v1/alert?state=pending").is_empty(), "{who:?}");
    }
    assert_eq!(hub.ask(Who::ReadToken, "GET", "/api/v1/alert?state=gone", "").0, 400);
    // Whoever sees no alert of the hub changes none either.
    let acknowledge = |who, server: u64| hub.ask(who, "POST", &format!("{alerts}/{rule}/{server}/acknowledge"), "").0;
    assert_eq!(acknowledge(Who::ReadToken, 4), 403);
    assert_eq!((acknowledge(Who::Admin, 4), acknowledge(Who::Admin, 1)), (200, 404));
    let by: Vec<Value> = column(&hub, Who::Viewer, "/api/v1/alert?tag=web", "acknowledged_by");
    assert_eq!(by, [json!("ada")]);
}

#[test]
fn a_channel_whose_templates_cannot_be_rendered_is_not_saved() {
    let mut hub = Hub::new();
    hub.api.check_templates = |channel| match channel.body.as_deref() {
        Some("{{ wrong") => Err("body: line 1: it does not end".to_owned()),
        _ => Ok(()),
    };
    let path = "/api/v1/alert/channel";
    let settings = "\"kind\":\"slack\",\"settings\":{\"url\":\"https://hooks.example.org/x\"}";
    let good: &'static str = format!("{{\"name\":\"ops\",{settings}}}").leak();
    let wrong: &'static str = format!("{{\"name\":\"ops\",\"body\":\"{{{{ wrong\",{settings}}}").leak();
    let (status, said) = hub.ask(Who::Admin, "POST", path, wrong);
    assert!(status == 400 && said.contains("body: line 1"), "{status} {said}");
    assert_eq!(hub.ask(Who::Admin, "POST", path, good).0, 200);
    let (status, said) = hub.ask(Who::Admin, "PATCH", "/api/v1/alert/channel/1", "{\"body\":\"{{ wrong\"}");
    assert!(status == 400 && said.contains("body: line 1"), "{status} {said}");
    assert_eq!(column(&hub, Who::Admin, path, "body"), [Value::Null]);
    assert_eq!(column(&hub, Who::Admin, path, "failing_since"), [Value::Null]);
    // A test message of a channel that is disabled would go nowhere.
    let test = "/api/v1/alert/channel/1/test";
    assert_eq!((hub.ask(Who::Admin, "POST", test, "").0, hub.engine.alerts().notices_waiting()), (200, 1));
    assert_eq!(hub.ask(Who::Admin, "PATCH", "/api/v1/alert/channel/1", "{\"enabled\":false}").0, 200);
    assert_eq!((hub.ask(Who::Admin, "POST", test, "").0, hub.engine.alerts().notices_waiting()), (409, 1));
}

#[test]
fn a_hub_that_does_not_hear_from_its_cluster_answers_no_token() {
    let hub = Hub::new();
    hub.api.is_registry_stale.store(true, Ordering::Relaxed);
    let tokens = [Who::WrongToken, Who::TaggedToken, Who::ReadToken, Who::RegisterToken, Who::AdminToken];
    for (method, path, open_to) in OPERATIONS.into_iter().filter(|(_, _, open_to)| *open_to != For::Anyone) {
        for who in tokens {
            let path =
                ["{id}", "{rule}", "{server}"].iter().fold(path.to_owned(), |path, part| path.replace(part, "999"));
            let (status, said) = hub.ask(who, method, &path, "{\"unknown\":1}");
            assert_eq!(status, 503, "{open_to:?} {who:?} {method} {path}: {said}");
        }
    }
    assert!(hub.ask(Who::ReadToken, "GET", "/api/v1/server/list", "").1.contains("ask another hub"));
    // Who is signed in can look what is wrong, and guests have nothing that could be taken from them.
    assert!(hub.lets_in(Who::Admin, "GET", "/api/v1/manage/server"));
    assert!(hub.lets_in(Who::Guest, "GET", "/api/v1/server/uptime"));
    assert!(hub.lets_in(Who::AdminToken, "GET", "/openapi.json"));
    hub.api.is_registry_stale.store(false, Ordering::Relaxed);
    assert!(hub.lets_in(Who::ReadToken, "GET", "/api/v1/server/list"));
    assert!(!hub.lets_in(Who::WrongToken, "GET", "/api/v1/server/list"));
}
