//! Tokens, passwords and credentials that are guessed, as fast as this machine can: each try is counted, passwords and
//! credentials have a pace, and clients of another address are answered and welcome meanwhile.

use std::io::{BufReader, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::hub::flood::{
    ATTACKER, Bystanders, HONEST, MIB, NEWCOMER, NEWCOMER_MAX, connect_from, counted, read_status,
};
use crate::hub::new_hub;
use crate::hub::panel::Panel;
use crate::hub::raw_agent::{RawAgent, client_config, hello};
use crate::hub::sick_disk::Reader;
use quinn::{ClientConfig, Endpoint};
use tokio::task::JoinSet;
use windfire_bench::hub_process::HubProcess;
use windfire_bench::tally;
use windfire_wire::{Down, FrameReader, PROTOCOL_VERSION, RefuseReason, decode_down, encode_up};

/// Requests that one connection sends before it reads their answers.
const TOKENS_AT_ONCE: usize = 100;
const TOKENS_TIME: Duration = Duration::from_secs(3);
const PASSWORDS: usize = 30;
/// Tries to sign in that an address has at once, and the time after which one more comes back.
const PASSWORDS_AT_ONCE: f64 = 10.0;
const PASSWORD_INTERVAL: Duration = Duration::from_secs(30);
/// Guesses of credentials: more than an address has at once, if this machine makes them in the time.
const CREDENTIALS: usize = 6000;
const CREDENTIALS_TIME: Duration = Duration::from_secs(6);
const CREDENTIALS_AT_ONCE: usize = 64;
/// What an address may try: so many at once, and so many in each second.
const STRANGERS_AT_ONCE: f64 = 4096.0;
const STRANGERS_PER_S: f64 = 100.0;
const GROWTH_BYTES_MAX: u64 = 96 * MIB;

/// Guesses tokens on one connection for some time. Returns how many.
fn guess_tokens(hub: &HubProcess) -> usize {
    let mut connection = BufReader::new(connect_from(ATTACKER, hub));
    let (began, mut tried) = (Instant::now(), 0);
    while began.elapsed() < TOKENS_TIME {
        let guess = |number: usize| {
            format!("GET /api/v1/server/list HTTP/1.1\r\nHost: hub\r\nAuthorization: {number:032x}\r\n\r\n")
        };
        let guesses: String = (tried..tried + TOKENS_AT_ONCE).map(guess).collect();
        connection.get_mut().write_all(guesses.as_bytes()).expect("sent");
        for _ in 0..TOKENS_AT_ONCE {
            // As Nezha, which says in the body that the token is wrong.
            assert_eq!(read_status(&mut connection), 200);
        }
        tried += TOKENS_AT_ONCE;
    }
    tried
}

/// Guesses a password once, and returns the status.
fn guess_password(hub: &HubProcess, number: usize) -> u16 {
    let mut connection = BufReader::new(connect_from(ATTACKER, hub));
    let body = format!("{{\"user\":\"admin\",\"password\":\"a guess {number}\"}}");
    let head = "POST /api/v1/session HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nContent-Length";
    write!(connection.get_mut(), "{head}: {}\r\n\r\n{body}", body.len()).expect("sent");
    read_status(&mut connection)
}

/// Guesses a credential once. Returns whether the hub said that it is wrong.
async fn guess_credential(hub: SocketAddr, config: ClientConfig, endpoint: Endpoint, number: usize) -> bool {
    let Ok(connection) = endpoint.connect_with(config, hub, "hub").expect("started").await else { return false };
    let Ok((mut send, mut recv)) = connection.open_bi().await else { return false };
    let mut bytes = Vec::new();
    encode_up(&hello(format!("{number:032x}"), PROTOCOL_VERSION), &mut bytes).expect("within limits");
    let _taken = send.write_all(&bytes).await;
    let mut reader = FrameReader::new();
    reader.feed(&recv.read_to_end(4096).await.unwrap_or_default());
    let said = reader.next_body().expect("well-formed").map(|body| decode_down(body).expect("well-formed"));
    matches!(said, Some(Down::Refuse { reason: RefuseReason::BadCredential, .. }))
}

/// Guesses credentials for some time, and until a new agent that comes meanwhile is welcome. Returns how many tries
/// there were, and how many got as far as to be told that they were wrong.
async fn guess_credentials(hub: &HubProcess, newcomer: &str) -> (usize, usize) {
    let endpoint = Endpoint::client((ATTACKER, 0).into()).expect("a socket");
    let (config, quic) = (client_config(hub), hub.quic());
    let (tried, told) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let may_end = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let mut guessing = JoinSet::new();
    for _ in 0..CREDENTIALS_AT_ONCE {
        let (config, endpoint, tried, told) = (config.clone(), endpoint.clone(), Arc::clone(&tried), Arc::clone(&told));
        let may_end = Arc::clone(&may_end);
        guessing.spawn(async move {
            let is_enough = || began.elapsed() >= CREDENTIALS_TIME || tried.load(Ordering::Relaxed) >= CREDENTIALS;
            while !(is_enough() && may_end.load(Ordering::Relaxed)) {
                let number = tried.fetch_add(1, Ordering::Relaxed);
                let is_told = guess_credential(quic, config.clone(), endpoint.clone(), number).await;
                told.fetch_add(usize::from(is_told), Ordering::Relaxed);
            }
        });
    }
    while told.load(Ordering::Relaxed) < CREDENTIALS_AT_ONCE && began.elapsed() < CREDENTIALS_TIME {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let asked = Instant::now();
    let own = Endpoint::client((NEWCOMER, 0).into()).expect("a socket");
    let _agent = RawAgent::connect(hub, &own, newcomer.to_owned(), PROTOCOL_VERSION).await;
    tally!("a new agent was welcome after {:?}", asked.elapsed());
    assert!(asked.elapsed() < NEWCOMER_MAX, "a new agent waited {:?}", asked.elapsed());
    may_end.store(true, Ordering::Relaxed);
    guessing.join_all().await;
    (tried.load(Ordering::Relaxed), told.load(Ordering::Relaxed))
}

#[test]
fn secrets_tried_as_fast_as_a_machine_can_cost_only_who_tries() {
    let (_folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(HONEST + 1, "shop");
    let token = hub.make_token();
    hub.start();
    let bystanders = Bystanders::start(&hub, &credentials);
    let browser = Reader::start(&hub, &token, &[]);

    let tried: usize = std::thread::scope(|scope| {
        let guessing = [scope.spawn(|| guess_tokens(&hub)), scope.spawn(|| guess_tokens(&hub))];
        guessing.map(|thread| thread.join().expect("no panic")).into_iter().sum()
    });
    tally!("{tried} tokens in {TOKENS_TIME:?}: {:.0} a second", tried as f64 / TOKENS_TIME.as_secs_f64());
    assert_eq!(hub.metric("windfire_tokens_unknown_total"), tried as f64);

    let began = Instant::now();
    let statuses: Vec<u16> = (0..PASSWORDS).map(|number| guess_password(&hub, number)).collect();
    let wrong = statuses.iter().filter(|status| **status == 401).count();
    let limited = statuses.iter().filter(|status| **status == 429).count();
    tally!("{PASSWORDS} passwords: {wrong} were wrong, {limited} came too often");
    let wrong_max = PASSWORDS_AT_ONCE + began.elapsed().div_duration_f64(PASSWORD_INTERVAL);
    assert!(wrong > 0 && wrong as f64 <= wrong_max && wrong + limited == PASSWORDS, "{statuses:?}");
    assert_eq!(hub.metric("windfire_passwords_wrong_total"), wrong as f64);
    assert_eq!(hub.metric("windfire_sign_ins_limited_total"), limited as f64);
    // The administrator has another address.
    let admin = Panel::of_admin(&hub);
    assert_eq!(admin.get(&hub, "/api/v1/session").status, 200);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let began = Instant::now();
    let (tried, told) = runtime.block_on(guess_credentials(&hub, &credentials[HONEST]));
    let took_s = began.elapsed().as_secs_f64();
    let answers = browser.finish();
    bystanders.judge("secrets that are guessed", GROWTH_BYTES_MAX);
    let wrong = counted(&hub, "windfire_refusals_total", "reason", "bad_credential");
    let refused = hub.metric("windfire_handshakes_refused_total");
    tally!("{tried} credentials in {took_s:.1} s: {wrong} were wrong, {told} were told; {refused} had to wait");
    tally!("a browser: {answers:?}");
    let allowed = STRANGERS_AT_ONCE + STRANGERS_PER_S * took_s + CREDENTIALS_AT_ONCE as f64;
    assert!(wrong > 0.0 && wrong <= allowed, "{wrong} were let in, {allowed} may be");
    assert!(wrong + refused >= 0.95 * tried as f64, "{wrong} and {refused} of {tried} are counted");
}
