//! The one connection: to the hub, over QUIC, on one bidirectional stream. Reports go up, acks come down.

mod error;
mod exchange;
mod turns;

use std::time::Duration;

use quinn::{Connection, RecvStream, SendStream, VarInt};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use windfire_wire::limits::{FRAME_BODY_BYTES_MAX, REPORTS_PER_FRAME_MAX};
use windfire_wire::{
    Down, FrameReader, Hello, HelloClock, Host, PROTOCOL_VERSION, Up, Welcome, decode_down, encode_up,
};

use crate::backoff::{BackoffOptions, Ended};
use crate::clock::{Clock, Told};
pub use crate::dial::Endpoints;
use crate::dial::{Dialled, Hub};
use crate::identity::Identity;
use crate::limits::{CONNECT_TIMEOUT, HUB_SILENCE, REPORT_INTERVAL_MAX, REPORT_INTERVAL_MIN, STOP_TIMEOUT};
use crate::outbox::new_outbox_id;
use crate::sampler::{Contact, Feed};
pub use error::LinkError;
use error::no_numbers;
#[doc(hidden)]
pub use exchange::{Outgoing, Received, receive, receive_welcome};
use turns::Turns;

/// The hubs, the identity and the back-off.
#[derive(Clone)]
pub struct LinkOptions {
    /// Hubs as [`crate::address::HubAddress`] reads them, tried in a random order.
    pub hubs: Vec<String>,
    /// The identity of the agent.
    pub identity: Identity,
    /// Waits between attempts.
    pub backoff: BackoffOptions,
    /// The agent's clocks. The hub gets their time and compares.
    pub clock: Clock,
    /// Asks for an ack of every frame as soon as it is durable, instead of every few seconds. Costs a packet each.
    pub ack_each_frame: bool,
}

/// The agent's connection to its hub. It reconnects when the connection breaks.
pub struct Link {
    options: LinkOptions,
    endpoints: Endpoints,
    feed: Feed,
    host: watch::Receiver<Host>,
    stop: watch::Receiver<bool>,
}

/// Why a connection ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The agent got a signal to stop.
    Stopped,
    /// All reports of its run of numbers are settled: the next run needs its own connection.
    Settled,
}

/// How far a connection came.
#[derive(Default)]
struct Progress {
    was_welcome: bool,
}

/// A connection with the hub's `Welcome`.
struct Welcomed<'a> {
    dialled: Dialled,
    send: SendStream,
    incoming: Incoming<'a>,
    told: Told,
}

impl Link {
    /// A link that sends the reports of `feed`. It ends soon after `stop` becomes true.
    pub fn new(
        options: LinkOptions,
        endpoints: Endpoints,
        feed: Feed,
        host: watch::Receiver<Host>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self { options, endpoints, feed, host, stop }
    }

