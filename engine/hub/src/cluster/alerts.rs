//! Which hub judges alerts and tells people: the holder of a lease.

use std::convert::Infallible;
use std::time::Instant;

use tokio::time::sleep;
use windfire_cluster::{Lease, Standing};

use super::state::State;

/// What the lease is for, at the brokers.
pub(super) const WORK: &str = "alerts";

/// Takes the lease when it is free, and keeps it while this hub is ready: one that lags would judge by what is old.
pub(super) async fn hold(lease: &mut Lease, state: &State) -> Infallible {
    loop {
        if state.is_ready() {
            match lease.step().await {
                Ok(Standing::Held { until }) => state.judge_until(until.into_std(), Instant::now()),
                Ok(Standing::Elsewhere { holder, .. }) => state.see_judge(&holder),
                // The next step tells who was faster.
                Ok(Standing::Overtaken) => {}
                // Brokers that do not answer give the lease to nobody else either.
                Err(error) => tracing::debug!(%error, "the lease for alerts is not renewed"),
            }
        }
        sleep(lease.step_interval()).await;
    }
}
