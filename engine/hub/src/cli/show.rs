//! Answers as text for a person, or as one line of JSON for a script.

use serde_json::json;

use super::cluster::{show_cluster, show_invited};
use super::table::{ago, size, span, table};
use super::view::{Context, View};
use crate::admin::{Reloaded, Response, StorageAnswer, TierLine, VerifiedAnswer};

/// The answer as text for a person, or as one line of JSON for a script.
///
/// # Errors
/// What the hub refused, with the remedy.
pub(crate) fn show(response: Response, view: View, json: bool, now_s: i64) -> Result<String, String> {
    Ok(match response {
        Response::Failed(error) => return Err(error),
        Response::Api { status: 200, body, agents } => {
            let (result, context) = (&body["result"], Context { agents: &agents, now_s });
            if json { (view.json)(result, &context).to_string() } else { (view.text)(result, &context) }
        }
        Response::Api { status, body, .. } => {
            let message = body["message"].as_str().unwrap_or("the hub refused the request without a reason");
            return Err(format!("{message}{}", (view.remedy)(status, message)));
        }
        Response::Storage(storage) if json => json!(storage).to_string(),
        Response::Verified(verified) if json => json!(verified).to_string(),
        Response::Reloaded(reloaded) if json => json!(reloaded).to_string(),
        Response::Cluster(answer) if json => json!(answer).to_string(),
        Response::Invited(invited) if json => json!(invited).to_string(),
        Response::Password { user, password } if json => json!({"user": user, "password": password}).to_string(),
        Response::Done | Response::Rows if json => json!({}).to_string(),
        Response::Done | Response::Rows => "done".to_owned(),
        Response::Storage(storage) => show_storage(&storage, now_s),
        Response::Verified(verified) => show_verified(&verified)?,
        Response::Reloaded(reloaded) => show_reloaded(&reloaded),
        Response::Cluster(answer) => show_cluster(&answer),
        Response::Invited(invited) => show_invited(&invited),
        Response::Password { user, password } => {
            format!("user {user}\npassword {password}\nThe password is not kept and cannot be shown again.")
        }
    })
}

fn show_reloaded(reloaded: &Reloaded) -> String {
    let Reloaded { applied, needs_restart } = reloaded;
    let lines = [("applied", applied), ("needs a restart", needs_restart)];
    let lines = lines.into_iter().filter(|(_, keys)| !keys.is_empty());
    let lines: Vec<String> = lines.map(|(what, keys)| format!("{what}: {}", keys.join(", "))).collect();
    if lines.is_empty() {
        "no key has changed; the files that it names were read again".to_owned()
    } else {
        lines.join("\n")
    }
}

/// Seconds by which expiry may be late without a word: it runs once a minute.
const EXPIRY_BEHIND_SHOWN_S: i64 = 120;

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
    let rollback = storage.rollback.as_ref().map_or(String::new(), |rollback| {
        let ends = match rollback.ends {
            Some(ends) => format!("in {}", span(ends - now_s)),
            None => "after 7 days".to_owned(),
        };
        format!(
            "\na rollback to format {} is possible: what is kept for it takes {}, and is removed {ends}, or with \
             --drop-rollback",
            rollback.format,
            size(rollback.bytes)
        )
    });
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
        + &rollback
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