    /// Connects, sends, and reconnects after every failure, until stopped.
    pub async fn run(mut self) {
        let read = |text: &String| text.parse().map(Hub::new);
        let hubs: Vec<Hub> = match self.options.hubs.iter().map(read).collect() {
            Ok(hubs) => hubs,
            Err::<_, String>(error) => return tracing::error!("{error}"),
        };
        let mut turns = Turns::new(hubs, self.options.backoff);
        while !*self.stop.borrow() {
            let Some(hub) = turns.present() else { return };
            let mut progress = Progress::default();
            let ended = self.connect(hub, &mut progress).await;
            // These errors would come again at once, so such a connection does not count as a success.
            let is_own_fault = matches!(ended, Err(LinkError::Spool(_) | LinkError::Frame(_)));
            let name = hub.address.to_string();
            if progress.was_welcome && !is_own_fault {
                turns.succeeded();
            }
            let ended = match ended {
                Ok(End::Stopped) => return,
                // The same hub again, because it answers.
                Ok(End::Settled) => continue,
                Err(error @ LinkError::Numbers { .. }) => {
                    tracing::error!("{error}");
                    Ended::NoNumbers
                }
                Err(LinkError::Refused { reason, detail }) => {
                    tracing::warn!(hub = %name, reason = reason.name(), detail, "the hub refused this agent");
                    Ended::Refused(reason)
                }
                Err(error) => {
                    tracing::warn!(%error, "no connection");
                    Ended::Lost
                }
            };
            let wait = turns.pass(ended, Instant::now());
            tracing::debug!(wait_ms = wait.as_millis(), "waiting before the next attempt");
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stopped(&mut self.stop) => return,
            }
        }
    }

    async fn connect(&mut self, hub: &mut Hub, progress: &mut Progress) -> Result<End, LinkError> {
        let mut stop = self.stop.clone();
        let name = hub.address.to_string();
        // A stop ends every wait: for a name, an answer or a welcome.
        let welcomed = tokio::select! {
            welcomed = self.greet(hub, &name) => welcomed?,
            () = stopped(&mut stop) => return Ok(End::Stopped),
        };
        let Welcomed { dialled, send, mut incoming, told } = welcomed;
        progress.was_welcome = true;
        self.feed.contact.send_replace(Contact::Made { hub: name.clone() });
        // Both directions at once: an overloaded hub stops reading, but its acks must still be read.
        let outgoing = send_all(send, &self.options, told, &self.feed, self.host.clone(), stop.clone(), &name);
        let ended = tokio::select! {
            ended = outgoing => ended.map(|()| End::Settled),
            ended = incoming.receive_all(&self.feed) => ended.map(|()| End::Settled),
            () = stopped_and_acked(stop, &self.feed) => Ok(End::Stopped),
            () = dialled.fall_silent(), if self.options.hubs.len() > 1 => Err(silent(&name)),
            never = dialled.keep_path() => match never {},
        };
        self.feed.contact.send_replace(Contact::Lost { at: Instant::now() });
        dialled.connection.close(VarInt::from_u32(0), b"");
        ended
    }

    /// Connects, sends Hello for the outbox's front run, and waits for the welcome.
    async fn greet<'a>(&self, hub: &mut Hub, name: &'a str) -> Result<Welcomed<'a>, LinkError> {
        let dialled = hub.dial(&self.endpoints).await?;
        let (mut send, mut incoming) = open(&dialled.connection, name).await?;
        let clock = self.options.clock.read();
        let told = Told::new(clock);
        let hello = Hello {
            protocol: PROTOCOL_VERSION,
            credential: self.options.identity.credential.clone(),
            enrol: self.options.identity.enrol.clone(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            outbox_id: self.feed.outbox().await.greet(),
            clock: Some(HelloClock { uptime_ms: self.feed.uptime_ms(), ..clock }),
        };
        let welcome = say_hello(&mut send, &mut incoming, hello).await?;
        self.on_welcome(name, welcome).await?;
        Ok(Welcomed { dialled, send, incoming, told })
    }

    async fn on_welcome(&self, hub: &str, welcome: Welcome) -> Result<(), LinkError> {
        let (outbox, welcomed) = self.feed.on_disk(move |outbox| outbox.welcome(welcome)).await;
        welcomed.map_err(|error| no_numbers(hub, &error))?;
        let unsent = outbox.len();
        drop(outbox);
        if welcome.report_interval_ms > 0 {
            let wanted = Duration::from_millis(u64::from(welcome.report_interval_ms));
            let interval = wanted.clamp(REPORT_INTERVAL_MIN, REPORT_INTERVAL_MAX);
            self.feed.interval.send_if_modified(|known| std::mem::replace(known, interval) != interval);
        }
        self.feed.gather.set(1);
        tracing::info!(%hub, server = welcome.server_id, unsent, "connected");
        Ok(())
    }
}

/// Shows the credential of a server to the hub, and learns whether it is taken: the server's id, or the refusal. It
/// asks for no new server. An agent that is connected with this credential is superseded, and tries again only after
/// some minutes.
pub(crate) async fn try_credential(
    hub: &mut Hub,
    endpoints: &Endpoints,
    credential: &str,
    clock: Clock,
) -> Result<u64, LinkError> {
    let name = hub.address.to_string();
    let dialled = hub.dial(endpoints).await?;
    let (mut send, mut incoming) = open(&dialled.connection, &name).await?;
    let hello = Hello {
        protocol: PROTOCOL_VERSION,
        credential: credential.to_owned(),
        enrol: None,
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        outbox_id: new_outbox_id(),
        clock: Some(clock.read()),
    };
    let welcome = say_hello(&mut send, &mut incoming, hello).await;
    dialled.close().await;
    welcome.map(|welcome| welcome.server_id)
}

/// Opens the one stream of a connection.
async fn open<'a>(connection: &Connection, hub: &'a str) -> Result<(SendStream, Incoming<'a>), LinkError> {
    let opened = timeout(CONNECT_TIMEOUT, connection.open_bi()).await.map_err(|_| no_welcome(hub))?;
    let broken = |reason: String| LinkError::Connection { hub: hub.to_owned(), reason };
    let (send, recv) = opened.map_err(|error| broken(error.to_string()))?;
    Ok((send, Incoming { recv, reader: FrameReader::new(), hub }))
}

/// Sends Hello, and waits for the hub's welcome.
async fn say_hello(send: &mut SendStream, incoming: &mut Incoming<'_>, hello: Hello) -> Result<Welcome, LinkError> {
    let hub = incoming.hub;
    let greeted = async {
        write(send, &Up::Hello(hello), hub).await?;
        incoming.next().await
    };
    let first = timeout(CONNECT_TIMEOUT, greeted).await.map_err(|_| no_welcome(hub))?;
    receive_welcome(hub, first)
}

fn no_welcome(hub: &str) -> LinkError {
    LinkError::Connection { hub: hub.to_owned(), reason: format!("no welcome within {} s", CONNECT_TIMEOUT.as_secs()) }
}

fn silent(hub: &str) -> LinkError {
    LinkError::Connection { hub: hub.to_owned(), reason: format!("no answer for {} s", HUB_SILENCE.as_secs()) }
}

