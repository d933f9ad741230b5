//! The life of a hub: open, bind, announce, run, drain, last writes.

use std::net::SocketAddr;
use std::num::NonZero;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::{Semaphore, watch};
use windfire_api::live::Live;
use windfire_api::{Agents, Api, Cluster};
use windfire_engine::clock::Reading;
use windfire_engine::{Engine, Membership, Options, Tuning, waits};
use windfire_outbound::{Outbound, check_templates};

use crate::admin::{self, HandOver};
use crate::alert::{NoticeThread, PassThread};
use crate::clock::clock_of;
use crate::cluster::{self, ClusterThread, Entry};
use crate::commit_thread::CommitThread;
use crate::config::Config;
use crate::counters::Counters;
use crate::country::{self, Countries};
use crate::enroller::Enrolments;
use crate::folder;
use crate::http::{self, Http};
use crate::https::{self, Files, Loaded, PanelCertificate};
use crate::ingest::{Ingest, Places, Refusals, Sockets};
use crate::limits::{CHANGES_MAX, HISTORY_ANSWERS_MAX, START_QUIET, START_SIGN_INTERVAL, STOP_TIMEOUT};
use crate::maintenance_thread::MaintenanceThread;
use crate::memory::Budgets;
use crate::pacer;
use crate::pulse::Pulses;
use crate::reload::{self, Parts, Reloader, SetLog, Source};
use crate::service::Service;
use crate::signals::Signals;
use crate::starting::Starting;
use crate::swap::Swap;
use crate::threads::{Phase, Threads, Worker, runtime};
use crate::tls::{self, Certificate};

/// What a hub is started with besides its configuration.
pub(crate) struct Launch {
    /// Creates a certificate if the folder has lost its own.
    pub(crate) with_new_certificate: bool,
    /// Upgrades a store of an older format without a way back.
    pub(crate) without_rollback: bool,
    pub(crate) reading: fn() -> Reading,
    pub(crate) source: Source,
    pub(crate) set_log: SetLog,
    pub(crate) service: Service,
}

