//! Who is asking. Every render function takes a [`Viewer`], so that forgetting to ask does not compile.

use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};
use windfire_engine::Engine;
use windfire_engine::server::ServerRecord;
use windfire_engine::token::{Scope, Scopes};

/// Somebody who may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    scopes: Scopes,
}

impl Viewer {
    /// Whoever holds the request's cookie or token; `None` when neither is valid. The cookie is looked at first, and a
    /// wrong token beside a valid cookie does no harm (contract 1.8).
    pub(crate) fn of_request(engine: &Engine, headers: &HeaderMap, cookie_name: &str, now_s: i64) -> Option<Self> {
        let by_cookie = || {
            let cookie = cookie(headers, cookie_name)?;
            engine.login_user(cookie, now_s).map(|_| Self { scopes: Scopes::of([Scope::Admin]) })
        };
        let by_token = || {
            let text = headers.get(AUTHORIZATION)?.to_str().ok()?.trim();
            // The scheme, like any, is case-insensitive; a bare token is v0's own form.
            let token = match text.split_once(' ') {
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
                _ => text,
            };
            engine.token_scopes(token, now_s).map(|scopes| Self { scopes })
        };
        by_cookie().or_else(by_token)
    }

    /// Whether this viewer may do that.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.allows(scope)
    }

    /// Whether this viewer may see that server. Everyone who is authenticated sees hidden ones too, as in v0.
    pub fn sees(&self, _server: &ServerRecord) -> bool {
        self.may(Scope::Read)
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let texts = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(found, _)| *found == name).map(|(_, value)| value)
}
