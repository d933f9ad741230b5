//! Which path answers what: finds the operation, asks who is asking, calls what answers. The paths are in
//! [`crate::operation`].
//!
//! HEAD answers like GET. A known path with a slash at its end is redirected, as v0 does.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue,
};
use http::{Method, Request, Response};
use windfire_engine::{Engine, Selection};

use crate::answer::Answer;
use crate::body::Body;
use crate::history::{self, Asked};
use crate::openapi;
use crate::operation::{OPERATIONS, Operation, Route};
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
    /// Unix milliseconds.
    pub now_ms: i64,
}

/// Answers one request. The body is whole and was limited by whoever read it.
pub fn handle(api: &Api, engine: &Arc<Engine>, request: &Request<Bytes>, caller: Caller) -> Response<Body> {
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

fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::Whole(Bytes::new()));
    *response.status_mut() = http::StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, POST"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization, Content-Type"));
    response
}

fn route(api: &Api, engine: &Arc<Engine>, request: &Request<Bytes>, caller: Caller) -> Answer {
    let (path, method) = (request.uri().path(), request.method());
    let Some((operation, number)) = Operation::of_path(path) else { return unknown_path(request) };
    if !operation.answers_to(method) {
        return Answer::method_not_allowed(operation.allow);
    }
    let Some(scope) = operation.scope else {
        return match operation.route {
            Route::OpenApi => Answer::json(200, openapi::document()),
            _ => front(),
        };
    };
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let Some(viewer) = Viewer::of_request(engine, request.headers(), &api.cookie_name, caller.now_ms.div_euclid(1000))
    else {
        return Answer::json(200, render::refused("this API needs a token or a signed-in session"));
    };
    if !viewer.may(scope) {
        let message = format!("this token lacks the scope {}", scope.name());
        return Answer::json(200, render::refused(&message));
    }
    let asked = Asked { engine, viewer: &viewer, query: &query, now_ms: caller.now_ms };
    let tag = query.given("tag").map_or(Selection::All, Selection::Tag);
    match operation.route {
        Route::Front | Route::OpenApi => front(),
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
        Route::History => history::history(&asked),
        Route::Top => history::top(&asked),
        Route::Uptime => history::uptime(&asked),
        Route::Facts => history::facts(&asked),
        Route::V2Metrics => history::v2_metrics(&asked, number),
        Route::Register => {
            register(engine, request.headers(), &query, request.body(), caller.peer, caller.now_ms.div_euclid(1000))
        }
    }
}

fn unknown_path(request: &Request<Bytes>) -> Answer {
    let path = request.uri().path();
    let known = path.strip_suffix('/').and_then(|path| Some((path, Operation::of_path(path)?.0)));
    if let Some((path, operation)) = known {
        let location = match request.uri().query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        if *request.method() == Method::GET {
            return Answer::redirect(301, &location);
        }
        if operation.answers_to(request.method()) {
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
    let mut text = format!("Windfire {version}\n\n");
    for operation in OPERATIONS.iter().filter(|operation| operation.path != "/") {
        let method = operation.allow.split(',').next().unwrap_or_default();
        text.push_str(&format!("{method:<4} {:<28} {}\n", operation.path, operation.about));
    }
    text.push_str(
        "GET  /healthz, /readyz, /metrics\n\n\
         Send an API token as \"Authorization: <token>\". Make one with \"windfire token add\".\n",
    );
    Answer::text(200, text)
}
