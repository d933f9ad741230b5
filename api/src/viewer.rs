//! The identity and rights of a request. Every render function takes a [`Viewer`], so that a forgotten check does not
//! compile.

use std::sync::Arc;

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue};
use windfire_engine::Engine;
use windfire_engine::server::ServerRecord;
use windfire_engine::token::{Scope, Scopes};
use windfire_engine::user::{Role, User};

/// Which servers a viewer sees. Viewers with the same audience can share an answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Audience {
    /// All of them, hidden ones too, as in v0 for everyone who is authenticated.
    All,
    /// Those of these tags.
    Tags(Arc<[String]>),
    /// Those that are not hidden.
    Guests,
}

impl Audience {
    /// Whether the audience sees that server.
    pub fn sees(&self, server: &ServerRecord) -> bool {
        match self {
            Self::All => true,
            Self::Tags(tags) => tags.contains(&server.tag),
            Self::Guests => !server.hide_for_guest,
        }
    }
}

/// The holder of a share that does not depend on the address: a token or a user, by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// An API token.
    Token(u64),
    /// A user who is signed in, with all sessions.
    User(u64),
}

/// The identity and rights of a request.
#[derive(Debug, Clone)]
pub struct Viewer {
    audience: Audience,
    scopes: Scopes,
    by: Credentials,
}

/// The token or login of a viewer.
#[derive(Debug, Clone)]
enum Credentials {
    Nothing,
    /// A user who may open the hub's data folder.
    Local,
    Token {
        id: u64,
        text: String,
    },
    Login {
        user: User,
        /// The cookie's value.
        cookie: String,
    },
}

impl Viewer {
    /// The viewer of one of the request's cookies of that name.
    pub(crate) fn of_cookies(engine: &Engine, headers: &HeaderMap, cookie_name: &str, now_s: i64) -> Option<Self> {
        cookies(headers, cookie_name).find_map(|cookie| Self::of_cookie(engine, cookie, now_s))
    }

    /// The viewer of the request's token.
    pub fn of_token(engine: &Engine, headers: &HeaderMap, now_s: i64) -> Option<Self> {
        let token = token_of(headers.get(AUTHORIZATION)?.to_str().ok()?)?;
        let grant = engine.registry().token_grant(token, now_s)?;
        let audience = if grant.tags.is_empty() { Audience::All } else { Audience::Tags(grant.tags) };
        Some(Self { audience, scopes: grant.scopes, by: Credentials::Token { id: grant.id, text: token.to_owned() } })
    }

    fn of_cookie(engine: &Engine, cookie: &str, now_s: i64) -> Option<Self> {
        let user = engine.registry().login_user(cookie, now_s)?;
        let scope = match user.role {
            Role::Admin => Scope::Admin,
            Role::Viewer => Scope::Read,
        };
        let by = Credentials::Login { user, cookie: cookie.to_owned() };
        Some(Self { audience: Audience::All, scopes: Scopes::of([scope]), by })
    }

    /// An administrator without a token or login: a user who may open the hub's data folder. Never for requests from a
    /// network.
    pub(crate) fn local() -> Self {
        Self { audience: Audience::All, scopes: Scopes::of([Scope::Admin]), by: Credentials::Local }
    }

