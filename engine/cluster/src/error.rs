//! Why something with the brokers failed.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use crate::api::{ApiError, code};
use crate::limits::{MESSAGE_BYTES_MAX, SHOWN_CHARS_MAX};
use crate::names::NameError;
use crate::refusal::Refusal;

/// What to do when the brokers lost what they had confirmed.
const LOST_REMEDY: &str = "Restore the brokers' files; if they are lost, run \"windfire cluster leave\" and \"windfire \
                           cluster init\" on the hub that has most, and let the others join again";

/// Why something with the brokers failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// A name cannot be used.
    #[error(transparent)]
    Name(#[from] NameError),
    /// An option cannot be used.
    #[error("{option} = {value:?}: {reason}")]
    Option {
        /// Its name.
        option: &'static str,
        /// Its value.
        value: String,
        /// What is wrong, and the remedy.
        reason: String,
    },
    /// No broker answers.
    #[error(
        "no connection to the brokers {urls}: {reason}: check cluster_nats, that nats-server runs there, and the \
         firewall"
    )]
    Unreachable {
        /// Their addresses.
        urls: String,
        /// The last reason.
        reason: String,
    },
    /// The brokers do not know this hub.
    #[error("the brokers {urls} do not admit this hub ({reason}): check cluster_credentials_file")]
    NotAdmitted {
        /// Their addresses.
        urls: String,
        /// What they said.
        reason: String,
    },
    /// A request failed.
    #[error("{request} failed: {reason}")]
    Failed {
        /// What was asked for.
        request: String,
        /// Why.
        reason: String,
    },
    /// The hub does not work with these brokers or streams.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Why a message can never be published. Everything that may pass is tried again, without an end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The message is too large.
    #[error("a message of {bytes} bytes is larger than {}: cut it in two", MESSAGE_BYTES_MAX)]
    TooLarge {
        /// Its bytes.
        bytes: usize,
    },
    /// Another process writes under the hub's id.
    #[error(
        "the last message of {subject} is {found:?}, which this hub did not write: another hub runs with the same \
         cluster_hub_id; give each hub its own"
    )]
    Overwritten {
        /// The hub's subject.
        subject: String,
        /// The id of that message.
        found: String,
    },
    /// The stream was cut past the place where the message would be.
    #[error(
        "whether message {number} was stored is not known: the stream {stream} begins at {first} by now, and the \
         message would be after {floor}: raise cluster_stream_gib_max, so that the stream keeps more than minutes"
    )]
    FateUnknown {
        /// The stream.
        stream: String,
        /// The message's number.
        number: u64,
        /// Where the stream begins.
        first: u64,
        /// The sequence after which the message would be.
        floor: u64,
    },
    /// The stream no longer has a message of this hub that the brokers had confirmed.
    #[error(
        "the stream {stream} has no message of this hub after {found}, and the brokers had confirmed its message \
         {number} at {confirmed}: they lost messages, or the stream was created again. {}",
        LOST_REMEDY
    )]
    Lost {
        /// The stream.
        stream: String,
        /// The number of the hub's last message that was confirmed.
        number: u64,
        /// Its sequence.
        confirmed: u64,
        /// The sequence of the hub's last message that is there, 0 if there is none.
        found: u64,
    },
    /// A message was stored in the place of another one, which this hub had applied.
    #[error(
        "the stream {stream} stored message {number} of this hub at {sequence}, and this hub had seen the stream up to \
         {floor} before: the brokers lost messages, or the stream was created again. {}",
        LOST_REMEDY
    )]
    Refilled {
        /// The stream.
        stream: String,
        /// The message's number.
        number: u64,
        /// Its sequence.
        sequence: u64,
        /// The sequence after which it had to be.
        floor: u64,
    },
}

