//! The registry's stream: what all hubs know of servers, tokens, users and rules.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{interval, sleep};
use windfire_cluster::{Apply, Delivery, Follower};
use windfire_engine::{Engine, FollowError};

use super::state::State;
use crate::limits::{REGISTRY_LOOK_INTERVAL, REGISTRY_RETRY, SHARE_LOGINS_INTERVAL, START_SIGN_INTERVAL};
use crate::service::Service;
use crate::threads::{Threads, runtime};

/// What the follower of the registry needs.
pub(super) struct FollowingRegistry {
    pub(super) engine: Arc<Engine>,
    pub(super) state: Arc<State>,
    /// Changes with every message, for the partitions' messages that wait for it.
    pub(super) moved: watch::Sender<u64>,
    /// Why a message cannot be applied.
    pub(super) failed: Arc<OnceLock<String>>,
}

impl FollowingRegistry {
    /// Applies what the stream has, for as long as it is polled. Returns why that cannot go on.
    pub(super) async fn run(self, follower: Follower) -> String {
        let failed = Arc::clone(&self.failed);
        match (follower.run(self).await, failed.get()) {
            (Err(error), _) => error.to_string(),
            (Ok(()), Some(error)) => error.clone(),
            (Ok(()), None) => "the registry's stream is not followed any more".to_owned(),
        }
    }

    /// Makes the changes of a message.
    ///
    /// # Errors
    /// It cannot be done, and never will be.
    async fn make(&self, position: u64, bytes: &Bytes) -> Result<(), String> {
        let mut is_told = false;
        loop {
            let (engine, message) = (Arc::clone(&self.engine), bytes.clone());
            // It waits for the disk, and for a change whose records are being made.
            let followed = spawn_blocking(move || engine.follow_registry(position, &message)).await;
            match followed {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(FollowError::Store(error))) => {
                    if !is_told {
                        tracing::error!(%error, "a change of the registry is not stored: it is tried again");
                    }
                    is_told = true;
                    sleep(REGISTRY_RETRY).await;
                }
                Ok(Err(error)) => return Err(error.to_string()),
                Err(error) => return Err(format!("a change of the registry failed: {error}")),
            }
        }
    }
}

impl Apply for FollowingRegistry {
    async fn apply(&mut self, delivery: Delivery) -> ControlFlow<()> {
        let Delivery { sequence, bytes, stored_ms, .. } = delivery;
        if let Err(error) = self.make(sequence, &bytes).await {
            let _first = self.failed.set(error);
            return ControlFlow::Break(());
        }
        self.state.note_registry(bytes.len(), stored_ms);
        self.moved.send_replace(sequence);
        ControlFlow::Continue(())
    }
}

/// Tells the other hubs now and then of logins that were made or ended while the brokers were away.
pub(super) async fn share_logins(engine: &Arc<Engine>, state: &State) -> Infallible {
    loop {
        sleep(SHARE_LOGINS_INTERVAL).await;
        if state.is_registry_stale() {
            continue;
        }
        let engine = Arc::clone(engine);
        // It waits for the brokers, and this runtime carries what it waits for.
        let shared = spawn_blocking(move || engine.registry().share_logins()).await;
        if let Ok(Err(error)) = shared {
            tracing::debug!(%error, "logins are not shared yet");
        }
    }
}

/// Waits until this hub knows what the others know, as far as the brokers say. A start needs that before it changes
/// anything, and before it answers.
///
/// # Errors
/// A thread has ended.
pub(crate) fn await_registry(state: &State, threads: &mut Threads, service: &Service) -> Result<(), String> {
    runtime()?.block_on(async {
        tokio::select! {
            name = threads.ended() => Err(format!("the thread for {name} has ended: see the log, and start again")),
            () = followed(state, service) => Ok(()),
        }
    })
}

async fn followed(state: &State, service: &Service) {
    let mut signs = interval(START_SIGN_INTERVAL);
    while state.is_registry_stale() || state.is_registry_behind(Instant::now()) {
        tokio::select! {
            _ = signs.tick() => service.starting("following what the hubs of the cluster have decided"),
            () = sleep(REGISTRY_LOOK_INTERVAL) => {}
        }
    }
}
