//! The operator's settings of the API, and the origin of a request.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderValue;
use windfire_engine::Engine;
use windfire_engine::alert::channel::NewChannel;
use windfire_engine::counters::Counter;

use crate::base_path::BasePath;
use crate::cluster::Cluster;
use crate::details::DetailsCache;
use crate::sign_in_limit::SignInLimit;
use crate::viewer::Viewer;

/// The operator's settings of the API, and its state between requests. A copy with other settings shares that state.
#[derive(Debug, Clone)]
pub struct Api {
    /// Name of the panel's session cookie.
    pub cookie_name: String,
    /// Origin from which browsers may call the API. `None` sends no CORS header at all, as v0.
    pub cors_origin: Option<HeaderValue>,
    /// Whether guests see the servers that are not hidden.
    pub are_guests_allowed: bool,
    /// Where browsers have the API and the panel at this hub. Requests come here without it.
    pub base_path: BasePath,
    /// Whether this hub serves HTTPS, so that cookies are only for HTTPS.
    pub is_https: bool,
    /// How agents reach the hub.
    pub agents: Agents,
    /// Addresses that tried to sign in too often.
    pub sign_in_limit: Arc<SignInLimit>,
    /// Secrets that were not right.
    pub tries: Arc<Tries>,
    /// `details` of all servers.
    pub details: Arc<DetailsCache>,
    /// Renders the templates of a channel. The error begins with the field, as other errors about fields do.
    pub check_templates: fn(&NewChannel) -> Result<(), String>,
    /// Set while the hub may not know what other hubs of its cluster have decided lately. It answers no token then: one
    /// of them may have removed it.
    pub is_registry_stale: Arc<AtomicBool>,
    /// The cluster of the hub. `None` if it is alone.
    pub cluster: Option<Arc<dyn Cluster>>,
}

impl Api {
    /// Whether a token may have been removed without this hub knowing it.
    pub(crate) fn doubts_tokens(&self) -> bool {
        self.is_registry_stale.load(Ordering::Relaxed)
    }

    /// Whether a viewer that was admitted may still watch: tokens may be removed, logins end, and guests may be allowed no
    /// longer.
    pub fn still_admits(&self, viewer: &Viewer, engine: &Engine, now_s: i64) -> bool {
        (self.are_guests_allowed || !viewer.is_guest())
            && !(viewer.is_token() && self.doubts_tokens())
            && viewer.is_still_valid(engine, now_s)
    }
}

/// Counts requests whose secret was not right. Nezha's routes answer them with HTTP 200, so statuses do not show them.
#[derive(Debug, Default)]
pub struct Tries {
    /// Requests with a token that is not known.
    pub tokens_unknown: Counter,
    /// Requests with a cookie that is not known, and without a token.
    pub cookies_unknown: Counter,
    /// Wrong passwords, at a sign-in or to change one.
    pub passwords_wrong: Counter,
    /// Sign-ins refused because the address had tried too often.
    pub sign_ins_limited: Counter,
}

/// How agents reach the hub.
#[derive(Debug, Clone, Default)]
pub struct Agents {
    /// Host and port, when the operator gave them.
    pub address: Option<String>,
    /// The port, to go with the name by which a browser reached the hub.
    pub port: u16,
    /// The fingerprint that agents pin.
    pub fingerprint: String,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            cookie_name: "nezha-dashboard".to_owned(),
            cors_origin: None,
            are_guests_allowed: true,
            base_path: BasePath::default(),
            is_https: false,
            agents: Agents::default(),
            sign_in_limit: Arc::default(),
            tries: Arc::default(),
            details: Arc::default(),
            check_templates: |_| Ok(()),
            is_registry_stale: Arc::default(),
            cluster: None,
        }
    }
}

/// Where a request comes from, and when.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// The client's address.
    pub peer: IpAddr,
    /// Unix milliseconds.
    pub now_ms: i64,
}

impl Caller {
    pub(crate) fn now_s(&self) -> i64 {
        self.now_ms.div_euclid(1000)
    }
}
