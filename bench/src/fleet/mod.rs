//! `windfire-bench fleet`: a fleet against a hub, measured second by second. Afterwards it looks for every report in
//! history.

pub mod api_load;
pub mod hostile;
mod hub;
mod hub_watch;
pub mod outcome;
pub mod profile;
mod recovery;
pub mod report;
pub mod storm;
mod trend;

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use self::api_load::{ApiLoad, Asking};
use self::hostile::{Browser, Hostile, HostileOutcome};
pub use self::hub::{Hub, OtherHub};
use self::hub_watch::HubWatch;
pub(crate) use self::hub_watch::folder_bytes;
pub(crate) use self::outcome::POINTS_PER_REPORT;
use self::outcome::{Outcome, Second, table_row};
use self::profile::Profile;
use self::recovery::Recovery;
use crate::hub_process::usage_of;
use crate::swarm::{Account, Latencies, Swarm, SwarmOptions};

/// Time in which the hub must welcome every agent, beyond the ramp.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(600);
/// First seconds of a run, in which the effects of the start settle.
const SETTLE: Duration = Duration::from_secs(5);
/// Time after an attack until the hub's memory is read.
const AFTERMATH: Duration = Duration::from_secs(15);

/// The run to measure.
pub struct Run {
    /// The hub.
    pub hub: Hub,
    /// One for each agent.
    pub credentials: Vec<String>,
    /// A token that may read.
    pub token: String,
    /// How the agents behave.
    pub swarm: SwarmOptions,
    /// How long it is measured.
    pub measured: Duration,
    /// Events during the measurement.
    pub profile: Profile,
    /// Time from one kill of the hub to the next, beside what the profile has.
    pub kill_every: Option<Duration>,
    /// API requests to send.
    pub api: Vec<ApiLoad>,
    /// The hub's `memory_bytes_max`, which bounds what an attack may take. Absent for a hub that is not ours.
    pub memory_bytes_max: Option<u64>,
}

impl Run {
    /// Measures.
    ///
    /// # Panics
    /// When the hub does not start, or agents do not get in.
    pub fn measure(self) -> Outcome {
        let Self { mut hub, mut credentials, token, mut swarm, measured, profile, kill_every, api, memory_bytes_max } =
            self;
        // The last server is the greedy one's.
        let greedy = if profile == Profile::Hostile { credentials.pop() } else { None };
        let agents = credentials.len();
        swarm.spread = profile.spread();
        swarm.flaps_per_s = profile.flaps_per_s(agents);
        let (interval_s, threads, ramp) = (swarm.interval.as_secs_f64(), swarm.threads, swarm.ramp);
        let mut watch = HubWatch::start(&mut hub);
        let mut progress = Progress::new();
        progress.say("hub", &format!("http://{}", watch.http));
        let started = Instant::now();
        let mut fleet = Swarm::start_at(&watch.target, &credentials, swarm);
        loop {
            watch.look(&hub);
            if watch.now.sessions as usize >= agents {
                break;
            }
            assert!(started.elapsed() < ramp + CONNECT_TIMEOUT, "not all agents were welcomed in time");
            progress.show(&format!("connecting  {:.0} of {agents}", watch.now.sessions));
            thread::sleep(Duration::from_millis(100));
        }
        let connected_s = started.elapsed().as_secs_f64();
        progress.say("connected", &format!("in {connected_s:.1} s"));
        thread::sleep(SETTLE);

        let asking = Asking::start(watch.http, &token, agents, &api, profile.slow_readers());
        drop(fleet.take_latencies());
        let late_before = fleet.late();
        watch.look(&hub);
        watch.begin();
        let generator_before_s = own_cpu_s();
        let mut latencies = Latencies::default();
        let (mut seconds, mut recovery) = (Vec::new(), Recovery::new(profile, kill_every, agents, measured));
        let mut attack = Attack::new(greedy, measured, watch.http, &token, memory_bytes_max);
        let window = Instant::now();
        let mut last_generator_s = generator_before_s;
        while window.elapsed() < measured || recovery.is_under_way() {
            let at = Instant::now();
            attack.step(window.elapsed(), &watch);
            recovery.step(window.elapsed(), &mut hub, &mut watch, &fleet, agents);
            thread::sleep(Duration::from_secs(1).saturating_sub(at.elapsed()));
            let fresh = fleet.take_latencies();
            latencies.add(&fresh);
            let took_s = at.elapsed().as_secs_f64();
            let generator_s = own_cpu_s();
            watch.look(&hub);
            let ms = |quantile| fresh.ack.value_at_quantile(quantile) as f64 / 1000.0;
            let second = Second {
                at_s: window.elapsed().as_secs_f64(),
                age_s: recovery.age_s(window.elapsed()),
                generator_cores: (generator_s - last_generator_s) / took_s,
                ack_p50_ms: ms(0.5),
                ack_p99_ms: ms(0.99),
                ..watch.second(took_s)
            };
            last_generator_s = generator_s;
            progress.show(&format!(
                "{:>4.0} s  {:>7.0} reports/s  hub {:>3.0} %  {:>6.0} MiB  ack p99 {:>6.1} ms  {:.1} samples per frame",
                second.at_s,
                second.durable_per_s,
                second.hub_cores * 100.0,
                second.rss_mib,
                second.ack_p99_ms,
                second.samples_per_frame
            ));
            seconds.push(second);
        }
        let measured_s = window.elapsed().as_secs_f64();
        let generator_busy = (own_cpu_s() - generator_before_s) / measured_s / threads.max(1) as f64;
        watch.end();
        let answers = asking.finish();
        let mut hostile = attack.finish(&seconds);
        if let Some(hostile) = &mut hostile {
            // The resources of the attack are given back once it is over.
            thread::sleep(AFTERMATH);
            watch.look(&hub);
            hostile.rss_mib_after = watch.rss_mib();
        }
        let late = fleet.late() - late_before;
        progress.show("waiting for the last acks");
        fleet.pause();
        wait_for_acks(&fleet);
        let accounts = fleet.finish();
        let refused = fleet.refused();
        let Account { pushed: sent, acked } = Account::total(&accounts);
        progress.show("looking for every report in history");
        let checked = watch.stop_and_check(&mut hub, &accounts);
        progress.end();
        Outcome {
            agents,
            interval_s,
            profile: profile.name(),
            connected_s,
            measured_s,
            sent,
            acked,
            refused,
            checked,
            durable: watch.durable(),
            frames: watch.frames(),
            frame_bytes: watch.frame_bytes(),
            latencies,
            answers,
            hub: watch.hub_use(),
            recovered_s: recovery.recovered_s,
            kills: recovery.kills,
            hostile,
            generator_busy,
            late,
            seconds,
        }
    }
}

