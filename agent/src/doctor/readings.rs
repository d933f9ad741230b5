//! What the agent reads of this machine, and from where.

use windfire_doctor::Finding;
use windfire_wire::{Host, Report};

/// Readings that are off by default.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    pub(super) temperatures: bool,
    pub(super) gpu: bool,
}

/// The file of each reading on Linux. Other systems have calls instead.
const fn source(file: &'static str) -> &'static str {
    if cfg!(target_os = "linux") { file } else { "the system's calls" }
}

/// `unread` are files that could not be read, and why.
pub(super) fn judge(report: &Report, host: &Host, unread: &[(&'static str, String)], shown: Shown) -> Vec<Finding> {
    let (disk_used, disk_total) = (report.disk_used, host.disk_total);
    let read = [
        ("cpu", source("/proc/stat"), format!("{:.2} %, {}", report.cpu, models(host))),
        ("memory", source("/proc/meminfo"), format!("{} of {} bytes used", report.mem_used, host.mem_total)),
        ("swap", source("/proc/meminfo"), format!("{} of {} bytes used", report.swap_used, host.swap_total)),
        ("disk", source("/proc/self/mounts"), format!("{disk_used} of {disk_total} bytes used")),
        (
            "network",
            source("/sys/class/net"),
            format!("{} bytes received, {} sent", report.net_in_transfer, report.net_out_transfer),
        ),
        ("load", source("/proc/loadavg"), format!("{} {} {}", report.load1, report.load5, report.load15)),
        ("uptime", source("/proc/uptime"), format!("{} s", report.uptime_s)),
        (
            "sockets",
            source("/proc/net/sockstat"),
            format!("{} TCP, {} UDP", report.tcp_conn_count, report.udp_conn_count),
        ),
        ("processes", source("/proc"), format!("{}", report.process_count)),
    ];
    let mut findings: Vec<Finding> = read
        .into_iter()
        .map(|(check, source, value)| match unread.iter().find(|(file, _)| *file == source) {
            Some((file, why)) => {
                let remedy = "values from it are 0: give the agent's user or container the right to read it";
                Finding::warn(check, format!("{file} cannot be read: {why}"), remedy)
            }
            None => Finding::ok(check, format!("{value}, from {source}")),
        })
        .collect();
    let sensors = report.temperatures.len();
    findings.push(optional("temperature", shown.temperatures, "--temperature", &format!("{sensors} sensors"), sensors));
    let gpus = host.gpu.len();
    findings.push(optional("gpu", shown.gpu, "--gpu", &format!("{:.2} %, {gpus} processors", report.gpu), gpus));
    let what = [&host.platform, &host.platform_version, &host.arch, &host.virtualization];
    let what = what.into_iter().filter(|text| !text.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ");
    findings.push(Finding::info("system", if what.is_empty() { "unknown".to_owned() } else { what }));
    findings
}

fn models(host: &Host) -> String {
    if host.cpu.is_empty() { "no model".to_owned() } else { host.cpu.join(", ") }
}

/// A reading that has to be asked for. `count` is how many things there are to read.
fn optional(check: &'static str, is_on: bool, option: &str, value: &str, count: usize) -> Finding {
    if !is_on {
        return Finding::info(check, format!("off ({option})"));
    }
    if count == 0 {
        return Finding::warn(
            check,
            "none is found on this machine",
            format!("leave {option} out, or load its driver"),
        );
    }
    Finding::ok(check, value)
}

#[cfg(test)]
mod tests {
    use windfire_doctor::Verdict;
    use windfire_wire::Temperature;

    use super::*;

    fn verdict(findings: &[Finding], check: &str) -> Verdict {
        findings.iter().find(|finding| finding.check == check).expect("checked").verdict
    }

    #[test]
    fn each_reading_is_told_once_with_its_source() {
        let host = Host { mem_total: 4096, cpu: vec!["M 2 Physical Core".to_owned()], ..Host::default() };
        let report = Report { mem_used: 1024, process_count: 7, ..Report::default() };
        let off = Shown { temperatures: false, gpu: false };
        let findings = judge(&report, &host, &[], off);
        let said = windfire_doctor::text(&findings);
        let all = ["memory: 1024 of 4096 bytes used, from ", "processes: 7, from ", "M 2 Physical Core", "off (--gpu)"];
        for words in all {
            assert_eq!(said.matches(words).count(), 1, "{words}: {said}");
        }
        assert!(findings.iter().all(|finding| finding.verdict <= Verdict::Info), "{said}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_cannot_be_read_is_a_warning_for_what_comes_from_it() {
        let on = Shown { temperatures: true, gpu: true };
        let unread = [("/proc/meminfo", "denied".to_owned())];
        let report =
            Report { temperatures: vec![Temperature { name: "core".to_owned(), celsius: 40.0 }], ..Report::default() };
        let findings = judge(&report, &Host::default(), &unread, on);
        for (check, expected) in [
            ("memory", Verdict::Warn),
            ("swap", Verdict::Warn),
            ("cpu", Verdict::Ok),
            ("temperature", Verdict::Ok),
            ("gpu", Verdict::Warn),
        ] {
            assert_eq!(verdict(&findings, check), expected, "{check}");
        }
    }
}
