//! VictoriaMetrics' part: the same reports as InfluxDB lines, 500 per request.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use windfire_wire::Report;

use super::measure::{
    Asked, Figures, Fleet, LATEST_QUESTIONS, Load, RANGE_QUESTIONS, SETTLE_S, Work, ask, bulk_start_ms, load,
};
use crate::clock::unix_ms;
use crate::fleet::{POINTS_PER_REPORT, folder_bytes};
use crate::http_client::HttpClient;

/// Reports of one request.
const REPORTS_PER_REQUEST: usize = 500;
/// Connections of the bulk part.
const CONNECTIONS: usize = 2;
/// Time for a start, a flush, a merge.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A running VictoriaMetrics, on an empty folder.
struct Victoria {
    child: Child,
    http: SocketAddr,
    folder: tempfile::TempDir,
}

pub(super) fn measure(work: &Work, binary: &Path) -> io::Result<Figures> {
    let (bulk, range, disk_bytes, version) = bulk(work, binary)?;
    let (live, latest) = live(work, binary)?;
    Ok(Figures {
        name: format!("VictoriaMetrics {version}").trim_end().to_owned(),
        bulk,
        live,
        disk_bytes,
        range,
        latest,
    })
}

fn bulk(work: &Work, binary: &Path) -> io::Result<(Load, Asked, u64, String)> {
    let start_ms = bulk_start_ms(work);
    let mut fleet = Fleet::new(work.servers);
    let mut requests = Vec::new();
    for second in 0..work.seconds {
        let reports: Vec<Report> = fleet.next(start_ms + second as i64 * 1000).collect();
        requests.extend(lines(&reports));
    }
    let victoria = Victoria::start(binary, &work.cores)?;
    let mut load = load(victoria.child.id(), || {
        let next = AtomicUsize::new(0);
        let post_all = || {
            let mut client = HttpClient::new(victoria.http);
            while let Some(body) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                post(&mut client, body)?;
            }
            Ok::<(), io::Error>(())
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(post_all)).collect();
            threads.into_iter().try_for_each(|thread| thread.join().expect("a thread that works"))
        })?;
        Ok((work.servers * work.seconds) as u64)
    })?;
    load.found = victoria.count()?;
    let mut client = HttpClient::new(victoria.http);
    let range = ask(RANGE_QUESTIONS, |number| {
        let server = number * 7919 % work.servers;
        let at = unix_ms() / 1000;
        let path = format!("/api/v1/query?query=windfire_cpu%7Bserver=%22{server}%22%7D%5B2h%5D&time={at}");
        client.get(&path, None)
    })?;
    victoria.merge()?;
    Ok((load, range, folder_bytes(victoria.folder.path()), victoria.version()?))
}

fn live(work: &Work, binary: &Path) -> io::Result<(Load, Asked)> {
    let victoria = Victoria::start(binary, &work.cores)?;
    let mut fleet = Fleet::new(work.live_servers);
    let mut client = HttpClient::new(victoria.http);
    let mut report_for = |seconds: u64| {
        let started = Instant::now();
        for second in 0..seconds {
            let reports: Vec<Report> = fleet.next(unix_ms()).collect();
            let requests = lines(&reports);
            // Spread over the second, as a fleet's reports are.
            let apart = Duration::from_secs(1).div_f64(requests.len().max(1) as f64);
            for (number, body) in requests.iter().enumerate() {
                let due = started + Duration::from_secs(second) + apart.mul_f64(number as f64);
                thread::sleep(due.saturating_duration_since(Instant::now()));
                post(&mut client, body)?;
            }
        }
        thread::sleep((started + Duration::from_secs(seconds)).saturating_duration_since(Instant::now()));
        Ok::<u64, io::Error>(work.live_servers as u64 * seconds)
    };
    // Its series are created with their first points, as our agents are welcomed before the measured part.
    let before = report_for(SETTLE_S)?;
    let mut load = load(victoria.child.id(), || report_for(work.live_s))?;
    let latest =
        ask(LATEST_QUESTIONS, |_| client.get("/api/v1/query?query=%7B__name__=~%22windfire_.%2B%22%7D", None))?;
    load.found = victoria.count()?.saturating_sub(before);
    Ok((load, latest))
}

