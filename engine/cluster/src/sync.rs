//! Whether the brokers sync each write to their disks.
//!
//! What nats-server 2.15.1 tells, and to whom: the account of an application learns the number of streams, its limits
//! and the version of the broker at the other end, and nothing of how it writes. The system account gets an answer of
//! each broker to `$SYS.REQ.SERVER.PING.VARZ`, and `data.jetstream.config.sync_always` in it is true where
//! `sync_interval` is `always`, and missing elsewhere. (`sync_interval` next to it is two minutes in both cases.) The
//! monitoring port says the same under `/varz`; many brokers have none, or one that a hub cannot reach. So a hub asks
//! the system account if it has one of its users, and otherwise the operator states it.
//!
//! Not only the brokers must answer that this hub reaches: any broker may have a copy of a stream, and a copy that is
//! not synced counts for its majority. The broker that leads all others says in the same answer
//! (`data.jetstream.meta`) which of them it hears. One that it does not hear acknowledges nothing, and so it need not
//! answer.

use std::collections::{BTreeMap, BTreeSet};

use async_nats::Message;
use tokio::time::{Instant, sleep};

use crate::api::{BrokerAnswer, BrokerPeer};
use crate::brokers::{open, unconnected};
use crate::error::{ClusterError, Trouble, shown};
use crate::limits::{BROKER_HEARD_MAX, SILENT_BROKERS_MAX, SILENT_BROKERS_RETRY};
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
    /// The broker that leads its group.
    leader: Option<String>,
}

/// What the brokers say of themselves and of each other.
#[derive(Default)]
pub(crate) struct SystemAnswers {
    /// Those that answered, by their ids, which are random.
    pub(crate) found: BTreeMap<String, SystemFacts>,
    /// Brokers that share streams, by the name of the one that leads them. Those of a leaf share others.
    groups: BTreeMap<String, Group>,
}

/// Brokers that share streams.
#[derive(Default)]
struct Group {
    /// How many there are, also those that do not run.
    size: usize,
    /// Names of those that their leader hears, and its own. None: it did not answer.
    heard: Option<BTreeSet<String>>,
}

impl SystemAnswers {
    fn take(&mut self, answer: BrokerAnswer) {
        let name = shown(&answer.server.name);
        let (storage, told) = (answer.data.jetstream.config, answer.data.jetstream.meta);
        let leader = told.as_ref().map(|told| shown(&told.leader)).filter(|leader| !leader.is_empty());
        if let (Some(told), Some(leader)) = (told, &leader) {
            let group = self.groups.entry(leader.clone()).or_default();
            group.size = group.size.max(usize::try_from(told.cluster_size).unwrap_or_default());
            if *leader == name {
                let heard = group.heard.get_or_insert_with(BTreeSet::new);
                heard.extend(told.replicas.iter().filter(|peer| is_heard(peer)).map(|peer| shown(&peer.name)));
                heard.insert(name.clone());
            }
        }
        let facts = SystemFacts {
            name,
            version: shown(&answer.data.version),
            is_synced: storage.as_ref().map(|storage| storage.sync_always),
            interval_s: storage.map_or(0, |storage| storage.sync_interval / 1_000_000_000),
            leader,
        };
        self.found.insert(answer.server.id, facts);
    }

    /// The leader of the brokers that share streams with those that this hub reaches: most of these name it.
    fn leader(&self, reached: &BTreeMap<String, String>) -> Option<&str> {
        let named = |is_asked: &dyn Fn(&String) -> bool| {
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for (_, facts) in self.found.iter().filter(|(id, _)| is_asked(id)) {
                facts.leader.iter().for_each(|leader| *counts.entry(leader).or_default() += 1);
            }
            counts.into_iter().max_by_key(|(_, count)| *count).map(|(leader, _)| leader)
        };
        named(&|id| reached.contains_key(id)).or_else(|| named(&|_| true))
    }