    /// Whether the command line asks.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self.by, Credentials::Local)
    }

    /// A visitor who is not signed in.
    pub fn guest() -> Self {
        Self { audience: Audience::Guests, scopes: Scopes::of([]), by: Credentials::Nothing }
    }

    /// Whether this is a guest.
    pub fn is_guest(&self) -> bool {
        matches!(self.by, Credentials::Nothing)
    }

    /// Whether an API token shows who this is.
    pub(crate) fn is_token(&self) -> bool {
        matches!(self.by, Credentials::Token { .. })
    }

    /// The token or user that the request is counted for. `None` for a guest and for the command line.
    pub fn owner(&self) -> Option<Owner> {
        match &self.by {
            Credentials::Nothing | Credentials::Local => None,
            Credentials::Token { id, .. } => Some(Owner::Token(*id)),
            Credentials::Login { user, .. } => Some(Owner::User(user.id)),
        }
    }

    /// Whether this viewer may do that.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.allows(scope)
    }

    /// Whether this viewer may see that server.
    pub fn sees(&self, server: &ServerRecord) -> bool {
        self.audience.sees(server)
    }

    /// Whether this viewer may create a server of that tag.
    pub(crate) fn may_tag(&self, tag: &str) -> bool {
        match &self.audience {
            Audience::All => true,
            Audience::Tags(tags) => tags.iter().any(|found| found == tag),
            Audience::Guests => false,
        }
    }

    /// Whether this viewer sees every server, and with them what is of no server.
    pub(crate) fn sees_all(&self) -> bool {
        self.audience == Audience::All
    }

    /// Of these tags, those whose servers this viewer sees.
    pub(crate) fn seen_tags(&self, tags: &[String]) -> Vec<String> {
        tags.iter().filter(|tag| self.may_tag(tag)).cloned().collect()
    }

    /// Of these ids, those of servers that this viewer sees. One who sees all sees those of removed servers too.
    pub(crate) fn seen_ids(&self, engine: &Engine, ids: &[u64]) -> Vec<u64> {
        let is_seen = |id: &&u64| engine.registry().server(**id).is_some_and(|server| self.sees(&server));
        if self.sees_all() { ids.to_vec() } else { ids.iter().filter(is_seen).copied().collect() }
    }

    /// Whose change it is, in words. No user has a name with a space.
    pub(crate) fn name(&self) -> &str {
        match &self.by {
            Credentials::Nothing => "a guest",
            Credentials::Local => "the command line",
            Credentials::Token { .. } => "an API token",
            Credentials::Login { user, .. } => &user.name,
        }
    }

    /// Which servers this viewer sees.
    pub(crate) fn audience(&self) -> &Audience {
        &self.audience
    }

    /// The user and the cookie's value, if the viewer is a login.
    pub(crate) fn login(&self) -> Option<(&User, &str)> {
        match &self.by {
            Credentials::Login { user, cookie } => Some((user, cookie)),
            Credentials::Nothing | Credentials::Local | Credentials::Token { .. } => None,
        }
    }

    /// Whether the viewer's token or login is still valid.
    pub fn is_still_valid(&self, engine: &Engine, now_s: i64) -> bool {
        match &self.by {
            Credentials::Nothing | Credentials::Local => true,
            Credentials::Token { text, .. } => engine.registry().token_grant(text, now_s).is_some(),
            Credentials::Login { cookie, .. } => engine.registry().login_user(cookie, now_s).is_some(),
        }
    }
}

/// Whether the request has a token, valid or not. The scheme Basic is a browser's login at a proxy in front of the hub,
/// and does not count.
pub(crate) fn shows_token(headers: &HeaderMap) -> bool {
    let is_ours = |value: &HeaderValue| {
        let text = value.as_bytes().trim_ascii();
        let scheme = text.split(|byte| *byte == b' ').next().unwrap_or_default();
        !text.is_empty() && !scheme.eq_ignore_ascii_case(b"basic")
    };
    headers.get(AUTHORIZATION).is_some_and(is_ours)
}

/// Whether the request shows a cookie of that name, be it valid or not.
pub(crate) fn shows_cookie(headers: &HeaderMap, name: &str) -> bool {
    cookies(headers, name).any(|value| !value.is_empty())
}

/// The token in the header's text.
fn token_of(text: &str) -> Option<&str> {
    let text = text.trim();
    // Schemes are case-insensitive. A bare token is v0's own form.
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(token.trim()),
        // A scheme without a token, or nothing at all.
        None if text.is_empty() || text.eq_ignore_ascii_case("bearer") => None,
        _ => Some(text),
    }
}

fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let texts = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(found, _)| *found == name).map(|(_, value)| value)
}
