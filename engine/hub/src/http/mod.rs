//! The HTTP listener: hyper in front of [`windfire_api::handle`] and the hub's own pages.

mod health;
pub(crate) mod live;
mod pieces;
mod stream;
mod websocket;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use windfire_api::live::Live;
use windfire_api::{Api, Body, Caller, handle, may_wait};
use windfire_engine::Engine;

use crate::limits::{HTTP_BODY_BYTES_MAX, HTTP_CONNECTIONS_MAX, HTTP_HEAD_BYTES_MAX, HTTP_READ_TIMEOUT, STOP_TIMEOUT};
use crate::metrics::Metrics;
use crate::serve::Clock;
use pieces::Pieces;

/// What every request needs.
pub(crate) struct Http {
    pub(crate) api: Arc<Api>,
    pub(crate) live: Arc<Live>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
    /// Room for answers that are made while they are sent.
    pub(crate) history_room: Arc<Semaphore>,
    /// Room for requests that change something.
    pub(crate) change_room: Arc<Semaphore>,
    /// Counts what the live stream was advanced; ends when the hub stops.
    pub(crate) ticks: watch::Receiver<u64>,
}

/// The bound socket, before anything is accepted.
pub(crate) struct Socket(std::net::TcpListener);

impl Socket {
    /// Binds the address.
    pub(crate) fn bind(address: SocketAddr) -> Result<Self, String> {
        let bind = || {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok(Self(listener))
        };
        bind().map_err(|error: io::Error| {
            format!("address {address} for HTTP (--http) cannot be used: {error}: stop what uses it, or choose another")
        })
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.0.local_addr().ok()
    }
}

impl Http {
    /// Serves until stopped, then lets open requests finish.
    pub(crate) async fn run(
        self,
        socket: Socket,
        tls: Option<rustls::ServerConfig>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), String> {
        let failed = |error: io::Error| format!("the socket for HTTP cannot be used: {error}");
        let listener = TcpListener::from_std(socket.0).map_err(failed)?;
        let tls = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        let http = Arc::new(self);
        let room = Arc::new(Semaphore::new(HTTP_CONNECTIONS_MAX));
        loop {
            let accepted = async {
                // A connection that finds no room waits in the listener's queue.
                let permit = Arc::clone(&room).acquire_owned().await;
                (permit, listener.accept().await)
            };
            let (permit, accepted) = tokio::select! {
                accepted = accepted => accepted,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, most likely: some come back when connections end.
                    tracing::warn!(%error, "no HTTP connection accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    continue;
                }
            };
            let _smaller_delay = stream.set_nodelay(true);
            let (http, tls, stop) = (Arc::clone(&http), tls.clone(), stop.clone());
            tokio::spawn(async move {
                let _permit = permit;
                let metrics = Arc::clone(&http.metrics);
                let _counted = metrics.http_connections.enter();
                let service = service_fn(move |request| Arc::clone(&http).answer(request, peer.ip()));
                let mut builder = http1::Builder::new();
                builder.timer(TokioTimer::new()).header_read_timeout(HTTP_READ_TIMEOUT);
                builder.max_buf_size(HTTP_HEAD_BYTES_MAX);
                let ended = match tls {
                    None => converse(&builder, stream, service, stop).await,
                    Some(tls) => match timeout(HTTP_READ_TIMEOUT, tls.accept(stream)).await {
                        Ok(Ok(stream)) => converse(&builder, stream, service, stop).await,
                        Ok(Err(error)) => return tracing::debug!(%peer, %error, "no TLS"),
                        Err(_) => return tracing::debug!(%peer, "no TLS in time"),
                    },
                };
                if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "HTTP connection ended");
                }
            });
        }
        // Every connection gives its room back when it ends.
        let all = u32::try_from(HTTP_CONNECTIONS_MAX).unwrap_or(u32::MAX);
        let _in_time = timeout(STOP_TIMEOUT, room.acquire_many(all)).await;
        Ok(())
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> Result<Response<BoxBody<Bytes, io::Error>>, Infallible> {
        self.metrics.http_requests.add(1);
        let (mut head, body) = request.into_parts();
        let upgrade = head.extensions.remove::<OnUpgrade>();
        let body = timeout(HTTP_READ_TIMEOUT, Limited::new(body, HTTP_BODY_BYTES_MAX).collect()).await;
        let body = match body {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE)),
            Ok(Err(_)) => return Ok(plain(StatusCode::BAD_REQUEST)),
            Err(_) => return Ok(plain(StatusCode::REQUEST_TIMEOUT)),
        };
        let request = Request::from_parts(head, body);
        if let Some(response) = health::answer(&request, &self.engine, &self.metrics) {
            return Ok(response.map(whole));
        }
        let caller = Caller { peer: peer.to_canonical(), now_ms: (self.clock)() };
        let (head, body) = self.handle(request, caller).await.into_parts();
        let body = match body {
            Body::Whole(bytes) => whole(bytes),
            Body::Pieces(pieces) => Pieces::new(pieces).map_err(|never| match never {}).boxed(),
            Body::Stream(produce) => stream::start(produce, Arc::clone(&self.history_room)).await,
            Body::Live(watching) => live::start(&self, *watching),
            Body::WebSocket(audience) => {
                if let Some(upgrade) = upgrade {
                    tokio::spawn(websocket::run(Arc::clone(&self), upgrade, audience));
                }
                whole(Bytes::new())
            }
        };
        Ok(Response::from_parts(head, body))
    }

    async fn handle(self: &Arc<Self>, request: Request<Bytes>, caller: Caller) -> Response<Body> {
        if !may_wait(request.method()) {
            return handle(&self.api, &self.engine, &request, caller);
        }
        // Never closed.
        let permit = Arc::clone(&self.change_room).acquire_owned().await;
        let http = Arc::clone(self);
        let answered = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            handle(&http.api, &http.engine, &request, caller)
        });
        answered.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a request failed");
            let mut response = Response::new(Body::Whole(Bytes::new()));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        })
    }
}

/// Answers requests of one connection, until it ends or the hub stops and the open one is answered.
async fn converse<I, S>(
    builder: &http1::Builder,
    stream: I,
    service: S,
    mut stop: watch::Receiver<bool>,
) -> hyper::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: HttpService<Incoming, ResBody = BoxBody<Bytes, io::Error>>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
    tokio::select! {
        ended = &mut connection => return ended,
        _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

fn whole(bytes: Bytes) -> BoxBody<Bytes, io::Error> {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

fn plain(status: StatusCode) -> Response<BoxBody<Bytes, io::Error>> {
    let mut response = Response::new(whole(Bytes::from(format!("{status}\n"))));
    *response.status_mut() = status;
    let content_type = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
    // The rest of the body is not read, so the connection cannot go on.
    response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
    response
}
