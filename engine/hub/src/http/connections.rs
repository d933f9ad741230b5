//! The open connections: their limit, which one is closed for a new one, and the progress of each.
//!
//! A connection has a slot from when it is accepted until its socket is dropped, for HTTP, a live stream or a
//! WebSocket. When all slots are taken, one connection is closed: of the household with the most connections, the one
//! without progress for longest. Connections that have shown a valid token or cookie are not closed. So a client that
//! opens a thousand connections loses its own, and other clients do not wait.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::counters::{Counters, Held};
use crate::limits::{HTTP_HALF_CLOSED_TIMEOUT, SILENCE_LOOK_INTERVAL};
use crate::network::network;

/// All of them.
pub(crate) struct Connections {
    max: usize,
    counters: Arc<Counters>,
    table: Mutex<Table>,
    /// Notified whenever a slot is given back.
    freed: Notify,
    begun: Instant,
}

#[derive(Default)]
struct Table {
    /// Counts connections.
    last_id: u64,
    open: HashMap<u64, Arc<Connection>>,
}

/// The state of one connection.
pub(crate) struct Connection {
    pub(super) peer: IpAddr,
    /// The client of the newest request. A trusted proxy has many.
    client: Mutex<IpAddr>,
    /// For answers that wait, while no task reads or writes. Only this connection uses its descriptor.
    socket: Weak<TcpStream>,
    /// A request of it came with a token or a cookie that is valid.
    is_known: AtomicBool,
    /// Microseconds after the first connection: it was accepted, a request came in whole, or bytes of an answer were
    /// taken. Bytes of an incomplete request are no progress: any client can send one byte per second.
    progressed_us: AtomicU64,
    is_evicted: AtomicBool,
    evicted: Notify,
    begun: Instant,
}

/// A connection's place, for as long as its socket lives.
pub(crate) struct Slot {
    connections: Arc<Connections>,
    id: u64,
    pub(super) connection: Arc<Connection>,
    _counted: Held,
}

impl Connections {
    pub(crate) fn new(max: usize, counters: Arc<Counters>) -> Arc<Self> {
        Arc::new(Self { max, counters, table: Mutex::default(), freed: Notify::new(), begun: Instant::now() })
    }

    /// A slot for a connection that was accepted. Closes another one if necessary, and waits if none may be closed.
    pub(crate) async fn enter(self: &Arc<Self>, peer: IpAddr, socket: Weak<TcpStream>) -> Slot {
        self.room().await;
        let connection = Arc::new(Connection {
            peer,
            client: Mutex::new(peer.to_canonical()),
            socket,
            is_known: AtomicBool::new(false),
            progressed_us: AtomicU64::new(0),
            is_evicted: AtomicBool::new(false),
            evicted: Notify::new(),
            begun: self.begun,
        });
        connection.progressed();
        let mut table = self.table.lock();
        table.last_id += 1;
        let id = table.last_id;
        table.open.insert(id, Arc::clone(&connection));
        let _counted = Counters::hold(&self.counters, |counters| &counters.http_connections);
        Slot { connections: Arc::clone(self), id, connection, _counted }
    }

    /// Makes room if another resource, such as descriptors, is used up: closes the connection that can best be spared,
    /// and waits until it is gone. `false` when there is none.
    pub(crate) async fn spare_one(&self) -> bool {
        let freed = self.freed.notified();
        let is_spared = self.evict();
        if is_spared {
            freed.await;
        }
        is_spared
    }

    /// Closes the connection that can best be spared. `false` when there is none.
    fn evict(&self) -> bool {
        let victim = self.table.lock().victim();
        if let Some(victim) = &victim {
            self.counters.http_evicted.add(1);
            victim.is_evicted.store(true, Ordering::Release);
            // One permit is kept for each: the connection's own task, or that of its WebSocket.
            victim.evicted.notify_one();
        }
        victim.is_some()
    }

    /// Waits until every connection has ended.
    pub(crate) async fn ended(&self) {
        self.until(|table| table.open.is_empty()).await;
    }

    async fn room(&self) {
        let has_room = |table: &Table| table.open.len() < self.max;
        if !has_room(&self.table.lock()) {
            // One is closed for each that comes. If none may be closed, the next one that ends makes room.
            self.evict();
            self.until(has_room).await;
        }
    }

    async fn until(&self, is_true: impl Fn(&Table) -> bool) {
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            freed.as_mut().enable();
            if is_true(&self.table.lock()) {
                return;
            }
            freed.await;
        }
    }
}

impl Table {
    fn victim(&self) -> Option<Arc<Connection>> {
        let mut networks: HashMap<IpAddr, (usize, &Arc<Connection>)> = HashMap::new();
        for connection in self.open.values().filter(|connection| connection.can_be_spared()) {
            let (count, oldest) = networks.entry(connection.network()).or_insert((0, connection));
            *count += 1;
            if connection.progressed_us() < oldest.progressed_us() {
                *oldest = connection;
            }
        }
        let most = networks.values().max_by_key(|(count, oldest)| (*count, std::cmp::Reverse(oldest.progressed_us())));
        most.map(|(_, oldest)| Arc::clone(oldest))
    }
}

impl Connection {
    /// Notes progress.
    pub(super) fn progressed(&self) {
        let us = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.progressed_us.store(us, Ordering::Relaxed);
    }

    /// Notes whose request comes now. What an earlier client has shown is not this one's.
    pub(super) fn serves(&self, client: IpAddr) {
        let before = std::mem::replace(&mut *self.client.lock(), client);
        if network(before) != network(client) {
            self.is_known.store(false, Ordering::Relaxed);
        }
    }

    /// The client of the newest request as text, if a trusted proxy brought it.
    pub(super) fn behind_proxy(&self) -> Option<String> {
        let client = *self.client.lock();
        (client != self.peer.to_canonical()).then(|| client.to_string())
    }

