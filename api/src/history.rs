//! The routes that answer from history: what is asked, checked, and the work handed to the renderer.

use std::io::{self, Write};
use std::sync::Arc;

use http::HeaderName;
use windfire_engine::history::{HistoryQuery, Otherwise, Plan, Step};
use windfire_engine::limits::{POINTS_MAX, POINTS_USUAL, RAW_RANGE_DAYS_MAX};
use windfire_engine::metric::Metric;
use windfire_engine::sample::Sample;
use windfire_engine::server::ServerRecord;
use windfire_engine::summary::{Aggregate, Number};
use windfire_engine::{Engine, Selection, ServerView, StoreError};

use crate::admission::{Admission, Work};
use crate::answer::Answer;
use crate::body::PIECE_BYTES;
use crate::query::{Query, distinct_ids};
use crate::render;
use crate::render::history::{Format, Group, HistoryWriter};
use crate::viewer::Viewer;
use crate::when::{duration_ms, time_ms};

/// How far back is looked unless told otherwise, milliseconds.
const RANGE_USUAL_MS: i64 = 24 * 3_600_000;
/// The same for facts, which change rarely.
const FACTS_RANGE_USUAL_MS: i64 = 30 * RANGE_USUAL_MS;
/// Values of all groups that are held at once.
const GROUP_VALUES_MAX: usize = 4_000_000;
/// Bytes that any answer holds while it is made: a few pieces that wait for the reader, and a compressor.
const STREAM_BYTES: usize = 16 * PIECE_BYTES;
/// Bytes of a point in memory and, once, as text.
const POINT_BYTES: usize = 24;
/// Milliseconds of one server's reports that are read before it is looked whether anybody takes them, where all are written.
const EVERY_REPORT_PART_MS: i64 = RANGE_USUAL_MS;
/// Says in an answer what was done otherwise than asked.
const NOTE: HeaderName = HeaderName::from_static("windfire-note");
/// The same of a group's, with its sum and count.
const GROUP_POINT_BYTES: usize = 40;
/// Servers that `top` names unless told otherwise, and at most.
const TOP_USUAL: usize = 10;
const TOP_MAX: usize = 1000;
/// Seconds after its last report from which a server's values say nothing of now.
const STALE_S: i64 = 60;

/// What everything here needs.
pub(crate) struct Asked<'a> {
    pub(crate) admission: &'a dyn Admission,
    pub(crate) engine: &'a Arc<Engine>,
    pub(crate) viewer: &'a Viewer,
    pub(crate) query: &'a Query,
    pub(crate) now_ms: i64,
}

/// A message for the client about what is wrong with its request.
type Wrong = String;

/// From when to when, Unix milliseconds.
struct AskedRange {
    from_ms: i64,
    to_ms: i64,
    /// What of it is otherwise than asked.
    note: Option<String>,
}

