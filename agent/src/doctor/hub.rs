//! The way to one hub: its name, its UDP port, its certificate, and the credential.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use windfire_doctor::Finding;
use windfire_wire::RefuseReason;

use super::probe;
use crate::address::{HubAddress, race_order};
use crate::clock::Clock;
use crate::dial::{Endpoints, Hub};
use crate::limits::{PROBE_TIMEOUT, PROBES_MAX};
use crate::link::{LinkError, try_credential};
use crate::trust::Trust;

/// Bytes of an answer that are looked at.
const ANSWER_BYTES_MAX: usize = 1500;

/// The time until an address answered. `None` if it did not.
type Probed = io::Result<Option<Duration>>;

/// `credential` is shown to the hub, if there is one.
pub(super) async fn examine(name: &str, trust: &Trust, credential: Option<&str>, clock: Clock) -> Vec<Finding> {
    let mut hub = match name.parse::<HubAddress>().map(Hub::new) {
        Ok(hub) => hub,
        Err(error) => {
            return vec![Finding::bad("lookup", error, "write host:port, such as hub.example:5555")];
        }
    };
    let found = hub.look_up().await;
    let mut findings = vec![judge_lookup(name, &found)];
    let addresses = found.map(|found| race_order(&found, None).0).unwrap_or_default();
    if addresses.is_empty() {
        return findings;
    }
    let probed = probe_all(addresses).await;
    findings.push(judge_udp(name, &probed));
    if !probed.iter().any(|(_, probed)| is_answered(probed)) {
        findings.push(Finding::info("certificate", format!("{name}: not asked, because no packet was answered")));
        return findings;
    }
    let endpoints = match Endpoints::new(trust.clone()) {
        Ok(endpoints) => endpoints,
        Err(error) => {
            findings.push(Finding::bad("certificate", format!("TLS cannot be set up: {error}"), "correct --ca"));
            return findings;
        }
    };
    let dialled = match hub.dial(&endpoints).await {
        Ok(dialled) => {
            dialled.close().await;
            Ok(())
        }
        Err(error) => Err(error),
    };
    findings.push(judge_certificate(name, &dialled));
    let shown = match credential {
        Some(credential) if dialled.is_ok() => Some(try_credential(&mut hub, &endpoints, credential, clock).await),
        _ => None,
    };
    findings.push(judge_credential(name, shown.as_ref()));
    findings
}

fn judge_lookup(name: &str, found: &Result<Vec<SocketAddr>, String>) -> Finding {
    const CHECK: &str = "lookup";
    let remedy = "correct --hub, or the name in DNS or /etc/hosts";
    match found {
        Ok(found) if found.is_empty() => Finding::bad(CHECK, format!("{name} has no address"), remedy),
        Ok(found) => {
            let (tried, left_out) = race_order(found, None);
            let listed = tried.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(", ");
            let more = if left_out > 0 { format!(" and {left_out} that are not tried") } else { String::new() };
            Finding::ok(CHECK, format!("{name} is {listed}{more}"))
        }
        Err(error) => Finding::bad(CHECK, format!("{name} has no address: {error}"), remedy),
    }
}

/// Asks all addresses at once. The results are in their order.
async fn probe_all(addresses: Vec<SocketAddr>) -> Vec<(SocketAddr, Probed)> {
    let mut probes = JoinSet::new();
    for (place, address) in addresses.into_iter().enumerate() {
        probes.spawn(async move { (place, address, ask(address).await) });
    }
    let mut results = Vec::new();
    while let Some(ended) = probes.join_next().await {
        results.extend(ended.ok());
    }
    results.sort_by_key(|(place, ..)| *place);
    results.into_iter().map(|(_, address, probed)| (address, probed)).collect()
}

