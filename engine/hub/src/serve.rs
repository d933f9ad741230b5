//! The life of a hub: open, bind, announce, run, drain, last commit.

use std::fs;
use std::io::{self, Write};
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, watch};
use windfire_api::live::Live;
use windfire_api::{Agents, Api, Details, SignInLimit};
use windfire_engine::clock::Reading;
use windfire_engine::secret::new_secret;
use windfire_engine::user::{PasswordHash, Role};
use windfire_engine::{Engine, Options, waits};

use crate::admin;
use crate::committer::Committer;
use crate::config::Config;
use crate::country;
use crate::enroller::Enrolments;
use crate::folder;
use crate::historian::Historian;
use crate::http::{self, Http};
use crate::ingest::{Ingest, Lane, Refusals, Sockets};
use crate::limits::{CHANGES_MAX, HISTORY_ANSWERS_MAX, START_QUIET, START_SIGN_INTERVAL, STOP_TIMEOUT};
use crate::memory::Budgets;
use crate::metrics::Metrics;
use crate::pacer;
use crate::starting::Starting;
use crate::tls::{self, Certificate};

/// The trusted time, Unix milliseconds: what the engine makes of the machine's clocks.
pub(crate) type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Serves until asked to stop. Everything that can be wrong beforehand is an error before anything is accepted.
/// `with_new_certificate` makes one where the folder has lost its own.
pub(crate) fn serve(config: &Config, with_new_certificate: bool, reading: fn() -> Reading) -> Result<(), String> {
    let signals = Signals::watch_from_the_start()?;
    raise_descriptors();
    admin::check_path(&config.data)?;
    folder::prepare(&config.data)?;
    let country_of = config.country_db.as_deref().map(country::open).transpose()?;
    let starting = Starting::new(START_QUIET, START_SIGN_INTERVAL, |words| tracing::info!("starting: {words}"));
    let options = Options {
        report_interval_ms: config.report_interval_s * 1000,
        samples_per_frame_min: config.samples_per_frame,
        retention: config.retention(),
        country_of,
        on_replay: Some(starting.listener_of_hub(&config.data)),
        ..Options::default()
    };
    let is_new = !windfire_engine::is_store(&config.data);
    if is_new {
        // Interrupted, it is begun again.
        windfire_engine::begin_store(&config.data).map_err(|error| error.to_string())?;
    }
    if is_new || with_new_certificate {
        Certificate::make(&config.data)?;
    }
    let engine = Arc::new(Engine::open(&config.data, options).map_err(|error| folder::explain(&error))?);
    let clock: Clock = {
        let engine = Arc::clone(&engine);
        Arc::new(move || engine.clock().read(reading()))
    };
    admin::is_a_hub_now(&config.data);
    // From now on a verb waits for the hub instead of hearing that it starts.
    let admin_socket = starting.admin_socket(&config.data)?;
    drop(starting);
    let own = Certificate::own(&config.data)?;
    let fingerprint = own.fingerprint();
    let reset_key = tls::reset_key(&config.data)?;
    let https = if config.https { Some(tls::for_https(config)?.for_http()?) } else { None };
    let quic_sockets = Sockets::bind(config.quic, config.udp_buffer_bytes, listeners(config))?;
    let http_socket = http::Socket::bind(config.http)?;
    let metrics = Arc::new(Metrics::default());

    let mut signals = signals.map_or_else(Signals::watch, Ok)?;
    let replayed = engine.replayed_reports();
    tracing::info!(data = %config.data.display(), servers = engine.registry().server_count(), replayed, "store open");
    let (committed_sender, committed) = watch::channel(0);
    let (stop_sender, stop) = watch::channel(false);
    let commits_stop = Arc::new(AtomicBool::new(false));
    let committer = Committer {
        engine: Arc::clone(&engine),
        metrics: Arc::clone(&metrics),
        interval: Duration::from_millis(config.commit_interval_ms),
        committed: committed_sender,
        stop: Arc::clone(&commits_stop),
    };
    let historian = Historian {
        engine: Arc::clone(&engine),
        metrics: Arc::clone(&metrics),
        clock: Arc::clone(&clock),
        stop: Arc::clone(&commits_stop),
    };
    let (enrolments, enroller) = Enrolments::new(Arc::clone(&engine), Arc::clone(&metrics), Arc::clone(&clock));
    let ingest = Ingest {
        engine: Arc::clone(&engine),
        metrics: Arc::clone(&metrics),
        clock: Arc::clone(&clock),
        sessions_max: config.sessions_max,
        enrolments,
        refusals: Arc::new(Refusals::new(Instant::now())),
        committed,
        stop: stop.clone(),
    };
    let quic_port = quic_sockets.address().map_or(0, |address| address.port());
    let agents_way =
        Agents { address: config.agents_address_at(quic_port), port: quic_port, fingerprint: fingerprint.clone() };
    let api = Arc::new(Api {
        cookie_name: config.cookie_name.clone(),
        cors_origin: config.cors_origin.as_deref().and_then(|origin| origin.parse().ok()),
        are_guests_allowed: config.guests,
        is_https: config.https,
        agents: agents_way.clone(),
        sign_in_limit: SignInLimit::default(),
        details: Details::default(),
    });
    // Only to be told from another process's: the clock will do.
    let budgets = Budgets::of(config.memory_bytes_max);
    tracing::info!(
        memory_bytes_max = config.memory_bytes_max,
        answers = budgets.answers_bytes,
        live = budgets.live_bytes,
        history = budgets.history_bytes,
        pending = budgets.pending_bytes,
        "memory shared out"
    );
    let live = Live::new(clock().cast_unsigned(), config.offline_after_s.into()).bounded(budgets.live_bytes);
    let live = Arc::new(live);
    let (ticks_sender, ticks) = watch::channel(0);
    let http = Http {
        api,
        live: Arc::clone(&live),
        engine: Arc::clone(&engine),
        metrics: Arc::clone(&metrics),
        clock: Arc::clone(&clock),
        shares: http::Shares::of(&budgets),
        history_room: Arc::new(Semaphore::new(HISTORY_ANSWERS_MAX)),
        change_room: Arc::new(Semaphore::new(CHANGES_MAX)),
        ticks,
    };
    make_administrator(&engine, clock().div_euclid(1000))?;

    let scheme = if config.https { "https" } else { "http" };
    let address = |socket: Option<std::net::SocketAddr>| socket.map(|a| a.to_string()).unwrap_or_default();
    tracing::info!(
        http = format!("{scheme}://{}", address(http_socket.address())),
        quic = address(quic_sockets.address()),
        fingerprint,
        "ready"
    );

    // One thread each for agents, HTTP, commits, enrolments and history: a slow answer or a slow disk holds up nobody else.
    let agents_tls = own.for_agents()?;
    let lanes = ingest.lanes(quic_sockets, agents_tls, &reset_key)?;
    let (ended_sender, mut ended) = mpsc::unbounded_channel();
    let watched = |name| Ended { name, sender: ended_sender.clone() };
    let listen = |lane: Lane| {
        spawn(watched("agents"), move |runtime| {
            waits::never_here();
            runtime.block_on(lane.listen())
        })
    };
    let agents = lanes.into_iter().map(listen).collect::<Result<Vec<_>, _>>()?;
    let ticking = http::live::run(live, Arc::clone(&engine), Arc::clone(&clock), ticks_sender, stop.clone());
    let pages = spawn(watched("http"), move |runtime| {
        // Changes, and answers from history, are for tokio's blocking threads.
        waits::never_here();
        runtime.spawn(ticking);
        runtime.block_on(http.run(http_socket, https, stop))
    })?;
    let commits = start(watched("commits"), move || committer.run())?;
    let enrols = start(watched("enrolments"), move || enroller.run())?;
    let history = start(watched("history"), move || historian.run())?;
    let main = runtime()?;
    let pacing = pacer::run(Arc::clone(&engine), metrics, agents.len());
    let asked = main.block_on(async {
        tokio::select! {
            () = signals.asked() => Ok(()),
            // The others would go on, and nobody would notice that agents are not heard, or nothing becomes durable.
            Some(name) = ended.recv() => Err(format!("the thread for {name} ended by itself: see the log, and start again")),
            never = pacing => match never {},
            ended = admin::serve(admin_socket, config.data.clone(), engine, clock, agents_way) => ended,
        }
    });

    tracing::info!("stopping: no new agents, open sessions end after their last ack");
    let _threads_are_gone = stop_sender.send(true);
    let agents_ended = agents.into_iter().map(join).fold(Ok(()), Result::and);
    let pages_ended = join(pages);
    // Nobody can ask any more, so it ends when what waits is done.
    let enrols_ended = enrols.join().map_err(|_| "the thread for enrolments failed".to_owned());
    commits_stop.store(true, Ordering::Release);
    let history_ended = history.join().map_err(|_| "the thread for history failed".to_owned());
    let commits_ended = commits.join().map_err(|_| "the thread for commits failed".to_owned());
    let _no_longer_answers = fs::remove_file(config.data.join("admin.sock"));
    asked.and(agents_ended).and(pages_ended).and(enrols_ended).and(history_ended).and(commits_ended)
}

