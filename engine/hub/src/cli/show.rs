//! Answers as text for a person, or as one line of JSON for a script.

use std::time::Duration;

use serde_json::{Value, json};

use crate::admin::{AgentsLine, Response, StorageAnswer, TierLine, VerifiedAnswer};
use crate::output::plain;

/// How an answer of the API is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Done,
    /// Of one server, without more to show.
    OfServer,
    OfToken,
    OfEnrolToken,
    Credential,
    Token,
    EnrolToken,
    Servers,
    Tokens,
    EnrolTokens,
    Users,
}

/// The answer as text for a person, or as one line of JSON for a script.
pub(crate) fn show(response: Response, shown: Shown, json: bool, now_s: i64) -> Result<String, String> {
    Ok(match response {
        Response::Failed(error) => return Err(error),
        Response::Api { status: 200, body, agents } => show_result(&body["result"], &agents, shown, json, now_s),
        Response::Api { status, body, .. } => {
            let message = body["message"].as_str().unwrap_or("the hub refused, and did not say why");
            return Err(format!("{message}{}", remedy(status, message, shown)));
        }
        Response::Storage(storage) if json => json!(storage).to_string(),
        Response::Verified(verified) if json => json!(verified).to_string(),
        Response::Password { user, password } if json => json!({"user": user, "password": password}).to_string(),
        Response::Done | Response::Rows if json => json!({}).to_string(),
        Response::Done | Response::Rows => "done".to_owned(),
        Response::Storage(storage) => show_storage(&storage, now_s),
        Response::Verified(verified) => show_verified(&verified)?,
        Response::Password { user, password } => {
            format!("user {user}\npassword {password}\nThe password is not kept and cannot be shown again.")
        }
    })
}

/// What to do about a refusal, on the command line.
fn remedy(status: u16, message: &str, shown: Shown) -> &'static str {
    match (status, shown) {
        (404, Shown::OfServer | Shown::Credential) => ": \"windfire server list\" shows those there are",
        (404, Shown::OfToken) => ": \"windfire token list\" shows those there are",
        (404, Shown::OfEnrolToken) => ": \"windfire enrol-token list\" shows those there are",
        (409, Shown::Token) if message.ends_with("exists already") => {
            ": it goes on as it is, or \"windfire token remove\" it first"
        }
        _ => "",
    }
}

fn show_result(result: &Value, agents: &AgentsLine, shown: Shown, json: bool, now_s: i64) -> String {
    let secret = |key: &str| text(&result[key]);
    if json {
        let mut shown_result = result.clone();
        match shown {
            Shown::Credential => {
                shown_result["command"] = agent_command("CREDENTIAL", &secret("credential"), agents).into();
            }
            Shown::EnrolToken => shown_result["command"] = agent_command("ENROL", &secret("token"), agents).into(),
            Shown::Done | Shown::OfServer | Shown::OfToken | Shown::OfEnrolToken => shown_result = json!({}),
            Shown::Token | Shown::Servers | Shown::Tokens | Shown::EnrolTokens | Shown::Users => {}
        }
        return shown_result.to_string();
    }
    let id = &result["id"];
    match shown {
        Shown::Done | Shown::OfServer | Shown::OfToken | Shown::OfEnrolToken => "done".to_owned(),
        Shown::Credential => {
            let credential = secret("credential");
            let start = format!("\nOn the server:\n{}", agent_lines("CREDENTIAL", &credential, agents));
            format!(
                "server {id}\ncredential {credential}{start}\nThe credential is not kept and cannot be shown again."
            )
        }
        Shown::Token | Shown::EnrolToken => {
            let token = secret("token");
            let start = match shown {
                Shown::EnrolToken => format!("\nOn each server:\n{}", agent_lines("ENROL", &token, agents)),
                _ => String::new(),
            };
            format!("token {id}\n{token}{start}\nThe token is not kept and cannot be shown again.")
        }
        Shown::Users => {
            let row = |user: &Value| {
                [text(&user["id"]), text(&user["name"]), text(&user["role"]), since(now_s, &user["created"])]
            };
            table(["ID", "NAME", "ROLE", "MADE"], lines(result).map(row))
        }
        Shown::Servers => {
            let row = |server: &Value| {
                let active = since(now_s, &server["last_active"]);
                [text(&server["id"]), text(&server["name"]), text(&server["tag"]), active, text(&server["address"])]
            };
            table(["ID", "NAME", "TAG", "REPORTED", "ADDRESS"], lines(result).map(row))
        }
        Shown::Tokens => {
            let row = |token: &Value| {
                [
                    text(&token["id"]),
                    text(&token["note"]),
                    text(&token["scopes"]),
                    text(&token["tags"]),
                    since(now_s, &token["last_used"]),
                    until(now_s, token["expires"].as_i64()),
                ]
            };
            table(["ID", "NOTE", "SCOPES", "TAGS", "USED", "EXPIRES"], lines(result).map(row))
        }
        Shown::EnrolTokens => {
            let row = |token: &Value| {
                let uses = token["uses_left"].as_u64().map_or("any".to_owned(), |uses| uses.to_string());
                let expires = until(now_s, token["expires"].as_i64());
                [text(&token["id"]), text(&token["note"]), text(&token["tag"]), uses, expires]
            };
            table(["ID", "NOTE", "TAG", "USES LEFT", "EXPIRES"], lines(result).map(row))
        }
    }
}