    /// Whether a broker has no copy of what is ours: another leader than ours answered, whom it follows, and nothing
    /// connects it with ours. One that names nobody, or a leader that was, may be one of ours.
    fn is_of_others(&self, facts: &SystemFacts, ours: Option<&str>, reached: &BTreeMap<String, String>) -> bool {
        let Some(theirs) = facts.leader.as_deref().filter(|theirs| Some(*theirs) != ours) else { return false };
        let leads = self.groups.get(theirs).is_some_and(|group| group.heard.is_some());
        let of_ours = ours.and_then(|ours| self.groups.get(ours)?.heard.as_ref());
        let is_heard = of_ours.is_some_and(|heard| heard.contains(&facts.name));
        leads && !is_heard && !reached.values().any(|name| *name == facts.name)
    }

    /// Brokers that run and did not answer. `reached` has the names of those that this hub reaches, by their ids.
    fn silent(&self, reached: &BTreeMap<String, String>) -> Vec<String> {
        let missing = reached.iter().filter(|(id, _)| !self.found.contains_key(*id));
        let mut silent: BTreeSet<String> = missing.map(|(_, name)| name.clone()).collect();
        let answered: BTreeSet<&str> = self.found.values().map(|facts| facts.name.as_str()).collect();
        let leader = self.leader(reached);
        let group = leader.and_then(|leader| self.groups.get(leader));
        let (size, heard) = group.map_or((0, None), |group| (group.size, group.heard.as_ref()));
        silent.extend(heard.into_iter().flatten().filter(|name| !answered.contains(name.as_str())).cloned());
        let mut silent: Vec<String> = silent.into_iter().collect();
        // Without a leader that hears a majority it is not known which of the others run.
        let is_led = heard.is_some_and(|heard| heard.len().saturating_mul(2) > size);
        // Brokers without JetStream answer too, and have no copies.
        let members = self.found.values().filter(|facts| facts.leader.is_some() && facts.leader.as_deref() == leader);
        let known = members.count().saturating_add(silent.len());
        if !is_led && size > known {
            silent.push(format!("{} more", size - known));
        }
        silent
    }
}

/// Whether the broker that leads all has heard another one just now. It says 0 of one that it never heard.
fn is_heard(peer: &BrokerPeer) -> bool {
    let is_recent = (1..BROKER_HEARD_MAX.as_nanos()).contains(&u128::from(peer.active.unsigned_abs()));
    is_recent && !peer.offline && !peer.name.is_empty()
}

/// Asks every broker how it writes, again for a while if some run and do not answer. `reached` has the names of those
/// that this hub reaches, by their ids.
///
/// # Errors
/// When the user of the system account cannot be used.
pub(crate) async fn ask(
    options: &BrokerOptions,
    reached: &BTreeMap<String, String>,
) -> Result<SystemAnswers, ClusterError> {
    let Some(credentials) = &options.system else { return Ok(SystemAnswers::default()) };
    let client = open(options, options.urls.clone(), Some(credentials)).await;
    let client = client.map_err(|error| match unconnected(options.shown_urls(), &error) {
        ClusterError::NotAdmitted { reason, .. } => not_system(&reason),
        other => other,
    })?;
    let mut mailbox = Mailbox::new(client);
    let until = Instant::now() + SILENT_BROKERS_MAX;
    loop {
        let answers = ask_once(&mut mailbox, reached).await.map_err(|trouble| match trouble {
            Trouble::NoResponders => not_system("they do not answer it"),
            other => other.of("asking the brokers how they write"),
        })?;
        // A broker that was just stopped is taken for one that runs, for a moment.
        if options.is_sync_stated || answers.silent(reached).is_empty() || Instant::now() >= until {
            return Ok(answers);
        }
        sleep(SILENT_BROKERS_RETRY).await;
    }
}

async fn ask_once(mailbox: &mut Mailbox, reached: &BTreeMap<String, String>) -> Result<SystemAnswers, Trouble> {
    let mut answers = SystemAnswers::default();
    let mut unread = None;
    let take = |message: &Message| match answer_of::<BrokerAnswer>(message) {
        Ok(answer) => {
            answers.take(answer);
            answers.silent(reached).is_empty()
        }
        Err(trouble) => {
            unread = Some(trouble);
            true
        }
    };
    mailbox.ask_all("$SYS.REQ.SERVER.PING.VARZ".to_owned(), take).await?;
    match unread {
        Some(trouble) => Err(trouble),
        None => Ok(answers),
    }
}

