//! Configuration: one TOML file. Every key of it is also a flag and a `WINDFIRE_…` variable. A flag wins over a
//! variable, a variable over the file, the file over the default. Unknown keys are errors.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;
use http::HeaderValue;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use toml::de::{DeTable, DeValue};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use windfire_api::BasePath;
use windfire_engine::Tuning;
use windfire_engine::alert::state::AlertOptions;
use windfire_engine::history::Retention;
use windfire_log::LogFormat;

use crate::config_words;
use crate::limits::{SESSIONS_MAX, UDP_BUFFER_BYTES};
use crate::memory;
use crate::panel_address::{base_path, base_path_of_file};
use crate::proxies::{self, TrustedProxies};
use crate::variables::{agents_address, listen_address, number, plain, some_text, truth, with_ports};
use cluster::BrokerUrls;
pub(crate) use cluster::ClusterConfig;

// Their paths are given because a fuzz target has this file in another place.
#[path = "config/check.rs"]
mod check;
#[path = "config/cluster.rs"]
mod cluster;

/// Name of the file with the first password, unless another is configured. Under a service manager the data folder is
/// usually the state folder, which has this file.
pub(crate) const FIRST_PASSWORD: &str = "first-password";

/// Default addresses for HTTP and for agents.
const HTTP_USUAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8008);
const QUIC_USUAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 5555);

