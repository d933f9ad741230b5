//! A disk whose writes hang, while people sign in, an agent enrols and reports come: whatever is only read is answered as
//! ever, known agents keep their sessions, and when the disk is back everything goes on, with each report in history once.

use std::io::Read;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::hub::frozen_disk::FrozenDisk;
use crate::hub::panel::{Panel, password, sign_in};
use crate::hub::raw_agent::RawAgent;
use crate::hub::{HUB, quick_backoff, wait_until};
use quinn::Endpoint;
use windfire_bench::given::given;
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::{Swarm, SwarmOptions};
use windfire_bench::{skipped, tally};
use windfire_wire::{Down, Enrol, Hello, HelloClock, PROTOCOL_VERSION, Up};

const AGENTS: usize = 30;
/// An answer that waits for the disk does not come at all, because the disk hangs until all are answered. One that
/// takes longer than this has waited for something else, also on a machine that stands still for some seconds.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// Pieces of the live stream that must come while the disk hangs. They come one each second.
const PIECES: u64 = 3;
/// Less than clients, and agents without keep-alive, wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the disk hangs: `FROZEN_S` seconds.
fn hangs_for() -> Duration {
    Duration::from_secs(given("FROZEN_S", 5))
}

/// Sleeps until what needs the disk is to be asked for: so late that no client gives up before the disk is back.
fn sleep_until_late() {
    thread::sleep(hangs_for().saturating_sub(PATIENCE));
}

#[test]
fn a_disk_that_hangs_holds_up_no_answer() {
    let disk = match FrozenDisk::mount() {
        Ok(disk) => disk,
        Err(why) => return skipped!("no file system can be mounted here: {why}"),
    };
    let mut hub = HubProcess::new(Path::new(HUB), &disk.path().join("data"), &[]);
    let credentials = hub.make_servers(AGENTS, "");
    let token = hub.make_token();
    hub.start();
    let admin_password = password(&hub, "admin");
    let panel = Panel::of_answer(&sign_in(&hub, "admin", &admin_password, &[]));
    let panel_again = Panel::of_answer(&sign_in(&hub, "admin", &admin_password, &[]));
    let enrol_token = panel.done(&hub, "POST", "/api/v1/enrol-token", &serde_json::json!({"note": "", "tag": ""}));
    let enrol_token = enrol_token["token"].as_str().expect("text").to_owned();
    let options =
        SwarmOptions { interval: Duration::from_millis(100), backoff: quick_backoff(), ..SwarmOptions::default() };
    let mut swarm = Swarm::start(&hub, &credentials, options);
    // An agent that has an ack was welcome, so its session is counted as opened.
    wait_until("everybody has an ack", || swarm.accounts().iter().all(|account| account.acked > 0));
    let opened = hub.metric("windfire_sessions_opened_total");
    let events = Arc::new(AtomicU64::new(0));
    let is_over = Arc::new(AtomicBool::new(false));
    let watcher = thread::spawn({
        let (http, events, is_over, token) = (hub.http(), Arc::clone(&events), Arc::clone(&is_over), token.clone());
        move || watch(http, &token, &events, &is_over)
    });
    wait_until("the live stream shows something", || events.load(Ordering::Acquire) > 0);

    let frozen = disk.freeze();
    let began = Instant::now();
    let (slowest, seen) = thread::scope(|scope| {
        let signing_in = scope.spawn(|| {
            sleep_until_late();
            sign_in(&hub, "admin", &admin_password, &[]).status
        });
        let changing = scope.spawn(|| {
            sleep_until_late();
            let server = serde_json::json!({"name": "made meanwhile"});
            panel.change(&hub, "POST", "/api/v1/manage/server", &server).status
        });
        let enrolling = scope.spawn(|| {
            sleep_until_late();
            enrol(&hub, enrol_token);
        });
        let events_before = events.load(Ordering::Acquire);
        let mut slowest = [("", Duration::ZERO); 6];
        while began.elapsed() < hangs_for() {
            let asked: [(&str, &dyn Fn() -> u16); 6] = [
                ("/healthz", &|| hub.get("/healthz", "").status),
                ("/readyz", &|| hub.get("/readyz", "").status),
                ("/metrics", &|| hub.get("/metrics", "").status),
                ("details", &|| hub.get("/api/v1/server/details", &token).status),
                ("a cookie's session", &|| panel_again.get(&hub, "/api/v1/session").status),
                ("the panel's list", &|| panel_again.get(&hub, "/api/v1/manage/server").status),
            ];
            for ((what, ask), slowest) in asked.into_iter().zip(&mut slowest) {
                let sent = Instant::now();
                assert_eq!(ask(), 200, "{what} after {:?}", began.elapsed());
                *slowest = (what, slowest.1.max(sent.elapsed()));
            }
            thread::sleep(Duration::from_millis(20));
        }
        let seen = || events.load(Ordering::Acquire) - events_before;
        // A reader that was busy finds several in one piece.
        wait_until("the live stream goes on", || seen() >= PIECES);
        let seen = seen();
        assert!(!changing.is_finished() && !enrolling.is_finished(), "the disk did not hang");
        drop(frozen);
        assert_eq!(signing_in.join().expect("an answer"), 200);
        assert_eq!(changing.join().expect("an answer"), 200);
        enrolling.join().expect("enrolled");
        (slowest, seen)
    });
    tally!("the disk hung for {:?}; slowest answers {slowest:?}; {seen} pieces of the live stream", hangs_for());
    assert!(slowest.iter().all(|(_, took)| *took < ANSWER_MAX), "{slowest:?}");
    let durable = hub.metric("windfire_reports_durable_total");
    wait_until("reports are durable again", || hub.metric("windfire_reports_durable_total") > durable + 100.0);
    // The one that enrolled opened one of its own.
    assert_eq!(hub.metric("windfire_sessions_opened_total"), opened + 1.0, "known agents keep their sessions");
    is_over.store(true, Ordering::Release);
    let accounts = swarm.settle();
    watcher.join().expect("a stream");
    assert!(accounts.iter().all(|account| account.acked == account.pushed), "everything is acknowledged");
    assert!(hub.terminate().success());
    assert_eq!(hub.check_history(accounts.iter().map(|account| account.pushed)), (0, 0));
}