impl Asked<'_> {
    /// Servers by `id` or `tag`, each once; those that the viewer sees.
    fn servers(&self) -> Vec<ServerView> {
        let tag = self.query.given("tag");
        let ids = self.query.given("id").map(distinct_ids);
        let selection = match (tag, &ids) {
            (Some(tag), _) => Selection::Tag(tag),
            (None, Some(ids)) => Selection::Ids(ids),
            (None, None) => Selection::All,
        };
        let servers = self.engine.snapshot(selection).into_iter();
        servers.filter(|server| self.viewer.sees(&server.record)).collect()
    }

    /// The records alone of [`Asked::servers`]: what an answer may hold for minutes.
    fn records(&self) -> Vec<Arc<ServerRecord>> {
        self.servers().into_iter().map(|server| server.record).collect()
    }

    /// A body that is made while it is sent, and holds so many bytes besides [`STREAM_BYTES`] meanwhile; when there is room.
    fn stream(
        &self,
        content_type: &'static str,
        bytes: usize,
        produce: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Answer {
        match self.admission.admit(self.viewer, Work::Stream { bytes: bytes.saturating_add(STREAM_BYTES) }) {
            Ok(()) => Answer::stream(content_type, self.viewer, produce),
            Err(busy) => Answer::busy(busy),
        }
    }

    /// `from` and `to`; so many milliseconds before `to` unless given. Nothing is known of what comes after now.
    fn range(&self, usual_ms: i64) -> Result<AskedRange, Wrong> {
        let time = |name: &str| self.query.given(name).map(|text| time_ms(text, self.now_ms)).transpose();
        let asked_to_ms = time("to")?.unwrap_or(self.now_ms);
        let to_ms = asked_to_ms.min(self.now_ms);
        let from_ms = time("from")?.unwrap_or(to_ms.saturating_sub(usual_ms));
        if from_ms >= asked_to_ms {
            return Err(format!("from ({}) is not before to ({})", seconds(from_ms), seconds(asked_to_ms)));
        }
        if from_ms >= to_ms {
            return Err(format!("from ({}) is not before now ({})", seconds(from_ms), seconds(to_ms)));
        }
        let is_cut = to_ms < asked_to_ms;
        let note = is_cut.then(|| format!("to is {}: what comes after now is not known yet", seconds(to_ms)));
        Ok(AskedRange { from_ms, to_ms, note })
    }

    /// `metric` and `agg`.
    fn metrics(&self) -> Result<Vec<(Metric, Aggregate)>, Wrong> {
        let names = || Metric::ALL.map(Metric::name).join(", ");
        let Some(wanted) = self.query.given("metric") else {
            return Err(format!("metric is missing: name one or more of {}", names()));
        };
        let aggregate = match self.query.given("agg") {
            None => None,
            Some(name) => {
                let all = Aggregate::ALL.map(Aggregate::name).join(", ");
                Some(Aggregate::named(name).ok_or_else(|| format!("agg {name:?} is none of {all}"))?)
            }
        };
        let mut metrics = Vec::new();
        for name in wanted.split(',') {
            let metric = Metric::named(name).ok_or_else(|| format!("metric {name:?} is none of {}", names()))?;
            let aggregate = aggregate.unwrap_or(Aggregate::usual(metric));
            if !aggregate.fits(metric) {
                let fitting: Vec<_> = Aggregate::ALL.into_iter().filter(|other| other.fits(metric)).collect();
                let fitting = fitting.into_iter().map(Aggregate::name).collect::<Vec<_>>().join(", ");
                return Err(format!("agg {} cannot be made of {name}: choose one of {fitting}", aggregate.name()));
            }
            if !metrics.contains(&(metric, aggregate)) {
                metrics.push((metric, aggregate));
            }
        }
        Ok(metrics)
    }

    /// `step` and `points`.
    fn step(&self) -> Result<(Step, usize), Wrong> {
        let step = match self.query.given("step") {
            None | Some("auto") => Step::Auto,
            Some("raw") => Step::Raw,
            Some(text) => Step::Ms(duration_ms(text)?),
        };
        let points = self.number("points", POINTS_USUAL, POINTS_MAX)?;
        Ok((step, points))
    }

    /// A whole number from 1 to `max`.
    fn number(&self, name: &str, usual: usize, max: usize) -> Result<usize, Wrong> {
        let Some(text) = self.query.given(name) else { return Ok(usual) };
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = if is_number { text.parse().ok() } else { None };
        number
            .filter(|number| (1..=max).contains(number))
            .ok_or_else(|| format!("{name} {text:?} is not within 1 to {max}"))
    }

    fn format(&self) -> Result<Format, Wrong> {
        match self.query.given("format") {
            None => Ok(Format::Json),
            Some(name) => Format::named(name).ok_or_else(|| format!("format {name:?} is none of json, csv, ndjson")),
        }
    }
}

/// `GET /api/v1/server/history`
pub(crate) fn history(asked: &Asked<'_>) -> Answer {
    try_history(asked).unwrap_or_else(|wrong| bad_request(&wrong))
}

