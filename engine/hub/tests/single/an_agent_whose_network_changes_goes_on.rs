//! Hub and agent in network namespaces of their own, with a cable between them: the agent's address goes and another one
//! comes; or there is nothing but a link-local address, which has a zone.

use std::fs;
use std::process::Command;

use crate::hub::agent_process::{AgentProcess, program};
use crate::hub::namespaces::{in_namespaces, made};
use crate::hub::wait_until;
use windfire_bench::hub_process::HubProcess;

/// What the hub says of the server, through its socket, which no network namespace keeps away.
fn server(hub: &HubProcess) -> serde_json::Value {
    let list = hub.cli(&["server", "list", "--json"]);
    serde_json::from_slice(&list.stdout).unwrap_or_default()
}

#[test]
fn an_agent_whose_address_goes_keeps_its_session() {
    let (folder, hub, options) = made();
    let script = "
        \"$hub\" --data \"$data\" serve --http 127.0.0.1:0 --quic 0.0.0.0:5555 &
        ip link add wf0 type veth peer name wf1
        ip addr add 10.77.0.1/16 dev wf0; ip link set wf0 up
        export agent folder
        unshare --net sh -c '
            set -e
            touch \"$folder/ready\"
            until ip link show wf1 2>/dev/null >&2; do sleep 0.05; done
            ip addr add 10.77.0.2/16 dev wf1; ip link set wf1 up
            \"$agent\" --hub 10.77.0.1 \"$@\" &
            until test -e \"$folder/move\"; do sleep 0.05; done
            ip addr del 10.77.0.2/16 dev wf1
            ip addr add 10.77.1.3/16 dev wf1
            wait
        ' sh \"$@\" &
        inner=$!
        until test -e \"$folder/ready\"; do sleep 0.05; done
        ip link set wf1 netns $inner
        wait";
    let Some(mut network) = in_namespaces(&[], script, folder.path(), &hub, &options) else { return };
    network.wait_for_log("connected");
    wait_until("the agent is shown at its first address", || server(&hub).to_string().contains("10.77.0.2"));
    fs::write(folder.path().join("move"), "").expect("written");
    wait_until("the agent is shown at its second address", || server(&hub).to_string().contains("10.77.1.3"));
    // The log ends with the namespace: whoever connects again says so in it.
    network.stop();
    assert_eq!(network.lines_with("connected"), 0, "the session is the same");
}

#[test]
fn a_link_local_address_is_reached_by_its_zone() {
    for zone in ["%wf0", "%25wf0", "%NUMBER"] {
        let (folder, hub, mut options) = made();
        options.push(format!("[fe80::7{zone}]"));
        let script = "
            ip link add wf0 type veth peer name wf1; ip link set wf0 up; ip link set wf1 up; ip -6 addr add fe80::7/64 dev wf0 nodad
            number=$(ip -o link show wf0 | cut -d: -f1)
            \"$hub\" --data \"$data\" serve --http 127.0.0.1:0 --quic '[::]:5555' &
            exec \"$agent\" \"$1\" \"$2\" \"$3\" \"$4\" --hub \"$(echo \"$5\" | sed \"s/NUMBER/$number/\")\"";
        let Some(mut network) = in_namespaces(&[], script, folder.path(), &hub, &options) else { return };
        network.wait_for_log("connected");
    }
}

#[test]
fn a_zone_that_is_not_there_is_named() {
    let mut agent = Command::new(program());
    agent.args(["--hub", "[fe80::7%no-such-if]", "--fingerprint", &"0".repeat(64), "--credential", "c"]);
    let line = AgentProcess::start(agent).wait_for_log("no connection");
    assert!(line.contains("no-such-if") && line.contains("interface"), "{line}");
}
