//! Hooks of Slack, and of what takes the same: Mattermost, Rocket.Chat.

use serde_json::{Value, json};
use windfire_engine::alert::notice::Message;

use crate::answer::Answer;
use crate::client::Call;
use crate::colour::colour;
use crate::error::{Failure, Retry};
use crate::fit::fit;
use crate::limits::SLACK_CHARS_MAX;
use crate::template::Texts;

/// The request.
pub(crate) fn call(url: &str, message: &Message, texts: &Texts) -> Call {
    let [title_max, text_max] = SLACK_CHARS_MAX;
    let title = escaped(&fit(&texts.subject, title_max, size));
    let mut attachment = json!({
        "color": format!("#{:06x}", colour(message)),
        "title": title,
        "text": escaped(&fit(&texts.text, text_max, size)),
        "fallback": title,
    });
    if let Some(link) = &message.link {
        attachment["title_link"] = link.as_str().into();
    }
    Call::json(url.to_owned(), &json!({"attachments": [attachment]}))
}

/// Whether it was taken. Slack and Mattermost say so with the text `ok`, Rocket.Chat with JSON.
pub(crate) fn check(answer: &Answer) -> Result<(), Failure> {
    answer.check(None)?;
    let body = answer.json();
    let is_taken = answer.text() == "ok" || body["ok"] == Value::Bool(true) || body["success"] == Value::Bool(true);
    match answer.body.as_slice() {
        _ if is_taken => Ok(()),
        // The answer broke off.
        [] => Err(answer.refused(Retry::Later)),
        _ => Err(answer.refused(Retry::Never)),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What a character counts, once it is escaped.
fn size(letter: char) -> usize {
    match letter {
        '&' => 5,
        '<' | '>' => 4,
        _ => 1,
    }
}
