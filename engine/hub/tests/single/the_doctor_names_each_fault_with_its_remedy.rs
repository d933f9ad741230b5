//! Faults of the machine, the data folder, the configuration and the running hub, one after the other: the doctor says
//! what is bad and what to do, and never fails itself.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use crate::hub::doctor::{Report, Verdict, of_hub, run};
use crate::hub::{HUB, copy_folder, new_hub, quick_backoff, wait_until};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use windfire_bench::hub_process::HubProcess;
use windfire_bench::skipped;
use windfire_bench::swarm::{Swarm, SwarmOptions};
use windfire_engine::{Engine, Options};

/// A copy of a stopped hub's folder, and another one for its certificates.
struct Copy {
    folder: tempfile::TempDir,
    data: PathBuf,
}

impl Copy {
    fn of(hub: &HubProcess) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        copy_folder(hub.data(), &data);
        Self { folder, data }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.data.join(name)
    }

    fn doctor(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(HUB);
        command.arg("--data").arg(&self.data).args(["doctor", "--json", "--quic", "127.0.0.1:0"]);
        run(command.args(["--http", "127.0.0.1:0"]).args(arguments))
    }

    /// Options of a hub with a certificate that was valid for one day, and with the key of another one if asked for.
    fn certificate(&self, is_valid: bool, with_other_key: bool) -> Vec<String> {
        let mut params = CertificateParams::new(vec!["hub.example".to_owned()]).expect("a name");
        let last_year = if is_valid { 4000 } else { 2020 };
        (params.not_before, params.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(last_year, 1, 1));
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        let key = if with_other_key { KeyPair::generate().expect("a key") } else { key };
        let names = ["cert.pem", "key.pem"].map(|name| self.folder.path().join(name));
        for (name, text) in names.iter().zip([certificate, key.serialize_pem()]) {
            fs::write(name, text).expect("room");
            set_mode(name, 0o600);
        }
        let [cert, key] = names.map(|name| name.display().to_string());
        ["--https", "--https-cert", &cert, "--https-key", &key].map(str::to_owned).into()
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("own");
}

/// That check is bad, its line has these words, and the report keeps its schema.
fn is_bad(output: &Output, check: &str, words: &str) {
    let report = Report::of(output);
    let finding = report.finding(check);
    let said = format!("{}: {}", finding.seen, finding.remedy);
    assert!(finding.verdict == Verdict::Bad && said.contains(words), "{check} with {words:?}: {report:#?}");
}

#[test]
fn faults_of_a_stopped_hubs_folder_are_named() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    assert!(hub.terminate().success());
    type Spoil = fn(&Copy);
    let cases: [(Spoil, &str, &str); 13] = [
        (|copy| set_mode(&copy.data, 0o755), "folder", "chmod 700"),
        (|copy| set_mode(&copy.data, 0o1700), "folder", "a folder inside it"),
        (|copy| fs::rename(&copy.data, copy.folder.path().join("away")).expect("own"), "folder", "does not exist"),
        (
            |copy| {
                fs::rename(&copy.data, copy.folder.path().join("away")).expect("own");
                fs::write(&copy.data, "a file").expect("room");
            },
            "folder",
            "cannot be read",
        ),
        (|copy| fs::write(copy.file("FORMAT"), "windfire stor\n").expect("room"), "format", "restore a backup"),
        (|copy| fs::write(copy.file("FORMAT"), [0xff; 40]).expect("room"), "format", "restore a backup"),
        (|copy| fs::write(copy.file("FORMAT"), "windfire store 99\n").expect("room"), "format", "newer hub"),
        (|copy| fs::remove_file(copy.file("FORMAT")).expect("own"), "format", "no file FORMAT"),
        (
            |copy| {
                fs::remove_file(copy.file("FORMAT")).expect("own");
                fs::create_dir(copy.file("FORMAT")).expect("made");
            },
            "format",
            "not a file",
        ),
        (|copy| fs::create_dir(copy.file("doctor.tmp")).expect("made"), "synced_writes", "cannot be written"),
        (|copy| fs::remove_file(copy.file("tls/cert.pem")).expect("own"), "agents_certificate", "put it back"),
        (|copy| fs::write(copy.file("tls/key.pem"), "no key").expect("room"), "agents_certificate", "put both back"),
        (|copy| set_mode(&copy.file("tls/key.pem"), 0o644), "agents_key", "chmod 600"),
    ];
    for (spoil, check, words) in cases {
        let copy = Copy::of(&hub);
        spoil(&copy);
        is_bad(&copy.doctor(&[]), check, words);
    }
}

/// A user that is on no machine.
const NOBODY: u32 = 54_321;

