//! The routes that answer from history: they check the parameters, and pass the work to the renderer.

mod export;
mod operations;
mod series;
mod status;
pub(crate) mod total;
mod v2;

use std::io::{self, Write};
use std::sync::Arc;

use http::HeaderName;
use windfire_engine::history::Step;
use windfire_engine::limits::{POINTS_MAX, POINTS_USUAL};
use windfire_engine::metric::Metric;
use windfire_engine::server::ServerRecord;
use windfire_engine::summary::Aggregate;
use windfire_engine::{Selection, ServerView, StoreError};

use crate::admission::Work;
use crate::answer::Answer;
use crate::body::PIECE_BYTES;
use crate::query::distinct_ids;
use crate::render::history::Format;
use crate::request::ApiRequest;
use crate::time_arguments::{duration_ms, time_ms};

pub use export::{export, parse_range};
pub(crate) use operations::{OPERATIONS, schemas};

/// Default range, milliseconds.
pub(crate) const RANGE_USUAL_MS: i64 = 24 * 3_600_000;
/// The same for facts, which change rarely.
const FACTS_RANGE_USUAL_MS: i64 = 30 * RANGE_USUAL_MS;
/// Bytes that any answer holds while it is computed: a few pieces that wait for the reader, and a compressor.
const STREAM_BYTES: usize = 16 * PIECE_BYTES;
/// A header with the differences between the answer and what was asked for, or how old the answer is.
pub const NOTE: HeaderName = HeaderName::from_static("windfire-note");

/// A range of time, Unix milliseconds.
pub(crate) struct AskedRange {
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
    /// The differences from the request.
    pub(crate) notes: Vec<String>,
}

impl ApiRequest<'_> {
    /// Servers by `id` or `tag`, each once, as far as the viewer sees them.
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

    /// Only the records of [`ApiRequest::servers`], which an answer may hold for minutes.
    fn records(&self) -> Vec<Arc<ServerRecord>> {
        self.servers().into_iter().map(|server| server.record).collect()
    }

    /// A body that is computed while it is sent, and holds that many bytes besides [`STREAM_BYTES`]. Fails if there is
    /// no room.
    pub(crate) fn stream(
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

    /// `from` and `to`. `from` is by default `usual_ms` milliseconds before `to`. The range ends now at the latest.
    pub(crate) fn range(&self, usual_ms: i64) -> Result<AskedRange, String> {
        let time = |name: &str| self.query.given(name).map(|text| time_ms(text, self.caller.now_ms)).transpose();
        let asked_to_ms = time("to")?.unwrap_or(self.caller.now_ms);
        let to_ms = asked_to_ms.min(self.caller.now_ms);
        let from_ms = time("from")?.unwrap_or(to_ms.saturating_sub(usual_ms));
        if from_ms >= asked_to_ms {
            return Err(format!("from ({}) is not before to ({})", seconds(from_ms), seconds(asked_to_ms)));
        }
        if from_ms >= to_ms {
            return Err(format!("from ({}) is not before now ({})", seconds(from_ms), seconds(to_ms)));
        }
        let is_cut = to_ms < asked_to_ms;
        let note = is_cut.then(|| format!("to is {}: it cannot be after now", seconds(to_ms)));
        Ok(AskedRange { from_ms, to_ms, notes: note.into_iter().collect() })
    }

    /// A note that reports may be missing, while history reads the log after a start.
    pub(crate) fn catch_up_note(&self) -> Option<String> {
        let percent = self.engine.history().catch_up()?.percent();
        Some(format!(
            "the hub has started and reads its log ({percent} %): reports from before the start may be missing; ask again in \
             a minute"
        ))
    }

    /// `metric` and `agg`.
    fn metrics(&self) -> Result<Vec<(Metric, Aggregate)>, String> {
        let names = || Metric::ALL.map(Metric::name).join(", ");
        let Some(wanted) = self.query.given("metric") else {
            return Err(format!("metric is missing: name one or more of {}", names()));
        };
        let aggregate = match self.query.given("agg") {
            None => None,
            Some(name) => {
                let all = Aggregate::ALL.map(Aggregate::name).join(", ");
                Some(Aggregate::named(name).ok_or_else(|| format!("agg {name:?} must be one of {all}"))?)
            }
        };
        let mut metrics = Vec::new();
        for name in wanted.split(',') {
            let metric = Metric::named(name).ok_or_else(|| format!("metric {name:?} must be one of {}", names()))?;
            let aggregate = aggregate.unwrap_or(Aggregate::usual(metric));
            if !aggregate.fits(metric) {
                let fitting: Vec<_> = Aggregate::ALL.into_iter().filter(|other| other.fits(metric)).collect();
                let fitting = fitting.into_iter().map(Aggregate::name).collect::<Vec<_>>().join(", ");
                return Err(format!("agg {} does not fit {name}: choose one of {fitting}", aggregate.name()));
            }
            if !metrics.contains(&(metric, aggregate)) {
                metrics.push((metric, aggregate));
            }
        }
        Ok(metrics)
    }

    /// `step` and `points`.
    fn step(&self) -> Result<(Step, usize), String> {
        let step = match self.query.given("step") {
            None | Some("auto") => Step::Auto,
            Some("raw") => Step::Raw,
            Some(text) => Step::Ms(duration_ms(text)?),
        };
        let points = self.number("points", POINTS_USUAL, POINTS_MAX)?;
        Ok((step, points))
    }

    /// A whole number from 1 to `max`.
    pub(crate) fn number(&self, name: &str, usual: usize, max: usize) -> Result<usize, String> {
        let Some(text) = self.query.given(name) else { return Ok(usual) };
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = if is_number { text.parse().ok() } else { None };
        number
            .filter(|number| (1..=max).contains(number))
            .ok_or_else(|| format!("{name} {text:?} is not within 1 to {max}"))
    }

    fn format(&self) -> Result<Format, String> {
        match self.query.given("format") {
            None => Ok(Format::Json),
            Some(name) => {
                Format::named(name).ok_or_else(|| format!("format {name:?} must be one of json, csv, ndjson"))
            }
        }
    }
}

/// Milliseconds as text in seconds.
fn seconds(ms: i64) -> String {
    if ms % 1000 == 0 { (ms / 1000).to_string() } else { (ms as f64 / 1000.0).to_string() }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn io_error(error: StoreError) -> io::Error {
    io::Error::other(error.to_string())
}

/// The answer with its notes in a header, so that formats without a place for notes have them too.
pub(crate) fn noted(notes: &[String], answer: Answer) -> Answer {
    notes.iter().fold(answer, |answer, note| answer.with(NOTE, note))
}

#[cfg(test)]
mod tests {
    use http::Request;
    use windfire_engine::server::NewServer;
    use windfire_engine::token::NewToken;
    use windfire_engine::{Engine, Options};

    use super::*;
    use crate::{Admission, Api, Body, Busy, Caller, Viewer, handle, handle_if};

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
        assert_eq!(status("/api/v1/session"), 200, "the session can always be asked for");
        assert_eq!(status("/api/v1/server/history?metric=cpu&step=5m"), 200);
        assert_eq!(status("/api/v1/server/history?metric=cpu,mem_used,load1&step=10s&points=20000"), 400);
        assert_eq!(status("/api/v1/server/history?metric=cpu&group=all&step=1m"), 400, "sums and counts take more");
    }
}
