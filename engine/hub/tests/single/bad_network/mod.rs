//! A network that loses, delays, reorders and doubles packets, and changes addresses: a relay of UDP packets in front of a hub.
//! Not every kernel can do that itself, and this one does it from a seed.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// What the network does to packets, each way.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Badness {
    /// Share of packets that are lost, 0–1.
    pub(crate) lost: f64,
    /// Share of packets that come twice.
    pub(crate) doubled: f64,
    /// Share of packets that come late, up to [`Badness::delay`], and so behind later ones.
    pub(crate) delayed: f64,
    pub(crate) delay: Duration,
    /// Longest packet, bytes of UDP's payload; a longer one is lost. 0 for no bound.
    pub(crate) bytes_max: usize,
    /// Time after which each client comes from another address.
    pub(crate) moved_every: Option<Duration>,
}

/// Packets, by what became of them.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    pub(crate) all: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) doubled: AtomicU64,
    pub(crate) delayed: AtomicU64,
    pub(crate) moves: AtomicU64,
}

/// A relay; it works while the runtime does.
#[derive(Clone)]
pub(crate) struct Relay {
    hub: SocketAddr,
    badness: Badness,
    is_mended: Arc<AtomicBool>,
    pub(crate) packets: Arc<Packets>,
}

impl Relay {
    /// Starts one in front of `hub`, within a runtime; where it listens.
    pub(crate) async fn start(hub: SocketAddr, badness: Badness, seed: u64) -> (Self, SocketAddr) {
        let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket"));
        let address = socket.local_addr().expect("bound");
        let relay = Self { hub, badness, is_mended: Arc::default(), packets: Arc::default() };
        tokio::spawn(relay.clone().run(socket, seed));
        (relay, address)
    }

    /// From now on the network is good.
    pub(crate) fn mend(&self) {
        self.is_mended.store(true, Ordering::Relaxed);
    }

    /// From now on it is as bad as it was at first.
    pub(crate) fn spoil(&self) {
        self.is_mended.store(false, Ordering::Relaxed);
    }

    async fn run(self, socket: Arc<UdpSocket>, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut clients: HashMap<SocketAddr, mpsc::Sender<Vec<u8>>> = HashMap::new();
        let mut buffer = vec![0; 64 * 1024];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            let way = clients.entry(client).or_insert_with(|| {
                let (sender, packets) = mpsc::channel(1024);
                tokio::spawn(self.clone().carry(Arc::clone(&socket), client, packets, random.fork()));
                sender
            });
            // A full queue loses packets, as any network does.
            let _lost = way.try_send(buffer[..length].to_vec());
        }
    }

    /// Carries the packets of one client, both ways.
    async fn carry(
        self,
        socket: Arc<UdpSocket>,
        client: SocketAddr,
        mut packets: mpsc::Receiver<Vec<u8>>,
        mut random: fastrand::Rng,
    ) {
        let bind = async || Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket"));
        let mut outside = bind().await;
        let mut moved = Instant::now();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let is_time = |every: Duration| moved.elapsed() >= every && !self.is_mended.load(Ordering::Relaxed);
            if self.badness.moved_every.is_some_and(is_time) {
                (outside, moved) = (bind().await, Instant::now());
                self.packets.moves.fetch_add(1, Ordering::Relaxed);
            }
            tokio::select! {
                packet = packets.recv() => match packet {
                    Some(packet) => self.deliver(&packet, &outside, self.hub, &mut random),
                    None => return,
                },
                heard = outside.recv_from(&mut buffer) => {
                    if let Ok((length, _)) = heard {
                        self.deliver(&buffer[..length], &socket, client, &mut random);
                    }
                }
            }
        }
    }

    fn deliver(&self, packet: &[u8], from: &Arc<UdpSocket>, to: SocketAddr, random: &mut fastrand::Rng) {
        let badness = if self.is_mended.load(Ordering::Relaxed) { Badness::default() } else { self.badness };
        self.packets.all.fetch_add(1, Ordering::Relaxed);
        let is_long = badness.bytes_max > 0 && packet.len() > badness.bytes_max;
        if is_long || random.f64() < badness.lost {
            self.packets.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let is_doubled = random.f64() < badness.doubled;
        self.packets.doubled.fetch_add(u64::from(is_doubled), Ordering::Relaxed);
        for _ in 0..=u64::from(is_doubled) {
            let is_delayed = random.f64() < badness.delayed;
            self.packets.delayed.fetch_add(u64::from(is_delayed), Ordering::Relaxed);
            let delay = if is_delayed { badness.delay.mul_f64(random.f64()) } else { Duration::ZERO };
            let (from, packet) = (Arc::clone(from), packet.to_vec());
            tokio::spawn(async move {
                if !delay.is_zero() {
                    sleep(delay).await;
                }
                let _lost = from.send_to(&packet, to).await;
            });
        }
    }
}
