//! Series, totals and other answers from history. Their form is Windfire's, not v0's: times are Unix seconds, and
//! `null` is a point without reports.

use std::io::{self, Write};

use windfire_engine::ServerView;
use windfire_engine::history::{Plan, Series, Uptime};
use windfire_engine::latest::HostFacts;
use windfire_engine::metric::{Metric, Number};
use windfire_engine::sample::Sample;
use windfire_engine::server::ServerRecord;
use windfire_engine::summary::Aggregate;

use super::json::JsonWriter;
use crate::history::total::{Group, total_name};

/// How series are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// The envelope of every other route.
    Json,
    /// A head, then one line for each value.
    Csv,
    /// One JSON object for each value.
    Ndjson,
}

impl Format {
    pub(crate) const ALL: [Self; 3] = [Self::Json, Self::Csv, Self::Ndjson];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Ndjson => "application/x-ndjson; charset=utf-8",
        }
    }
}

/// The text before and after a list that is written piece by piece.
pub(crate) const LIST_HEAD: &[u8] = b"{\"code\":0,\"message\":\"success\",\"result\":[";
pub(crate) const LIST_TAIL: &[u8] = b"]}";

/// Writes series one after the other.
pub(crate) struct HistoryWriter<'a> {
    out: &'a mut dyn Write,
    format: Format,
    is_first: bool,
}

impl<'a> HistoryWriter<'a> {
    pub(crate) fn begin(out: &'a mut dyn Write, format: Format, plan: &Plan) -> io::Result<Self> {
        match format {
            Format::Json => {
                let mut json = JsonWriter::with_capacity(256);
                json.raw("{\"code\":0,\"message\":\"success\",\"from\":");
                seconds(&mut json, plan.from_ms);
                json.raw(",\"to\":");
                seconds(&mut json, plan.to_ms);
                json.raw(",\"tier\":");
                json.string(plan.tier.name());
                json.raw(",\"step\":");
                seconds(&mut json, plan.step_ms);
                json.raw(",\"result\":[");
                out.write_all(&json.into_bytes())?;
            }
            Format::Csv => out.write_all(b"time,id,name,tag,metric,agg,value\n")?,
            Format::Ndjson => {}
        }
        Ok(Self { out, format, is_first: true })
    }

    /// One metric of one server.
    pub(crate) fn series(&mut self, server: &ServerRecord, series: &Series) -> io::Result<()> {
        self.points(Some(server), &server.name, &server.tag, series, None)
    }

    /// Every metric of a group of servers.
    pub(crate) fn group(&mut self, tag: &str, group: &Group) -> io::Result<()> {
        for (series, servers) in group.series() {
            self.points(None, "", tag, &series, Some(&servers))?;
        }
        Ok(())
    }

    fn points(
        &mut self,
        server: Option<&ServerRecord>,
        name: &str,
        tag: &str,
        series: &Series,
        servers: Option<&[u32]>,
    ) -> io::Result<()> {
        let (metric, aggregate) = (series.metric, series.aggregate);
        let mut json = JsonWriter::with_capacity(256 + series.points.len() * 24);
        if self.format == Format::Json {
            json.raw(if self.is_first { "{" } else { ",{" });
            self.is_first = false;
            if let Some(server) = server {
                json.raw("\"id\":");
                json.integer(server.id);
                json.raw(",\"name\":");
                json.string(name);
                json.raw(",");
            }
            json.raw("\"tag\":");
            json.string(tag);
            json.raw(",\"metric\":");
            json.string(metric.name());
            json.raw(",\"unit\":");
            json.string(unit(metric, aggregate));
            json.raw(",\"agg\":");
            json.string(aggregate.name());
            if servers.is_some() {
                json.raw(",\"total\":");
                json.string(total_name(metric));
            }
            json.raw(",\"tier\":");
            json.string(series.tier.name());
            json.raw(",\"step\":");
            seconds(&mut json, series.step_ms);
            json.raw(",\"times\":");
            json.list(&series.points, |json, (time_ms, _)| seconds(json, *time_ms));
            json.raw(",\"values\":");
            json.list(&series.points, |json, (_, value)| number(json, *value));
            if let Some(servers) = servers {
                json.raw(",\"servers\":");
                json.list(servers, |json, count| json.integer(*count));
            }
            json.raw("}");
            return self.out.write_all(&json.into_bytes());
        }
        for (time_ms, value) in &series.points {
            line(&mut json, self.format, *time_ms, (server, name, tag), (metric, aggregate), *value);
        }
        self.out.write_all(&json.into_bytes())
    }

