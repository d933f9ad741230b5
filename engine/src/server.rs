//! A watched machine as the registry keeps it.

use crate::secret::SecretHash;

/// What people decided about a server. What the server says of itself is in [`crate::latest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRecord {
    /// Given out once, never again.
    pub id: u64,
    /// Shown name.
    pub name: String,
    /// Group, exact and case-sensitive; may be empty.
    pub tag: String,
    /// For administrators.
    pub note: String,
    /// Position: higher comes first where a client sorts by it.
    pub display_index: i64,
    /// Not shown to guests.
    pub hide_for_guest: bool,
    /// Country by hand, lower case; empty lets the hub look it up.
    pub country: String,
    /// Hash of the agent's credential.
    pub credential: SecretHash,
    /// Unix seconds.
    pub created_s: i64,
}

/// A server about to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is that of ServerRecord")]
pub struct NewServer {
    pub name: String,
    pub tag: String,
    pub note: String,
    pub display_index: i64,
    pub hide_for_guest: bool,
    pub country: String,
}

/// A change to a server; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each other field is that of ServerRecord")]
pub struct ServerEdit {
    /// The state that the change was made of, by [`ServerRecord::version`]: refused when it is another by now.
    pub version: Option<u64>,
    pub name: Option<String>,
    pub tag: Option<String>,
    pub note: Option<String>,
    pub display_index: Option<i64>,
    pub hide_for_guest: Option<bool>,
    pub country: Option<String>,
}
