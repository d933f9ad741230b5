//! A day of history, made before the hub starts: series in every format, totals, top, uptime, changes of facts, Nezha v2's
//! form, and what is said to a wrong request.

use crate::hub::new_hub;
use serde_json::Value;
use windfire_bench::hub_process::HubProcess;
use windfire_bench::month::{self, Month};

const SERVERS: usize = 6;
const HOURS: i64 = 26;
/// Every server is away for twenty minutes a day, each at a moment of its own.
const OUTAGE_MINUTES: i64 = 20;

fn json(hub: &HubProcess, token: &str, path: &str) -> Value {
    let answer = hub.get(path, token);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{path}: {error}: {}", answer.text()))
}

fn wrong(hub: &HubProcess, token: &str, path: &str, expected: &str) {
    let answer = hub.get(path, token);
    assert_eq!(answer.status, 400, "{path}: {}", answer.text());
    assert!(answer.text().contains(expected), "{path}: {}", answer.text());
}

#[test]
fn history_is_answered_over_http() {
    let (_folder, mut hub) = new_hub(&[]);
    let month = Month::until_now(SERVERS, HOURS, 5000);
    let end_ms = month.end_ms;
    month::make(hub.data(), month);
    let token = hub.make_token();
    hub.start();
    let get = |path: &str| json(&hub, &token, path);

    // Series: one for each server and metric, in order, with null where nobody reported.
    let (day_begins_s, ends_s) = (end_ms / 1000 - 24 * 3600, end_ms / 1000);
    let day = format!("from={day_begins_s}&to={ends_s}");
    let answer = get(&format!("/api/v1/server/history?id=2,1&metric=cpu,net_in_transfer&{day}&step=5m"));
    assert_eq!((&answer["code"], &answer["tier"], &answer["step"]), (&0.into(), &"1m".into(), &300.into()));
    let series = answer["result"].as_array().expect("a list");
    let named: Vec<_> = series.iter().map(|series| (series["id"].as_u64(), series["metric"].as_str())).collect();
    let both = |id| [(Some(id), Some("cpu")), (Some(id), Some("net_in_transfer"))];
    assert_eq!(named, [both(2), both(1)].concat());
    for series in series {
        let values = series["values"].as_array().expect("a list");
        assert_eq!(values.len(), series["times"].as_array().expect("a list").len());
        let gaps = values.iter().filter(|value| value.is_null()).count();
        assert!((3..=5).contains(&gaps), "20 minutes are 3 to 5 empty steps of 5 minutes, not {gaps}");
    }

    // Every report of a short while; growth over five hours agrees with the counter's ends.
    let answer = get("/api/v1/server/history?id=1&metric=mem_used&from=-10m&step=raw");
    assert_eq!((&answer["tier"], &answer["step"]), (&"raw".into(), &0.into()));
    let to_s = end_ms / 3_600_000 * 3600;
    let range = format!("id=3&metric=net_out_transfer&from={}&to={to_s}", to_s - 5 * 3600);
    let answer = get(&format!("/api/v1/server/history?{range}&agg=increase&step=1h"));
    let grown: u64 = answer["result"][0]["values"].as_array().expect("a list").iter().filter_map(Value::as_u64).sum();
    let answer = get(&format!("/api/v1/server/history?{range}&step=raw&points=20000"));
    let values: Vec<u64> =
        answer["result"][0]["values"].as_array().expect("a list").iter().filter_map(Value::as_u64).collect();
    assert_eq!(grown, values[values.len() - 1] - values[0], "{}", answer["notes"]);

    // Ranges in other words, formats, totals.
    let points_from = |from_s: i64| {
        let range = format!("from={from_s}&to={}", from_s + 3600);
        let answer = get(&format!("/api/v1/server/history?id=1&metric=load1&{range}&step=10m"));
        answer["result"][0]["values"].as_array().map(Vec::len)
    };
    let step_begins_s = (end_ms / 1000 - 3601) / 600 * 600;
    assert_eq!(points_from(step_begins_s), Some(6), "an hour that begins with a step");
    assert_eq!(points_from(step_begins_s + 1), Some(7), "an hour that begins within a step");
    let csv = hub.get("/api/v1/server/history?tag=web&metric=cpu&from=-2h&step=30m&format=csv", &token);
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert!(csv.text().starts_with("time,id,name,tag,metric,agg,value\n"));
    let rows = hub.get("/api/v1/server/history?tag=web&metric=cpu&from=-2h&step=30m&format=ndjson", &token).text();
    assert_eq!(rows.lines().count(), csv.text().lines().count() - 1);
    assert!(rows.lines().all(|line| serde_json::from_str::<Value>(line).is_ok_and(|row| row["tag"] == "web")));
    let totals = get("/api/v1/server/history?group=tag&metric=mem_used&from=-6h&step=1h");
    let tags: Vec<_> = totals["result"].as_array().expect("a list").iter().map(|group| group["tag"].as_str()).collect();
    assert_eq!(tags, [Some("db"), Some("edge"), Some("web")]);
    let all = get("/api/v1/server/history?group=all&metric=mem_used&from=-6h&step=1h");
    let middle = |series: &Value| series["values"][2].as_f64().expect("a number");
    let sum: f64 = totals["result"].as_array().expect("a list").iter().map(middle).sum();
    assert!((sum - middle(&all["result"][0])).abs() < 1.0, "groups add up to the whole");
    assert_eq!(all["result"][0]["servers"][2], SERVERS);

    // What is beside series.
    let top = get("/api/v1/server/top?metric=mem_used&n=3");
    let values: Vec<_> = top["result"].as_array().expect("a list").iter().map(|row| row["value"].as_u64()).collect();
    assert_eq!(values.len(), 3);
    assert!(values.is_sorted_by(|a, b| a >= b), "{values:?}");
    for server in get(&format!("/api/v1/server/uptime?{day}"))["result"].as_array().expect("a list") {
        let down = server["minutes"].as_i64().expect("a number") - server["up_minutes"].as_i64().expect("a number");
        assert!((OUTAGE_MINUTES - 1..=OUTAGE_MINUTES + 2).contains(&down), "{server}");
        assert_eq!(server["longest_outage_minutes"].as_i64().map(|minutes| (19..=21).contains(&minutes)), Some(true));
    }
    let facts = get("/api/v1/server/facts?id=1&from=-48h");
    assert_eq!(facts["result"][0]["changes"][0]["platform"], "debian");
    let v2 = get("/api/v1/server/1/metrics?metric=memory&period=7d");
    assert_eq!((&v2["success"], &v2["data"]["server_name"]), (&true.into(), &"server-0".into()));
    let points = v2["data"]["data_points"].as_array().expect("a list");
    assert!((50..=54).contains(&points.len()), "26 h in points of 30 min, not {}", points.len());
    assert_eq!(get("/api/v1/server/99/metrics?metric=memory")["success"], false);
    let document = get("/openapi.json");
    assert!(document["paths"]["/api/v1/server/history"]["get"]["parameters"].is_array());

    // What is wrong is said.
    wrong(&hub, &token, "/api/v1/server/history?id=1", "metric is missing");
    wrong(&hub, &token, "/api/v1/server/history?id=1&metric=cpus", "must be one of cpu");
    wrong(&hub, &token, "/api/v1/server/history?id=1&metric=cpu&agg=rate", "choose one of mean");
    wrong(&hub, &token, "/api/v1/server/history?id=1&metric=cpu&from=yesterday", "RFC 3339");
    wrong(&hub, &token, "/api/v1/server/history?id=1&metric=cpu&from=-1h&to=-2h", "is not before");
    wrong(&hub, &token, "/api/v1/server/history?id=1&metric=cpu&step=0", "duration");
    wrong(&hub, &token, "/api/v1/server/history?id=1&metric=cpu&points=1000000", "within 1 to 20000");
    wrong(&hub, &token, "/api/v1/server/history?id=1&metric=cpu&format=xml", "must be one of json");
    wrong(&hub, &token, "/api/v1/server/top?metric=cpu&n=0", "within 1 to 1000");
    let refused = hub.get("/api/v1/server/history?id=1&metric=cpu", "nobody").text();
    assert!(refused.starts_with("{\"code\":401"), "{refused}");
    let head = hub.request("HEAD", "/api/v1/server/history?id=1&metric=cpu", &[("Authorization", &token)], b"");
    assert_eq!(head.expect("an answer").body.len(), 0);
}
