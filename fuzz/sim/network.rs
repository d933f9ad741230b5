//! Connections without sockets: bytes in flight both ways, and the hub's end, which does what
//! `engine/hub/src/ingest/conversation.rs` does with its session.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use windfire_engine::error::Refusal;
use windfire_engine::{Engine, Flow, Scratch, Session};
use windfire_wire::{Down, FrameReader, RefuseReason, encode_down};

/// Who holds the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// The agent of that number.
    Agent(usize),
    /// The one that lies.
    Liar,
}

/// One connection.
pub(crate) struct Link {
    /// Who holds the other end.
    pub(crate) peer: Peer,
    /// Said by the agent, not at the hub yet.
    up: Vec<u8>,
    /// Said by the hub, not at the agent yet.
    down: Vec<u8>,
    hub: Option<HubEnd>,
    /// The agent still holds its end.
    pub(crate) is_open: bool,
    /// Nothing but the first frame comes back.
    pub(crate) is_deaf: bool,
}

struct HubEnd {
    session: Session,
    reader: FrameReader,
    flow: Flow,
    is_kicked: Arc<AtomicBool>,
}

impl HubEnd {
    fn new() -> Self {
        let is_kicked = Arc::new(AtomicBool::new(false));
        let kicked = Arc::clone(&is_kicked);
        let session = Session::new(
            "192.0.2.1".to_owned(),
            Box::new(move |_: RefuseReason| kicked.store(true, Ordering::Relaxed)),
        );
        Self { session, reader: FrameReader::new(), flow: Flow::Read, is_kicked }
    }
}

impl Link {
    /// A connection that the hub has just taken.
    pub(crate) fn new(peer: Peer, is_deaf: bool) -> Self {
        Self { peer, up: Vec::new(), down: Vec::new(), hub: Some(HubEnd::new()), is_open: true, is_deaf }
    }

    /// The agent says something.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.up.extend_from_slice(bytes);
    }

    /// Bytes on their way to the hub.
    pub(crate) fn up_bytes(&self) -> usize {
        self.up.len()
    }

    /// Bytes on their way to the agent.
    pub(crate) fn down_bytes(&self) -> usize {
        self.down.len()
    }

    /// So many bytes arrive at the agent.
    pub(crate) fn arrive(&mut self, bytes: usize) -> Vec<u8> {
        self.down.drain(..bytes.min(self.down.len())).collect()
    }

    /// The connection ends after so many of the bytes on their way to the hub, and with what was on its way to the agent.
    pub(crate) fn end(&mut self, kept: usize) {
        self.up.truncate(kept);
        self.down.clear();
        self.is_open = false;
    }

    /// The hub notices that the connection is gone.
    pub(crate) fn close(&mut self) {
        self.hub = None;
    }

    /// Whether neither side has anything of it.
    pub(crate) fn is_over(&self) -> bool {
        self.hub.is_none() && (!self.is_open || self.down.is_empty())
    }

    /// Whether the hub's side is gone, so that nothing more will come.
    pub(crate) fn is_hung_up(&self) -> bool {
        self.hub.is_none() && (self.down.is_empty() || self.is_deaf)
    }

    /// Lets so many bytes arrive at the hub, and says what is to be said. Why the session was refused, if it was.
    pub(crate) fn pump(
        &mut self,
        engine: &Engine,
        scratch: &mut Scratch,
        now_ms: i64,
        bytes: usize,
    ) -> Option<Refusal> {
        let mut left = bytes.min(self.up.len());
        loop {
            match self.step(engine, scratch, now_ms, &mut left) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(refusal) => {
                    let (reason, detail) = (refusal.reason, refusal.detail.clone());
                    self.reply(&Down::Refuse { reason, detail });
                    self.hub = None;
                    return Some(refusal);
                }
            }
        }
    }

    /// Says what may be said, then takes one frame or one chunk. Whether there may be more to do.
    fn step(&mut self, engine: &Engine, scratch: &mut Scratch, now_ms: i64, left: &mut usize) -> Result<bool, Refusal> {
        let Some(end) = &mut self.hub else { return Ok(false) };
        if end.is_kicked.load(Ordering::Relaxed) {
            return Err(Refusal::new(RefuseReason::Superseded, "another agent came with this credential"));
        }
        if let Some(down) = end.session.on_watermark(engine) {
            self.reply(&down);
            return Ok(true);
        }
        if end.flow == Flow::Stalled {
            end.flow = end.session.retry(engine, now_ms)?;
        }
        if end.flow == Flow::Stalled {
            return Ok(false);
        }
        if let Some(body) = end.reader.next_body()? {
            end.flow = end.session.on_body(engine, body, scratch, now_ms)?;
            return Ok(true);
        }
        if *left == 0 {
            return Ok(false);
        }
        let chunk: Vec<u8> = self.up.drain(..*left).collect();
        *left = 0;
        end.reader.feed(&chunk);
        Ok(true)
    }

    fn reply(&mut self, down: &Down) {
        if self.is_open {
            encode_down(down, &mut self.down).expect("the hub's own frames are within the limits");
        }
    }
}
