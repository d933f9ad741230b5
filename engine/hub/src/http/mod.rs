//! The HTTP listener: hyper in front of [`windfire_api::handle`] and the hub's own pages.

mod budget;
mod client_io;
mod connections;
mod hand_over;
mod health;
pub(crate) mod live;
mod pieces;
mod shared;
mod stream;
mod websocket;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONNECTION, STRICT_TRANSPORT_SECURITY};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use windfire_api::{Admission, Body, Busy, Caller, NOTE, Viewer, Work, answer_outside, busy, handle_if, is_blocking};

use crate::counters::Counters;
use crate::limits::{
    HTTP_ACCEPT_LOG_INTERVAL, HTTP_ACCEPT_RETRY, HTTP_BACKLOG, HTTP_BODY_BYTES_MAX, HTTP_HEAD_BYTES_MAX,
    HTTP_READ_TIMEOUT, HTTP_UNSENT_BYTES_MAX, STOP_TIMEOUT,
};
use crate::threads::{Phase, Stop};
use crate::unbound;
use budget::{Budget, Client, Held};
use client_io::{ClientIo, Tcp};
use connections::{Answering, Connection, Connections, Known};
use pieces::Pieces;
pub(crate) use shared::{Http, Shares};

/// The bound socket, before anything is accepted.
pub(crate) struct Socket(std::net::TcpListener);