fn lines(result: &Value) -> impl Iterator<Item = &Value> {
    result.as_array().into_iter().flatten()
}

/// A value in a cell: a text as it is, a list with commas.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(","),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn since(now_s: i64, at_s: &Value) -> String {
    at_s.as_i64().map_or("never".to_owned(), |at_s| ago(now_s, at_s))
}

/// Stands for what only the operator knows, or what is not made yet. No shell takes it for something of its own.
const HUB_PLACEHOLDER: &str = "HUB";
const FINGERPRINT_PLACEHOLDER: &str = "FINGERPRINT";

/// The command that starts an agent with a secret of that kind, as the panel shows it.
fn agent_command(kind: &str, secret: &str, agents: &AgentsLine) -> String {
    let AgentsLine { address, port, fingerprint } = agents;
    let hub = address.clone().unwrap_or_else(|| format!("{HUB_PLACEHOLDER}:{port}"));
    let fingerprint = Some(fingerprint.as_str()).filter(|text| !text.is_empty()).unwrap_or(FINGERPRINT_PLACEHOLDER);
    format!("WINDFIRE_{kind}={secret} windfire-agent --hub {hub} --fingerprint {fingerprint}")
}

/// The command, and what has to be put into it.
fn agent_lines(kind: &str, secret: &str, agents: &AgentsLine) -> String {
    let mut lines = format!("  {}", agent_command(kind, secret, agents));
    if agents.address.is_none() {
        lines += "\nIn the place of HUB, put the name or address by which it reaches this machine over UDP; agents_address in the \
                  hub's\nconfiguration puts it there for good.";
    }
    if agents.fingerprint.is_empty() {
        lines += "\nIn the place of FINGERPRINT, put what \"windfire fingerprint\" says once the hub has started.";
    }
    lines
}

fn show_storage(storage: &StorageAnswer, now_s: i64) -> String {
    let maybe = |bytes: Option<u64>| bytes.map_or("unknown".to_owned(), size);
    let rows = storage.tiers.iter().map(|tier: &TierLine| {
        [
            tier.tier.clone(),
            format!("{} d", tier.days),
            size(tier.bytes),
            tier.oldest.map_or("empty".to_owned(), |at| ago(now_s, at)),
            tier.bytes_per_row.map_or("unknown".to_owned(), |bytes| format!("{bytes:.1}")),
            tier.bytes_per_data_point.map_or(String::new(), |bytes| format!("{bytes:.3}")),
            maybe(tier.forecast_bytes),
            size(tier.freed_bytes),
        ]
    });
    let expiry = match storage.expiry_behind_s {
        0..EXPIRY_BEHIND_SHOWN_S => String::new(),
        seconds => format!(
            "\nhistory expires {} late, until the clock has run evenly for a day (docs/decisions/clocks.md)",
            span(seconds)
        ),
    };
    let head = ["TIER", "KEPT", "SIZE", "OLDEST", "BYTES/ROW", "BYTES/POINT", "FORECAST", "FREED"];
    let bound = match storage.bytes_max {
        0 => "no bound (history_gib_max)".to_owned(),
        bytes => format!("at most {}", size(bytes)),
    };
    format!(
        "{}\n\n{} servers; history takes {}, {bound}\nforecast with these servers when every tier is as long as it is \
         kept: {}\nfreed at once by the days shown: {}",
        table(head, rows),
        storage.servers,
        size(storage.bytes),
        maybe(storage.forecast_bytes),
        size(storage.freed_bytes)
    ) + &expiry
}

