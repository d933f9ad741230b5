//! One core's share of the agents: a socket, a QUIC endpoint, its conversations, and one loop around them.
//!
//! ```text
//! round    receive → deadlines → commit → mail → service each conversation that is ready → send
//! ```
//! A round takes everything that has come since the last, so the busier the hub, the more packets share a wake-up.
//! There are no tasks or channels per conversation: a conversation is a struct in a table.

use std::cell::RefCell;
use std::io::{self, IoSliceMut};
use std::time::Instant;

use bytes::BytesMut;
use quinn_proto::{ConnectionHandle, DatagramEvent, EcnCodepoint, Endpoint, EndpointEvent, Incoming, Transmit};
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use windfire_engine::Scratch;

use super::Ingest;
use super::conversation::{Conversation, RoundContext};
use super::deadlines::Deadlines;
use super::mailbox::{Addressed, Mailbox};
use super::transport::Transport;
use crate::limits::{RECEIVES_PER_ROUND_MAX, ROUND_INTERVAL, ROUND_LATE_MAX, STOP_TIMEOUT};
use crate::pulse::Pulse;
use crate::threads::Phase;

/// One core's share of the agents.
pub(super) struct Listener {
    ingest: Ingest,
    socket: UdpSocket,
    udp: UdpSocketState,
    endpoint: Endpoint,
    /// By handle. As many as the endpoint has connections.
    conversations: Vec<Option<Box<Conversation>>>,
    count: usize,
    /// Conversations so far.
    numbers: u64,
    deadlines: Deadlines,
    /// Conversations to service in this round, each once.
    ready: Vec<ConnectionHandle>,
    /// Waiting for a commit, each once.
    awaiting_commit: Vec<ConnectionHandle>,
    mailbox: Mailbox,
    mail: UnboundedReceiver<Addressed>,
    packets: Packets,
    scratch: RefCell<Scratch>,
    /// The present round serviced a conversation.
    is_any_serviced: bool,
    /// The present round began late.
    is_late: bool,
    is_stopping: bool,
}

/// Buffers for packets.
struct Packets {
    received: Vec<u8>,
    to_send: Vec<u8>,
    /// Packets that the socket did not take. No further ones are made before it does.
    blocked: Option<(Transmit, Vec<u8>)>,
    /// The last round received some.
    are_any_received: bool,
    /// Some of them came from agents that are connected or connecting.
    are_any_of_agents: bool,
}

impl Listener {
    pub(super) fn new(
        ingest: Ingest,
        socket: std::net::UdpSocket,
        transport: &Transport,
        lane: u8,
        lanes: u8,
    ) -> Result<Self, String> {
        let unusable = |error: io::Error| format!("the socket for agents cannot be used: {error}");
        let udp = UdpSocketState::new((&socket).into()).map_err(unusable)?;
        let endpoint = transport.endpoint(lane, lanes);
        let datagram_bytes = usize::try_from(endpoint.config().get_max_udp_payload_size()).unwrap_or(usize::MAX);
        let received = vec![0; datagram_bytes.min(64 * 1024) * udp.gro_segments() * BATCH_SIZE];
        let (sender, mail) = unbounded_channel();
        Ok(Self {
            ingest,
            socket: UdpSocket::from_std(socket).map_err(unusable)?,
            udp,
            endpoint,
            conversations: Vec::new(),
            count: 0,
            numbers: 0,
            deadlines: Deadlines::new(Instant::now()),
            ready: Vec::new(),
            awaiting_commit: Vec::new(),
            mailbox: Mailbox(sender),
            mail,
            packets: Packets {
                received,
                to_send: Vec::new(),
                blocked: None,
                are_any_received: false,
                are_any_of_agents: false,
            },
            scratch: RefCell::default(),
            is_any_serviced: false,
            is_late: false,
            is_stopping: false,
        })
    }

