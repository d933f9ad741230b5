//! The fleet harness: a real hub in its own process, thousands of real agents in this one.
//!
//! `windfire-bench fleet` measures with it. The hub's end-to-end tests run on it.

#![allow(clippy::cast_possible_truncation, reason = "simulated numbers, and counts that are small")]

pub mod chart;
pub mod clock;
pub mod cluster;
pub mod compare;
pub mod crashed_log;
pub mod fast;
pub mod fleet;
pub mod given;
pub mod http_client;
pub mod hub_process;
mod latencies;
pub mod month;
pub mod notes;
pub mod numbered;
pub mod receiver;
pub mod sessions;
pub mod sizes;
pub mod start;
pub mod swarm;
pub mod workload;
