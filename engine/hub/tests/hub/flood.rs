//! What tests of floods share: honest agents whose acks are timed before and meanwhile, the hub's memory at its highest,
//! and clients with an address of the attacker's.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use windfire_bench::hub_process::{HubProcess, usage_of};
use windfire_bench::swarm::{Account, Latencies, Swarm};
use windfire_bench::tally;

use super::sick_disk::eager_agents;
use super::wait_until;

/// The attacker's address.
pub(crate) const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);
/// The address of an honest client that comes meanwhile.
pub(crate) const NEWCOMER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
/// Time in which a new agent must be welcome. A lost packet costs it a second, two cost it three, and a busy machine
/// may need some more. It is less than the 10 s after which the hub gives strangers up: a new agent has not waited for
/// their places.
pub(crate) const NEWCOMER_MAX: Duration = Duration::from_secs(9);
/// Honest agents. Theirs are the first credentials of a test.
pub(crate) const HONEST: usize = 4;
pub(crate) const MIB: u64 = 1024 * 1024;

/// How long acks are timed before the flood.
const QUIET: Duration = Duration::from_secs(2);
/// Half of the acks, and all but a hundredth of them, may take twice as long as before, and so long in any case: the
/// flood is made by the same cores, and a disk that others use may need a second for a commit. A machine that stands
/// still for a moment delays all acks of that moment, which are more than a hundredth. No ack waits for the 10 s after
/// which the hub gives strangers up.
const ACK_FLOORS: [(f64, Duration); 2] = [(0.5, Duration::from_secs(2)), (0.99, Duration::from_secs(8))];
/// Acks of one agent per second: a commit that takes a second has one for each agent.
const ACKS_PER_S_MIN: f64 = 0.5;
/// Time between two looks at the hub's memory.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Honest agents beside a flood.
pub(crate) struct Bystanders {
    swarm: Swarm,
    before: Latencies,
    began: Instant,
    memory_before: u64,
    memory: MemoryWatch,
}

impl Bystanders {
    /// Starts them, and times their acks for some time. The flood begins after that.
    pub(crate) fn start(hub: &HubProcess, credentials: &[String]) -> Self {
        let swarm = Swarm::start(hub, &credentials[..HONEST], eager_agents());
        wait_until("all honest agents report", || swarm.accounts().iter().all(|account| account.acked > 0));
        let _while_they_connected = swarm.take_latencies();
        thread::sleep(QUIET);
        let before = swarm.take_latencies();
        let memory_before = hub.usage().rss_bytes;
        Self { swarm, before, began: Instant::now(), memory_before, memory: MemoryWatch::start(hub.pid()) }
    }

    /// What the flood cost: prints it, and fails if that is too much.
    pub(crate) fn judge(mut self, flood: &str, growth_bytes_max: u64) {
        let during = self.swarm.take_latencies();
        let took = self.began.elapsed();
        let grown = self.memory.finish().saturating_sub(self.memory_before);
        let took_at =
            |latencies: &Latencies, quantile: f64| Duration::from_micros(latencies.ack.value_at_quantile(quantile));
        let both = |quantile: f64| (took_at(&self.before, quantile), took_at(&during, quantile));
        let (times, acks) = (ACK_FLOORS.map(|(quantile, _)| both(quantile)), during.ack.len());
        let account = Account::total(&self.swarm.settle());
        tally!(
            "{flood}: in {took:.1?} the hub's memory grew by {:.1} MiB, at most {} may be; {acks} acks, p50 {:?}, {:?} \
             before, p99 {:?}, {:?} before; {} of {} reports acknowledged",
            grown as f64 / MIB as f64,
            growth_bytes_max / MIB,
            times[0].1,
            times[0].0,
            times[1].1,
            times[1].0,
            account.acked,
            account.pushed,
        );
        assert!(grown < growth_bytes_max, "{} MiB more", grown / MIB);
        assert!(acks as f64 >= took.as_secs_f64() * ACKS_PER_S_MIN * HONEST as f64, "{acks} acks in {took:?}");
        for ((before, meanwhile), (quantile, floor)) in times.into_iter().zip(ACK_FLOORS) {
            assert!(meanwhile <= (before * 2).max(floor), "quantile {quantile}: {meanwhile:?}, {before:?} before");
        }
        assert_eq!(account.acked, account.pushed, "an honest agent was left without its ack");
    }
}

/// Looks at a process's memory again and again.
struct MemoryWatch {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl MemoryWatch {
    fn start(pid: u32) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let mut bytes_max = 0;
            while !seen.load(Ordering::Acquire) {
                bytes_max = usage_of(pid).rss_bytes.max(bytes_max);
                thread::sleep(LOOK_INTERVAL);
            }
            bytes_max
        });
        Self { is_over, thread }
    }

    /// The most that it had, in bytes.
    fn finish(self) -> u64 {
        self.is_over.store(true, Ordering::Release);
        self.thread.join().expect("the hub runs")
    }
}

/// One of the counters of `/metrics` with a label.
pub(crate) fn counted(hub: &HubProcess, metric: &str, label: &str, value: &str) -> f64 {
    hub.metric(&format!("{metric}{{{label}=\"{value}\"}}"))
}

/// A connection for HTTP from that address.
pub(crate) fn connect_from(address: Ipv4Addr, hub: &HubProcess) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((address, 0)).into()).expect("an address of this machine");
    socket.connect(&hub.http().into()).expect("a connection");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    stream
}

/// The status of the next answer, which is read to its end.
pub(crate) fn read_status(connection: &mut BufReader<TcpStream>) -> u16 {
    let (mut status, mut line, mut length) = (String::new(), String::new(), 0);
    connection.read_line(&mut status).expect("an answer");
    while connection.read_line(&mut line).expect("a header") > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        line.clear();
    }
    connection.read_exact(&mut vec![0; length]).expect("the body");
    let number = status.split(' ').nth(1).and_then(|number| number.trim().parse().ok());
    number.unwrap_or_else(|| panic!("{status:?} has no status"))
}