fn try_history(asked: &Asked<'_>) -> Result<Answer, Wrong> {
    let AskedRange { from_ms, to_ms, note } = asked.range(RANGE_USUAL_MS)?;
    let (step, points_max) = asked.step()?;
    let metrics = asked.metrics()?;
    let format = asked.format()?;
    let mut query = HistoryQuery { metrics, from_ms, to_ms, step, points_max };
    let group_of: fn(&ServerRecord) -> String = match asked.query.given("group") {
        None => return Ok(series(asked, &query, format, note)),
        Some("all") => |_| String::new(),
        Some("tag") => |server| server.tag.clone(),
        Some(other) => return Err(format!("group {other:?} is none of all, tag")),
    };
    if query.step == Step::Raw {
        return Err("step raw has no totals: reports of different servers come at different moments".to_owned());
    }
    if query.step == Step::Auto && asked.engine.history().plan(&query).step_ms < GROUP_STEP_MIN_MS {
        // Totals need common points.
        query.step = Step::Ms(GROUP_STEP_MIN_MS);
    }
    let plan = asked.engine.history().plan(&query);
    let servers = asked.records();
    let tags: std::collections::BTreeSet<String> = servers.iter().map(|server| group_of(server)).collect();
    let points = points(&plan);
    let values = tags.len().saturating_mul(query.metrics.len()).saturating_mul(points);
    if values > GROUP_VALUES_MAX {
        return Err(format!("{} groups of {points} points are too many at once: choose a larger step", tags.len()));
    }
    let engine = Arc::clone(asked.engine);
    let notes = notes(&query, &plan, note);
    let bytes = values * GROUP_POINT_BYTES + series_bytes(&query, &plan);
    Ok(noted(
        &notes.clone(),
        asked.stream(format.content_type(), bytes, move |out| {
            let mut groups: std::collections::BTreeMap<String, Group> = std::collections::BTreeMap::new();
            for server in &servers {
                let series =
                    engine.history().series(server.id, &plan, &query.metrics).map_err(io_error)?.unwrap_or_default();
                groups.entry(group_of(server)).or_default().add(series);
            }
            let mut writer = HistoryWriter::begin(out, format, &plan)?;
            for (name, group) in &groups {
                writer.group(name, group)?;
            }
            writer.end(&notes)
        }),
    ))
}

/// Points of totals are at least so far apart, milliseconds: servers report once a second, each at its own moment.
const GROUP_STEP_MIN_MS: i64 = 10_000;

fn series(asked: &Asked<'_>, query: &HistoryQuery, format: Format, note: Option<String>) -> Answer {
    let plan = asked.engine.history().plan(query);
    let notes = notes(query, &plan, note);
    // What is written line by line holds next to nothing, however much there is.
    let is_every = query.step == Step::Raw && plan.step_ms == 0 && format != Format::Json;
    let answer = if is_every {
        every_report(asked, query, plan, format)
    } else {
        whole_series(asked, query, plan, format, notes.clone())
    };
    noted(&notes, answer)
}

/// One series after the other, each held as a whole.
fn whole_series(asked: &Asked<'_>, query: &HistoryQuery, plan: Plan, format: Format, mut notes: Vec<String>) -> Answer {
    let (engine, servers, metrics) = (Arc::clone(asked.engine), asked.records(), query.metrics.clone());
    let is_raw_asked = query.step == Step::Raw;
    asked.stream(format.content_type(), series_bytes(query, &plan), move |out| {
        let mut writer = HistoryWriter::begin(out, format, &plan)?;
        let mut too_long = 0usize;
        for server in servers {
            // A server that was removed meanwhile has no series.
            let all = engine.history().series(server.id, &plan, &metrics).map_err(io_error)?.unwrap_or_default();
            too_long += usize::from(plan.step_ms == 0 && all.first().is_some_and(|series| series.step_ms != 0));
            all.iter().try_for_each(|series| writer.series(&server, series))?;
        }
        if is_raw_asked && too_long > 0 {
            notes.push(format!(
                "servers with more than {POINTS_MAX} reports in the range, which are shown in steps instead: {too_long}; \
                 format=csv and format=ndjson have every report of any range"
            ));
        }
        writer.end(&notes)
    })
}

/// Report by report, as they are read.
fn every_report(asked: &Asked<'_>, query: &HistoryQuery, plan: Plan, format: Format) -> Answer {
    let (engine, servers, metrics) = (Arc::clone(asked.engine), asked.records(), query.metrics.clone());
    asked.stream(format.content_type(), 0, move |out| {
        let mut writer = HistoryWriter::begin(out, format, &plan)?;
        for server in servers {
            let mut from_ms = plan.from_ms;
            while from_ms < plan.to_ms {
                let to_ms = plan.to_ms.min(from_ms.saturating_add(EVERY_REPORT_PART_MS));
                let mut written = Ok(());
                let visit = &mut |_: u64, sample: &Sample| {
                    if written.is_ok() {
                        written = writer.report(&server, sample, &metrics);
                    }
                };
                engine.history().reports(server.id, from_ms, to_ms, visit).map_err(io_error)?;
                written?;
                from_ms = to_ms;
            }
        }
        writer.end(&[])
    })
}

/// The answer with its notes in the head, where formats without a place for them have it too.
fn noted(notes: &[String], answer: Answer) -> Answer {
    notes.iter().fold(answer, |answer, note| answer.with(NOTE, note))
}

