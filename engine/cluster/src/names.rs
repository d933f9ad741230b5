//! Names of streams and subjects, and what a cluster, a hub and a boot may be called.
//!
//! A subject's parts are separated by dots, and `*` and `>` stand for others. So no name may have these: a hub called
//! `a.*` would write where others read.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use crate::limits::{NAME_CHARS_MAX, SHOWN_CHARS_MAX};

/// A name that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} = {value:?} must have 1 to {max} characters of a to z, 0 to 9 and -, and not begin with -")]
pub struct NameError {
    /// The option that has the name.
    pub what: &'static str,
    /// Its beginning.
    pub value: String,
    max: usize,
}

/// The name of a cluster: the brokers may serve several.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClusterName(String);

impl FromStr for ClusterName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        checked("cluster_name", text, NAME_CHARS_MAX).map(Self)
    }
}

impl Display for ClusterName {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The name of a hub, unique in its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HubId(String);

impl HubId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HubId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        checked("cluster_hub_id", text, NAME_CHARS_MAX).map(Self)
    }
}

impl Display for HubId {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What tells a cluster from another of the same name: a random text that is made once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterId(String);

impl FromStr for ClusterId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        checked("the cluster's id", text, 2 * NAME_CHARS_MAX).map(Self)
    }
}

impl Display for ClusterId {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One run of a hub's process: a random number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BootId(pub u64);

impl Display for BootId {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// What a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamOf {
    /// The reports of one partition.
    Partition(u16),
    /// What people decide.
    Registry,
}

/// The names that a cluster uses at the brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    cluster: ClusterName,
}

impl Names {
    /// The names of that cluster.
    pub fn new(cluster: ClusterName) -> Self {
        Self { cluster }
    }

    /// The cluster.
    pub fn cluster(&self) -> &ClusterName {
        &self.cluster
    }

    /// The name of a stream, such as `WF_prod_03`.
    pub fn stream(&self, of: StreamOf) -> String {
        match of {
            StreamOf::Partition(number) => format!("WF_{}_{number:02}", self.cluster),
            StreamOf::Registry => format!("WF_{}_registry", self.cluster),
        }
    }

    /// The subjects of a stream: one for each hub.
    pub fn subjects(&self, of: StreamOf) -> String {
        format!("{}.*", self.trunk(of))
    }

    /// The subject under which a hub writes into a stream, such as `wf.prod.p.3.hub-a`.
    pub fn subject(&self, of: StreamOf, hub: &HubId) -> String {
        format!("{}.{hub}", self.trunk(of))
    }

    /// The hub that wrote under a subject of a stream; none if the subject is not one of ours.
    pub fn hub_of(&self, of: StreamOf, subject: &str) -> Option<HubId> {
        subject.strip_prefix(&self.trunk(of))?.strip_prefix('.')?.parse().ok()
    }

    /// The stream behind the bucket of leases.
    pub(crate) fn lease_stream(&self) -> String {
        format!("KV_WF_{}_leases", self.cluster)
    }

    /// The subjects of all leases.
    pub(crate) fn lease_subjects(&self) -> String {
        format!("$KV.WF_{}_leases.>", self.cluster)
    }

    /// The subject of one lease.
    pub(crate) fn lease_subject(&self, key: &LeaseKey) -> String {
        format!("$KV.WF_{}_leases.{key}", self.cluster)
    }

    /// The subjects of the leases of all hub ids.
    pub(crate) fn hub_leases(&self) -> String {
        format!("{}*", self.hub_lease_trunk())
    }

    /// The hub whose id a lease is for; none if it is for something else.
    pub(crate) fn hub_of_lease(&self, subject: &str) -> Option<HubId> {
        subject.strip_prefix(&self.hub_lease_trunk())?.parse().ok()
    }

    fn hub_lease_trunk(&self) -> String {
        format!("$KV.WF_{}_leases.hub.", self.cluster)
    }

    fn trunk(&self, of: StreamOf) -> String {
        match of {
            StreamOf::Partition(number) => format!("wf.{}.p.{number}", self.cluster),
            StreamOf::Registry => format!("wf.{}.r", self.cluster),
        }
    }
}

/// What a lease is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LeaseKey {
    /// A hub's id.
    Hub(HubId),
    /// Work that one hub does for all.
    Work(&'static str),
}

impl Display for LeaseKey {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub(hub) => write!(formatter, "hub.{hub}"),
            Self::Work(work) => write!(formatter, "work.{work}"),
        }
    }
}

fn checked(what: &'static str, text: &str, max: usize) -> Result<String, NameError> {
    let is_good = !text.is_empty()
        && text.len() <= max
        && !text.starts_with('-')
        && text.bytes().all(|one| matches!(one, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if is_good {
        Ok(text.to_owned())
    } else {
        Err(NameError { what, value: text.chars().take(SHOWN_CHARS_MAX).collect(), max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new("prod".parse().unwrap())
    }

    #[test]
    fn streams_and_subjects_are_called_as_the_documentation_says() {
        let hub = "hub-a".parse::<HubId>().unwrap();
        let names = names();
        for (of, stream, subjects, subject) in [
            (StreamOf::Partition(3), "WF_prod_03", "wf.prod.p.3.*", "wf.prod.p.3.hub-a"),
            (StreamOf::Partition(15), "WF_prod_15", "wf.prod.p.15.*", "wf.prod.p.15.hub-a"),
            (StreamOf::Registry, "WF_prod_registry", "wf.prod.r.*", "wf.prod.r.hub-a"),
        ] {
            assert_eq!(names.stream(of), stream);
            assert_eq!(names.subjects(of), subjects);
            assert_eq!(names.subject(of, &hub), subject);
            assert_eq!(names.hub_of(of, subject), Some(hub.clone()));
        }
        let lease = names.lease_subject(&LeaseKey::Hub(hub.clone()));
        assert_eq!(lease, "$KV.WF_prod_leases.hub.hub-a");
        assert_eq!(names.hub_leases(), "$KV.WF_prod_leases.hub.*");
        assert_eq!(names.hub_of_lease(&lease), Some(hub));
        assert_eq!(names.hub_of_lease(&names.lease_subject(&LeaseKey::Work("alerts"))), None);
    }

    #[test]
    fn a_subject_that_is_not_ours_names_no_hub() {
        let names = names();
        for subject in ["", "wf.prod.p.3", "wf.prod.p.3.", "wf.prod.p.3.A", "wf.prod.p.3.a.b", "wf.prod.p.30.a", "x"] {
            assert_eq!(names.hub_of(StreamOf::Partition(3), subject), None, "{subject}");
        }
    }

    #[test]
    fn a_name_with_a_meaning_at_the_brokers_is_refused() {
        let long = "a".repeat(NAME_CHARS_MAX + 1);
        for name in ["", "-a", "a.b", "*", ">", "a b", "A", "ä", "a_b", "a\r\nPUB x", "a/b", long.as_str()] {
            let error = name.parse::<HubId>().unwrap_err();
            assert!(error.to_string().starts_with("cluster_hub_id = "), "{error}");
            assert!(name.parse::<ClusterName>().is_err(), "{name}");
        }
        for name in ["a", "0", "hub-a", &long[1..]] {
            assert!(name.parse::<HubId>().is_ok() && name.parse::<ClusterName>().is_ok(), "{name}");
        }
    }

    #[test]
    fn the_value_of_an_error_is_bounded() {
        let error = "ä".repeat(100_000).parse::<HubId>().unwrap_err();
        assert_eq!(error.value.chars().count(), SHOWN_CHARS_MAX);
    }
}
