//! Messages that templates are tried with when a channel is saved, and that the tests send.

use std::sync::Arc;

use windfire_engine::alert::measure::Measure;
use windfire_engine::alert::notice::{Message, NoticeKind, NoticeServer};
use windfire_engine::alert::rule::Severity;
use windfire_engine::latest::{HostFacts, Latest};
use windfire_engine::limits::NOTICE_SERVERS_MAX;
use windfire_engine::sample::Sample;
use windfire_engine::secret::SecretHash;
use windfire_engine::server::ServerRecord;

use crate::facts::Facts;

/// Unix milliseconds of the samples.
const SINCE_MS: i64 = 1_790_000_000_000;

/// What is about no rule and no server, as a test is.
pub fn bare() -> Message {
    Message {
        key: "w-1".to_owned(),
        kind: NoticeKind::Test,
        severity: Severity::Info,
        rule: None,
        measure: None,
        since_ms: SINCE_MS,
        ended_ms: None,
        count: 0,
        ended: 0,
        servers: Vec::new(),
        by_tag: Vec::new(),
        truncated: false,
        link: None,
    }
}

/// One server's processor.
pub fn firing() -> Message {
    Message {
        kind: NoticeKind::Firing,
        severity: Severity::Critical,
        rule: Some((3, "CPU".to_owned())),
        measure: Some(Measure::Cpu),
        count: 1,
        servers: vec![NoticeServer {
            id: 7,
            name: "web-1".to_owned(),
            tag: "prod".to_owned(),
            value: Some(97.5),
            since_ms: SINCE_MS,
            ended_ms: None,
        }],
        link: Some("https://hub.example.org/alerts".to_owned()),
        ..bare()
    }
}

/// The same after three minutes.
pub fn over() -> Message {
    let ended_ms = Some(SINCE_MS + 185_000);
    let servers = firing().servers.into_iter().map(|server| NoticeServer { ended_ms, ..server });
    Message { ended_ms, ended: 1, servers: servers.collect(), ..firing() }
}

/// Thousands of servers.
pub fn many() -> Message {
    let server = firing().servers.remove(0);
    let named = NOTICE_SERVERS_MAX as u64;
    let servers = (1..=named).map(|id| NoticeServer { id, name: format!("web-{id}"), ..server.clone() });
    Message {
        count: 5000,
        servers: servers.collect(),
        by_tag: vec![("prod".to_owned(), 4000), ("test".to_owned(), 900)],
        truncated: true,
        ..firing()
    }
}

/// The server of these messages.
pub fn facts() -> Facts {
    let record = ServerRecord {
        id: 7,
        name: "web-1".to_owned(),
        tag: "prod".to_owned(),
        note: String::new(),
        display_index: 0,
        hide_for_guest: false,
        country: String::new(),
        credential: SecretHash([0; 32]),
        created_s: 0,
    };
    let address = "203.0.113.7/2001:db8::7".to_owned();
    let host = HostFacts { address, country: "de".to_owned(), ..HostFacts::default() };
    let sample = Sample { cpu: 97.5, mem_used: 4 << 30, load1: 1.25, tcp_conn_count: 13, ..Sample::default() };
    let latest = Latest { facts: Arc::new(host), sample, last_active_ms: Some(SINCE_MS) };
    Facts { record: Arc::new(record), latest: Some(Arc::new(latest)) }
}
