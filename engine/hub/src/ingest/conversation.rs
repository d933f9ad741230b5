//! Carries one agent's frames to its [`Session`] and what the session says back. All decisions are the session's.

use std::time::Duration;

use quinn::{Connection, RecvStream, SendStream};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use windfire_engine::error::Refusal;
use windfire_engine::{Flow, Session};
use windfire_wire::limits::FRAME_BODY_BYTES_MAX;
use windfire_wire::{Down, FrameReader, RefuseReason, WireError, decode_up, encode_down};

use super::Ingest;
use crate::limits::{HELLO_TIMEOUT, SAY_TIMEOUT};

/// How long a refused agent may take to read why, before the connection is closed.
const LAST_WORD_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a conversation ended.
enum End {
    /// The agent went away, or the network did.
    Gone(String),
    /// The hub ended it, and the agent is told why.
    Refused(Refusal),
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<WireError> for End {
    fn from(error: WireError) -> Self {
        let reason = match error {
            WireError::UnknownVersion { .. } => RefuseReason::UnsupportedVersion,
            _ => RefuseReason::BadFrame,
        };
        Self::Refused(Refusal::new(reason, error.to_string()))
    }
}

struct Conversation<'a> {
    ingest: &'a Ingest,
    session: Session,
    reader: FrameReader,
    flow: Flow,
    send: SendStream,
    recv: RecvStream,
    kicked: oneshot::Receiver<RefuseReason>,
    committed: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
    is_open: bool,
}

/// Converses until either side ends it.
pub(super) async fn run(ingest: &Ingest, connection: &Connection, is_full: bool) {
    let peer = connection.remote_address();
    let Ok(Ok((send, recv))) = timeout(HELLO_TIMEOUT, connection.accept_bi()).await else { return };
    let (kick, kicked) = oneshot::channel();
    let kick = Box::new(move |reason| {
        // A session that is just ending needs no kick.
        let _gone = kick.send(reason);
    });
    let mut conversation = Conversation {
        ingest,
        session: Session::new(peer.ip().to_canonical().to_string(), kick),
        reader: FrameReader::new(),
        flow: Flow::Read,
        send,
        recv,
        kicked,
        committed: ingest.committed.clone(),
        stop: ingest.stop.clone(),
        is_open: false,
    };
    let end = if is_full {
        End::Refused(Refusal::new(RefuseReason::Full, "the hub has as many sessions as it may"))
    } else {
        conversation.converse().await
    };
    let server = conversation.session.server_id();
    match end {
        End::Gone(why) => tracing::debug!(%peer, server, why, "agent gone"),
        End::Refused(refusal) => {
            ingest.metrics.count_refusal(refusal.reason);
            tracing::info!(%peer, server, reason = refusal.reason.name(), detail = refusal.detail, "agent refused");
            conversation.last_word(refusal).await;
        }
    }
}

impl Conversation<'_> {
    async fn converse(&mut self) -> End {
        let opened = timeout(HELLO_TIMEOUT, async {
            while !self.is_open {
                self.step().await?;
            }
            Ok(())
        });
        match opened.await {
            Ok(Ok(())) => {}
            Ok(Err(end)) => return end,
            Err(_) => return End::Gone("no Hello in time".to_owned()),
        }
        loop {
            if let Err(end) = self.step().await {
                return end;
            }
        }
    }

    /// Says what may be said, takes one frame if one is there, or waits for whatever comes first.
    async fn step(&mut self) -> Result<(), End> {
        let ingest = self.ingest;
        // Marked as seen before the watermark is looked at: a commit in between is not missed.
        self.committed.mark_unchanged();
        if let Some(down) = self.session.on_watermark(&ingest.engine) {
            self.say(&down).await?;
        }
        let now_ms = (ingest.clock)();
        if self.flow == Flow::Stalled {
            self.flow = self.session.retry(&ingest.engine, now_ms)?;
        }
        if self.flow == Flow::Read
            && let Some(body) = self.reader.next_body()?
        {
            ingest.metrics.frames_received.add(1);
            self.flow = self.session.on_frame(&ingest.engine, decode_up(body)?, now_ms)?;
            return Ok(());
        }
        let waits_for_commit = self.session.is_waiting() || self.flow == Flow::Stalled;
        let is_stopping = *self.stop.borrow();
        if is_stopping && !waits_for_commit {
            return Err(Refusal::new(RefuseReason::Stopping, "the hub is stopping").into());
        }
        tokio::select! {
            chunk = self.recv.read_chunk(FRAME_BODY_BYTES_MAX, true), if self.flow == Flow::Read && !is_stopping => {
                match chunk {
                    Ok(Some(chunk)) => {
                        ingest.metrics.bytes_received.add(chunk.bytes.len() as u64);
                        self.reader.feed(&chunk.bytes);
                    }
                    Ok(None) => return Err(End::Gone("the agent ended the stream".to_owned())),
                    Err(error) => return Err(End::Gone(error.to_string())),
                }
            }
            _ = self.committed.changed(), if waits_for_commit => {}
            reason = &mut self.kicked => {
                let reason = reason.unwrap_or(RefuseReason::Superseded);
                let detail = match reason {
                    RefuseReason::BadCredential => "the credential was changed or its server removed",
                    _ => "another agent came with this credential",
                };
                return Err(Refusal::new(reason, detail).into());
            }
            Ok(()) = self.stop.changed() => {}
        }
        Ok(())
    }

    async fn say(&mut self, down: &Down) -> Result<(), End> {
        match down {
            Down::Welcome(_) => {
                self.is_open = true;
                self.ingest.metrics.sessions_opened.add(1);
            }
            Down::Ack { .. } => self.ingest.metrics.acks_sent.add(1),
            Down::Refuse { .. } => {}
        }
        let mut bytes = Vec::with_capacity(32);
        encode_down(down, &mut bytes)?;
        match timeout(SAY_TIMEOUT, self.send.write_all(&bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(End::Gone(error.to_string())),
            Err(_) => Err(End::Gone("the agent does not read".to_owned())),
        }
    }

    async fn last_word(&mut self, refusal: Refusal) {
        let down = Down::Refuse { reason: refusal.reason, detail: refusal.detail };
        if self.say(&down).await.is_ok() && self.send.finish().is_ok() {
            // Closing at once could overtake the words.
            let _in_time = timeout(LAST_WORD_TIMEOUT, self.send.stopped()).await;
        }
    }
}
