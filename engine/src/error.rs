//! Why the registry did not change, and why an agent may not report.

use std::borrow::Cow;

use windfire_wire::limits::DETAIL_BYTES_MAX;
use windfire_wire::{RefuseReason, WireError};

use crate::limits::{TOKEN_CHARS_MAX, TOKEN_CHARS_MIN};
use crate::store::StoreError;

/// A server and the credential that its agent needs, which is not kept and cannot be shown again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCredential {
    /// The server.
    pub id: u64,
    /// The credential's text.
    pub credential: String,
}

/// Why a change of the registry was refused. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// There is no server of that id.
    #[error("no server has id {id}")]
    NoServer {
        /// The id.
        id: u64,
    },
    /// There is none of that id.
    #[error("no {what} has id {id}")]
    NoSuch {
        /// Which kind.
        what: &'static str,
        /// The id.
        id: u64,
    },
    /// There is no user of that id.
    #[error("no user has id {id}")]
    NoUser {
        /// The id.
        id: u64,
    },
    /// There is no user of that name.
    #[error("no user is named {name:?}")]
    NoUserNamed {
        /// The name.
        name: String,
    },
    /// A user's name is empty, too long or has other characters.
    #[error("user name {found:?} is refused: use 1 to {max} letters, digits and -_.@")]
    BadUserName {
        /// The name.
        found: String,
        /// Characters at most.
        max: usize,
    },
    /// The text given for a token is too short, too long, or cannot be sent in a header.
    #[error(
        "token text of {found} characters is refused: use {TOKEN_CHARS_MIN} to {TOKEN_CHARS_MAX} visible ASCII \
         characters without spaces, or leave it out to have one created"
    )]
    BadTokenText {
        /// Its characters.
        found: usize,
    },
    /// A token that manages the hub cannot be limited to some servers.
    #[error("an admin token has no tags: it manages every server")]
    AdminWithTags,
    /// No user could manage the hub any more.
    #[error("this is the last administrator: create another one first")]
    LastAdmin,
    /// It has been changed since it was read.
    #[error("{what} {id} has been changed since it was read: read it again")]
    Changed {
        /// What was changed.
        what: &'static str,
        /// Its id.
        id: u64,
    },
    /// There is one already.
    #[error("this {what} exists already")]
    Exists {
        /// What there is.
        what: &'static str,
    },
    /// A text is too long.
    #[error("{what} of {found} characters is over its limit of {max}")]
    TooLong {
        /// The text.
        what: &'static str,
        /// Its characters.
        found: usize,
        /// The limit in characters.
        max: usize,
    },
    /// A country is not two lower-case letters.
    #[error("country {found:?} is not two lower-case letters: write \"hk\", or nothing to have it looked up")]
    BadCountry {
        /// The text.
        found: String,
    },
    /// A field has a value that it cannot have.
    #[error("{field}: {reason}")]
    BadField {
        /// Where it is, such as `when[1].value`.
        field: Cow<'static, str>,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// The hub's own rules are not there to be changed.
    #[error("rule {id} is the hub's own: only its channels can be changed, and whether it is enabled")]
    BuiltIn {
        /// The rule.
        id: u64,
    },
    /// Rules would send to a channel that is not there any more.
    #[error("channel {id} is used by {rules}: take it out of them first")]
    ChannelInUse {
        /// The channel.
        id: u64,
        /// The rules, as in `rule 1` or `rules 1, 4`.
        rules: String,
    },
    /// There is no room for one more.
    #[error("there are already {max} {what}, which is the limit: remove some first")]
    Full {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// In a cluster: other hubs were faster, again and again, or this hub lags behind one that was.
    #[error("nothing was changed: other hubs changed servers, users or rules at the same moment. Try again")]
    Overtaken,
    /// In a cluster: nobody knows yet whether the change is made.
    #[error(
        "the change may be made or not: the brokers have not said it, or this hub does not hear from them. Look for it \
         before you try again"
    )]
    Undecided,
    /// In a cluster: one message has no room for all of it.
    #[error("nothing was changed: hubs tell one another at most {max} bytes at once. Change fewer things at a time")]
    TooLarge {
        /// The limit in bytes.
        max: usize,
    },
    /// It could not be written to disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ChangeError {
    pub(crate) fn bad_field(field: impl Into<Cow<'static, str>>, reason: impl Into<String>) -> Self {
        Self::BadField { field: field.into(), reason: reason.into() }
    }
}

pub(crate) fn check_length(what: &'static str, text: &str, max: usize) -> Result<(), ChangeError> {
    // A text has at most as many characters as bytes, and most texts are short.
    let found = if text.len() <= max { text.len() } else { text.chars().count() };
    if found > max { Err(ChangeError::TooLong { what, found, max }) } else { Ok(()) }
}

/// Whether there is room for one more, with `found` that there are.
pub(crate) fn check_room(what: &'static str, found: usize, max: usize) -> Result<(), ChangeError> {
    if found >= max { Err(ChangeError::Full { what, max }) } else { Ok(()) }
}

/// Why an agent may not report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For the agent to act on.
    pub reason: RefuseReason,
    /// For a person to read; at most [`DETAIL_BYTES_MAX`] bytes.
    pub detail: String,
}

impl From<WireError> for Refusal {
    fn from(error: WireError) -> Self {
        let reason = match error {
            WireError::UnknownVersion { .. } => RefuseReason::UnsupportedVersion,
            _ => RefuseReason::BadFrame,
        };
        Self::new(reason, error.to_string())
    }
}

impl Refusal {
    /// A refusal; a detail that is too long is cut.
    pub fn new(reason: RefuseReason, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        detail.truncate(detail.floor_char_boundary(DETAIL_BYTES_MAX));
        Self { reason, detail }
    }
}
