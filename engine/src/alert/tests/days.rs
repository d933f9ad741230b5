//! Random days of a few servers. Their log must be what a naive model says that keeps every look, and each fault must be
//! told, also when the hub dies at any write. `ALERT_DAYS=10000` plays more days, `SEED` repeats one.

use std::collections::BTreeMap;
use std::env;

use super::*;

const SERVERS: usize = 5;
const PASSES: usize = 700;
const OFFLINE_S: i64 = 60;
const FRESH_S: i64 = 30;
/// Of the rule about load: how long it must be bad, and good.
const FOR_MS: i64 = 60_000;
const KEEP_MS: i64 = 30_000;
const CLEAR: f64 = 80.0;

fn days() -> (u64, u64) {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse().ok());
    match number("SEED") {
        Some(seed) => (seed, seed + 1),
        None => (0, number("ALERT_DAYS").unwrap_or(4)),
    }
}

/// What one look at a server says about one rule.
#[derive(Clone, Copy, PartialEq)]
enum Says {
    Bad,
    Between,
    Good,
    Nothing,
    /// It does not count.
    Skipped,
}

/// An alert by going over every look from the first one. Returns whether it fires, and what happened at the last look.
fn naive(looks: &[(i64, Says)], for_ms: i64, keep_ms: i64) -> (bool, Option<EventKind>) {
    let (mut fires, mut bad_ms, mut good_ms, mut gone_ms) = (false, None, None, None);
    let mut last = None;
    for (at_ms, says) in looks {
        last = None;
        match (fires, says) {
            (_, Says::Skipped) => {}
            (false, Says::Bad) => {
                let is_first = bad_ms.is_none();
                let since_ms = *bad_ms.get_or_insert(*at_ms);
                if at_ms - since_ms >= for_ms && (for_ms == 0 || !is_first) {
                    (fires, good_ms, gone_ms, last) = (true, None, None, Some(EventKind::Fired));
                } else if is_first && for_ms >= 60_000 {
                    last = Some(EventKind::Pending);
                }
            }
            (false, _) => bad_ms = None,
            (true, Says::Nothing) => {
                if gone_ms.is_none() {
                    last = Some(EventKind::Frozen);
                }
                gone_ms.get_or_insert(*at_ms);
            }
            (true, says) => {
                let thawed: Option<i64> = gone_ms.take();
                last = thawed.map(|_| EventKind::Thawed);
                if *says == Says::Good {
                    let paused_ms = thawed.map_or(0, |gone_ms| at_ms - gone_ms);
                    let since_ms: i64 = good_ms.map_or(*at_ms, |good_ms: i64| good_ms + paused_ms);
                    good_ms = Some(since_ms);
                    if at_ms - since_ms >= keep_ms {
                        (fires, bad_ms, last) = (false, None, Some(EventKind::Resolved));
                    }
                } else {
                    good_ms = None;
                }
            }
        }
    }
    (fires, last)
}

/// A day in which servers report, fall silent, and are busy, as a seed says.
struct Day {
    world: World,
    random: fastrand::Rng,
    offline: u64,
    busy: u64,
    /// Of each server: whether it reports, and its load.
    moods: BTreeMap<u64, (bool, f64)>,
}

impl Day {
    fn of(seed: u64) -> Self {
        let mut world = World::new(SERVERS);
        world.report_all(1.0);
        let offline = world.rule(Measure::Offline, OFFLINE_S as f64, |_| {});
        let busy = world.rule(Measure::Cpu, 90.0, |rule| {
            (rule.for_s, rule.keep_s) = (60, 30);
            rule.when[0].clear = Some(CLEAR);
        });
        let moods = world.ids().into_iter().map(|id| (id, (true, 1.0))).collect();
        Self { world, random: fastrand::Rng::with_seed(seed), offline, busy, moods }
    }

