//! The spool of an agent, with what three processes left, one of them in several files: in each file a bit changes, or
//! it is cut, emptied or removed, each on a copy of its own. An agent starts on each copy. It sends every reading that
//! the damage did not touch, each once, and says in its log that some are lost, wherever what is left shows it. A spool
//! whose state seems to be of a newer version is left alone, and the agent says so in one line.
//!
//! `SEED` repeats the choices. `DAMAGES=5` damages each file in every way five times.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::hub::agent_process::{AgentProcess, with_spool};
use crate::hub::damage::{Damage, copy, files};
use crate::hub::{new_hub, wait_until};
use windfire_agent::clock::Clock;
use windfire_agent::limits::SPOOL_BYTES_MAX;
use windfire_agent::outbox::{Outbox, SpoolOptions};
use windfire_bench::clock::unix_ms;
use windfire_bench::given::{given, seed};
use windfire_bench::tally;
use windfire_wire::{Report, Temperature};

/// With these a reading has some 2 KB, so that few of them fill a file.
const SENSORS: usize = 32;
const SENSOR_NAME_BYTES: usize = 60;
/// Readings of the first process: three files.
const FIRST: u64 = 1200;
/// Readings of the second process.
const SECOND: u64 = 20;
const INTERVAL_MS: u64 = 100;
/// Bytes before the body of a record: its length and its checksum.
const RECORD_HEAD_BYTES: usize = 8;
/// What a state begins with, and the version that this agent writes.
const STATE_TITLE: &str = "windfire spool ";
const STATE_VERSION: u32 = 2;
/// Copies on which agents run at one time.
const AT_ONCE: usize = 32;

/// A file of readings.
struct Segment {
    file: PathBuf,
    /// The bytes of each of its records.
    records: Vec<Range<usize>>,
    /// Number of the first.
    first: u64,
    /// Whether the same process wrote one before it, and one after it.
    has_neighbours: (bool, bool),
}

/// One damaged copy, and what is to be seen of it.
struct Case {
    name: String,
    spool: PathBuf,
    /// Numbers of the readings that are gone.
    lost: BTreeSet<u64>,
    /// Whether what is left shows that some are. `None` of the machine's own readings, which are not known here.
    is_seen: Option<bool>,
    is_left_alone: bool,
}

#[test]
fn an_agent_with_a_damaged_spool_sends_what_is_sound_and_says_what_is_lost() {
    let rounds = given("DAMAGES", 1);
    let mut random = fastrand::Rng::with_seed(seed());
    let (folder, mut hub) = new_hub(&[]);
    // Only to get its addresses: the agent that makes the sound spool does not reach it.
    hub.start();
    assert!(hub.terminate().success());
    let sound = folder.path().join("sound");
    make_spool(&sound);
    let mut agent = AgentProcess::start(with_spool(&hub, "0123456789abcdef0123456789abcdef", &sound));
    wait_until("a third process has readings", || {
        let of_third = |file: &PathBuf| first_number(file) == Some(FIRST + SECOND + 1);
        let has_readings = |file: &PathBuf| fs::metadata(sound.join(file)).is_ok_and(|found| found.len() > 0);
        files(&sound).iter().any(|file| of_third(file) && has_readings(file))
    });
    agent.stop();

    let segments = segments(&sound);
    assert!(segments.iter().filter(|segment| segment.has_neighbours.0).count() >= 2, "a run of three files");
    let mut cases = Vec::new();
    for _ in 0..rounds {
        for file in files(&sound) {
            let bytes = fs::metadata(sound.join(&file)).expect("there").len();
            for damage in Damage::ALL.into_iter().filter(|damage| damage.can_happen_to(bytes)) {
                let spool = folder.path().join(format!("spool-{}", cases.len()));
                copy(&sound, &spool);
                let at = damage.happen_to(&spool.join(&file), &mut random);
                let segment = segments.iter().find(|segment| segment.file == file);
                let lost = segment.map(|segment| segment.lost(damage, at)).unwrap_or_default();
                let is_seen = match segment {
                    Some(segment) => Some(segment.is_seen(damage, at)),
                    None => first_number(&file).is_none().then_some(false),
                };
                let is_left_alone = is_of_newer_version(&spool.join("state"));
                let name = format!("{}, {damage:?} at {at}", file.display());
                cases.push(Case { name, spool, lost, is_seen, is_left_alone });
            }
        }
    }
    let credentials = hub.make_servers(cases.len(), "");
    hub.start();
    for (cases, credentials) in cases.chunks(AT_ONCE).zip(credentials.chunks(AT_ONCE)) {
        let start =
            |(case, credential): (&Case, &String)| AgentProcess::start(with_spool(&hub, credential, &case.spool));
        let mut agents: Vec<AgentProcess> = cases.iter().zip(credentials).map(start).collect();
        for (case, agent) in cases.iter().zip(&mut agents) {
            case.wait_and_stop(agent, &segments);
        }
    }
    assert!(hub.terminate().success());

    let history = hub.samples();
    assert_eq!(history.len(), cases.len());
    let (mut lost, mut told) = (0, 0);
    for (case, samples) in cases.iter().zip(&history) {
        // The machine's own readings have no sensors.
        let of_spool = samples.iter().filter(|sample| sample.temperatures.is_some());
        let mut found = BTreeSet::new();
        for sample in of_spool {
            assert!(found.insert(sample.udp_conn_count), "{}: {} is twice", case.name, sample.udp_conn_count);
        }
        let is_sound = |number: &u64| !case.is_left_alone && !case.lost.contains(number);
        let expected: BTreeSet<u64> = (1..=FIRST + SECOND).filter(is_sound).collect();
        let missing: Vec<&u64> = expected.difference(&found).collect();
        let added: Vec<&u64> = found.difference(&expected).collect();
        assert!(missing.is_empty(), "{}: sound, and not in history: {missing:?}", case.name);
        assert!(added.is_empty(), "{}: damaged, and in history: {added:?}", case.name);
        lost += case.lost.len();
        told += usize::from(case.is_seen == Some(true));
    }
    let left_alone = cases.iter().filter(|case| case.is_left_alone).count();
    tally!(
        "{} damaged spools of {} readings: {lost} readings were damaged, every other one is in history once; {told} \
         agents said that some are lost, {left_alone} left a spool alone",
        cases.len(),
        FIRST + SECOND
    );
}