/// Serves until asked to stop. Everything that can be wrong beforehand is an error before anything is accepted.
pub(crate) fn serve(config: &Config, launch: Launch) -> Result<(), String> {
    let Launch { with_new_certificate, without_rollback, reading, source, set_log, service } = launch;
    let mut signals = Signals::watch()?;
    raise_descriptors();
    let countries = Countries::new(config.country_db.as_deref().map(country::open).transpose()?);
    if config.cluster.is_on() {
        service.starting("looking at the brokers");
    }
    let entry = cluster::enter(config)?;
    let membership = entry.as_ref().map(Entry::membership);
    let upgrade = (with_new_certificate, without_rollback);
    let (engine, admin_socket) = open(config, upgrade, &countries, &service, membership)?;
    let claimed = match entry {
        Some(entry) => {
            service.starting("waiting for the hub's id at the brokers");
            Some(entry.claim(&engine)?)
        }
        None => None,
    };
    let clock = clock_of(&engine, reading);
    let own = Certificate::own(&config.data)?;
    let (fingerprint, is_created_here) = (own.fingerprint(), own.is_created_here());
    let agents_tls = own.for_agents().map_err(|error| tls::damaged(&config.data, &error))?;
    if is_created_here {
        tls::note(&config.data, &fingerprint)?;
    }
    let reset_key = tls::reset_key(&config.data)?;
    let counters = Arc::new(Counters::default());
    let certificate = if config.https {
        let loaded = Loaded::read(&config.data, Files::of(config).as_ref())?;
        Some(Arc::new(PanelCertificate::new(loaded, Arc::clone(&counters))))
    } else {
        None
    };
    let https = certificate.as_ref().map(PanelCertificate::server_config).transpose()?;
    let quic_sockets = Sockets::bind(config.quic, config.udp_buffer_bytes, listeners(config))?;
    let http_socket = http::Socket::bind(config.http)?;
    let (quic_address, http_address) = (quic_sockets.address(), http_socket.address());

    let replayed = engine.replayed_reports();
    tracing::info!(data = %config.data.display(), servers = engine.registry().server_count(), replayed, "store open");
    let port = quic_address.map_or(0, |address| address.port());
    let mut api = api(config, Agents { address: None, port, fingerprint: fingerprint.clone() });
    if let Some(claimed) = &claimed {
        api.is_registry_stale = claimed.state.registry_staleness();
        api.cluster = Some(Arc::clone(&claimed.state) as Arc<dyn Cluster>);
    }
    let api = Arc::new(Swap::new(api));
    let mut threads = Threads::new();
    let pulses = Arc::new(Pulses::new());
    let (committed_sender, committed) = watch::channel(0);
    let cluster = claimed.map(|claimed| {
        counters.set_cluster(Arc::clone(&claimed.state));
        let (engine, clock) = (Arc::clone(&engine), Arc::clone(&clock));
        ClusterThread::new(claimed, engine, clock, committed_sender.clone(), threads.stop())
    });
    let (cluster_thread, offered) = cluster.unzip();
    let commit_thread = CommitThread {
        engine: Arc::clone(&engine),
        counters: Arc::clone(&counters),
        interval: Duration::from_millis(config.commit_interval_ms),
        committed: committed_sender,
        stop: threads.stop(),
    };
    let maintenance_thread = MaintenanceThread {
        engine: Arc::clone(&engine),
        counters: Arc::clone(&counters),
        clock: Arc::clone(&clock),
        stop: threads.stop(),
    };
    let pass_thread = PassThread {
        engine: Arc::clone(&engine),
        counters: Arc::clone(&counters),
        clock: Arc::clone(&clock),
        data: config.data.clone(),
        interval: Duration::from_secs(config.alert_interval_s.into()),
        stop: threads.stop(),
    };
    let notice_thread = NoticeThread {
        engine: Arc::clone(&engine),
        clock: Arc::clone(&clock),
        outbound: Outbound::new(env!("CARGO_PKG_VERSION")),
        public_url: config.public_url.clone(),
        cluster: counters.cluster().cloned(),
        stop: threads.stop(),
    };
    let (enrolments, enroller) = Enrolments::new(Arc::clone(&engine), Arc::clone(&counters), Arc::clone(&clock));
    let ingest = Ingest {
        engine: Arc::clone(&engine),
        counters: Arc::clone(&counters),
        clock: Arc::clone(&clock),
        sessions_max: config.sessions_max,
        places: Arc::new(Places::default()),
        enrolments,
        refusals: Arc::new(Refusals::new(Instant::now())),
        committed,
        offered,
        stop: threads.stop(),
    };
    let budgets = shared_out(config);
    // It only has to differ from another process's, so the clock is enough.
    let live = Live::new(clock().cast_unsigned(), config.offline_after_s.into()).bounded(budgets.live_bytes);
    let live = Arc::new(live);
    let (ticks_sender, ticks) = watch::channel(0);
    let proxies = Arc::new(Swap::new(config.trusted_proxies.clone()));
    let hsts = Arc::new(Swap::new(config.hsts()));
    let hand_over = HandOver::new(config.data.clone());
    let http = Http {
        api: Arc::clone(&api),
        live: Arc::clone(&live),
        engine: Arc::clone(&engine),
        counters: Arc::clone(&counters),
        clock: Arc::clone(&clock),
        proxies: Arc::clone(&proxies),
        hsts: Arc::clone(&hsts),
        shares: http::Shares::of(&budgets),
        history_room: Arc::new(Semaphore::new(HISTORY_ANSWERS_MAX)),
        change_room: Arc::new(Semaphore::new(CHANGES_MAX)),
        hand_over: Arc::clone(&hand_over),
        ticks,
    };
    let parts = Parts {
        engine: Arc::clone(&engine),
        live: Arc::clone(&live),
        api,
        certificate: certificate.clone(),
        countries,
        proxies,
        hsts,
        set_log,
        counters: Arc::clone(&counters),
        service: service.clone(),
    };
    let reloader = Arc::new(Reloader::new(source, parts, config.clone()));
    // Every change goes through it. Sessions that end get their last acks by it.
    if let Some(thread) = cluster_thread {
        let pulse = pulses.add("cluster");
        let run = Box::new(move || thread.run(pulse));
        threads.start(Worker { name: "cluster", ends_in: Phase::LastWrites, run })?;
    }
    if let Some(state) = counters.cluster() {
        cluster::await_registry(state, &mut threads, &service)?;
    }
    admin::make_administrator(&engine, config.first_password_file.as_deref(), clock().div_euclid(1000))?;
    admin::begin_rules(&engine, clock().div_euclid(1000));
    signals.serving();
    announce(config, http_address, quic_address, &fingerprint);

    // A slow answer or a slow disk does not hold up the others, because each has its own thread. They end in this
    // order.
    let lanes = ingest.lanes(quic_sockets, agents_tls, &reset_key)?;
    let listeners = lanes.len();
    for lane in lanes {
        let pulse = pulses.add("listener");
        threads.start_driving("listener", Phase::Draining, move |runtime| {
            waits::never_here();
            runtime.block_on(lane.listen(&pulse))
        })?;
    }
    let ticking = http::live::run(live, Arc::clone(&engine), Arc::clone(&clock), ticks_sender, threads.stop());
    let (stop, pulse) = (threads.stop(), pulses.add("http"));
    threads.start_driving("http", Phase::Draining, move |runtime| {
        // Changes, and answers from history, are for tokio's blocking threads.
        waits::never_here();
        runtime.spawn(ticking);
        runtime.spawn(pulse.beat_with_the_others());
        runtime.block_on(http.run(http_socket, https, stop))
    })?;
    // The agents are being sent away: from now on their silence says nothing.
    let pulse = pulses.add("alerts");
    threads.start(Worker::new("alerts", Phase::Draining, move || pass_thread.run(&pulse)))?;
    let pulse = pulses.add("notices");
    threads.start_driving("notices", Phase::Draining, move |runtime| {
        notice_thread.run(runtime, &pulse);
        Ok(())
    })?;
    // Ends when no thread can ask it any more, and the waiting requests are done.
    let pulse = pulses.add("enrolments");
    threads.start(Worker::new("enrolments", Phase::Draining, move || enroller.run(&pulse)))?;
    let pulse = pulses.add("history");
    threads.start(Worker::new("history", Phase::LastWrites, move || maintenance_thread.run(&pulse)))?;
    let pulse = pulses.add("commits");
    threads.start(Worker::new("commits", Phase::LastWrites, move || commit_thread.run(&pulse)))?;

    let pacing = pacer::run(Arc::clone(&engine), Arc::clone(&counters), listeners);
    let watching = https::watch(certificate);
    let reloading = reload::at_each(signals.reloads(), Arc::clone(&reloader));
    let telling = service.clone().run(Arc::clone(&engine), Arc::clone(&counters), pulses);
    let (agents, asked_to_reload) = (Arc::clone(&reloader), move || reloader.try_reload());
    let agents = move || agents.agents();
    let answering = admin::Answering {
        engine,
        clock,
        cluster: counters.cluster().cloned(),
        first_password_file: config.first_password_file.clone(),
        reload: Arc::new(asked_to_reload),
        hand_over,
    };
    let admin = admin::serve(admin_socket, config.data.clone(), answering, agents);
    let runtime = runtime()?;
    let asked = runtime.block_on(async {
        tokio::select! {
            () = signals.asked() => Ok(()),
            // Otherwise the others would continue, although agents are not served or nothing becomes durable.
            name = threads.ended() => Err(format!("the thread for {name} has ended: see the log, and start again")),
            never = pacing => match never {},
            never = watching => match never {},
            never = reloading => match never {},
            never = telling => match never {},
            ended = admin => ended,
        }
    });
    service.stopping();
    // What waits for a disk that hangs must not hold up the stop.
    runtime.shutdown_timeout(STOP_TIMEOUT);
    tracing::info!("stopping: no new agents, open sessions end after their last ack");
    let ended = threads.stop_all();
    admin::unbind(&config.data);
    asked.and(ended)
}