/// Takes as many descriptors as the process may have: the usual 1,024 are for programs that `select`.
fn raise_descriptors() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // Where it is refused, fewer connections are taken.
        let _refused = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}

/// Threads for agents: as configured, or one for each core that this process may use.
fn listeners(config: &Config) -> usize {
    match config.agent_threads {
        0 => thread::available_parallelism().map_or(1, NonZero::get),
        threads => threads,
    }
}

/// Makes the first administrator of a new store, and prints its password where no log keeps it.
fn make_administrator(engine: &Engine, now_s: i64) -> Result<(), String> {
    if engine.registry().users().is_empty() {
        let password = new_password();
        let hash = PasswordHash::of(&password)?;
        engine
            .registry()
            .add_user(ADMINISTRATOR.to_owned(), Role::Admin, hash, now_s)
            .map_err(|error| error.to_string())?;
        // In one piece, and apart from the lines of a log that may be shown on the same terminal.
        let rule = "-".repeat(72);
        let lines = format!(
            "\n{rule}\nadministrator: user {ADMINISTRATOR}, password {password} (shown once)\nIt is for the panel. \"windfire \
             admin password\" makes a new one.\n{rule}\n\n"
        );
        if io::stdout().write_all(lines.as_bytes()).is_err() {
            tracing::warn!("nobody read the administrator's password: \"windfire admin password\" makes a new one");
        }
    }
    Ok(())
}