/// Points of a series at most, as far as the plan tells.
fn points(plan: &Plan) -> usize {
    match plan.step_ms {
        // Every other one may come after a gap, at which one more stands.
        0 => plan.points_max.saturating_add(plan.points_max / 2),
        step_ms => usize::try_from((plan.to_ms - plan.from_ms) / step_ms).unwrap_or(usize::MAX).saturating_add(2),
    }
}

/// Bytes of one server's series while they are written.
fn series_bytes(query: &HistoryQuery, plan: &Plan) -> usize {
    points(plan).saturating_mul(query.metrics.len() + 1).saturating_mul(POINT_BYTES)
}

/// What was done otherwise than asked, as far as the plan tells.
fn notes(query: &HistoryQuery, plan: &Plan, of_range: Option<String>) -> Vec<String> {
    let mut notes: Vec<String> = of_range.into_iter().collect();
    if let Some(otherwise) = plan.otherwise {
        let asked = match query.step {
            Step::Ms(asked_ms) => format!("{} s", seconds(asked_ms)),
            Step::Raw => "raw".to_owned(),
            Step::Auto => "auto".to_owned(),
        };
        let why = match otherwise {
            Otherwise::Points => {
                format!("the range has more than {POINTS_MAX} such steps; ask for a shorter range or a longer step")
            }
            Otherwise::NotKept { from_ms } => {
                format!("what such steps are made of is kept from {} on; ask from then on", seconds(from_ms))
            }
            Otherwise::Range { days_max } => {
                format!(
                    "such steps are made for {days_max} days at most; ask for a shorter range, or steps of whole {}",
                    if days_max == RAW_RANGE_DAYS_MAX { "minutes" } else { "quarters of an hour" }
                )
            }
            Otherwise::Growth => "increase and rate need a while to grow in".to_owned(),
        };
        notes.push(format!("step is {} s, not {asked}: {why}", seconds(plan.step_ms)));
    }
    if plan.from_ms > query.from_ms {
        let what = if plan.step_ms == 0 { "no earlier report is kept" } else { "nothing earlier is kept" };
        notes.push(format!("from is {}: {what}", seconds(plan.from_ms)));
    }
    notes
}

/// Milliseconds as text in seconds.
fn seconds(ms: i64) -> String {
    if ms % 1000 == 0 { (ms / 1000).to_string() } else { (ms as f64 / 1000.0).to_string() }
}

/// `GET /api/v1/server/top`
pub(crate) fn top(asked: &Asked<'_>) -> Answer {
    try_top(asked).unwrap_or_else(|wrong| bad_request(&wrong))
}

fn try_top(asked: &Asked<'_>) -> Result<Answer, Wrong> {
    let metrics = asked.metrics()?;
    let [(metric, _)] = metrics[..] else { return Err("metric must be a single one".to_owned()) };
    let count = asked.number("n", TOP_USUAL, TOP_MAX)?;
    let now_s = asked.now_ms.div_euclid(1000);
    let value = |server: ServerView| {
        let is_fresh = server.latest.reported_within(STALE_S, now_s);
        let number = metric.number_of(&server.latest.sample).filter(|_| is_fresh)?;
        Some((server, number))
    };
    let mut servers: Vec<(ServerView, Number)> = asked.servers().into_iter().filter_map(value).collect();
    // Stable: equal ones stay in the order of their ids.
    servers.sort_by(|(_, a), (_, b)| b.as_f64().total_cmp(&a.as_f64()));
    servers.truncate(count);
    Ok(Answer::json(200, render::history::top(metric, &servers)))
}

/// `GET /api/v1/server/uptime`
pub(crate) fn uptime(asked: &Asked<'_>) -> Answer {
    let AskedRange { from_ms, to_ms, note } = match asked.range(RANGE_USUAL_MS) {
        Ok(range) => range,
        Err(wrong) => return bad_request(&wrong),
    };
    let (engine, servers) = (Arc::clone(asked.engine), asked.records());
    let answer = asked.stream(Format::Json.content_type(), 0, move |out| {
        out.write_all(render::history::LIST_HEAD)?;
        let mut is_first = true;
        for server in servers {
            if let Some(uptime) = engine.history().uptime(server.id, from_ms, to_ms).map_err(io_error)? {
                out.write_all(&render::history::uptime(&server, &uptime, is_first))?;
                is_first = false;
            }
        }
        out.write_all(render::history::LIST_TAIL)
    });
    noted(note.as_slice(), answer)
}