    /// Takes agents until stopped, then closes all connections. Must run within a runtime.
    pub(super) async fn run(mut self, pulse: &Pulse) -> Result<(), String> {
        let mut stop = self.ingest.stop.clone();
        let mut committed = self.ingest.committed.clone();
        let (mut stop_by, mut seen_commits) = (None, *committed.borrow());
        loop {
            let next = self.deadlines.next();
            let next = stop_by.map_or(next, |by: Instant| next.min(by));
            tokio::select! {
                ready = self.socket.readable() => {
                    ready.map_err(|error| format!("the socket for agents is gone: {error}"))?;
                }
                ready = self.socket.writable(), if self.packets.blocked.is_some() => {
                    ready.map_err(|error| format!("the socket for agents is gone: {error}"))?;
                }
                () = tokio::time::sleep_until(next.into()) => {}
                _ = committed.changed(), if !self.awaiting_commit.is_empty() => {}
                mail = self.mail.recv() => self.deliver(mail),
                () = stop.reached(Phase::Draining), if !self.is_stopping => {
                    self.is_stopping = true;
                    stop_by = Some(Instant::now() + STOP_TIMEOUT);
                    // Sessions now end without further action. An agent that connects later gets no answer and tries
                    // again.
                    self.endpoint.set_server_config(None);
                    self.touch_all();
                }
            }
            pulse.beat();
            let started = Instant::now();
            // Checked after every branch: while packets come all the time, select often picks another branch by chance.
            let commits = *committed.borrow_and_update();
            let is_committed = std::mem::replace(&mut seen_commits, commits) != commits;
            self.round(started, is_committed);
            if std::mem::take(&mut self.is_any_serviced)
                && let Some(offered) = &self.ingest.offered
            {
                offered.tell();
            }
            self.ingest.counters.observe_round(started.elapsed());
            if self.packets.are_any_received {
                // Packets that come in the meantime share the next wake-up, which costs more than a packet.
                tokio::time::sleep_until((started + ROUND_INTERVAL).into()).await;
                let late = started.elapsed().saturating_sub(ROUND_INTERVAL);
                self.is_late = late > ROUND_LATE_MAX;
                self.ingest.counters.late_rounds.add(u64::from(self.is_late));
            }
            if self.is_stopping && (self.count == 0 || stop_by.is_some_and(|by| started >= by)) {
                return Ok(());
            }
        }
    }

    fn round(&mut self, now: Instant, is_committed: bool) {
        let is_blocked = self.resend();
        self.receive(now);
        while let Some(handle) = self.deadlines.pop(now) {
            self.touch(ConnectionHandle(handle));
        }
        if is_committed {
            for handle in std::mem::take(&mut self.awaiting_commit) {
                if let Some(Some(conversation)) = self.conversations.get_mut(handle.0) {
                    conversation.is_listed = false;
                }
                self.touch(handle);
            }
        }
        while let Ok(mail) = self.mail.try_recv() {
            self.deliver(Some(mail));
        }
        // The deadlines wake the loop at least once per second.
        self.ingest.refusals.look(now);
        if is_blocked {
            // They stay ready until the socket takes packets again. Data that comes before that waits in QUIC.
            return;
        }
        let now_ms = (self.ingest.clock)();
        let ready = std::mem::take(&mut self.ready);
        for (position, handle) in ready.iter().enumerate() {
            self.service(*handle, now, now_ms);
            if self.packets.blocked.is_some() {
                // This one may have more to send.
                self.ready.extend_from_slice(&ready[position + 1..]);
                self.touch(*handle);
                return;
            }
        }
        self.ready = ready;
        self.ready.clear();
    }