/// The attack of the second half, if there is one.
struct Attack {
    greedy: Option<String>,
    at: Duration,
    browser: Option<Browser>,
    hostile: Option<Hostile>,
    memory_bytes_max: Option<u64>,
}

impl Attack {
    fn new(
        greedy: Option<String>,
        measured: Duration,
        http: SocketAddr,
        token: &str,
        memory_bytes_max: Option<u64>,
    ) -> Self {
        let browser = greedy.as_ref().map(|_| Browser::start(http, token));
        Self { greedy, at: measured / 2, browser, hostile: None, memory_bytes_max }
    }

    fn step(&mut self, elapsed: Duration, watch: &HubWatch) {
        if elapsed >= self.at
            && let (Some(greedy), Some(browser)) = (&self.greedy, self.browser.take())
        {
            self.hostile = Some(Hostile::start(watch.http, &watch.target, greedy, browser));
        }
    }

    fn finish(self, seconds: &[Second]) -> Option<HostileOutcome> {
        let outcome = self.hostile?.finish();
        let at_s = self.at.as_secs_f64();
        let median = |is_wanted: &dyn Fn(&Second) -> bool| {
            let mut all: Vec<f64> = seconds.iter().filter(|second| is_wanted(second)).map(|s| s.ack_p99_ms).collect();
            all.sort_unstable_by(f64::total_cmp);
            all.get(all.len() / 2).copied().unwrap_or_default()
        };
        let ack_p99_ms_before = median(&|second| second.at_s < at_s);
        let ack_p99_ms_during = median(&|second| second.at_s > at_s + 1.0);
        let highest_mib = |is_wanted: &dyn Fn(&Second) -> bool| {
            seconds.iter().filter(|second| is_wanted(second)).map(|second| second.rss_mib).fold(0.0, f64::max)
        };
        Some(HostileOutcome {
            ack_p99_ms_before,
            ack_p99_ms_during,
            rss_mib_before: highest_mib(&|second| second.at_s < at_s),
            rss_mib_during: highest_mib(&|second| second.at_s >= at_s),
            growth_mib_max: self.memory_bytes_max.map(|bytes| bytes as f64 / 1048576.0),
            ..outcome
        })
    }
}

fn own_cpu_s() -> f64 {
    usage_of(std::process::id()).cpu_s()
}

/// Waits up to 2 s for acks. Agents that gather samples ask for their last ack only when they stop.
fn wait_for_acks(fleet: &Swarm) {
    let deadline = Instant::now() + Duration::from_secs(2);
    while Instant::now() < deadline {
        let Account { pushed, acked } = Account::total(&fleet.accounts());
        if pushed == acked {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Rows of the table that are known early, and in between one line on a terminal, or nothing.
struct Progress {
    is_shown: bool,
}

impl Progress {
    fn new() -> Self {
        Self { is_shown: std::io::stderr().is_terminal() }
    }

    /// Prints a row of the table early: an operator who watches the run needs to know the hub's address, and when all
    /// agents are connected.
    fn say(&mut self, name: &str, text: &str) {
        self.end();
        println!("{}", table_row(name, text));
    }

    fn show(&mut self, text: &str) {
        if self.is_shown {
            eprint!("\r\x1b[2K{text}");
            let _shown_later = std::io::stderr().flush();
        }
    }

    fn end(&mut self) {
        if self.is_shown {
            eprint!("\r\x1b[2K");
        }
    }
}
