//! The HTTP listener: hyper in front of [`windfire_api::handle`] and the hub's own pages.

mod health;
mod stream;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use windfire_api::{Api, Body, Caller, handle};
use windfire_engine::Engine;

use crate::limits::{HTTP_BODY_BYTES_MAX, HTTP_CONNECTIONS_MAX, HTTP_HEAD_BYTES_MAX, HTTP_READ_TIMEOUT, STOP_TIMEOUT};
use crate::metrics::Metrics;
use crate::serve::Clock;

/// What every request needs.
pub(crate) struct Http {
    pub(crate) api: Api,
    pub(crate) engine: Arc<Engine>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
    /// Room for answers that are made while they are sent.
    pub(crate) history_room: Arc<Semaphore>,
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
        let graceful = GracefulShutdown::new();
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
            let (http, tls, watcher) = (Arc::clone(&http), tls.clone(), graceful.watcher());
            tokio::spawn(async move {
                let _permit = permit;
                let metrics = Arc::clone(&http.metrics);
                let _counted = metrics.http_connections.enter();
                let service = service_fn(move |request| Arc::clone(&http).answer(request, peer.ip()));
                let mut builder = http1::Builder::new();
                builder.timer(TokioTimer::new()).header_read_timeout(HTTP_READ_TIMEOUT);
                builder.max_buf_size(HTTP_HEAD_BYTES_MAX);
                let ended = match tls {
                    None => watcher.watch(builder.serve_connection(TokioIo::new(stream), service)).await,
                    Some(tls) => match timeout(HTTP_READ_TIMEOUT, tls.accept(stream)).await {
                        Ok(Ok(stream)) => watcher.watch(builder.serve_connection(TokioIo::new(stream), service)).await,
                        Ok(Err(error)) => return tracing::debug!(%peer, %error, "no TLS"),
                        Err(_) => return tracing::debug!(%peer, "no TLS in time"),
                    },
                };
                if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "HTTP connection ended");
                }
            });
        }
        let _in_time = timeout(STOP_TIMEOUT, graceful.shutdown()).await;
        Ok(())
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> Result<Response<BoxBody<Bytes, io::Error>>, Infallible> {
        self.metrics.http_requests.add(1);
        let (head, body) = request.into_parts();
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
        let (head, body) = handle(&self.api, &self.engine, &request, caller).into_parts();
        let body = match body {
            Body::Whole(bytes) => whole(bytes),
            Body::Stream(produce) => stream::start(produce, Arc::clone(&self.history_room)).await,
        };
        Ok(Response::from_parts(head, body))
    }
}

fn whole(bytes: Bytes) -> BoxBody<Bytes, io::Error> {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

fn plain(status: StatusCode) -> Response<BoxBody<Bytes, io::Error>> {
    let mut response = Response::new(whole(Bytes::from(format!("{status}\n"))));
    *response.status_mut() = status;
    // The rest of the body is not read, so the connection cannot go on.
    response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
    response
}