fn give(path: &Path, user: u32) {
    let owner = format!("{user}:{user}");
    let given = Command::new("chown").arg("-R").arg(owner).arg(path).status();
    assert!(given.expect("chown").success());
}

/// Root may read every key and listen at every port. The hub's user may not, and that is what counts.
#[test]
fn root_is_told_what_the_hubs_user_may_not_do() {
    if !rustix::process::geteuid().is_root() {
        return skipped!("needs root");
    }
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    assert!(hub.terminate().success());
    let copy = Copy::of(&hub);
    let options = copy.certificate(true, false);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    // The disk may be slow, because others use it.
    let is_well = |output: &Output| {
        let report = Report::of(output);
        report.with(Verdict::Bad).iter().all(|check| *check == "synced_writes")
    };
    assert!(is_well(&copy.doctor(&options)), "all is root's: {:#?}", Report::of(&copy.doctor(&options)));

    give(copy.folder.path(), NOBODY);
    assert!(is_well(&copy.doctor(&options)), "all is the hub's: {:#?}", Report::of(&copy.doctor(&options)));
    give(&copy.folder.path().join("key.pem"), 0);
    is_bad(&copy.doctor(&options), "https_certificate", "Permission denied");
    give(copy.folder.path(), NOBODY);
    give(&copy.file("tls/cert.pem"), 0);
    is_bad(&copy.doctor(&[]), "files", &format!("chown -R {NOBODY}"));
    give(copy.folder.path(), NOBODY);
    let config = copy.folder.path().join("windfire.toml");
    fs::write(&config, "").expect("room");
    set_mode(&config, 0o600);
    is_bad(&copy.doctor(&["--config", &config.display().to_string()]), "configuration", "chown");
    let unprivileged = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    if unprivileged.trim() == "1024" {
        let mut command = Command::new(HUB);
        command.arg("--data").arg(&copy.data).args(["doctor", "--json", "--quic", "127.0.0.1:0"]);
        is_bad(&run(command.args(["--http", "127.0.0.1:81"])), "http_port", "CAP_NET_BIND_SERVICE");
    }

    // A verb that root runs would leave files that the hub cannot read.
    let refused = run(Command::new(HUB).arg("--data").arg(&copy.data).args(["server", "add", "--name", "web"]));
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && words.contains(&format!("sudo -u '#{NOBODY}' windfire")), "{words}");
    assert!(is_well(&copy.doctor(&[])), "nothing of root's is left: {:#?}", Report::of(&copy.doctor(&[])));
}

#[test]
fn a_store_that_another_process_has_open_is_named_with_that_process() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    assert!(hub.terminate().success());
    let engine = Engine::open(hub.data(), Options::default()).expect("a store");
    let output = hub.cli(&["doctor", "--json", "--http", "127.0.0.1:0", "--quic", "127.0.0.1:0"]);
    is_bad(&output, "lock", &format!("process {} has the store open", std::process::id()));
    drop(engine);
    // A socket at which something else than a hub answers.
    let listener = UnixListener::bind(hub.data().join("admin.sock")).expect("bound");
    let ends_at_once = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the doctor");
        stream.read(&mut [0; 4096]).expect("a request")
    });
    let output = hub.cli(&["doctor", "--json", "--http", "127.0.0.1:0", "--quic", "127.0.0.1:0"]);
    is_bad(&output, "hub", "ended without an answer");
    assert!(ends_at_once.join().expect("it has ended") > 0);
}

#[test]
fn faults_of_the_configuration_and_the_machine_are_named() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    assert!(hub.terminate().success());
    let copy = Copy::of(&hub);
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (udp, tcp) = ((udp.local_addr().expect("bound"), udp), (tcp.local_addr().expect("bound"), tcp));
    let alone = |arguments: &[&str]| {
        let mut command = Command::new(HUB);
        run(command.arg("--data").arg(&copy.data).args(["doctor", "--json"]).args(arguments))
    };
    is_bad(&alone(&["--http", "127.0.0.1:0", "--quic", &udp.0.to_string()]), "agents_port", "choose another port");
    is_bad(&alone(&["--quic", "127.0.0.1:0", "--http", &tcp.0.to_string()]), "http_port", "choose another port");
    drop((udp, tcp));
    is_bad(&copy.doctor(&["--config", "/not/there.toml"]), "configuration", "/not/there.toml");

    let given = |options: &[String]| copy.doctor(&options.iter().map(String::as_str).collect::<Vec<_>>());
    is_bad(&given(&copy.certificate(false, false)), "https_certificate", "days ago");
    is_bad(&given(&copy.certificate(true, true)), "https_certificate", "belong together");
    let sound = copy.certificate(true, false);
    assert_eq!(Report::of(&given(&sound)).finding("https_certificate").verdict, Verdict::Ok);
    set_mode(&copy.folder.path().join("key.pem"), 0o604);
    is_bad(&given(&sound), "https_key", "chmod 640");
    fs::remove_file(copy.folder.path().join("cert.pem")).expect("own");
    is_bad(&given(&sound), "https_certificate", "cert.pem");

    let mut few = Command::new("sh");
    few.args(["-c", "ulimit -n 200; exec \"$@\"", "sh", HUB, "--data"]).arg(&copy.data);
    let output = run(few.args(["doctor", "--json", "--http", "127.0.0.1:0", "--quic", "127.0.0.1:0"]));
    is_bad(&output, "descriptors", "LimitNOFILE");
}

