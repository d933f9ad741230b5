//! The documents of `/ws`, rendered once for all of an audience.

use std::collections::HashMap;

use tungstenite::Utf8Bytes;
use windfire_engine::{Engine, Selection, ServerView};

use crate::live::memory::Memory;
use crate::render;
use crate::viewer::Audience;

/// Milliseconds between two documents, as in v0.
pub(super) const DOCUMENT_INTERVAL_MS: i64 = 2000;
/// Audiences whose document is cached. There are few.
const AUDIENCES_MAX: usize = 64;

/// The present document of each audience.
#[derive(Default)]
pub(super) struct Documents {
    by_audience: HashMap<Audience, (i64, Utf8Bytes)>,
}

impl Documents {
    /// The document of this turn. `None` if it is not rendered yet and there is no room.
    pub(super) fn current(
        &mut self,
        engine: &Engine,
        audience: &Audience,
        now_ms: i64,
        room: Option<&Memory>,
    ) -> Option<Utf8Bytes> {
        let turn = now_ms.div_euclid(DOCUMENT_INTERVAL_MS);
        if let Some((of, document)) = self.by_audience.get(audience)
            && *of == turn
        {
            return Some(document.clone());
        }
        self.forget_before(now_ms);
        let memory = room?;
        let mut servers: Vec<ServerView> = engine.snapshot(Selection::All);
        // The sort is stable: servers of one position stay in ascending id.
        servers.sort_by_key(|server| std::cmp::Reverse(server.record.display_index));
        let document = render::websocket::document(audience, &servers, now_ms.div_euclid(1000));
        let document = Utf8Bytes::try_from(memory.keep(document.into_bytes())).ok()?;
        if self.by_audience.len() < AUDIENCES_MAX {
            self.by_audience.insert(audience.clone(), (turn, document.clone()));
        }
        Some(document)
    }

    /// Forgets documents of earlier turns.
    pub(super) fn forget_before(&mut self, now_ms: i64) {
        let turn = now_ms.div_euclid(DOCUMENT_INTERVAL_MS);
        self.by_audience.retain(|_, (of, _)| *of == turn);
    }
}
