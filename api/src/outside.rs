//! Requests that are not below the hub's base path: readers are led there, and everybody else is told.

use bytes::Bytes;
use http::{Method, Request, Response};

use crate::answer::Answer;
use crate::base_path::BasePath;
use crate::body::Body;
use crate::{path, render};

/// The answer to a request that [`BasePath::take_off`] has found to be outside.
pub fn answer_outside(base_path: &BasePath, request: &Request<Bytes>) -> Response<Body> {
    let (path, method) = (path::normal(request.uri().path()), request.method());
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    let answer = match base_path.way_from(&path).filter(|_| is_read) {
        Some(way) => {
            let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
            // Not for ever: browsers would keep the way to a path that the operator may change.
            Answer::redirect(307, &format!("{way}{query}")).no_store()
        }
        None if path.starts_with("/api/") => {
            Answer::json(404, render::error(404, &format!("no such path: the API is below {base_path}")))
        }
        None => Answer::text(404, format!("404: no such path. The panel and the API are below {base_path}\n")),
    };
    answer.into_response(method, request.headers())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_beside_it_is_led_there_and_everybody_else_is_told() {
        let ask = |base: &BasePath, method: &Method, path: &str| {
            let request = Request::builder().method(method).uri(path).body(Bytes::new()).expect("a request");
            let response = answer_outside(base, &request);
            let location = response.headers().get("location").map(|value| value.to_str().expect("text").to_owned());
            (response.status().as_u16(), location)
        };
        let base = |text: &str| BasePath::parse(text).expect("valid");
        let (one, two) = (base("/windfire/"), base("/tools/windfire/"));
        let to = |way: &str| (307, Some(way.to_owned()));
        assert_eq!(ask(&one, &Method::GET, "/"), to("windfire/"));
        assert_eq!(ask(&one, &Method::HEAD, "//"), to("windfire/"));
        assert_eq!(ask(&one, &Method::GET, "/windfire?a=b"), to("windfire/?a=b"));
        assert_eq!(ask(&two, &Method::GET, "/"), to("tools/windfire/"));
        assert_eq!(ask(&two, &Method::GET, "/tools/windfire"), to("windfire/"));
        for (method, path) in [
            (Method::GET, "/login"),
            (Method::GET, "/tools"),
            (Method::GET, "/tools/"),
            (Method::POST, "/"),
            (Method::GET, "/api/v1/server/list"),
        ] {
            assert_eq!(ask(&two, &method, path), (404, None), "{method} {path}");
        }
        let request = Request::get("/api/v1/server/list").body(Bytes::new()).expect("a request");
        let body = answer_outside(&two, &request).into_body().collect().expect("whole");
        let told: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(told["code"], 404);
        assert!(told["message"].as_str().is_some_and(|words| words.contains("/tools/windfire/")), "{told}");
    }
}