#[test]
fn a_folder_of_another_user_is_a_finding() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    assert!(hub.terminate().success());
    let copy = Copy::of(&hub);
    if !rustix::process::geteuid().is_root() {
        skipped!("needs the right to become another user");
        return;
    }
    // The other user must reach both, and may not look into the folder.
    set_mode(copy.folder.path(), 0o755);
    let program = copy.folder.path().join("windfire");
    fs::copy(HUB, &program).expect("room");
    set_mode(&program, 0o755);
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&program);
    command.current_dir("/").arg("--data").arg(&copy.data);
    let output = run(command.args(["doctor", "--json", "--http", "127.0.0.1:0", "--quic", "127.0.0.1:0"]));
    if output.stdout.is_empty() {
        skipped!("{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    is_bad(&output, "folder", "as user 0");
    assert_ne!(Report::of(&output).finding("lock").verdict, Verdict::Ok);
}

#[test]
fn faults_of_a_running_hub_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // A write past a file's limit then fails with an error instead of a signal, as on a full disk.
    let limited = folder.path().join("limited-hub");
    fs::write(&limited, format!("#!/bin/bash\ntrap '' XFSZ\nexec '{HUB}' \"$@\"\n")).expect("written");
    set_mode(&limited, 0o755);
    let mut hub = HubProcess::new(&limited, &folder.path().join("data"), &[]);
    let credentials = hub.make_servers(3, "web");
    hub.start();
    let finding = |check: &str, more: &[&str]| {
        let report = of_hub(&hub, more);
        let finding = report.finding(check);
        (finding.verdict, format!("{}: {}", finding.seen, finding.remedy))
    };
    let becomes_bad = |check: &str, more: &[&str], words: &str| {
        wait_until(&format!("{check} is bad, with {words:?}"), || {
            let (verdict, said) = finding(check, more);
            verdict == Verdict::Bad && said.contains(words)
        });
    };
    let elsewhere = hub.cli(&["doctor", "--json", "--http", "127.0.0.1:1", "--quic", &hub.quic().to_string()]);
    is_bad(&elsewhere, "http_port", "does not answer there");
    let elsewhere = Report::of(&hub.cli(&["doctor", "--json", "--http", &hub.http().to_string()]));
    assert_eq!(elsewhere.finding("agents_port").verdict, Verdict::Warn, "another port than the usual one");

    let settings = ["--set", "base_url=http://127.0.0.1:9", "--set", "chat_id=1", "--set", "token=1:secret"];
    let channel = ["channel", "add", "--name", "ops", "--kind", "telegram"];
    assert!(hub.cli(&[&channel[..], &settings].concat()).status.success());
    assert!(hub.cli(&["channel", "test", "1"]).status.success());
    becomes_bad("channels", &[], "\"ops\"");

    let options = SwarmOptions {
        interval: Duration::from_millis(20),
        backoff: quick_backoff(),
        ack_each_report: false,
        ..SwarmOptions::default()
    };
    let mut swarm = Swarm::start(&hub, &credentials, options);
    wait_until("reports are taken", || hub.metric("windfire_reports_durable_total") > 30.0);
    assert_eq!(finding("servers", &[]).0, Verdict::Ok);
    let pid = Pid::from_raw(hub.pid().cast_signed()).expect("a process");
    let limit_files = |bytes| prlimit(Some(pid), Resource::Fsize, Rlimit { current: bytes, maximum: None });
    limit_files(Some(0)).expect("own child");
    becomes_bad("commits", &[], "takes no writes");
    limit_files(None).expect("own child");
    wait_until("the hub is well again", || hub.get("/readyz", "").status == 200);
    assert_eq!(finding("commits", &[]).0, Verdict::Warn, "it remembers");

    swarm.finish();
    becomes_bad("servers", &["--offline-after-s", "5"], "3 of tag \"web\"");
}
