//! What a configuration must not be.

use http::HeaderValue;
use windfire_wire::limits::{FRAME_AGE_S_MAX, SAMPLES_PER_FRAME_MAX};

use super::Config;
use crate::limits::{ALERT_WAIT_S_MAX, HSTS_MAX_AGE_S_MAX, LISTENERS_MAX, MEMORY_BYTES_MIN, RETENTION_DAYS_MAX};
use crate::panel_address::check_public_url;
use crate::variables::within;

impl Config {
    /// # Errors
    /// The first key whose value cannot be used, with the remedy.
    pub(super) fn check(&self) -> Result<(), String> {
        within("commit_interval_ms", self.commit_interval_ms, 1, 1000)?;
        within("report_interval_s", self.report_interval_s.into(), 0, 60)?;
        within("samples_per_frame", self.samples_per_frame.into(), 1, SAMPLES_PER_FRAME_MAX.into())?;
        within("raw_retention_days", self.raw_retention_days.into(), 1, RETENTION_DAYS_MAX)?;
        within("minute_retention_days", self.minute_retention_days.into(), 2, RETENTION_DAYS_MAX)?;
        within("quarter_retention_days", self.quarter_retention_days.into(), 2, RETENTION_DAYS_MAX)?;
        within("history_gib_max", self.history_gib_max, 0, 1 << 20)?;
        within("offline_after_s", self.offline_after_s.into(), 5, 3600)?;
        within("alert_interval_s", self.alert_interval_s.into(), 1, 60)?;
        within("alert_grace_s", self.alert_grace_s.into(), 0, ALERT_WAIT_S_MAX)?;
        within("group_wait_s", self.group_wait_s.into(), 0, ALERT_WAIT_S_MAX)?;
        within("group_interval_s", self.group_interval_s.into(), 0, ALERT_WAIT_S_MAX)?;
        if let Some(url) = &self.public_url {
            check_public_url(url, &self.base_path)?;
        }
        // With 0 the agents' default interval counts, which is one second. A frame is at most ten seconds old.
        let gathering_s = (self.report_interval_s.max(1) * self.samples_per_frame).min(FRAME_AGE_S_MAX);
        let frames_s = self.report_interval_s.max(if self.samples_per_frame > 1 { gathering_s } else { 0 });
        if frames_s * 2 > self.offline_after_s {
            return Err(format!(
                "offline_after_s = {} is too short for reports every {frames_s} s: make it at least twice as long",
                self.offline_after_s
            ));
        }
        within("sessions_max", self.sessions_max as u64, 1, 1_000_000)?;
        within("memory_bytes_max", self.memory_bytes_max, MEMORY_BYTES_MIN, 1 << 50)?;
        within("listeners", self.listeners as u64, 0, LISTENERS_MAX as u64)?;
        within("udp_buffer_bytes", self.udp_buffer_bytes as u64, 64 * 1024, 1024 * 1024 * 1024)?;
        if self.https_cert.is_some() != self.https_key.is_some() {
            return Err("https_cert and https_key go together: give both, or neither".to_owned());
        }
        if self.https_cert.is_some() && !self.https {
            return Err("https_cert is given but https is not: set https = true".to_owned());
        }
        within("hsts_max_age_s", self.hsts_max_age_s, 0, HSTS_MAX_AGE_S_MAX)?;
        // A browser that has the header shows no way around a certificate that it does not know.
        if self.hsts_max_age_s > 0 && self.https_cert.is_none() {
            return Err("hsts_max_age_s needs https_cert: browsers would refuse the hub's own certificate".to_owned());
        }
        let is_token = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
        if self.cookie_name.is_empty() || !self.cookie_name.bytes().all(is_token) {
            return Err(format!(
                "cookie_name = {:?} is not a cookie name: use letters, digits and dashes",
                self.cookie_name
            ));
        }
        if let Some(origin) = &self.cors_origin
            && HeaderValue::from_str(origin).is_err()
        {
            return Err(format!("cors_origin = {origin:?} cannot be sent in a header: use printable ASCII"));
        }
        self.cluster.check()?;
        self.log_filter().map(drop)
    }
}