/// Opens the store, or creates a new one with its certificate. In the meantime verbs are told how far that is.
fn open(
    config: &Config,
    (with_new_certificate, without_rollback): (bool, bool),
    countries: &Countries,
    service: &Service,
    membership: Option<Membership>,
) -> Result<(Arc<Engine>, UnixListener), String> {
    admin::check_path(&config.data)?;
    folder::prepare(&config.data)?;
    service.starting("opening the database");
    let told = service.clone();
    let starting = Starting::new(START_QUIET, START_SIGN_INTERVAL, move |words| {
        tracing::info!("starting: {words}");
        told.starting(words);
    });
    let Tuning { report_interval_ms, samples_per_frame_min, retention, alerts } = config.tuning();
    let options = Options {
        report_interval_ms,
        samples_per_frame_min,
        retention,
        alerts,
        country_of: Some(countries.look_up()),
        on_replay: Some(starting.listener_of_hub(&config.data)),
        catches_up_later: true,
        following: membership,
        without_rollback,
        ..Options::default()
    };
    let is_new = !windfire_engine::is_store(&config.data);
    if is_new {
        let certificate = tls::missing(&config.data)?.filter(|_| !with_new_certificate);
        folder::check_unfinished(&config.data, certificate)?;
        // If this is interrupted, the next start begins it again.
        windfire_engine::begin_store(&config.data).map_err(|error| error.to_string())?;
    }
    if is_new || with_new_certificate {
        Certificate::make(&config.data)?;
    }
    let engine = Engine::open(&config.data, options).map_err(|error| folder::explain(&error))?;
    if let Some(upgraded) = engine.upgraded() {
        tracing::warn!("{}", admin::describe_upgrade(&config.data, upgraded));
    }
    admin::is_a_hub_now(&config.data);
    // From now on a verb waits for the hub, and is not told that it is starting.
    let admin_socket = starting.admin_socket(&config.data)?;
    Ok((Arc::new(engine), admin_socket))
}

