//! A real hub: its process, its ports, its command line, and its use of CPU and memory.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use windfire_agent::trust::Fingerprint;
use windfire_engine::sample::Sample;
use windfire_engine::server::NewServer;
use windfire_engine::token::NewToken;
use windfire_engine::{Engine, Options, Selection, ServerView};

use crate::clock::unix_ms;

const DAY_MS: i64 = 86_400_000;
/// Ports of hubs: outside of the range from which the system takes those of connections. A hub that was stopped must
/// get its ports again.
const PORTS: Range<u16> = 10_000..30_000;
/// Ports that are tried for one address.
const PORT_TRIES: usize = 1000;

/// How long a hub may take until it is ready or gone.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Time for history to read the log after a start.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(300);

/// A hub's binary and data folder. The hub may run or not.
pub struct HubProcess {
    binary: PathBuf,
    data: PathBuf,
    arguments: Vec<String>,
    /// Variables that it gets besides the tester's.
    variables: Vec<(String, OsString)>,
    /// Cores that it may use, as `taskset` names them; all when empty.
    cores: String,
    running: Option<Running>,
    log: Arc<Mutex<Vec<String>>>,
    /// Known after the first start, and kept by later ones.
    addresses: Option<Addresses>,
    /// Ids of the servers that were created or found here, in ascending order: those that a swarm reports for.
    servers: Mutex<Vec<u64>>,
}

#[derive(Debug, Clone, Copy)]
struct Addresses {
    http: SocketAddr,
    quic: SocketAddr,
    fingerprint: Fingerprint,
}

struct Running {
    child: Child,
    log_reader: thread::JoinHandle<()>,
}

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    /// Status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As sent.
    pub body: Vec<u8>,
}

impl HttpAnswer {
    /// The first header of that lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What a process has used so far, and has now.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// User CPU, seconds.
    pub user_s: f64,
    /// System CPU, seconds.
    pub sys_s: f64,
    /// Resident memory, bytes.
    pub rss_bytes: u64,
    /// Files, sockets and pipes that are open.
    pub open_files: u64,
}

impl Usage {
    /// User and system CPU, seconds.
    pub fn cpu_s(&self) -> f64 {
        self.user_s + self.sys_s
    }
}

