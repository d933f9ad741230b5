use serde_json::json;
use windfire_doctor::Verdict;

use super::*;

const NOW_S: i64 = 1_790_000_000;

fn values(list: Value) -> Result<Vec<Value>, String> {
    serde_json::from_value(list).map_err(|error| error.to_string())
}

/// A finding has that verdict, and these words in its line.
fn check(finding: &Finding, verdict: Verdict, words: &str) {
    let said = windfire_doctor::text(std::slice::from_ref(finding));
    assert!(finding.verdict == verdict && said.contains(words), "{said}\nis not {verdict:?} with {words:?}");
}

/// A page with these numbers, next to one whose name begins alike.
fn page(numbers: &[(&str, f64)]) -> String {
    let line = |(name, number): &(&str, f64)| format!("# HELP windfire_{name} x\nwindfire_{name} {number}\n");
    numbers.iter().map(line).collect::<String>() + "windfire_rounds_total_of_others 5\n"
}

#[test]
fn commits_that_fail_now_are_bad_and_those_that_failed_a_warning() {
    let of = |poisoned, store_failing, failures| {
        page(&[
            ("poisoned", poisoned),
            ("store_failing", store_failing),
            ("commit_failures_total", failures),
            ("commits_total", 200.0),
            ("commit_seconds_sum", 0.5),
        ])
    };
    check(&judge_commits(&of(0.0, 0.0, 0.0)), Verdict::Ok, "200 since the start, 2.5 ms each");
    check(&judge_commits(&of(0.0, 0.0, 3.0)), Verdict::Warn, "3 failed");
    check(&judge_commits(&of(1.0, 0.0, 3.0)), Verdict::Bad, "takes no writes");
    check(&judge_commits(&of(0.0, 1.0, 0.0)), Verdict::Bad, "takes no writes");
    check(&judge_commits("windfire_poisoned 0\n"), Verdict::Info, "does not tell");
}

#[test]
fn rounds_may_be_late_now_and_then() {
    let of = |late, rounds| page(&[("late_rounds_total", late), ("rounds_total", rounds)]);
    check(&judge_late_rounds(&of(0.0, 0.0)), Verdict::Ok, "0 of 0");
    check(&judge_late_rounds(&of(10.0, 1000.0)), Verdict::Ok, "1.00 %");
    check(&judge_late_rounds(&of(11.0, 1000.0)), Verdict::Warn, "another core");
    check(&judge_late_rounds(""), Verdict::Info, "/metrics");
}

#[test]
fn a_hub_that_asks_for_fuller_frames_than_configured_is_busy() {
    let of = |samples| page(&[("samples_per_frame", samples)]);
    check(&judge_samples_per_frame(&of(1.2), 1), Verdict::Ok, "1.2");
    check(&judge_samples_per_frame(&of(10.0), 10), Verdict::Ok, "10.0");
    check(&judge_samples_per_frame(&of(4.0), 1), Verdict::Warn, "busy");
    check(&judge_samples_per_frame("windfire_samples_per_frame many\n", 1), Verdict::Info, "does not tell");
}

#[test]
fn history_that_cannot_be_read_is_bad_and_a_log_to_read_a_warning() {
    let of = |behind, unreadable, corrupt, expiry| {
        page(&[
            ("catch_up_commits", behind),
            ("history_unreadable", unreadable),
            ("corrupt_blocks_total", corrupt),
            ("expiry_behind_seconds", expiry),
        ])
    };
    check(&judge_history(&of(0.0, 0.0, 0.0, 60.0)), Verdict::Ok, "readable");
    check(&judge_history(&of(0.0, 0.0, 0.0, 7200.0)), Verdict::Info, "7200 s late");
    check(&judge_history(&of(9.0, 0.0, 0.0, 0.0)), Verdict::Warn, "9 commits");
    check(&judge_history(&of(9.0, 1.0, 0.0, 0.0)), Verdict::Bad, "windfire verify");
    check(&judge_history(&of(0.0, 0.0, 2.0, 0.0)), Verdict::Bad, "2 corrupt blocks");
    let failing = of(9.0, 0.0, 0.0, 0.0) + "windfire_upkeep_failing 1\n";
    check(&judge_history(&failing), Verdict::Bad, "the disk");
    check(&judge_history(""), Verdict::Info, "does not tell");
}

#[test]
fn the_panel_is_a_page_of_html() {
    let of =
        |status, content_type: &str| Ok(Page { status, content_type: content_type.to_owned(), body: String::new() });
    check(&judge_panel(&of(200, "text/html; charset=utf-8")), Verdict::Ok, "part of the hub");
    check(&judge_panel(&of(200, "text/plain; charset=utf-8")), Verdict::Info, "Node.js");
    check(&judge_panel(&of(503, "text/html")), Verdict::Warn, "503");
    for status in [307, 404] {
        check(&judge_panel(&of(status, "text/plain; charset=utf-8")), Verdict::Warn, "base_path");
    }
    check(&judge_panel(&Err("refused".to_owned())), Verdict::Warn, "refused");
}