/// Where the configuration and the data are. Every verb takes these options.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Place {
    /// Configuration file (TOML)
    #[arg(long, env = "WINDFIRE_CONFIG", global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Data folder [default: ./windfire-data]
    #[arg(long, env = "WINDFIRE_DATA", global = true, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// The keys of the file, which are also flags and variables of `serve` and `check-config`.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// Data folder; see --data.
    #[arg(skip)]
    data: Option<PathBuf>,
    /// Address for HTTP [default: 127.0.0.1:8008]
    #[arg(long, env = "WINDFIRE_HTTP", value_name = "ADDR", value_parser = http_address)]
    #[serde(deserialize_with = "http_of_file")]
    http: Option<SocketAddr>,
    /// Address for agents, UDP [default: 0.0.0.0:5555]
    #[arg(long, env = "WINDFIRE_QUIC", value_name = "ADDR", value_parser = quic_address)]
    #[serde(deserialize_with = "quic_of_file")]
    quic: Option<SocketAddr>,
    /// Serve HTTPS instead of HTTP (default certificate: the hub's own)
    #[arg(long, env = "WINDFIRE_HTTPS", num_args = 0..=1, default_missing_value = "true", value_parser = truth)]
    https: Option<bool>,
    /// PEM file with the certificate chain for HTTPS
    #[arg(long, env = "WINDFIRE_HTTPS_CERT", value_name = "FILE")]
    https_cert: Option<PathBuf>,
    /// PEM file with the key for HTTPS
    #[arg(long, env = "WINDFIRE_HTTPS_KEY", value_name = "FILE")]
    https_key: Option<PathBuf>,
    /// Seconds for which browsers shall reach the panel by HTTPS only, up to 63072000; needs https_cert [default: 0]
    #[arg(long, env = "WINDFIRE_HSTS_MAX_AGE_S", value_name = "N", value_parser = number::<u64>)]
    hsts_max_age_s: Option<u64>,
    /// Path below which browsers have the panel and the API, if a proxy passes it on [default: /]
    #[arg(long, env = "WINDFIRE_BASE_PATH", value_name = "PATH", value_parser = base_path)]
    #[serde(deserialize_with = "base_path_of_file")]
    base_path: Option<BasePath>,
    /// Addresses and networks of proxies whose X-Forwarded-For and -Proto count, separated by commas (default: none)
    #[arg(long, env = "WINDFIRE_TRUSTED_PROXIES", value_name = "NETS", value_parser = TrustedProxies::parse)]
    #[serde(deserialize_with = "proxies::of_file")]
    trusted_proxies: Option<TrustedProxies>,
    /// Milliseconds between two commits, 1 to 1000 [default: 20]
    #[arg(long, env = "WINDFIRE_COMMIT_INTERVAL_MS", value_name = "N", value_parser = number::<u64>)]
    commit_interval_ms: Option<u64>,
    /// Seconds between reports that the hub asks agents for, 1 to 60, or 0 to let each agent use its own [default: 0]
    #[arg(long, env = "WINDFIRE_REPORT_INTERVAL_S", value_name = "N", value_parser = number::<u32>)]
    report_interval_s: Option<u32>,
    /// Minimum of samples that agents gather in a frame, 1 to 10 (a busy hub automatically asks for more) [default: 1]
    #[arg(long, env = "WINDFIRE_SAMPLES_PER_FRAME", value_name = "N", value_parser = number::<u32>)]
    samples_per_frame: Option<u32>,
    /// Days that every report is kept, 1 to 3650 [default: 7]
    #[arg(long, env = "WINDFIRE_RAW_RETENTION_DAYS", value_name = "N", value_parser = number::<u32>)]
    raw_retention_days: Option<u32>,
    /// Days that one row per minute is kept, 2 to 3650 [default: 60]
    #[arg(long, env = "WINDFIRE_MINUTE_RETENTION_DAYS", value_name = "N", value_parser = number::<u32>)]
    minute_retention_days: Option<u32>,
    /// Days that one row per 15 minutes is kept, 2 to 3650 [default: 730]
    #[arg(long, env = "WINDFIRE_QUARTER_RETENTION_DAYS", value_name = "N", value_parser = number::<u32>)]
    quarter_retention_days: Option<u32>,
    /// GiB of disk for history, above which the oldest history is deleted early, or 0 for no bound [default: 0]
    #[arg(long, env = "WINDFIRE_HISTORY_GIB_MAX", value_name = "N", value_parser = number::<u64>)]
    history_gib_max: Option<u64>,
    /// Agents connected at once [default: 100000]
    #[arg(long, env = "WINDFIRE_SESSIONS_MAX", value_name = "N", value_parser = number::<usize>)]
    sessions_max: Option<usize>,
    /// Bytes of memory that answers, live streams and history may use together [default: three quarters of the memory]
    #[arg(long, env = "WINDFIRE_MEMORY_BYTES_MAX", value_name = "N", value_parser = number::<u64>)]
    memory_bytes_max: Option<u64>,
    /// Threads that take reports, 1 to 64; 0 for one per core [default: 0]
    #[arg(
        long,
        alias = "agent-threads",
        env = "WINDFIRE_LISTENERS",
        value_name = "N",
        value_parser = number::<usize>,
    )]
    #[serde(alias = "agent_threads")]
    listeners: Option<usize>,
    /// Bytes of the UDP socket's buffers [default: 33554432]
    #[arg(long, env = "WINDFIRE_UDP_BUFFER_BYTES", value_name = "N", value_parser = number::<usize>)]
    udp_buffer_bytes: Option<usize>,
    /// Name of the panel's session cookie [default: nezha-dashboard]
    #[arg(long, env = "WINDFIRE_COOKIE_NAME", value_name = "NAME", value_parser = some_text)]
    cookie_name: Option<String>,
    /// Origin from which browsers may call the API (default: no CORS header)
    #[arg(long, env = "WINDFIRE_CORS_ORIGIN", value_name = "ORIGIN", value_parser = some_text)]
    cors_origin: Option<String>,
    /// Whether visitors who are not signed in see the servers that are not hidden [default: true]
    #[arg(long, env = "WINDFIRE_GUESTS", value_name = "BOOL", value_parser = truth)]
    guests: Option<bool>,
    /// Seconds without a report after which the panel shows a server as offline, 5 to 3600 [default: 30]
    #[arg(long, env = "WINDFIRE_OFFLINE_AFTER_S", value_name = "N", value_parser = number::<u32>)]
    offline_after_s: Option<u32>,
    /// Seconds between two looks at what rules of alerts say, 1 to 60 [default: 5]
    #[arg(long, env = "WINDFIRE_ALERT_INTERVAL_S", value_name = "N", value_parser = number::<u32>)]
    alert_interval_s: Option<u32>,
    /// Seconds that servers have to come back before they count as offline, after a start of the hub and after it was
    /// cut off, 0 to 3600 [default: 120]
    #[arg(long, env = "WINDFIRE_ALERT_GRACE_S", value_name = "N", value_parser = number::<u32>)]
    alert_grace_s: Option<u32>,
    /// Seconds that a message about alerts waits for others of the same rule to join it, 0 to 3600 [default: 10]
    #[arg(long, env = "WINDFIRE_GROUP_WAIT_S", value_name = "N", value_parser = number::<u32>)]
    group_wait_s: Option<u32>,
    /// Seconds between two messages to a channel about the same rule, 0 to 3600 [default: 60]
    #[arg(long, env = "WINDFIRE_GROUP_INTERVAL_S", value_name = "N", value_parser = number::<u32>)]
    group_interval_s: Option<u32>,
    /// Web address of the panel, for links in messages about alerts
    #[arg(long, env = "WINDFIRE_PUBLIC_URL", value_name = "URL", value_parser = some_text)]
    public_url: Option<String>,
    /// Host and port at which agents reach this hub, for the commands that the panel shows
    #[arg(long, env = "WINDFIRE_AGENTS_ADDRESS", value_name = "HOST:PORT", value_parser = agents_address)]
    #[serde(deserialize_with = "agents_address_of_file")]
    agents_address: Option<String>,
    /// Country database in the format mmdb (default: countries stay empty)
    #[arg(long, env = "WINDFIRE_COUNTRY_DB", value_name = "FILE")]
    country_db: Option<PathBuf>,
    /// File for the password that the first start creates, instead of standard output [default: first-password in the
    /// state folder of the service manager]
    #[arg(long, env = "WINDFIRE_FIRST_PASSWORD_FILE", value_name = "FILE")]
    first_password_file: Option<PathBuf>,
    /// What is logged: error, warn, info, debug, or a filter [default: info]
    #[arg(long, env = "WINDFIRE_LOG", value_name = "FILTER", value_parser = some_text)]
    log: Option<String>,
    /// How the log is written: text or json [default: text]
    #[arg(long, env = "WINDFIRE_LOG_FORMAT", value_name = "FORMAT", value_parser = log_format)]
    #[serde(deserialize_with = "log_format_of_file")]
    log_format: Option<LogFormat>,
    /// Brokers that several hubs share, such as nats://a:4222, separated by commas (default: none, the hub is alone)
    #[arg(long, env = "WINDFIRE_CLUSTER_NATS", value_name = "URLS", value_parser = BrokerUrls::parse)]
    #[serde(deserialize_with = "cluster::of_file")]
    cluster_nats: Option<BrokerUrls>,
    /// Name of the cluster at the brokers [default: main]
    #[arg(long, env = "WINDFIRE_CLUSTER_NAME", value_name = "NAME", value_parser = some_text)]
    cluster_name: Option<String>,
    /// Name of this hub in its cluster; no other hub may have it
    #[arg(long, env = "WINDFIRE_CLUSTER_HUB_ID", value_name = "NAME", value_parser = some_text)]
    cluster_hub_id: Option<String>,
    /// File with the user and password, or the token, that this hub shows the brokers
    #[arg(long, env = "WINDFIRE_CLUSTER_CREDENTIALS_FILE", value_name = "FILE")]
    cluster_credentials_file: Option<PathBuf>,
    /// File with a user of the brokers' system account, which may ask how they write
    #[arg(long, env = "WINDFIRE_CLUSTER_SYSTEM_CREDENTIALS_FILE", value_name = "FILE")]
    cluster_system_credentials_file: Option<PathBuf>,
    /// PEM file with the certificates that vouch for the brokers; TLS is then required
    #[arg(long, env = "WINDFIRE_CLUSTER_CA_FILE", value_name = "FILE")]
    cluster_ca_file: Option<PathBuf>,
    /// State that every broker syncs each write, if the system account cannot be asked [default: false]
    #[arg(
        long,
        env = "WINDFIRE_CLUSTER_SYNC_ALWAYS",
        num_args = 0..=1,
        default_missing_value = "true",
        value_parser = truth,
    )]
    cluster_sync_always: Option<bool>,
    /// Start although brokers or streams may lose what they acknowledged [default: false]
    #[arg(
        long,
        env = "WINDFIRE_CLUSTER_ALLOW_UNSAFE",
        num_args = 0..=1,
        default_missing_value = "true",
        value_parser = truth,
    )]
    cluster_allow_unsafe: Option<bool>,
    /// Hours that the brokers keep reports, which is how long a hub may be away, 1 to 720 [default: 24]
    #[arg(long, env = "WINDFIRE_CLUSTER_STREAM_HOURS", value_name = "N", value_parser = number::<u64>)]
    cluster_stream_hours: Option<u64>,
    /// GiB that the streams of the cluster may take on each broker, 2 to 16384 [default: 16]
    #[arg(long, env = "WINDFIRE_CLUSTER_STREAM_GIB_MAX", value_name = "N", value_parser = number::<u64>)]
    cluster_stream_gib_max: Option<u64>,
}

