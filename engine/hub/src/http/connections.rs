//! The open connections: their limit, which one is closed for a new one, and the progress of each.
//!
//! A connection has a slot from when it is accepted until its socket is dropped, for HTTP, a live stream or a
//! WebSocket. When all slots are taken, one connection is closed for each new one, so accepting waits for no client:
//!
//! * *Strangers* have not shown a valid token or cookie. While they have an eighth of the slots, one of them goes: of
//!   the household with the most strangers, the one without progress for longest.
//! * Otherwise one goes that is known: of the token or user with the most connections, an idle one if there is one. So
//!   `/healthz`, a sign-in and the first request of any other client always find a slot.
//!
//! One token or user has at most half of the slots. Its next connection takes the place of its own idle one. If there
//! is none, the request is refused. So a client that opens a thousand connections loses its own, and others do not
//! wait.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;
use windfire_api::{Busy, Owner};

use crate::counters::{Counters, Held};
use crate::limits::{HTTP_HALF_CLOSED_TIMEOUT, HTTP_OWNER_SHARE, HTTP_STRANGERS_SHARE, SILENCE_LOOK_INTERVAL};
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

/// Who has shown a valid secret on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Known {
    By(Owner),
    /// A hub that joins the cluster, with its invitation.
    Invited,
}

/// The state of one connection.
pub(crate) struct Connection {
    id: u64,
    /// All of them, with this one.
    connections: Weak<Connections>,
    pub(super) peer: IpAddr,
    /// The client of the newest request. A trusted proxy has many.
    client: Mutex<IpAddr>,
    /// For answers that wait, while no task reads or writes. Only this connection uses its descriptor.
    socket: Weak<TcpStream>,
    /// Whose valid token or cookie came with a request. `None` for a stranger.
    known: Mutex<Option<Known>>,
    /// Answers under way, live streams among them. A connection without one is idle.
    answers: AtomicUsize,
    /// Microseconds after the first connection: it was accepted, a request came in whole, or bytes of an answer were
    /// taken. Bytes of an incomplete request are no progress: any client can send one byte per second.
    progressed_us: AtomicU64,
    is_evicted: AtomicBool,
    evicted: Notify,
    begun: Instant,
}

/// An answer under way, until its client has taken it.
pub(super) struct Answering(Arc<Connection>);

/// A connection's place, for as long as its socket lives.
pub(crate) struct Slot {
    connections: Arc<Connections>,
    pub(super) connection: Arc<Connection>,
    _counted: Held,
}

impl Connections {
    pub(crate) fn new(max: usize, counters: Arc<Counters>) -> Arc<Self> {
        Arc::new(Self { max, counters, table: Mutex::default(), freed: Notify::new(), begun: Instant::now() })
    }