/// Counts what comes of the live stream until told.
fn watch(http: std::net::SocketAddr, token: &str, pieces: &AtomicU64, is_over: &AtomicBool) {
    use std::io::Write;
    let mut stream = TcpStream::connect(http).expect("a hub");
    stream.set_read_timeout(Some(Duration::from_millis(200))).expect("a socket");
    let head = format!("GET /api/v1/server/stream HTTP/1.1\r\nHost: hub\r\nAuthorization: {token}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("written");
    let mut piece = [0; 64 * 1024];
    while !is_over.load(Ordering::Acquire) {
        if stream.read(&mut piece).is_ok_and(|read| read > 0) {
            pieces.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// A machine of an image, which comes back until it is welcome.
fn enrol(hub: &HubProcess, token: String) {
    let hello = Up::Hello(Hello {
        protocol: PROTOCOL_VERSION,
        credential: "0123456789abcdef0123456789abcdef".to_owned(),
        enrol: Some(Enrol { token, name: "new".to_owned() }),
        agent_version: String::new(),
        outbox_id: 9,
        clock: Some(HelloClock { now_ms: windfire_bench::clock::unix_ms(), uptime_ms: 1 }),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let endpoint = Endpoint::client("127.0.0.1:0".parse().expect("an address")).expect("a socket");
        let mut agent = RawAgent::open(hub, &endpoint).await;
        agent.say(&hello).await;
        assert!(matches!(agent.hear().await, Down::Welcome(_)));
    });
}
