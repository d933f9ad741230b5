//! ntfy: <https://docs.ntfy.sh/publish/#publish-as-json>.

use http::header::AUTHORIZATION;
use serde_json::json;
use windfire_engine::alert::notice::Message;
use windfire_engine::alert::rule::Severity;

use crate::client::Call;
use crate::fit::{fit, utf8};
use crate::limits::NTFY_BYTES_MAX;
use crate::template::Texts;
use crate::words::is_over;

/// The request.
pub(crate) fn call(url: &str, topic: &str, token: Option<&str>, message: &Message, texts: &Texts) -> Call {
    let (priority, tag) = match message.severity {
        _ if is_over(message) => (3, "white_check_mark"),
        Severity::Info => (3, "information_source"),
        Severity::Warning => (4, "warning"),
        Severity::Critical => (5, "rotating_light"),
    };
    let mut body = json!({
        "topic": topic,
        "title": texts.subject,
        "message": fit(&texts.text, NTFY_BYTES_MAX, utf8),
        "priority": priority,
        "tags": [tag],
    });
    if let Some(link) = &message.link {
        body["click"] = link.as_str().into();
    }
    let mut call = Call::json(format!("{}/", url.trim_end_matches('/')), &body);
    call.headers.extend(token.map(|token| (AUTHORIZATION.to_string(), format!("Bearer {token}"))));
    call
}
