//! A hub that an agent trusts and that means ill: whatever it sends, the agent starts no program, opens no file for writing
//! but its spool's, talks to no other address, and keeps within its bounds. Then an honest hub in its place gets the reports,
//! under numbers that it can take.
//!
//! The agents run under `strace`, which sees what they ask of the system. Without it the test is skipped and says so.

#[allow(dead_code, reason = "only agents are needed")]
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::fake_hub::{FakeHub, FakeSession};
use crate::hub::agent_process::{AgentProcess, program};
use windfire_agent::limits::REPORT_INTERVAL_MIN;
use windfire_bench::{skipped, tally};
use windfire_engine::limits::SEQUENCE_JUMP_MAX;
use windfire_wire::limits::{FRAME_BODY_BYTES_MAX, LENGTH_PREFIX_BYTES, REPORTS_PER_FRAME_MAX};
use windfire_wire::{Down, RefuseReason, ReportChain, Up, Welcome, encode_down};

/// Memory that an agent may ever have taken: four times what a quiet one takes.
const MEMORY_KIB_MAX: u64 = 24 * 1024;
/// Reports that the honest hub waits for.
const REPORTS: usize = 2;

/// Calls of the system that are looked at. Some machines lack those with a question mark.
const CALLS: [&str; 17] = [
    "execve",
    "execveat",
    "?open",
    "openat",
    "openat2",
    "?creat",
    "connect",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "?unlink",
    "unlinkat",
    "?rename",
    "renameat",
    "renameat2",
    "?mkdir",
    "mkdirat",
];

/// What a hostile hub does in the place of, or after, a welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Garbage,
    EmptyFrames,
    /// One byte more than a frame may have.
    OversizedFrame,
    /// The longest frame that its prefix can tell.
    EndlessFrame,
    HalfAFrame,
    AckOfTheFuture,
    AckFlood,
    PaceFlood,
    SecondWelcome,
    HastyInterval,
    Streams,
    Silence,
    CommandInRefusal,
    NumbersOutOfReach,
}

const ACTS: [Act; 14] = [
    Act::Garbage,
    Act::EmptyFrames,
    Act::OversizedFrame,
    Act::EndlessFrame,
    Act::HalfAFrame,
    Act::AckOfTheFuture,
    Act::AckFlood,
    Act::PaceFlood,
    Act::SecondWelcome,
    Act::HastyInterval,
    Act::Streams,
    Act::Silence,
    Act::CommandInRefusal,
    Act::NumbersOutOfReach,
];

