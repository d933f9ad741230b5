//! Brokers on 127.0.0.1: nats-server processes that form a cluster and sync each write.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::hub_process::{request, usage_of};

/// Brokers of a cluster.
const BROKERS: usize = 3;
/// Ports of each: for clients, for questions about its health, and for the other brokers.
const PORTS_PER_BROKER: usize = 3;
/// How long a broker may take until it is well.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Time between two questions about that.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Brokers that run. They are killed when this is dropped.
pub(super) struct Brokers {
    children: Vec<Child>,
    ports: Vec<u16>,
}

impl Brokers {
    /// Starts three brokers of that program, each with a folder below this one.
    ///
    /// # Panics
    /// When they do not start.
    pub(super) fn start(program: &Path, folder: &Path) -> Self {
        let ports = free_ports(BROKERS * PORTS_PER_BROKER);
        let ports_of: Vec<&[u16]> = ports.chunks(PORTS_PER_BROKER).collect();
        let routes: Vec<String> = ports_of.iter().map(|ports| format!("nats://127.0.0.1:{}", ports[2])).collect();
        let mut brokers = Self { children: Vec::new(), ports: ports_of.iter().map(|ports| ports[0]).collect() };
        for (number, ports) in ports_of.iter().enumerate() {
            let at = folder.join(format!("broker-{number}"));
            fs::create_dir_all(&at).expect("a folder");
            let config = at.join("nats.conf");
            let text = format!(
                "server_name: broker-{number}\nlisten: 127.0.0.1:{}\nhttp: 127.0.0.1:{}\n\
                 jetstream {{ store_dir: \"{}\", max_file_store: 16GB, sync_interval: \"always\" }}\n\
                 cluster {{ name: bench, listen: 127.0.0.1:{}, routes: {routes:?} }}\n",
                ports[0],
                ports[1],
                at.display(),
                ports[2],
            );
            fs::write(&config, text).expect("a file");
            let log = File::create(at.join("log")).expect("a file");
            let mut command = Command::new(program);
            command.arg("-c").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            let child = command.spawn().unwrap_or_else(|error| {
                panic!("{}: {error}: run \"bash .ci/nats\", or give --nats", program.display());
            });
            brokers.children.push(child);
        }
        let started = Instant::now();
        for (number, ports) in ports_of.iter().enumerate() {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports[1]));
            let is_well = || request(address, "GET", "/healthz", &[], b"").is_ok_and(|answer| answer.status == 200);
            while !is_well() {
                let log = log_of(folder, number);
                assert!(started.elapsed() < START_TIMEOUT, "a broker is not well: see {}", log.display());
                thread::sleep(LOOK_INTERVAL);
            }
        }
        brokers
    }

    /// Where clients reach them.
    pub(super) fn urls(&self) -> Vec<String> {
        self.ports.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect()
    }

    /// Seconds of CPU that all of them have used so far.
    pub(super) fn cpu_s(&self) -> f64 {
        self.children.iter().map(|child| usage_of(child.id()).cpu_s()).sum()
    }
}

impl Drop for Brokers {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _may_be_gone = child.kill();
            let _reaped = child.wait();
        }
    }
}

fn log_of(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("broker-{number}")).join("log")
}

/// Ports that are free now, outside of the range from which the system takes ports of connections. All are taken before
/// one is given back, so that they differ.
fn free_ports(count: usize) -> Vec<u16> {
    let mut listeners = Vec::new();
    while listeners.len() < count {
        listeners.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, fastrand::u16(10_000..30_000))));
    }
    listeners.iter().map(|listener| listener.local_addr().expect("an address").port()).collect()
}