/// Name of the first administrator.
pub(crate) const ADMINISTRATOR: &str = "admin";

/// A password that nobody guesses: 20 base62 characters, 119 bits.
pub(crate) fn new_password() -> String {
    let mut password = new_secret();
    password.truncate(20);
    password
}

/// SIGTERM and SIGINT, on a thread of their own.
struct Signals {
    /// Whether a stop was asked for.
    asked: watch::Receiver<bool>,
    /// Set once there is something to be stopped in order.
    is_running: Arc<AtomicBool>,
}

impl Signals {
    /// For a process that is the first of its container: it ends by no signal that it does not look at, and opening a store
    /// takes its time. Any other ends by itself until [`Signals::watch`].
    fn watch_from_the_start() -> Result<Option<Self>, String> {
        (std::process::id() == 1).then(|| Self::watch_while(false)).transpose()
    }

    /// For a hub that has something to be stopped in order.
    fn watch() -> Result<Self, String> {
        Self::watch_while(true)
    }

    fn watch_while(is_running: bool) -> Result<Self, String> {
        let (sender, asked) = watch::channel(false);
        let (ready_sender, ready) = std::sync::mpsc::channel();
        let is_running = Arc::new(AtomicBool::new(is_running));
        let is_running_now = Arc::clone(&is_running);
        let watch = move || -> Result<(), String> {
            let runtime = runtime()?;
            runtime.block_on(async {
                let failed = |error: io::Error| format!("signals: {error}");
                let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
                let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
                let _start_goes_on = ready_sender.send(());
                let mut first_asked = None;
                loop {
                    tokio::select! {
                        _ = terminate.recv() => {}
                        _ = interrupt.recv() => {}
                    }
                    // What was acknowledged is on disk, so the process may end at any moment.
                    if !is_running_now.load(Ordering::Acquire) {
                        tracing::info!("stopped while starting");
                        std::process::exit(0);
                    }
                    sender.send_replace(true);
                    // One wish to stop may come as several signals, from a terminal and from who watches over the hub.
                    if first_asked.get_or_insert_with(Instant::now).elapsed() > STOP_TIMEOUT {
                        tracing::warn!("asked to stop again: stopped at once, agents keep what was not acknowledged");
                        // Not in order, which would wait for the same disk; the first of a container must end itself.
                        let _first =
                            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
                        std::process::exit(1);
                    }
                }
            })
        };
        let named = thread::Builder::new().name("signals".to_owned());
        // It ends with the process.
        let thread = named.spawn(watch).map_err(|error| format!("no thread: {error}"))?;
        match ready.recv() {
            Ok(()) => Ok(Self { asked, is_running }),
            Err(_) => Err(join(thread).err().unwrap_or_else(|| "signals cannot be watched".to_owned())),
        }
    }

    /// Ends when a stop was asked for.
    async fn asked(&mut self) {
        self.is_running.store(true, Ordering::Release);
        if self.asked.wait_for(|asked| *asked).await.is_err() {
            // Signals are watched as long as the process lives.
            std::future::pending::<()>().await;
        }
    }
}

/// A runtime of one thread.
pub(crate) fn runtime() -> Result<Runtime, String> {
    Builder::new_current_thread().enable_all().build().map_err(|error| format!("no runtime: {error}"))
}

type Thread<T> = thread::JoinHandle<T>;

/// Says that its thread ended, and were it by a panic.
struct Ended {
    name: &'static str,
    /// Takes one message of each thread.
    sender: mpsc::UnboundedSender<&'static str>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        let _stopping_already = self.sender.send(self.name);
    }
}

fn start<T: Send + 'static>(ended: Ended, run: impl FnOnce() -> T + Send + 'static) -> Result<Thread<T>, String> {
    let named = thread::Builder::new().name(ended.name.to_owned());
    let run = move || {
        let _ended = ended;
        run()
    };
    named.spawn(run).map_err(|error| format!("no thread: {error}"))
}

/// [`start`] with a runtime of the thread's own.
fn spawn(
    ended: Ended,
    run: impl FnOnce(Runtime) -> Result<(), String> + Send + 'static,
) -> Result<Thread<Result<(), String>>, String> {
    start(ended, move || run(runtime()?))
}

fn join(thread: Thread<Result<(), String>>) -> Result<(), String> {
    thread.join().unwrap_or_else(|_| Err("a thread failed".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_fails_is_noticed() {
        let (sender, mut ended) = mpsc::unbounded_channel();
        let thread = start(Ended { name: "agents", sender }, || panic!("a fault")).expect("a thread");
        assert!(thread.join().is_err());
        assert_eq!(ended.try_recv(), Ok("agents"));
    }
}