#[test]
fn servers_that_are_offline_are_counted_by_tag() {
    let server = |tag: &str, ago: i64| json!({"tag": tag, "last_active": NOW_S - ago});
    let judge = |list: Value| judge_servers(&values(list), NOW_S, 30);
    check(&judge(json!([])), Verdict::Ok, "0 of 0");
    check(&judge(json!([server("web", 30), {"tag": "", "last_active": null}])), Verdict::Ok, "1 have never reported");
    let some = json!([server("web", 31), server("web", 99), server("", 31), server("db", 0)]);
    check(&judge(some), Verdict::Warn, "3 of 4 are offline (1 without a tag, 2 of tag \"web\")");
    check(&judge(json!([server("a", 31), server("a", 31)])), Verdict::Warn, "2 of 2");
    let all = json!([server("a", 31), server("a", 31), server("a", 31)]);
    check(&judge(all), Verdict::Bad, "no agent reaches this hub");
    check(&judge_servers(&Err("gone".to_owned()), NOW_S, 30), Verdict::Info, "gone");
}

#[test]
fn agents_of_other_versions_are_named() {
    let agent = |name: &str, version: &str| json!({"name": name, "host": {"Version": version}});
    let judge = |list: Value| judge_agent_versions(&values(list), "0.2.0");
    check(&judge(json!([agent("a", "0.2.0"), agent("b", ""), {"name": "c"}])), Verdict::Ok, "1 agents");
    check(&judge(json!([agent("a", "0.2.0"), agent("b", "0.1.9")])), Verdict::Warn, "1 of 2 agents are older");
    check(&judge(json!([agent("a", "0.1.0"), agent("b", "0.10.0")])), Verdict::Warn, "\"b\" 0.10.0");
    let many: Vec<Value> = (0..9).map(|number| agent(&format!("s{number}"), "0.1.0-rc.1")).collect();
    check(&judge(Value::Array(many)), Verdict::Warn, "and 4 more");
    check(&judge_agent_versions(&Ok(Vec::new()), "odd"), Verdict::Info, "odd");
    check(&judge_agent_versions(&Err("gone".to_owned()), "0.2.0"), Verdict::Info, "gone");
}

#[test]
fn channels_that_fail_are_named_without_the_reason() {
    let channel = |id: u64, enabled: bool, failing: Option<i64>| {
        let name = format!("c{id}");
        json!({"id": id, "name": name, "enabled": enabled, "failing_since": failing, "failure": "token t0p"})
    };
    let judge = |list: Value| judge_channels(&values(list));
    check(&judge(json!([])), Verdict::Info, "no channel");
    check(&judge(json!([channel(1, false, Some(1))])), Verdict::Info, "no channel");
    check(&judge(json!([channel(1, true, None), channel(2, false, Some(1))])), Verdict::Ok, "1 work");
    let some = judge(json!([channel(1, true, None), channel(2, true, Some(1))]));
    check(&some, Verdict::Warn, "2 \"c2\"");
    let all = judge(json!([channel(1, true, Some(1))]));
    check(&all, Verdict::Bad, "no message about alerts arrives");
    assert!(!format!("{some:?} {all:?}").contains("t0p"));
    check(&judge_channels(&Err("gone".to_owned())), Verdict::Info, "gone");
}

#[test]
fn the_clock_is_judged_by_the_middle_one_of_the_agents() {
    let agents = |skews: &[i64]| {
        let agent = |skew: &i64| json!({"last_active": NOW_S - 1, "clock_skew_ms": skew});
        Ok(skews.iter().map(agent).collect::<Vec<_>>())
    };
    let judge = |skews: &[i64]| judge_clock(&agents(skews), 0, NOW_S);
    check(&judge(&[]), Verdict::Info, "too few");
    check(&judge(&[90_000, 90_000]), Verdict::Info, "too few");
    check(&judge(&[-90_000, 12, 90_000]), Verdict::Ok, "12 ms");
    check(&judge(&[-9_000, -9_000, 3]), Verdict::Warn, "-9000 ms");
    check(&judge(&[90_000, 90_000, 90_000, 0]), Verdict::Bad, "NTP");
    check(&judge_clock(&agents(&[0, 0, 0]), -3_600_000, NOW_S), Verdict::Bad, "60 min off");
    let old = json!([
        {"last_active": NOW_S - 90, "clock_skew_ms": 90_000}, {"last_active": null, "clock_skew_ms": 90_000},
        {"last_active": NOW_S, "clock_skew_ms": null}
    ]);
    check(&judge_clock(&values(old), 0, NOW_S), Verdict::Info, "0 agents");
    check(&judge_clock(&Err("gone".to_owned()), 0, NOW_S), Verdict::Info, "too few");
}

#[test]
fn an_upgrade_without_a_restart_is_noticed() {
    check(&judge_version("0.1.0", "0.1.0"), Verdict::Ok, "0.1.0");
    check(&judge_version("0.1.0", "0.2.0"), Verdict::Warn, "restart the hub");
}

#[test]
fn a_hub_that_is_silent_is_bad_and_one_that_starts_is_not() {
    check(&judge_hub(&Asked::Stopped), Verdict::Info, "no hub runs");
    check(&judge_hub(&Asked::Silent("the hub of x is starting (y)".to_owned())), Verdict::Warn, "when it is ready");
    check(&judge_hub(&Asked::Silent("admin socket: Permission denied".to_owned())), Verdict::Bad, "the hub's user");
}
