//! The verbs of a hub that is one of several.

use clap::Subcommand;
use windfire_api::ClusterState;

use super::call::Output;
use super::table::{span, table};
use crate::admin::Invited;
use crate::cluster::Source;
use crate::config::Settings;

#[derive(Subcommand)]
pub(crate) enum ClusterVerb {
    /// Make the data of this hub, which must not run, that of a new cluster; give it the options of serve
    Init(Box<Settings>),
    /// Let another hub join from this one, which runs; prints what that one must show
    Invite {
        #[command(flatten)]
        output: Output,
    },
    /// Fetch a backup of a hub of a cluster into a new data folder, for one more hub; give it the options of serve
    Join {
        #[command(flatten)]
        source: Source,
        #[command(flatten)]
        settings: Box<Settings>,
    },
    /// Make this hub, which must not run, one that is alone, with the data that it has; give it the options of serve
    Leave(Box<Settings>),
    /// Show the hubs of the cluster, how far this one is behind, and the brokers
    Status {
        #[command(flatten)]
        output: Output,
    },
}

/// One screen about a hub in its cluster.
pub(super) fn show_cluster(answer: &ClusterState) -> String {
    let ready = answer.not_ready.as_ref().map_or("ready".to_owned(), |why| format!("not ready: {why}"));
    let broker = match &answer.broker {
        Some(broker) => format!("connected to the broker {broker}"),
        None => "not connected to a broker".to_owned(),
    };
    let hubs = answer.hubs.iter().map(|hub| {
        let renewed_s = i64::try_from(hub.renewed_s).unwrap_or(i64::MAX);
        [hub.hub_id.clone(), yes(Some(hub.runs)), format!("{} ago", span(renewed_s))]
    });
    let brokers =
        answer.brokers.iter().map(|broker| [broker.name.clone(), broker.version.clone(), yes(broker.is_synced)]);
    let behind: u64 = answer.partitions.iter().map(|partition| partition.lag_messages).sum();
    let partitions = answer.partitions.iter().map(|partition| {
        [
            partition.partition.to_string(),
            partition.applied.to_string(),
            partition.lag_messages.to_string(),
            format!("{:.1} s", partition.lag_s),
        ]
    });
    let judge = match &answer.alerts_hub_id {
        Some(hub) => format!("alerts are judged by hub {hub}"),
        None => "it is not known which hub judges alerts".to_owned(),
    };
    let stated = if answer.is_sync_stated { "\nthe operator states that every broker syncs each write" } else { "" };
    let warnings = answer.warnings.iter().map(|warning| format!("\nunsafe: {warning}"));
    let missing = answer.missing_copies.iter().map(|missing| format!("\nnot whole: {missing}"));
    let warnings: String = warnings.chain(missing).collect();
    format!(
        "hub {} of the cluster {}: {ready}\n{broker}; the hub's id is held for {} s, unless it is renewed; {behind} \
         messages behind, and {} of the registry\n{judge}\n\n{}\n\n{}{stated}{warnings}\n\n{}",
        answer.hub_id,
        answer.name,
        answer.lease_s,
        answer.registry_lag_messages,
        table(["HUB", "RUNS", "RENEWED"], hubs),
        table(["BROKER", "VERSION", "SYNCS"], brokers),
        table(["PARTITION", "APPLIED", "BEHIND", "FOR"], partitions),
    )
}

/// What another hub needs to join.
pub(super) fn show_invited(invited: &Invited) -> String {
    let Invited { invitation, minutes, fingerprint } = invited;
    format!(
        "{invitation}\nWrite it into a file on the machine of the new hub, and run there, within {minutes} minutes and \
         with the options of serve:\nwindfire cluster join --from https://THIS_HUB --invitation-file FILE \
         --fingerprint {fingerprint}\nThe fingerprint is that of this hub's own certificate. If its panel shows \
         another one, give --ca instead."
    )
}

fn yes(is_so: Option<bool>) -> String {
    match is_so {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use windfire_api::{ClusterBroker, ClusterHub, ClusterPartition};

    use super::*;

    #[test]
    fn an_invitation_is_the_first_line_and_the_verb_to_run_is_told() {
        let (invitation, fingerprint) = ("s3cret".to_owned(), "ab".repeat(32));
        let shown = show_invited(&Invited { invitation, minutes: 60, fingerprint: fingerprint.clone() });
        assert_eq!(shown.lines().next(), Some("s3cret"));
        for words in ["cluster join --from", "within 60 minutes", &format!("--fingerprint {fingerprint}")] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
    }

    #[test]
    fn what_is_wrong_stands_on_the_screen() {
        let (name, version) = ("b1".to_owned(), "2.15.1".to_owned());
        let answer = ClusterState {
            name: "main".to_owned(),
            hub_id: "a".to_owned(),
            not_ready: Some("it is 12 s behind".to_owned()),
            broker: None,
            lease_s: 7,
            brokers: vec![ClusterBroker { name, version, is_synced: None }],
            is_sync_stated: true,
            warnings: vec!["too few brokers".to_owned()],
            missing_copies: Some("the stream WF_main_03 has 2 of its 3 copies".to_owned()),
            hubs: vec![ClusterHub { hub_id: "b".to_owned(), runs: false, renewed_s: 130 }],
            alerts_hub_id: Some("b".to_owned()),
            registry_applied: 6,
            registry_lag_messages: 2,
            partitions: vec![ClusterPartition { partition: 3, applied: 8, lag_messages: 40, lag_s: 12.04 }],
        };
        let shown = show_cluster(&answer);
        for words in [
            "hub a of the cluster main: not ready: it is 12 s behind",
            "not connected",
            "40 messages behind, and 2 of the registry",
            "judged by hub b",
            "b    no    2 min ago",
            "unknown",
            "unsafe: too few brokers",
            "not whole: the stream WF_main_03 has 2 of its 3 copies",
            "3          8        40      12.0 s",
        ] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
    }
}
