//! A real agent is killed and started again: the receiver is told once that it is away and once that it is back, and the
//! log and the list of alerts say the same.

use std::process::Command;

use crate::hub::agent_process::{AgentProcess, program};
use crate::hub::receiver::{Receiver, add_rule, done, events, wait_for_passes, with_status};
use crate::hub::{new_hub, wait_until};
use serde_json::json;

/// More than the 10 s for which an agent of a busy hub gathers readings.
const OFFLINE_S: u64 = 12;

#[test]
fn a_stopped_agent_is_told_once_and_its_return_once() {
    let receiver = Receiver::start();
    let quick = ["--alert-interval-s", "1", "--alert-grace-s", "0", "--group-wait-s", "0", "--group-interval-s", "0"];
    let (_folder, mut hub) = new_hub(&[&quick[..], &["--public-url", "https://hub.example.org/"]].concat());
    let credentials = hub.make_servers(1, "web");
    hub.start();
    let when = format!("offline > {OFFLINE_S}");
    let rule = add_rule(&hub, "away", &when, &receiver.channel(&hub, "ops"), &["--severity", "critical"]);
    let agent = || {
        let mut command = Command::new(program());
        command.args(["--hub", &hub.quic().to_string(), "--fingerprint", &hub.fingerprint().to_string()]);
        command.args(["--credential", &credentials[0]]);
        AgentProcess::start(command)
    };
    let told = || receiver.told("ops");

    let mut first = agent();
    wait_until("it reports", || hub.metric("windfire_reports_taken_total") >= 1.0);
    first.stop();
    wait_until("its absence is told", || !told().is_empty());
    wait_for_passes(&hub, 2.0);
    assert_eq!(told().len(), 1, "{:?}", told());
    wait_until("it is noted", || hub.metric("windfire_notices_pending") == 0.0);
    let firing = done(&hub, &["alerts", "list", "--state", "firing"]);
    assert_eq!(
        (&firing[0]["rule"], &firing[0]["server"], &firing[0]["times_notified"]),
        (&json!(rule), &json!(1), &json!(1))
    );
    assert_eq!(hub.metric("windfire_alerts{state=\"firing\"}"), 1.0);

    // It reports until all is seen: its own absence would be told, too.
    let _second = agent();
    wait_until("its return is told", || told().len() > 1);
    wait_for_passes(&hub, 2.0);
    let told = told();
    println!("{told:#?}");
    assert_eq!((with_status(&told, "firing").len(), with_status(&told, "resolved").len()), (1, 1));
    for message in &told {
        assert_eq!((&message["count"], &message["servers"][0]["id"]), (&json!(1), &json!(1)));
        assert_eq!((&message["rule"]["id"], &message["severity"]), (&json!(rule), &json!("critical")));
        assert_eq!(message["link"], "https://hub.example.org/alerts");
    }
    assert_ne!(told[0]["key"], told[1]["key"]);
    assert_eq!((events(&hub, rule, "fired").len(), events(&hub, rule, "resolved").len()), (1, 1));
    assert_eq!(done(&hub, &["alerts", "list"]), json!([]));
    wait_until("both are noted", || hub.metric("windfire_notices_pending") == 0.0);
    assert_eq!(hub.metric("windfire_notices_sent_total{channel=\"1\",result=\"sent\"}"), 2.0);
}
