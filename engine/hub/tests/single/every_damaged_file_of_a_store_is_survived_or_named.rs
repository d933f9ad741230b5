//! The data folder of a hub that was killed, with history of every tier, a log, servers, users and tokens: in each file
//! a bit changes, or it is cut, emptied or removed, each on a copy of its own. Then a hub starts there and serves every
//! server, and what it does not have any more is named by `windfire verify` or by its log; or it refuses to start, with
//! one line that names the file and a remedy. It never panics, never hangs, and nothing is missing without a word.
//! Where damage is not noticed, history and all else are what they were.
//!
//! `SEED` repeats the choices. Usually each file is damaged once; `DAMAGES=5` damages each in every way, five times.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::hub::damage::{Damage, copy, files};
use crate::hub::panel::Panel;
use crate::hub::sick_disk::{acked, eager_agents};
use crate::hub::{HUB, wait_until};
use serde_json::Value;
use tempfile::TempDir;
use windfire_bench::clock::unix_ms;
use windfire_bench::given::{given, seed};
use windfire_bench::hub_process::HubProcess;
use windfire_bench::month::{self, Month};
use windfire_bench::swarm::{Swarm, SwarmOptions};
use windfire_bench::tally;
use windfire_engine::sample::Sample;
use windfire_engine::token::Token;
use windfire_engine::{Engine, Options, Selection, ServerView};

const SERVERS: usize = 4;
/// Long enough for a whole day, which has rows of the coarsest tier.
const HOURS: i64 = 49;
const INTERVAL_MS: i64 = 10_000;
const HOUR_MS: i64 = 3_600_000;
/// Reports that agents bring in each life of the hub.
const REPORTS_PER_LIFE: u64 = 300;
/// Time between two of them: each agent may bring so many at once.
const REPORT_INTERVAL: Duration = Duration::from_millis(5);
/// Hours of a server that one damage makes unreadable, at the most: a block of a table file has a few of them.
const HOURS_UNREADABLE_MAX: usize = 12;
/// One of these is in every refusal.
const REMEDIES: [&str; 6] =
    ["windfire salvage", "restore a backup", "put it back", "put both back", "delete it", "use the newer hub"];

/// A sound store, and where damaged copies of it are made.
struct Copies {
    folder: TempDir,
    /// A hub for the copies. Its ports are those of the first start.
    hub: HubProcess,
    token: String,
    sound: Contents,
}

/// Reports with their numbers.
type Reports = Vec<(u64, Sample)>;

/// What a store has for its readers.
struct Contents {
    /// Servers with their latest status, users, tokens.
    records: Vec<String>,
    /// By server and hour; `None` where they cannot be read.
    hours: BTreeMap<(u64, i64), Option<Reports>>,
}

/// How a hub took damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// It started, and nothing is missing.
    Unharmed,
    /// It started, and named the damage. Nothing is missing that it can read.
    Named,
    /// It started, and named the damage. Some of it is missing.
    NamedAndMissing,
    /// It started without reading the damage. The next start named the file, and so does `verify`.
    RefusedLater,
    /// It did not start, and named the file.
    Refused,
}

#[test]
fn every_damaged_file_of_a_store_is_survived_or_named() {
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut copies = Copies::new();
    let sound = copies.sound_folder();
    let of_file = |file: &PathBuf| {
        let bytes = fs::metadata(sound.join(file)).expect("there").len();
        Damage::ALL.into_iter().filter(move |damage| damage.can_happen_to(bytes)).collect::<Vec<_>>()
    };
    let files = files(&sound);
    let usual = |file: &PathBuf, random: &mut fastrand::Rng| {
        let damages = of_file(file);
        damages[random.usize(..damages.len())]
    };
    let cases: Vec<(&PathBuf, Damage)> = match given("DAMAGES", 0) {
        0 => files.iter().map(|file| (file, usual(file, &mut random))).collect(),
        rounds => {
            let all = files.iter().flat_map(|file| of_file(file).into_iter().map(move |damage| (file, damage)));
            let all: Vec<_> = all.collect();
            (0..rounds).flat_map(|_| all.clone()).collect()
        }
    };
    let (mut outcomes, mut failures) = (BTreeMap::new(), Vec::new());
    for (file, damage) in &cases {
        let case_seed = random.u64(..);
        match copies.try_damage(file, *damage, &mut fastrand::Rng::with_seed(case_seed)) {
            Ok(outcome) => *outcomes.entry(outcome).or_insert(0) += 1,
            Err(why) => failures.push(format!("{}, {damage:?}: {why}", file.display())),
        }
    }
    tally!("{} files, {} damages: {outcomes:?}, {} failures", files.len(), cases.len(), failures.len());
    assert!(failures.is_empty(), "seed {seed}:\n{}", failures.join("\n"));
}

