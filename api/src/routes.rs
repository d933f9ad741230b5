//! The router: finds the operation, identifies the viewer, and calls the handler. The paths are in [`crate::table`].
//!
//! HEAD answers like GET. A known path with a slash at its end is redirected, as v0 does.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, HeaderName, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, Method, Request, Response};
use windfire_engine::Engine;
use windfire_engine::token::Scope;

use crate::admission::{Admission, Unbounded, Work};
use crate::answer::Answer;
use crate::body::Body;
use crate::context::{Api, Caller};
use crate::operation::{Access, Match, Operation, RefusalStyle};
use crate::query::Query;
use crate::request::{ApiError, ApiRequest};
use crate::table::operations;
use crate::viewer::{self, Viewer};
use crate::{csrf, pages, path, render};

/// Answers one request. The body is complete, and the caller has limited its size.
pub fn handle(api: &Api, engine: &Arc<Engine>, request: &Request<Bytes>, caller: Caller) -> Response<Body> {
    handle_if(&Unbounded, api, engine, request, caller)
}

/// [`handle`] with a check for room: `admission` is asked before anything is rendered.
pub fn handle_if(
    admission: &dyn Admission,
    api: &Api,
    engine: &Arc<Engine>,
    request: &Request<Bytes>,
    caller: Caller,
) -> Response<Body> {
    let mut response = if api.cors_origin.is_some() && request.method() == Method::OPTIONS {
        preflight()
    } else {
        route(admission, api, engine, request, caller).into_response(request.method(), request.headers())
    };
    if let Some(origin) = &api.cors_origin {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let readable = HeaderValue::from_static("ETag, Retry-After, Windfire-Note");
        response.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, readable);
    }
    response
}

/// Answers a request of the command line, whose user may open the hub's data folder: everything is allowed that is not
/// for a signed-in browser. Never call it for requests from a network.
pub fn handle_local(api: &Api, engine: &Arc<Engine>, request: &Request<Bytes>, now_ms: i64) -> Response<Body> {
    let caller = Caller { peer: IpAddr::V4(Ipv4Addr::LOCALHOST), now_ms };
    let (viewer, query) = (Viewer::local(), Query::parse(request.uri().query().unwrap_or_default()));
    let answer = match Operation::find(&operations(), request.uri().path(), request.method()) {
        Match::Operation(operation, [number, second_number]) => {
            let (viewer, query, admission) = (&viewer, &query, &Unbounded);
            let request = ApiRequest { admission, api, engine, viewer, query, request, caller, number, second_number };
            (operation.answered_by)(&request).unwrap_or_else(ApiError::into_answer)
        }
        Match::OtherMethods(allow) => Answer::method_not_allowed(&allow),
        Match::Nothing => Answer::json(404, render::error(404, "no such path")),
    };
    answer.into_response(request.method(), request.headers())
}

fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::Whole(Bytes::new()));
    *response.status_mut() = http::StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization, Content-Type"));
    response
}

fn route(
    admission: &dyn Admission,
    api: &Api,
    engine: &Arc<Engine>,
    request: &Request<Bytes>,
    caller: Caller,
) -> Answer {
    let (path, method) = (path::normal(request.uri().path()), request.method());
    if path == "/ws" {
        return web_socket(admission, api, engine, request, caller);
    }
    let (operation, [number, second_number]) = match Operation::find(&operations(), &path, method) {
        Match::Operation(operation, numbers) => (operation, numbers),
        Match::OtherMethods(allow) => return Answer::method_not_allowed(&allow),
        Match::Nothing => return page_or_nothing(api, &path, request),
    };
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let viewer = match admit(api, engine, request, operation, caller) {
        Ok(viewer) => viewer,
        Err(refused) => return refused,
    };
    if let Err(wrong) = operation.check(&query) {
        return Answer::json(400, render::error(400, &wrong));
    }
    if let Err(busy) = admission.admit(&viewer, operation.work) {
        return Answer::busy(busy);
    }
    let (viewer, query) = (&viewer, &query);
    let request = ApiRequest { admission, api, engine, viewer, query, request, caller, number, second_number };
    (operation.answered_by)(&request).unwrap_or_else(ApiError::into_answer)
}