impl HubProcess {
    /// A hub that does not run yet. `arguments` are added to `serve`.
    pub fn new(binary: &Path, data: &Path, arguments: &[&str]) -> Self {
        Self {
            binary: binary.to_owned(),
            data: data.to_owned(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            variables: Vec::new(),
            cores: String::new(),
            running: None,
            log: Arc::default(),
            addresses: None,
            servers: Mutex::default(),
        }
    }

    /// The same hub with a variable.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// The same hub on these cores only, as `taskset -c` takes them.
    #[must_use]
    pub fn on_cores(mut self, cores: &str) -> Self {
        cores.clone_into(&mut self.cores);
        self
    }

    /// Creates servers in the stopped hub's store, much faster than one by one. Returns their credentials in ascending
    /// id.
    ///
    /// # Panics
    /// When the store cannot be used.
    pub fn make_servers(&self, count: usize, tag: &str) -> Vec<String> {
        let engine = Engine::open(&self.data, Options::default()).expect("the store of a stopped hub");
        let server = |number: usize| NewServer {
            name: format!("server-{number:05}"),
            tag: tag.to_owned(),
            ..NewServer::default()
        };
        let add = |number| {
            let made = engine.registry().add_server(server(number), 0).expect("room for a server");
            self.servers.lock().push(made.id);
            made.credential
        };
        (0..count).map(add).collect()
    }

    /// Gives each server of the stopped hub's store a new credential, and returns these in ascending id.
    ///
    /// # Panics
    /// When the store cannot be used.
    pub fn rotate_credentials(&self) -> Vec<String> {
        let engine = Engine::open(&self.data, Options::default()).expect("the store of a stopped hub");
        self.servers.lock().clear();
        let rotate = |view: ServerView| {
            self.servers.lock().push(view.record.id);
            engine.registry().rotate_credential(view.record.id).expect("known").credential
        };
        engine.snapshot(Selection::All).into_iter().map(rotate).collect()
    }

    /// Checks for the servers of another hub, whose data this one got.
    pub fn adopt_servers(&self, other: &Self) {
        let servers = other.servers.lock().clone();
        *self.servers.lock() = servers;
    }

    /// Excludes the server that was created last from the checks, because its reports are not counted.
    pub fn leave_out_last(&self) {
        self.servers.lock().pop();
    }

    /// Creates an API token in the stopped hub's store.
    ///
    /// # Panics
    /// When the store cannot be used.
    pub fn make_token(&self) -> String {
        let engine = Engine::open(&self.data, Options::default()).expect("the store of a stopped hub");
        engine.registry().add_token(NewToken::of_v0("harness"), 0).expect("room for a token").1
    }

    /// The numbers in a [`crate::swarm::Swarm`]'s reports, otherwise as [`HubProcess::samples`].
    ///
    /// # Panics
    /// As [`HubProcess::samples`].
    pub fn reported_numbers(&self) -> Vec<Vec<u64>> {
        let numbers = |samples: Vec<Sample>| samples.iter().map(|sample| sample.udp_conn_count).collect();
        self.samples().into_iter().map(numbers).collect()
    }

    /// The last day of each server in ascending id, in the order in which the stopped hub took it. It comes from the
    /// whole history, which is also checked.
    ///
    /// # Panics
    /// When the store cannot be used, history is damaged, or a server that was created here is gone.
    pub fn samples(&self) -> Vec<Vec<Sample>> {
        let engine = Engine::open(&self.data, Options::default()).expect("the store of a stopped hub");
        let verified = engine.history().verify().expect("readable");
        assert_eq!((verified.corrupt_blocks, verified.doubled), (0, 0), "{:?}", verified.corrupt);
        let views = engine.snapshot(Selection::All);
        let found: Vec<u64> = views.iter().map(|view| view.record.id).collect();
        let missing: Vec<u64> = self.servers.lock().iter().copied().filter(|id| !found.contains(id)).collect();
        assert!(missing.is_empty(), "the hub has lost servers {missing:?}");
        let samples = |view: ServerView| {
            let mut samples = Vec::new();
            let mut visit = |sequence: u64, sample: &Sample| samples.push((sequence, sample.clone()));
            let now_ms = unix_ms();
            engine.history().reports(view.record.id, now_ms - DAY_MS, now_ms + DAY_MS, &mut visit).expect("readable");
            samples.sort_by_key(|(sequence, _)| *sequence);
            samples.into_iter().map(|(_, sample)| sample).collect()
        };
        views.into_iter().map(samples).collect()
    }

    /// Compares the stopped hub's history with the agents' reports, for each server that was created here. Returns the
    /// reports that are missing, and those that are there more than once or that no agent made. If the hub has lost a
    /// server, all of its reports are missing. It reads one server after the other, so that a large history fits into
    /// memory.
    ///
    /// # Panics
    /// When the store cannot be used, or `pushed` has not as many entries as servers were created here.
    pub fn check_history(&self, pushed: impl Iterator<Item = u64>) -> (u64, u64) {
        let engine = Engine::open(&self.data, Options::default()).expect("the store of a stopped hub");
        let now_ms = unix_ms();
        let (servers, pushed) = (self.servers.lock(), pushed.collect::<Vec<_>>());
        assert_eq!(servers.len(), pushed.len(), "an account for each server that was created");
        let (mut lost, mut doubled) = (0, 0);
        for (id, pushed) in servers.iter().zip(pushed) {
            let mut is_there = vec![false; usize::try_from(pushed).unwrap_or(0)];
            let mut visit = |_, sample: &Sample| {
                let place = usize::try_from(sample.udp_conn_count).ok().and_then(|number| number.checked_sub(1));
                match place.and_then(|place| is_there.get_mut(place)) {
                    Some(is_there) if !*is_there => *is_there = true,
                    _ => doubled += 1,
                }
            };
            // A server that is not there has no report.
            engine.history().reports(*id, now_ms - DAY_MS, now_ms + DAY_MS, &mut visit).expect("readable");
            lost += is_there.iter().filter(|is_there| !**is_there).count() as u64;
        }
        (lost, doubled)
    }

    /// Starts the hub and waits until it is ready. If it ends instead, the error has its last words. The first start
    /// chooses ports that are free, later ones keep them.
    ///
    /// # Errors
    /// The hub ended.
    ///
    /// # Panics
    /// When it cannot be run at all, or is neither ready nor gone in time.
    pub fn try_start(&mut self) -> Result<(), String> {
        let (http, quic) = match self.addresses {
            Some(known) => (known.http.to_string(), known.quic.to_string()),
            None => (free_address(TcpListener::bind), free_address(UdpSocket::bind)),
        };
        let mut child = self
            .command()
            .arg("serve")
            .args(["--http", &http, "--quic", &quic])
            // A store that was created here, before there was a hub, has no certificate yet.
            .args(self.addresses.is_none().then_some("--new-certificate"))
            .args(&self.arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.binary.display()));
        let (sender, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let log = Arc::clone(&self.log);
        let log_reader = thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                log.lock().push(line.clone());
                let _nobody_waits_any_more = sender.send(line);
            }
        });
        self.running = Some(Running { child, log_reader });
        match wait_until_ready(&lines) {
            Ok(addresses) => {
                self.addresses = Some(addresses);
                Ok(())
            }
            Err(last_words) => {
                self.kill();
                Err(last_words)
            }
        }
    }

    /// [`HubProcess::start_at_once`], then waits until history has read the log of the run before.
    ///
    /// # Panics
    /// As [`HubProcess::start_at_once`], and when history takes too long.
    pub fn start(&mut self) {
        self.start_at_once();
        let deadline = Instant::now() + CATCH_UP_TIMEOUT;
        // A hub of an earlier version has no such line, and has read the log when it answers.
        let is_behind = |line: &str| line.starts_with("windfire_catch_up_commits ") && !line.ends_with(" 0");
        while self.get("/metrics", "").text().lines().any(is_behind) {
            assert!(Instant::now() < deadline, "history does not get through the log");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// [`HubProcess::try_start`] for a hub that must start.
    ///
    /// # Panics
    /// When it does not, with its last words.
    pub fn start_at_once(&mut self) {
        self.try_start().unwrap_or_else(|last_words| panic!("the hub did not start: {last_words}"));
    }

    /// Ends it with `kill -9`.
    pub fn kill(&mut self) {
        if let Some(Running { mut child, log_reader }) = self.running.take() {
            let _may_be_gone = child.kill();
            let _reaped = child.wait();
            let _ended = log_reader.join();
        }
    }

    /// Ends it with `kill -TERM`. Returns how it ended.
    ///
    /// # Panics
    /// When it does not run.
    pub fn terminate(&mut self) -> ExitStatus {
        let Running { mut child, log_reader } = self.running.take().expect("a running hub");
        rustix::process::kill_process(pid_of(&child), rustix::process::Signal::TERM).expect("own child");
        let status = child.wait().expect("own child");
        let _ended = log_reader.join();
        status
    }

    /// Runs a verb of the command line on this hub's data folder.
    ///
    /// # Panics
    /// When the binary cannot be run.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().expect("the hub's binary")
    }

    /// Address for HTTP.
    ///
    /// # Panics
    /// Before the first start.
    pub fn http(&self) -> SocketAddr {
        self.known().http
    }

    /// Address for agents.
    ///
    /// # Panics
    /// Before the first start.
    pub fn quic(&self) -> SocketAddr {
        self.known().quic
    }

    /// Fingerprint of the hub's certificate.
    ///
    /// # Panics
    /// Before the first start.
    pub fn fingerprint(&self) -> Fingerprint {
        self.known().fingerprint
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The process id.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pid(&self) -> u32 {
        self.running.as_ref().expect("a running hub").child.id()
    }

    /// The hub's log, over all its starts.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().clone()
    }

    /// One HTTP exchange.
    ///
    /// # Errors
    /// The hub cannot be reached or does not answer in HTTP.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<HttpAnswer> {
        request(self.http(), method, path, headers, body)
    }

    /// `GET` with a token.
    ///
    /// # Panics
    /// When the hub does not answer.
    pub fn get(&self, path: &str, token: &str) -> HttpAnswer {
        self.request("GET", path, &[("Authorization", token)], b"").expect("an answer")
    }

    /// One number from `/metrics`.
    ///
    /// # Panics
    /// When the hub does not answer, or has no such metric.
    pub fn metric(&self, name: &str) -> f64 {
        let page = self.get("/metrics", "").text();
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no metric {name}"))
    }

    /// The CPU time and memory that the hub's process has used so far.
    ///
    /// # Panics
    /// When it does not run, or there is no `/proc`.
    pub fn usage(&self) -> Usage {
        usage_of(self.pid())
    }

    fn command(&self) -> Command {
        let mut command = if self.cores.is_empty() {
            Command::new(&self.binary)
        } else {
            // It becomes the hub, so the process id is the hub's.
            let mut command = Command::new("taskset");
            command.args(["-c", &self.cores]).arg(&self.binary);
            command
        };
        command.arg("--data").arg(&self.data);
        // The tester's own settings must not leak into the tests.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("WINDFIRE_")) {
            command.env_remove(name);
        }
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    fn known(&self) -> &Addresses {
        self.addresses.as_ref().expect("a hub that was started")
    }
}