    /// One report of one server: a line for each metric. Not for JSON, which has complete series.
    pub(crate) fn report(
        &mut self,
        server: &ServerRecord,
        sample: &Sample,
        metrics: &[(Metric, Aggregate)],
    ) -> io::Result<()> {
        let mut json = JsonWriter::with_capacity(metrics.len() * 128);
        let of = (Some(server), server.name.as_str(), server.tag.as_str());
        for what in metrics {
            line(&mut json, self.format, sample.time_ms, of, *what, what.0.number_of(sample));
        }
        self.out.write_all(&json.into_bytes())
    }

    /// `notes` are the differences from the request. They come last, because some are only known then.
    pub(crate) fn end(self, notes: &[String]) -> io::Result<()> {
        if self.format != Format::Json {
            return Ok(());
        }
        let mut json = JsonWriter::with_capacity(256);
        json.raw("],\"notes\":");
        json.list(notes, |json, note| json.string(note));
        json.raw("}");
        self.out.write_all(&json.into_bytes())
    }
}

/// One value as a line of CSV or NDJSON. `of` is the server (`None` for totals), its name and its tag.
fn line(
    json: &mut JsonWriter,
    format: Format,
    time_ms: i64,
    of: (Option<&ServerRecord>, &str, &str),
    (metric, aggregate): (Metric, Aggregate),
    value: Option<Number>,
) {
    let (server, name, tag) = of;
    if format == Format::Csv {
        seconds(json, time_ms);
        json.raw(",");
        if let Some(server) = server {
            json.integer(server.id);
        }
        for text in [name, tag, metric.name(), aggregate.name()] {
            json.raw(",");
            json.raw(&csv_text(text));
        }
        json.raw(",");
        if value.is_some() {
            number(json, value);
        }
        json.raw("\n");
    } else {
        json.raw("{\"time\":");
        seconds(json, time_ms);
        if let Some(server) = server {
            json.raw(",\"id\":");
            json.integer(server.id);
            json.raw(",\"name\":");
            json.string(name);
        }
        json.raw(",\"tag\":");
        json.string(tag);
        json.raw(",\"metric\":");
        json.string(metric.name());
        json.raw(",\"agg\":");
        json.string(aggregate.name());
        json.raw(",\"value\":");
        number(json, value);
        json.raw("}\n");
    }
}

fn unit(metric: Metric, aggregate: Aggregate) -> &'static str {
    if aggregate == Aggregate::Rate { "bytes/s" } else { metric.unit() }
}

/// Unix seconds, with milliseconds if there are any.
fn seconds(json: &mut JsonWriter, ms: i64) {
    if ms % 1000 == 0 { json.integer(ms / 1000) } else { json.float(ms as f64 / 1000.0) }
}

fn number(json: &mut JsonWriter, number: Option<Number>) {
    match number {
        None => json.raw("null"),
        Some(Number::Integer(integer)) => json.integer(integer),
        Some(Number::Float(float)) => json.float(float),
    }
}

