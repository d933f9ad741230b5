//! Hooks of Discord: <https://discord.com/developers/docs/resources/webhook#execute-webhook>.

use jiff::Timestamp;
use serde_json::json;
use windfire_engine::alert::notice::Message;

use crate::answer::{Answer, seconds};
use crate::client::Call;
use crate::colour::colour;
use crate::error::Failure;
use crate::fit::{fit, utf16};
use crate::limits::DISCORD_CHARS_MAX;
use crate::template::Texts;

/// The request. It says that nobody is to be called, whatever names stand in the texts.
pub(crate) fn call(url: &str, message: &Message, texts: &Texts) -> Call {
    let [content_max, description_max] = DISCORD_CHARS_MAX;
    let mut embed = json!({
        "description": fit(&texts.text, description_max, utf16),
        "color": colour(message),
    });
    if let Ok(time) = Timestamp::from_millisecond(message.ended_ms.unwrap_or(message.since_ms)) {
        embed["timestamp"] = time.to_string().into();
    }
    let body = json!({
        "content": fit(&texts.subject, content_max, utf16),
        "embeds": [embed],
        "username": "Windfire",
        "allowed_mentions": {"parse": []},
    });
    Call::json(url.to_owned(), &body)
}

/// Whether Discord took it. It says in its body how long to wait, in parts of a second too.
pub(crate) fn check(answer: &Answer) -> Result<(), Failure> {
    answer.check(seconds(&answer.json()["retry_after"]))
}
