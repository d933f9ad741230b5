//! Servers as v0 showed them (contract 1.3 and 1.4): keys, their order and their case.

use windfire_engine::ServerView;
use windfire_engine::latest::{HostFacts, Latest};
use windfire_engine::sample::Sample;
use windfire_engine::server::ServerRecord;

use super::address;
use super::json::JsonWriter;
use crate::viewer::Viewer;

/// Go's zero time in Unix seconds: no report yet.
const NEVER_ACTIVE: i64 = -62_135_596_800;

/// Bytes of one entry, measured on v0's own answers. It is only a hint for the buffer.
const LIST_ENTRY_BYTES: usize = 192;
const DETAILS_ENTRY_BYTES: usize = 832;

/// The answer of `list`.
pub fn list(viewer: &Viewer, servers: &[ServerView]) -> Vec<u8> {
    answer(viewer, servers, LIST_ENTRY_BYTES, |json, record, latest| {
        summary(json, record, latest);
        json.raw("}");
    })
}

/// The answer of `details`.
pub fn details(viewer: &Viewer, servers: &[ServerView]) -> Vec<u8> {
    answer(viewer, servers, DETAILS_ENTRY_BYTES, details_entry)
}

/// One entry of `details`, as it is in the list.
pub(crate) fn details_entry(json: &mut JsonWriter, record: &ServerRecord, latest: &Latest) {
    summary(json, record, latest);
    host(json, "host", &latest.facts, &record.country);
    status(json, "status", &latest.sample);
    json.raw("}");
}

/// The text before the first entry of `details`.
pub(crate) const DETAILS_HEAD: &str = "{\"code\":0,\"message\":\"success\",\"result\":[";
/// The text after the last.
pub(crate) const DETAILS_TAIL: &str = "]}";

fn answer(
    viewer: &Viewer,
    servers: &[ServerView],
    entry_bytes: usize,
    entry: impl Fn(&mut JsonWriter, &ServerRecord, &Latest),
) -> Vec<u8> {
    let mut json = JsonWriter::with_capacity(64 + servers.len() * entry_bytes);
    json.raw("{\"code\":0,\"message\":\"success\",\"result\":");
    let visible = servers.iter().filter(|server| viewer.sees(&server.record));
    json.list(visible, |json, server| entry(json, &server.record, &server.latest));
    json.raw("}");
    json.into_bytes()
}

fn summary(json: &mut JsonWriter, record: &ServerRecord, latest: &Latest) {
    let (ipv4, ipv6, valid_ip) = address::split(&latest.facts.address);
    json.raw("{\"id\":");
    json.integer(record.id);
    json.raw(",\"name\":");
    json.string(&record.name);
    json.raw(",\"tag\":");
    json.string(&record.tag);
    json.raw(",\"last_active\":");
    json.integer(latest.last_active_s().unwrap_or(NEVER_ACTIVE));
    json.raw(",\"ipv4\":");
    json.string(ipv4);
    json.raw(",\"ipv6\":");
    json.string(ipv6);
    json.raw(",\"valid_ip\":");
    json.string(valid_ip);
    json.raw(",\"display_index\":");
    json.integer(record.display_index);
    json.raw(",\"hide_for_guest\":");
    json.bool(record.hide_for_guest);
}

pub(super) fn host(json: &mut JsonWriter, key: &str, facts: &HostFacts, country_by_hand: &str) {
    let host = &facts.host;
    json.raw(",");
    json.string(key);
    json.raw(":{\"Platform\":");
    json.string(&host.platform);
    json.raw(",\"PlatformVersion\":");
    json.string(&host.platform_version);
    json.raw(",\"CPU\":");
    json.strings_or_null(&host.cpu);
    json.raw(",\"MemTotal\":");
    json.integer(host.mem_total);
    json.raw(",\"DiskTotal\":");
    json.integer(host.disk_total);
    json.raw(",\"SwapTotal\":");
    json.integer(host.swap_total);
    json.raw(",\"Arch\":");
    json.string(&host.arch);
    json.raw(",\"Virtualization\":");
    json.string(&host.virtualization);
    json.raw(",\"BootTime\":");
    json.integer(host.boot_time_s);
    json.raw(",\"CountryCode\":");
    json.string(if country_by_hand.is_empty() { &facts.country } else { country_by_hand });
    json.raw(",\"Version\":");
    json.string(&host.version);
    json.raw(",\"GPU\":");
    json.strings_or_null(&host.gpu);
    json.raw("}");
}

pub(super) fn status(json: &mut JsonWriter, key: &str, sample: &Sample) {
    json.raw(",");
    json.string(key);
    json.raw(":{\"CPU\":");
    json.float(sample.cpu);
    json.raw(",\"MemUsed\":");
    json.integer(sample.mem_used);
    json.raw(",\"SwapUsed\":");
    json.integer(sample.swap_used);
    json.raw(",\"DiskUsed\":");
    json.integer(sample.disk_used);
    json.raw(",\"NetInTransfer\":");
    json.integer(sample.net_in_transfer);
    json.raw(",\"NetOutTransfer\":");
    json.integer(sample.net_out_transfer);
    json.raw(",\"NetInSpeed\":");
    json.integer(sample.net_in_speed);
    json.raw(",\"NetOutSpeed\":");
    json.integer(sample.net_out_speed);
    json.raw(",\"Uptime\":");
    json.integer(sample.uptime_s);
    json.raw(",\"Load1\":");
    json.float(sample.load1);
    json.raw(",\"Load5\":");
    json.float(sample.load5);
    json.raw(",\"Load15\":");
    json.float(sample.load15);
    json.raw(",\"TcpConnCount\":");
    json.integer(sample.tcp_conn_count);
    json.raw(",\"UdpConnCount\":");
    json.integer(sample.udp_conn_count);
    json.raw(",\"ProcessCount\":");
    json.integer(sample.process_count);
    json.raw(",\"Temperatures\":");
    json.list_or_null(sample.temperatures.as_deref().unwrap_or_default(), |json, sensor| {
        json.raw("{\"Name\":");
        json.string(&sensor.name);
        json.raw(",\"Temperature\":");
        json.float(sensor.celsius);
        json.raw("}");
    });
    json.raw(",\"GPU\":");
    json.float(sample.gpu);
    json.raw("}");
}
