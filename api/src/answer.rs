//! What every answer gets on its way out: content type, ETag and 304, compression when asked for, HEAD.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName,
    HeaderValue, IF_NONE_MATCH, LOCATION, VARY,
};
use http::{HeaderMap, Method, Response, StatusCode};
use xxhash_rust::xxh3::xxh3_128;

use crate::body::{Body, Producer};

/// Bodies below this go out as they are: a packet is a packet.
const COMPRESSED_BYTES_MIN: usize = 1400;

/// Cheap levels: an answer of a whole fleet is rendered anew every second, so time counts for more than the last percent.
const ZSTD_LEVEL: i32 = 1;
const GZIP_LEVEL: u32 = 1;

/// An answer before it is fitted to its request.
pub(crate) struct Answer {
    status: u16,
    content_type: &'static str,
    body: Made,
    extra: Option<(HeaderName, HeaderValue)>,
}

enum Made {
    Whole(Vec<u8>),
    Stream(Producer),
}

impl Answer {
    /// JSON as v0 labels it.
    pub(crate) fn json(status: u16, body: Vec<u8>) -> Self {
        Self { status, content_type: "application/json; charset=utf-8", body: Made::Whole(body), extra: None }
    }

    pub(crate) fn text(status: u16, body: impl Into<String>) -> Self {
        let body = Made::Whole(body.into().into_bytes());
        Self { status, content_type: "text/plain; charset=utf-8", body, extra: None }
    }

    /// A success whose body is made while it is sent.
    pub(crate) fn stream(
        content_type: &'static str,
        produce: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Self {
        Self { status: 200, content_type, body: Made::Stream(Box::new(produce)), extra: None }
    }

    /// The answer to a method that the route does not have.
    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        let body = crate::render::error(405, &format!("this path answers to {allow}"));
        Self { extra: Some((ALLOW, HeaderValue::from_static(allow))), ..Self::json(405, body) }
    }

    /// A redirection within this host.
    pub(crate) fn redirect(status: u16, location: &str) -> Self {
        let location = HeaderValue::from_str(location).ok();
        Self { extra: location.map(|location| (LOCATION, location)), ..Self::text(status, "") }
    }

    /// The answer as the request wants it.
    pub(crate) fn into_response(self, method: &Method, request: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(Body::Whole(Bytes::new()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if let Some((name, value)) = self.extra {
            headers.insert(name, value);
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let is_read = matches!(*method, Method::GET | Method::HEAD) && status == StatusCode::OK;
        let mut body = match self.body {
            Made::Whole(body) => body,
            Made::Stream(produce) => {
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
                headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
                let (encoding, produce) = compressed_stream(request, produce);
                if let Some(encoding) = encoding {
                    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
                }
                if *method != Method::HEAD {
                    *response.body_mut() = Body::Stream(produce);
                }
                return response;
            }
        };
        if is_read {
            // Weak, because one answer has the same tag in every encoding.
            let tag = format!("W/\"{:032x}\"", xxh3_128(&body));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
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
            if let Some((encoding, compressed)) = compress(request, &body) {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
                body = compressed;
            }
        }
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        *response.status_mut() = status;
        if *method != Method::HEAD {
            *response.body_mut() = Body::Whole(body.into());
        }
        response
    }
}

fn matches_tag(tags: &HeaderValue, tag: &str) -> bool {
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let tags = tags.to_str().unwrap_or_default();
    tags.trim() == "*" || tags.split(',').any(|found| strong(found) == strong(tag))
}

fn compress(request: &HeaderMap, body: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    let coding = wanted_coding(request)?;
    let compressed = match coding {
        ZSTD => zstd::bulk::compress(body, ZSTD_LEVEL).ok()?,
        _ => {
            let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::new(GZIP_LEVEL));
            encoder.write_all(body).ok()?;
            encoder.finish().ok()?
        }
    };
    Some((coding, compressed))
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

/// Whether the client names `coding` and does not give it weight 0. A bare `*` asks for nothing in particular.
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
