//! Single messages of a stream: publish one on a condition, and look at one that is stored.

use async_nats::HeaderMap;
use bytes::Bytes;
use data_encoding::BASE64;

use crate::api::{MessageAnswer, MessageQuery, Published, RawMessage, StreamBounds, StreamInfo, code};
use crate::error::Trouble;
use crate::limits::PUBLISH_ANSWER_MAX;
use crate::mailbox::{Mailbox, answer_of};

/// What must be true of a stream for a message to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The last message of the message's subject has this sequence; 0 if there is none.
    OfSubject(u64),
    /// The last message of the stream has this sequence; 0 if there is none.
    OfStream(u64),
}

/// A message to be stored once, however often it is sent.
pub(crate) struct Draft<'a> {
    pub(crate) stream: &'a str,
    pub(crate) subject: &'a str,
    /// The brokers store the same id once, as long as they remember it.
    pub(crate) id: &'a str,
    pub(crate) expected: Expected,
    /// Whether it is the sign that a key of a bucket was deleted.
    pub(crate) is_deletion: bool,
}

/// Sends a message, and waits until it is stored. If this fails, the message may be stored all the same.
pub(crate) async fn publish(mailbox: &mut Mailbox, draft: &Draft<'_>, bytes: Bytes) -> Result<u64, Trouble> {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", draft.id);
    headers.insert("Nats-Expected-Stream", draft.stream);
    match draft.expected {
        Expected::OfSubject(last) => headers.insert("Nats-Expected-Last-Subject-Sequence", last.to_string()),
        Expected::OfStream(last) => headers.insert("Nats-Expected-Last-Sequence", last.to_string()),
    }
    if draft.is_deletion {
        headers.insert("KV-Operation", "DEL");
    }
    let answer = mailbox.ask(draft.subject.to_owned(), headers, bytes, PUBLISH_ANSWER_MAX).await?;
    let published: Published = answer_of(&answer)?;
    Ok(published.seq)
}

/// A message that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) sequence: u64,
    /// The id with which it was sent.
    pub(crate) id: Option<String>,
    /// Whether it is the sign that a key of a bucket was deleted.
    pub(crate) is_deletion: bool,
    data: String,
}

impl Stored {
    /// What it holds, if that is text.
    pub(crate) fn text(&self) -> Option<String> {
        String::from_utf8(BASE64.decode(self.data.as_bytes()).ok()?).ok()
    }

    fn read(message: RawMessage) -> Result<Self, Trouble> {
        let headers = BASE64.decode(message.hdrs.as_bytes());
        let headers = headers.map_err(|error| Trouble::Other(format!("the headers of a message: {error}")))?;
        let headers = String::from_utf8_lossy(&headers);
        let value = |wanted: &str| {
            let mut pairs = headers.lines().filter_map(|line| line.split_once(':'));
            pairs.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim().to_owned())
        };
        let is_deletion = value("KV-Operation").is_some_and(|operation| operation != "PUT");
        // The brokers write a marker of their own when a message is older than the bucket keeps it.
        let is_marker = value("Nats-Marker-Reason").is_some();
        let id = value("Nats-Msg-Id");
        Ok(Self { sequence: message.seq, id, is_deletion: is_deletion || is_marker, data: message.data })
    }
}

/// One message as the stream's leader has it; none if there is no such message.
pub(crate) async fn message(
    mailbox: &mut Mailbox,
    stream: &str,
    query: &MessageQuery,
) -> Result<Option<Stored>, Trouble> {
    match mailbox.api::<MessageAnswer>(&format!("STREAM.MSG.GET.{stream}"), query).await {
        Ok(answer) => Stored::read(answer.message).map(Some),
        Err(Trouble::Refused(error)) if error.err_code == code::NO_MESSAGE => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

/// A stream as its leader has it; none if there is no such stream.
pub(crate) async fn stream_info(mailbox: &mut Mailbox, stream: &str) -> Result<Option<StreamInfo>, Trouble> {
    match mailbox.api::<StreamInfo>(&format!("STREAM.INFO.{stream}"), &serde_json::json!({})).await {
        Ok(info) => Ok(Some(info)),
        Err(Trouble::Refused(error)) if error.err_code == code::NO_STREAM => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

/// Where a stream begins and ends, as its leader has it.
pub(crate) async fn bounds(mailbox: &mut Mailbox, stream: &str) -> Result<StreamBounds, Trouble> {
    led_stream(mailbox, stream).await.map(|info| info.state)
}

/// A stream as its leader has it. A broker that reaches no majority of the others answers too, but does not know what
/// they have stored since.
pub(crate) async fn led_stream(mailbox: &mut Mailbox, stream: &str) -> Result<StreamInfo, Trouble> {
    match stream_info(mailbox, stream).await? {
        Some(StreamInfo { cluster: Some(cluster), .. }) if cluster.leader.as_ref().is_none_or(String::is_empty) => {
            Err(Trouble::Other(format!("the stream {stream} has no leader")))
        }
        Some(info) => Ok(info),
        None => Err(Trouble::Other(format!("the brokers have no stream {stream}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_as_nats_server_stores_it_is_read() {
        let headers = "NATS/1.0\r\nNats-Msg-Id: a.0000000000000001.7\r\nNats-Expected-Stream: WF_x_00\r\n\r\n";
        let raw = RawMessage { seq: 9, hdrs: BASE64.encode(headers.as_bytes()), data: BASE64.encode(b"two") };
        let stored = Stored::read(raw).unwrap();
        assert_eq!((stored.sequence, stored.id.as_deref()), (9, Some("a.0000000000000001.7")));
        assert_eq!(stored.text().as_deref(), Some("two"));
        assert!(!stored.is_deletion);
    }

    #[test]
    fn a_message_without_headers_has_no_id() {
        let stored = Stored::read(RawMessage { seq: 1, hdrs: String::new(), data: String::new() }).unwrap();
        assert_eq!((stored.id.as_deref(), stored.text().as_deref()), (None, Some("")));
        assert!(Stored::read(RawMessage { seq: 1, hdrs: "!".to_owned(), data: String::new() }).is_err());
    }

    #[test]
    fn a_deleted_key_is_one() {
        for (headers, is_deletion) in [
            ("NATS/1.0\r\nKV-Operation: DEL\r\n\r\n", true),
            ("NATS/1.0\r\nKV-Operation: PURGE\r\n\r\n", true),
            ("NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\n\r\n", true),
            ("NATS/1.0\r\nNats-Msg-Id: a\r\n\r\n", false),
        ] {
            let raw = RawMessage { seq: 1, hdrs: BASE64.encode(headers.as_bytes()), data: String::new() };
            assert_eq!(Stored::read(raw).unwrap().is_deletion, is_deletion, "{headers}");
        }
    }
}
