//! The resources of the API as verbs. A resource is a file: its verbs, the requests they make, and how answers are
//! shown. A new one is a line in each list here.

mod alert;
mod channel;
mod enrol_token;
mod rule;
mod server;
mod silence;
mod token;
mod user;

use clap::Subcommand;

use crate::cli::call::Call;

#[derive(Subcommand)]
pub(crate) enum ResourceVerb {
    /// Manage watched servers
    #[command(subcommand)]
    Server(server::ServerVerb),
    /// Manage API tokens
    #[command(subcommand)]
    Token(token::TokenVerb),
    /// Manage enrolment tokens, with which agents create their own servers
    #[command(subcommand)]
    EnrolToken(enrol_token::EnrolTokenVerb),
    /// Manage rules of alerts
    #[command(subcommand)]
    Rule(rule::RuleVerb),
    /// Manage channels that messages about alerts go to
    #[command(subcommand)]
    Channel(channel::ChannelVerb),
    /// Manage silences, in which alerts are not told
    #[command(subcommand)]
    Silence(silence::SilenceVerb),
    /// Show alerts and their log, and acknowledge alerts
    #[command(subcommand)]
    Alerts(alert::AlertVerb),
    /// Manage users of the panel
    #[command(subcommand)]
    Admin(user::AdminVerb),
}

impl ResourceVerb {
    /// # Errors
    /// Options that make no request.
    pub(crate) fn into_call(self) -> Result<Call, String> {
        match self {
            Self::Server(verb) => verb.into_call(),
            Self::Token(verb) => verb.into_call(),
            Self::EnrolToken(verb) => Ok(verb.into_call()),
            Self::Rule(verb) => verb.into_call(),
            Self::Channel(verb) => verb.into_call(),
            Self::Silence(verb) => verb.into_call(),
            Self::Alerts(verb) => Ok(verb.into_call()),
            Self::Admin(verb) => Ok(verb.into_call()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{enrol_token, server, token};
    use crate::admin::{AgentsLine, Response};
    use crate::cli::show;
    use crate::cli::view::View;

    #[test]
    fn a_server_that_is_made_comes_with_its_agents_command() {
        let made = |result: Value, address: Option<&str>, fingerprint: &str| Response::Api {
            status: 200,
            body: json!({"code": 0, "message": "success", "result": result}),
            agents: AgentsLine { address: address.map(str::to_owned), port: 5556, fingerprint: fingerprint.to_owned() },
        };
        let credential = |address, fingerprint| made(json!({"id": 7, "credential": "secret"}), address, fingerprint);
        let token = || made(json!({"id": 1, "token": "t"}), None, "ab");
        let said = show(credential(Some("hub.example:1"), "ab"), server::CREDENTIAL, false, 0).expect("shown");
        let command = "WINDFIRE_CREDENTIAL=secret windfire-agent --hub hub.example:1 --fingerprint ab";
        assert!(said.contains(&format!("\n  {command}\n")) && !said.contains("HUB"), "{said}");
        let said = show(credential(Some("hub.example:1"), "ab"), server::CREDENTIAL, true, 0).expect("shown");
        let said: Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!(said, json!({"id": 7, "credential": "secret", "command": command}));
        let said = show(credential(None, ""), server::CREDENTIAL, false, 0).expect("shown");
        assert!(said.contains("--hub HUB:5556 --fingerprint FINGERPRINT\n"), "{said}");
        assert!(said.contains("agents_address") && said.contains("windfire fingerprint"), "{said}");
        let said = show(token(), enrol_token::ADDED, false, 0).expect("shown");
        assert!(said.contains("WINDFIRE_ENROL=t windfire-agent --hub HUB:5556 --fingerprint ab"), "{said}");
        assert!(!show(token(), token::ADDED, false, 0).expect("shown").contains("windfire-agent"));
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let refused = |status, message: &str, view: View| {
            let agents = AgentsLine { address: None, port: 1, fingerprint: String::new() };
            let body = json!({"code": status, "message": message});
            show(Response::Api { status, body, agents }, view, false, 0).expect_err("refused")
        };
        assert!(refused(404, "no server has id 9", server::CHANGED).contains("\"windfire server list\" shows"));
        assert!(refused(409, "this API token exists already", token::ADDED).contains("token remove"));
        assert_eq!(refused(503, "the disk is full", server::CREDENTIAL), "the disk is full");
    }
}
