//! Which path answers what.
//!
//! | path | methods | who |
//! | --- | --- | --- |
//! | `/` | GET | anyone: what runs here |
//! | `/api/v1/server/list` | GET | a token or login that may read |
//! | `/api/v1/server/details` | GET | the same |
//! | `/api/v1/server/register` | POST | a token or login that may register |
//!
//! HEAD answers like GET. A known path with a slash at its end is redirected, as v0 does.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue,
};
use http::{Method, Request, Response};
use windfire_engine::token::Scope;
use windfire_engine::{Engine, Selection};

use crate::answer::Answer;
use crate::query::{Query, ids};
use crate::register::register;
use crate::render;
use crate::viewer::Viewer;

/// What the operator chose for the API.
#[derive(Debug, Clone)]
pub struct Api {
    /// Name of the panel's session cookie.
    pub cookie_name: String,
    /// Origin that browsers may call from; `None` sends no CORS header at all, as v0.
    pub cors_origin: Option<HeaderValue>,
}

/// Where a request comes from, and when.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// The client's address.
    pub peer: IpAddr,
    /// Unix seconds.
    pub now_s: i64,
}

#[derive(Clone, Copy)]
enum Route {
    Front,
    List,
    Details,
    Register,
}

impl Route {
    fn of_path(path: &str) -> Option<Self> {
        Some(match path {
            "/" => Self::Front,
            "/api/v1/server/list" => Self::List,
            "/api/v1/server/details" => Self::Details,
            "/api/v1/server/register" => Self::Register,
            _ => return None,
        })
    }

    const fn allow(self) -> &'static str {
        match self {
            Self::Front | Self::List | Self::Details => "GET, HEAD",
            Self::Register => "POST",
        }
    }

    fn answers_to(self, method: &Method) -> bool {
        self.allow().split(", ").any(|allowed| allowed == method.as_str())
    }
}

/// Answers one request. The body is whole and was limited by whoever read it.
pub fn handle(api: &Api, engine: &Engine, request: &Request<Bytes>, caller: Caller) -> Response<Bytes> {
    let mut response = if api.cors_origin.is_some() && request.method() == Method::OPTIONS {
        preflight()
    } else {
        route(api, engine, request, caller).into_response(request.method(), request.headers())
    };
    if let Some(origin) = &api.cors_origin {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    response
}

fn preflight() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = http::StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, POST"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization, Content-Type"));
    response
}

fn route(api: &Api, engine: &Engine, request: &Request<Bytes>, caller: Caller) -> Answer {
    let (path, method) = (request.uri().path(), request.method());
    let Some(route) = Route::of_path(path) else { return unknown_path(request) };
    if !route.answers_to(method) {
        return Answer::method_not_allowed(route.allow());
    }
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let viewer = || Viewer::of_request(engine, request.headers(), &api.cookie_name, caller.now_s);
    let scope = match route {
        Route::Front => return front(),
        Route::List | Route::Details => Scope::Read,
        Route::Register => Scope::Register,
    };
    let Some(viewer) = viewer() else {
        return Answer::json(200, render::refused("this API needs a token or a signed-in session"));
    };
    if !viewer.may(scope) {
        let message = format!("this token lacks the scope {}", scope.name());
        return Answer::json(200, render::refused(&message));
    }
    let tag = query.given("tag").map_or(Selection::All, Selection::Tag);
    match route {
        Route::Front => front(),
        Route::List => Answer::json(200, render::list(&viewer, &engine.snapshot(tag))),
        Route::Details => {
            let ids = query.given("id").map(ids);
            // Where both are given v0's code lets the tag win, against its own documentation.
            let selection = match (&tag, &ids) {
                (Selection::All, Some(ids)) => Selection::Ids(ids),
                _ => tag,
            };
            Answer::json(200, render::details(&viewer, &engine.snapshot(selection)))
        }
        Route::Register => register(engine, request.headers(), &query, request.body(), caller.peer, caller.now_s),
    }
}

fn unknown_path(request: &Request<Bytes>) -> Answer {
    let path = request.uri().path();
    let known = path.strip_suffix('/').and_then(|path| Some((path, Route::of_path(path)?)));
    if let Some((path, route)) = known {
        let location = match request.uri().query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        if *request.method() == Method::GET {
            return Answer::redirect(301, &location);
        }
        if route.answers_to(request.method()) {
            return Answer::redirect(307, &location);
        }
    }
    if path == "/api" || path.starts_with("/api/") {
        Answer::json(404, render::error(404, "no such path"))
    } else {
        Answer::text(404, "404: no such path\n")
    }
}

fn front() -> Answer {
    let version = env!("CARGO_PKG_VERSION");
    Answer::text(
        200,
        format!(
            "Windfire {version}\n\n\
             GET  /api/v1/server/list      servers\n\
             GET  /api/v1/server/details   servers with host and status\n\
             POST /api/v1/server/register  a new server\n\
             GET  /healthz, /readyz, /metrics\n\n\
             Send an API token as \"Authorization: <token>\". Make one with \"windfire token add\".\n"
        ),
    )
}
