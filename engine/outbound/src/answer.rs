//! What a receiver answered over HTTP, and whether to try again.

use std::time::Duration;

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::Value;

use crate::error::{Failure, Retry};
use crate::limits::{ERROR_CHARS_MAX, RETRY_AFTER_MAX};

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The first bytes of its body. Not all of them, if it was too long, too slow or broke off.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Whether the receiver took the message. `wait` is what its body asks for, if it does.
    pub(crate) fn check(&self, wait: Option<Duration>) -> Result<(), Failure> {
        if self.status.is_success() { Ok(()) } else { Err(self.failure(wait)) }
    }

    /// The body as JSON. `Null` if it is not.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).trim().to_owned()
    }

    /// A failure, although the status is that of a success.
    pub(crate) fn refused(&self, retry: Retry) -> Failure {
        Failure::new(self.shown(), retry)
    }

    fn failure(&self, wait: Option<Duration>) -> Failure {
        if self.status.is_redirection() {
            let reason = "redirects are not followed, so write the address where it ends";
            return Failure::never(format!("HTTP {}: {reason}", self.status.as_u16()));
        }
        let is_for_now = matches!(self.status.as_u16(), 408 | 425 | 429) || self.status.is_server_error();
        let wait = wait.or_else(|| self.retry_after()).filter(|wait| !wait.is_zero());
        let retry = match wait {
            _ if !is_for_now => Retry::Never,
            Some(wait) => Retry::After(wait.min(RETRY_AFTER_MAX)),
            None => Retry::Later,
        };
        Failure::new(self.shown(), retry)
    }

    /// The status and the beginning of the body. More of the body than is shown, because secrets are cut out later.
    fn shown(&self) -> String {
        let said: String = self.text().chars().take(ERROR_CHARS_MAX * 4).collect();
        match said.as_str() {
            "" => format!("HTTP {}", self.status),
            said => format!("HTTP {}: {said}", self.status.as_u16()),
        }
    }

    /// The wait that the head asks for: seconds, or a moment, which is one by the receiver's own clock.
    fn retry_after(&self) -> Option<Duration> {
        let text = self.header(RETRY_AFTER)?.trim();
        if let Ok(seconds) = text.parse::<u64>() {
            return Some(Duration::from_secs(seconds));
        }
        let wait = moment(text)?.duration_since(moment(self.header(DATE)?.trim())?);
        Some(Duration::try_from(wait).unwrap_or_default())
    }

    fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Whether a receiver took the message that says so with its status only.
pub(crate) fn check_status(answer: &Answer) -> Result<(), Failure> {
    answer.check(None)
}

fn moment(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text).ok()
}

/// Seconds that a body asks to wait, as JSON has them.
pub(crate) fn seconds(value: &Value) -> Option<Duration> {
    Duration::try_from_secs_f64(value.as_f64()?).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::secrets::Secrets;
    use windfire_engine::alert::channel::ChannelKind;

    fn retry(status: u16, headers: &[(HeaderName, &'static str)]) -> Option<Retry> {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        let status = StatusCode::from_u16(status).expect("a status");
        let answer = Answer { status, headers: headers.collect(), body: b"said".to_vec() };
        let secrets = Secrets::of(&ChannelKind::Alertmanager { url: String::new() });
        answer.check(None).err().map(|failure| failure.without(&secrets).retry)
    }

    #[test]
    fn the_status_says_whether_to_try_again() {
        for (statuses, expected) in [
            (&[200, 201, 202, 204][..], None),
            (&[301, 302, 307, 308, 400, 401, 403, 404, 410, 413, 415, 422], Some(Retry::Never)),
            (&[408, 425, 429, 500, 502, 503, 504, 529], Some(Retry::Later)),
        ] {
            for status in statuses {
                assert_eq!(retry(*status, &[]), expected, "{status}");
            }
        }
    }

    #[test]
    fn a_wait_is_seconds_or_a_moment_and_an_hour_at_most() {
        let after = |seconds| Some(Retry::After(Duration::from_secs(seconds)));
        for (value, expected) in [
            ("23", after(23)),
            (" 1 ", after(1)),
            ("0", Some(Retry::Later)),
            ("86400", after(3_600)),
            ("99999999999999999999", Some(Retry::Later)),
            ("-5", Some(Retry::Later)),
            ("soon", Some(Retry::Later)),
            ("Fri, 27 Nov 2026 12:01:30 GMT", after(90)),
            ("Sat, 28 Nov 2026 12:00:00 GMT", after(3_600)),
            ("Fri, 27 Nov 2026 11:00:00 GMT", Some(Retry::Later)),
        ] {
            let date = (DATE, "Fri, 27 Nov 2026 12:00:00 GMT");
            assert_eq!(retry(429, &[(RETRY_AFTER, value), date.clone()]), expected, "{value}");
            assert_eq!(retry(503, &[(RETRY_AFTER, value), date]), expected, "{value}");
        }
        // Without the receiver's own clock a moment says nothing.
        assert_eq!(retry(429, &[(RETRY_AFTER, "Fri, 27 Nov 2026 12:01:30 GMT")]), Some(Retry::Later));
        assert_eq!(retry(400, &[(RETRY_AFTER, "23")]), Some(Retry::Never));
    }
}