impl Copies {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        print!("{}", month::make(&data, Month::until_now(SERVERS, HOURS, INTERVAL_MS)));
        let mut hub = HubProcess::new(Path::new(HUB), &data, &[]);
        let credentials = hub.rotate_credentials();
        let token = hub.make_token();
        // What the first life leaves in the write-ahead log is in table files after the second start.
        for life in 0..2 {
            hub.start();
            if life == 0 {
                let admin = Panel::of_admin(&hub);
                admin.done(&hub, "POST", "/api/v1/enrol-token", &serde_json::json!({"note": "kept"}));
            }
            let options = SwarmOptions { interval: REPORT_INTERVAL, ..eager_agents() };
            let mut swarm = Swarm::start(&hub, &credentials, options);
            wait_until("reports are acknowledged", || acked(&swarm) >= REPORTS_PER_LIFE);
            let accounts = swarm.settle();
            assert!(accounts.iter().all(|account| account.acked == account.pushed), "{accounts:?}");
            hub.kill();
        }
        let sound_folder = folder.path().join("sound");
        fs::rename(&data, &sound_folder).expect("the same file system");
        copy(&sound_folder, &data);
        let sound = Contents::read(&data).expect("a sound store");
        assert_eq!(sound.hours.values().filter(|hour| hour.is_none()).count(), 0);
        Self { folder, hub, token, sound }
    }

    fn sound_folder(&self) -> PathBuf {
        self.folder.path().join("sound")
    }

    /// Puts a copy of `from` into the hub's place.
    fn put(&self, from: &Path) {
        if self.hub.data().exists() {
            fs::remove_dir_all(self.hub.data()).expect("own folder");
        }
        copy(from, self.hub.data());
    }

    /// Damages a file of a copy. `Err` says what a hub did wrong there.
    fn try_damage(&mut self, file: &Path, damage: Damage, random: &mut fastrand::Rng) -> Result<Outcome, String> {
        let damaged = self.folder.path().join("damaged");
        if damaged.exists() {
            fs::remove_dir_all(&damaged).expect("own folder");
        }
        copy(&self.sound_folder(), &damaged);
        let at = damage.happen_to(&damaged.join(file), random);
        // Before anything can hang.
        print!("{:<28} {damage:?} at {at}: ", file.display());
        std::io::stdout().flush().expect("own output");
        let outcome = self.start_on(&damaged, file);
        println!("{outcome:?}");
        outcome.map_err(|why| format!("at {at}: {why}"))
    }

    fn start_on(&mut self, damaged: &Path, file: &Path) -> Result<Outcome, String> {
        self.put(damaged);
        let said_before = self.hub.log().len();
        let served = self.hub.try_start().map(|()| self.serve());
        // Where it did not serve as it should, it may still run.
        self.hub.kill();
        let said = self.hub.log().split_off(said_before);
        if let Some(line) = said.iter().find(|line| line.contains("panicked")) {
            return Err(line.clone());
        }
        match served {
            Err(_) => self.check_refusal(file, &said),
            Ok(served) => served.and_then(|()| self.check_survival(damaged, file, &said)),
        }
    }

    /// Asks the hub until history has had a round of upkeep and all of the log, and stops it.
    fn serve(&mut self) -> Result<(), String> {
        let get = |path: &str| {
            let answer = self.hub.request("GET", path, &[("Authorization", &self.token)], b"");
            let answer = answer.map_err(|error| format!("{path}: {error}"))?;
            if answer.status == 200 { Ok(answer.text()) } else { Err(format!("{path}: {}", answer.text())) }
        };
        let mut asked = Ok(());
        wait_until("history has had a round", || match get("/metrics") {
            Ok(page) => {
                let is_zero = |name: &str| page.lines().any(|line| line == format!("{name} 0"));
                is_zero("windfire_catch_up_commits") && !is_zero("windfire_upkeep_seconds_total")
            }
            Err(why) => {
                asked = Err(why);
                true
            }
        });
        asked?;
        for path in ["/healthz", "/api/v1/server/list", "/api/v1/server/details"] {
            let answer = get(path)?;
            let servers = |answer: &str| serde_json::from_str::<Value>(answer).ok()?["result"].as_array().map(Vec::len);
            if path != "/healthz" && servers(&answer) != Some(SERVERS) {
                return Err(format!("{path} has not all servers: {answer}"));
            }
        }
        let ended = self.hub.terminate();
        if ended.success() { Ok(()) } else { Err(format!("it was stopped, and ended with {ended}")) }
    }

    fn check_refusal(&self, file: &Path, said: &[String]) -> Result<Outcome, String> {
        let lines: Vec<&String> = said.iter().filter(|line| line.starts_with("windfire: ")).collect();
        let [line] = lines[..] else { return Err(format!("not one line, but {said:#?}")) };
        if !is_named(file, line) {
            return Err(format!("the file is not named: {line}"));
        }
        let has_remedy = REMEDIES.iter().any(|remedy| line.contains(remedy));
        if has_remedy { Ok(Outcome::Refused) } else { Err(format!("no remedy: {line}")) }
    }

    /// Whether `verify` finds nothing. `Err` when it finds something and does not name the file.
    fn verify(&self, damaged: &Path, file: &Path) -> Result<bool, String> {
        self.put(damaged);
        let verified = self.hub.cli(&["verify"]);
        let (words, name) = (String::from_utf8_lossy(&verified.stderr), file.file_name().expect("a name"));
        let is_named = verified.status.success() || words.contains(&*name.to_string_lossy());
        if is_named { Ok(verified.status.success()) } else { Err(format!("verify does not name the file: {words}")) }
    }

    /// The hub served, and was stopped. What it has is compared with the sound store.
    fn check_survival(&self, damaged: &Path, file: &Path, said: &[String]) -> Result<Outcome, String> {
        let contents = match Contents::read(self.hub.data()) {
            Ok(contents) => contents,
            Err(why) if is_named(file, &why) => {
                return self.verify(damaged, file).and_then(|is_sound| match is_sound {
                    true => Err(format!("only a second start found it: {why}")),
                    false => Ok(Outcome::RefusedLater),
                });
            }
            Err(why) => return Err(format!("after it served: {why}")),
        };
        let missing = self.sound.missing_in(&contents)?;
        let unreadable = contents.hours.values().filter(|hour| hour.is_none()).count();
        if unreadable > HOURS_UNREADABLE_MAX {
            return Err(format!("{unreadable} of {} hours cannot be read", contents.hours.len()));
        }
        let is_in_log = said.iter().any(|line| line.contains("ERROR") || line.contains(" WARN "));
        match (self.verify(damaged, file)? && !is_in_log, missing.is_empty()) {
            (true, true) => Ok(Outcome::Unharmed),
            (false, true) => Ok(Outcome::Named),
            (false, false) => Ok(Outcome::NamedAndMissing),
            (true, false) => Err(format!("missing without a word: {missing:#?}")),
        }
    }
}

