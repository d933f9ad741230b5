//! The hub's counters, and the page that shows them and the engine's.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use windfire_api::Tries;
use windfire_engine::Engine;
use windfire_engine::alert::state::AlertState;
use windfire_engine::counters::Counter;
use windfire_wire::RefuseReason;

use crate::cluster::{self, State};
use crate::moment::Moment;
use crate::page::Page;

/// Upper ends of the commit histogram's buckets, milliseconds.
const COMMIT_BUCKETS_MS: [u64; 11] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000];

/// Status codes of HTTP answers that are counted one by one; the others are counted together.
const HTTP_STATUSES: [u16; 19] =
    [101, 200, 204, 301, 304, 307, 400, 401, 403, 404, 405, 408, 409, 413, 415, 426, 429, 500, 503];

/// A number that goes up when a guard is created, and down when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicUsize);

impl Gauge {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts one until the guard is dropped.
    pub(crate) fn enter(&self) -> GaugeGuard<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        GaugeGuard(self)
    }
}

#[derive(Debug)]
pub(crate) struct GaugeGuard<'a>(&'a Gauge);

impl Drop for GaugeGuard<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts one in a gauge until it is dropped. It may move to another thread.
pub(crate) struct Held {
    counters: Arc<Counters>,
    gauge: fn(&Counters) -> &Gauge,
}

impl Drop for Held {
    fn drop(&mut self) {
        (self.gauge)(&self.counters).0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) sessions: Gauge,
    pub(crate) handshakes: Gauge,
    pub(crate) http_connections: Gauge,
    pub(crate) live_streams: Gauge,
    pub(crate) sessions_opened: Counter,
    pub(crate) handshakes_retried: Counter,
    pub(crate) handshakes_refused: Counter,
    pub(crate) handshakes_failed: Counter,
    pub(crate) hellos_missed: Counter,
    pub(crate) agents_unread: Counter,
    pub(crate) agents_in_breach: Counter,
    pub(crate) bytes_received: Counter,
    pub(crate) frames_received: Counter,
    pub(crate) acks_sent: Counter,
    pub(crate) servers_enrolled: Counter,
    pub(crate) enrolment_writes: Counter,
    pub(crate) http_requests: Counter,
    pub(crate) http_busy: Counter,
    pub(crate) http_evicted: Counter,
    pub(crate) http_share_closed: Counter,
    pub(crate) http_share_refused: Counter,
    pub(crate) http_silent: Counter,
    pub(crate) http_malformed: Counter,
    pub(crate) http_heads_too_large: Counter,
    pub(crate) http_unread: Counter,
    pub(crate) http_broken: Counter,
    http_answers: [Counter; HTTP_STATUSES.len() + 1],
    refusals: [Counter; RefuseReason::ALL.len()],
    commit_buckets: [Counter; COMMIT_BUCKETS_MS.len() + 1],
    commit_us_total: Counter,
    pub(crate) heads_sealed: Counter,
    pub(crate) hours_packed: Counter,
    pub(crate) days_packed: Counter,
    pub(crate) corrupt_blocks: Counter,
    pub(crate) expired_reports: Counter,
    upkeep_us_total: Counter,
    pub(crate) late_rounds: Counter,
    rounds: Counter,
    round_us_total: Counter,
    /// A float's bits.
    busy_bits: AtomicU64,
    /// When a packet came from an agent.
    pub(crate) agent_heard: Moment,
    /// When the commit that is under way began.
    pub(crate) commit_begun: Moment,
    passes: Counter,
    pass_us_total: Counter,
    alerts_refused: AtomicU64,
    https_reload_failed: AtomicBool,
    /// How the hub stands in its cluster. Empty for a hub that is alone.
    cluster: OnceLock<Arc<State>>,
}

impl Counters {
    /// The hub is one of several.
    pub(crate) fn set_cluster(&self, state: Arc<State>) {
        let _set_once = self.cluster.set(state);
    }

    /// How the hub stands in its cluster. `None` for a hub that is alone.
    pub(crate) fn cluster(&self) -> Option<&Arc<State>> {
        self.cluster.get()
    }

    /// Counts one in a gauge until the result is dropped.
    pub(crate) fn hold(counters: &Arc<Self>, gauge: fn(&Self) -> &Gauge) -> Held {
        gauge(counters).0.fetch_add(1, Ordering::Relaxed);
        Held { counters: Arc::clone(counters), gauge }
    }

    /// Seconds that all threads for agents have worked, in total.
    pub(crate) fn worked_s(&self) -> f64 {
        self.round_us_total.get() as f64 / 1e6
    }

