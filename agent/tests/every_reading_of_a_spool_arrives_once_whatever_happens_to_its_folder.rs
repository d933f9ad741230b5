//! Property: machines with spools, their folders killed, cut short, put back and copied in any order, against the model of a
//! hub. Every reading that some folder still holds arrives exactly once. None arrives twice, even if several folders
//! had it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;
use windfire_agent::limits::SPOOL_BYTES_MIN;
use windfire_agent::outbox::{Outbox, SpoolOptions};
use windfire_wire::{Report, Welcome};

const MACHINES: usize = 3;

#[derive(Debug, Clone)]
enum Event {
    /// So many readings are taken.
    Read(usize),
    /// A connection: so many reports are taken, in frames of at most so many. The last ack arrives or not.
    Connect { reports: usize, frame: usize, is_acked: bool },
    /// The agent is killed and starts again.
    Kill,
    /// The power goes: of each file so many thousandths are on disk, the state is as it was, or gone.
    PowerCut { kept: Vec<u16>, has_old_state: bool },
    /// The folder is remembered as it is.
    Snapshot,
    /// The folder is put back as it was remembered, perhaps over what is there.
    Restore { is_over: bool },
    /// Another machine gets a copy.
    Copy { to: usize },
    /// The hub forgets everything that it has not told any agent.
    HubCrash,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1usize..8).prop_map(Event::Read),
        4 => (0usize..12, 1usize..5, any::<bool>())
            .prop_map(|(reports, frame, is_acked)| Event::Connect { reports, frame, is_acked }),
        2 => Just(Event::Kill),
        2 => (vec(0u16..=1000, 6), any::<bool>())
            .prop_map(|(kept, has_old_state)| Event::PowerCut { kept, has_old_state }),
        1 => Just(Event::Snapshot),
        1 => any::<bool>().prop_map(|is_over| Event::Restore { is_over }),
        1 => (0..MACHINES).prop_map(|to| Event::Copy { to }),
        1 => Just(Event::HubCrash),
    ]
}

type Files = BTreeMap<String, Vec<u8>>;

/// A hub's state of the one server that all machines report for.
#[derive(Debug, Clone, Default)]
struct Hub {
    last: u64,
    outboxes: HashMap<u128, u64>,
    history: Vec<i64>,
}

struct Machine {
    root: TempDir,
    outbox: Option<Outbox>,
    /// The state as it was before this process.
    old_state: Option<Vec<u8>>,
    snapshot: Option<Files>,
}

struct World {
    machines: Vec<Machine>,
    hub: Hub,
    /// As a crash would leave it.
    durable: Hub,
    /// The highest `next` of any welcome: no number may be given out twice.
    next_id: u128,
    readings: i64,
    /// Readings that some folder lost other than by an ack: they may be missing.
    lost: BTreeSet<i64>,
}

impl Machine {
    fn folder(&self) -> PathBuf {
        self.root.path().join("spool")
    }

    fn files(&self) -> Files {
        let Ok(entries) = fs::read_dir(self.folder()) else { return Files::new() };
        let names = entries.map(|entry| entry.expect("listed").file_name().into_string().expect("UTF-8"));
        names
            .filter(|name| name != "lock")
            .map(|name| {
                let bytes = fs::read(self.folder().join(&name)).expect("readable");
                (name, bytes)
            })
            .collect()
    }

    fn put(&self, files: &Files, is_over: bool) {
        if !is_over {
            let _may_be_missing = fs::remove_dir_all(self.folder());
        }
        fs::create_dir_all(self.folder()).expect("a folder");
        for (name, bytes) in files {
            fs::write(self.folder().join(name), bytes).expect("written");
        }
    }

    /// The readings in the folder, found by a process that looks and touches nothing.
    fn readings(&self) -> BTreeSet<i64> {
        let copy = tempfile::tempdir().expect("a temporary folder");
        let looker = Machine { root: copy, outbox: None, old_state: None, snapshot: None };
        looker.put(&self.files(), false);
        let mut found = BTreeSet::new();
        let mut outbox = Outbox::in_spool(&options(&looker.folder()), u128::MAX).expect("opened");
        loop {
            outbox.welcome(Welcome { server_id: 1, durable: 0, next: 1, report_interval_ms: 0 }).expect("welcome");
            while let Some(pending) = outbox.next(100).expect("readable") {
                outbox.sent(&pending, pending.reports.len());
                found.extend(pending.reports.iter().map(|report| report.time_ms));
                outbox.ack(pending.first_sequence + pending.reports.len() as u64 - 1);
            }
            if outbox.is_empty() && !outbox.has_moved_on() {
                return found;
            }
        }
    }
}

fn options(folder: &Path) -> SpoolOptions {
    SpoolOptions { folder: folder.to_owned(), bytes_max: SPOOL_BYTES_MIN }
}

impl World {
    fn new() -> Self {
        let machine = || Machine {
            root: tempfile::tempdir().expect("a temporary folder"),
            outbox: None,
            old_state: None,
            snapshot: None,
        };
        Self {
            machines: (0..MACHINES).map(|_| machine()).collect(),
            hub: Hub::default(),
            durable: Hub::default(),
            next_id: 1,
            readings: 0,
            lost: BTreeSet::new(),
        }
    }

