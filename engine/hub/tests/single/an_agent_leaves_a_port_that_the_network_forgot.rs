//! What stands between agent and hub forgets the agent's port in mid-session, as a router does that started anew, or sends
//! its packets where no hub is any more: the agent goes on from another port, long before it would give the session up.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;

use crate::hub::agent_process::{AgentProcess, program};
use crate::hub::{new_hub, wait_until};

/// Ports that the agent must leave within a session.
const LEFT_MIN: usize = 2;
/// Ports that are forgotten until it has. It leaves one in time, unless the machine stands still for several seconds.
const FORGOTTEN_MAX: usize = 6;

/// Carries packets, those of each client's port from a port of its own. It ends with the test.
struct Router {
    address: SocketAddr,
    /// The port whose packets it drops, and the last port that it carried packets of.
    forgotten: Arc<AtomicU16>,
    seen: Arc<AtomicU16>,
}

impl Router {
    fn start(to: SocketAddr) -> Self {
        let inside = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket"));
        let address = inside.local_addr().expect("bound");
        let (forgotten, seen) = (Arc::new(AtomicU16::new(0)), Arc::new(AtomicU16::new(0)));
        let router = Self { address, forgotten: Arc::clone(&forgotten), seen: Arc::clone(&seen) };
        thread::spawn(move || {
            let mut outside: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
            let mut packet = [0; 2048];
            while let Ok((bytes, from)) = inside.recv_from(&mut packet) {
                if from.port() == forgotten.load(Ordering::Relaxed) {
                    continue;
                }
                // What knocks and says nothing is no session.
                if bytes > 0 {
                    seen.store(from.port(), Ordering::Relaxed);
                }
                let socket = outside.entry(from).or_insert_with(|| {
                    let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket"));
                    socket.connect(to).expect("connected");
                    let (back, inside, forgotten) = (Arc::clone(&socket), Arc::clone(&inside), Arc::clone(&forgotten));
                    thread::spawn(move || {
                        let mut packet = [0; 2048];
                        while let Ok(bytes) = back.recv(&mut packet) {
                            if from.port() != forgotten.load(Ordering::Relaxed) {
                                let _lost_packet = inside.send_to(&packet[..bytes], from);
                            }
                        }
                    });
                    socket
                });
                let _lost_packet = socket.send(&packet[..bytes]);
            }
        });
        router
    }
}

#[test]
fn an_agent_leaves_a_port_that_the_network_forgot() {
    let (_folder, mut hub) = new_hub(&[]);
    let credential = hub.make_servers(1, "").remove(0);
    hub.start();
    let router = Router::start(hub.quic());
    let mut agent = Command::new(program());
    agent.args(["--hub", &router.address.to_string(), "--credential", &credential]);
    agent.args(["--fingerprint", &hub.fingerprint().to_string()]);
    let _agent = AgentProcess::start(agent);
    let reports = || hub.metric("windfire_reports_taken_total");
    wait_until("the agent reports", || reports() > 0.0);

    let opened = || hub.metric("windfire_sessions_opened_total");
    let mut left = 0;
    for _ in 0..FORGOTTEN_MAX {
        let (forgotten, opened_before) = (router.seen.load(Ordering::Relaxed), opened());
        router.forgotten.store(forgotten, Ordering::Relaxed);
        let before = reports();
        // Some may be under way still.
        let has_left = || router.seen.load(Ordering::Relaxed) != forgotten;
        wait_until("the agent goes on from another port", || has_left() && reports() > before + 2.0);
        // An agent that gives its session up comes from another port, too.
        left += usize::from(opened() == opened_before);
        if left == LEFT_MIN {
            return;
        }
    }
    panic!("of {FORGOTTEN_MAX} ports the agent left {left} in mid-session");
}
