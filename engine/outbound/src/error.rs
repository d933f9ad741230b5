//! Why a message was not sent.

use std::time::Duration;

use crate::limits::ERROR_CHARS_MAX;
use crate::secrets::Secrets;

/// When a message that was not sent is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Never: the same message would be refused again.
    Never,
    /// After the usual wait.
    Later,
    /// After this wait, which the receiver asked for.
    After(Duration),
}

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct SendError {
    /// What happened, with the first characters of the answer. In one line, without secrets of the channel.
    pub text: String,
    /// Whether it is tried again.
    pub retry: Retry,
}

/// The same while it may still contain secrets: it cannot be shown.
pub(crate) struct Failure {
    text: String,
    retry: Retry,
}

impl Failure {
    pub(crate) fn new(text: impl Into<String>, retry: Retry) -> Self {
        Self { text: text.into(), retry }
    }

    /// The same message would be refused again.
    pub(crate) fn never(text: impl Into<String>) -> Self {
        Self::new(text, Retry::Never)
    }

    /// It may work later.
    pub(crate) fn later(text: impl Into<String>) -> Self {
        Self::new(text, Retry::Later)
    }

    /// The failure as it is shown. Secrets are cut out before the text is shortened: half a secret is one too.
    pub(crate) fn without(self, secrets: &Secrets) -> SendError {
        let line: String =
            secrets.cut(&self.text).chars().map(|one| if one.is_control() { ' ' } else { one }).collect();
        SendError { text: line.trim().chars().take(ERROR_CHARS_MAX).collect(), retry: self.retry }
    }
}