/// `GET /api/v1/server/facts`
pub(crate) fn facts(asked: &Asked<'_>) -> Answer {
    let AskedRange { from_ms, to_ms, note } = match asked.range(FACTS_RANGE_USUAL_MS) {
        Ok(range) => range,
        Err(wrong) => return bad_request(&wrong),
    };
    let (engine, servers) = (Arc::clone(asked.engine), asked.records());
    let answer = asked.stream(Format::Json.content_type(), 0, move |out| {
        out.write_all(render::history::LIST_HEAD)?;
        for (index, server) in servers.iter().enumerate() {
            out.write_all(&render::history::facts_head(server, index == 0))?;
            let mut next_ms = Some(from_ms);
            while let Some(from_here_ms) = next_ms {
                let page = engine.history().facts_changes(server.id, from_here_ms, to_ms).map_err(io_error)?;
                out.write_all(&render::history::facts(&page.changes, from_here_ms == from_ms))?;
                next_ms = page.next_from_ms;
            }
            out.write_all(render::history::FACTS_TAIL)?;
        }
        out.write_all(render::history::LIST_TAIL)
    });
    noted(note.as_slice(), answer)
}

/// `GET /api/v1/server/:id/metrics` as Nezha v2 answers it: one server, one metric, three periods.
pub(crate) fn v2_metrics(asked: &Asked<'_>, server_id: u64) -> Answer {
    try_v2_metrics(asked, server_id).unwrap_or_else(|wrong| Answer::json(200, render::history::v2_error(&wrong)))
}

fn try_v2_metrics(asked: &Asked<'_>, server_id: u64) -> Result<Answer, Wrong> {
    let server = asked.engine.snapshot(Selection::Ids(&[server_id])).into_iter().next();
    let server = server.filter(|server| asked.viewer.sees(&server.record)).ok_or("server not found")?;
    let name = asked.query.given("metric").ok_or("metric is missing")?;
    let metric = V2_METRICS.iter().find(|(found, _)| *found == name).copied();
    let (name, metric) =
        metric.ok_or_else(|| format!("metric {name:?} is none of {}", V2_METRICS.map(|(name, _)| name).join(", ")))?;
    let (range_ms, step_ms) = match asked.query.given("period").unwrap_or("1d") {
        "1d" => (RANGE_USUAL_MS, 30_000),
        "7d" => (7 * RANGE_USUAL_MS, 30 * 60_000),
        "30d" => (30 * RANGE_USUAL_MS, 2 * 3_600_000),
        other => return Err(format!("period {other:?} is none of 1d, 7d, 30d")),
    };
    let aggregate = if metric == Metric::Uptime { Aggregate::Last } else { Aggregate::usual(metric) };
    let query = HistoryQuery {
        metrics: vec![(metric, aggregate)],
        from_ms: asked.now_ms - range_ms,
        to_ms: asked.now_ms,
        step: Step::Ms(step_ms),
        points_max: POINTS_MAX,
    };
    let plan = asked.engine.history().plan(&query);
    let engine = Arc::clone(asked.engine);
    // The whole text is made at once, of points that are at most some thousands.
    let bytes = series_bytes(&query, &plan).saturating_mul(2);
    Ok(asked.stream(Format::Json.content_type(), bytes, move |out| {
        let series = engine.history().series(server_id, &plan, &query.metrics).map_err(io_error)?;
        let points = series.unwrap_or_default().into_iter().next().map_or(Vec::new(), |series| series.points);
        out.write_all(&render::history::v2_metrics(&server.record, name, &points))
    }))
}

/// Names that Nezha v2 has for what it keeps.
pub(crate) const V2_METRICS: [(&str, Metric); 17] = [
    ("cpu", Metric::Cpu),
    ("memory", Metric::MemUsed),
    ("swap", Metric::SwapUsed),
    ("disk", Metric::DiskUsed),
    ("net_in_speed", Metric::NetInSpeed),
    ("net_out_speed", Metric::NetOutSpeed),
    ("net_in_transfer", Metric::NetInTransfer),
    ("net_out_transfer", Metric::NetOutTransfer),
    ("load1", Metric::Load1),
    ("load5", Metric::Load5),
    ("load15", Metric::Load15),
    ("tcp_conn", Metric::TcpConnCount),
    ("udp_conn", Metric::UdpConnCount),
    ("process_count", Metric::ProcessCount),
    ("temperature", Metric::Temperature),
    ("uptime", Metric::Uptime),
    ("gpu", Metric::Gpu),
];

