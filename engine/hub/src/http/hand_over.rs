//! Hands a backup of this hub over to a hub that joins the cluster: `POST /cluster/parcel`.
//!
//! It is not a part of the API, because no browser and no script is meant to ask for it. Neither an API token nor a
//! cookie gets a backup, only an invitation (`admin/invitation.rs`).

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::combinators::BoxBody;
use serde_json::json;
use windfire_api::path::normal;
use windfire_api::{Body, Streamed, Viewer, busy};

use super::budget::Client;
use super::connections::{Connection, Known};
use super::{Http, stream};
use crate::admin::{NotHandedOver, PARCEL_PATH};
use crate::limits::PARCEL_MEMORY_BYTES;

/// Whether that is what a request asks for.
pub(super) fn is_asked(uri: &Uri) -> bool {
    normal(uri.path()) == PARCEL_PATH
}

/// Answers it.
///
/// # Errors
/// The answer that says why there is no backup.
pub(super) async fn answer(
    http: &Arc<Http>,
    connection: &Arc<Connection>,
    request: &Request<Bytes>,
    client: IpAddr,
) -> Result<Response<BoxBody<Bytes, io::Error>>, Response<Body>> {
    if *request.method() != Method::POST {
        let answer = refused(StatusCode::METHOD_NOT_ALLOWED, "this path only has the method POST");
        return Err(with(answer, ALLOW, "POST"));
    }
    admit(http, request).map_err(|(status, why)| refused(status, why))?;
    connection.know(Known::Invited).map_err(busy)?;
    let shares = &http.shares;
    let of = Client::new(client, false);
    let held = shares.history_streams.hold(of, 1).map_err(busy)?;
    let also_held = shares.history_bytes.hold(of, PARCEL_MEMORY_BYTES).map_err(busy)?;
    let (hand_over, engine) = (Arc::clone(&http.hand_over), Arc::clone(&http.engine));
    let prepared = tokio::task::spawn_blocking(move || hand_over.prepare(&engine)).await;
    let prepared = match prepared {
        Ok(Ok(prepared)) => prepared,
        Ok(Err(NotHandedOver::Busy)) => {
            let why = "a backup is being sent to another hub: try again when that one has joined";
            return Err(refused(StatusCode::SERVICE_UNAVAILABLE, why));
        }
        Ok(Err(NotHandedOver::Failed(why))) => {
            tracing::error!("no backup for a hub that joins: {why}");
            return Err(refused(StatusCode::INTERNAL_SERVER_ERROR, &why));
        }
        Err(error) => {
            tracing::error!(%error, "no backup for a hub that joins");
            return Err(refused(StatusCode::INTERNAL_SERVER_ERROR, "the backup failed: see the log of this hub"));
        }
    };
    tracing::info!(%client, "a backup is sent to a hub that joins the cluster");
    // What is sent depends on no viewer.
    let streamed = Streamed { produce: Box::new(move |out| prepared.send(out)), viewer: Viewer::guest() };
    let body = stream::start(http, connection, streamed, vec![held, also_held]).await?;
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Whether the client is invited.
fn admit(http: &Http, request: &Request<Bytes>) -> Result<(), (StatusCode, &'static str)> {
    if http.counters.cluster().is_none() {
        return Err((StatusCode::CONFLICT, "this hub is alone: run \"windfire cluster init\" on it first"));
    }
    let shown = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if shown.is_some_and(|secret| http.hand_over.invitations.is_invited(secret, Instant::now())) {
        return Ok(());
    }
    http.api.current().tries.tokens_unknown.add(1);
    Err((StatusCode::UNAUTHORIZED, "this needs an invitation: \"windfire cluster invite\" on this hub makes one"))
}

fn refused(status: StatusCode, message: &str) -> Response<Body> {
    let body = json!({"code": status.as_u16(), "message": message}).to_string();
    let mut response = Response::new(Body::Whole(body.into()));
    *response.status_mut() = status;
    with(response, CONTENT_TYPE, "application/json; charset=utf-8")
}

fn with(mut response: Response<Body>, name: HeaderName, value: &'static str) -> Response<Body> {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}
