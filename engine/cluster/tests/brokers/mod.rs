//! Brokers on 127.0.0.1: nats-server processes that form a cluster, each with its own folder.

pub(crate) mod relay;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use windfire_cluster::limits::STREAM_BYTES_MIN;
use windfire_cluster::{
    Apply, BrokerOptions, Brokers, ClusterId, Credentials, Delivery, Follower, HubId, Names, StreamOf, StreamPlan,
    create_streams, stream_states,
};

/// How long a condition is waited for. It only ends a test that would hang.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(180);

/// The stream that most tests use.
pub(crate) const PARTITION: StreamOf = StreamOf::Partition(1);

/// Partitions of the cluster in these tests.
pub(crate) const PARTITIONS: u16 = 2;

/// A broker's line for what keeps its messages through a power cut.
const SYNC_ALWAYS: &str = "sync_interval: \"always\"";

/// Brokers that run. They are killed when this is dropped.
pub(crate) struct BrokerCluster {
    pub(crate) brokers: Vec<Broker>,
    /// Kept until the processes have ended. None if their folders are the test's.
    _folder: Option<TempDir>,
}

/// One of them.
pub(crate) struct Broker {
    pub(crate) name: String,
    pub(crate) port: u16,
    monitor: u16,
    config: PathBuf,
    log: PathBuf,
    child: Option<Child>,
}

impl BrokerCluster {
    /// So many brokers that sync each write.
    pub(crate) fn start(count: usize) -> Self {
        Self::with_sync(count, SYNC_ALWAYS)
    }

    /// So many brokers that sync each write, and tell clients nothing of each other. A client reaches them only at the
    /// addresses that it is given.
    pub(crate) fn unadvertised(count: usize) -> Self {
        Self::in_new_folder(count, SYNC_ALWAYS, "no_advertise: true")
    }

    /// So many brokers with that line in their section `jetstream`.
    pub(crate) fn with_sync(count: usize, sync: &str) -> Self {
        Self::in_new_folder(count, sync, "")
    }

    /// A broker that syncs each write in each of these folders, which are there.
    pub(crate) fn in_folders(folders: &[PathBuf]) -> Self {
        Self::start_in(folders, SYNC_ALWAYS, "")
    }

    fn in_new_folder(count: usize, sync: &str, cluster: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let folders: Vec<PathBuf> = (1..=count).map(|number| folder.path().join(format!("b{number}"))).collect();
        folders.iter().for_each(|folder| fs::create_dir(folder).expect("a folder"));
        Self { _folder: Some(folder), ..Self::start_in(&folders, sync, cluster) }
    }

    /// `sync` and `cluster` are lines in the sections `jetstream` and `cluster`.
    fn start_in(folders: &[PathBuf], sync: &str, cluster: &str) -> Self {
        let ports = free_ports(3 * folders.len());
        let routes: Vec<String> = ports.chunks(3).map(|ports| format!("nats://127.0.0.1:{}", ports[2])).collect();
        let mut brokers = Vec::new();
        for (index, (ports, at)) in ports.chunks(3).zip(folders).enumerate() {
            let name = format!("b{}", index + 1);
            let config = at.join("nats.conf");
            let text = format!(
                "server_name: {name}\nlisten: 127.0.0.1:{}\nhttp: 127.0.0.1:{}\n\
                 jetstream {{ store_dir: \"{}\", max_file_store: 4GB, max_memory_store: 64MB\n{sync}\n}}\n\
                 cluster {{ name: test, listen: 127.0.0.1:{}, routes: {routes:?}\n{cluster}\n}}\n\
                 accounts {{ SYS: {{ users: [{{ user: sys, password: sys-secret }}] }}\n\
                 WF: {{ jetstream: enabled, users: [{{ user: wf, password: wf-secret }}] }} }}\n\
                 system_account: SYS\n",
                ports[0],
                ports[1],
                at.display(),
                ports[2],
            );
            fs::write(&config, text).expect("a file");
            let log = at.join("log");
            brokers.push(Broker { name, port: ports[0], monitor: ports[1], config, log, child: None });
        }
        let mut cluster = Self { brokers, _folder: None };
        cluster.brokers.iter_mut().for_each(Broker::start);
        cluster.brokers.iter().for_each(Broker::await_health);
        cluster
    }

    /// How to reach all of them, as a user who may not ask how they write.
    pub(crate) fn options(&self) -> BrokerOptions {
        let urls = self.brokers.iter().map(|broker| format!("nats://127.0.0.1:{}", broker.port)).collect();
        let mut options = BrokerOptions::new(urls);
        options.credentials = Some(user("wf", "wf-secret"));
        options
    }

    /// The same with a user who may.
    pub(crate) fn options_with_system(&self) -> BrokerOptions {
        let mut options = self.options();
        options.system = Some(user("sys", "sys-secret"));
        options
    }

    /// A connection.
    pub(crate) async fn connect(&self) -> Brokers {
        Brokers::connect(&self.options()).await.expect("brokers that run")
    }