    fn network(&self) -> IpAddr {
        network(*self.client.lock())
    }

    /// Notes that the client has shown a valid token or cookie.
    pub(super) fn know(&self) {
        self.is_known.store(true, Ordering::Relaxed);
    }

    fn progressed_us(&self) -> u64 {
        self.progressed_us.load(Ordering::Relaxed)
    }

    fn can_be_spared(&self) -> bool {
        !self.is_known.load(Ordering::Relaxed) && !self.is_evicted.load(Ordering::Relaxed)
    }

    /// Waits until it must be closed.
    pub(super) async fn evicted(&self) {
        while !self.is_evicted.load(Ordering::Acquire) {
            self.evicted.notified().await;
        }
    }

    /// Waits until the client has closed its sending side: it is gone, or it only has nothing more to send.
    pub(super) async fn fell_silent(&self) {
        let Some(socket) = self.socket.upgrade() else { return };
        loop {
            match socket.ready(tokio::io::Interest::READABLE).await {
                Ok(ready) if !ready.is_read_closed() => tokio::time::sleep(SILENCE_LOOK_INTERVAL).await,
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Waits until the client's sending side has been closed for some time: it waits for its answer, or it is gone.
    pub(super) async fn stayed_silent(&self) {
        self.fell_silent().await;
        tokio::time::sleep(HTTP_HALF_CLOSED_TIMEOUT).await;
    }

    /// Waits until the client is certainly gone: its system refuses the bytes sent to it.
    pub(super) async fn broke(&self) {
        let Some(socket) = self.socket.upgrade() else { return };
        let _ready = socket.ready(tokio::io::Interest::ERROR).await;
    }
}

impl Slot {
    /// Counts that its client let bytes wait for too long.
    pub(super) fn count_unread(&self) {
        self.connections.counters.http_unread.add(1);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connections.table.lock().open.remove(&self.id);
        self.connections.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{advance, timeout};

    use super::*;

    fn address(number: u8) -> IpAddr {
        [192, 0, 2, number].into()
    }

    async fn enter(connections: &Arc<Connections>, number: u8) -> Slot {
        advance(Duration::from_millis(1)).await;
        connections.enter(address(number), Weak::new()).await
    }

    /// The task of a connection: it lives until it must be closed.
    fn live(slot: Slot) -> tokio::task::JoinHandle<()> {
        tokio::spawn(async move { slot.connection.evicted().await })
    }

    fn addresses(connections: &Connections) -> Vec<IpAddr> {
        let mut found: Vec<_> = connections.table.lock().open.values().map(|open| open.peer).collect();
        found.sort();
        found
    }

    #[tokio::test(start_paused = true)]
    async fn a_newcomer_takes_the_place_of_the_one_that_stood_still_longest() {
        let connections = Connections::new(3, Arc::default());
        let slots = [enter(&connections, 1).await, enter(&connections, 2).await, enter(&connections, 3).await];
        advance(Duration::from_millis(1)).await;
        slots[0].connection.progressed();
        slots.into_iter().for_each(|slot| drop(live(slot)));
        let _four = enter(&connections, 4).await;
        assert_eq!(addresses(&connections), [1, 3, 4].map(address));
    }

    #[tokio::test(start_paused = true)]
    async fn who_opens_many_loses_their_own() {
        let connections = Connections::new(8, Arc::default());
        drop(live(enter(&connections, 1).await));
        for _ in 0..100 {
            drop(live(enter(&connections, 2).await));
        }
        let all = addresses(&connections);
        assert_eq!((all[0], all.len()), (address(1), 8), "the oldest by far, but not of a household with many");
    }

    #[tokio::test(start_paused = true)]
    async fn clients_behind_a_proxy_are_told_apart() {
        let connections = Connections::new(4, Arc::default());
        let proxy = address(9);
        for client in [1, 2, 2, 2] {
            let slot = enter(&connections, 9).await;
            slot.connection.serves(address(client));
            drop(live(slot));
        }
        let _next = enter(&connections, 3).await;
        let clients = || {
            let mut clients: Vec<_> = connections.table.lock().open.values().map(|open| open.network()).collect();
            clients.sort();
            clients
        };
        assert_eq!(clients(), [1, 2, 2, 3].map(address), "one of who has many, although another is older");
        assert_eq!(addresses(&connections), [address(3), proxy, proxy, proxy]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_one_client_showed_protects_no_other() {
        let connections = Connections::new(1, Arc::default());
        let slot = enter(&connections, 9).await;
        let connection = Arc::clone(&slot.connection);
        assert_eq!(connection.behind_proxy(), None);
        connection.serves(address(1));
        connection.know();
        connection.serves(address(1));
        assert!(!connection.can_be_spared(), "it is the same client");
        assert_eq!(connection.behind_proxy(), Some("192.0.2.1".to_owned()));
        connection.serves(address(2));
        assert!(connection.can_be_spared());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_who_is_known_has_to_go_and_then_newcomers_wait() {
        let connections = Connections::new(2, Arc::default());
        let (one, two) = (enter(&connections, 1).await, enter(&connections, 2).await);
        one.connection.know();
        drop(live(two));
        let three = enter(&connections, 3).await;
        three.connection.know();
        assert!(timeout(Duration::from_secs(60), connections.enter(address(4), Weak::new())).await.is_err());
        let waiting = tokio::spawn({
            let connections = Arc::clone(&connections);
            async move { connections.enter(address(4), Weak::new()).await.connection.peer }
        });
        drop(one);
        assert_eq!(waiting.await.expect("ended"), address(4));
        drop(three);
        timeout(Duration::from_secs(1), connections.ended()).await.expect("all have ended");
    }
}
