//! Protects logins from other sites' pages: a browser also sends the cookie with their requests.

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderName};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The header by which our own page proves that it could read the session's answer. Other sites' pages cannot read it.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-csrf-token");

/// The value that the header must have. A one-way function computes it from the cookie, so nothing is stored.
pub(crate) fn token(cookie: &str) -> String {
    let digest = Sha256::new().chain_update("windfire csrf ").chain_update(cookie).finalize();
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether the request shows the token of that cookie.
pub(crate) fn shows_token(headers: &HeaderMap, cookie: &str) -> bool {
    let shown = headers.get(HEADER).map_or(&[][..], |value| value.as_bytes());
    bool::from(shown.ct_eq(token(cookie).as_bytes()))
}

/// Whether this request is not from another site's page, according to the browser. Other clients do not send these
/// headers.
pub(crate) fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match text("sec-fetch-site") {
        Some("same-origin" | "none") => return true,
        Some(_) => return false,
        None => {}
    }
    match text(ORIGIN.as_str()) {
        None => true,
        Some(origin) => {
            let host = text(HOST.as_str()).unwrap_or_default();
            let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
        }
    }
}

/// Why a request is refused, and the remedy if it comes from our own page, behind a proxy.
pub(crate) fn other_site(headers: &HeaderMap) -> String {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("nothing");
    let (origin, host) = (text(ORIGIN), text(HOST));
    format!(
        "this request comes from another site's page: its Origin is {origin}, and this hub was asked as {host}. A proxy \
         before the hub must pass the header Host on unchanged (nginx: proxy_set_header Host $http_host)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn another_sites_page_is_noticed() {
        let hub = ("host", "hub.example:8008");
        assert!(is_same_origin(&headers(&[hub])), "curl");
        assert!(is_same_origin(&headers(&[hub, ("origin", "http://hub.example:8008")])));
        assert!(is_same_origin(&headers(&[
            hub,
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://proxy.example")
        ])));
        for origin in ["http://evil.example", "null", "http://hub.example:8008.evil.example", "http://hub.example"] {
            assert!(!is_same_origin(&headers(&[hub, ("origin", origin)])), "{origin}");
        }
        assert!(!is_same_origin(&headers(&[
            hub,
            ("sec-fetch-site", "same-site"),
            ("origin", "http://hub.example:8008")
        ])));
        assert!(!is_same_origin(&headers(&[hub, ("sec-fetch-site", "cross-site")])));
    }

    #[test]
    fn whoever_is_refused_is_told_what_was_compared() {
        let told = other_site(&headers(&[("host", "127.0.0.1:8008"), ("origin", "http://panel.example")]));
        assert!(
            told.contains("http://panel.example") && told.contains("127.0.0.1:8008") && told.contains("Host"),
            "{told}"
        );
        assert!(other_site(&headers(&[])).contains("nothing"));
    }

    #[test]
    fn only_the_cookies_own_token_will_do() {
        let shown = token("cookie");
        assert!(shows_token(&headers(&[("x-csrf-token", &shown)]), "cookie"));
        assert!(!shows_token(&headers(&[("x-csrf-token", &shown)]), "other"));
        assert!(!shows_token(&headers(&[("x-csrf-token", "")]), "cookie"));
        assert!(!shows_token(&headers(&[]), "cookie"));
    }
}