/// Writes every report of a range, one row each, as CSV or NDJSON; for the command line.
///
/// # Errors
/// The writer's, or the store cannot be read.
pub fn export(
    engine: &Engine,
    selection: Selection<'_>,
    (from_ms, to_ms): (i64, i64),
    is_csv: bool,
    out: &mut dyn Write,
) -> io::Result<u64> {
    let format = if is_csv { Format::Csv } else { Format::Ndjson };
    let mut rows = 0;
    out.write_all(&render::history::export_head(format))?;
    for server in engine.snapshot(selection) {
        let mut result = Ok(());
        let visit = &mut |_: u64, sample: &Sample| {
            if result.is_ok() {
                result = out.write_all(&render::history::export_row(format, &server.record, sample));
                rows += 1;
            }
        };
        engine.history().reports(server.record.id, from_ms, to_ms, visit).map_err(io_error)?;
        result?;
    }
    out.flush()?;
    Ok(rows)
}

/// A range from the texts that queries have, Unix milliseconds.
///
/// # Errors
/// A sentence for the person who gave them.
pub fn parse_range(from: &str, to: &str, now_ms: i64) -> Result<(i64, i64), String> {
    Ok((time_ms(from, now_ms)?, time_ms(to, now_ms)?))
}

fn bad_request(wrong: &str) -> Answer {
    Answer::json(400, render::error(400, wrong))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn io_error(error: StoreError) -> io::Error {
    io::Error::other(error.to_string())
}

#[cfg(test)]
mod tests {
    use http::Request;
    use windfire_engine::Options;
    use windfire_engine::server::NewServer;
    use windfire_engine::token::NewToken;

    use super::*;
    use crate::{Api, Body, Busy, Caller, handle, handle_if};

    fn caller() -> Caller {
        Caller { peer: [127, 0, 0, 1].into(), now_ms: 1_700_000_000_000 }
    }

    #[test]
    fn whatever_reads_history_does_so_where_it_may_wait() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let engine = Arc::new(Engine::open(folder.path(), Options::default()).expect("a new store"));
        engine.registry().add_server(NewServer { name: "web".to_owned(), ..NewServer::default() }, 0).expect("room");
        let token = engine.registry().add_token(NewToken::of_v0("a script"), 0).expect("room").1;
        for path in
            ["1/metrics?metric=cpu", "history?metric=cpu", "history?metric=cpu&group=all&step=1h", "uptime", "facts"]
        {
            let request = Request::get(format!("/api/v1/server/{path}")).header("Authorization", &token);
            let request = request.body(bytes::Bytes::new()).expect("a request");
            let response = handle(&Api::default(), &engine, &request, caller());
            assert!(matches!(response.body(), Body::Stream(_)), "{path}: {response:?}");
            let text = response.into_body().collect().expect("whole");
            assert!(text.starts_with(b"{\"code\":0") || text.starts_with(b"{\"success\":true"), "{path}: {text:?}");
        }
    }

    /// A hub with so many bytes for answers from history, and nothing else.
    struct Bytes(usize);

    impl Admission for Bytes {
        fn admit(&self, _: &Viewer, work: Work) -> Result<(), Busy> {
            match work {
                Work::Small => Ok(()),
                Work::Whole | Work::Live => Err(Busy::Hub),
                Work::Stream { bytes } if bytes > self.0 => Err(Busy::TooLarge { bytes, bytes_max: self.0 }),
                Work::Stream { .. } => Ok(()),
            }
        }
    }

    #[test]
    fn room_is_asked_for_before_anything_is_made() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let engine = Arc::new(Engine::open(folder.path(), Options::default()).expect("a new store"));
        let token = engine.registry().add_token(NewToken::of_v0("a script"), 0).expect("room").1;
        let status = |path: &str| {
            let request = Request::get(path).header("Authorization", &token).body(bytes::Bytes::new());
            let request = request.expect("a request");
            let admission = Bytes(STREAM_BYTES + 50_000);
            handle_if(&admission, &Api::default(), &engine, &request, caller()).status().as_u16()
        };
        for path in ["list", "details", "details?id=1", "top?metric=cpu", "stream"] {
            assert_eq!(status(&format!("/api/v1/server/{path}")), 503, "{path}");
        }
        assert_eq!(status("/api/v1/session"), 200, "who is signed in can always be asked");
        assert_eq!(status("/api/v1/server/history?metric=cpu&step=5m"), 200);
        assert_eq!(status("/api/v1/server/history?metric=cpu,mem_used,load1&step=10s&points=20000"), 400);
        assert_eq!(status("/api/v1/server/history?metric=cpu&group=all&step=1m"), 400, "sums and counts take more");
    }
}