/// The configuration in force.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Config {
    pub(crate) data: PathBuf,
    pub(crate) http: SocketAddr,
    pub(crate) quic: SocketAddr,
    pub(crate) https: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) https_cert: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) https_key: Option<PathBuf>,
    pub(crate) hsts_max_age_s: u64,
    pub(crate) base_path: BasePath,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) commit_interval_ms: u64,
    pub(crate) report_interval_s: u32,
    pub(crate) samples_per_frame: u32,
    pub(crate) raw_retention_days: u32,
    pub(crate) minute_retention_days: u32,
    pub(crate) quarter_retention_days: u32,
    pub(crate) history_gib_max: u64,
    pub(crate) sessions_max: usize,
    pub(crate) memory_bytes_max: u64,
    pub(crate) listeners: usize,
    pub(crate) udp_buffer_bytes: usize,
    pub(crate) cookie_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cors_origin: Option<String>,
    pub(crate) guests: bool,
    pub(crate) offline_after_s: u32,
    pub(crate) alert_interval_s: u32,
    pub(crate) alert_grace_s: u32,
    pub(crate) group_wait_s: u32,
    pub(crate) group_interval_s: u32,
    /// Without a slash at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) public_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agents_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) country_db: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_password_file: Option<PathBuf>,
    pub(crate) log: String,
    #[serde(serialize_with = "shown")]
    pub(crate) log_format: LogFormat,
    #[serde(flatten)]
    pub(crate) cluster: ClusterConfig,
}