/// Asks an address a few times.
async fn ask(address: SocketAddr) -> Probed {
    let any = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
    socket.connect(address).await?;
    let id = fastrand::u64(..).to_be_bytes();
    let question = probe::question(id);
    for _ in 0..PROBES_MAX {
        let begun = Instant::now();
        socket.send(&question).await?;
        if let Ok(answered) = timeout(PROBE_TIMEOUT, answer(&socket, id)).await {
            answered?;
            return Ok(Some(begun.elapsed()));
        }
    }
    Ok(None)
}

/// Waits for the answer to a question. Other packets are ignored.
async fn answer(socket: &UdpSocket, id: [u8; 8]) -> io::Result<()> {
    let mut packet = [0; ANSWER_BYTES_MAX];
    loop {
        let count = socket.recv(&mut packet).await?;
        if probe::is_answer(&packet[..count], id) {
            return Ok(());
        }
    }
}

fn is_answered(probed: &Probed) -> bool {
    matches!(probed, Ok(Some(_)))
}

fn judge_udp(name: &str, probed: &[(SocketAddr, Probed)]) -> Finding {
    const CHECK: &str = "udp";
    let told = |(address, probed): &(SocketAddr, Probed)| match probed {
        Ok(Some(time)) => format!("{address} answers after {:.1} ms", time.as_secs_f64() * 1000.0),
        Ok(None) => format!("{address} does not answer"),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => format!("nothing listens at {address}"),
        Err(error) => format!("{address} cannot be reached: {error}"),
    };
    let seen = format!("{name}: {}", probed.iter().map(told).collect::<Vec<_>>().join("; "));
    let answered = probed.iter().filter(|(_, probed)| is_answered(probed)).count();
    if answered == probed.len() {
        return Finding::ok(CHECK, seen);
    }
    if answered > 0 {
        return Finding::warn(CHECK, seen, "agents use an address that answers; correct or remove the others");
    }
    if probed.iter().any(|(_, probed)| matches!(probed, Ok(None))) {
        let remedy = "open the hub's port for UDP in firewalls and security groups, and publish it as 5555/udp";
        return Finding::bad(CHECK, format!("{seen}: UDP seems blocked"), remedy);
    }
    Finding::bad(CHECK, seen, "start the hub, or correct the host and port of --hub (its key is quic)")
}

fn judge_certificate(name: &str, dialled: &Result<(), LinkError>) -> Finding {
    const CHECK: &str = "certificate";
    match dialled {
        Ok(()) => Finding::ok(CHECK, format!("{name} shows the expected certificate")),
        Err(error @ LinkError::WrongFingerprint { .. }) => {
            let remedy = "compare with \"windfire fingerprint\" on the hub; another program may have answered";
            Finding::bad(CHECK, error.to_string(), remedy)
        }
        Err(error) => Finding::bad(CHECK, error.to_string(), "look at the hub's log, and at --ca if it is given"),
    }
}

/// `shown` is the hub's answer to the credential: the server's id. `None` if it was not shown.
fn judge_credential(name: &str, shown: Option<&Result<u64, LinkError>>) -> Finding {
    const CHECK: &str = "credential";
    let error = match shown {
        None => {
            let seen = "not shown to the hub; --session shows it, and disconnects an agent that runs for some minutes";
            return Finding::info(CHECK, format!("{name}: {seen}"));
        }
        Some(Ok(server)) => return Finding::ok(CHECK, format!("{name} takes it: this is server {server}")),
        Some(Err(error)) => error,
    };
    let remedy = match error {
        LinkError::Refused { reason: RefuseReason::BadCredential, .. } => {
            "if this machine enrols, start the agent once; otherwise \"windfire server rotate\" gives a new one"
        }
        LinkError::Refused { reason: RefuseReason::UnsupportedVersion, .. } => "upgrade the hub first, then the agents",
        LinkError::Refused { reason: RefuseReason::Full, .. } => "raise sessions_max of the hub",
        _ => "look at the hub's log, then try again",
    };
    Finding::bad(CHECK, format!("{name}: {error}"), remedy)
}

#[cfg(test)]
mod tests {
    use windfire_doctor::Verdict;