    fn receive(&mut self, now: Instant) {
        let mut received = std::mem::take(&mut self.packets.received);
        let slot_bytes = received.len() / BATCH_SIZE;
        (self.packets.are_any_received, self.packets.are_any_of_agents) = (false, false);
        for _ in 0..RECEIVES_PER_ROUND_MAX {
            let mut metas = [RecvMeta::default(); BATCH_SIZE];
            let mut slots = received.chunks_mut(slot_bytes).map(IoSliceMut::new);
            let mut slots: [IoSliceMut<'_>; BATCH_SIZE] =
                std::array::from_fn(|_| slots.next().unwrap_or_else(|| IoSliceMut::new(&mut [])));
            let got =
                self.socket.try_io(Interest::READABLE, || self.udp.recv((&self.socket).into(), &mut slots, &mut metas));
            let count = match got {
                Ok(count) => count,
                // A reset of an earlier packet: it has no meaning in QUIC.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    tracing::warn!(%error, "packets of agents cannot be received");
                    break;
                }
            };
            self.packets.are_any_received = true;
            for (meta, slot) in metas.iter().zip(&slots).take(count) {
                for datagram in slot[..meta.len].chunks(meta.stride.max(1)) {
                    self.on_datagram(now, meta, BytesMut::from(datagram));
                }
            }
            if count < BATCH_SIZE {
                break;
            }
        }
        self.packets.received = received;
        if self.packets.are_any_of_agents {
            self.ingest.counters.agent_heard.note(now);
        }
    }

    fn on_datagram(&mut self, now: Instant, meta: &RecvMeta, datagram: BytesMut) {
        let ecn = meta.ecn.and_then(|ecn| EcnCodepoint::from_bits(ecn as u8));
        self.packets.to_send.clear();
        match self.endpoint.handle(now, meta.addr, meta.dst_ip, ecn, datagram, &mut self.packets.to_send) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                if let Some(Some(conversation)) = self.conversations.get_mut(handle.0) {
                    conversation.connection.handle_event(event);
                    self.packets.are_any_of_agents = true;
                    self.touch(handle);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => self.admit(incoming, now),
            Some(DatagramEvent::Response(transmit)) => self.respond(&transmit),
            None => {}
        }
    }

    fn admit(&mut self, incoming: Incoming, now: Instant) {
        let counters = &self.ingest.counters;
        self.packets.to_send.clear();
        let (peer, places) = (incoming.remote_address().ip(), &self.ingest.places);
        let is_proven = incoming.remote_address_validated() || !incoming.may_retry();
        if !is_proven && places.must_prove(peer, now) {
            counters.handshakes_retried.add(1);
            match self.endpoint.retry(incoming, &mut self.packets.to_send) {
                Ok(transmit) => self.respond(&transmit),
                Err(error) => self.endpoint.ignore(error.into_incoming()),
            }
            return;
        }
        let Some(place) = places.enter(peer, is_proven, now, counters) else {
            counters.handshakes_refused.add(1);
            let transmit = self.endpoint.refuse(incoming, &mut self.packets.to_send);
            return self.respond(&transmit);
        };
        match self.endpoint.accept(incoming, now, &mut self.packets.to_send, None) {
            Ok((handle, connection)) => {
                self.numbers += 1;
                let context = self.context(now, 0);
                let conversation = Box::new(Conversation::new(connection, handle, self.numbers, place, context));
                if handle.0 >= self.conversations.len() {
                    self.conversations.resize_with(handle.0 + 1, || None);
                }
                self.conversations[handle.0] = Some(conversation);
                self.count += 1;
                self.touch(handle);
            }
            Err(error) => {
                counters.handshakes_failed.add(1);
                tracing::debug!(error = %error.cause, "no handshake");
                if let Some(transmit) = error.response {
                    self.respond(&transmit);
                }
            }
        }
    }

    /// Services one conversation: takes and sends everything that is due.
    fn service(&mut self, handle: ConnectionHandle, now: Instant, now_ms: i64) {
        let Some(Some(mut conversation)) = self.conversations.get_mut(handle.0).map(Option::take) else { return };
        conversation.is_touched = false;
        self.is_any_serviced = true;
        if conversation.connection.poll_timeout().is_some_and(|at| at <= now) {
            conversation.connection.handle_timeout(now);
        }
        conversation.poll(self.context(now, now_ms));
        loop {
            if !conversation.is_held(now) {
                self.transmit(&mut conversation, now);
            }
            match self.settle(handle, &mut conversation) {
                Settled::Quiet => break,
                // New connection ids, which go to the agent in another packet.
                Settled::Changed => {}
                Settled::Drained => {
                    self.deadlines.set(handle.0, None);
                    if conversation.is_listed {
                        // A later conversation with this handle is listed separately.
                        self.awaiting_commit.retain(|waiting| *waiting != handle);
                    }
                    self.count -= 1;
                    return;
                }
            }
        }
        if conversation.waits_for_commit() && !conversation.is_listed {
            conversation.is_listed = true;
            self.awaiting_commit.push(handle);
        }
        let deadline = conversation.deadline(now);
        self.deadlines.set(handle.0, deadline);
        self.conversations[handle.0] = Some(conversation);
    }

