//! `POST /api/v1/server/register` (contract 1.10): a script creates a server.

use std::net::IpAddr;

use http::HeaderMap;
use serde_json::Value;
use windfire_engine::error::ChangeError;
use windfire_engine::server::NewServer;

use crate::answer::Answer;
use crate::render;
use crate::request::ApiRequest;

/// The body of the request. Every key is optional.
#[derive(Debug, Default)]
pub(crate) struct RegisterBody {
    name: Option<String>,
    tag: Option<String>,
    note: Option<String>,
    hide_for_guest: Option<String>,
}

pub(crate) fn register(request: &ApiRequest<'_>) -> Answer {
    let (viewer, caller) = (request.viewer, request.caller);
    let Some(body) = parse(request.request.body()) else {
        return Answer::json(400, render::register_failed(400, "Parse JSON failed"));
    };
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let new = NewServer {
        name: given(body.name).unwrap_or_else(|| client_address(request.request.headers(), caller.peer)),
        tag: given(body.tag).unwrap_or_else(|| "AutoRegister".to_owned()),
        note: body.note.unwrap_or_default(),
        hide_for_guest: given(body.hide_for_guest).is_none_or(|text| text == "on"),
        ..NewServer::default()
    };
    if !viewer.may_tag(&new.tag) {
        let message = format!("this token is limited to other tags than {:?}", new.tag);
        return Answer::json(200, render::register_failed(403, &message));
    }
    match request.engine.registry().add_server(new, caller.now_s()) {
        Ok(made) if matches!(request.query.given("simple"), Some("1" | "true")) => {
            Answer::json(200, render::registered_simple(&made.credential))
        }
        Ok(made) => Answer::json(200, render::registered(made.id, &made.credential)),
        Err(error) => {
            let is_ours = matches!(error, ChangeError::Store(_) | ChangeError::Overtaken | ChangeError::Undecided);
            let code = if is_ours { 500 } else { 400 };
            Answer::json(code, render::register_failed(code, &error.to_string()))
        }
    }
}

/// The body by Go's rules: keys match in any case, the last of a repeated one counts, unknown ones are ignored, `null`
/// is an empty body, and text after the first value is ignored.
pub(crate) fn parse(body: &[u8]) -> Option<RegisterBody> {
    let first = serde_json::Deserializer::from_slice(body).into_iter::<Value>().next()?.ok()?;
    let fields = match first {
        Value::Null => return Some(RegisterBody::default()),
        Value::Object(fields) => fields,
        _ => return None,
    };
    let mut body = RegisterBody::default();
    for (key, value) in fields {
        let field = match key.to_ascii_lowercase().as_str() {
            "name" => &mut body.name,
            "tag" => &mut body.tag,
            "note" => &mut body.note,
            "hideforguest" => &mut body.hide_for_guest,
            _ => continue,
        };
        match value {
            Value::String(text) => *field = Some(text),
            Value::Null => {}
            _ => return None,
        }
    }
    Some(body)
}

/// The client's address. It is only a default name, so a proxy's word is good enough.
fn client_address(headers: &HeaderMap, peer: IpAddr) -> String {
    let forwarded = headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
    let first = forwarded.and_then(|text| text.split(',').next()).map(str::trim);
    first.filter(|text| !text.is_empty()).map_or_else(|| peer.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_follow_gos_rules() {
        assert!(parse(b"x").is_none());
        assert!(parse(b"").is_none());
        assert!(parse(b"[]").is_none());
        assert!(parse(b"{\"Name\":1}").is_none());
        assert!(parse(b"null").is_some());
        let body = parse("{\"nAmE\":\"é\",\"TAG\":\"t\",\"other\":[1]} trailing".as_bytes()).expect("JSON");
        assert_eq!((body.name.as_deref(), body.tag.as_deref()), (Some("é"), Some("t")));
    }
}
