//! Whether the brokers sync each write to their disks.
//!
//! What nats-server 2.15.1 tells, and to whom: the account of an application learns the number of streams, its limits
//! and the version of the broker at the other end, and nothing of how it writes. The system account gets an answer of
//! each broker to `$SYS.REQ.SERVER.PING.VARZ`, and `data.jetstream.config.sync_always` in it is true where
//! `sync_interval` is `always`, and missing elsewhere. (`sync_interval` next to it is two minutes in both cases.) The
//! monitoring port says the same under `/varz`; many brokers have none, or one that a hub cannot reach. So a hub asks
//! the system account if it has one of its users, and otherwise the operator states it.

use std::collections::BTreeMap;

use crate::api::BrokerAnswer;
use crate::brokers::{open, unconnected};
use crate::error::{ClusterError, Trouble, shown};
use crate::mailbox::{Mailbox, answer_of};
use crate::options::BrokerOptions;
use crate::refusal::Refusal;

/// What a broker says of itself.
pub(crate) struct SystemFacts {
    pub(crate) name: String,
    pub(crate) version: String,
    /// None if the broker has no JetStream.
    pub(crate) is_synced: Option<bool>,
    /// Seconds between two syncs.
    interval_s: u64,
}

/// Asks every broker how it writes; `expected` of them answer. They are sorted by their ids, which are random.
///
/// # Errors
/// When the user of the system account cannot be used.
pub(crate) async fn ask(
    options: &BrokerOptions,
    expected: usize,
) -> Result<BTreeMap<String, SystemFacts>, ClusterError> {
    let Some(credentials) = &options.system else { return Ok(BTreeMap::new()) };
    let client = open(options, options.urls.clone(), Some(credentials)).await;
    let client = client.map_err(|error| match unconnected(options.shown_urls(), &error) {
        ClusterError::NotAdmitted { reason, .. } => not_system(&reason),
        other => other,
    })?;
    let answers = Mailbox::new(client).ask_all("$SYS.REQ.SERVER.PING.VARZ".to_owned(), expected).await;
    let answers = answers.map_err(|trouble| match trouble {
        Trouble::NoResponders => not_system("they do not answer it"),
        other => other.of("asking the brokers how they write"),
    })?;
    let mut found = BTreeMap::new();
    for answer in &answers {
        let answer = answer_of::<BrokerAnswer>(answer);
        let answer = answer.map_err(|trouble| trouble.of("asking the brokers how they write"))?;
        let storage = answer.data.jetstream.config;
        let facts = SystemFacts {
            name: shown(&answer.server.name),
            version: shown(&answer.data.version),
            is_synced: storage.as_ref().map(|storage| storage.sync_always),
            interval_s: storage.map_or(0, |storage| storage.sync_interval / 1_000_000_000),
        };
        found.insert(answer.server.id, facts);
    }
    Ok(found)
}

/// What is wrong with how the brokers write. `expected` of them can be reached.
pub(crate) fn refusals(
    options: &BrokerOptions,
    expected: usize,
    found: &BTreeMap<String, SystemFacts>,
) -> Vec<Refusal> {
    let mut refusals: Vec<Refusal> = found
        .values()
        .filter(|facts| facts.is_synced == Some(false))
        .map(|facts| Refusal::NotSynced { broker: facts.name.clone(), interval_s: facts.interval_s })
        .collect();
    // What a broker says of itself counts more than what the operator states of all.
    if found.len() < expected && !options.is_sync_stated {
        let brokers = if found.is_empty() {
            format!("the brokers {}", options.shown_urls())
        } else {
            format!("{} of the brokers {}", expected.saturating_sub(found.len()), options.shown_urls())
        };
        refusals.push(Refusal::SyncUnknown { brokers });
    }
    refusals
}

fn not_system(reason: &str) -> ClusterError {
    let reason = format!(
        "the brokers do not take it for a user of their system account ({reason}): give such a user, or no file"
    );
    ClusterError::Option { option: "cluster_system_credentials_file", value: "…".to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(is_synced: Option<bool>) -> SystemFacts {
        SystemFacts { name: "b1".to_owned(), version: "2.15.1".to_owned(), is_synced, interval_s: 120 }
    }

    fn texts(is_stated: bool, expected: usize, found: Vec<SystemFacts>) -> Vec<String> {
        let mut options = BrokerOptions::new(vec!["nats://a:4222".to_owned()]);
        options.is_sync_stated = is_stated;
        let found = found.into_iter().enumerate().map(|(index, facts)| (index.to_string(), facts)).collect();
        refusals(&options, expected, &found).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_broker_that_says_that_it_does_not_sync_is_believed_more_than_the_operator() {
        for is_stated in [false, true] {
            let told = texts(is_stated, 2, vec![facts(Some(true)), facts(Some(false))]);
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].contains("every 120 s") && told[0].contains("sync_interval: \"always\""), "{told:?}");
        }
    }

    #[test]
    fn what_no_broker_says_the_operator_states() {
        assert_eq!(texts(true, 3, Vec::new()), Vec::<String>::new());
        let told = texts(false, 3, Vec::new());
        assert!(told.len() == 1 && told[0].contains("cluster_sync_always = true"), "{told:?}");
        let told = texts(false, 3, vec![facts(Some(true)), facts(None)]);
        assert!(told.len() == 1 && told[0].contains("1 of the brokers"), "{told:?}");
    }
}
