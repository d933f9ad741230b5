//! Options of `windfire-bench cluster`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use windfire_bench::cluster::{Agents, Injection, Programs};

use crate::arguments::duration;

#[derive(Args)]
pub(crate) struct ClusterArguments {
    /// Hubs
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=8))]
    hubs: u64,
    /// Agents that report to any of the hubs (with 0 this part is left out)
    #[arg(long, default_value_t = 3000)]
    agents: usize,
    /// Time between two reports of one agent, such as 1s or 500ms
    #[arg(long, default_value = "1s", value_parser = duration)]
    interval: Duration,
    /// Time of measured reporting, such as 60s or 15m
    #[arg(long, default_value = "60s", value_parser = duration)]
    duration: Duration,
    /// Ask for an ack of every frame: measures how long one takes, and costs packets
    #[arg(long)]
    ack_each: bool,
    /// Servers whose reports are published without agents (with 0 this part is left out)
    #[arg(long, default_value_t = 1000)]
    servers: usize,
    /// Reports of each, one second apart; all are kept in memory until they are published
    #[arg(long, default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=43_200))]
    seconds: u64,
    /// Reports of one server in a frame
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=60))]
    per_frame: u64,
    /// The hub's binary [default: windfire, next to this program]
    #[arg(long)]
    binary: Option<PathBuf>,
    /// nats-server's binary [default: the one that .ci/nats installs, or else the machine's]
    #[arg(long)]
    nats: Option<PathBuf>,
}

impl ClusterArguments {
    /// Does the measurements and prints their figures. Returns whether every report was on every hub once.
    pub(crate) fn run(&self) -> Result<bool, String> {
        let programs = self.programs()?;
        let folder = || tempfile::tempdir().map_err(|error| format!("a temporary folder: {error}"));
        let hubs = self.hubs as usize;
        let mut is_whole = true;
        if self.agents > 0 {
            let &Self { agents, interval, duration: measured, ack_each, .. } = self;
            let reported = Agents { hubs, agents, interval, measured, ack_each }.run(&programs, folder()?.path());
            print!("{}", reported.table());
            is_whole &= reported.is_whole();
        }
        if self.servers > 0 {
            let &Self { servers, seconds, per_frame, .. } = self;
            let injected = Injection { hubs, servers, seconds, per_frame }.run(&programs, folder()?.path());
            print!("{}", injected.table());
            is_whole &= injected.is_whole();
        }
        Ok(is_whole)
    }

    fn programs(&self) -> Result<Programs, String> {
        let own = std::env::current_exe().map_err(|error| format!("the folder of this program: {error}"))?;
        let hub = self.binary.clone().unwrap_or_else(|| own.with_file_name("windfire"));
        let installed = own.with_file_name("../nats/nats-server");
        let found = if installed.is_file() { installed } else { PathBuf::from("nats-server") };
        Ok(Programs { hub, nats: self.nats.clone().unwrap_or(found) })
    }
}