/// `Err` when something is wrong with history, so that the command fails.
fn show_verified(verified: &VerifiedAnswer) -> Result<String, String> {
    let VerifiedAnswer { blocks, rows, bytes, doubled, corrupt_blocks, corrupt } = verified;
    let read = format!("{blocks} blocks, {rows} rows, {} read", size(*bytes));
    if *corrupt_blocks == 0 && *doubled == 0 {
        return Ok(format!("{read}: all sound"));
    }
    let named = corrupt.iter().map(|name| format!("\n{name}")).collect::<String>();
    Err(format!("{read}: {corrupt_blocks} corrupt, {doubled} reports doubled{named}"))
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

/// Seconds of expiry's delay that nobody needs to know of: it is looked at once a minute.
const EXPIRY_BEHIND_SHOWN_S: i64 = 120;

fn ago(now_s: i64, at_s: i64) -> String {
    format!("{} ago", span(now_s - at_s))
}

fn until(now_s: i64, expires_s: Option<i64>) -> String {
    match expires_s {
        None => "never".to_owned(),
        Some(expires_s) if expires_s <= now_s => "expired".to_owned(),
        Some(expires_s) => format!("in {}", span(expires_s - now_s)),
    }
}

fn span(seconds: i64) -> String {
    let seconds = Duration::from_secs(seconds.max(0).unsigned_abs()).as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows = rows.map(|row| row.map(|cell| plain(&cell).into_owned()));
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let widths: Vec<usize> =
        (0..N).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_made_comes_with_its_agents_command() {
        let made = |result: Value, address: Option<&str>, fingerprint: &str| Response::Api {
            status: 200,
            body: json!({"code": 0, "message": "success", "result": result}),
            agents: AgentsLine { address: address.map(str::to_owned), port: 5556, fingerprint: fingerprint.to_owned() },
        };
        let credential = |address, fingerprint| made(json!({"id": 7, "credential": "secret"}), address, fingerprint);
        let token = || made(json!({"id": 1, "token": "t"}), None, "ab");
        let said = show(credential(Some("hub.example:1"), "ab"), Shown::Credential, false, 0).expect("shown");
        let command = "WINDFIRE_CREDENTIAL=secret windfire-agent --hub hub.example:1 --fingerprint ab";
        assert!(said.contains(&format!("\n  {command}\n")) && !said.contains("HUB"), "{said}");
        let said = show(credential(Some("hub.example:1"), "ab"), Shown::Credential, true, 0).expect("shown");
        let said: Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!(said, json!({"id": 7, "credential": "secret", "command": command}));
        let said = show(credential(None, ""), Shown::Credential, false, 0).expect("shown");
        assert!(said.contains("--hub HUB:5556 --fingerprint FINGERPRINT\n"), "{said}");
        assert!(said.contains("agents_address") && said.contains("windfire fingerprint"), "{said}");
        let said = show(token(), Shown::EnrolToken, false, 0).expect("shown");
        assert!(said.contains("WINDFIRE_ENROL=t windfire-agent --hub HUB:5556 --fingerprint ab"), "{said}");
        assert!(!show(token(), Shown::Token, false, 0).expect("shown").contains("windfire-agent"));
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let refused = |status, message: &str, shown| {
            let agents = AgentsLine { address: None, port: 1, fingerprint: String::new() };
            let body = json!({"code": status, "message": message});
            show(Response::Api { status, body, agents }, shown, false, 0).expect_err("refused")
        };
        assert!(refused(404, "no server has id 9", Shown::OfServer).contains("\"windfire server list\" shows"));
        assert!(refused(409, "this API token exists already", Shown::Token).contains("token remove"));
        assert_eq!(refused(503, "the disk is full", Shown::Credential), "the disk is full");
    }

    #[test]
    fn a_cell_of_a_table_stays_in_its_place() {
        let shown = table(["NAME", "TAG"], [["a\nb\x1b[1A\u{202e}".to_owned(), "x".to_owned()]].into_iter());
        assert_eq!(shown.lines().count(), 2, "{shown}");
        assert!(shown.contains("a\\u{a}b\\u{1b}[1A\\u{202e}  x"), "{shown}");
    }
}