    /// Time passes until just before the next pass.
    fn live(&mut self) {
        self.world.wait(PASS_MS);
        for (id, (reports, cpu)) in &mut self.moods {
            if self.random.u32(..20) == 0 {
                *reports = self.random.u32(..3) > 0;
            }
            if self.random.u32(..10) == 0 {
                *cpu = *[1.0, 85.0, 95.0, 99.0].get(self.random.usize(..4)).expect("four");
            }
            if *reports {
                self.world.report(*id, *cpu);
            }
        }
    }

    /// What a look would say of both rules, by the reports alone. `grace_ms` is when the grace after the start is over.
    fn says(&self, id: u64, (start_ms, grace_ms): (i64, i64)) -> (Says, Says) {
        let now_ms = self.world.time.now_ms;
        let (at_ms, cpu) = self.world.reports[&id];
        let silent_s = now_ms / 1000 - at_ms / 1000;
        let is_excused = now_ms < grace_ms && at_ms < start_ms;
        let offline = match now_ms - at_ms > OFFLINE_S * 1000 {
            true if is_excused => Says::Skipped,
            true => Says::Bad,
            false => Says::Good,
        };
        let busy = match cpu {
            _ if silent_s > FRESH_S && is_excused => Says::Skipped,
            _ if silent_s > FRESH_S => Says::Nothing,
            cpu if cpu > 90.0 => Says::Bad,
            cpu if cpu > CLEAR => Says::Between,
            _ => Says::Good,
        };
        (offline, busy)
    }

    /// All is well again, until everything is told.
    fn end(&mut self) {
        self.world.report_all(1.0);
        self.world.run(GRACE_MS / 1000 + 300, &self.world.ids());
        assert_eq!(self.world.alerts(), 0);
        assert_eq!(self.world.engine().alerts().notices_waiting(), 0);
    }

    /// Each fault of the log was told, at most so often, and each end belongs to a fault. Returns the faults.
    fn check_told(&self, times_max: usize, seed: u64) -> usize {
        let mut log: BTreeMap<(u64, u64), (usize, usize)> = BTreeMap::new();
        let mut is_firing: BTreeMap<(u64, u64), bool> = BTreeMap::new();
        for event in self.world.log() {
            let ids = (event.rule_id, event.server_id);
            let (faults, ends) = log.entry(ids).or_default();
            let was_firing = match event.what {
                EventKind::Fired => {
                    *faults += 1;
                    is_firing.insert(ids, true)
                }
                EventKind::Resolved => {
                    *ends += 1;
                    is_firing.insert(ids, false)
                }
                _ => continue,
            };
            let expected = event.what == EventKind::Resolved;
            assert_eq!(was_firing.unwrap_or(false), expected, "SEED={seed}: {event:?}");
        }
        // A fault is known by its rule, its server and its beginning.
        let mut begun: BTreeMap<(u64, u64, i64), Vec<u64>> = BTreeMap::new();
        let mut ended: BTreeMap<(u64, u64, i64), Vec<u64>> = BTreeMap::new();
        for notice in &self.world.received {
            assert_eq!(notice.count, notice.servers.len() as u64, "SEED={seed}: all are named");
            for server in &notice.servers {
                let fault = (notice.rule_id, server.id, server.since_ms);
                if notice.kind == NoticeKind::Firing {
                    begun.entry(fault).or_default().push(notice.sequence);
                }
                if server.ended_ms.is_some() {
                    ended.entry(fault).or_default().push(notice.sequence);
                }
            }
        }
        let mut all = 0;
        for ((rule_id, server_id), (faults, ends)) in log {
            let told = |told: &BTreeMap<(u64, u64, i64), Vec<u64>>| {
                told.keys().filter(|(rule, server, _)| (*rule, *server) == (rule_id, server_id)).count()
            };
            assert_eq!((told(&begun), told(&ended)), (faults, ends), "SEED={seed}: rule {rule_id} server {server_id}");
            all += faults;
        }
        for (fault, notices) in begun.iter().chain(&ended) {
            assert!(notices.len() <= times_max, "SEED={seed}: {fault:?} was told by {notices:?}");
            assert!(notices.iter().all(|notice| *notice == notices[0]), "SEED={seed}: {fault:?} has two keys");
        }
        assert!(ended.keys().all(|fault| begun.contains_key(fault)), "SEED={seed}: an end without its fault");
        all
    }
}

