//! What a new store begins with: an administrator, and the rules of alerts that every hub has.

use std::io::{self, Write};

use windfire_engine::Engine;
use windfire_engine::secret::new_password;
use windfire_engine::user::{PasswordHash, Role};

/// Name of the first administrator.
pub(crate) const ADMINISTRATOR: &str = "admin";

/// Creates the first administrator of a new store, and prints its password on standard output, so that no log keeps it.
pub(crate) fn make_administrator(engine: &Engine, now_s: i64) -> Result<(), String> {
    if engine.registry().users().is_empty() {
        let password = new_password();
        let hash = PasswordHash::of(&password)?;
        engine
            .registry()
            .add_user(ADMINISTRATOR.to_owned(), Role::Admin, hash, now_s)
            .map_err(|error| error.to_string())?;
        // In one write, and separated from log lines that the same terminal may show.
        let rule = "-".repeat(72);
        let lines = format!(
            "\n{rule}\nadministrator: user {ADMINISTRATOR}, password {password} (shown once)\nIt is for the panel. \"windfire \
             admin password\" creates a new one.\n{rule}\n\n"
        );
        if io::stdout().write_all(lines.as_bytes()).is_err() {
            tracing::warn!(
                "the administrator's password was not printed: \"windfire admin password\" creates a new one"
            );
        }
    }
    Ok(())
}

/// Creates the rules of alerts of a new store. On a disk that takes no writes, the next start tries again.
pub(crate) fn begin_rules(engine: &Engine, now_s: i64) {
    if let Err(error) = engine.registry().begin_rules(now_s) {
        tracing::warn!(%error, "the default rules of alerts were not created: the next start tries again");
    }
}
