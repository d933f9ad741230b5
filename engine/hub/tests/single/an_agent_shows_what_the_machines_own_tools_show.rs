//! A machine with bond, VLAN, bridge, tunnels, cables and what stays inside; with a disk under two names, mounted where no
//! text is a path, and with file systems that never answer: the agent shows what `ip -s link`, `df`, `free` and
//! `/proc/uptime` show, and goes on.

use std::fs;
use std::path::Path;

use crate::hub::namespaces::{in_namespaces, made};
use crate::hub::wait_until;
use serde_json::Value;
use windfire_bench::skipped;

/// Memory that may come and go between two looks.
const MEMORY_MOVES_BYTES: u64 = 32 << 20;
/// What the hub, and what the tools say, may write between two looks.
const DISK_MOVES_BYTES: u64 = 1 << 20;
/// Seconds between a reading and the tools' look. A busy hub has its agent gather readings for 10 s.
const UPTIME_MOVES_S: u64 = 12;
/// What is sent to the outside, with the heads of Ethernet, IP and UDP, at the least: 500 packets, if nothing lies above a cable.
const SENT_BYTES: u64 = 500 * 1042;

/// What the machine's tools said, and the hub at nearly that moment.
struct Said {
    details: Value,
    increase: Option<u64>,
    disks: Vec<u64>,
    cables: Vec<u64>,
    memory: Vec<u64>,
    uptime: u64,
}

impl Said {
    /// The newest; `None` before the first, and while the next takes its place.
    fn read(folder: &Path) -> Option<Self> {
        let text = |name: &str| fs::read_to_string(folder.join("said").join(name)).ok();
        let numbers =
            |text: String| -> Vec<u64> { text.split_whitespace().filter_map(|word| word.parse().ok()).collect() };
        let details: Value = serde_json::from_str(&text("details")?).ok()?;
        let increase: Value = serde_json::from_str(&text("increase")?).ok()?;
        let steps = increase["result"][0]["values"].as_array();
        Some(Self {
            details: details["result"][0].clone(),
            increase: steps.map(|steps| steps.iter().filter_map(Value::as_u64).sum()),
            disks: numbers(text("disks")?),
            cables: numbers(text("cables")?),
            memory: numbers(text("free")?.lines().nth(1)?.to_owned()),
            uptime: text("uptime")?.split('.').next()?.parse().ok()?,
        })
    }

    fn status(&self, name: &str) -> u64 {
        self.details["status"][name].as_u64().unwrap_or(u64::MAX)
    }

    fn host(&self, name: &str) -> u64 {
        self.details["host"][name].as_u64().unwrap_or(u64::MAX)
    }

    fn transfers(&self) -> [u64; 2] {
        [self.status("NetInTransfer"), self.status("NetOutTransfer")]
    }

    fn is_memory_right(&self) -> bool {
        // total used free shared cache available; "used" of `free` leaves out what is shared.
        let [total, .., available] = self.memory[..] else { return false };
        let used = total - available;
        self.host("MemTotal") == total && self.status("MemUsed").abs_diff(used) <= MEMORY_MOVES_BYTES
    }

    fn is_uptime_right(&self) -> bool {
        self.uptime.abs_diff(self.status("Uptime")) <= UPTIME_MOVES_S
    }

    fn are_disks_right(&self) -> bool {
        let [total, used, _] = self.disks[..] else { return false };
        self.host("DiskTotal") == total && self.status("DiskUsed").abs_diff(used) <= DISK_MOVES_BYTES
    }
}

#[test]
fn an_agent_shows_what_the_machines_own_tools_show() {
    let (folder, hub, mut options) = made();
    let token = hub.make_token();
    options.push("--interval-s=1".to_owned());
    let script = format!("token={token}\n{}", include_str!("../data/odd_machine.sh"));
    let namespaces = ["--mount", "--mount-proc"];
    let Some(mut machine) = in_namespaces(&namespaces, &script, folder.path(), &hub, &options) else { return };
    let tell = |what: &str| fs::write(folder.path().join(what), "").expect("written");
    let is_told = |what: &str| folder.path().join(what).exists();
    let says = |what: &str, is_true: &dyn Fn(&Said) -> bool| {
        let mut last = None;
        let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_until(what, || {
                last = Said::read(folder.path()).or(last.take());
                last.as_ref().is_some_and(is_true)
            });
        }));
        let last = last.expect("something was said");
        if let Err(panic) = seen {
            let Said { details, increase, disks, cables, memory, uptime } = last;
            eprintln!(
                "{details}\nincrease {increase:?} disks {disks:?} cables {cables:?} memory {memory:?} up {uptime}"
            );
            std::panic::resume_unwind(panic);
        }
        last
    };

    machine.wait_for_log("connected");
    let own_disks = u64::from(!is_told("no-disk"));
    if own_disks == 0 {
        skipped!("in part: no disk can be mounted here, so none of this test's own is compared");
    }
    says("disks are as df says", &|said| said.are_disks_right() && said.disks[2] >= own_disks);
    says("memory is as free says", &Said::is_memory_right);
    let before =
        says("nothing has passed the cables but what the agent says", &|said| said.transfers() == said.cables[..]);

    tell("traffic");
    wait_until("traffic has passed", || is_told("sent"));
    let after = says("transfers are as ip says", &|said| {
        said.transfers() == said.cables[..] && said.cables[1] >= before.cables[1] + SENT_BYTES
    });
    says("history has all of it, once", &|said| said.increase == Some(after.cables[1] - before.cables[1]));

    tell("hang");
    wait_until("a daemon stands still", || is_told("hangs"));
    let at = says("uptime is as the kernel says", &Said::is_uptime_right);
    let later = says("reports go on", &|said| {
        said.status("Uptime") >= at.status("Uptime") + 5 && said.is_uptime_right() && said.are_disks_right()
    });

    // A cable goes, and the agent starts again beside what hangs: transfers are a counter still.
    tell("unplug");
    wait_until("a cable is gone", || is_told("unplugged"));
    let gone = says("transfers stay", &|said| {
        said.cables[1] < after.cables[1] && said.status("Uptime") > later.status("Uptime") + 2
    });
    assert_eq!(gone.transfers(), after.transfers());
    tell("restart");
    wait_until("the agent ended and began again", || is_told("restarted"));
    machine.wait_for_log("connected");
    let again = says("reports go on", &|said| said.status("Uptime") > gone.status("Uptime") + 3);
    assert_eq!(again.transfers(), after.transfers());
    assert_eq!(again.increase, Some(after.cables[1] - before.cables[1]));
}
