//! A message as it would be sent, without sending it.

use windfire_engine::alert::channel::Channel;
use windfire_engine::alert::notice::Message;

use crate::facts::Facts;
use crate::template::texts;
use crate::webhook::Webhook;

/// What a channel makes of a message.
#[derive(Debug)]
pub struct Written {
    /// In one line.
    pub subject: String,
    /// The text.
    pub text: String,
    /// A webhook's URL and body, or the field that they cannot be made of, and why. `None` for other kinds of channels.
    pub request: Option<Result<(String, Vec<u8>), String>>,
}

/// Writes a message for a channel, as [`Outbound::send`](crate::Outbound::send) does.
pub fn write(message: &Message, channel: &Channel, facts: Option<&Facts>) -> Written {
    let texts = texts(message, channel, facts);
    let call = Webhook::of(&channel.kind).map(|webhook| webhook.checked_call(message, channel, facts, &texts));
    let request = call.map(|call| call.map(|call| (call.url, call.body)));
    Written { subject: texts.subject, text: texts.text, request }
}