    fn outbox(&mut self, machine: usize) -> &mut Outbox {
        let machine = &mut self.machines[machine];
        if machine.outbox.is_none() {
            machine.old_state = fs::read(machine.folder().join("state")).ok();
            machine.outbox = Some(Outbox::in_spool(&options(&machine.folder()), self.next_id).expect("opened"));
            self.next_id += 1;
        }
        machine.outbox.as_mut().expect("just opened")
    }

    /// Changes a folder without the agent's knowledge, and notes the readings that were lost by it.
    fn change(&mut self, machine: usize, change: impl FnOnce(&mut Machine)) {
        let machine = &mut self.machines[machine];
        machine.outbox = None;
        let before = machine.readings();
        change(machine);
        self.lost.extend(before.difference(&machine.readings()));
    }

    fn apply(&mut self, machine: usize, event: Event) {
        match event {
            Event::Read(count) => {
                for _ in 0..count {
                    self.readings += 1;
                    let report = Report { time_ms: self.readings, ..Report::default() };
                    self.outbox(machine).push(report).expect("room");
                }
            }
            Event::Connect { reports, frame, is_acked } => self.connect(machine, reports, frame, is_acked),
            Event::Kill => self.machines[machine].outbox = None,
            Event::PowerCut { kept, has_old_state } => self.change(machine, |machine| {
                let mut files = machine.files();
                for (at, (_, bytes)) in files.iter_mut().filter(|(name, _)| name.ends_with(".seg")).enumerate() {
                    // Sizes are often written before the contents.
                    let kept = bytes.len() * usize::from(kept[at % kept.len()]) / 1000;
                    if at % 2 == 0 { bytes.truncate(kept) } else { bytes[kept..].fill(0) }
                }
                match &machine.old_state {
                    Some(state) if has_old_state => drop(files.insert("state".to_owned(), state.clone())),
                    None if has_old_state => drop(files.remove("state")),
                    _ => {}
                }
                machine.put(&files, false);
            }),
            Event::Snapshot => {
                let files = self.machines[machine].files();
                self.machines[machine].snapshot = Some(files);
            }
            Event::Restore { is_over } => self.change(machine, |machine| {
                if let Some(files) = machine.snapshot.clone() {
                    machine.put(&files, is_over);
                }
            }),
            Event::Copy { to } if to != machine => {
                let files = self.machines[machine].files();
                self.change(to, |to| to.put(&files, false));
            }
            Event::Copy { .. } => {}
            Event::HubCrash => self.hub = self.durable.clone(),
        }
    }

    fn connect(&mut self, machine: usize, reports: usize, frame: usize, is_acked: bool) {
        let mut hub = std::mem::take(&mut self.hub);
        let outbox = self.outbox(machine);
        let id = outbox.id();
        let durable = hub.outboxes.get(&id).copied().unwrap_or(0);
        // The reports that a welcome names are on disk.
        let mut on_disk = hub.clone();
        outbox
            .welcome(Welcome { server_id: 1, durable, next: hub.last + 1, report_interval_ms: 0 })
            .expect("the hub's numbers are small");
        let mut left = reports;
        while left > 0
            && let Some(pending) = outbox.next(left.min(frame)).expect("readable")
        {
            let count = pending.reports.len();
            outbox.sent(&pending, count);
            left -= count;
            for (sequence, report) in (pending.first_sequence..).zip(&pending.reports) {
                if sequence > hub.last {
                    hub.last = sequence;
                    hub.outboxes.insert(id, sequence);
                    hub.history.push(report.time_ms);
                }
            }
        }
        if is_acked {
            on_disk = hub.clone();
            if let Some(up_to) = hub.outboxes.get(&id) {
                outbox.ack(*up_to);
            }
        }
        (self.hub, self.durable) = (hub, on_disk);
    }

    fn check(mut self) {
        // Every agent starts once more, and sends until nothing is left.
        for machine in 0..MACHINES {
            self.machines[machine].outbox = None;
        }
        let held: BTreeSet<i64> = self.machines.iter().flat_map(Machine::readings).collect();
        for machine in 0..MACHINES {
            for _ in 0..1000 {
                self.connect(machine, usize::MAX, 100, true);
                let outbox = self.outbox(machine);
                if outbox.is_empty() && !outbox.has_moved_on() {
                    break;
                }
            }
            assert!(self.outbox(machine).is_empty(), "machine {machine} is not settled");
        }
        let arrived: BTreeSet<i64> = self.hub.history.iter().copied().collect();
        assert_eq!(arrived.len(), self.hub.history.len(), "twice: {:?}", self.hub.history);
        let missing: Vec<i64> = held.difference(&arrived).copied().collect();
        assert!(missing.is_empty(), "on a disk, and not in history: {missing:?}");
        let gone: Vec<i64> =
            (1..=self.readings).filter(|time| !arrived.contains(time) && !self.lost.contains(time)).collect();
        assert!(gone.is_empty(), "lost by nobody, and not in history: {gone:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn every_reading_of_a_spool_arrives_once_whatever_happens_to_its_folder(
        events in vec((0..MACHINES, event()), 1..60),
    ) {
        let mut world = World::new();
        for (machine, event) in events {
            world.apply(machine, event);
        }
        world.check();
    }
}
