//! Finds misspelt variables of the agent in the environment: they would be ignored without a warning.

use strsim::osa_distance;

/// Prefix of every variable of the agent and of the hub.
const PREFIX: &str = "WINDFIRE_";
/// Letters by which a misspelt name may differ from the one that was meant.
const MISSPELT_LETTERS_MAX: usize = 2;
/// Length, after the prefix, up to which a name may differ by one letter only, because short names are much alike.
const SHORT_LETTERS_MAX: usize = 4;

/// Names in `set` that are not in `known` but close to one of them, each with that one. Names of the hub, and those
/// that Kubernetes sets, are far from all of the agent's.
pub fn misspelt(known: &[String], set: impl Iterator<Item = String>) -> Vec<(String, &str)> {
    let near = |name: String| {
        let rest = name.strip_prefix(PREFIX).filter(|_| !known.contains(&name))?;
        let max = if rest.len() <= SHORT_LETTERS_MAX { 1 } else { MISSPELT_LETTERS_MAX };
        let meant = known.iter().map(|known| (osa_distance(known, &name), known)).min()?;
        (meant.0 <= max).then(|| (name.clone(), meant.1.as_str()))
    };
    set.filter_map(near).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 18] = [
        "HUB",
        "FINGERPRINT",
        "CA",
        "CREDENTIAL",
        "CREDENTIAL_FILE",
        "ENROL",
        "ENROL_FILE",
        "NAME",
        "MACHINE",
        "INTERVAL_S",
        "SPOOL",
        "SPOOL_BYTES_MAX",
        "IP",
        "TEMPERATURE",
        "GPU",
        "HOST_ROOT",
        "LOG",
        "LOG_FORMAT",
    ];

    const HUB: [&str; 26] = [
        "AGENTS_ADDRESS",
        "AGENT_THREADS",
        "COMMIT_INTERVAL_MS",
        "CONFIG",
        "COOKIE_NAME",
        "CORS_ORIGIN",
        "COUNTRY_DB",
        "DATA",
        "GUESTS",
        "HISTORY_GIB_MAX",
        "HSTS_MAX_AGE_S",
        "HTTP",
        "HTTPS",
        "HTTPS_CERT",
        "HTTPS_KEY",
        "MEMORY_BYTES_MAX",
        "MINUTE_RETENTION_DAYS",
        "OFFLINE_AFTER_S",
        "QUARTER_RETENTION_DAYS",
        "QUIC",
        "RAW_RETENTION_DAYS",
        "REPORT_INTERVAL_S",
        "SAMPLES_PER_FRAME",
        "SESSIONS_MAX",
        "TRUSTED_PROXIES",
        "UDP_BUFFER_BYTES",
    ];

    fn found(name: &str) -> Option<String> {
        let known = KNOWN.map(|name| format!("{PREFIX}{name}"));
        let set = std::iter::once(name.to_owned());
        misspelt(&known, set).pop().map(|(_, meant)| meant.to_owned())
    }

    #[test]
    fn a_name_that_is_close_to_a_variable_is_misspelt() {
        for (name, meant) in [("SPOL", "SPOOL"), ("SPOLO", "SPOOL"), ("CREDENTAIL", "CREDENTIAL"), ("GPUS", "GPU")] {
            assert_eq!(found(&format!("{PREFIX}{name}")), Some(format!("{PREFIX}{meant}")));
        }
    }

    #[test]
    fn known_names_and_those_of_others_are_not() {
        for name in KNOWN.into_iter().chain(HUB).chain(["SERVICE_HOST", "SERVICE_PORT", "PORT", "PORT_8008_TCP"]) {
            assert_eq!(found(&format!("{PREFIX}{name}")), None, "{name}");
        }
        assert_eq!(found("WINFIRE_SPOOL"), None, "another program's prefix");
    }
}