/// What is wrong with how the brokers write. `reached` has the names of those that this hub reaches, by their ids.
pub(crate) fn refusals(
    options: &BrokerOptions,
    reached: &BTreeMap<String, String>,
    answers: &SystemAnswers,
) -> Vec<Refusal> {
    let leader = answers.leader(reached);
    let mut refusals: Vec<Refusal> = answers
        .found
        .values()
        .filter(|facts| facts.is_synced == Some(false))
        .filter(|facts| !answers.is_of_others(facts, leader, reached))
        .map(|facts| Refusal::NotSynced { broker: facts.name.clone(), interval_s: facts.interval_s })
        .collect();
    // What a broker says of itself counts more than what the operator states of all.
    if options.is_sync_stated {
        return refusals;
    }
    let silent = answers.silent(reached);
    if answers.found.is_empty() {
        refusals.push(Refusal::SyncUnknown { brokers: format!("the brokers {}", options.shown_urls()) });
    } else if !silent.is_empty() {
        let brokers = format!("{} of the brokers {}", silent.join(", "), options.shown_urls());
        refusals.push(Refusal::SyncUnanswered { brokers });
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
    use crate::api::read;

    /// What a broker says: its JetStream in JSON.
    fn answer(name: &str, jetstream: &str) -> BrokerAnswer {
        let text = format!(
            r#"{{"server":{{"name":"{name}","id":"id-{name}"}},"data":{{"version":"2.15.1","jetstream":{jetstream}}}}}"#
        );
        read(text.as_bytes()).unwrap().unwrap()
    }

    /// What one of three says. The leader is b1, and says `peers` of the others.
    fn of_three(name: &str, sync_always: bool, peers: &str) -> BrokerAnswer {
        let group = format!(r#"{{"leader":"b1","cluster_size":3{peers}}}"#);
        let storage = format!(r#"{{"sync_interval":120000000000,"sync_always":{sync_always}}}"#);
        answer(name, &format!(r#"{{"config":{storage},"meta":{group}}}"#))
    }

    fn answers(answers: Vec<BrokerAnswer>) -> SystemAnswers {
        let mut all = SystemAnswers::default();
        answers.into_iter().for_each(|answer| all.take(answer));
        all
    }

    /// What is wrong when this hub reaches those brokers.
    fn texts(is_stated: bool, reached: &[&str], answers: &SystemAnswers) -> Vec<String> {
        let mut options = BrokerOptions::new(vec!["nats://a:4222".to_owned()]);
        options.is_sync_stated = is_stated;
        let reached = reached.iter().map(|name| (format!("id-{name}"), (*name).to_owned())).collect();
        refusals(&options, &reached, answers).iter().map(ToString::to_string).collect()
    }

    /// Both others run.
    const BOTH: &str = r#","replicas":[{"name":"b2","current":true,"active":300000000},{"name":"b3","active":5}]"#;

    #[test]
    fn a_broker_that_says_that_it_does_not_sync_is_believed_more_than_the_operator() {
        // This hub reaches only one of them.
        let mixed = answers(vec![of_three("b1", true, BOTH), of_three("b3", false, ""), of_three("b2", true, "")]);
        for is_stated in [false, true] {
            let told = texts(is_stated, &["b1"], &mixed);
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].contains("b3 writes to its disk every 120 s"), "{told:?}");
            assert!(told[0].contains("sync_interval: \"always\""), "{told:?}");
        }
    }

    #[test]
    fn what_no_broker_says_the_operator_states() {
        let nothing = SystemAnswers::default();
        assert_eq!(texts(true, &["b1", "b2", "b3"], &nothing), Vec::<String>::new());
        let told = texts(false, &["b1", "b2", "b3"], &nothing);
        assert!(told.len() == 1 && told[0].contains("cluster_sync_always = true"), "{told:?}");
        let without_jetstream = answers(vec![answer("b1", "{}"), answer("b2", "{}")]);
        assert_eq!(texts(false, &["b1", "b2"], &without_jetstream), Vec::<String>::new());
        let told = texts(false, &["b1", "b2", "b3"], &without_jetstream);
        assert!(told.len() == 1 && told[0].contains("b3 of the brokers"), "{told:?}");
    }

    #[test]
    fn every_broker_that_runs_must_answer_also_one_that_this_hub_does_not_reach() {
        let all = || vec![of_three("b1", true, BOTH), of_three("b2", true, ""), of_three("b3", true, "")];
        assert_eq!(texts(false, &["b1"], &answers(all())), Vec::<String>::new());
        for (missing, name) in [(1, "b2"), (2, "b3")] {
            let mut some = all();
            some.remove(missing);
            let told = texts(false, &["b1"], &answers(some));
            assert!(told.len() == 1 && told[0].contains(&format!("whether {name} of the brokers")), "{told:?}");
        }
        // As many answers as brokers that are reached, and of others.
        let told = texts(false, &["b1", "b3"], &answers(all().drain(..2).collect()));
        assert!(told.len() == 1 && told[0].contains("whether b3 of"), "{told:?}");
        // The leader has not answered: who else runs is not known.
        let told = texts(false, &["b2"], &answers(all().drain(1..).collect()));
        assert!(told.len() == 1 && told[0].contains("whether 1 more of"), "{told:?}");
    }

    #[test]
    fn brokers_that_share_no_streams_with_ours_do_not_stand_for_them() {
        // One without JetStream answers, and the leader has not yet: nobody knows of the third.
        let without = || answer("n4", "{}");
        let some = answers(vec![without(), of_three("b2", true, ""), of_three("b3", true, "")]);
        let told = texts(false, &["n4", "b2"], &some);
        assert!(told.len() == 1 && told[0].contains("whether 1 more of"), "{told:?}");
        let all =
            answers(vec![without(), of_three("b2", true, ""), of_three("b3", true, ""), of_three("b1", false, BOTH)]);
        let told = texts(false, &["n4", "b2"], &all);
        assert!(told.len() == 1 && told[0].contains("b1 writes to its disk every 120 s"), "{told:?}");
        // One that names no leader, or one that was, may have copies.
        for lost in ["", "b9"] {
            let odd = format!(
                r#"{{"config":{{"sync_interval":120000000000}},"meta":{{"leader":"{lost}","cluster_size":3}}}}"#
            );
            let all = answers(vec![answer("b3", &odd), of_three("b2", true, ""), of_three("b1", true, BOTH)]);
            let told = texts(false, &["b1", "b2"], &all);
            assert!(told.len() == 1 && told[0].contains("b3 writes to its disk every 120 s"), "{lost}: {told:?}");
        }
        // A leaf has a leader and disks of its own.
        let leaf = r#"{"config":{"sync_interval":120000000000},"meta":{"leader":"leaf","cluster_size":1}}"#;
        let some = answers(vec![answer("leaf", leaf), of_three("b2", true, ""), of_three("b3", true, "")]);
        let told = texts(false, &["b2", "b3"], &some);
        assert!(told.len() == 1 && told[0].contains("whether 1 more of"), "{told:?}");
    }

    #[test]
    fn a_broker_that_is_away_need_not_answer() {
        for away in [
            r#","replicas":[{"name":"b2","active":5},{"name":"b3","offline":true,"active":5}]"#,
            r#","replicas":[{"name":"b2","active":5},{"name":"b3","active":4000000000}]"#,
            r#","replicas":[{"name":"b2","active":5},{"name":"b3","active":0}]"#,
            r#","replicas":[{"name":"b2","active":5},{"name":"","peer":"cnrtt3eg","active":0}]"#,
        ] {
            let two = answers(vec![of_three("b2", true, ""), of_three("b1", true, away)]);
            assert_eq!(texts(false, &["b1", "b2"], &two), Vec::<String>::new(), "{away}");
        }
        // A leader that hears no other does not know either.
        let none = r#","replicas":[{"name":"b2","active":0},{"name":"b3","active":0}]"#;
        let two = answers(vec![of_three("b2", true, ""), of_three("b1", true, none)]);
        let told = texts(false, &["b1", "b2"], &two);
        assert!(told.len() == 1 && told[0].contains("whether 1 more of"), "{told:?}");
    }
}
