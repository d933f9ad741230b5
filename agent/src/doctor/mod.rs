//! `windfire-agent doctor`: whether the hub can be reached from here, and what this machine lets the agent read.
//!
//! It reads, and sends what an agent sends before it says who it is: look-ups, packets, a TLS handshake. It shows the
//! credential only when it is asked to, because the hub then disconnects an agent that runs with the same one.

mod hub;
mod probe;
mod readings;
mod secret;
mod spool;

use std::time::Duration;

use windfire_doctor::Finding;

use crate::clock::Clock;
use crate::collector::{Collector, CollectorOptions};
use crate::identity::Identity;
use crate::outbox::SpoolOptions;
use crate::trust::Trust;
pub use secret::SecretSource;

/// Time between two readings: the use of processors and the speed of transfers are differences.
const READING_INTERVAL: Duration = Duration::from_secs(1);

/// What the doctor looks at. A part that cannot be used has the reason.
pub struct DoctorOptions {
    /// Hubs as [`crate::address::HubAddress`] reads them.
    pub hubs: Result<Vec<String>, String>,
    /// Which hub is trusted.
    pub trust: Result<Trust, String>,
    /// The identity of the agent.
    pub identity: Result<Identity, String>,
    /// Where the credential or the enrolment token comes from.
    pub source: SecretSource,
    /// The spool, if the agent has one.
    pub spool: Option<SpoolOptions>,
    /// What is read. Its file of transfers is not used.
    pub collector: CollectorOptions,
    /// The agent's clocks.
    pub clock: Clock,
    /// Shows the credential to the hub.
    pub with_session: bool,
}

/// All checks, in the order of their lines.
pub async fn examine(options: DoctorOptions) -> Vec<Finding> {
    let DoctorOptions { hubs, trust, identity, source, spool, collector, clock, with_session } = options;
    let now_ms = clock.read().now_ms;
    let mut findings = Vec::new();
    findings.push(secret::judge_identity(identity.as_ref()));
    findings.push(secret::judge_source(&source));
    match (hubs, trust) {
        (Ok(hubs), Ok(trust)) => {
            let credential = identity.ok().filter(|_| with_session).map(|identity| identity.credential);
            for name in hubs {
                findings.extend(hub::examine(&name, &trust, credential.as_deref(), clock).await);
            }
        }
        (hubs, trust) => {
            let wrong = hubs.err().into_iter().chain(trust.err());
            findings.extend(wrong.map(|error| Finding::bad("options", error, "correct it, then look again")));
        }
    }
    findings.push(Finding::info(
        "clock",
        "the hub does not tell agents its clock: Servers on its panel shows how far this one is off",
    ));
    findings.push(spool.as_ref().map_or_else(spool::without, |spool| spool::examine(spool, now_ms)));
    findings.extend(read(collector, now_ms).await);
    findings
}

/// What the agent reads, from where.
async fn read(options: CollectorOptions, now_ms: i64) -> Vec<Finding> {
    let shown = readings::Shown { temperatures: options.temperatures, gpu: options.gpu };
    // An agent that runs writes its file of transfers.
    let options = CollectorOptions { transfers: None, ..options };
    let mut collector = match Collector::new(options) {
        Ok(collector) => collector,
        Err(error) => {
            let remedy = "the agent cannot run here: give it the right to read that";
            return vec![Finding::bad("readings", error.to_string(), remedy)];
        }
    };
    let _first_half = collector.read(now_ms);
    tokio::time::sleep(READING_INTERVAL).await;
    let (report, host) = (collector.read(now_ms), collector.host(now_ms.div_euclid(1000)));
    readings::judge(&report, &host, &collector.unread(), shown)
}

#[cfg(test)]
mod tests {
    use windfire_doctor::Verdict;

    use super::*;

    /// What is found with these hubs and that trust, for an agent that reads the host below a folder.
    async fn found(hubs: Result<Vec<String>, String>, trust: Result<Trust, String>, host: &str) -> Vec<Finding> {
        let collector = CollectorOptions { host_root: Some(host.into()), ..CollectorOptions::default() };
        let options = DoctorOptions {
            hubs,
            trust,
            identity: Ok(Identity::of_credential("secret".to_owned())),
            source: SecretSource::Variable,
            spool: None,
            collector,
            clock: Clock::new(|| 0),
            with_session: false,
        };
        examine(options).await
    }

    fn bad<'a>(findings: &'a [Finding], check: &str) -> Vec<&'a str> {
        let of_check = findings.iter().filter(|finding| finding.check == check);
        of_check.filter(|finding| finding.verdict == Verdict::Bad).map(|finding| finding.seen.as_str()).collect()
    }

    #[tokio::test]
    async fn options_that_cannot_be_used_are_bad_and_the_rest_is_looked_at() {
        let (hubs, trust) = (|| Err("17 hubs".to_owned()), || Err("/ca.pem: the file has none".to_owned()));
        let findings = found(hubs(), trust(), "/nowhere").await;
        assert_eq!(bad(&findings, "options"), ["17 hubs", "/ca.pem: the file has none"]);
        let findings = found(Ok(vec!["hub.example:5555".to_owned()]), trust(), "/nowhere").await;
        assert_eq!(bad(&findings, "options"), ["/ca.pem: the file has none"]);
        for check in ["identity", "secret_source", "clock", "spool"] {
            assert!(findings.iter().any(|finding| finding.check == check), "{check}: {findings:?}");
        }
        assert!(findings.iter().all(|finding| finding.check != "lookup"), "no hub is asked: {findings:?}");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_host_that_cannot_be_read_is_bad() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let host = folder.path().display().to_string();
        let findings = found(Err("no hub".to_owned()), Err("no trust".to_owned()), &host).await;
        let seen = bad(&findings, "readings");
        assert!(seen.len() == 1 && seen[0].contains(&host) && seen[0].contains("host root"), "{findings:?}");
        assert!(findings.iter().all(|finding| finding.check != "cpu"), "nothing is read: {findings:?}");
    }
}
