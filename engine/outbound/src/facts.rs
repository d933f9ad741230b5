//! What is known of a server and of an alert beside the message.

use std::sync::Arc;

use windfire_engine::alert::rule::Rule;
use windfire_engine::latest::Latest;
use windfire_engine::server::ServerRecord;

/// The only server that a message tells of, for templates.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Its settings.
    pub record: Arc<ServerRecord>,
    /// Its newest status. `None` before its first report.
    pub latest: Option<Arc<Latest>>,
}

impl Facts {
    /// Its addresses of both kinds, empty where there is none.
    pub(crate) fn addresses(&self) -> (&str, &str) {
        let address = self.latest.as_ref().map_or("", |latest| &latest.facts.address);
        match address.split_once('/') {
            Some((v4, v6)) => (v4, v6),
            None if address.contains(':') => ("", address),
            None => (address, ""),
        }
    }
}

/// An alert as an Alertmanager is told of it.
#[derive(Debug, Clone)]
pub struct ShownAlert {
    /// Its rule.
    pub rule: Arc<Rule>,
    /// Its server; 0 for the hub.
    pub server_id: u64,
    /// The server's name.
    pub server_name: String,
    /// The server's tag.
    pub tag: String,
    /// The value of the rule's first condition.
    pub value: Option<f64>,
    /// Unix milliseconds since when it is bad.
    pub since_ms: i64,
    /// Unix milliseconds at which it ends, unless it is told again before.
    pub ends_ms: i64,
    /// The page of the hub about it.
    pub link: Option<String>,
}
