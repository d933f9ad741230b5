use super::*;

const DAY_MS: i64 = 86_400_000;
/// The truth at the start of each test.
const NOW_MS: i64 = EARLIEST_MS + 600 * DAY_MS;

/// A hub's clock, the machine's, and the truth.
struct World {
    clock: Clock,
    true_ms: i64,
    wall_off_ms: i64,
}

impl World {
    fn new(stored: Option<StoredClock>, wall_off_ms: i64) -> Self {
        let world = Self { clock: Clock::new(stored), true_ms: NOW_MS, wall_off_ms };
        world.off_ms();
        world
    }

    fn stored(ago_ms: i64) -> StoredClock {
        StoredClock { trusted_ms: NOW_MS - ago_ms, expiry_ms: NOW_MS - ago_ms, steady_ms: STEADY_MS }
    }

    fn read(&self) -> i64 {
        self.clock.read(Reading { wall_ms: self.true_ms + self.wall_off_ms, uptime_ms: self.true_ms - NOW_MS })
    }

    /// The trusted time minus the truth.
    fn off_ms(&self) -> i64 {
        self.read() - self.true_ms
    }

    fn expiry_off_ms(&self) -> i64 {
        self.clock.expiry_ms(self.read()) - self.true_ms
    }

    fn pass(&mut self, ms: i64) {
        for _ in 0..ms / 1000 {
            self.true_ms += 1000;
            self.read();
        }
    }

    fn hello(&self, server_id: u64, agent_off_ms: i64) {
        self.read();
        self.clock.witness(server_id, self.true_ms + agent_off_ms);
    }
}

#[test]
fn a_clock_that_is_right_is_followed_to_the_millisecond() {
    let mut world = World::new(Some(World::stored(5_000)), 0);
    for off_ms in [0, 40, -300, 600, 0] {
        world.wall_off_ms = off_ms;
        world.pass(1_000);
        assert_eq!(world.off_ms(), off_ms);
    }
    assert_eq!(world.clock.state(), ClockState::default());
}

#[test]
fn a_leap_for_seconds_moves_nothing() {
    for leap_ms in [3_000, 3_600_000, 3_000 * DAY_MS, -3_000, -40 * DAY_MS, -NOW_MS] {
        let mut world = World::new(Some(World::stored(5_000)), 0);
        world.pass(10_000);
        world.wall_off_ms = leap_ms;
        world.pass(3_000);
        assert_eq!((world.off_ms(), world.expiry_off_ms()), (0, 0), "{leap_ms}");
        assert!(world.clock.state().is_doubted());
        world.wall_off_ms = 0;
        world.pass(1_000);
        assert_eq!((world.off_ms(), world.clock.state().is_doubted()), (0, false), "{leap_ms}");
    }
}

#[test]
fn witnesses_decide_which_side_of_a_leap_is_right() {
    // They contradict a clock that leaps away, for as long as three of them do.
    let mut world = World::new(Some(World::stored(5_000)), 0);
    (1..=3).for_each(|id| world.hello(id, 20));
    world.wall_off_ms = 3_000 * DAY_MS;
    world.pass(4 * 3_600_000);
    assert_eq!(world.off_ms(), 0);
    // And they confirm at once a clock that comes back.
    world.wall_off_ms = 0;
    world.pass(1_000);
    assert_eq!(world.off_ms(), 0);
    // A hub whose own start was wrong, as on a machine without a battery.
    let mut world = World::new(None, -50 * DAY_MS);
    world.hello(1, 0);
    assert_eq!(world.off_ms(), -50 * DAY_MS, "one alone may be the one that is wrong");
    world.wall_off_ms = 0;
    assert_eq!(world.off_ms(), 0);
}

#[test]
fn a_start_with_a_clock_ahead_is_put_right_by_the_first_agent_and_expires_nothing() {
    for ahead_ms in [3_600_000, 30 * DAY_MS, 3_000 * DAY_MS] {
        let mut world = World::new(Some(World::stored(60_000)), ahead_ms);
        assert!(world.expiry_off_ms() <= 0, "{ahead_ms}");
        world.hello(1, -200);
        assert!(world.off_ms().abs() <= 200, "{ahead_ms}");
        world.pass(150_000);
        assert!(world.off_ms().abs() <= 200 && world.expiry_off_ms() <= 0, "{ahead_ms}");
        let stored = world.clock.to_store().expect("running");
        world.wall_off_ms = 0;
        let again = World { clock: Clock::new(Some(stored)), ..world };
        assert_eq!(again.off_ms(), 0);
        assert!((-120_000..=0).contains(&again.expiry_off_ms()));
    }
}

