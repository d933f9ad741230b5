//! What several hubs share, kept in streams of NATS JetStream. This package knows bytes and numbers, and nothing of
//! reports.
//!
//! [`Brokers`] is a connection. [`check_brokers`] and [`check_streams`] say what would
//! lose data, and [`verdict`] whether a hub starts all the same. A [`Publisher`] puts
//! the messages of one hub into one stream, once and in order. A [`Follower`] reads a stream in order. A
//! [`RegistryPublisher`] writes only if no other hub was faster. A [`Lease`] has one holder in the whole cluster.
//!
//! The API of JetStream is JSON over requests, and this package writes these requests itself (`api.rs`). The client's
//! module for JetStream would bring five more crates, keeps an entry for each answer that never comes, and hides the
//! codes that say what became of a message.

#![warn(missing_docs)]

mod api;
mod backoff;
mod brokers;
mod check;
mod credentials;
mod error;
mod follower;
mod hubs;
mod lease;
pub mod limits;
mod mailbox;
mod names;
mod options;
mod publisher;
mod refusal;
mod registry;
mod stored;
mod streams;
mod sync;

pub use brokers::Brokers;
pub use check::{BrokerCheck, BrokerState, check_brokers, check_streams, verdict};
pub use credentials::Credentials;
pub use error::{ClusterError, FollowError, PublishError};
pub use follower::{Apply, Delivery, Follower, Progress};
pub use hubs::{HubSeen, hubs};
pub use lease::{Lease, Standing, claim_hub_id};
pub use names::{BootId, ClusterId, ClusterName, HubId, NameError, Names, StreamOf};
pub use options::BrokerOptions;
pub use publisher::{Publisher, Written};
pub use refusal::Refusal;
pub use registry::{Outcome, RegistryPublisher};
pub use streams::{StreamPlan, StreamState, create_streams, stream_states};
