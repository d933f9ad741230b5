//! What the service manager is told of the agent: that it reads its machine, that it is alive, and whether it reaches its
//! hub.
//!
//! Only the program knows the manager. The library, which is all that a hub can reach, does not.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use windfire_agent::sampler::{Contact, Feed};
use windfire_service::ServiceManager;

/// Time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Time that a reading may be late. It waits for no disk and no network, but a machine may be busy.
const READING_LATE_MAX: Duration = Duration::from_secs(15);

/// Says that the agent is ready after its first reading, how it is whenever that changes, and that it is alive while
/// readings go on. Runs for as long as it is polled.
pub(crate) async fn run(manager: &ServiceManager, feed: Feed) -> Infallible {
    let (mut readings, mut contact) = (feed.readings.subscribe(), feed.contact.subscribe());
    manager.status("takes its first reading");
    // The feed is here, so there is a sender.
    drop(readings.wait_for(|count| *count > 0).await);
    let mut said = describe(&contact.borrow_and_update(), Instant::now());
    manager.ready(&said);
    let mut read_at = Instant::now();
    let mut pinged: Option<Instant> = None;
    let pings = manager.ping_interval();
    let turn = pings.map_or(LOOK_INTERVAL, |pings| pings.min(LOOK_INTERVAL));
    let mut ticks = interval(turn);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = contact.changed() => {}
        }
        let now = Instant::now();
        manager.settle();
        if readings.has_changed().unwrap_or(false) {
            readings.mark_unchanged();
            read_at = now;
        }
        let words = describe(&contact.borrow_and_update(), now);
        if words != said {
            manager.status(&words);
            said = words;
        }
        // Half a turn early rather than one turn late: ticks are not exact.
        let is_due = |pings: Duration| pinged.is_none_or(|pinged| now + turn / 2 >= pinged + pings);
        if do_readings_go_on(now.duration_since(read_at), *feed.interval.borrow()) && pings.is_some_and(is_due) {
            manager.ping();
            pinged = Some(now);
        }
    }
}

/// Whether readings go on: `ago` is the time since the newest, `interval` the time between two.
fn do_readings_go_on(ago: Duration, interval: Duration) -> bool {
    // Two intervals, because the hub may have asked for another one in between.
    ago <= interval * 2 + READING_LATE_MAX
}

fn describe(contact: &Contact, now: Instant) -> String {
    match contact {
        Contact::Made { hub } => format!("connected to {hub}"),
        Contact::Lost { at } => format!("no hub is reached for {}: reports are kept", span(now.duration_since(*at))),
    }
}

/// A time, so roughly that the words change once a minute at most.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => "less than a minute".to_owned(),
        60..120 => "a minute".to_owned(),
        120..7_200 => format!("{} minutes", seconds / 60),
        7_200..172_800 => format!("{} hours", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_that_stop_are_noticed_at_any_interval() {
        let cases = [(0, 1, true), (17, 1, true), (18, 1, false), (135, 60, true), (136, 60, false)];
        for (ago_s, interval_s, go_on) in cases {
            let found = do_readings_go_on(Duration::from_secs(ago_s), Duration::from_secs(interval_s));
            assert_eq!(found, go_on, "{ago_s} s ago, every {interval_s} s");
        }
    }

    #[test]
    fn words_say_whether_the_hub_is_reached_and_since_when_not() {
        let at = Instant::now();
        let lost = |seconds| describe(&Contact::Lost { at }, at + Duration::from_secs(seconds));
        for (seconds, words) in [
            (0, "less than a minute"),
            (59, "less than a minute"),
            (60, "a minute"),
            (7_199, "119 minutes"),
            (7_200, "2 hours"),
            (172_800, "2 days"),
        ] {
            assert_eq!(lost(seconds), format!("no hub is reached for {words}: reports are kept"), "{seconds}");
        }
        assert_eq!(describe(&Contact::Made { hub: "hub:5555".to_owned() }, at), "connected to hub:5555");
    }
}
