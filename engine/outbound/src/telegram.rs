//! Telegram's Bot API: <https://core.telegram.org/bots/api#sendmessage>.

use serde_json::{Value, json};

use crate::answer::{Answer, seconds};
use crate::client::Call;
use crate::error::{Failure, Retry};
use crate::fit::{fit, utf16};
use crate::limits::TELEGRAM_CHARS_MAX;
use crate::template::Texts;

/// Where the Bot API is, unless a channel has one of its own.
const BASE_URL: &str = "https://api.telegram.org";

/// The request. The text has no markup, so that nothing in it needs to be escaped.
pub(crate) fn call(base_url: Option<&str>, token: &str, chat_id: &str, thread_id: Option<i64>, texts: &Texts) -> Call {
    let base_url = base_url.unwrap_or(BASE_URL).trim_end_matches('/');
    let chat = chat_id.parse::<i64>().map_or_else(|_| Value::from(chat_id), Value::from);
    let mut body = json!({
        "chat_id": chat,
        "text": fit(&texts.joined(), TELEGRAM_CHARS_MAX, utf16),
        "link_preview_options": {"is_disabled": true},
    });
    if let Some(thread_id) = thread_id {
        body["message_thread_id"] = thread_id.into();
    }
    Call::json(format!("{base_url}/bot{token}/sendMessage"), &body)
}

/// Whether Telegram took it. It says in its body how long to wait.
pub(crate) fn check(answer: &Answer) -> Result<(), Failure> {
    let body = answer.json();
    answer.check(seconds(&body["parameters"]["retry_after"]))?;
    match body["ok"] {
        Value::Bool(true) => Ok(()),
        Value::Bool(false) => Err(answer.refused(Retry::Never)),
        _ => Err(answer.refused(Retry::Later)),
    }
}