impl Victoria {
    fn start(binary: &Path, cores: &str) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let http = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new("taskset")
            .args(["-c", cores])
            .arg(binary)
            .arg(format!("-storageDataPath={}", folder.path().display()))
            .arg(format!("-httpListenAddr={http}"))
            .args(["-retentionPeriod=100y", "-search.latencyOffset=0s", "-search.maxUniqueTimeseries=10000000"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let victoria = Self { child, http, folder };
        victoria.wait_until("it is ready", || Ok(HttpClient::new(http).read("/health").is_ok()))?;
        Ok(victoria)
    }

    /// Reports that a query finds, after points in memory became visible.
    fn count(&self) -> io::Result<u64> {
        self.read("/internal/force_flush")?;
        let path = "/api/v1/query?query=sum(count_over_time(%7B__name__=~%22windfire_.%2B%22%7D%5B3h%5D))";
        let answer: serde_json::Value = serde_json::from_slice(&self.read(path)?)?;
        let points = answer["data"]["result"][0]["value"][1].as_str().and_then(|count| count.parse::<f64>().ok());
        points.map(|points| (points / POINTS_PER_REPORT) as u64).ok_or_else(|| io::Error::other(answer.to_string()))
    }

    fn merge(&self) -> io::Result<()> {
        self.read("/internal/force_flush")?;
        self.read("/internal/force_merge")?;
        // A merge that was asked for begins a moment later.
        thread::sleep(Duration::from_secs(1));
        self.wait_until("its merges are done", || {
            let page = self.read("/metrics")?;
            let page = String::from_utf8_lossy(&page);
            let merging =
                |line: &&str| line.starts_with("vm_active_merges") || line.starts_with("vm_active_force_merges");
            Ok(page.lines().filter(merging).all(|line| line.ends_with(" 0")))
        })
    }

    fn version(&self) -> io::Result<String> {
        let page = self.read("/metrics")?;
        let page = String::from_utf8_lossy(&page);
        let line = page.lines().find(|line| line.starts_with("vm_app_version")).unwrap_or_default();
        let short = line.split("short_version=\"").nth(1).and_then(|rest| rest.split('"').next());
        // Builds of some distributions do not know their own version.
        Ok(short.unwrap_or_default().to_owned())
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        HttpClient::new(self.http).read(path)
    }

    fn wait_until(&self, what: &str, is_true: impl Fn() -> io::Result<bool>) -> io::Result<()> {
        let started = Instant::now();
        while !is_true()? {
            if started.elapsed() > TIMEOUT {
                return Err(io::Error::other(format!("VictoriaMetrics: waited {} s until {what}", TIMEOUT.as_secs())));
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

impl Drop for Victoria {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _gone_already = self.child.wait();
    }
}

/// Bodies of requests. Servers are named by their number.
fn lines(reports: &[Report]) -> Vec<Vec<u8>> {
    let body = |(chunk, reports): (usize, &[Report])| {
        let mut body = Vec::with_capacity(reports.len() * 300);
        for (place, report) in reports.iter().enumerate() {
            let _infallible = writeln!(
                body,
                "windfire,server={} cpu={},mem_used={},swap_used={},disk_used={},net_in_transfer={},net_out_transfer={},\
                 net_in_speed={},net_out_speed={},uptime={},load1={},load5={},load15={},tcp={},udp={},processes={} {}",
                chunk * REPORTS_PER_REQUEST + place,
                report.cpu,
                report.mem_used,
                report.swap_used,
                report.disk_used,
                report.net_in_transfer,
                report.net_out_transfer,
                report.net_in_speed,
                report.net_out_speed,
                report.uptime_s,
                report.load1,
                report.load5,
                report.load15,
                report.tcp_conn_count,
                report.udp_conn_count,
                report.process_count,
                report.time_ms
            );
        }
        body
    };
    reports.chunks(REPORTS_PER_REQUEST).enumerate().map(body).collect()
}

fn post(client: &mut HttpClient, body: &[u8]) -> io::Result<()> {
    match client.post("/write?precision=ms", body)?.status {
        204 => Ok(()),
        status => Err(io::Error::other(format!("VictoriaMetrics: /write: status {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_keeps_its_name_over_requests() {
        let reports = vec![Report { cpu: 1.5, time_ms: 7, ..Report::default() }; REPORTS_PER_REQUEST + 1];
        let bodies = lines(&reports);
        assert_eq!(bodies.len(), 2);
        let last = String::from_utf8_lossy(&bodies[1]).into_owned();
        assert!(last.starts_with("windfire,server=500 cpu=1.5,") && last.ends_with(" 7\n"), "{last}");
        assert_eq!(last.matches('=').count() as f64, POINTS_PER_REPORT + 1.0);
    }
}
