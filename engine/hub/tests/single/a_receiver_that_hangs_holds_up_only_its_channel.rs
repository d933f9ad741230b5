//! A receiver takes a message and never answers. Another channel gets its messages all the same, the hub stops in time, and
//! after its start the receiver gets what it did not answer, with the same key.

use std::time::{Duration, Instant};

use crate::hub::receiver::{Receiver, add_rule, done, wait_for_passes, with_status};
use crate::hub::{new_hub, wait_until};
use serde_json::Value;
use windfire_bench::tally;

/// A message under way has two seconds. The rest is for a slow machine. A hub that waited for one that has just begun
/// would need 10 s.
const STOP_MAX: Duration = Duration::from_secs(9);
/// Time between two messages to a channel that hangs, at the least: after 10 s the hub gives the first one up. This
/// process may be late to see it.
const ONE_LASTS: Duration = Duration::from_secs(5);

#[test]
fn a_receiver_that_hangs_holds_up_only_its_channel() {
    let receiver = Receiver::start();
    receiver.hang(true);
    let (_folder, mut hub) = new_hub(&["--alert-interval-s", "1", "--group-wait-s", "0"]);
    hub.start();
    let (hanging, well) = (receiver.channel(&hub, "hangs"), receiver.channel(&hub, "well"));
    done(&hub, &["channel", "test", &hanging]);
    wait_until("a message hangs", || !receiver.told("hangs").is_empty());
    done(&hub, &["channel", "test", &well]);
    wait_until("the other is told", || receiver.told("well").len() == 1);
    // No disk is all free.
    add_rule(&hub, "fires", "hub.disk_free < 100", &format!("{hanging},{well}"), &[]);
    wait_until("the other is told of an alert", || receiver.told("well").len() == 2);
    wait_for_passes(&hub, 1.0);
    // The test that hangs, and the alert.
    wait_until("two messages wait", || hub.metric("windfire_notices_pending") == 2.0);

    // One that has just begun.
    let late = receiver.channel(&hub, "hangs-late");
    done(&hub, &["channel", "test", &late]);
    wait_until("the last message hangs", || !receiver.told("hangs-late").is_empty());
    let stopped = Instant::now();
    assert!(hub.terminate().success());
    tally!("the hub stopped after {:?}", stopped.elapsed());
    assert!(stopped.elapsed() < STOP_MAX, "{:?}", stopped.elapsed());
    let hung = receiver.told_at("hangs");
    let gaps: Vec<Duration> = hung.windows(2).map(|two| two[1].0 - two[0].0).collect();
    assert!(gaps.iter().all(|gap| *gap > ONE_LASTS), "one at a time: {gaps:?}");
    receiver.hang(false);
    hub.start();
    wait_until("nothing waits", || hub.metric("windfire_notices_pending") == 0.0);
    // On a slow machine some of them have been tried again before the stop.
    let told = receiver.told("hangs");
    let again = &told[hung.len()..];
    assert_eq!((with_status(again, "test").len(), with_status(again, "firing").len(), again.len()), (1, 1, 2));
    assert_eq!(with_status(again, "test")[0]["key"], hung[0].1["key"]);
    let late = receiver.told("hangs-late");
    assert!(late.len() == 2 && late[0]["key"] == late[1]["key"], "{late:#?}");
    let status = |messages: &[Value]| -> Vec<Value> { messages.iter().map(|it| it["status"].clone()).collect() };
    assert_eq!(status(&receiver.told("well")), ["test", "firing"]);
}
