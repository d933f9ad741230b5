//! The keys of a hub that shares its reports with others.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};
use windfire_cluster::{BrokerOptions, ClusterName, HubId};

use crate::variables::{plain, within};

/// Hours that the brokers may be asked to keep reports: a month.
const STREAM_HOURS_MAX: u64 = 720;
/// Below that, a stream would have less than the brokers' client accepts.
const STREAM_GIB_MIN: u64 = 2;
const STREAM_GIB_MAX: u64 = 16_384;

/// Addresses of brokers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct BrokerUrls(pub(crate) Vec<String>);

impl BrokerUrls {
    /// Addresses, separated by commas.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let read = Self::of(plain(text).split(','));
        if read.0.is_empty() {
            return Err("it is empty: write addresses such as nats://a:4222, or leave it out".to_owned());
        }
        Ok(read)
    }

    fn of<'a>(items: impl Iterator<Item = &'a str>) -> Self {
        Self(items.map(plain).filter(|item| !item.is_empty()).map(str::to_owned).collect())
    }

    fn are_none(&self) -> bool {
        self.0.is_empty()
    }
}

/// In the file they are a list, or one text as in a variable.
pub(super) fn of_file<'de, D: Deserializer<'de>>(value: D) -> Result<Option<BrokerUrls>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a list of addresses, each in quotes")]
    enum Written {
        Text(String),
        List(Vec<String>),
    }
    let read = match Written::deserialize(value)? {
        Written::Text(text) => BrokerUrls::parse(&text),
        Written::List(items) => Ok(BrokerUrls::of(items.iter().map(String::as_str))),
    };
    read.map(Some).map_err(serde::de::Error::custom)
}

/// How the hub finds the others. Without brokers it is alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ClusterConfig {
    #[serde(rename = "cluster_nats", skip_serializing_if = "BrokerUrls::are_none")]
    pub(crate) nats: BrokerUrls,
    #[serde(rename = "cluster_name")]
    pub(crate) name: String,
    #[serde(rename = "cluster_hub_id", skip_serializing_if = "Option::is_none")]
    pub(crate) hub_id: Option<String>,
    #[serde(rename = "cluster_credentials_file", skip_serializing_if = "Option::is_none")]
    pub(crate) credentials_file: Option<PathBuf>,
    #[serde(rename = "cluster_system_credentials_file", skip_serializing_if = "Option::is_none")]
    pub(crate) system_credentials_file: Option<PathBuf>,
    #[serde(rename = "cluster_ca_file", skip_serializing_if = "Option::is_none")]
    pub(crate) ca_file: Option<PathBuf>,
    #[serde(rename = "cluster_sync_always")]
    pub(crate) sync_always: bool,
    #[serde(rename = "cluster_allow_unsafe")]
    pub(crate) allow_unsafe: bool,
    #[serde(rename = "cluster_stream_hours")]
    pub(crate) stream_hours: u64,
    #[serde(rename = "cluster_stream_gib_max")]
    pub(crate) stream_gib_max: u64,
}

impl ClusterConfig {
    /// Whether the hub is one of several.
    pub(crate) fn is_on(&self) -> bool {
        !self.nats.are_none()
    }

    /// # Errors
    /// The first key whose value cannot be used, with the remedy.
    pub(super) fn check(&self) -> Result<(), String> {
        self.name.parse::<ClusterName>().map_err(|error| error.to_string())?;
        if let Some(hub_id) = &self.hub_id {
            hub_id.parse::<HubId>().map_err(|error| error.to_string())?;
        }
        within("cluster_stream_hours", self.stream_hours, 1, STREAM_HOURS_MAX)?;
        within("cluster_stream_gib_max", self.stream_gib_max, STREAM_GIB_MIN, STREAM_GIB_MAX)?;
        match (&self.hub_id, self.is_on()) {
            (None, true) => {
                Err("cluster_nats is given but cluster_hub_id is not: give this hub a name that no other hub of the \
                     cluster has"
                    .to_owned())
            }
            (Some(_), false) => {
                Err("cluster_hub_id is given but cluster_nats is not: give the addresses of the brokers".to_owned())
            }
            (Some(_), true) => BrokerOptions::new(self.nats.0.clone()).check().map_err(|error| error.to_string()),
            (None, false) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(nats: &str, hub_id: Option<&str>) -> ClusterConfig {
        ClusterConfig {
            nats: BrokerUrls::parse(nats).unwrap_or_default(),
            name: "main".to_owned(),
            hub_id: hub_id.map(str::to_owned),
            credentials_file: None,
            system_credentials_file: None,
            ca_file: None,
            sync_always: false,
            allow_unsafe: false,
            stream_hours: 24,
            stream_gib_max: 16,
        }
    }

    #[test]
    fn addresses_are_read_as_people_write_them() {
        let urls = BrokerUrls::parse(" nats://a:4222, nats://b:4222 ,").expect("two addresses");
        assert_eq!(urls.0, ["nats://a:4222", "nats://b:4222"]);
        assert!(BrokerUrls::parse(" , ").is_err());
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        assert_eq!(config("", None).check(), Ok(()));
        assert_eq!(config("nats://a:4222", Some("a")).check(), Ok(()));
        for (config, words) in [
            (config("nats://a:4222", None), "cluster_hub_id is not"),
            (config("", Some("a")), "cluster_nats is not"),
            (config("http://a", Some("a")), "cluster_nats = \"http://a\""),
            (config("nats://wf:secret@a", Some("a")), "cluster_credentials_file"),
            (config("nats://a:4222", Some("hub.a")), "cluster_hub_id = \"hub.a\""),
            (ClusterConfig { name: "A".to_owned(), ..config("", None) }, "cluster_name = \"A\""),
            (ClusterConfig { stream_hours: 0, ..config("", None) }, "cluster_stream_hours = 0"),
            (ClusterConfig { stream_gib_max: 1, ..config("", None) }, "cluster_stream_gib_max = 1"),
        ] {
            let error = config.check().expect_err(words);
            assert!(error.contains(words) && !error.contains("secret"), "{error}");
        }
    }
}
