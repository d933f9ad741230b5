//! Reads the configuration again while the hub runs. It is wholly valid, or nothing changes.
//!
//! ```text
//! SIGHUP, windfire reload ──► read all of it and the files it names ──► apply what can be ──► say what needs a restart
//! ```

use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use http::HeaderValue;
use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tracing_subscriber::EnvFilter;
use windfire_api::live::Live;
use windfire_api::{Agents, Api};
use windfire_engine::Engine;

use crate::admin::Reloaded;
use crate::config::{Config, Place, Settings};
use crate::counters::Counters;
use crate::country::{self, Countries};
use crate::https::{Files, Loaded, PanelCertificate};
use crate::limits::CONFIG_BYTES_MAX;
use crate::proxies::TrustedProxies;
use crate::service::{Service, describe};
use crate::swap::Swap;

/// Keys that are applied while the hub runs. All others need a restart.
const APPLIED: [&str; 19] = [
    "log",
    "log_format",
    "trusted_proxies",
    "guests",
    "cors_origin",
    "offline_after_s",
    "group_wait_s",
    "group_interval_s",
    "report_interval_s",
    "samples_per_frame",
    "raw_retention_days",
    "minute_retention_days",
    "quarter_retention_days",
    "history_gib_max",
    "agents_address",
    "country_db",
    "https_cert",
    "https_key",
    "hsts_max_age_s",
];

/// Changes what is logged.
pub(crate) type SetLog = Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>;

/// Where a configuration comes from.
pub(crate) struct Source {
    pub(crate) place: Place,
    /// The flags and variables of the process, which win over the file. They stay as they were at the start.
    pub(crate) given: Settings,
}

impl Source {
    fn read(&self) -> Result<Config, String> {
        if let Some(path) = &self.place.config {
            check_file(path)?;
        }
        Config::load(&self.place, self.given.clone())
    }
}

/// Refuses a file that could be read once only, or without end.
fn check_file(path: &Path) -> Result<(), String> {
    // A file that cannot be looked at cannot be read either, and reading it says why.
    let Ok(meta) = fs::metadata(path) else { return Ok(()) };
    let refused = |why: String| Err(format!("configuration {}: {why}", path.display()));
    match meta.len() {
        _ if meta.is_dir() => Ok(()),
        _ if !meta.is_file() => refused("it is no regular file and cannot be read again: restart the hub".to_owned()),
        bytes if bytes > CONFIG_BYTES_MAX => refused(format!("{bytes} bytes are more than {CONFIG_BYTES_MAX}")),
        _ => Ok(()),
    }
}

/// What of the hub a new configuration changes.
pub(crate) struct Parts {
    pub(crate) engine: Arc<Engine>,
    pub(crate) live: Arc<Live>,
    pub(crate) api: Arc<Swap<Api>>,
    /// `None` while the panel is served without TLS.
    pub(crate) certificate: Option<Arc<PanelCertificate>>,
    pub(crate) countries: Countries,
    pub(crate) proxies: Arc<Swap<TrustedProxies>>,
    pub(crate) hsts: Arc<Swap<Option<HeaderValue>>>,
    pub(crate) set_log: SetLog,
    /// They know how the hub stands in its cluster.
    pub(crate) counters: Arc<Counters>,
    pub(crate) service: Service,
}

/// Reads the configuration again.
pub(crate) struct Reloader {
    source: Source,
    parts: Parts,
    /// Changed by one reload at a time.
    in_force: Mutex<Config>,
}

/// Everything that a configuration names, read and sound.
struct Prepared {
    config: Config,
    log: EnvFilter,
    country: Option<country::Database>,
    /// `None` if the panel's certificate is not to be changed.
    certificate: Option<Loaded>,
    reloaded: Reloaded,
}

impl Reloader {
    pub(crate) fn new(source: Source, parts: Parts, in_force: Config) -> Self {
        Self { source, parts, in_force: Mutex::new(in_force) }
    }

    /// How agents reach the hub.
    pub(crate) fn agents(&self) -> Agents {
        self.parts.api.current().agents.clone()
    }

    /// Reads the configuration and puts in force what can be. The log and the service manager get the answer too. May
    /// wait for a disk.
    ///
    /// # Errors
    /// Something in it is not valid. Nothing has changed.
    pub(crate) fn reload(&self) -> Result<Reloaded, String> {
        self.reload_from(self.in_force.lock())
    }

