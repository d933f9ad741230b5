//! API tokens, with which clients may read, and enrolment tokens, with which agents may become servers.

use std::sync::Arc;

use crate::secret::SecretHash;

/// What an API token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Read servers and their status.
    Read,
    /// Create servers by `POST /api/v1/server/register`.
    Register,
    /// Manage the hub.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Read, Self::Register, Self::Admin];

    const fn bit(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Register => 2,
            Self::Admin => 4,
        }
    }

    /// The scope as one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Register => "register",
            Self::Admin => "admin",
        }
    }

    /// The scope of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// The scopes of every token of v0, and the default of a new token.
    pub const V0: Self = Self(Scope::Read.bit() | Scope::Register.bit());

    /// The set of `scopes`.
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }

    /// The set whose bits are `bits`, if all of them are known.
    pub fn from_bits(bits: u8) -> Option<Self> {
        (bits < 8).then_some(Self(bits))
    }

    /// The set as bits, for storing.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Whether `scope` is in the set. Admin includes the others.
    pub fn allows(self, scope: Scope) -> bool {
        self.0 & (scope.bit() | Scope::Admin.bit()) != 0
    }

    /// The scopes of the set.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & scope.bit() != 0)
    }
}

/// An API token as it is kept: without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Given out once, never again.
    pub id: u64,
    /// Hash of the token's text.
    pub hash: SecretHash,
    /// Why it was created.
    pub note: String,
    /// What it may do.
    pub scopes: Scopes,
    /// Unix seconds.
    pub created_s: i64,
    /// Unix seconds after which it is refused.
    pub expires_s: Option<i64>,
    /// Tags of the servers it may see; all servers when empty.
    pub tags: Arc<[String]>,
    /// Unix seconds of its last accepted use, as of the last checkpoint or the running hub's memory.
    pub last_used_s: Option<i64>,
}

/// An API token to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field but the text is that of Token")]
pub struct NewToken {
    /// Chosen by the client; created when `None`.
    pub text: Option<String>,
    pub note: String,
    pub scopes: Scopes,
    pub tags: Vec<String>,
    pub expires_s: Option<i64>,
}

impl NewToken {
    /// A token with the scopes of v0 that does not expire.
    pub fn of_v0(note: &str) -> Self {
        Self { text: None, note: note.to_owned(), scopes: Scopes::V0, tags: Vec::new(), expires_s: None }
    }
}

/// What a token allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The token's id.
    pub id: u64,
    /// What it may do.
    pub scopes: Scopes,
    /// Tags of the servers it may see; all servers when empty.
    pub tags: Arc<[String]>,
}

/// An enrolment token as it is kept: without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolToken {
    /// Given out once, never again.
    pub id: u64,
    /// Hash of the token's text.
    pub hash: SecretHash,
    /// Why it was created.
    pub note: String,
    /// Tag of the servers it creates.
    pub tag: String,
    /// Servers it may still create; unlimited when `None`.
    pub uses_left: Option<u64>,
    /// Unix seconds.
    pub created_s: i64,
    /// Unix seconds after which it is refused.
    pub expires_s: Option<i64>,
}

/// An agent's request for its own server.
#[derive(Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// The enrolment token's text.
    pub token: String,
    /// The new server's name.
    pub name: String,
    /// The credential that the new server shall have.
    pub credential: String,
}

/// Whether something with this expiry is over at `now_s`.
pub(crate) fn is_over(expires_s: Option<i64>, now_s: i64) -> bool {
    expires_s.is_some_and(|expires_s| expires_s <= now_s)
}
