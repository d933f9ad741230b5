//! Every tier, every aggregate, every step: an answer equals what is computed from the reports themselves, while reports
//! are in heads, in short blocks, in packed hours and in packed days.

use windfire_bench::fast::FastFleet;
use windfire_engine::Options;
use windfire_engine::history::{HistoryQuery, Step, Tier};
use windfire_engine::metric::{Kind, Metric, Number};
use windfire_engine::sample::Sample;
use windfire_engine::summary::Aggregate;
use windfire_wire::Report;

const START_MS: i64 = 1_790_035_200_000;
const INTERVAL_MS: i64 = 7_000;
const HOUR_MS: i64 = 3_600_000;
/// The agent's clock is set back after this report, by so much.
const STEP_BACK_AFTER: u64 = 9_000;
const STEP_BACK_MS: i64 = 600_000;

/// A report with everything: noise, a reset, an outage, a step back of the clock, sensors now and then.
fn report(server: usize, sequence: u64) -> Report {
    let mut random = fastrand::Rng::with_seed(sequence * 31 + server as u64);
    let mut time_ms = START_MS + sequence.cast_signed() * INTERVAL_MS;
    if sequence > 4000 {
        time_ms += 5 * HOUR_MS;
    }
    if sequence > STEP_BACK_AFTER {
        time_ms -= STEP_BACK_MS;
    }
    let counter = if sequence > 2500 { (sequence - 2500) * 1000 } else { sequence * 777 };
    Report {
        time_ms,
        cpu: f64::from(random.u16(0..10_000)) / 100.0,
        mem_used: random.u64(0..1 << 34),
        net_in_transfer: counter,
        load1: random.f64(),
        uptime_s: sequence * 7,
        temperatures: (0..random.usize(0..3))
            .map(|sensor| windfire_wire::Temperature {
                name: format!("s{sensor}"),
                celsius: f64::from(random.u8(20..90)),
            })
            .collect(),
        ..Report::default()
    }
}

/// What a query should say, from the reports themselves.
fn expected(
    samples: &[Sample],
    metric: Metric,
    aggregate: Aggregate,
    step_ms: i64,
    bucket_ms: i64,
    range: (i64, i64),
) -> Option<f64> {
    let is_inside = |sample: &&Sample| {
        sample.time_ms.div_euclid(step_ms) * step_ms == bucket_ms && (range.0..range.1).contains(&sample.time_ms)
    };
    let values = |samples: &[&Sample]| -> Vec<f64> {
        let number = |sample: &&Sample| {
            let bits = metric.bits_of(sample)?;
            Some(if metric.kind() == Kind::Float { f64::from_bits(bits) } else { bits as f64 })
        };
        samples.iter().filter_map(number).collect()
    };
    let inside = values(&samples.iter().filter(is_inside).collect::<Vec<_>>());
    let (first, last) = (*inside.first()?, *inside.last()?);
    Some(match aggregate {
        Aggregate::Mean => inside.iter().sum::<f64>() / inside.len() as f64,
        Aggregate::Min => inside.iter().copied().fold(f64::INFINITY, f64::min),
        Aggregate::Max => inside.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        Aggregate::Last => last,
        Aggregate::Rate | Aggregate::Increase => {
            let growth = |pair: &[f64]| if pair[1] >= pair[0] { pair[1] - pair[0] } else { pair[1] };
            let before: Vec<&Sample> = samples
                .iter()
                .filter(|sample| sample.time_ms < bucket_ms && (range.0..range.1).contains(&sample.time_ms))
                .collect();
            let before = before.last().map(|sample| sample.net_in_transfer as f64);
            let joined = before.map_or(0.0, |before| growth(&[before, first]));
            inside.windows(2).map(growth).sum::<f64>() + joined
        }
    })
}