    use super::*;
    use crate::trust::Fingerprint;

    fn check(finding: &Finding, verdict: Verdict, words: &str) {
        let said = windfire_doctor::text(std::slice::from_ref(finding));
        assert!(finding.verdict == verdict && said.contains(words), "{said}\nis not {verdict:?} with {words:?}");
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_name_has_addresses_or_a_reason() {
        let two = vec![address("192.0.2.1:5555"), address("[2001:db8::1]:5555")];
        check(&judge_lookup("hub.example:5555", &Ok(two)), Verdict::Ok, "192.0.2.1, 2001:db8::1");
        check(&judge_lookup("hub.example:5555", &Ok(Vec::new())), Verdict::Bad, "--hub");
        check(&judge_lookup("hub.example:5555", &Err("no such name".to_owned())), Verdict::Bad, "no such name");
    }

    #[test]
    fn each_address_is_told_and_one_that_answers_is_enough() {
        let answers = || (address("192.0.2.1:5555"), Ok(Some(Duration::from_micros(2500))));
        let silent = || (address("192.0.2.2:5555"), Ok(None));
        let refused = || (address("192.0.2.3:5555"), Err(io::ErrorKind::ConnectionRefused.into()));
        let judge = |probed: &[(SocketAddr, Probed)]| judge_udp("hub", probed);
        check(&judge(&[answers()]), Verdict::Ok, "192.0.2.1:5555 answers after 2.5 ms");
        check(&judge(&[answers(), silent()]), Verdict::Warn, "192.0.2.2:5555 does not answer");
        check(&judge(&[answers(), refused()]), Verdict::Warn, "nothing listens at 192.0.2.3:5555");
        check(&judge(&[silent()]), Verdict::Bad, "UDP seems blocked");
        check(&judge(&[silent(), refused()]), Verdict::Bad, "UDP seems blocked");
        check(&judge(&[refused()]), Verdict::Bad, "start the hub");
    }

    #[test]
    fn a_certificate_is_the_expected_one_or_both_are_named() {
        check(&judge_certificate("hub", &Ok(())), Verdict::Ok, "expected");
        let wrong = LinkError::WrongFingerprint {
            hub: "hub".to_owned(),
            found: Fingerprint([2; 32]),
            expected: Fingerprint([1; 32]),
        };
        check(&judge_certificate("hub", &Err(wrong)), Verdict::Bad, "windfire fingerprint");
        let other = LinkError::Connection { hub: "hub".to_owned(), reason: "UnknownIssuer".to_owned() };
        check(&judge_certificate("hub", &Err(other)), Verdict::Bad, "--ca");
    }

    #[test]
    fn a_credential_is_shown_only_when_asked_and_a_refusal_has_its_remedy() {
        check(&judge_credential("hub", None), Verdict::Info, "--session");
        check(&judge_credential("hub", Some(&Ok(7))), Verdict::Ok, "server 7");
        for (reason, words) in [
            (RefuseReason::BadCredential, "server rotate"),
            (RefuseReason::UnsupportedVersion, "upgrade the hub"),
            (RefuseReason::Full, "sessions_max"),
            (RefuseReason::Stopping, "try again"),
        ] {
            let refused = LinkError::Refused { reason, detail: "no".to_owned() };
            check(&judge_credential("hub", Some(&Err(refused))), Verdict::Bad, words);
        }
    }

    #[tokio::test]
    async fn a_port_where_nothing_listens_is_told_from_one_that_is_silent() {
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        // It takes only packets of one other port, and keeps others from listening there.
        let taken = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        taken.connect("127.0.0.1:1").expect("an address");
        let free = taken.local_addr().expect("bound");
        let probed = probe_all(vec![silent.local_addr().expect("bound"), free]).await;
        assert!(matches!(probed[0].1, Ok(None)), "{probed:?}");
        let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
        assert!(probed[1].0 == free && probed[1].1.as_ref().is_err_and(refused), "{probed:?}");
    }
}
