//! An agent's wall clock steps while it reports: the hub hears of it before the first report that was read by the new time.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::fake_hub::{FakeHub, FakeSession};
use windfire_agent::backoff::BackoffOptions;
use windfire_agent::clock::Clock;
use windfire_agent::outbox::Outbox;
use windfire_agent::sampler::Feed;
use windfire_wire::{PROTOCOL_VERSION, Report, ReportChain, Up};

const START_MS: i64 = 1_790_000_000_000;

/// How long the machine is up as its readings have it: a container's, not that of this machine.
const UPTIME_S: u64 = 77;

/// Times that a small step is made until nothing is told.
const TRIES_MAX: usize = 5;

/// How far the wall clock is ahead of a clock that never steps.
static AHEAD_MS: AtomicI64 = AtomicI64::new(START_MS);

fn even_ms() -> i64 {
    Clock::new(|| 0).read().uptime_ms.cast_signed()
}

fn unix_ms() -> i64 {
    even_ms() + AHEAD_MS.load(Ordering::Relaxed)
}

/// What a clock that is so far ahead has shown from that moment of the even clock until now.
fn shown_since(even_ms_then: i64, ahead_ms: i64) -> RangeInclusive<i64> {
    even_ms_then + ahead_ms..=even_ms() + ahead_ms
}

/// The clocks that are told until a report comes, and that report's time.
async fn until_a_report(session: &mut FakeSession, chain: &mut ReportChain) -> (Vec<i64>, i64) {
    let mut told = Vec::new();
    loop {
        match session.hear().await.expect("the session goes on") {
            Up::Clock(clock) => {
                let since_reading_ms = clock.uptime_ms.checked_sub(UPTIME_S * 1000).expect("not before the reading");
                assert!(since_reading_ms < 10_000, "{since_reading_ms} ms");
                told.push(clock.now_ms);
            }
            Up::Reports(reports) if !reports.reports.is_empty() => {
                let grown = reports.reports.iter().map(|delta| chain.grow(delta).expect("well-formed").time_ms);
                return (told, grown.last().expect("one"));
            }
            Up::Reports(_) | Up::Host(_) | Up::Hello(_) => {}
        }
    }
}

/// Lets the wall clock step, and takes a reading. The clocks that are told before it comes.
async fn step(by_ms: i64, feed: &Feed, session: &mut FakeSession, chain: &mut ReportChain) -> Vec<i64> {
    AHEAD_MS.fetch_add(by_ms, Ordering::Relaxed);
    feed.push(Report { time_ms: unix_ms(), uptime_s: UPTIME_S, ..Report::default() }).await.expect("room");
    let (told, time_ms) = until_a_report(session, chain).await;
    assert!((time_ms - unix_ms()).abs() < 30_000, "the report that was just read");
    told
}

#[tokio::test]
async fn an_agent_says_what_its_clock_shows_before_what_was_read_by_it() {
    let hub = FakeHub::new();
    let feed = Feed::new(Outbox::in_memory(7), Duration::from_secs(1));
    let mut begun_ms = even_ms();
    let _stop = hub.agent(&feed, BackoffOptions::default(), unix_ms);
    let mut session = hub.accept().await;
    assert_eq!(session.hello.protocol, PROTOCOL_VERSION);
    let hello = session.hello.clock.expect("a clock");
    assert!(shown_since(begun_ms, START_MS).contains(&hello.now_ms), "{hello:?}");
    assert_eq!(hello.uptime_ms, 0, "there is no reading yet");
    session.welcome(0, 1).await;
    let mut chain = ReportChain::new();
    let mut error_ms = 0;
    for step_ms in [0, 400, 900, 0, -3_600_000, -400, 0, -1_786_000_000_000] {
        begun_ms = even_ms();
        error_ms += step_ms;
        let mut told = step(step_ms, &feed, &mut session, &mut chain).await;
        if step_ms.abs() > 500 {
            let shown = shown_since(begun_ms, START_MS + error_ms);
            assert!(told.len() == 1 && shown.contains(&told[0]), "{step_ms}: {told:?}, shown {shown:?}");
        } else {
            // A machine that stands still between the looks at both clocks has the agent take that for a step.
            for _ in 1..TRIES_MAX {
                if told.is_empty() {
                    break;
                }
                step(-step_ms, &feed, &mut session, &mut chain).await;
                told = step(step_ms, &feed, &mut session, &mut chain).await;
            }
            assert_eq!(told, [] as [i64; 0], "{step_ms} is drift");
        }
    }
}
