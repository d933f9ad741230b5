//! The last steps of every answer: content type, ETag and 304, compression when asked for, HEAD.

use std::borrow::Cow;
use std::io::{self, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG,
    HeaderName, HeaderValue, IF_NONE_MATCH, LOCATION, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, UPGRADE, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, Method, Response, StatusCode};
use tungstenite::handshake::derive_accept_key;
use windfire_engine::Engine;
use xxhash_rust::xxh3::xxh3_128;

use crate::admission::Busy;
use crate::body::{Body, Producer, Streamed};
use crate::details::{DetailsCache, Ready};
use crate::live::Subscription;
use crate::viewer::Viewer;

/// Bodies below this are not compressed: they take one packet anyway.
const COMPRESSED_BYTES_MIN: usize = 1400;

/// Cheap levels: an answer of a whole fleet is rendered again every second, so time counts for more than the last
/// percent.
const ZSTD_LEVEL: i32 = 1;
const GZIP_LEVEL: u32 = 1;

/// Seconds after which a client that was refused for lack of room may ask again.
const BUSY_RETRY_S: &str = "1";

/// The answer when there is no room, for callers that find that out after [`crate::handle`].
pub fn busy(busy: Busy) -> Response<Body> {
    Answer::busy(busy).into_response(&Method::GET, &HeaderMap::new())
}

/// The answer when computing one failed before its first byte, most likely because of the store.
pub fn failed(reason: &str) -> Response<Body> {
    Answer::doubtful(reason).into_response(&Method::GET, &HeaderMap::new())
}

/// An answer before it is fitted to its request.
pub(crate) struct Answer {
    status: u16,
    content_type: &'static str,
    body: Made,
    cache: Cache,
    extra: Vec<(HeaderName, HeaderValue)>,
}

/// How browsers and proxies may cache an answer.
#[derive(Clone, Copy)]
enum Cache {
    /// Ask again each time. The ETag saves the bytes.
    Revalidate,
    /// Not at all: secrets and the signed-in user.
    Never,
    /// For ever: the name has a hash of the bytes in it.
    Forever,
}

impl Cache {
    const fn value(self) -> &'static str {
        match self {
            Self::Revalidate => "private, no-cache",
            Self::Never => "no-store",
            Self::Forever => "public, max-age=31536000, immutable",
        }
    }
}

enum Made {
    Whole(Cow<'static, [u8]>),
    Ready(Ready),
    Stream(Box<Streamed>),
    Live(Box<Subscription>),
    WebSocket(Box<Viewer>),
}

impl Answer {
    /// JSON as v0 labels it.
    pub(crate) fn json(status: u16, body: Vec<u8>) -> Self {
        Self::whole(status, "application/json; charset=utf-8", body)
    }

    pub(crate) fn text(status: u16, body: impl Into<String>) -> Self {
        Self::whole(status, "text/plain; charset=utf-8", body.into().into_bytes())
    }

    /// A complete answer.
    pub(crate) fn whole(status: u16, content_type: &'static str, body: impl Into<Cow<'static, [u8]>>) -> Self {
        Self { status, content_type, body: Made::Whole(body.into()), cache: Cache::Revalidate, extra: Vec::new() }
    }

    /// The cached `details` of all servers, compressed as the request wants it. `None` if it is not cached.
    pub(crate) fn ready(details: &DetailsCache, engine: &Engine, request: &HeaderMap) -> Option<Self> {
        let coding = wanted_coding(request);
        let compress = |pieces: &[Bytes]| compress(coding.unwrap_or(GZIP), pieces.iter().map(|piece| &piece[..]));
        let ready = details.ready(engine, coding.map(|coding| (coding, &compress as _)))?;
        let content_type = "application/json; charset=utf-8";
        Some(Self { status: 200, content_type, body: Made::Ready(ready), cache: Cache::Revalidate, extra: Vec::new() })
    }

    /// Changes, for as long as the client reads them.
    pub(crate) fn live(watching: Subscription) -> Self {
        let body = Made::Live(Box::new(watching));
        Self { status: 200, content_type: "text/event-stream", body, cache: Cache::Never, extra: Vec::new() }
    }

    /// Switches to WebSocket, for a client with that key.
    pub(crate) fn web_socket(key: &HeaderValue, viewer: Viewer) -> Self {
        let accept = derive_accept_key(key.as_bytes());
        let body = Made::WebSocket(Box::new(viewer));
        let answer = Self { status: 101, content_type: "", body, cache: Cache::Never, extra: Vec::new() };
        answer.with(CONNECTION, "Upgrade").with(UPGRADE, "websocket").with(SEC_WEBSOCKET_ACCEPT, &accept)
    }