    /// Notes the share of the last second that threads for agents worked, 0–1.
    pub(crate) fn set_busy(&self, busy: f64) {
        self.busy_bits.store(busy.to_bits(), Ordering::Relaxed);
    }

    /// Counts the time that a listener was busy with one round.
    pub(crate) fn observe_round(&self, took: Duration) {
        self.rounds.add(1);
        self.round_us_total.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn count_refusal(&self, reason: RefuseReason) {
        self.refusals[reason.code() as usize].add(1);
    }

    /// Counts an HTTP answer.
    pub(crate) fn count_answer(&self, status: u16) {
        let place = HTTP_STATUSES.iter().position(|known| *known == status);
        self.http_answers[place.unwrap_or(HTTP_STATUSES.len())].add(1);
    }

    pub(crate) fn observe_commit(&self, took: Duration) {
        let ms = took.as_millis();
        let bucket = COMMIT_BUCKETS_MS.iter().position(|upper| ms <= u128::from(*upper));
        self.commit_buckets[bucket.unwrap_or(COMMIT_BUCKETS_MS.len())].add(1);
        self.commit_us_total.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn observe_upkeep(&self, took: Duration) {
        self.upkeep_us_total.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// Counts the time of one pass of alerts.
    pub(crate) fn observe_pass(&self, took: Duration) {
        self.passes.add(1);
        self.pass_us_total.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// Notes how many alerts found no room in the newest pass.
    pub(crate) fn set_alerts_refused(&self, count: u64) {
        self.alerts_refused.store(count, Ordering::Relaxed);
    }

    /// Notes whether the newest files of the panel's certificate could not be used.
    pub(crate) fn set_https_reload_failed(&self, has_failed: bool) {
        self.https_reload_failed.store(has_failed, Ordering::Relaxed);
    }

    /// The page, in Prometheus' text format. `tries` are counted by the API.
    pub(crate) fn render(&self, engine: &Engine, tries: &Tries) -> String {
        let mut page = Page(String::with_capacity(4096));
        let counts = engine.counters();
        page.gauge("windfire_servers", "Watched servers.", engine.registry().server_count());
        page.gauge("windfire_sessions", "Agents connected.", self.sessions.get());
        page.gauge(
            "windfire_handshakes",
            "Connections whose agent is not known yet: their Hello was not accepted so far.",
            self.handshakes.get(),
        );
        page.counter("windfire_sessions_opened_total", "Agents welcomed.", &self.sessions_opened);
        page.counter(
            "windfire_handshake_retries_total",
            "First packets that were answered with Retry: the client must prove its address.",
            &self.handshakes_retried,
        );
        page.counter(
            "windfire_handshakes_refused_total",
            "Handshakes refused because all places were taken, or the share or the pace of an address.",
            &self.handshakes_refused,
        );
        page.counter(
            "windfire_handshakes_failed_total",
            "Handshakes that were begun and not finished, most of them because the client fell silent.",
            &self.handshakes_failed,
        );
        page.counter(
            "windfire_hellos_missed_total",
            "Connections that ended after their handshake and before a Hello.",
            &self.hellos_missed,
        );
        page.counter(
            "windfire_agents_unread_total",
            "Agents disconnected because they did not take what the hub sent.",
            &self.agents_unread,
        );
        page.counter(
            "windfire_agents_in_breach_total",
            "Connections of agents ended because the other side broke QUIC's rules, such as a limit of streams or bytes.",
            &self.agents_in_breach,
        );
        page.counter("windfire_received_bytes_total", "Bytes of frames from agents.", &self.bytes_received);
        page.counter("windfire_received_frames_total", "Frames from agents.", &self.frames_received);
        page.counter("windfire_acks_sent_total", "Acks to agents.", &self.acks_sent);
        page.counter("windfire_servers_enrolled_total", "Enrolments that created a server.", &self.servers_enrolled);
        page.counter("windfire_enrolment_writes_total", "Batches of enrolments.", &self.enrolment_writes);
        page.counter("windfire_reports_taken_total", "Reports taken for the next commit.", &counts.reports_taken);
        page.counter("windfire_reports_durable_total", "Reports on disk.", &counts.reports_durable);
        page.counter(
            "windfire_reports_duplicate_total",
            "Reports that came again and were already known.",
            &counts.reports_duplicate,
        );
        page.counter("windfire_stalls_total", "Batches that had to wait for a commit.", &counts.stalls);
        page.gauge("windfire_pending_bytes", "Bytes of reports waiting for a commit.", engine.pending_bytes());
        page.counter("windfire_commits_total", "Commits on disk.", &counts.commits);
        page.counter("windfire_commit_failures_total", "Commits that failed.", &counts.commit_failures);
        page.counter("windfire_commit_bytes_total", "Bytes handed to the store.", &counts.commit_bytes);
        page.gauge("windfire_poisoned", "1 while commits fail.", usize::from(engine.poison_reason().is_some()));
        page.gauge(
            "windfire_store_failing",
            "1 while writes of any kind fail: reports, changes of servers and users, history.",
            usize::from(engine.store_failure().is_some()),
        );
        page.counter("windfire_heads_sealed_total", "Heads that became blocks.", &self.heads_sealed);
        page.counter("windfire_hours_packed_total", "Hours of a server that were packed.", &self.hours_packed);
        page.counter("windfire_days_packed_total", "Days of a server that were packed.", &self.days_packed);
        page.counter("windfire_corrupt_blocks_total", "Corrupt blocks met by upkeep.", &self.corrupt_blocks);
        page.gauge(
            "windfire_history_unreadable",
            "Hours and days of a server that upkeep cannot read. They stay as they are, and are tried again every hour.",
            engine.history().unreadable(),
        );
        page.gauge(
            "windfire_damaged_tables",
            "Table files in which a compaction met damage. The files of their families are not merged any more.",
            engine.damaged_tables().tables.len(),
        );
        page.counter(
            "windfire_reports_expired_total",
            "Reports that were older than the retention when they came.",
            &self.expired_reports,
        );
        let left = engine.history().catch_up().map_or(0, |progress| progress.all - progress.read);
        page.head(
            "windfire_catch_up_commits",
            "Commits of the log that are not in history yet, after a start.",
            "gauge",
        );
        page.line("windfire_catch_up_commits", left);
        let clock = engine.clock().state();
        page.gauge(
            "windfire_clock_doubted",
            "1 while the hub does not trust the machine's clock.",
            usize::from(clock.is_doubted()),
        );
        page.head(
            "windfire_clock_ahead_seconds",
            "Seconds that the machine's clock is ahead of the trusted time.",
            "gauge",
        );
        page.line("windfire_clock_ahead_seconds", clock.wall_ahead_ms as f64 / 1000.0);
        page.head(
            "windfire_expiry_behind_seconds",
            "Seconds that the expiry time is behind the trusted time.",
            "gauge",
        );
        page.line("windfire_expiry_behind_seconds", clock.expiry_behind_ms as f64 / 1000.0);
        page.head("windfire_clock_leaps_total", "Leaps of the trusted time.", "counter");
        page.line("windfire_clock_leaps_total", clock.leaps);
        page.gauge(
            "windfire_agent_clocks_off",
            "Servers whose clock is off by more than 5 s.",
            engine.history().clocks_off(),
        );
        page.gauge(
            "windfire_upkeep_failing",
            "1 while rounds of history's upkeep fail: no heads become blocks, and agents stall when there is no room.",
            usize::from(engine.history().failure().is_some()),
        );
        page.head("windfire_upkeep_seconds_total", "Time spent on history's upkeep.", "counter");
        page.line("windfire_upkeep_seconds_total", self.upkeep_us_total.get() as f64 / 1e6);
        page.counter("windfire_rounds_total", "Rounds of the threads for agents.", &self.rounds);
        page.counter(
            "windfire_late_rounds_total",
            "Rounds that began more than 20 ms late. Agents that wait much longer send again.",
            &self.late_rounds,
        );
        page.head("windfire_round_seconds_total", "Time that threads for agents were busy.", "counter");
        page.line("windfire_round_seconds_total", self.worked_s());
        page.head("windfire_busy_ratio", "Share of the last second that threads for agents worked.", "gauge");
        page.line("windfire_busy_ratio", f64::from_bits(self.busy_bits.load(Ordering::Relaxed)));
        page.head(
            "windfire_samples_per_frame",
            "Samples that agents gather in a frame, on average. Shown values may be that many report intervals old.",
            "gauge",
        );
        page.line("windfire_samples_per_frame", engine.samples_per_frame());
        page.gauge("windfire_http_connections", "HTTP connections open.", self.http_connections.get());
        page.gauge("windfire_live_streams", "Live streams and WebSockets open.", self.live_streams.get());
        page.gauge(
            "windfire_https_reload_failed",
            "1 while the files of the panel's certificate cannot be used, and the one before is shown.",
            usize::from(self.https_reload_failed.load(Ordering::Relaxed)),
        );
        page.counter("windfire_http_requests_total", "HTTP requests answered.", &self.http_requests);
        page.counter("windfire_http_busy_total", "Requests refused because their answer had no room.", &self.http_busy);
        page.counter(
            "windfire_http_evicted_total",
            "HTTP connections closed to make room for newer ones.",
            &self.http_evicted,
        );
        page.head(
            "windfire_http_over_share_total",
            "HTTP connections beyond the share of one token or user: an idle one closed for it, or a request refused.",
            "counter",
        );
        for (outcome, count) in [("closed", &self.http_share_closed), ("refused", &self.http_share_refused)] {
            page.line(&format!("windfire_http_over_share_total{{outcome=\"{outcome}\"}}"), count.get());
        }
        page.head("windfire_http_answers_total", "HTTP answers, by status.", "counter");
        for (status, count) in HTTP_STATUSES.iter().zip(&self.http_answers) {
            page.line(&format!("windfire_http_answers_total{{status=\"{status}\"}}"), count.get());
        }
        let others = self.http_answers[HTTP_STATUSES.len()].get();
        page.line("windfire_http_answers_total{status=\"other\"}", others);
        page.head("windfire_http_ended_total", "HTTP connections that did not end well, by reason.", "counter");
        for (reason, count) in [
            ("silent", &self.http_silent),
            ("malformed", &self.http_malformed),
            ("head_too_large", &self.http_heads_too_large),
            ("unread", &self.http_unread),
            ("broken", &self.http_broken),
        ] {
            page.line(&format!("windfire_http_ended_total{{reason=\"{reason}\"}}"), count.get());
        }
        page.counter(
            "windfire_tokens_unknown_total",
            "Requests with a token that is not known: removed, expired, or tried.",
            &tries.tokens_unknown,
        );
        page.counter(
            "windfire_cookies_unknown_total",
            "Requests with a cookie that is not known, most of them of a sign-in session that has ended.",
            &tries.cookies_unknown,
        );
        page.counter("windfire_passwords_wrong_total", "Wrong passwords.", &tries.passwords_wrong);
        page.counter(
            "windfire_sign_ins_limited_total",
            "Tries to sign in that were refused because the address had made too many.",
            &tries.sign_ins_limited,
        );
        page.head("windfire_refusals_total", "Agents refused, by reason.", "counter");
        for (reason, count) in RefuseReason::ALL.iter().zip(&self.refusals) {
            page.line(&format!("windfire_refusals_total{{reason=\"{}\"}}", reason.name()), count.get());
        }
        page.head("windfire_commit_seconds", "Time of a commit.", "histogram");
        let mut sum = 0;
        for (upper, count) in COMMIT_BUCKETS_MS.iter().zip(&self.commit_buckets) {
            sum += count.get();
            page.line(&format!("windfire_commit_seconds_bucket{{le=\"{}\"}}", *upper as f64 / 1000.0), sum);
        }
        sum += self.commit_buckets[COMMIT_BUCKETS_MS.len()].get();
        page.line("windfire_commit_seconds_bucket{le=\"+Inf\"}", sum);
        page.line("windfire_commit_seconds_sum", self.commit_us_total.get() as f64 / 1e6);
        page.line("windfire_commit_seconds_count", sum);
        self.render_alerts(&mut page, engine);
        if let Some(state) = self.cluster() {
            cluster::render(&mut page, state);
        }
        page.0
    }

    fn render_alerts(&self, page: &mut Page, engine: &Engine) {
        let alerts = engine.alerts();
        page.head("windfire_alerts", "Alerts that are not ok, by state.", "gauge");
        for (state, count) in AlertState::ALL.iter().zip(alerts.counts()) {
            page.line(&format!("windfire_alerts{{state=\"{}\"}}", state.name()), count);
        }
        page.head("windfire_alerts_refused", "Alerts that found no room in the newest pass.", "gauge");
        page.line("windfire_alerts_refused", self.alerts_refused.load(Ordering::Relaxed));
        page.gauge(
            "windfire_notices_pending",
            "Messages about alerts that wait or are sent.",
            alerts.notices_waiting(),
        );
        page.head("windfire_notices_sent_total", "Messages about alerts, by channel and result.", "counter");
        for channel in engine.registry().channels() {
            let health = alerts.channel_health(channel.id);
            for (result, count) in [("sent", health.sent), ("failed", health.failed)] {
                let labels = format!("channel=\"{}\",result=\"{result}\"", channel.id);
                page.line(&format!("windfire_notices_sent_total{{{labels}}}"), count);
            }
        }
        page.head("windfire_alert_pass_seconds", "Time of a pass over all servers and rules.", "summary");
        page.line("windfire_alert_pass_seconds_sum", self.pass_us_total.get() as f64 / 1e6);
        page.line("windfire_alert_pass_seconds_count", self.passes.get());
    }
}