    /// The place in the list of the broker that leads a stream.
    pub(crate) async fn leader(&self, brokers: &Brokers, of: StreamOf) -> usize {
        let started = Instant::now();
        loop {
            let states = stream_states(brokers, &names(), PARTITIONS).await.unwrap_or_default();
            let leader = states.into_iter().find(|state| state.of == of).and_then(|state| state.leader);
            if let Some(found) = self.brokers.iter().position(|broker| Some(&broker.name) == leader.as_ref()) {
                return found;
            }
            assert!(started.elapsed() < WAIT_MAX, "no broker leads {of:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// kill -9.
    pub(crate) fn kill(&mut self, index: usize) {
        self.brokers[index].kill();
    }

    /// Starts a broker that was killed, and waits until it has caught up.
    pub(crate) fn restart(&mut self, index: usize) {
        self.brokers[index].start();
        self.brokers[index].await_health();
    }

    /// Waits until a broker that was told to stop has ended.
    pub(crate) fn await_end(&mut self, index: usize) {
        if let Some(mut child) = self.brokers[index].child.take() {
            child.wait().expect("own child");
        }
    }
}

impl BrokerCluster {
    /// Starts all brokers that were killed, and waits until they have caught up. One alone would never be healthy.
    pub(crate) fn restart_all(&mut self) {
        self.brokers.iter_mut().filter(|broker| broker.child.is_none()).for_each(Broker::start);
        self.brokers.iter().for_each(Broker::await_health);
    }
}

impl Broker {
    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("a broker that runs").id()
    }

    fn start(&mut self) {
        let log = File::options().create(true).append(true).open(&self.log).expect("a file");
        let mut command = Command::new(program());
        command.arg("-c").arg(&self.config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().expect("nats-server starts"));
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("own child");
            child.wait().expect("own child");
        }
    }

    /// Waits until the broker has all that its cluster has.
    pub(crate) fn await_health(&self) {
        let started = Instant::now();
        while !self.is_healthy() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            assert!(started.elapsed() < WAIT_MAX, "{} is not healthy:\n{log}", self.name);
            sleep(Duration::from_millis(50));
        }
    }

    fn is_healthy(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.monitor)) else { return false };
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
        let mut answer = String::new();
        stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").is_ok()
            && stream.read_to_string(&mut answer).is_ok()
            && answer.lines().next().is_some_and(|line| line.contains(" 200 "))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The names of the cluster in these tests.
pub(crate) fn names() -> Names {
    Names::new("test".parse().expect("a name"))
}

/// A hub's id.
pub(crate) fn hub(id: &str) -> HubId {
    id.parse().expect("a hub id")
}

/// The id of the cluster in these tests.
pub(crate) fn cluster_id() -> ClusterId {
    "c1".parse().expect("an id")
}

/// Streams with so many copies.
pub(crate) fn plan(replicas: usize) -> StreamPlan {
    StreamPlan {
        cluster_id: cluster_id(),
        partitions: PARTITIONS,
        replicas,
        age_max: Duration::from_secs(3_600),
        bytes_max: STREAM_BYTES_MIN,
    }
}

/// Three brokers with the streams of a cluster.
pub(crate) async fn three_brokers() -> (BrokerCluster, Brokers) {
    let cluster = BrokerCluster::start(3);
    let brokers = cluster.connect().await;
    create_streams(&brokers, &names(), &plan(3)).await.expect("three brokers keep three copies");
    (cluster, brokers)
}

/// A user of the brokers, as from a file.
fn user(name: &str, password: &str) -> Credentials {
    Credentials::User { user: name.to_owned(), password: password.to_owned() }
}

/// Keeps what a follower hands over, until a sequence comes.
#[derive(Clone)]
pub(crate) struct Collector {
    pub(crate) taken: Arc<Mutex<Vec<Delivery>>>,
    until: u64,
}

impl Collector {
    /// One that ends its follower with the message of that sequence.
    pub(crate) fn until(sequence: u64) -> Self {
        Self { taken: Arc::default(), until: sequence }
    }

    /// What came.
    pub(crate) fn taken(&self) -> Vec<Delivery> {
        self.taken.lock().expect("no test panicked here").clone()
    }
}

impl Apply for Collector {
    async fn apply(&mut self, delivery: Delivery) -> ControlFlow<()> {
        let is_last = delivery.sequence >= self.until;
        self.taken.lock().expect("no test panicked here").push(delivery);
        if is_last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// The sequence of a stream's last message.
pub(crate) async fn last_sequence(brokers: &Brokers, of: StreamOf) -> u64 {
    let started = Instant::now();
    loop {
        match stream_states(brokers, &names(), PARTITIONS).await {
            Ok(states) => return states.iter().find(|state| state.of == of).expect("a stream of the cluster").last,
            Err(error) => assert!(started.elapsed() < WAIT_MAX, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// All messages of a stream.
pub(crate) async fn all_messages(brokers: &Brokers, of: StreamOf) -> Vec<Delivery> {
    let collector = Collector::until(last_sequence(brokers, of).await);
    let (follower, _progress) = Follower::new(brokers, &names(), of, 0);
    let read = tokio::time::timeout(WAIT_MAX, follower.run(collector.clone())).await;
    read.expect("the stream can be read").expect("the stream is whole");
    collector.taken()
}

/// The texts that a hub wrote, in the order of the stream.
pub(crate) fn texts_of(messages: &[Delivery], id: &str) -> Vec<String> {
    let hub = hub(id);
    let own = messages.iter().filter(|message| message.hub.as_ref() == Some(&hub));
    own.map(|message| String::from_utf8(message.bytes.to_vec()).expect("text")).collect()
}

/// The program that `.ci/nats` installs, or else the one of the machine.
fn program() -> PathBuf {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/nats/nats-server");
    if installed.is_file() {
        return installed;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("nats-server")).find(|file| file.is_file());
    found.expect("nats-server is neither in target/nats nor in PATH: run \"bash .ci/nats\", which installs it there")
}

/// Ports that are free now, outside of the range from which the system takes ports of connections: a broker that is
/// killed must get its port again. All are taken before one is given back, so that they differ.
fn free_ports(count: usize) -> Vec<u16> {
    let mut listeners = Vec::new();
    while listeners.len() < count {
        listeners.extend(TcpListener::bind(("127.0.0.1", fastrand::u16(10_000..30_000))));
    }
    listeners.iter().map(|listener| listener.local_addr().expect("an address").port()).collect()
}
