//! A receiver takes a message and never answers. Another channel gets its messages all the same, the hub stops in time, and
//! after its start the receiver gets what it did not answer, with the same key.

use std::time::{Duration, Instant};

use crate::hub::receiver::{Receiver, add_rule, done, wait_for_passes};
use crate::hub::{new_hub, wait_until};
use serde_json::Value;

/// A message under way has two seconds. The rest is for a slow machine.
const STOP_MAX: Duration = Duration::from_secs(6);

#[test]
fn a_receiver_that_hangs_holds_up_only_its_channel() {
    let receiver = Receiver::start();
    receiver.hang(true);
    let (_folder, mut hub) = new_hub(&["--alert-interval-s", "1", "--group-wait-s", "0"]);
    hub.start();
    let (hanging, well) = (receiver.channel(&hub, "hangs"), receiver.channel(&hub, "well"));
    done(&hub, &["channel", "test", &hanging]);
    wait_until("a message hangs", || receiver.told("hangs").len() == 1);
    done(&hub, &["channel", "test", &well]);
    wait_until("the other is told", || receiver.told("well").len() == 1);
    // No disk is all free.
    add_rule(&hub, "fires", "hub.disk_free < 100", &format!("{hanging},{well}"), &[]);
    wait_until("the other is told of an alert", || receiver.told("well").len() == 2);
    // Soon enough: after 10 s the hub gives the message up that hangs.
    wait_for_passes(&hub, 1.0);
    assert_eq!(receiver.told("hangs").len(), 1, "one at a time");
    assert_eq!(hub.metric("windfire_notices_pending"), 2.0, "the test that hangs, and the alert");

    let stopped = Instant::now();
    assert!(hub.terminate().success());
    println!("the hub stopped after {:?}", stopped.elapsed());
    assert!(stopped.elapsed() < STOP_MAX, "{:?}", stopped.elapsed());
    receiver.hang(false);
    hub.start();
    wait_until("both arrive", || receiver.told("hangs").len() == 3);
    let status = |messages: &[Value]| -> Vec<Value> { messages.iter().map(|it| it["status"].clone()).collect() };
    let told = receiver.told("hangs");
    assert_eq!(status(&told), ["test", "test", "firing"]);
    assert_eq!(told[0]["key"], told[1]["key"]);
    assert_eq!(status(&receiver.told("well")), ["test", "firing"]);
    wait_until("nothing waits", || hub.metric("windfire_notices_pending") == 0.0);
}