impl Socket {
    /// Binds the address.
    pub(crate) fn bind(address: SocketAddr) -> Result<Self, String> {
        let bind = || {
            // As the standard library does, with a longer queue, so that no client must try again when many connect at
            // once.
            let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            socket.listen(HTTP_BACKLOG)?;
            socket.set_nonblocking(true)?;
            Ok(Self(socket.into()))
        };
        bind().map_err(|error: io::Error| unbound::explain(address, "HTTP", "--http", &error))
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
        mut stop: Stop,
    ) -> Result<(), String> {
        let failed = |error: io::Error| format!("the socket for HTTP cannot be used: {error}");
        let listener = TcpListener::from_std(socket.0).map_err(failed)?;
        let tls = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        let http = Arc::new(self);
        let connections = Connections::new(http.shares.connections, Arc::clone(&http.counters));
        let mut failure_logged: Option<Instant> = None;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.reached(Phase::Draining) => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Most likely there are no more descriptors: the connection that can best be spared gives its own
                    // back.
                    let spared = timeout(HTTP_ACCEPT_RETRY, connections.spare_one()).await;
                    if failure_logged.is_none_or(|at| at.elapsed() >= HTTP_ACCEPT_LOG_INTERVAL) {
                        failure_logged = Some(Instant::now());
                        tracing::warn!(%error, spared = spared == Ok(true), "HTTP connection not accepted");
                    }
                    if spared == Ok(false) {
                        tokio::time::sleep(HTTP_ACCEPT_RETRY).await;
                    }
                    continue;
                }
            };
            let _smaller_delay = stream.set_nodelay(true);
            #[cfg(target_os = "linux")]
            let _less_hidden = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(HTTP_UNSENT_BYTES_MAX);
            let stream = Arc::new(stream);
            // If another one must be closed for it, this waits until that one's task has ended, and for no client.
            let slot = tokio::select! {
                slot = connections.enter(peer.ip(), Arc::downgrade(&stream)) => slot,
                () = stop.reached(Phase::Draining) => break,
            };
            let (http, tls, stop) = (Arc::clone(&http), tls.clone(), stop.clone());
            tokio::spawn(async move {
                let connection = Arc::clone(&slot.connection);
                let stream = ClientIo::new(Tcp(stream), slot);
                tokio::select! {
                    ended = http.serve(stream, &connection, tls, stop) => match ended {
                        Ok(()) => {}
                        Err(error) => {
                            tracing::debug!(%peer, client = connection.behind_proxy(), %error, "HTTP connection ended");
                        }
                    },
                    () = connection.evicted() => {
                        let client = connection.behind_proxy();
                        tracing::debug!(%peer, client, "HTTP connection closed for newer ones");
                    }
                }
            });
        }
        let _in_time = timeout(STOP_TIMEOUT, connections.ended()).await;
        Ok(())
    }

    /// Answers the requests of one connection.
    async fn serve(
        self: Arc<Self>,
        stream: ClientIo<Tcp>,
        connection: &Arc<Connection>,
        tls: Option<TlsAcceptor>,
        stop: Stop,
    ) -> Result<(), String> {
        let (connection, counters) = (Arc::clone(connection), Arc::clone(&self.counters));
        let service = service_fn(move |request| Arc::clone(&self).answer(request, Arc::clone(&connection)));
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HTTP_READ_TIMEOUT);
        builder.max_buf_size(HTTP_HEAD_BYTES_MAX);
        // A client may close its sending side and continue to read.
        builder.half_close(true);
        let ended = match tls {
            None => converse(&builder, stream, service, stop).await,
            Some(tls) => match timeout(HTTP_READ_TIMEOUT, tls.accept(stream)).await {
                Ok(Ok(stream)) => converse(&builder, stream, service, stop).await,
                Ok(Err(error)) => {
                    counters.http_malformed.add(1);
                    return Err(format!("no TLS: {error}"));
                }
                Err(_) => {
                    counters.http_silent.add(1);
                    return Err("no TLS in time".to_owned());
                }
            },
        };
        ended.map_err(|error| {
            count_end(&counters, &error);
            error.to_string()
        })
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        connection: Arc<Connection>,
    ) -> Result<Response<BoxBody<Bytes, io::Error>>, Infallible> {
        let (counters, hsts) = (Arc::clone(&self.counters), self.hsts.current());
        counters.http_requests.add(1);
        let is_read = is_read_of_api(&request);
        let mut response = self.answer_to(request, connection).await?;
        counters.count_answer(response.status().as_u16());
        if is_read && matches!(response.status(), StatusCode::OK | StatusCode::NOT_MODIFIED) {
            note_if_old(&counters, response.headers_mut());
        }
        if let Some(hsts) = hsts.as_ref() {
            response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        Ok(response)
    }

    async fn answer_to(
        self: Arc<Self>,
        request: Request<Incoming>,
        connection: Arc<Connection>,
    ) -> Result<Response<BoxBody<Bytes, io::Error>>, Infallible> {
        let (mut head, body) = request.into_parts();
        let upgrade = head.extensions.remove::<OnUpgrade>();
        let address = self.proxies.current().client(connection.peer, &mut head.headers);
        connection.serves(address);
        let answering = connection.answering();
        let body = timeout(HTTP_READ_TIMEOUT, Limited::new(body, HTTP_BODY_BYTES_MAX).collect()).await;
        let body = match body {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE)),
            Ok(Err(_)) => return Ok(plain(StatusCode::BAD_REQUEST)),
            Err(_) => return Ok(plain(StatusCode::REQUEST_TIMEOUT)),
        };
        connection.progressed();
        let api = self.api.current();
        // Another hub knows this one's address and perhaps not its path.
        let wants_parcel = hand_over::is_asked(&head.uri);
        let is_below = api.base_path.take_off(&mut head.uri);
        let request = Request::from_parts(head, body);
        // Also beside the base path: probes ask the hub itself and not its proxy.
        if let Some(response) = health::answer(&request, &self.engine, &self.counters, &api.tries) {
            return Ok(response.map(whole));
        }
        if wants_parcel || hand_over::is_asked(request.uri()) {
            let answered = hand_over::answer(&self, &connection, &request, address).await;
            return Ok(answered.unwrap_or_else(|instead| instead.map(only_whole)));
        }
        if !is_below {
            return Ok(answer_outside(&api.base_path, &request).map(only_whole));
        }
        let caller = Caller { peer: address, now_ms: (self.clock)() };
        let (http, admitted) = (Arc::clone(&self), Mutex::default());
        let asking = Asking { http, connection: Arc::clone(&connection), address, admitted };
        let (response, Admitted { client, held, must_close }) = self.handle(request, asking, caller).await;
        let (mut head, body) = response.into_parts();
        if must_close {
            head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let body = match body {
            Body::Whole(bytes) if bytes.is_empty() => whole(bytes),
            Body::Whole(bytes) => self.charged(vec![bytes], client, answering),
            Body::Pieces(pieces) => self.charged(pieces, client, answering),
            Body::Stream(streamed) => match stream::start(&self, &connection, streamed, held).await {
                Ok(body) => body,
                Err(instead) => return Ok(in_place_of(&head, instead)),
            },
            Body::Live(watching) => match live::start(&self, connection, *watching, (held, answering)) {
                Ok(body) => body,
                Err(windfire_api::live::TooMany) => {
                    self.counters.http_busy.add(1);
                    return Ok(in_place_of(&head, busy(Busy::Hub)));
                }
            },
            Body::WebSocket(viewer) => {
                if let Some(upgrade) = upgrade {
                    let held = (held, answering);
                    tokio::spawn(websocket::run(Arc::clone(&self), connection, upgrade, *viewer, held));
                }
                whole(Bytes::new())
            }
        };
        Ok(Response::from_parts(head, body))
    }

    /// A complete body, charged to that client until it has taken it. Pages are in the program anyway.
    fn charged(&self, pieces: Vec<Bytes>, client: Option<Client>, answering: Answering) -> BoxBody<Bytes, io::Error> {
        let bytes = || pieces.iter().map(Bytes::len).sum();
        let held = client.map(|client| (self.shares.answers_bytes.charge(client, bytes()), answering));
        Pieces::new(pieces, held).map_err(|never| match never {}).boxed()
    }

    async fn handle(
        self: &Arc<Self>,
        request: Request<Bytes>,
        asking: Asking,
        caller: Caller,
    ) -> (Response<Body>, Admitted) {
        let api = self.api.current();
        if !is_blocking(request.method()) {
            let response = handle_if(&asking, &api, &self.engine, &request, caller);
            return (response, asking.admitted.into_inner());
        }
        // Never closed.
        let permit = Arc::clone(&self.change_room).acquire_owned().await;
        let http = Arc::clone(self);
        let answered = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let response = handle_if(&asking, &api, &http.engine, &request, caller);
            (response, asking.admitted.into_inner())
        });
        answered.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a request failed");
            let mut response = Response::new(Body::Whole(Bytes::new()));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            (response, Admitted::default())
        })
    }
}