/// A spool with the runs of two processes. Each reading has its number as the count of UDP sockets.
fn make_spool(folder: &Path) {
    let options = SpoolOptions { folder: folder.to_owned(), bytes_max: SPOOL_BYTES_MAX };
    let now = Clock::new(unix_ms).read();
    let total = FIRST + SECOND;
    for (id, readings) in [(1, FIRST), (2, SECOND)] {
        let mut outbox = Outbox::in_spool(&options, id).expect("a spool");
        for _ in 0..readings {
            let number = outbox.kept_count() + 1;
            let before_ms = (total - number + 1) * INTERVAL_MS;
            let sensor = |sensor: usize| Temperature {
                name: format!("{sensor:0SENSOR_NAME_BYTES$}"),
                celsius: (number + sensor as u64) as f64 / 8.0,
            };
            let report = Report {
                time_ms: now.now_ms - before_ms.cast_signed(),
                uptime_s: now.uptime_ms.saturating_sub(before_ms) / 1000,
                udp_conn_count: number,
                temperatures: (0..SENSORS).map(sensor).collect(),
                ..Report::default()
            };
            outbox.push(report).expect("room");
        }
    }
}

/// Whether a state says that a newer agent wrote it.
fn is_of_newer_version(state: &Path) -> bool {
    let bytes = fs::read(state).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let version = text.strip_prefix(STATE_TITLE).and_then(|rest| rest.lines().next());
    version.is_some_and(|version| version.parse::<u32>().is_ok_and(|version| version > STATE_VERSION))
}

/// The number in the name of a file of readings.
fn first_number(file: &Path) -> Option<u64> {
    let name = file.file_name()?.to_str()?.strip_suffix(".seg")?;
    name.split('-').next()?.parse().ok()
}

/// The files of the readings that this test made.
fn segments(spool: &Path) -> Vec<Segment> {
    let in_files = files(spool).into_iter().filter_map(|file| {
        let first = first_number(&file).filter(|first| *first <= FIRST + SECOND)?;
        let bytes = fs::read(spool.join(&file)).expect("readable");
        let (mut records, mut at) = (Vec::new(), 0);
        while let Some(length) = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
            let end = at + RECORD_HEAD_BYTES + u32::from_le_bytes(*length) as usize;
            records.push(at..end);
            at = end;
        }
        assert_eq!(at, bytes.len(), "whole records");
        Some(Segment { file, records, first, has_neighbours: (false, false) })
    });
    let mut segments: Vec<Segment> = in_files.collect();
    // Names begin with the number, so files are in its order.
    let of_first = segments.iter().filter(|segment| segment.first <= FIRST).count();
    for (place, segment) in segments.iter_mut().enumerate().take(of_first) {
        segment.has_neighbours = (place > 0, place + 1 < of_first);
    }
    segments
}

impl Segment {
    /// Numbers of the readings that the damage takes.
    fn lost(&self, damage: Damage, at: usize) -> BTreeSet<u64> {
        let is_lost = |record: &Range<usize>| match damage {
            Damage::Flip => record.contains(&at),
            Damage::Cut => record.end > at,
            Damage::Empty | Damage::Remove => true,
        };
        let numbered = (self.first..).zip(&self.records);
        numbered.filter(|(_, record)| is_lost(record)).map(|(number, _)| number).collect()
    }

    /// Whether what is left shows that readings are lost: half a record, or a number that the next file's does not
    /// follow.
    fn is_seen(&self, damage: Damage, at: usize) -> bool {
        let (has_before, has_after) = self.has_neighbours;
        match damage {
            Damage::Flip => true,
            Damage::Cut => has_after || (at > 0 && self.records.iter().all(|record| record.end != at)),
            Damage::Empty => has_after,
            Damage::Remove => has_before && has_after,
        }
    }
}

impl Case {
    /// Waits until the agent has no readings of others any more, and stops it; or until it ends, where it must not
    /// start.
    fn wait_and_stop(&self, agent: &mut AgentProcess, segments: &[Segment]) {
        if self.is_left_alone {
            assert!(!agent.ends_within(Duration::from_secs(30)), "{}: it was content", self.name);
            agent.stop();
            let log = agent.rest_of_log();
            let is_named = |line: &&String| line.contains("ERROR") && line.contains("state is not readable");
            assert_eq!(log.iter().filter(is_named).count(), 1, "{}: {log:#?}", self.name);
            return;
        }
        wait_until(&format!("{}: all is settled", self.name), || {
            segments.iter().all(|segment| !self.spool.join(&segment.file).exists())
        });
        agent.terminate();
        assert!(agent.ends_within(Duration::from_secs(30)), "{}: it does not stop", self.name);
        let log = agent.rest_of_log();
        let is_word =
            |line: &&String| line.contains("these reports are lost") || line.contains("bytes that are not a report");
        let words = log.iter().filter(is_word).count();
        assert!(self.is_seen.is_none_or(|is_seen| is_seen == (words > 0)), "{}: {log:#?}", self.name);
    }
}