fn check(fleet: &FastFleet, samples: &[Sample], range: (i64, i64), step_ms: i64, tier: Tier) {
    let metrics = [
        (Metric::Cpu, Aggregate::Mean),
        (Metric::Cpu, Aggregate::Max),
        (Metric::MemUsed, Aggregate::Min),
        (Metric::MemUsed, Aggregate::Mean),
        (Metric::Load1, Aggregate::Last),
        (Metric::Load1, Aggregate::Mean),
        (Metric::Uptime, Aggregate::Max),
        (Metric::NetInTransfer, Aggregate::Increase),
        (Metric::NetInTransfer, Aggregate::Last),
        (Metric::Temperature, Aggregate::Max),
    ];
    let query = HistoryQuery {
        metrics: metrics.to_vec(),
        from_ms: range.0,
        to_ms: range.1,
        step: Step::Ms(step_ms),
        points_max: 20_000,
    };
    let plan = fleet.engine.history().plan(&query);
    assert_eq!((plan.tier, plan.step_ms), (tier, step_ms));
    let range = (plan.from_ms, plan.to_ms);
    let series =
        fleet.engine.history().series(fleet.server_ids()[0], &plan).expect("readable").expect("a known server");
    let mut values = 0;
    for series in series {
        for (bucket_ms, found) in &series.points {
            let wanted = expected(samples, series.metric, series.aggregate, step_ms, *bucket_ms, range);
            let found = found.map(Number::as_f64);
            let is_same = match (found, wanted) {
                (None, None) => true,
                (Some(found), Some(wanted)) => (found - wanted).abs() <= wanted.abs() * 1e-12,
                _ => false,
            };
            assert!(is_same, "{:?} {:?} at {bucket_ms}: {found:?}, not {wanted:?}", series.metric, series.aggregate);
            values += usize::from(found.is_some());
        }
    }
    assert!(values > 0, "nothing was compared");
}

/// What was sent, where the hub placed it.
fn placed(fleet: &FastFleet, taken: &[Sample]) -> Vec<Sample> {
    let mut times = Vec::new();
    let mut visit = |sequence: u64, sample: &Sample| times.push((sequence, sample.time_ms));
    let range = (START_MS, START_MS + 1000 * HOUR_MS);
    fleet.engine.history().reports(fleet.server_ids()[0], range.0, range.1, &mut visit).expect("readable");
    times.sort_unstable();
    taken.iter().zip(times).map(|(sent, (_, time_ms))| Sample { time_ms, ..sent.clone() }).collect()
}

#[test]
fn queries_say_what_the_reports_say() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut fleet = FastFleet::open(folder.path(), 2, Options::default(), START_MS);
    let mut taken: Vec<Sample> = Vec::new();
    let last = 26_000u64;
    for until in (100..=last).step_by(100) {
        // The hub's clock is right all the time.
        let now_ms = report(0, until).time_ms + if until > STEP_BACK_AFTER { STEP_BACK_MS } else { 0 };
        fleet.run(now_ms, &mut |server, sequence| {
            let report = (sequence <= until).then(|| report(server, sequence))?;
            if server == 0 {
                taken.push(report.clone().into());
            }
            Some(report)
        });
        // In the middle of everything, and at the end.
        if [300, 2600, 9300, 17_000, last].contains(&until) {
            // In the order in which they were taken, a clock that was set back or not.
            let samples = placed(&fleet, &taken);
            let end = samples.last().expect("some").time_ms + 1;
            check(&fleet, &samples, (end - 1_234_567, end), 10_000, Tier::Raw);
            check(&fleet, &samples, (end - 3 * HOUR_MS, end), 60_000, Tier::Minute);
            check(&fleet, &samples, (START_MS, end), 5 * 60_000, Tier::Minute);
            check(&fleet, &samples, (START_MS, end), 15 * 60_000, Tier::Quarter);
            check(&fleet, &samples, (START_MS, end), 2 * HOUR_MS, Tier::Quarter);
        }
    }
    let mut read = Vec::new();
    fleet
        .engine
        .history()
        .reports(fleet.server_ids()[0], START_MS, START_MS + 1000 * HOUR_MS, &mut |sequence, sample| {
            read.push((sequence, sample.clone()));
        })
        .expect("readable");
    read.sort_by_key(|(sequence, _)| *sequence);
    assert_eq!(read.len(), taken.len());
    assert!(read.iter().zip(1..).all(|((sequence, _), number)| *sequence == number), "each once");
    let placed = placed(&fleet, &taken);
    assert!(read.iter().zip(&placed).all(|((_, found), sent)| found == sent), "as it was sent");
    let step_back = usize::try_from(STEP_BACK_AFTER).expect("small");
    assert_eq!(placed[..step_back], taken[..step_back], "and when it was taken");
    assert!(placed.is_sorted_by(|a, b| a.time_ms < b.time_ms));
    let moved = placed.iter().zip(&taken).skip(step_back).map(|(placed, taken)| placed.time_ms - taken.time_ms);
    assert!(moved.into_iter().all(|ms| ms.abs_diff(STEP_BACK_MS) <= INTERVAL_MS.unsigned_abs()));
    let verified = fleet.engine.history().verify().expect("readable");
    assert_eq!((verified.corrupt_blocks, verified.doubled), (0, 0));
}
