//! The checks: a table of what is declared about each, and what each is given to work with.
//!
//! A check is one file below `check/` with a `pub static CHECK`, and one line in the table here.
//! It answers with an [`Outcome`], or with a [`Failure`] where it could not find out, which is
//! UNKNOWN. It prints nothing itself. [`runner`] holds its deadline, prints, and ends.

mod arguments;
mod clock;
mod consul;
mod consul_service;
mod cpu;
mod cpu_frequency;
mod disk_usage;
mod dns;
mod docker;
mod docker_container;
mod edac;
mod entropy;
mod file_descriptors;
mod fstab_mounts;
mod hold;
mod http;
mod hugepages;
mod infiniband;
mod interface;
mod kafka;
mod kafka_lag;
mod kernel_log;
mod limits;
mod load;
mod mce;
mod mdraid;
mod memory;
mod mounts;
mod ping;
mod port;
mod process;
mod rabbitmq;
#[cfg(feature = "verbs")]
mod rdma;
mod redis;
mod remember;
pub mod runner;
mod samza;
mod sensu;
mod slurm;
mod smart;
mod swarm;
mod systemd_unit;
mod temperature;
mod tls_expiry;
mod uptime;
mod zookeeper;

use clap::{Arg, ArgMatches};

use crate::context::{Context, Failure};
use crate::status::Outcome;

pub use arguments::command;

/// A check's declaration: all that the command line, the tests and the docs know of it.
#[derive(Debug)]
pub struct Check {
    /// Its command: `check-load`.
    pub name: &'static str,
    /// What its line begins with: `CheckLoad`.
    pub title: &'static str,
    /// What it looks at, in one line.
    pub about: &'static str,
    /// Arguments of an example that help shows after the name; may be empty.
    pub example: &'static str,
    /// Its own arguments, beside those that all have.
    pub arguments: fn() -> Vec<Arg>,
    /// What it would look at, a line each, for `--dryrun`.
    pub looks_at: fn(&ArgMatches, &Context) -> Vec<String>,
    /// Looks.
    pub run: fn(&ArgMatches, &Context) -> Result<Outcome, Failure>,
}

static ALL: &[&Check] = &[
    &load::CHECK,
    &cpu::CHECK,
    &memory::PERCENT,
    &memory::FREE,
    &memory::RAM,
    &memory::SWAP,
    &disk_usage::CHECK,
    &fstab_mounts::CHECK,
    &mounts::CHECK,
    &process::CHECK,
    &systemd_unit::CHECK,
    &uptime::CHECK,
    &clock::CHECK,
    &file_descriptors::CHECK,
    &interface::CHECK,
    &kernel_log::CHECK,
    &mdraid::CHECK,
    &smart::CHECK,
    &edac::CHECK,
    &mce::CHECK,
    &temperature::CHECK,
    &cpu_frequency::CHECK,
    &hugepages::CHECK,
    &entropy::CHECK,
    &sensu::CHECK,
    &zookeeper::CHECK,
    &consul::CHECK,
    &consul_service::CHECK,
    &rabbitmq::CHECK,
    &redis::CHECK,
    &slurm::CHECK,
    &slurm::NODE,
    &slurm::DAEMON,
    &port::CHECK,
    &http::CHECK,
    &tls_expiry::CHECK,
    &dns::CHECK,
    &ping::CHECK,
    &docker::CHECK,
    &docker_container::CHECK,
    &swarm::CHECK,
    &kafka::CHECK,
    &kafka_lag::CHECK,
    &samza::CHECK,
    &infiniband::CHECK,
    #[cfg(feature = "verbs")]
    &rdma::CHECK,
];

/// Every check, in the order in which they are listed.
#[must_use]
pub fn all() -> &'static [&'static Check] {
    ALL
}

/// The check of exactly this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Check> {
    ALL.iter().find(|check| check.name == name).copied()
}