    /// A slot for a connection that was accepted. If necessary, closes another one and waits until its task has ended,
    /// which depends on no client.
    pub(crate) async fn enter(self: &Arc<Self>, peer: IpAddr, socket: Weak<TcpStream>) -> Slot {
        self.room().await;
        let mut table = self.table.lock();
        table.last_id += 1;
        let id = table.last_id;
        let connection = Arc::new(Connection {
            id,
            connections: Arc::downgrade(self),
            peer,
            client: Mutex::new(peer.to_canonical()),
            socket,
            known: Mutex::new(None),
            answers: AtomicUsize::new(0),
            progressed_us: AtomicU64::new(0),
            is_evicted: AtomicBool::new(false),
            evicted: Notify::new(),
            begun: self.begun,
        });
        connection.progressed();
        table.open.insert(id, Arc::clone(&connection));
        let _counted = Counters::hold(&self.counters, |counters| &counters.http_connections);
        Slot { connections: Arc::clone(self), connection, _counted }
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

    /// Closes the connection that can best be spared. `false` when there is none: each one is being closed already.
    fn evict(&self) -> bool {
        let victim = self.table.lock().victim();
        if let Some(victim) = &victim {
            self.counters.http_evicted.add(1);
            victim.evict();
        }
        victim.is_some()
    }

    /// Connections that one token or user may have.
    fn owner_max(&self) -> usize {
        (self.max / HTTP_OWNER_SHARE).max(1)
    }

    /// Makes room for this connection in the share of a token or user.
    ///
    /// # Errors
    /// The share is used up, and none of its connections is idle.
    fn share(&self, connection: &Connection, known: Known) -> Result<(), Busy> {
        let max = self.owner_max();
        let table = self.table.lock();
        // With fewer connections in all there is nothing to count.
        if table.open.len() > max {
            let is_own = |other: &&Arc<Connection>| other.id != connection.id && other.is_of(known);
            let own: Vec<&Arc<Connection>> = table.open.values().filter(is_own).collect();
            if own.len() >= max {
                let idle = own.iter().filter(|other| !other.is_answering()).min_by_key(|other| other.progressed_us());
                let Some(idle) = idle else {
                    self.counters.http_share_refused.add(1);
                    return Err(Busy::Connections { max });
                };
                self.counters.http_share_closed.add(1);
                idle.evict();
            }
        }
        *connection.known.lock() = Some(known);
        Ok(())
    }

    /// Waits until every connection has ended.
    pub(crate) async fn ended(&self) {
        self.until(|table| table.open.is_empty()).await;
    }

    async fn room(&self) {
        let has_room = |table: &Table| table.open.len() < self.max;
        if !has_room(&self.table.lock()) {
            // One is closed for each that comes. If all are being closed already, the first that is gone makes room.
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
    /// The connection that can best be spared. `None` if each one is being closed already.
    fn victim(&self) -> Option<Arc<Connection>> {
        let (mut strangers, mut known) = (Vec::new(), Vec::new());
        for connection in self.open.values().filter(|connection| !connection.is_evicted()) {
            let progressed_us = connection.progressed_us();
            match *connection.known.lock() {
                // Whether an answer is under way says nothing of a stranger: it may never read it.
                None => strangers.push((connection.network(), progressed_us, connection)),
                Some(by) => known.push((by, (connection.is_answering(), progressed_us), connection)),
            }
        }
        if strangers.len() < self.open.len() / HTTP_STRANGERS_SHARE {
            of_the_largest(known).or_else(|| of_the_largest(strangers))
        } else {
            of_the_largest(strangers).or_else(|| of_the_largest(known))
        }
    }
}

/// Of these connections, each with its owner and its worth, the least worth one of the owner with the most of them.
fn of_the_largest<O: Hash + Eq, W: Ord + Copy>(connections: Vec<(O, W, &Arc<Connection>)>) -> Option<Arc<Connection>> {
    let mut owners: HashMap<O, (usize, W, &Arc<Connection>)> = HashMap::new();
    for (owner, worth, connection) in connections {
        match owners.entry(owner) {
            Entry::Vacant(first) => {
                first.insert((1, worth, connection));
            }
            Entry::Occupied(mut more) => {
                let (count, least, spared) = more.get_mut();
                *count += 1;
                if worth < *least {
                    (*least, *spared) = (worth, connection);
                }
            }
        }
    }
    let largest = owners.into_values().max_by_key(|(count, least, _)| (*count, Reverse(*least)));
    largest.map(|(_, _, spared)| Arc::clone(spared))
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
            *self.known.lock() = None;
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

    /// Notes that the client has shown a valid token or cookie. If its token or user has its whole share of
    /// connections, the one of them that has been idle for longest is closed.
    ///
    /// # Errors
    /// An answer is under way on each of them.
    pub(super) fn know(&self, known: Known) -> Result<(), Busy> {
        if *self.known.lock() == Some(known) {
            return Ok(());
        }
        self.connections.upgrade().map_or(Ok(()), |connections| connections.share(self, known))
    }

    /// Notes that an answer is under way, until the result is dropped.
    pub(super) fn answering(self: &Arc<Self>) -> Answering {
        self.answers.fetch_add(1, Ordering::Relaxed);
        Answering(Arc::clone(self))
    }

    fn is_answering(&self) -> bool {
        self.answers.load(Ordering::Relaxed) > 0
    }

    /// Whether it counts for that token or user.
    fn is_of(&self, known: Known) -> bool {
        !self.is_evicted() && *self.known.lock() == Some(known)
    }

    fn progressed_us(&self) -> u64 {
        self.progressed_us.load(Ordering::Relaxed)
    }

    fn is_evicted(&self) -> bool {
        self.is_evicted.load(Ordering::Acquire)
    }

    /// Has it closed.
    fn evict(&self) {
        self.is_evicted.store(true, Ordering::Release);
        // One permit is kept: for the connection's own task, or that of its WebSocket.
        self.evicted.notify_one();
    }

    /// Waits until it must be closed.
    pub(super) async fn evicted(&self) {
        while !self.is_evicted() {
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
        self.connections.table.lock().open.remove(&self.connection.id);
        self.connections.freed.notify_waiters();
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
