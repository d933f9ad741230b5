//! The hub: an engine in a folder, its machine's clocks, its deaths and its starts.

use std::path::PathBuf;
use std::sync::Arc;

use windfire_engine::clock::Reading;
use windfire_engine::history::Retention;
use windfire_engine::{Engine, FailPoint, Ledger, Member, Membership, Options};

use crate::moments::{Death, Died, at_fail_point, at_write, die, mortal, refuse};
use crate::power::{Cut, cut};
use crate::random::Random;

/// Days that reports are kept: a run lasts for some.
pub(crate) const RAW_DAYS: u32 = 1;
/// Days that minutes are kept.
pub(crate) const MINUTE_DAYS: u32 = 3;
/// Days that quarters are kept.
pub(crate) const QUARTER_DAYS: u32 = 30;

/// The hub of one seed.
pub(crate) struct Hub {
    /// Its data folder.
    pub(crate) folder: PathBuf,
    /// The engine, while it runs.
    pub(crate) engine: Option<Engine>,
    /// Its machine's wall clock minus the truth, milliseconds.
    pub(crate) wall_off_ms: i64,
    /// When the process started: its even clock begins there.
    started_ms: i64,
    /// Its number in a cluster, and where it proposes changes of the registry; `None` when it is alone.
    of_cluster: Option<(u32, Arc<dyn Ledger>)>,
    /// How often it was started.
    pub(crate) boots: u64,
}

/// The engine's options, with its doors open.
pub(crate) fn options() -> Options {
    let retention =
        Retention { raw_days: RAW_DAYS, minute_days: MINUTE_DAYS, quarter_days: QUARTER_DAYS, disk_bytes_max: 0 };
    Options { retention, at_fail_point: Some(at_fail_point), at_write: Some(at_write), ..Options::default() }
}

impl Hub {
    /// A hub that does not run yet.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, engine: None, wall_off_ms: 0, started_ms: 0, of_cluster: None, boots: 0 }
    }

    /// A hub of a cluster that does not run yet.
    pub(crate) fn of_cluster(folder: PathBuf, hub_id: u32, ledger: Arc<dyn Ledger>) -> Self {
        Self { of_cluster: Some((hub_id, ledger)), ..Self::new(folder) }
    }

    /// Starts it, at a true time. Rounds of upkeep may be left to bring history up to date. It dies when it reaches
    /// `dies_at`, now or then. Returns its death if that is now.
    pub(crate) fn start(
        &mut self,
        true_ms: i64,
        catches_up_later: bool,
        dies_at: Option<FailPoint>,
    ) -> Result<Option<Died>, String> {
        die(dies_at.map(Death::At));
        refuse(None);
        self.boots += 1;
        let following = self.of_cluster.as_ref().map(|(hub_id, ledger)| Membership {
            member: Member { hub_id: *hub_id, boot_id: self.boots },
            ledger: Arc::clone(ledger),
        });
        let options = Options { catches_up_later, following, ..options() };
        let opened = match mortal(|| Engine::open(&self.folder, options)) {
            Ok(opened) => opened,
            Err(died) => return Ok(Some(died)),
        };
        self.engine = Some(opened.map_err(|error| format!("the hub does not start: {error}"))?);
        self.started_ms = true_ms;
        Ok(None)
    }

    /// The time that it believes, at a true time.
    pub(crate) fn now_ms(&self, true_ms: i64) -> i64 {
        let reading = Reading { wall_ms: true_ms + self.wall_off_ms, uptime_ms: true_ms - self.started_ms };
        self.engine.as_ref().map_or(0, |engine| engine.clock().read(reading))
    }

    /// Ends it without a word, as a kill does; as a power cut does when `power` says what is lost.
    pub(crate) fn die(&mut self, power: Option<&mut Random>) -> Result<Cut, String> {
        die(None);
        refuse(None);
        self.engine = None;
        power.map_or_else(|| Ok(Cut::default()), |random| cut(&self.folder, random))
    }
}