impl Drop for HubProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One HTTP exchange over its own connection.
///
/// # Errors
/// The address cannot be reached, or does not answer in HTTP.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<HttpAnswer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(START_TIMEOUT))?;
    exchange(&mut stream, "hub", method, path, headers, body)
}

/// One HTTP exchange with that `Host`, which ends the connection.
///
/// # Errors
/// The connection breaks, or the other side does not answer in HTTP.
pub fn exchange(
    stream: &mut (impl Read + Write),
    host: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<HttpAnswer> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    stream.write_all(request.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse_answer(&answer).ok_or_else(|| io::Error::other("not an HTTP answer"))
}

/// What a process uses, from `/proc`.
///
/// # Panics
/// When there is no such process.
pub fn usage_of(pid: u32) -> Usage {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running process");
    // The name in parentheses may hold anything, so fields are counted after it.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    let ticks_per_s = rustix::param::clock_ticks_per_second() as f64;
    Usage {
        user_s: number(11) / ticks_per_s,
        sys_s: number(12) / ticks_per_s,
        rss_bytes: number(21) as u64 * rustix::param::page_size() as u64,
        open_files: fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |entries| entries.count() as u64),
    }
}

/// An address of this machine at which nothing listens now.
fn free_address<Socket>(bind: impl Fn(SocketAddr) -> io::Result<Socket>) -> String {
    let address = |_| SocketAddr::from((Ipv4Addr::LOCALHOST, fastrand::u16(PORTS)));
    let mut addresses = (0..PORT_TRIES).map(address);
    addresses.find(|address| bind(*address).is_ok()).expect("a free port").to_string()
}