/// Resolves when the agent must stop. Never resolves if the sender is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Resolves when everything is acknowledged after a stop, or when that takes too long.
async fn stopped_and_acked(mut stop: watch::Receiver<bool>, feed: &Feed) {
    stopped(&mut stop).await;
    let acked = async {
        while !feed.outbox().await.is_empty() {
            feed.acked.notified().await;
        }
    };
    let _in_time = timeout(STOP_TIMEOUT, acked).await;
}

/// Sends until the run of the connection is settled.
async fn send_all(
    mut send: SendStream,
    options: &LinkOptions,
    told: Told,
    feed: &Feed,
    mut host: watch::Receiver<Host>,
    mut stop: watch::Receiver<bool>,
    hub: &str,
) -> Result<(), LinkError> {
    let mut outgoing = Outgoing::new(told, options.ack_each_frame);
    let mut has_new_facts = true;
    loop {
        if std::mem::take(&mut has_new_facts) {
            let facts = host.borrow_and_update().clone();
            write(&mut send, &Up::Host(Box::new(facts)), hub).await?;
        }
        let is_stopping = *stop.borrow_and_update();
        let unsent = feed.outbox().await.unsent();
        if outgoing.begin_turn(is_stopping, unsent, feed.frame_samples()) {
            while let Some((clock, reports)) = next_frames(feed, &mut outgoing, options.clock).await? {
                if let Some(clock) = clock {
                    write(&mut send, &clock, hub).await?;
                }
                write(&mut send, &reports, hub).await?;
            }
            feed.gather.sent();
        }
        let (has_moved_on, next_sequence) = {
            let outbox = feed.outbox().await;
            (outbox.has_moved_on(), outbox.next_sequence())
        };
        if has_moved_on {
            return Ok(());
        }
        if let Some(question) = outgoing.end_turn(next_sequence) {
            write(&mut send, &question, hub).await?;
        }
        tokio::select! {
            () = feed.pushed.notified() => {}
            Ok(()) = host.changed() => has_new_facts = true,
            Ok(()) = stop.changed() => {}
        }
    }
}

/// As many unsent reports as one frame holds, and before them the clock, if the hub must get it.
async fn next_frames(
    feed: &Feed,
    outgoing: &mut Outgoing,
    clock: Clock,
) -> Result<Option<(Option<Up>, Up)>, LinkError> {
    let frame_samples = feed.frame_samples();
    let (mut outbox, pending) = feed.on_disk(|outbox| outbox.next(REPORTS_PER_FRAME_MAX)).await;
    let Some(pending) = pending? else { return Ok(None) };
    let reports = outgoing.pack(&mut outbox, &pending, frame_samples)?;
    drop(outbox);
    // Read after the samples of the frame were taken, so that the hub knows the clock of every report.
    let news = outgoing.clock_news(clock.read());
    let clock = news.map(|clock| Up::Clock(HelloClock { uptime_ms: feed.uptime_ms(), ..clock }));
    Ok(Some((clock, Up::Reports(reports))))
}

async fn write(send: &mut SendStream, up: &Up, hub: &str) -> Result<(), LinkError> {
    let mut bytes = Vec::new();
    encode_up(up, &mut bytes)?;
    let broken = |error: quinn::WriteError| LinkError::Connection { hub: hub.to_owned(), reason: error.to_string() };
    match send.write_all(&bytes).await {
        Ok(()) => Ok(()),
        // The other half gets the reason, which is most likely a refusal.
        Err(quinn::WriteError::Stopped(_)) => std::future::pending().await,
        Err(error) => Err(broken(error)),
    }
}

/// Frames from the hub.
struct Incoming<'a> {
    recv: RecvStream,
    reader: FrameReader,
    hub: &'a str,
}

impl Incoming<'_> {
    async fn next(&mut self) -> Result<Down, LinkError> {
        loop {
            if let Some(body) = self.reader.next_body()? {
                return Ok(decode_down(body)?);
            }
            let broken = |reason: String| LinkError::Connection { hub: self.hub.to_owned(), reason };
            match self.recv.read_chunk(FRAME_BODY_BYTES_MAX, true).await {
                Ok(Some(chunk)) => self.reader.feed(&chunk.bytes),
                Ok(None) => return Err(broken("the hub ended the stream".to_owned())),
                Err(error) => return Err(broken(error.to_string())),
            }
        }
    }

    /// Receives until the run of the connection is settled.
    async fn receive_all(&mut self, feed: &Feed) -> Result<(), LinkError> {
        while !feed.outbox().await.has_moved_on() {
            match receive(self.hub, self.next().await?)? {
                Received::Ack(up_to) => {
                    let (outbox, ()) = feed.on_disk(move |outbox| outbox.ack(up_to)).await;
                    drop(outbox);
                    feed.acked.notify_one();
                }
                Received::Pace(samples_per_frame) => feed.gather.set(samples_per_frame),
            }
        }
        Ok(())
    }
}