/// Text that stays one cell, and that no spreadsheet takes for a formula.
fn csv_text(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// The answer of `top`.
pub(crate) fn top(metric: Metric, servers: &[(ServerView, Number)]) -> Vec<u8> {
    let mut json = JsonWriter::with_capacity(128 + servers.len() * 128);
    json.raw("{\"code\":0,\"message\":\"success\",\"metric\":");
    json.string(metric.name());
    json.raw(",\"unit\":");
    json.string(metric.unit());
    json.raw(",\"result\":");
    json.list(servers, |json, (server, value)| {
        identity(json, &server.record);
        json.raw(",\"last_active\":");
        json.integer(server.latest.last_active_s().unwrap_or_default());
        json.raw(",\"value\":");
        number(json, Some(*value));
        json.raw("}");
    });
    json.raw("}");
    json.into_bytes()
}

fn identity(json: &mut JsonWriter, server: &ServerRecord) {
    json.raw("{\"id\":");
    json.integer(server.id);
    json.raw(",\"name\":");
    json.string(&server.name);
    json.raw(",\"tag\":");
    json.string(&server.tag);
}

/// One entry of `uptime`.
pub(crate) fn uptime(server: &ServerRecord, uptime: &Uptime, is_first: bool) -> Vec<u8> {
    let mut json = JsonWriter::with_capacity(256);
    json.raw(if is_first { "" } else { "," });
    identity(&mut json, server);
    json.raw(",\"from\":");
    seconds(&mut json, uptime.from_ms);
    json.raw(",\"to\":");
    seconds(&mut json, uptime.to_ms);
    json.raw(",\"minutes\":");
    json.integer(uptime.minutes);
    json.raw(",\"up_minutes\":");
    json.integer(uptime.up_minutes);
    json.raw(",\"availability\":");
    let is_known = uptime.minutes > 0;
    let percent = uptime.up_minutes as f64 * 100.0 / uptime.minutes as f64;
    number(&mut json, is_known.then_some(Number::Float(percent)));
    json.raw(",\"outages\":");
    json.integer(uptime.outages);
    json.raw(",\"longest_outage_minutes\":");
    json.integer(uptime.longest_outage_minutes);
    json.raw(",\"reports\":");
    json.integer(uptime.reports);
    json.raw("}");
    json.into_bytes()
}

/// The text after the changes in an entry of `facts`.
pub(crate) const FACTS_TAIL: &[u8] = b"]}";

/// Begins an entry of `facts`.
pub(crate) fn facts_head(server: &ServerRecord, is_first: bool) -> Vec<u8> {
    let mut json = JsonWriter::with_capacity(128);
    json.raw(if is_first { "" } else { "," });
    identity(&mut json, server);
    json.raw(",\"changes\":[");
    json.into_bytes()
}

/// Some of the changes in an entry of `facts`.
pub(crate) fn facts(changes: &[(i64, HostFacts)], are_first: bool) -> Vec<u8> {
    let mut json = JsonWriter::with_capacity(changes.len() * 512);
    for (index, (time_ms, facts)) in changes.iter().enumerate() {
        json.raw(if are_first && index == 0 { "" } else { "," });
        let host = &facts.host;
        json.raw("{\"time\":");
        seconds(&mut json, *time_ms);
        json.raw(",\"boot_time\":");
        json.integer(host.boot_time_s);
        for (key, integer) in
            [("mem_total", host.mem_total), ("disk_total", host.disk_total), ("swap_total", host.swap_total)]
        {
            json.raw(&format!(",\"{key}\":"));
            json.integer(integer);
        }
        for (key, text) in [
            ("agent_version", &host.version),
            ("platform", &host.platform),
            ("platform_version", &host.platform_version),
            ("arch", &host.arch),
            ("virtualization", &host.virtualization),
            ("address", &facts.address),
            ("country", &facts.country),
        ] {
            json.raw(&format!(",\"{key}\":"));
            json.string(text);
        }
        for (key, texts) in [("cpu", &host.cpu), ("gpu", &host.gpu)] {
            json.raw(&format!(",\"{key}\":"));
            json.list(texts, |json, text| json.string(text));
        }
        json.raw("}");
    }
    json.into_bytes()
}

/// The answer of Nezha v2's `metrics`: only points with reports, times in milliseconds.
pub(crate) fn v2_metrics(server: &ServerRecord, name: &str, points: &[(i64, Option<Number>)]) -> Vec<u8> {
    let mut json = JsonWriter::with_capacity(128 + points.len() * 40);
    json.raw("{\"success\":true,\"data\":{\"server_id\":");
    json.integer(server.id);
    json.raw(",\"server_name\":");
    json.string(&server.name);
    json.raw(",\"metric\":");
    json.string(name);
    json.raw(",\"data_points\":");
    let known = points.iter().filter_map(|(time_ms, value)| Some((*time_ms, (*value)?)));
    json.list(known, |json, (time_ms, value)| {
        json.raw("{\"ts\":");
        json.integer(time_ms);
        json.raw(",\"value\":");
        number(json, Some(value));
        json.raw("}");
    });
    json.raw("}}");
    json.into_bytes()
}

/// An error, as Nezha v2 answers it.
pub(crate) fn v2_error(message: &str) -> Vec<u8> {
    let mut json = JsonWriter::with_capacity(message.len() + 32);
    json.raw("{\"success\":false,\"error\":");
    json.string(message);
    json.raw("}");
    json.into_bytes()
}

/// The first bytes of an export.
pub(crate) fn export_head(format: Format) -> Vec<u8> {
    let names = Metric::ALL.map(Metric::name).join(",");
    if format == Format::Csv { format!("time,id,name,tag,{names}\n").into_bytes() } else { Vec::new() }
}

/// One report of an export.
pub(crate) fn export_row(format: Format, server: &ServerRecord, sample: &Sample) -> Vec<u8> {
    let mut json = JsonWriter::with_capacity(512);
    let is_csv = format == Format::Csv;
    if is_csv {
        seconds(&mut json, sample.time_ms);
        json.raw(",");
        json.integer(server.id);
        json.raw(&format!(",{},{}", csv_text(&server.name), csv_text(&server.tag)));
    } else {
        json.raw("{\"time\":");
        seconds(&mut json, sample.time_ms);
        json.raw(",\"id\":");
        json.integer(server.id);
        json.raw(",\"name\":");
        json.string(&server.name);
        json.raw(",\"tag\":");
        json.string(&server.tag);
    }
    for metric in Metric::ALL {
        json.raw(",");
        if !is_csv {
            json.raw("\"");
            json.raw(metric.name());
            json.raw("\":");
        }
        match metric.number_of(sample) {
            None if is_csv => {}
            value => number(&mut json, value),
        }
    }
    json.raw(if is_csv { "\n" } else { "}\n" });
    json.into_bytes()
}

#[cfg(test)]
mod tests;
