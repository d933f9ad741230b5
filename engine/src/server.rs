//! A watched machine as the registry keeps it.

use crate::secret::SecretHash;

/// The settings of a server, set by people. What its agent reports is in [`crate::latest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRecord {
    /// Never reused.
    pub id: u64,
    /// Shown name.
    pub name: String,
    /// Group, exact and case-sensitive; may be empty.
    pub tag: String,
    /// Shown to administrators only.
    pub note: String,
    /// Position: higher comes first where a client sorts by it.
    pub display_index: i64,
    /// Not shown to guests.
    pub hide_for_guest: bool,
    /// Country set by an administrator, lower case. If it is empty, the hub looks it up.
    pub country: String,
    /// Hash of the agent's credential.
    pub credential: SecretHash,
    /// Unix seconds.
    pub created_s: i64,
}

/// A server to be created.
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

/// A change to a server. Fields that are `None` stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each other field is that of ServerRecord")]
pub struct ServerEdit {
    /// The [`ServerRecord::version`] that the change is based on. If the server has changed since, the change is
    /// refused.
    pub version: Option<u64>,
    pub name: Option<String>,
    pub tag: Option<String>,
    pub note: Option<String>,
    pub display_index: Option<i64>,
    pub hide_for_guest: Option<bool>,
    pub country: Option<String>,
}