/// Why a stream cannot be followed any further. Everything that may pass is tried again, without an end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// The stream no longer has the next message.
    #[error(
        "the stream {stream} begins at {first}, and this hub was at {applied}: it was away for longer than the stream \
         reaches. Move its data folder away, and fetch the data of another hub with \"windfire cluster join --from \
         https://HUB\""
    )]
    Behind {
        /// The stream.
        stream: String,
        /// Its first sequence.
        first: u64,
        /// The last sequence that this hub applied.
        applied: u64,
    },
    /// The stream ends before the hub's position.
    #[error(
        "the stream {stream} ends at {last}, and this hub was at {applied}: the brokers lost messages, or the stream \
         was created again. {}",
        LOST_REMEDY
    )]
    Rewound {
        /// The stream.
        stream: String,
        /// Its last sequence.
        last: u64,
        /// The last sequence that this hub applied.
        applied: u64,
    },
    /// The stream has another message in the place of one that this hub applied.
    #[error(
        "the stream {stream} has {found:?} as message {sequence}, and this hub had applied {applied:?} there: the \
         brokers lost messages, and others took their places. {}",
        LOST_REMEDY
    )]
    Replaced {
        /// The stream.
        stream: String,
        /// The sequence of both.
        sequence: u64,
        /// The id of the message that this hub applied.
        applied: String,
        /// The id of the one that is there.
        found: String,
    },
    /// The stream is another one than before.
    #[error(
        "the stream {stream} was created at {found}, and this hub followed one that was created at {followed}: \
         somebody deleted it and created it again. {}",
        LOST_REMEDY
    )]
    Recreated {
        /// The stream.
        stream: String,
        /// When the stream was created that is there, as the brokers say it.
        found: String,
        /// When the one was created that this hub followed.
        followed: String,
    },
    /// A message in the middle of the stream is missing.
    #[error(
        "the stream {stream} has no message {missing}, but {found}: the brokers lost it, or an operator deleted it. \
         Move the data folder away, and fetch the data of a hub that has it with \"windfire cluster join --from \
         https://HUB\""
    )]
    Hole {
        /// The stream.
        stream: String,
        /// The sequence that is missing.
        missing: u64,
        /// The next one that there is.
        found: u64,
    },
}

/// Why a request has no good answer. It may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// There is no connection now.
    NotConnected,
    /// Nothing came back.
    NoAnswer(Duration),
    /// No broker listens: the stream has no leader now, or does not exist.
    NoResponders,
    /// A broker said no.
    Refused(ApiError),
    /// An answer, or the lack of one, that has another reason.
    Other(String),
}

impl Trouble {
    /// The same as an error of a request.
    pub(crate) fn of(self, request: impl Into<String>) -> ClusterError {
        ClusterError::Failed { request: request.into(), reason: format!("{self}{}", self.remedy()) }
    }

    /// What to do if it does not pass.
    fn remedy(&self) -> &'static str {
        match self {
            Self::Refused(error) if code::NO_JETSTREAM.contains(&error.err_code) => {
                ": set jetstream: enabled for the account of cluster_credentials_file in the brokers' configuration"
            }
            // An account without JetStream has nobody who answers, and a request that is not permitted gets no answer.
            Self::NoResponders => {
                ". If that stays so: the brokers need a majority, and the account of cluster_credentials_file needs \
                 jetstream: enabled"
            }
            Self::NoAnswer(_) => {
                ". If that stays so: the brokers need a majority, and the user of cluster_credentials_file must be \
                 permitted to publish to $JS.API.>, $KV.> and wf.>, and to subscribe to _INBOX.>; the brokers' logs \
                 say what was not permitted"
            }
            Self::NotConnected | Self::Refused(_) | Self::Other(_) => "",
        }
    }
}

impl Display for Trouble {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected => formatter.write_str("there is no connection to the brokers"),
            Self::NoAnswer(wait) => write!(formatter, "no answer within {} s", wait.as_secs_f64()),
            Self::NoResponders => formatter.write_str("no broker answers for it: it has no leader, or does not exist"),
            Self::Refused(error) => {
                write!(formatter, "the brokers said: {} (code {})", shown(&error.description), error.err_code)
            }
            Self::Other(reason) => formatter.write_str(reason),
        }
    }
}

/// A text from outside in one line that is not too long.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).map(|one| if one.is_control() { ' ' } else { one }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_an_operator_can_mend_is_said_with_the_remedy() {
        let refused = |err_code, text: &str| Trouble::Refused(ApiError { err_code, description: text.to_owned() });
        for (trouble, words) in [
            (refused(10_039, "JetStream not enabled for account"), &["code 10039", "jetstream: enabled"][..]),
            (refused(10_076, "JetStream not enabled"), &["code 10076", "jetstream: enabled"]),
            (Trouble::NoResponders, &["no broker answers", "jetstream: enabled", "majority"]),
            (Trouble::NoAnswer(Duration::from_secs(5)), &["within 5 s", "$JS.API.>", "_INBOX.>", "majority"]),
        ] {
            let line = trouble.of("looking at the stream WF_x_00").to_string();
            assert!(line.starts_with("looking at the stream WF_x_00 failed: "), "{line}");
            assert!(words.iter().all(|word| line.contains(word)) && !line.contains("  "), "{line}");
        }
        let line = refused(10_008, "system temporarily unavailable").of("x").to_string();
        assert_eq!(line, "x failed: the brokers said: system temporarily unavailable (code 10008)");
    }
}