/// Whether an error names the file, or those among which it is.
fn is_named(file: &Path, error: &str) -> bool {
    let name = file.to_string_lossy();
    match &*name {
        "FORMAT" => error.contains("FORMAT") || error.contains("store format"),
        // It may name another manifest by now.
        "rocksdb/CURRENT" => error.contains("CURRENT") || error.contains("MANIFEST"),
        _ if name.ends_with(".log") => error.contains("rocksdb/*.log"),
        // Of a few bytes of its tables RocksDB does not say where they are.
        _ if name.ends_with(".sst") => error.contains(&*name) || error.contains("rocksdb/*.sst"),
        _ => error.contains(&*name),
    }
}

impl Contents {
    /// Reads a stopped store, each hour of each server alone.
    fn read(data: &Path) -> Result<Self, String> {
        let engine = Engine::open(data, Options::default()).map_err(|error| error.to_string())?;
        let views = engine.snapshot(Selection::All);
        let server =
            |view: &ServerView| format!("{:?}, latest {:?}, {:?}", view.record, view.latest.sample, view.latest.facts);
        let registry = engine.registry();
        let mut records: Vec<String> = views.iter().map(server).collect();
        records.extend(registry.users().iter().map(|user| format!("{user:?}")));
        // Whoever asks a hub uses a token.
        let unused = |token: Token| format!("{:?}", Token { last_used_s: None, ..token });
        records.extend(registry.tokens().into_iter().map(unused));
        records.extend(registry.enrol_tokens().iter().map(|token| format!("{token:?}")));
        let mut hours = BTreeMap::new();
        let last = unix_ms().div_euclid(HOUR_MS) + 1;
        for view in &views {
            for hour in last - HOURS - 3..=last {
                let (id, mut reports) = (view.record.id, Vec::new());
                let visit = &mut |sequence: u64, sample: &Sample| reports.push((sequence, sample.clone()));
                let read = engine.history().reports(id, hour * HOUR_MS, (hour + 1) * HOUR_MS, visit);
                reports.sort_by_key(|(sequence, _)| *sequence);
                hours.insert((id, hour), read.is_ok().then_some(reports));
            }
        }
        Ok(Self { records, hours })
    }

    /// What of this the other does not have. `Err` when it has something else, or something twice.
    fn missing_in(&self, other: &Self) -> Result<Vec<String>, String> {
        let changed = other.records.iter().find(|record| !self.records.contains(record));
        if let Some(record) = changed {
            return Err(format!("this is not as it was: {record}"));
        }
        let mut missing: Vec<String> =
            self.records.iter().filter(|record| !other.records.contains(record)).cloned().collect();
        for (place, reports) in &other.hours {
            let (server, hour) = place;
            let sound = self.hours.get(place).and_then(Option::as_ref).map_or(&[][..], Vec::as_slice);
            let Some(reports) = reports else {
                missing.push(format!("server {server}, hour {hour}: {} reports cannot be read", sound.len()));
                continue;
            };
            let mut left = sound.iter();
            if !reports.iter().all(|report| left.any(|sound| sound == report)) {
                return Err(format!("server {server}, hour {hour}: reports that never were, or that are there twice"));
            }
            if reports.len() < sound.len() {
                missing.push(format!("server {server}, hour {hour}: {} reports", sound.len() - reports.len()));
            }
        }
        Ok(missing)
    }
}