/// Why the client of a request is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NotKnown {
    /// The request has no token and no session.
    Nobody,
    /// The request has a session that has ended, and no token.
    Session,
    /// The token is not one of this hub's.
    Token,
    /// The hub cannot say at present whether the token is still valid.
    DoubtedToken,
}

impl NotKnown {
    fn message(self, access: Access) -> &'static str {
        match (access, self) {
            (Access::Login | Access::AdminLogin, Self::Token) => "tokens are not accepted here: sign in to the panel",
            (_, Self::DoubtedToken) => {
                "this hub does not hear from its cluster, so the token may have been removed: ask another hub, or again \
                 in a moment"
            }
            (_, Self::Token) => "the token is not known: it was removed, has expired, or is of another hub",
            (_, Self::Session) => "the session has ended: sign in again",
            (Access::Login | Access::AdminLogin, Self::Nobody) => "sign in to the panel first",
            (_, Self::Nobody) => "this API needs a token or a signed-in session",
        }
    }
}

impl Api {
    /// Whether an unknown client is a guest. A client with an invalid token must get an error, not see less.
    fn lets_in(&self, no: NotKnown) -> bool {
        self.are_guests_allowed && !matches!(no, NotKnown::Token | NotKnown::DoubtedToken)
    }
}

/// The viewer of the cookie or token. The cookie is checked first, and a wrong token with a valid cookie does no harm
/// (contract 1.8).
fn who(api: &Api, engine: &Engine, headers: &HeaderMap, caller: Caller) -> Result<Viewer, NotKnown> {
    if let Some(viewer) = Viewer::of_cookies(engine, headers, &api.cookie_name, caller.now_s()) {
        return Ok(viewer);
    }
    if let Some(known) = by_token(api, engine, headers, caller) {
        return known;
    }
    if viewer::shows_cookie(headers, &api.cookie_name) {
        api.tries.cookies_unknown.add(1);
        return Err(NotKnown::Session);
    }
    Err(NotKnown::Nobody)
}

/// The viewer of the token. `None` if there is no token.
fn by_token(api: &Api, engine: &Engine, headers: &HeaderMap, caller: Caller) -> Option<Result<Viewer, NotKnown>> {
    viewer::shows_token(headers).then(|| {
        if api.doubts_tokens() {
            return Err(NotKnown::DoubtedToken);
        }
        Viewer::of_token(engine, headers, caller.now_s()).ok_or_else(|| {
            api.tries.tokens_unknown.add(1);
            NotKnown::Token
        })
    })
}

fn lacks(scope: Scope) -> String {
    format!("this needs the scope {}, which is not given", scope.name())
}

/// The viewer, if it may call the operation.
fn admit(
    api: &Api,
    engine: &Engine,
    request: &Request<Bytes>,
    operation: &Operation,
    caller: Caller,
) -> Result<Viewer, Answer> {
    let headers = request.headers();
    let refused = |status: u16, message: &str| match operation.refusal {
        RefusalStyle::InBody => Answer::json(200, render::refused(message)),
        RefusalStyle::InStatus => Answer::json(status, render::error(status, message)).no_store(),
    };
    let is_change = operation.method != "GET";
    if is_change && !csrf::is_same_origin(headers) && Viewer::of_token(engine, headers, caller.now_s()).is_none() {
        return Err(refused(403, &csrf::other_site(headers)));
    }
    let refused_as = |no: NotKnown| match no {
        // Not in the style of Nezha: its clients take that for a token that will never be valid again.
        NotKnown::DoubtedToken => Answer::doubtful(no.message(operation.access)),
        NotKnown::Nobody | NotKnown::Session | NotKnown::Token => refused(401, no.message(operation.access)),
    };
    let viewer = match who(api, engine, headers, caller) {
        Ok(viewer) => viewer,
        Err(_) if operation.access == Access::Anyone => Viewer::guest(),
        Err(no) if operation.access == Access::Guests && api.lets_in(no) => Viewer::guest(),
        Err(no) => return Err(refused_as(no)),
    };
    let may = |scope: Scope| {
        if viewer.may(scope) { Ok(()) } else { Err(refused(403, &lacks(scope))) }
    };
    match operation.access {
        Access::Anyone => {}
        Access::Guests if viewer.is_guest() => {}
        Access::Guests => may(Scope::Read)?,
        Access::Scope(scope) => may(scope)?,
        Access::Login | Access::AdminLogin => {
            if viewer.login().is_none() {
                return Err(refused(401, "tokens are not accepted here: sign in to the panel"));
            }
            if operation.access == Access::AdminLogin {
                may(Scope::Admin)?;
            }
        }
    }
    match viewer.login() {
        Some((_, cookie)) if is_change && operation.wants_csrf_token && !csrf::shows_token(headers, cookie) => {
            Err(refused(403, "the header X-CSRF-Token is missing or not of this session"))
        }
        _ => Ok(viewer),
    }
}