impl Act {
    /// Does it to an agent that was started at that moment.
    async fn on(self, session: &mut FakeSession, started: Instant) {
        // The prefix is little-endian, and what follows is more than an agent may keep.
        let frame_of = |bytes: u32| [bytes.to_le_bytes().as_slice(), &[0; 100_000]].concat();
        let taken = match self {
            Self::Garbage => {
                let mut random = fastrand::Rng::with_seed(7);
                let bytes: Vec<u8> = (0..256 * 1024).map(|_| random.u8(..)).collect();
                session.write(&bytes).await
            }
            Self::EmptyFrames => session.write(&[0; LENGTH_PREFIX_BYTES * 20_000]).await,
            Self::OversizedFrame => {
                session.write(&frame_of(u32::try_from(FRAME_BODY_BYTES_MAX + 1).expect("small"))).await
            }
            Self::EndlessFrame => session.write(&frame_of(u32::MAX)).await,
            Self::HalfAFrame => {
                session.welcome(0, 1).await;
                session.write(&frame(&Down::Ack { up_to: 1 << 40 })[..LENGTH_PREFIX_BYTES + 1]).await
            }
            Self::AckOfTheFuture => {
                session.welcome(0, 1).await;
                session.write(&frame(&Down::Ack { up_to: 1 << 40 })).await
            }
            Self::AckFlood => {
                session.welcome(0, 1).await;
                session.write(&frame(&Down::Ack { up_to: 0 }).repeat(20_000)).await
            }
            Self::PaceFlood => {
                session.welcome(0, 1).await;
                let pace = |samples_per_frame| frame(&Down::Pace { samples_per_frame });
                let most = u32::try_from(REPORTS_PER_FRAME_MAX).expect("small");
                session.write(&[pace(most), pace(1)].concat().repeat(10_000)).await
            }
            Self::SecondWelcome => {
                session.welcome(0, 1).await;
                session.welcome(0, 1 << 50).await;
                true
            }
            Self::HastyInterval => {
                session.say(&Down::Welcome(Welcome { server_id: 1, durable: 0, next: 1, report_interval_ms: 1 })).await;
                let mut reports = 0u32;
                let hear = async {
                    while let Some(up) = session.hear().await {
                        if let Up::Reports(frame) = up {
                            reports += u32::try_from(frame.reports.len()).expect("few");
                        }
                    }
                };
                let _over = tokio::time::timeout(REPORT_INTERVAL_MIN * 3, hear).await;
                // Those from before the connection are among them.
                let lived = started.elapsed();
                let due = lived.as_secs_f64() / REPORT_INTERVAL_MIN.as_secs_f64();
                assert!(f64::from(reports) <= due + 2.0, "{reports} reports in {lived:?}, asked for one a millisecond");
                session.connection().close(0u32.into(), b"");
                true
            }
            Self::Streams => {
                session.welcome(0, 1).await;
                let connection = session.connection();
                let quickly = Duration::from_millis(300);
                assert!(tokio::time::timeout(quickly, connection.open_bi()).await.is_err(), "no stream of the hub's");
                assert!(tokio::time::timeout(quickly, connection.open_uni()).await.is_err(), "no stream of the hub's");
                assert!(connection.send_datagram(vec![0; 100].into()).is_err(), "no datagrams");
                true
            }
            Self::Silence => true,
            Self::CommandInRefusal => {
                let detail = "$(touch /tmp/x); `id`\n\u{1b}]0;x\u{7} \u{202e}".to_owned();
                session.say(&Down::Refuse { reason: RefuseReason::BadCredential, detail }).await;
                true
            }
            Self::NumbersOutOfReach => {
                session.welcome(0, 1 << 50).await;
                true
            }
        };
        // An agent that had enough has closed the connection, which is right.
        let _may_be_closed = taken;
    }

    /// Whether the agent comes back soon. After a refusal it waits for minutes.
    const fn is_returned_from(self) -> bool {
        !matches!(self, Self::CommandInRefusal)
    }

    /// Whether the agent has a spool. Without one, what a hub said of numbers could last as long as the process.
    const fn has_spool(self) -> bool {
        !matches!(self, Self::NumbersOutOfReach)
    }

    /// Whether the hub hears reports before the agent leaves it.
    const fn hears_reports(self) -> bool {
        matches!(self, Self::NumbersOutOfReach)
    }
}

fn frame(down: &Down) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_down(down, &mut bytes).expect("within limits");
    bytes
}

/// The readings that an agent sends on a new session, at least so many: their numbers and their times.
async fn readings(session: &mut FakeSession, count: usize) -> Vec<(u64, i64)> {
    let (mut chain, mut readings) = (ReportChain::new(), Vec::new());
    while readings.len() < count {
        match session.hear().await.expect("an agent that reports") {
            Up::Reports(frame) => {
                for (number, delta) in (frame.first_sequence..).zip(&frame.reports) {
                    readings.push((number, chain.grow(delta).expect("sound").time_ms));
                }
            }
            Up::Hello(_) => panic!("a second Hello"),
            _ => {}
        }
    }
    readings
}