    /// Exchanges the events of connection and endpoint.
    fn settle(&mut self, handle: ConnectionHandle, conversation: &mut Conversation) -> Settled {
        let mut settled = Settled::Quiet;
        while let Some(event) = conversation.connection.poll_endpoint_events() {
            let is_drained = EndpointEvent::is_drained(&event);
            if let Some(event) = self.endpoint.handle_event(handle, event) {
                conversation.connection.handle_event(event);
                settled = Settled::Changed;
            }
            if is_drained {
                return Settled::Drained;
            }
        }
        settled
    }

    fn transmit(&mut self, conversation: &mut Conversation, now: Instant) {
        while self.packets.blocked.is_none() {
            let to_send = &mut self.packets.to_send;
            to_send.clear();
            let Some(transmit) = conversation.connection.poll_transmit(now, self.udp.max_gso_segments(), to_send)
            else {
                return;
            };
            if !self.send(&transmit) {
                self.packets.blocked = Some((transmit, self.packets.to_send.clone()));
            }
        }
    }

    /// Sends a packet of the endpoint itself. Nothing depends on its arrival.
    fn respond(&self, transmit: &Transmit) {
        let _taken = self.send(transmit);
    }

    /// Sends the packets in the buffer. Returns whether the socket took them.
    fn send(&self, transmit: &Transmit) -> bool {
        send(&self.socket, &self.udp, transmit, &self.packets.to_send)
    }

    /// Sends the packets that the socket did not take before. Returns whether it still does not take them.
    fn resend(&mut self) -> bool {
        if let Some((transmit, bytes)) = self.packets.blocked.take()
            && !send(&self.socket, &self.udp, &transmit, &bytes)
        {
            self.packets.blocked = Some((transmit, bytes));
        }
        self.packets.blocked.is_some()
    }

    fn touch(&mut self, handle: ConnectionHandle) {
        if let Some(Some(conversation)) = self.conversations.get_mut(handle.0)
            && !conversation.is_touched
        {
            conversation.is_touched = true;
            self.ready.push(handle);
        }
    }

    fn touch_all(&mut self) {
        (0..self.conversations.len()).for_each(|handle| self.touch(ConnectionHandle(handle)));
    }

    fn deliver(&mut self, mail: Option<Addressed>) {
        let Some((handle, number, mail)) = mail else { return };
        if let Some(Some(conversation)) = self.conversations.get_mut(handle.0)
            && conversation.number == number
        {
            conversation.hear(mail);
            self.touch(handle);
        }
    }

    fn context(&self, now: Instant, now_ms: i64) -> RoundContext<'_> {
        RoundContext {
            ingest: &self.ingest,
            mailbox: &self.mailbox,
            scratch: &self.scratch,
            now,
            now_ms,
            is_late: self.is_late,
            is_stopping: self.is_stopping,
        }
    }
}

/// The result of a connection's exchange with its endpoint.
enum Settled {
    Quiet,
    Changed,
    Drained,
}

fn send(socket: &UdpSocket, udp: &UdpSocketState, transmit: &Transmit, bytes: &[u8]) -> bool {
    let transmit = quinn_udp::Transmit {
        destination: transmit.destination,
        ecn: transmit.ecn.and_then(|ecn| quinn_udp::EcnCodepoint::from_bits(ecn as u8)),
        contents: &bytes[..transmit.size],
        segment_size: transmit.segment_size,
        src_ip: transmit.src_ip,
    };
    // QUIC recovers from any other error: the packet counts as lost.
    let sent = socket.try_io(Interest::WRITABLE, || udp.send(socket.into(), &transmit));
    !matches!(sent, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}