impl Config {
    /// Only the data folder, for verbs that need nothing else.
    pub(crate) fn data_folder(place: &Place) -> Result<PathBuf, String> {
        Ok(Self::load(place, Settings::default())?.data)
    }

    /// Reads the file, if one is named. `given` are the flags and variables, which win over it.
    pub(crate) fn load(place: &Place, given: Settings) -> Result<Self, String> {
        let file = match &place.config {
            None => Settings::default(),
            Some(path) => {
                let text = fs::read_to_string(path).map_err(|error| unread(path, &error))?;
                parse(&text).map_err(|error| in_file(path, &error))?
            }
        };
        let config = Self {
            data: place.data.clone().or(file.data).unwrap_or_else(|| PathBuf::from("./windfire-data")),
            http: given.http.or(file.http).unwrap_or(HTTP_USUAL),
            quic: given.quic.or(file.quic).unwrap_or(QUIC_USUAL),
            https: given.https.or(file.https).unwrap_or(false),
            https_cert: given.https_cert.or(file.https_cert),
            https_key: given.https_key.or(file.https_key),
            hsts_max_age_s: given.hsts_max_age_s.or(file.hsts_max_age_s).unwrap_or(0),
            base_path: given.base_path.or(file.base_path).unwrap_or_default(),
            trusted_proxies: given.trusted_proxies.or(file.trusted_proxies).unwrap_or_default(),
            commit_interval_ms: given.commit_interval_ms.or(file.commit_interval_ms).unwrap_or(20),
            report_interval_s: given.report_interval_s.or(file.report_interval_s).unwrap_or(0),
            samples_per_frame: given.samples_per_frame.or(file.samples_per_frame).unwrap_or(1),
            raw_retention_days: given.raw_retention_days.or(file.raw_retention_days).unwrap_or(7),
            minute_retention_days: given.minute_retention_days.or(file.minute_retention_days).unwrap_or(60),
            quarter_retention_days: given.quarter_retention_days.or(file.quarter_retention_days).unwrap_or(730),
            history_gib_max: given.history_gib_max.or(file.history_gib_max).unwrap_or(0),
            sessions_max: given.sessions_max.or(file.sessions_max).unwrap_or(SESSIONS_MAX),
            memory_bytes_max: given.memory_bytes_max.or(file.memory_bytes_max).unwrap_or_else(memory::usual_bytes_max),
            listeners: given.listeners.or(file.listeners).unwrap_or(0),
            udp_buffer_bytes: given.udp_buffer_bytes.or(file.udp_buffer_bytes).unwrap_or(UDP_BUFFER_BYTES),
            cookie_name: given.cookie_name.or(file.cookie_name).unwrap_or_else(|| "nezha-dashboard".to_owned()),
            cors_origin: given.cors_origin.or(file.cors_origin),
            guests: given.guests.or(file.guests).unwrap_or(true),
            offline_after_s: given.offline_after_s.or(file.offline_after_s).unwrap_or(30),
            alert_interval_s: given.alert_interval_s.or(file.alert_interval_s).unwrap_or(5),
            alert_grace_s: given.alert_grace_s.or(file.alert_grace_s).unwrap_or(120),
            group_wait_s: given.group_wait_s.or(file.group_wait_s).unwrap_or(10),
            group_interval_s: given.group_interval_s.or(file.group_interval_s).unwrap_or(60),
            public_url: given.public_url.or(file.public_url).map(|url| plain(&url).trim_end_matches('/').to_owned()),
            agents_address: given.agents_address.or(file.agents_address),
            country_db: given.country_db.or(file.country_db),
            first_password_file: given.first_password_file.or(file.first_password_file).or_else(first_password_usual),
            log: given.log.or(file.log).unwrap_or_else(|| "info".to_owned()),
            log_format: given.log_format.or(file.log_format).unwrap_or(LogFormat::Text),
            cluster: ClusterConfig {
                nats: given.cluster_nats.or(file.cluster_nats).unwrap_or_default(),
                name: given.cluster_name.or(file.cluster_name).unwrap_or_else(|| "main".to_owned()),
                hub_id: given.cluster_hub_id.or(file.cluster_hub_id),
                credentials_file: given.cluster_credentials_file.or(file.cluster_credentials_file),
                system_credentials_file: given.cluster_system_credentials_file.or(file.cluster_system_credentials_file),
                ca_file: given.cluster_ca_file.or(file.cluster_ca_file),
                sync_always: given.cluster_sync_always.or(file.cluster_sync_always).unwrap_or(false),
                allow_unsafe: given.cluster_allow_unsafe.or(file.cluster_allow_unsafe).unwrap_or(false),
                stream_hours: given.cluster_stream_hours.or(file.cluster_stream_hours).unwrap_or(24),
                stream_gib_max: given.cluster_stream_gib_max.or(file.cluster_stream_gib_max).unwrap_or(16),
            },
        };
        config.check()?;
        Ok(config)
    }

