//! The state that every request needs, and the resources that clients share.

use std::sync::Arc;

use http::HeaderValue;
use tokio::sync::{Semaphore, watch};
use windfire_api::Api;
use windfire_api::live::Live;
use windfire_engine::Engine;

use super::budget::Budget;
use crate::admin::HandOver;
use crate::clock::Clock;
use crate::counters::Counters;
use crate::limits::{
    ANSWERS_GUEST_SHARE, HISTORY_STREAMS_GUEST_MAX, HISTORY_STREAMS_MAX, LIVE_STREAMS_GUEST_SHARE, LIVE_STREAMS_MAX,
};
use crate::memory::Budgets;
use crate::proxies::TrustedProxies;
use crate::swap::Swap;

/// The state that every request needs.
pub(crate) struct Http {
    /// The settings of the API, which a reload replaces.
    pub(crate) api: Arc<Swap<Api>>,
    pub(crate) live: Arc<Live>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) clock: Clock,
    /// Who may say for whom a request is. A reload replaces it.
    pub(crate) proxies: Arc<Swap<TrustedProxies>>,
    /// Tells browsers to come by HTTPS only. `None` if this hub serves no HTTPS, or is not to say so. A reload
    /// replaces it.
    pub(crate) hsts: Arc<Swap<Option<HeaderValue>>>,
    /// The resources that clients share.
    pub(crate) shares: Shares,
    /// Room for answers that are being computed.
    pub(crate) history_room: Arc<Semaphore>,
    /// Room for requests that change something.
    pub(crate) change_room: Arc<Semaphore>,
    /// Backups for hubs that join.
    pub(crate) hand_over: Arc<HandOver>,
    /// Counts the ticks of the live stream. It ends when the hub stops.
    pub(crate) ticks: watch::Receiver<u64>,
}

/// The resources that clients share.
pub(crate) struct Shares {
    /// Connections at once.
    pub(super) connections: usize,
    /// Bytes of answers that clients have not taken yet.
    pub(super) answers_bytes: Arc<Budget>,
    /// Bytes that answers from history hold.
    pub(super) history_bytes: Arc<Budget>,
    pub(super) history_streams: Arc<Budget>,
    pub(super) live_streams: Arc<Budget>,
}

impl Shares {
    pub(crate) fn of(budgets: &Budgets) -> Self {
        let bytes = |all: usize| Budget::new(all, all / ANSWERS_GUEST_SHARE);
        let connections = connections_max(budgets);
        let live_streams = LIVE_STREAMS_MAX.min(connections / 4 * 3);
        Self {
            connections,
            answers_bytes: bytes(budgets.answers_bytes),
            history_bytes: bytes(budgets.history_bytes),
            history_streams: Budget::new(HISTORY_STREAMS_MAX, HISTORY_STREAMS_GUEST_MAX),
            live_streams: Budget::new(live_streams, live_streams / LIVE_STREAMS_GUEST_SHARE),
        }
    }
}

/// Connections that there may be: half of the descriptors are for agents, the store and the command line.
fn connections_max(budgets: &Budgets) -> usize {
    let files_max = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let files_max = files_max.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
    budgets.connections.min(files_max / 2)
}