#[test]
fn a_start_with_a_clock_behind_goes_on_from_what_was_stored() {
    for behind_ms in [3_600_000, NOW_MS] {
        let mut world = World::new(Some(World::stored(60_000)), -behind_ms);
        world.pass(10_000);
        assert_eq!(world.off_ms(), -60_000, "{behind_ms}");
        world.hello(1, 0);
        world.wall_off_ms = 0;
        world.pass(1_000);
        assert_eq!(world.off_ms(), 0, "{behind_ms}");
    }
}

#[test]
fn a_quorum_is_believed_against_a_clock_that_never_leapt() {
    let mut world = World::new(None, 300 * DAY_MS);
    world.hello(1, 0);
    world.hello(2, 700);
    world.hello(3, -400);
    assert!(world.off_ms().abs() <= 700);
    world.pass(5 * 3_600_000);
    assert!(world.off_ms().abs() <= 700 && world.clock.state().is_doubted());
    // Agents that are each wrong in another way are no quorum.
    let world = World::new(None, 0);
    (1..=9).for_each(|id| world.hello(id, -(id as i64) * 3_600_000));
    assert_eq!(world.off_ms(), 0);
}

#[test]
fn after_a_long_stop_expiry_waits_a_day_and_then_is_on_time() {
    let mut world = World::new(Some(World::stored(30 * DAY_MS)), 0);
    world.pass(3_600_000);
    assert_eq!((world.off_ms(), world.expiry_off_ms()), (0, -30 * DAY_MS));
    world.pass(STEADY_MS);
    assert_eq!(world.expiry_off_ms(), 0);
}

#[test]
fn a_hub_that_is_off_each_night_still_expires() {
    let (mut stored, mut behind_ms) = (World::stored(0), Vec::new());
    for day in 1..=20 {
        let now_ms = NOW_MS + day * DAY_MS;
        let mut world = World { clock: Clock::new(Some(stored)), true_ms: now_ms, wall_off_ms: 0 };
        world.read();
        world.pass(16 * 3_600_000);
        behind_ms.push(-world.expiry_off_ms());
        stored = world.clock.to_store().expect("running");
    }
    assert!(behind_ms.iter().all(|behind_ms| *behind_ms <= DAY_MS), "{behind_ms:?}");
}

#[test]
fn agents_that_are_gone_have_no_say() {
    let mut world = World::new(Some(World::stored(5_000)), 0);
    (1..=5).for_each(|id| world.hello(id, 0));
    world.pass(WITNESS_AGE_MS + 60_000);
    // The machine was paused for ten minutes, and its even clock stood still.
    world.wall_off_ms = 600_000;
    world.pass(2_000);
    (6..=8).for_each(|id| world.hello(id, 600_000));
    assert_eq!(world.off_ms(), 600_000);
}

#[test]
fn no_agent_moves_the_hub_to_where_no_time_is() {
    let world = World::new(Some(World::stored(60_000)), -120_000);
    for agent_ms in [i64::MAX, i64::MIN, 0, LATEST_MS] {
        world.clock.witness(1, agent_ms);
        assert_eq!(world.off_ms(), -60_000, "{agent_ms}");
    }
}

#[test]
fn readings_of_several_threads_out_of_order_count_no_time_twice() {
    let world = World::new(Some(World::stored(5_000)), 0);
    for at_ms in [100, 10, 200, 150, 90, 300] {
        let reading = Reading { wall_ms: NOW_MS + at_ms, uptime_ms: at_ms };
        assert!(world.clock.read(reading) <= NOW_MS + 300, "{at_ms}");
    }
    assert_eq!(world.clock.read(Reading { wall_ms: NOW_MS + 400, uptime_ms: 400 }), NOW_MS + 400);
}

#[test]
fn a_wall_clock_that_nobody_contradicts_is_believed_after_a_while_and_expires_nothing_that_day() {
    let mut world = World::new(Some(World::stored(5_000)), 0);
    world.wall_off_ms = 400 * DAY_MS;
    world.pass(2 * CONFIRM_MS);
    assert_eq!(world.off_ms(), 400 * DAY_MS);
    assert!(world.expiry_off_ms() <= 0);
    assert_eq!(world.clock.state().leaps, 1);
}