#[test]
fn the_log_of_any_day_is_what_all_its_looks_say() {
    let (mut alerts, (from, to)) = (0, days());
    for seed in from..to {
        let mut day = Day::of(seed);
        let (start_ms, mut looks) = (day.world.time.now_ms + PASS_MS, BTreeMap::<(u64, u64), Vec<_>>::new());
        let mut expected = Vec::new();
        for _ in 0..PASSES {
            day.live();
            for id in day.world.ids() {
                let (offline, busy) = day.says(id, (start_ms, start_ms + GRACE_MS));
                let at_ms = day.world.time.now_ms;
                let mut fires = false;
                for (rule, says, for_ms, keep_ms) in [(day.offline, offline, 0, 0), (day.busy, busy, FOR_MS, KEEP_MS)] {
                    let says = if fires { Says::Skipped } else { says };
                    let of_alert = looks.entry((rule, id)).or_default();
                    of_alert.push((at_ms, says));
                    let (fires_now, happened) = naive(of_alert, for_ms, keep_ms);
                    expected.extend(happened.map(|what| (at_ms, id, rule, what)));
                    // What is over, and ok, need not be kept.
                    if !fires_now && matches!(says, Says::Good | Says::Nothing) {
                        of_alert.clear();
                    }
                    fires = fires_now;
                }
            }
            day.world.pass().expect("a healthy disk");
            day.world.receive();
        }
        let found = day.world.log().into_iter();
        let mut found: Vec<_> = found.map(|it| (it.time_ms, it.server_id, it.rule_id, it.what)).collect();
        found.sort_by_key(|(at_ms, id, rule, _)| (*at_ms, *id, *rule));
        let first = found.iter().zip(&expected).find(|(found, expected)| found != expected);
        assert!(first.is_none() && found.len() == expected.len(), "SEED={seed}: (found, expected) {first:?}");
        day.end();
        alerts += day.check_told(1, seed);
    }
    println!("{} days of {PASSES} passes: {alerts} faults, each told once", to - from);
    assert!(alerts > 0);
}

#[test]
fn a_hub_that_dies_at_any_write_tells_each_fault_once_or_twice() {
    let (mut alerts, mut deaths, (from, to)) = (0, 0, days());
    for seed in from..to {
        let mut day = Day::of(seed);
        for _ in 0..PASSES {
            day.live();
            let fate = day.random.u32(..80);
            let at = match fate {
                0 => Some(WritePoint::Before),
                1 => Some(WritePoint::After),
                _ => None,
            };
            REFUSED_AT.set(at);
            let was_written = day.world.pass().is_ok();
            // Now and then the hub dies after a message has left, before it is noted.
            let dies = !was_written || fate == 2;
            if dies {
                if was_written && deaths % 2 == 0 {
                    let due = day.world.engine().alerts().due_notices(day.world.time.now_ms, 100);
                    // Sent at most once without being noted, so that twice is the most.
                    let known = |notice: &Notice| day.world.received.iter().any(|it| it.sequence == notice.sequence);
                    let due: Vec<Notice> = due.into_iter().map(|due| due.notice).filter(|it| !known(it)).collect();
                    day.world.received.extend(due);
                }
                deaths += 1;
                day.world.restart(i64::from(day.random.u32(..200)) * 1000);
            } else {
                REFUSED_AT.set(None);
                day.world.receive();
            }
        }
        day.end();
        alerts += day.check_told(2, seed);
    }
    println!("{} days: {deaths} deaths, {alerts} faults, each told once or twice", to - from);
    assert!(alerts > 0 && deaths > 0);
}