    /// The same with a header.
    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.extra.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        self
    }

    /// The same, never cached.
    pub(crate) fn no_store(self) -> Self {
        Self { cache: Cache::Never, ..self }
    }

    /// The same, cached for ever.
    pub(crate) fn immutable(self) -> Self {
        Self { cache: Cache::Forever, ..self }
    }

    /// The answer when there is no room for one.
    pub(crate) fn busy(busy: Busy) -> Self {
        let (status, message) = match busy {
            Busy::Hub => (503, "the hub has no room for another answer: ask again in a moment"),
            Busy::Client => (429, "this client's share of answers is used up: read the answers under way first"),
            Busy::Connections { max } => {
                let message = format!(
                    "this token or user has {max} connections with an answer or a live stream under way, and may have \
                     no more: close some of them, or use another token"
                );
                return Self::json(429, crate::render::error(429, &message)).no_store().with(RETRY_AFTER, BUSY_RETRY_S);
            }
            Busy::TooLarge { bytes, bytes_max } => {
                let message = format!(
                    "this answer would take {bytes} bytes of memory at once, and there are {bytes_max}: choose a larger \
                     step, fewer metrics or fewer groups (or give the hub more memory_bytes_max)"
                );
                return Self::json(400, crate::render::error(400, &message));
            }
        };
        Self::json(status, crate::render::error(status, message)).no_store().with(RETRY_AFTER, BUSY_RETRY_S)
    }

    /// The answer while the hub cannot say what is right.
    pub(crate) fn doubtful(reason: &str) -> Self {
        Self::json(503, crate::render::error(503, reason)).no_store().with(RETRY_AFTER, BUSY_RETRY_S)
    }

    /// A success whose body is computed while that viewer reads it.
    pub(crate) fn stream(
        content_type: &'static str,
        viewer: &Viewer,
        produce: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Self {
        let body = Made::Stream(Box::new(Streamed { produce: Box::new(produce), viewer: viewer.clone() }));
        Self { status: 200, content_type, body, cache: Cache::Revalidate, extra: Vec::new() }
    }

    /// The answer to a method that the path does not have.
    pub(crate) fn method_not_allowed(allow: &str) -> Self {
        let body = crate::render::error(405, &format!("this path only has the methods {allow}"));
        Self::json(405, body).with(ALLOW, allow)
    }

    /// A redirection within this host.
    pub(crate) fn redirect(status: u16, location: &str) -> Self {
        Self::text(status, "").with(LOCATION, location)
    }

    /// The answer as the request wants it.
    pub(crate) fn into_response(self, method: &Method, request: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(Body::Whole(Bytes::new()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.extend(self.extra);
        let cache_control = HeaderValue::from_static(self.cache.value());
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let is_read = matches!(*method, Method::GET | Method::HEAD) && status == StatusCode::OK;
        let mut body = match self.body {
            Made::Whole(body) => body,
            Made::Ready(ready) => {
                headers.insert(CACHE_CONTROL, cache_control);
                headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
                if let Ok(value) = HeaderValue::from_str(&ready.tag) {
                    headers.insert(ETAG, value);
                }
                if request.get(IF_NONE_MATCH).is_some_and(|tags| matches_tag(tags, &ready.tag)) {
                    headers.remove(CONTENT_TYPE);
                    *response.status_mut() = StatusCode::NOT_MODIFIED;
                    return response;
                }
                if let Some(coding) = ready.coding {
                    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
                }
                let length: usize = ready.pieces.iter().map(Bytes::len).sum();
                headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
                if *method != Method::HEAD {
                    *response.body_mut() = Body::Pieces(ready.pieces);
                }
                return response;
            }
            Made::WebSocket(viewer) => {
                headers.remove(CONTENT_TYPE);
                *response.status_mut() = status;
                *response.body_mut() = Body::WebSocket(viewer);
                return response;
            }
            Made::Live(watching) => {
                headers.insert(CACHE_CONTROL, cache_control);
                // A proxy that gathers answers would hold events back.
                headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
                let is_compressed = request.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
                let is_compressed = is_compressed.is_some_and(|accepted| accepts(accepted, GZIP));
                if is_compressed {
                    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(GZIP));
                }
                if *method != Method::HEAD {
                    *response.body_mut() = Body::Live(Box::new(Subscription { is_compressed, ..*watching }));
                }
                return response;
            }
            Made::Stream(streamed) => {
                let Streamed { produce, viewer } = *streamed;
                headers.insert(CACHE_CONTROL, cache_control);
                headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
                let (encoding, produce) = compressed_stream(request, produce);
                if let Some(encoding) = encoding {
                    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
                }
                if *method != Method::HEAD {
                    *response.body_mut() = Body::Stream(Streamed { produce, viewer });
                }
                return response;
            }
        };
        if is_read || matches!(self.cache, Cache::Never) {
            headers.insert(CACHE_CONTROL, cache_control);
        }
        if is_read && !matches!(self.cache, Cache::Never) {
            // Weak, because one answer has the same tag in every encoding.
            let tag = format!("W/\"{:032x}\"", xxh3_128(&body));
            if let Ok(value) = HeaderValue::from_str(&tag) {
                headers.insert(ETAG, value);
            }
            if request.get(IF_NONE_MATCH).is_some_and(|tags| matches_tag(tags, &tag)) {
                headers.remove(CONTENT_TYPE);
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                return response;
            }
        }
        if is_read && body.len() >= COMPRESSED_BYTES_MIN {
            headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
            let compressed = wanted_coding(request)
                .and_then(|coding| Some((coding, compress(coding, std::iter::once(&body[..])).ok()?)));
            if let Some((encoding, compressed)) = compressed {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
                body = compressed.into();
            }
        }
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        *response.status_mut() = status;
        if *method != Method::HEAD {
            *response.body_mut() = Body::Whole(match body {
                Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                Cow::Owned(bytes) => bytes.into(),
            });
        }
        response
    }
}

fn matches_tag(tags: &HeaderValue, tag: &str) -> bool {
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let tags = tags.to_str().unwrap_or_default();
    tags.trim() == "*" || tags.split(',').any(|found| strong(found) == strong(tag))
}

fn compress<'a>(coding: &str, mut pieces: impl Iterator<Item = &'a [u8]>) -> io::Result<Vec<u8>> {
    match coding {
        ZSTD => {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
            pieces.try_for_each(|piece| encoder.write_all(piece))?;
            encoder.finish()
        }
        _ => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
            pieces.try_for_each(|piece| encoder.write_all(piece))?;
            encoder.finish()
        }
    }
}