    /// The same, unless a reload is under way: a file on a disk that hangs must not hold up whoever asks again.
    ///
    /// # Errors
    /// As [`Reloader::reload`], or one is under way.
    pub(crate) fn try_reload(&self) -> Result<Reloaded, String> {
        let in_force = self.in_force.try_lock();
        self.reload_from(in_force.ok_or("a reload is under way: see the log for what comes of it, and try again")?)
    }

    fn reload_from(&self, in_force: MutexGuard<'_, Config>) -> Result<Reloaded, String> {
        self.parts.service.reloading();
        let result = self.apply(in_force);
        match &result {
            Ok(Reloaded { applied, needs_restart }) => {
                let (applied, needs_restart) = (applied.join(", "), needs_restart.join(", "));
                tracing::info!(applied, needs_restart, "configuration reloaded");
            }
            // The lines after the first show the place in the file.
            Err(error) => {
                let error = error.lines().next().unwrap_or_default();
                tracing::error!("the configuration is not valid, and nothing has changed: {error}");
            }
        }
        self.parts.service.reloaded(&describe(&self.parts.engine, &self.parts.counters));
        result
    }

    fn apply(&self, mut in_force: MutexGuard<'_, Config>) -> Result<Reloaded, String> {
        let Prepared { config, log, country, certificate, reloaded } = self.prepare(&in_force)?;
        let Parts { engine, live, api, countries, proxies, hsts, set_log, .. } = &self.parts;
        // Nothing below fails but this, and only when the hub ends.
        set_log(log)?;
        windfire_log::set_format(config.log_format);
        proxies.replace(config.trusted_proxies.clone());
        engine.retune(&config.tuning());
        live.set_offline_after(config.offline_after_s.into());
        countries.replace(country);
        if let (Some(loaded), Some(shown)) = (certificate, &self.parts.certificate) {
            shown.replace(loaded);
            hsts.replace(config.hsts());
        }
        let present = api.current();
        api.replace(api_of(&config, &present));
        *in_force = kept(&in_force, config, &reloaded);
        Ok(reloaded)
    }

    /// Reads and checks everything, and changes nothing.
    fn prepare(&self, in_force: &Config) -> Result<Prepared, String> {
        let config = self.source.read()?;
        // With another way of serving, the new files are for the hub that starts next.
        let is_https_kept = config.https == in_force.https;
        let certificate = match self.parts.certificate.as_ref().filter(|_| is_https_kept) {
            Some(shown) => {
                let loaded = Loaded::read(&in_force.data, Files::of(&config).as_ref());
                Some(loaded.inspect_err(|_| shown.note_failure())?)
            }
            None => None,
        };
        let is_applied = |key: &String| APPLIED.contains(&key.as_str()) && (certificate.is_some() || !is_of_https(key));
        let (applied, needs_restart) = changed(in_force, &config)?.into_iter().partition(is_applied);
        let log = config.log_filter()?;
        let country = config.country_db.as_deref().map(country::open).transpose()?;
        Ok(Prepared { config, log, country, certificate, reloaded: Reloaded { applied, needs_restart } })
    }
}

/// The API's settings of a configuration, with what does not change taken from `present`.
pub(crate) fn api_of(config: &Config, present: &Api) -> Api {
    let address = config.agents_address_at(present.agents.port);
    Api {
        cors_origin: config.cors_origin.as_deref().and_then(|origin| origin.parse().ok()),
        are_guests_allowed: config.guests,
        agents: Agents { address, ..present.agents.clone() },
        ..present.clone()
    }
}

/// The keys that differ.
fn changed(before: &Config, after: &Config) -> Result<Vec<String>, String> {
    let shown = |config: &Config| serde_json::to_value(config).map_err(|error| error.to_string());
    let (before, after) = (shown(before)?, shown(after)?);
    let named = |value: &Value| -> Vec<String> {
        value.as_object().map(|keys| keys.keys().cloned().collect()).unwrap_or_default()
    };
    let mut keys = [named(&before), named(&after)].concat();
    keys.sort_unstable();
    keys.dedup();
    keys.retain(|key| before.get(key) != after.get(key));
    Ok(keys)
}

/// Keys that are about how the panel is served with TLS.
fn is_of_https(key: &str) -> bool {
    key.starts_with("https_") || key.starts_with("hsts_")
}