/// `GET /ws` as v0 had it (contract 1.11): for anyone, but hidden servers are for those who are authenticated.
fn web_socket(
    admission: &dyn Admission,
    api: &Api,
    engine: &Arc<Engine>,
    request: &Request<Bytes>,
    caller: Caller,
) -> Answer {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Answer::method_not_allowed("GET, HEAD");
    }
    let headers = request.headers();
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_upgrade = *request.method() == Method::GET
        && text(UPGRADE).eq_ignore_ascii_case("websocket")
        && text(SEC_WEBSOCKET_VERSION) == "13";
    let Some(key) = headers.get(SEC_WEBSOCKET_KEY).filter(|_| is_upgrade) else {
        return Answer::json(426, render::error(426, "this path speaks WebSocket, version 13"))
            .with(UPGRADE, "websocket");
    };
    // A browser also sends the cookie for another site's page. Such a page sees what guests see.
    let known = if csrf::is_same_origin(headers) {
        who(api, engine, headers, caller)
    } else {
        by_token(api, engine, headers, caller).unwrap_or(Err(NotKnown::Nobody))
    };
    let refused = |status: u16, message: &str| Answer::json(status, render::error(status, message)).no_store();
    let viewer = match known {
        Ok(viewer) if viewer.may(Scope::Read) => viewer,
        Ok(_) => return refused(403, &lacks(Scope::Read)),
        Err(no) if api.lets_in(no) => Viewer::guest(),
        Err(no @ NotKnown::DoubtedToken) => return Answer::doubtful(no.message(Access::Guests)),
        Err(no) => return refused(401, no.message(Access::Guests)),
    };
    match admission.admit(&viewer, Work::Live) {
        Ok(()) => Answer::web_socket(key, viewer),
        Err(busy) => Answer::busy(busy),
    }
}

fn page_or_nothing(api: &Api, path: &str, request: &Request<Bytes>) -> Answer {
    let method = request.method();
    let prefix = api.base_path.prefix();
    if let Some(page) = pages::answer(path, prefix) {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        return if is_read { page } else { Answer::method_not_allowed("GET, HEAD") };
    }
    let shorter = path.strip_suffix('/').unwrap_or_default();
    let leads_on = match Operation::find(&operations(), shorter, method) {
        Match::Operation(..) => Some(format!("{prefix}{shorter}")),
        Match::OtherMethods(_) => None,
        Match::Nothing => (*method == Method::GET && pages::is_page(shorter)).then(|| pages::relative(shorter)),
    };
    if let Some(to) = leads_on {
        let location = match request.uri().query() {
            Some(query) => format!("{to}?{query}"),
            None => to,
        };
        let status = if *method == Method::GET { 301 } else { 307 };
        return Answer::redirect(status, &location);
    }
    if path.starts_with("/api/") {
        Answer::json(404, render::error(404, "no such path"))
    } else {
        Answer::text(404, "404: no such path\n")
    }
}