fn wait_until_ready(lines: &Receiver<String>) -> Result<Addresses, String> {
    let mut last = String::from("(nothing)");
    loop {
        match lines.recv_timeout(START_TIMEOUT) {
            Ok(line) => match parse_ready(&line) {
                Some(addresses) => return Ok(addresses),
                None => last = line,
            },
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return Err(last),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("the hub is neither ready nor gone: {last}"),
        }
    }
}

fn parse_ready(line: &str) -> Option<Addresses> {
    // As text or as JSON.
    let field = |name: &str| {
        let value = line.split_once(&format!(" {name}=\"")).or_else(|| line.split_once(&format!("\"{name}\":\"")));
        value?.1.split('"').next()
    };
    Some(Addresses {
        // A base path may be behind it.
        http: field("http")?.split_once("://")?.1.split('/').next()?.parse().ok()?,
        quic: field("quic")?.parse().ok()?,
        fingerprint: field("fingerprint")?.parse().ok()?,
    })
}

fn parse_answer(answer: &[u8]) -> Option<HttpAnswer> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let header = |line: &str| line.split_once(':').map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()));
    let headers: Vec<(String, String)> = lines.filter_map(header).collect();
    let is_chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = &answer[end + 4..];
    let body = if is_chunked { join_chunks(body)? } else { body.to_vec() };
    Some(HttpAnswer { status, headers, body })
}

/// A chunked body in one piece. `None` if it is incomplete.
fn join_chunks(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut joined = Vec::new();
    loop {
        let line = body.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&body[..line]).ok()?, 16).ok()?;
        if length == 0 {
            return Some(joined);
        }
        joined.extend_from_slice(body.get(line + 2..line + 2 + length)?);
        body = body.get(line + 2 + length + 2..)?;
    }
}

fn pid_of(child: &Child) -> rustix::process::Pid {
    rustix::process::Pid::from_child(child)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_the_hub_lost_is_missed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let hub = HubProcess::new(Path::new("windfire"), folder.path(), &[]);
        hub.make_servers(3, "");
        assert_eq!(hub.check_history([0, 0, 0].into_iter()), (0, 0));
        let engine = Engine::open(folder.path(), Options::default()).expect("a store");
        engine.registry().remove_servers(&[1]).expect("there");
        drop(engine);
        assert_eq!(hub.check_history([7, 0, 0].into_iter()), (7, 0), "its reports are lost, and no other's");
        assert!(
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| hub.reported_numbers())).is_err(),
            "it is named"
        );
    }
}
