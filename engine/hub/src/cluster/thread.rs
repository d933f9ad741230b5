//! The thread of a hub that is one of several: a publisher and a follower for each partition and for the registry, the
//! leases of the hub's id and of alerts, and looks at how the hub stands.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use windfire_cluster::limits::LEASE_TTL;
use windfire_cluster::{
    Brokers, Follower, HubId, Lease, Names, Publisher, Refusal, RegistryPublisher, Standing, StreamOf, hubs,
    stream_states,
};
use windfire_engine::Engine;

use super::alerts;
use super::entry::{Claimed, partitions};
use super::follow::Following;
use super::publish::Publishing;
use super::registry::{FollowingRegistry, share_logins};
use super::state::State;
use crate::clock::Clock;
use crate::limits::{COPIES_INTERVAL, HUBS_INTERVAL, LEASE_RELEASE_MAX, LOOK_INTERVAL, WAKE_INTERVAL};
use crate::pulse::Pulse;
use crate::threads::{Phase, Stop};

/// A listener's side of a cluster.
#[derive(Clone)]
pub(crate) struct Offered {
    sender: watch::Sender<()>,
    /// How the hub stands.
    pub(crate) state: Arc<State>,
}

impl Offered {
    /// Sessions may have offered something.
    pub(crate) fn tell(&self) {
        self.sender.send_replace(());
    }
}

pub(crate) struct ClusterThread {
    claimed: Claimed,
    offered: watch::Receiver<()>,
    engine: Arc<Engine>,
    clock: Clock,
    /// Sessions wait for it.
    committed: watch::Sender<u64>,
    stop: Stop,
}

impl ClusterThread {
    /// The thread, and the listeners' side of it.
    pub(crate) fn new(
        claimed: Claimed,
        engine: Arc<Engine>,
        clock: Clock,
        committed: watch::Sender<u64>,
        stop: Stop,
    ) -> (Self, Offered) {
        let (sender, offered) = watch::channel(());
        let state = Arc::clone(&claimed.state);
        (Self { claimed, offered, engine, clock, committed, stop }, Offered { sender, state })
    }

    /// Publishes and follows until nothing comes from sessions any more, then gives the hub's id back.
    ///
    /// # Errors
    /// The hub cannot go on: its id is another process's, or a stream lacks what comes next.
    pub(crate) fn run(self, pulse: Pulse) -> Result<(), String> {
        let Self { claimed, offered, engine, clock, committed, mut stop } = self;
        let Claimed { runtime, brokers, names, hub, boot, mut lease, proposals, state } = claimed;
        let ended = runtime.block_on(async {
            let moved = Arc::new(Notify::new());
            let mut tasks = JoinSet::new();
            tasks.spawn(proposals.run(RegistryPublisher::new(&brokers, &names, &hub, boot)));
            let (registry_moved, registry) = watch::channel(0);
            let followed = engine.registry_followed();
            let (follower, progress) = Follower::new(&brokers, &names, StreamOf::Registry, followed);
            state.watch_registry(progress);
            let following = FollowingRegistry {
                engine: Arc::clone(&engine),
                state: Arc::clone(&state),
                moved: registry_moved,
                failed: Arc::new(OnceLock::new()),
            };
            tasks.spawn(following.run(follower));
            for number in 0..partitions() {
                let (partition, of) = (usize::from(number), StreamOf::Partition(number));
                let publisher = Publisher::new(&brokers, &names, of, &hub, boot);
                let publishing = Publishing {
                    engine: Arc::clone(&engine),
                    state: Arc::clone(&state),
                    partition,
                    offered: offered.clone(),
                    moved: Arc::clone(&moved),
                };
                tasks.spawn(publishing.run(publisher));
                let (follower, progress) = Follower::new(&brokers, &names, of, engine.followed(partition));
                state.watch(partition, progress);
                let following = Following {
                    engine: Arc::clone(&engine),
                    state: Arc::clone(&state),
                    partition,
                    moved: Arc::clone(&moved),
                    registry: registry.clone(),
                    failed: Arc::new(OnceLock::new()),
                };
                tasks.spawn(following.run(follower));
            }
            let mut judging = Lease::new(&brokers, &names, alerts::WORK, &hub, boot, LEASE_TTL);
            let ended = tokio::select! {
                Some(ended) = tasks.join_next() => Err(ended.unwrap_or_else(|error| error.to_string())),
                lost = hold(&mut lease, &hub, &state) => Err(lost),
                () = stop.reached(Phase::LastWrites) => Ok(()),
                never = wake(&moved, &committed) => match never {},
                never = look(&brokers, &state, &clock) => match never {},
                never = see(&brokers, &names, &state) => match never {},
                never = count_copies(&brokers, &names, &state) => match never {},
                never = alerts::hold(&mut judging, &state) => match never {},
                never = share_logins(&engine, &state) => match never {},
                never = pulse.beat_with_the_others() => match never {},
            };
            tasks.shutdown().await;
            // Otherwise alerts, and the next start, wait for the ends of the leases.
            let released = async { tokio::join!(judging.release(), lease.release()) };
            let _end_by_themselves = timeout(LEASE_RELEASE_MAX, released).await;
            ended
        });
        if let Err(error) = &ended {
            tracing::error!("{error}");
        }
        ended
    }
}

/// Keeps the hub's id. Returns why another process has it.
async fn hold(lease: &mut Lease, hub: &HubId, state: &State) -> String {
    loop {
        sleep(lease.step_interval()).await;
        match lease.step().await {
            Ok(Standing::Held { until }) => state.hold_until(Some(until.into_std())),
            Ok(Standing::Elsewhere { holder, .. }) => {
                return Refusal::HubIdInUse { hub: hub.to_string(), holder }.to_string();
            }
            // The next step tells who was faster.
            Ok(Standing::Overtaken) => {}
            // Brokers that do not answer give the id to nobody else either.
            Err(error) => tracing::debug!(%error, "the hub's id is not renewed"),
        }
    }
}

/// Wakes sessions after something was applied. A wake-up costs each session that waits, so several messages share one.
async fn wake(moved: &Notify, committed: &watch::Sender<u64>) -> Infallible {
    loop {
        moved.notified().await;
        committed.send_modify(|count| *count = count.wrapping_add(1));
        sleep(WAKE_INTERVAL).await;
    }
}

async fn look(brokers: &Brokers, state: &State, clock: &Clock) -> Infallible {
    let mut ticks = interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let broker = brokers.is_connected().then(|| brokers.broker());
        state.look(broker, Instant::now(), clock());
    }
}

async fn count_copies(brokers: &Brokers, names: &Names, state: &State) -> Infallible {
    loop {
        // Brokers that do not answer are told elsewhere.
        if let Ok(streams) = stream_states(brokers, names, partitions()).await {
            state.count_copies(streams);
        }
        sleep(COPIES_INTERVAL).await;
    }
}

async fn see(brokers: &Brokers, names: &Names, state: &State) -> Infallible {
    loop {
        // Brokers that do not answer are told elsewhere.
        if let Ok(seen) = hubs(brokers, names).await {
            state.see(seen, Instant::now());
        }
        sleep(HUBS_INTERVAL).await;
    }
}