    /// Where agents reach the hub, if that is configured. A host without a port gets `quic_port`, as it may differ from
    /// the agents' default.
    pub(crate) fn agents_address_at(&self, quic_port: u16) -> Option<String> {
        self.agents_address.as_deref().map(|address| with_ports(address, quic_port))
    }

    /// The header that keeps browsers at HTTPS, if that is wanted.
    pub(crate) fn hsts(&self) -> Option<HeaderValue> {
        let max_age_s = Some(self.hsts_max_age_s).filter(|seconds| *seconds > 0)?;
        HeaderValue::try_from(format!("max-age={max_age_s}")).ok()
    }

    /// How long history is kept.
    pub(crate) fn retention(&self) -> Retention {
        Retention {
            raw_days: self.raw_retention_days,
            minute_days: self.minute_retention_days,
            quarter_days: self.quarter_retention_days,
            disk_bytes_max: self.history_gib_max << 30,
        }
    }

    /// What the engine may be told again while it is open.
    pub(crate) fn tuning(&self) -> Tuning {
        Tuning {
            report_interval_ms: self.report_interval_s * 1000,
            samples_per_frame_min: self.samples_per_frame,
            retention: self.retention(),
            alerts: self.alerts(),
        }
    }

    /// How alerts are judged and told.
    pub(crate) fn alerts(&self) -> AlertOptions {
        let ms = |seconds: u32| i64::from(seconds) * 1000;
        AlertOptions {
            grace_ms: ms(self.alert_grace_s),
            offline_after_ms: ms(self.offline_after_s),
            group_wait_ms: ms(self.group_wait_s),
            group_interval_ms: ms(self.group_interval_s),
        }
    }

