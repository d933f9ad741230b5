//! The hub itself.

use serde_json::json;

use crate::admission::Work;
use crate::answer::Answer;
use crate::operation::{MANAGE, Operation};
use crate::request::{ApiRequest, success};
use crate::schema::{Schemas, envelope, integer, object, text};

pub(crate) const OPERATIONS: [Operation; 1] = [Operation {
    name: "Hub",
    answered_by: |request| Ok(show(request)),
    work: Work::Whole,
    path: "/api/v1/hub",
    about: "The hub's address for agents, its fingerprint and its clock",
    answer: "Hub",
    ..MANAGE
}];

fn show(request: &ApiRequest<'_>) -> Answer {
    let agents = &request.api.agents;
    // By default, agents most likely reach the hub by the name that this browser used.
    let address = agents.address.clone().unwrap_or_else(|| {
        let host = request.request.headers().get(http::header::HOST).and_then(|value| value.to_str().ok());
        let host = host.unwrap_or("localhost");
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        format!("{name}:{}", agents.port)
    });
    let version = env!("CARGO_PKG_VERSION");
    // 0 unless the machine's clock is not trusted.
    let clock_ahead_ms = request.engine.clock().state().wall_ahead_ms;
    success(json!({
        "agents_address": address,
        "fingerprint": agents.fingerprint,
        "version": version,
        "clock_ahead_ms": clock_ahead_ms,
    }))
}

/// Schemas of its bodies and answers.
pub(crate) fn schemas() -> Schemas {
    let hub = json!({"agents_address": text(), "fingerprint": text(), "version": text(), "clock_ahead_ms": integer()});
    vec![("Hub", envelope(object(hub)))]
}
