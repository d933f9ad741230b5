//! Pages about the hub itself: alive, ready, counters.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use windfire_api::Tries;
use windfire_api::path::normal;
use windfire_engine::Engine;

use crate::counters::Counters;
use crate::service::{shortcomings, why_not_ready};

/// The answer, when the path is one of these.
pub(super) fn answer(
    request: &Request<Bytes>,
    engine: &Engine,
    counters: &Counters,
    tries: &Tries,
) -> Option<Response<Bytes>> {
    let (status, content_type, body) = match &*normal(request.uri().path()) {
        "/healthz" => (StatusCode::OK, "text/plain; charset=utf-8", "ok\n".to_owned()),
        "/readyz" => match why_not_ready(engine, counters) {
            None => {
                let but = shortcomings(engine, counters).map(|what| format!("but {what}\n"));
                (StatusCode::OK, "text/plain; charset=utf-8", format!("ready\n{}", but.collect::<String>()))
            }
            Some(why) => (StatusCode::SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", format!("not ready: {why}\n")),
        },
        "/metrics" => (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", counters.render(engine, tries)),
        _ => return None,
    };
    let mut response = Response::new(Bytes::new());
    match *request.method() {
        Method::GET => *response.body_mut() = body.into(),
        Method::HEAD => {}
        _ => {
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(http::header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Some(response);
        }
    }
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Some(response)
}
