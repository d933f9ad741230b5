//! The command that starts an agent, as the panel shows it too.

use serde_json::Value;

use crate::admin::AgentsLine;

/// Stands for an address that only the operator knows. No shell gives the word a meaning.
const HUB_PLACEHOLDER: &str = "HUB";
/// Stands for the fingerprint of a certificate that does not exist yet.
const FINGERPRINT_PLACEHOLDER: &str = "FINGERPRINT";

/// What the hub answered, for a script: with the command as `command`. `field` is where the answer has the secret.
pub(super) fn with_agent_command(result: &Value, variable: &str, field: &str, agents: &AgentsLine) -> Value {
    let mut shown = result.clone();
    shown["command"] = agent_command(variable, &result[field], agents).into();
    shown
}

/// The command that starts an agent with a secret. `variable` is the end of the variable's name, such as `ENROL`.
fn agent_command(variable: &str, secret: &Value, agents: &AgentsLine) -> String {
    let AgentsLine { address, port, fingerprint } = agents;
    let secret = secret.as_str().unwrap_or_default();
    let hub = address.clone().unwrap_or_else(|| format!("{HUB_PLACEHOLDER}:{port}"));
    let fingerprint = Some(fingerprint.as_str()).filter(|text| !text.is_empty()).unwrap_or(FINGERPRINT_PLACEHOLDER);
    format!("WINDFIRE_{variable}={secret} windfire-agent --hub {hub} --fingerprint {fingerprint}")
}

/// The command, indented, and what has to be put into it.
pub(super) fn agent_lines(variable: &str, secret: &Value, agents: &AgentsLine) -> String {
    let mut lines = format!("  {}", agent_command(variable, secret, agents));
    if agents.address.is_none() {
        lines += "\nReplace HUB with the name or address by which the server reaches this machine over UDP. To have it \
                  filled in,\nset agents_address in the hub's configuration.";
    }
    if agents.fingerprint.is_empty() {
        lines += "\nReplace FINGERPRINT with the output of \"windfire fingerprint\" once the hub has started.";
    }
    lines
}