/// The configuration in force after a reload: keys that need a restart are told again by the next one.
fn kept(before: &Config, after: Config, reloaded: &Reloaded) -> Config {
    let (https_cert, https_key, hsts_max_age_s) = if reloaded.needs_restart.iter().any(|key| is_of_https(key)) {
        (before.https_cert.clone(), before.https_key.clone(), before.hsts_max_age_s)
    } else {
        (after.https_cert, after.https_key, after.hsts_max_age_s)
    };
    Config {
        log: after.log,
        log_format: after.log_format,
        trusted_proxies: after.trusted_proxies,
        guests: after.guests,
        cors_origin: after.cors_origin,
        offline_after_s: after.offline_after_s,
        group_wait_s: after.group_wait_s,
        group_interval_s: after.group_interval_s,
        report_interval_s: after.report_interval_s,
        samples_per_frame: after.samples_per_frame,
        raw_retention_days: after.raw_retention_days,
        minute_retention_days: after.minute_retention_days,
        quarter_retention_days: after.quarter_retention_days,
        history_gib_max: after.history_gib_max,
        agents_address: after.agents_address,
        country_db: after.country_db,
        https_cert,
        https_key,
        hsts_max_age_s,
        ..before.clone()
    }
}

/// Reloads at every SIGHUP, for as long as it is polled.
pub(crate) async fn at_each(mut asked: watch::Receiver<u64>, reloader: Arc<Reloader>) -> Infallible {
    while asked.changed().await.is_ok() {
        let reloader = Arc::clone(&reloader);
        // The log has what came of it.
        let _answer = spawn_blocking(move || reloader.reload()).await;
    }
    // Signals are watched as long as the process lives.
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(text: &str) -> Config {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("windfire.toml");
        fs::write(&path, text).expect("written");
        let place = Place { config: Some(path), data: None };
        Source { place, given: Settings::default() }.read().expect("valid")
    }

    /// Every key that is applied, with a value that is not the default.
    const ALL: &str = "
        log = \"debug\"
        log_format = \"json\"
        trusted_proxies = [\"127.0.0.1\"]
        guests = false
        cors_origin = \"https://example.org\"
        offline_after_s = 100
        group_wait_s = 1
        group_interval_s = 2
        report_interval_s = 3
        samples_per_frame = 4
        raw_retention_days = 8
        minute_retention_days = 61
        quarter_retention_days = 731
        history_gib_max = 1
        agents_address = \"hub.example:5555\"
        country_db = \"countries.mmdb\"
        https = true
        https_cert = \"cert.pem\"
        https_key = \"key.pem\"
        hsts_max_age_s = 60
    ";

    #[test]
    fn what_is_applied_is_in_force_and_what_is_not_is_told_again() {
        let before = loaded("https = true");
        let after = loaded(&format!("{ALL}\nsessions_max = 7\nalert_grace_s = 8"));
        let found = changed(&before, &after).expect("shown");
        let (applied, needs_restart): (Vec<String>, Vec<String>) =
            found.into_iter().partition(|key| APPLIED.contains(&key.as_str()));
        let mut all = APPLIED.map(str::to_owned);
        all.sort_unstable();
        assert_eq!(applied, all, "each key that is applied");
        assert_eq!(needs_restart, ["alert_grace_s", "sessions_max"]);
        let reloaded = Reloaded { applied, needs_restart: needs_restart.clone() };
        let in_force = kept(&before, after.clone(), &reloaded);
        assert_eq!(changed(&in_force, &after).expect("shown"), needs_restart);
    }

    #[test]
    fn the_page_for_operators_names_each_key_that_is_applied() {
        let page = include_str!("../../../docs/operating.md");
        let section = page.split("\n## ").find(|section| section.starts_with("Changing the configuration"));
        let section = section.expect("a section");
        for key in APPLIED {
            assert!(section.contains(&format!("`{key}`")), "{key}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_again_is_refused_and_a_reload_never_waits_for_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let read = |path: &Path| {
            let place = Place { config: Some(path.to_owned()), data: None };
            Source { place, given: Settings::default() }.read().map(drop)
        };
        let path = folder.path().join("windfire.toml");
        let words = read(&path).expect_err("not there");
        assert!(words.contains("windfire.toml"), "{words}");
        fs::write(&path, vec![b'#'; 10_000_000]).expect("written");
        assert!(read(&path).expect_err("too long").contains("more than"));
        let socket = folder.path().join("socket");
        let _bound = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        assert!(read(&socket).expect_err("no file").contains("regular file"));
        assert!(read(Path::new("/dev/zero")).expect_err("no file").contains("regular file"));
        fs::write(&path, "log = \"in\0fo\"").expect("written");
        assert!(read(&path).is_err());
        fs::write(&path, "log = \"debug\"").expect("written");
        assert!(read(&path).is_ok());
    }
}
