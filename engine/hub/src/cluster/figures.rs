//! How a hub stands in its cluster, on the page of metrics.

use std::time::Instant;

use super::state::State;
use crate::page::Page;

/// Adds the metrics of a hub that is one of several.
pub(crate) fn render(page: &mut Page, state: &State) {
    let (standing, now) = (state.standing(), Instant::now());
    page.gauge(
        "windfire_cluster_connected",
        "1 while there is a connection to a broker.",
        usize::from(standing.broker.is_some()),
    );
    page.gauge(
        "windfire_cluster_ready",
        "1 while this hub shows what the others show, and hears of every stream.",
        usize::from(state.is_ready()),
    );
    let lags = standing.lags.iter().chain([&standing.registry]);
    let silence = lags.filter_map(|lag| lag.silence).max().unwrap_or_default();
    page.head("windfire_cluster_silence_seconds", "Time since the brokers said how far a stream is.", "gauge");
    page.line("windfire_cluster_silence_seconds", silence.as_secs_f64());
    page.head("windfire_cluster_lease_seconds", "Time for which this hub has its id, unless it renews that.", "gauge");
    page.line("windfire_cluster_lease_seconds", state.lease_left(now).as_secs_f64());
    let hubs = state.hubs();
    page.gauge("windfire_cluster_hubs", "Hubs that run.", hubs.iter().filter(|hub| hub.runs(now)).count());
    page.gauge("windfire_cluster_brokers", "Brokers that were found at the start.", state.brokers.len());
    if let Some(copies) = state.copies() {
        page.gauge("windfire_cluster_copies", "Fewest copies that a stream has on brokers that keep up.", copies);
    }
    page.gauge(
        "windfire_cluster_unsafe",
        "Faults by which brokers or streams may lose reports, and which cluster_allow_unsafe allowed at the start.",
        state.warnings.len(),
    );
    page.head("windfire_cluster_lag_seconds", "How far this hub is behind, by partition.", "gauge");
    for (partition, lag) in standing.lags.iter().enumerate() {
        page.line(&format!("windfire_cluster_lag_seconds{{partition=\"{partition}\"}}"), lag.time.as_secs_f64());
    }
    page.head("windfire_cluster_lag_messages", "Messages that this hub has not applied yet, by partition.", "gauge");
    for (partition, lag) in standing.lags.iter().enumerate() {
        page.line(&format!("windfire_cluster_lag_messages{{partition=\"{partition}\"}}"), lag.messages);
    }
    let registry = standing.registry;
    page.head("windfire_cluster_registry_lag_seconds", "How far this hub is behind the registry.", "gauge");
    page.line("windfire_cluster_registry_lag_seconds", registry.time.as_secs_f64());
    page.head(
        "windfire_cluster_registry_lag_messages",
        "Messages of the registry that this hub has not applied yet.",
        "gauge",
    );
    page.line("windfire_cluster_registry_lag_messages", registry.messages);
    page.gauge(
        "windfire_cluster_registry_stale",
        "1 while this hub answers no token, because another hub may have removed it.",
        usize::from(state.is_registry_stale()),
    );
    page.gauge(
        "windfire_cluster_judges_alerts",
        "1 on the hub that judges alerts and tells people.",
        usize::from(state.is_judge(now)),
    );
    let mut sums = [0; 4];
    for partition in state.partitions.iter().chain([&state.registry]) {
        let counts = [&partition.published, &partition.published_bytes, &partition.applied, &partition.applied_bytes];
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count.get());
    }
    let [published, published_bytes, applied, applied_bytes] = sums;
    for (name, help, sum) in [
        ("windfire_cluster_published_messages_total", "Messages of this hub that the streams have.", published),
        ("windfire_cluster_published_bytes_total", "Their bytes.", published_bytes),
        ("windfire_cluster_applied_messages_total", "Messages of all hubs that were applied here.", applied),
        ("windfire_cluster_applied_bytes_total", "Their bytes.", applied_bytes),
    ] {
        page.head(name, help, "counter");
        page.line(name, sum);
    }
    page.head("windfire_cluster_publish_seconds", "Time until a message was stored.", "summary");
    page.line("windfire_cluster_publish_seconds_sum", state.publish_s());
    page.line("windfire_cluster_publish_seconds_count", published);
}