/// Has a hub act on an agent, and gives what the agent asked of the system, and the most memory that it took, KiB.
async fn attack(act: Act, folder: &Path) -> (String, u64) {
    let (trace, spool) = (folder.join("trace"), folder.join("spool"));
    let hub = FakeHub::new();
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq", "-s", "200", "-e"]);
    command.arg(format!("trace={}", CALLS.join(",")));
    command.arg("-o").arg(&trace).arg(program());
    command.args(["--hub", &hub.address().to_string(), "--fingerprint", &hub.fingerprint().to_string()]);
    command.args(["--credential", "secret"]);
    if act.has_spool() {
        command.arg("--spool").arg(&spool);
    }
    let started = Instant::now();
    let mut agent = AgentProcess::start(command);

    let mut session = hub.accept().await;
    act.on(&mut session, started).await;
    let heard = if act.hears_reports() { readings(&mut session, REPORTS).await } else { Vec::new() };
    if act.is_returned_from() {
        if act != Act::Silence {
            // An agent that bears with it for a second is sent away, with many words.
            let _ends_it_itself = tokio::time::timeout(Duration::from_secs(1), session.connection().closed()).await;
            session.connection().close(0u32.into(), &[b'x'; 1000]);
        }
        let mut honest = hub.accept().await;
        honest.welcome(0, 1).await;
        let got = readings(&mut honest, REPORTS.max(heard.len())).await;
        assert!(got.windows(2).all(|two| two[0].0 + 1 == two[1].0), "{act:?}: {got:?}");
        assert!(got[0].0 <= SEQUENCE_JUMP_MAX, "{act:?}: a hub refuses {got:?}");
        // The hostile hub acknowledged none of these.
        for (_, time_ms) in heard {
            let times = got.iter().filter(|(_, got_ms)| *got_ms == time_ms).count();
            assert_eq!(times, 1, "{act:?}: the reading of {time_ms} in {got:?}");
        }
    } else {
        // The refusal is sent only while the runtime runs.
        let wait = move || (agent.wait_for_log("hub refused"), agent);
        let said;
        (said, agent) = tokio::task::spawn_blocking(wait).await.expect("said");
        assert!(!said.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{said:?} reaches a terminal as it is");
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.pid())).expect("it runs");
    let memory = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says so");
    let memory_kib = memory.trim().trim_end_matches(" kB").trim().parse().expect("a number");
    agent.terminate();
    assert!(agent.ends_within(Duration::from_secs(30)), "{act:?}: it stops when told");
    (std::fs::read_to_string(trace).expect("a trace"), memory_kib)
}

/// Lines of a trace that no agent should make.
fn misdeeds<'a>(trace: &'a str, spool: &Path, port: u16) -> Vec<&'a str> {
    let spool = format!("\"{}", spool.display());
    let port = format!("htons({port})");
    let is_misdeed = |line: &&str| {
        let call = line.split_once(' ').map_or("", |(_pid, call)| call.trim_start());
        let name = call.split('(').next().unwrap_or_default();
        match name {
            "execve" | "execveat" => true,
            "open" | "openat" | "openat2" => {
                let writes = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"].iter().any(|flag| call.contains(flag));
                writes && !call.contains(&spool)
            }
            "creat" | "unlink" | "unlinkat" | "rename" | "renameat" | "renameat2" | "mkdir" | "mkdirat" => {
                !call.contains(&spool)
            }
            // Addresses of the internet only: a local socket is how the system looks up names.
            "connect" | "sendto" | "sendmsg" | "sendmmsg" => call.contains("AF_INET") && !call.contains(&port),
            _ => false,
        }
    };
    // The first line is the agent's own start.
    trace.lines().skip(1).filter(is_misdeed).collect()
}

#[test]
fn a_hostile_hub_gets_nothing_but_reports_from_an_agent() {
    let can_trace = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    if !can_trace.is_ok_and(|status| status.success()) {
        skipped!("needs strace, and the right to trace");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::thread::scope(|scope| {
        let attacks = ACTS.into_iter().enumerate().map(|(number, act)| {
            let own = folder.path().join(number.to_string());
            std::fs::create_dir(&own).expect("a folder");
            let attack = async move || (attack(act, &own).await, own);
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                (act, runtime.block_on(attack()))
            })
        });
        for attack in attacks.collect::<Vec<_>>() {
            let (act, ((trace, memory_kib), own)) = attack.join().expect("it held");
            let ports = trace.split("htons(").skip(1).filter_map(|rest| rest.split(')').next()?.parse::<u16>().ok());
            let ports: BTreeSet<u16> = ports.filter(|port| *port != 0).collect();
            assert_eq!(ports.len(), 1, "{act:?}: it talked to one hub: {ports:?}");
            let found = misdeeds(&trace, &own.join("spool"), ports.first().copied().unwrap_or_default());
            assert!(found.is_empty(), "{act:?}: {found:#?}");
            tally!("{act:?}: {} calls, none of them wrong; {memory_kib} KiB at most", trace.lines().count());
            assert!(memory_kib < MEMORY_KIB_MAX, "{act:?}: {memory_kib} KiB");
        }
    });
}