    /// What is logged.
    pub(crate) fn log_filter(&self) -> Result<EnvFilter, String> {
        let log = &self.log;
        // An unknown word would be read as a module whose every line is logged, and no other module would log.
        let is_level = |part: &str| part.contains(['=', '[']) || part.parse::<LevelFilter>().is_ok();
        match log.split(',').find(|part| !is_level(part.trim())) {
            Some(odd) => Err(format!("log = {log:?}: {odd:?} must be one of off, error, warn, info, debug, trace")),
            // Values of fields are compared as they are: a pattern of a few hundred characters can take minutes to read.
            None => EnvFilter::builder()
                .with_regex(false)
                .parse(log)
                .map_err(|error| format!("log = {log:?} is no filter: {error}")),
        }
    }
}

/// Where the first password goes under a service manager. It would put standard output into a journal, which others may
/// read and which keeps it.
fn first_password_usual() -> Option<PathBuf> {
    let folders = std::env::var_os("STATE_DIRECTORY")?;
    let first = std::env::split_paths(&folders).next()?;
    first.is_absolute().then(|| first.join(FIRST_PASSWORD))
}

fn http_address(text: &str) -> Result<SocketAddr, String> {
    listen_address(text, HTTP_USUAL)
}

fn quic_address(text: &str) -> Result<SocketAddr, String> {
    listen_address(text, QUIC_USUAL)
}

fn http_of_file<'de, D: Deserializer<'de>>(value: D) -> Result<Option<SocketAddr>, D::Error> {
    address_of_file(value, http_address)
}

fn quic_of_file<'de, D: Deserializer<'de>>(value: D) -> Result<Option<SocketAddr>, D::Error> {
    address_of_file(value, quic_address)
}

/// An address in the file: a text, or a port alone as a number.
fn address_of_file<'de, D: Deserializer<'de>>(
    value: D,
    read: fn(&str) -> Result<SocketAddr, String>,
) -> Result<Option<SocketAddr>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected an address in quotes, or a port")]
    enum Written {
        Port(u16),
        Text(String),
    }
    let text = match Written::deserialize(value)? {
        Written::Port(port) => port.to_string(),
        Written::Text(text) => text,
    };
    read(&text).map(Some).map_err(serde::de::Error::custom)
}

fn agents_address_of_file<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(value)?;
    agents_address(&text).map(Some).map_err(serde::de::Error::custom)
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    some_text(text)?.parse()
}

fn log_format_of_file<'de, D: Deserializer<'de>>(value: D) -> Result<Option<LogFormat>, D::Error> {
    let text = String::deserialize(value)?;
    log_format(&text).map(Some).map_err(serde::de::Error::custom)
}

fn shown<S: Serializer>(value: &LogFormat, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Reads the text of a configuration file. A key with an empty text counts as absent, as an empty variable does,
/// because some tools cannot leave a key out.
fn parse(text: &str) -> Result<Settings, String> {
    toml::from_str(&without_blank_keys(text)).map_err(|error| config_words::explain(&error))
}

/// The same text with spaces where a key has an empty text. All else stays at its place, so that an error has its line.
fn without_blank_keys(text: &str) -> Cow<'_, str> {
    // What is no TOML is read as it is, which says why.
    let Ok(keys) = DeTable::parse(text) else { return text.into() };
    let is_blank = |value: &DeValue<'_>| value.as_str().is_some_and(|text| plain(text).is_empty());
    let blank = keys.get_ref().iter().filter(|(_, value)| is_blank(value.get_ref()));
    let mut without = Cow::Borrowed(text);
    for (key, value) in blank {
        let span = key.span().start..value.span().end;
        let spaces = text[span.clone()].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' });
        without.to_mut().replace_range(span, &spaces.collect::<String>());
    }
    without
}

fn unread(path: &Path, error: &io::Error) -> String {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::IsADirectory => "name the right one with --config or WINDFIRE_CONFIG",
        io::ErrorKind::PermissionDenied => "give it to the user that runs this (chown), or open it to them (chmod)",
        io::ErrorKind::InvalidData => "save it as UTF-8",
        _ => return in_file(path, error),
    };
    in_file(path, &format!("{error}: {remedy}"))
}

fn in_file(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("configuration {}: {error}", path.display())
}

// Its path is given because a fuzz target has this file in another place.
#[cfg(test)]
#[path = "config/tests.rs"]
mod tests;
