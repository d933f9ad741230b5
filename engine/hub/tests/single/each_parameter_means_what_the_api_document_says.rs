//! Each parameter of history that docs/api.md names is asked, and what it says of the answer is checked.

use crate::api_document::*;
use serde_json::{Value, json};
use windfire_bench::clock::unix_ms;
use windfire_bench::hub_process::HttpAnswer;

/// An answer of history.
struct Series(HttpAnswer);

impl Series {
    fn json(&self) -> Value {
        assert_eq!(self.0.status, 200, "{}", self.0.text());
        json_of(&self.0)
    }

    fn notes(&self) -> Vec<&str> {
        let notes = self.0.headers.iter().filter(|(name, _)| name == "windfire-note");
        notes.map(|(_, value)| value.as_str()).collect()
    }
}

#[test]
fn each_parameter_means_what_the_document_says() {
    let (_folder, hub, token, _) = hub_with_history(&[]);
    let get = |path: &str| hub.get(&format!("/api/v1/server/{path}"), &token);
    let history = |query: &str| Series(get(&format!("history?metric=cpu&{query}")));
    let points = |series: &Series| series.json()["result"][0]["times"].as_array().map_or(0, Vec::len);
    let now_s = unix_ms() / 1000;

    // Steps are what was asked.
    for step_s in [61, 90, 119, 150, 1000, 1, 7, 60, 120, 3600, 3900, 4500] {
        let series = history(&format!("from=-6h&step={step_s}&id=1"));
        let answer = series.json();
        let wanted = if step_s == 1 { 2 } else { step_s };
        assert_eq!((&answer["step"], &answer["result"][0]["step"]), (&json!(wanted), &json!(wanted)), "{step_s}");
        assert_eq!(answer["notes"].as_array().map(Vec::is_empty), Some(step_s != 1), "{}", answer["notes"]);
        let tier = if wanted % 900 == 0 {
            "15m"
        } else if wanted % 60 == 0 {
            "1m"
        } else {
            "raw"
        };
        assert_eq!(answer["tier"], tier, "{step_s}");
        let times: Vec<i64> = serde_json::from_value(answer["result"][0]["times"].clone()).expect("times");
        assert!(times.iter().all(|time| time % wanted == 0) && times.windows(2).all(|two| two[1] - two[0] == wanted));
        assert!(times[0] <= now_s - 6 * 3600 + 60 && times.len() <= 20_001);
        assert!(answer["result"][0]["values"].as_array().expect("values").iter().any(|value| !value.is_null()));
    }
    let note = history("from=-6h&step=1&id=1");
    assert_eq!(note.notes(), [note.json()["notes"][0].as_str().expect("a note")], "the head has it too");
    assert!(note.notes()[0].contains("20000 such steps"), "{:?}", note.notes());
    let note = history("from=-15d&step=90&id=1");
    let begins = "step is 120 s, not 90 s: history for such steps is kept from ";
    assert!(note.notes()[0].starts_with(begins), "reports are kept for seven days: {:?}", note.notes());
    // A mean over 90 s is that of the reports in it.
    let raw = history("from=-30m&step=raw&id=1").json();
    let mean = history("from=-30m&step=90&id=1").json();
    let (start, found) = (&mean["result"][0]["times"][3], &mean["result"][0]["values"][3]);
    let start = start.as_f64().expect("a time");
    let pairs = raw["result"][0]["times"]
        .as_array()
        .expect("times")
        .iter()
        .zip(raw["result"][0]["values"].as_array().expect("values"));
    let inside: Vec<f64> = pairs
        .filter(|(time, _)| (start..start + 90.0).contains(&time.as_f64().expect("a time")))
        .filter_map(|(_, value)| value.as_f64())
        .collect();
    let wanted = inside.iter().sum::<f64>() / inside.len() as f64;
    assert!((found.as_f64().expect("a mean") - wanted).abs() < 1e-9, "{found} is not {wanted}");
    for (step, step_s) in [("90s", 90), ("5m", 300), ("1h", 3600), ("1d", DAY_S), ("2w", 14 * DAY_S)] {
        assert_eq!(history(&format!("step={step}")).json()["step"], json!(step_s), "{step}");
    }
    assert_eq!(history("from=-1m&step=500ms").json()["step"], json!(0.5));

    // The range is cut before the step is looked at.
    let all = history("from=0&step=1h&id=1").json();
    assert_eq!(all["step"], 3600);
    let from_s = all["from"].as_i64().expect("a time");
    assert!((now_s - from_s) / DAY_S <= 731 && now_s - from_s >= 729 * DAY_S, "{from_s}");
    assert!(all["notes"][0].as_str().expect("a note").starts_with("from is "), "{}", all["notes"]);

    // Nothing comes after now.
    for to in ["9999999999", "2099-01-01T00:00:00Z"] {
        let series = history(&format!("from=-1h&to={to}&step=1m&id=1"));
        let to_s = series.json()["to"].as_i64().expect("a time");
        assert!((now_s..=unix_ms() / 1000 + 120).contains(&to_s), "{to_s}");
        assert!((60..=63).contains(&points(&series)), "{}", points(&series));
        assert!(series.notes()[0].starts_with("to is "), "{:?}", series.notes());
        let uptime = get(&format!("uptime?to={to}&id=1"));
        assert!(uptime.header("windfire-note").is_some(), "uptime says so as well");
        assert!((1440..=1442).contains(&json_of(&uptime)["result"][0]["minutes"].as_i64().expect("a number")));
    }

    // Every report: in JSON up to 20,000 of a server, in lines all of any range.
    let hour = history("from=-1h&step=raw&id=1").json();
    assert_eq!((&hour["step"], &hour["tier"]), (&json!(0), &json!("raw")));
    let reports = hour["result"][0]["values"].as_array().expect("values").iter().filter(|value| !value.is_null());
    assert!((580..=901).contains(&reports.count()), "a report every 4 s, and an outage of 20 minutes at most");
    // The same reports, however long it takes to ask for them twice.
    let range = format!("from={}&to={now_s}", now_s - 25 * 3600);
    let csv = history(&format!("{range}&step=raw&id=1&format=csv"));
    assert!(csv.notes().is_empty(), "{:?}", csv.notes());
    let text = csv.0.text();
    assert!(text.lines().skip(1).all(|line| !line.ends_with(',')), "no lines for pauses");
    let lines = text.lines().count() - 1;
    assert!((21_000..=22_501).contains(&lines), "{lines}");
    let rows = get(&format!("history?metric=cpu,temperature&{range}&step=raw&id=1&format=ndjson")).text();
    assert!(rows.lines().count().abs_diff(2 * lines) <= 20, "a line for each metric");
    let times: Vec<f64> = rows
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["time"].as_f64().expect("a time"))
        .collect();
    assert!(times.is_sorted());
    let too_many = history("from=-26h&step=raw").json();
    assert_eq!((&too_many["step"], &too_many["result"][0]["step"]), (&json!(0), &json!(5)));
    assert!(too_many["notes"][0].as_str().expect("a note").contains("instead: 2; format=csv"), "{}", too_many["notes"]);
    assert!(too_many["result"][0]["times"].as_array().expect("times").len() <= 20_000);
    let growth = Series(get("history?metric=net_in_transfer&agg=rate&from=-1h&step=raw&format=csv"));
    assert!(growth.notes()[0].contains("over an interval"), "CSV has its notes in the head: {:?}", growth.notes());
    let head = ask(
        &hub,
        "HEAD",
        "/api/v1/server/history?metric=cpu&from=0&format=csv",
        &[("Authorization", &token)],
        &json!(null),
    );
    assert!(head.header("windfire-note").is_some() && head.body.is_empty());

    // Points, at most, wherever the step is chosen.
    for count in [1, 2, 3, 10, 599, 600, 2000, 20_000] {
        for range in ["-1m", "-59m", "-6h", "-25h", "-30d"] {
            let found = points(&history(&format!("from={range}&points={count}&id=1")));
            let with_pauses = count + count / 2;
            assert!(found <= with_pauses, "{found} points of {count} over {range}");
        }
    }

    // Times.
    for (from, ago_s) in [("-90", 90), ("-90s", 90), ("-24", 24), ("-15m", 900), ("-24h", DAY_S), ("-2w", 14 * DAY_S)] {
        let answer = history(&format!("from={from}&step=1s&id=99")).json();
        let found_s = answer["to"].as_f64().expect("a time") - answer["from"].as_f64().expect("a time");
        let step_s = answer["step"].as_f64().expect("a step").max(900.0);
        assert!(found_s >= ago_s as f64 - 0.01 && found_s <= ago_s as f64 + 2.0 * step_s, "{from}: {found_s}");
    }
    for same in [
        "1795423320",
        "1795423320.000",
        "2026-11-23T09:42:00%2B01:00",
        "2026-11-23T09:42:00+01:00",
        "2026-11-23%2008:42:00Z",
    ] {
        let answer = history(&format!("from={same}&to=1795423380&step=1s&id=99"));
        // Whether that is in the future depends on when this is run.
        let is_understood = answer.0.status == 200 || answer.0.text().contains("is not before");
        assert!(is_understood, "{same}: {}", answer.0.text());
    }
    for wrong in [
        "from=-1h&to=-1h",
        "from=-1h&to=-2h",
        "from=now",
        "from=9999999999",
        "from=NaN",
        "from=1e9",
        "from=-",
        "from=-1y",
        "from=-1h&to=soon",
        "from=-0s",
        "step=0",
        "step=-1",
        "step=NaN",
        "step=1.5h",
        "step=RAW",
        "points=0",
        "points=20001",
        "points=1.5",
        "points=-1",
        "points=%2B5",
        "agg=sum",
        "agg=rate",
        "group=id",
        "group=all&step=raw",
        "format=xml",
        // A typing error in a name, a name twice, and what is badly encoded.
        "steps=5m",
        "Step=5m",
        "step=5m&step=1m",
        "step=&step=1m",
        "tag=%zz",
        "tag=a;b",
        "token=x",
        "raw",
    ] {
        let answer = history(wrong).0;
        assert_eq!((answer.status, &json_of(&answer)["code"]), (400, &json!(400)), "{wrong}: {}", answer.text());
    }
    // An empty parameter is not given.
    assert_eq!(
        history("step=&points=&agg=&group=&format=&from=&to=&id=&tag=").json()["result"].as_array().map(Vec::len),
        Some(2)
    );
    // The tag wins; each id once; what is no id is skipped.
    let ids = |path: &str| -> Vec<u64> {
        let answer = json_of(&get(path));
        answer["result"].as_array().expect("a list").iter().filter_map(|entry| entry["id"].as_u64()).collect()
    };
    let tag = json_of(&get("list"))["result"][1]["tag"].as_str().expect("a tag").to_owned();
    for path in ["details?", "history?metric=cpu&from=-1m&", "top?metric=cpu&", "uptime?from=-1h&", "facts?"] {
        let found = ids(&format!("{path}id=1&tag={tag}"));
        assert!(found == [2] || path.starts_with("top") && found.is_empty(), "{path}");
        assert_eq!(ids(&format!("{path}tag={}", tag.to_uppercase())), [0u64; 0], "{path}");
        assert_eq!(ids(&format!("{path}id=,")), [0u64; 0], "{path}");
        let named = ids(&format!("{path}id=2,x,2,-1,99"));
        let wanted = if path == "details?" { vec![2, 2] } else { vec![2] };
        assert!(named == wanted || path.starts_with("top") && named.is_empty(), "{path}");
    }
    assert!(ids("top?metric=mem_used&n=1").len() <= 1);
    for wrong in
        ["top?metric=cpu,load1", "top?n=1", "top?metric=cpu&n=0", "top?metric=cpu&n=1001", "top?metric=cpu&agg=max"]
    {
        assert_eq!(get(wrong).status, 400, "{wrong}");
    }
    for wrong in ["uptime?step=1m", "facts?metric=cpu", "stream?tags=web", "uptime?id=1&id=2"] {
        assert_eq!(get(wrong).status, 400, "{wrong}");
    }
    // Totals.
    let totals = history("group=all&from=-1h").json();
    assert_eq!(totals["step"], 10);
    assert!(keys_of(&totals["result"][0]).contains("servers"));
    assert_eq!(totals["result"][0]["total"], "mean");
    assert_eq!(json_of(&get("history?metric=mem_used&group=tag&from=-1h"))["result"][0]["total"], "sum");
    for (agg, metric) in [
        ("min", "cpu"),
        ("max", "cpu"),
        ("last", "cpu"),
        ("mean", "cpu"),
        ("increase", "net_in_transfer"),
        ("rate", "net_out_transfer"),
        ("last", "net_in_transfer"),
    ] {
        let answer = json_of(&get(&format!("history?metric={metric}&agg={agg}&from=-1h&step=5m&id=1")));
        assert_eq!(answer["result"][0]["agg"], agg, "{metric}");
    }
    // Nezha's form, which passes over what it does not know.
    for (period, step_ms) in [("1d", 30_000), ("7d", 30 * 60_000), ("30d", 2 * 3_600_000)] {
        let answer = json_of(&get(&format!("1/metrics?metric=memory&period={period}&_=1")));
        let points = answer["data"]["data_points"].as_array().expect("points");
        assert!(points.iter().all(|point| point["ts"].as_i64().expect("a time") % step_ms == 0), "{period}");
    }
    for name in section("History")
        .split("has Nezha v2's names: ")
        .nth(1)
        .and_then(|text| text.split('.').next())
        .expect("names")
        .split(',')
    {
        assert_eq!(json_of(&get(&format!("1/metrics?metric={}", name.trim())))["success"], true, "{name}");
    }
    for wrong in ["1/metrics", "1/metrics?metric=cpus", "1/metrics?metric=cpu&period=2d", "99/metrics?metric=cpu"] {
        assert_eq!(json_of(&get(wrong))["success"], false, "{wrong}");
    }
    // Nezha's own routes pass over what they do not know, too.
    assert_eq!(ids("list?tags=x&tag=&id=%zz"), [1, 2]);
    assert_eq!(ids("details?id=2&id=1&steps=5m"), [2]);
}
