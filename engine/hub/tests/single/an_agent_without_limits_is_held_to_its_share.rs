//! An agent that sends as much as it can is stalled, hears its acks, and is taken again when time has passed: by time alone,
//! because nobody else makes the hub commit. A stop does not wait for it.

use std::time::{Duration, Instant};

use crate::hub::new_hub;
use crate::hub::raw_agent::RawAgent;
use windfire_bench::clock::unix_ms;
use windfire_engine::limits::{REPORTS_BURST_MAX, REPORTS_PER_S_MAX};
use windfire_wire::limits::REPORTS_PER_FRAME_MAX;
use windfire_wire::{Down, PROTOCOL_VERSION, RefuseReason, Report, ReportChain, Reports, Up};

const FRAME: u64 = REPORTS_PER_FRAME_MAX as u64;
/// What is taken at once: all that was saved up, and one frame more.
const BURST: u64 = REPORTS_BURST_MAX as u64 / FRAME + 1;

/// Says frames of one moment, and asks for an ack with each.
async fn say_frames(agent: &mut RawAgent, chain: &mut ReportChain, frames: std::ops::Range<u64>) {
    let time_ms = unix_ms();
    for frame in frames {
        let first_sequence = frame * FRAME + 1;
        let report = |sequence: u64| Report { time_ms, udp_conn_count: sequence, ..Report::default() };
        let reports =
            (0..FRAME).map(|number| chain.shrink(&report(first_sequence + number)).expect("finite")).collect();
        agent.say(&Up::Reports(Reports { first_sequence, ack_now: true, reports })).await;
    }
}

async fn hear_ack_of(agent: &mut RawAgent, sequence: u64) {
    loop {
        match agent.hear().await {
            Down::Ack { up_to } if up_to >= sequence => return,
            Down::Ack { .. } | Down::Pace { .. } => {}
            other => panic!("{other:?} instead of an ack"),
        }
    }
}

#[test]
fn an_agent_without_limits_is_held_to_its_share() {
    let (_folder, mut hub) = new_hub(&[]);
    let credential = hub.make_servers(1, "").remove(0);
    hub.start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let hub = runtime.block_on(async {
        let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().expect("an address")).expect("a socket");
        let mut agent = RawAgent::connect(&hub, &endpoint, credential, PROTOCOL_VERSION).await;
        let mut chain = ReportChain::new();
        let started = Instant::now();
        say_frames(&mut agent, &mut chain, 0..BURST + 2).await;
        hear_ack_of(&mut agent, BURST * FRAME).await;
        // Two more frames than it may bring. The first is taken when what was overdrawn is paid back.
        let cpu_before_s = hub.usage().cpu_s();
        hear_ack_of(&mut agent, (BURST + 1) * FRAME).await;
        let waited = started.elapsed();
        let taken = (BURST + 1) * FRAME - u64::from(REPORTS_BURST_MAX) - FRAME;
        let due = Duration::from_secs_f64(taken as f64 / f64::from(REPORTS_PER_S_MAX));
        assert!(waited + Duration::from_millis(100) >= due, "taken after {waited:?}, due after {due:?}");
        let cpu_s = hub.usage().cpu_s() - cpu_before_s;
        assert!(cpu_s < waited.as_secs_f64() / 4.0, "{cpu_s} s of CPU in {waited:?} of waiting");
        // The second waits still. The agent hears why it ends: one for which the stop waited would be cut off.
        let stopping = std::thread::spawn(move || (hub.terminate().success(), hub));
        let last = agent.hear().await;
        assert!(matches!(last, Down::Refuse { reason: RefuseReason::Stopping, .. }), "{last:?}");
        let (is_well, hub) = stopping.join().expect("stopped");
        assert!(is_well);
        hub
    });
    let numbers = hub.reported_numbers();
    assert!(numbers[0].iter().copied().eq(1..=(BURST + 1) * FRAME), "each report that was acknowledged, once");
}