fn compressed_stream(request: &HeaderMap, produce: Producer) -> (Option<&'static str>, Producer) {
    match wanted_coding(request) {
        Some(ZSTD) => {
            let compressed: Producer = Box::new(move |out| {
                let mut encoder = zstd::stream::write::Encoder::new(out, ZSTD_LEVEL)?;
                produce(&mut encoder)?;
                encoder.finish().map(drop)
            });
            (Some(ZSTD), compressed)
        }
        Some(coding) => {
            let compressed: Producer = Box::new(move |out| {
                let mut encoder = GzEncoder::new(out, Compression::new(GZIP_LEVEL));
                produce(&mut encoder)?;
                encoder.finish().map(drop)
            });
            (Some(coding), compressed)
        }
        None => (None, produce),
    }
}

const ZSTD: &str = "zstd";
const GZIP: &str = "gzip";

fn wanted_coding(request: &HeaderMap) -> Option<&'static str> {
    let accepted = request.get(ACCEPT_ENCODING)?.to_str().ok()?;
    [ZSTD, GZIP].into_iter().find(|coding| accepts(accepted, coding))
}

/// Whether the client names `coding` and does not give it weight 0. A bare `*` asks for no particular coding.
fn accepts(accepted: &str, coding: &str) -> bool {
    accepted.split(',').any(|item| {
        let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
        let weight = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("q="));
        let is_zero = weight.is_some_and(|weight| weight.trim().parse::<f32>().is_ok_and(|weight| weight <= 0.0));
        name.trim().eq_ignore_ascii_case(coding) && !is_zero
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coding_is_used_only_when_named_with_weight() {
        assert!(accepts("gzip", "gzip"));
        assert!(accepts("br, GZIP;q=0.5", "gzip"));
        assert!(!accepts("gzip;q=0", "gzip"));
        assert!(!accepts("*", "gzip"));
        assert!(!accepts("", "gzip"));
    }

    #[test]
    fn a_tag_matches_among_others_and_weakly() {
        let value = |text| HeaderValue::from_static(text);
        assert!(matches_tag(&value("\"a\", W/\"b\""), "W/\"b\""));
        assert!(matches_tag(&value("\"b\""), "W/\"b\""));
        assert!(matches_tag(&value("*"), "W/\"b\""));
        assert!(!matches_tag(&value("\"a\""), "W/\"b\""));
    }
}