/// Whether what is asked for depends on how new the hub's data are.
fn is_read_of_api<B>(request: &Request<B>) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD) && request.uri().path().contains("/api/v1/")
}

/// A hub of a cluster that is behind, or cut off, still answers. It says how old that is.
fn note_if_old(counters: &Counters, headers: &mut HeaderMap) {
    let Some(state) = counters.cluster().filter(|state| !state.is_ready()) else { return };
    if let Some(note) = state.why_not_ready().and_then(|why| HeaderValue::try_from(why).ok()) {
        headers.append(NOTE, note);
    }
}

/// Counts a connection that ended because of something that its client sent, or did not send. hyper itself answers a
/// head that it cannot read. If the client is gone by then, it only says that the connection broke.
fn count_end(counters: &Counters, error: &hyper::Error) {
    if error.is_timeout() {
        counters.http_silent.add(1);
    } else if error.is_parse_too_large() {
        counters.http_heads_too_large.add(1);
    } else if error.is_parse() {
        counters.http_malformed.add(1);
    } else {
        counters.http_broken.add(1);
    }
}

/// An answer that replaces the one that was begun. It keeps the CORS headers.
fn in_place_of(begun: &http::response::Parts, instead: Response<Body>) -> Response<BoxBody<Bytes, io::Error>> {
    let mut instead = instead.map(only_whole);
    if let Some(origin) = begun.headers.get(ACCESS_CONTROL_ALLOW_ORIGIN) {
        instead.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    instead
}

/// A request on its way through the API: the client, and the shares that the request holds.
struct Asking {
    http: Arc<Http>,
    connection: Arc<Connection>,
    /// The client's.
    address: IpAddr,
    admitted: Mutex<Admitted>,
}

#[derive(Default)]
struct Admitted {
    /// The client. `None` while only pages were requested.
    client: Option<Client>,
    held: Vec<Held>,
    /// Its token or user has too many connections to keep this one.
    must_close: bool,
}

impl Admission for Asking {
    fn admit(&self, viewer: &Viewer, work: Work) -> Result<(), Busy> {
        if let Some(owner) = viewer.owner()
            && let Err(busy) = self.connection.know(Known::By(owner))
        {
            self.http.counters.http_busy.add(1);
            self.admitted.lock().must_close = true;
            return Err(busy);
        }
        let client = Client::new(self.address, viewer.is_guest());
        let mut admitted = self.admitted.lock();
        admitted.client = Some(client);
        let shares = &self.http.shares;
        let held = match work {
            Work::Small => Ok(Vec::new()),
            // The size is known when the answer is complete: a client with some of its share left may have one more
            // answer.
            Work::Whole => shares.answers_bytes.check(client, 1).map(|()| Vec::new()),
            Work::Stream { bytes } => hold(client, &[(&shares.history_streams, 1), (&shares.history_bytes, bytes)]),
            Work::Live => hold(client, &[(&shares.live_streams, 1)]),
        };
        match held {
            Ok(held) => {
                admitted.held.extend(held);
                Ok(())
            }
            Err(busy) => {
                self.http.counters.http_busy.add(1);
                Err(busy)
            }
        }
    }
}

/// All of these, or none.
fn hold(client: Client, wanted: &[(&Arc<Budget>, usize)]) -> Result<Vec<Held>, Busy> {
    wanted.iter().map(|(budget, amount)| budget.hold(client, *amount)).collect()
}

/// Answers requests of one connection, until it ends or the hub stops and the open one is answered.
async fn converse<I, S>(builder: &http1::Builder, stream: I, service: S, mut stop: Stop) -> hyper::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: HttpService<Incoming, ResBody = BoxBody<Bytes, io::Error>>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
    tokio::select! {
        ended = &mut connection => return ended,
        () = stop.reached(Phase::Draining) => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// The body of an answer that has an error.
fn only_whole(body: Body) -> BoxBody<Bytes, io::Error> {
    whole(body.collect().unwrap_or_default())
}

fn whole(bytes: Bytes) -> BoxBody<Bytes, io::Error> {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

fn plain(status: StatusCode) -> Response<BoxBody<Bytes, io::Error>> {
    let mut response = Response::new(whole(Bytes::from(format!("{status}\n"))));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
    // The rest of the body is not read, so the connection cannot be used again.
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