/// `agents` has no address yet.
fn api(config: &Config, agents: Agents) -> Api {
    let (cookie_name, base_path) = (config.cookie_name.clone(), config.base_path.clone());
    let api = Api { cookie_name, base_path, is_https: config.https, agents, check_templates, ..Api::default() };
    reload::api_of(config, &api)
}

/// The parts of the memory.
fn shared_out(config: &Config) -> Budgets {
    let budgets = Budgets::of(config.memory_bytes_max);
    tracing::info!(
        memory_bytes_max = config.memory_bytes_max,
        answers = budgets.answers_bytes,
        live = budgets.live_bytes,
        history = budgets.history_bytes,
        pending = budgets.pending_bytes,
        "memory divided"
    );
    budgets
}

fn announce(config: &Config, http: Option<SocketAddr>, quic: Option<SocketAddr>, fingerprint: &str) {
    let scheme = if config.https { "https" } else { "http" };
    let address = |address: Option<SocketAddr>| address.map(|address| address.to_string()).unwrap_or_default();
    let path = if config.base_path.is_root() { "" } else { config.base_path.as_str() };
    tracing::info!(http = format!("{scheme}://{}{path}", address(http)), quic = address(quic), fingerprint, "ready");
}

/// Takes as many descriptors as the process may have: the usual 1,024 are for programs that `select`.
fn raise_descriptors() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // If it is refused, fewer connections are taken.
        let _refused = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}

/// Threads for agents: as configured, or one for each core that this process may use.
fn listeners(config: &Config) -> usize {
    match config.listeners {
        0 => thread::available_parallelism().map_or(1, NonZero::get),
        threads => threads,
    }
}
