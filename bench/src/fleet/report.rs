//! A run as one self-contained HTML page, and several runs as charts.

use std::fmt::Write;

use serde_json::Value;

use super::outcome::{Outcome, Second};
use crate::chart::{Chart, Line, escape};

/// The page of one run.
pub fn html(outcome: &Outcome) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Windfire: {agents} agents</title><style>body{{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
         padding:0 1rem;color:#222;background:#fff}}pre{{background:#f4f4f4;padding:1rem;overflow:auto}}svg{{max-width:100%;\
         height:auto;margin:.5rem 0}}</style><h1>{agents} agents every {interval} s, {profile}</h1><pre>{table}</pre>",
        agents = outcome.agents,
        interval = outcome.interval_s,
        profile = escape(&outcome.profile),
        table = escape(&outcome.table()),
    );
    for chart in of_run(&outcome.seconds) {
        page.push_str(&chart.svg());
    }
    let _infallible = writeln!(
        page,
        "<details><summary>All figures</summary><pre>{}</pre></details></html>",
        escape(&format!("{:#}", outcome.json()))
    );
    page
}

/// Charts of one run, over its time.
fn of_run(seconds: &[Second]) -> Vec<Chart> {
    let line = |name: &str, value: fn(&Second) -> f64| Line {
        name: name.to_owned(),
        points: seconds.iter().map(|second| (second.at_s, value(second))).collect(),
    };
    let chart = |title: &str, y_axis: &str, lines: Vec<Line>| Chart {
        title: title.to_owned(),
        x_axis: "seconds".to_owned(),
        y_axis: y_axis.to_owned(),
        lines,
        has_marks: false,
    };
    vec![
        chart(
            "Throughput",
            "per second",
            vec![line("durable reports", |s| s.durable_per_s), line("frames", |s| s.frames_per_s)],
        ),
        chart(
            "Processors",
            "% of a core",
            vec![line("hub", |s| s.hub_cores * 100.0), line("generator", |s| s.generator_cores * 100.0)],
        ),
        chart("Acks", "ms", vec![line("p50", |s| s.ack_p50_ms), line("p99", |s| s.ack_p99_ms)]),
        chart("Memory of the hub", "MiB", vec![line("resident", |s| s.rss_mib)]),
        chart("Open files of the hub", "files", vec![line("open", |s| s.open_files)]),
        chart("Disk", "MiB", vec![line("data folder", |s| s.disk_mib)]),
        chart("Pacing", "samples", vec![line("samples per frame", |s| s.samples_per_frame)]),
    ]
}

/// Charts over several runs, as `--json` wrote them, each with the name of its file. Runs without the values of a chart
/// are left out of it.
///
/// # Errors
/// A run was not written by `--json`.
pub fn of_runs(runs: &[Value]) -> Result<Vec<(&'static str, String)>, String> {
    let mut runs: Vec<&Value> = runs.iter().collect();
    let number = |run: &Value, path: &str| run.pointer(path).and_then(Value::as_f64);
    if let Some(wrong) = runs.iter().find(|run| number(run, "/agents").is_none()) {
        return Err(format!("not a run: {wrong:.80}"));
    }
    runs.sort_by(|a, b| number(a, "/agents").unwrap_or(0.0).total_cmp(&number(b, "/agents").unwrap_or(0.0)));
    let line = |name: &str, x: &str, y: &str, scale: f64| {
        let point = |run: &&Value| Some((number(run, x)?, number(run, y)? * scale));
        let mut points: Vec<(f64, f64)> = runs.iter().filter_map(point).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Line { name: name.to_owned(), points }
    };
    let chart = |title: &str, x_axis: &str, y_axis: &str, lines: Vec<Line>| Chart {
        title: title.to_owned(),
        x_axis: x_axis.to_owned(),
        y_axis: y_axis.to_owned(),
        lines,
        has_marks: true,
    };
    let disk = |run: &&Value| {
        let seconds = run.pointer("/seconds")?.as_array()?;
        let points = seconds.iter().filter_map(|second| Some((number(second, "/at_s")?, number(second, "/disk_mib")?)));
        Some(Line { name: format!("{} agents", number(run, "/agents")?), points: points.collect() })
    };
    let mut by_time = chart("Data folder over time", "seconds", "MiB", runs.iter().filter_map(disk).take(6).collect());
    by_time.has_marks = false;
    Ok(vec![
        (
            "cpu-by-agents.svg",
            chart(
                "Hub CPU by agents",
                "agents",
                "µs per report",
                vec![
                    line("all", "/agents", "/hub/cpu_us_per_report", 1.0),
                    line("system", "/agents", "/hub/sys_us", 1.0),
                ],
            )
            .svg(),
        ),
        (
            "throughput-by-agents.svg",
            chart(
                "Durable reports by agents",
                "agents",
                "reports/s",
                vec![line("durable", "/agents", "/durable_per_s", 1.0)],
            )
            .svg(),
        ),
        (
            "ack-by-load.svg",
            chart(
                "Acks by load",
                "durable reports/s",
                "ms",
                vec![
                    line("p50", "/durable_per_s", "/ack_ms/p50", 1.0),
                    line("p99", "/durable_per_s", "/ack_ms/p99", 1.0),
                ],
            )
            .svg(),
        ),
        (
            "memory-by-agents.svg",
            chart(
                "Hub memory by agents",
                "agents",
                "MiB",
                vec![line("resident", "/agents", "/hub/rss_bytes", 1.0 / 1048576.0)],
            )
            .svg(),
        ),
        ("disk-by-time.svg", by_time.svg()),
    ])
}
