//! Metrics as commands: those of the collectors, which the agent has too, and those of services and
//! of checks of the host, which only the standalone program asks.
//!
//! The metrics of a service are one file here with a `pub static METRICS` and one line in the
//! table. They are read by the same client below [`service`](crate::service) as the check's.

mod clock;
pub mod collector;
mod consul;
mod dns;
mod docker;
mod figures;
mod http;
mod kafka;
mod kernel;
mod mdraid;
mod ping;
mod port;
mod rabbitmq;
mod redis;
mod samza;
mod sensu;
mod slurm;
mod smart;
mod swarm;
mod systemd_unit;
mod tls_expiry;
mod zookeeper;

use clap::{Arg, ArgMatches, Command};
use venus_collectors::graphite::Scheme;

use crate::arguments::{state_dir, timeout};
use crate::context::{Context, Failure};
use crate::status::Status;
use crate::world::{World, complain, print};
use crate::{arguments, deadline};

pub use figures::Figures;

/// The declaration of a service's metrics.
#[derive(Debug)]
pub struct Metrics {
    /// Their command: `metrics-docker`.
    pub name: &'static str,
    /// What they show, in one line.
    pub about: &'static str,
    /// What follows the host name in the default scheme.
    pub scheme_suffix: &'static str,
    /// Arguments of an example that help shows after the name; may be empty.
    pub example: &'static str,
    /// Their own arguments, beside those that all have.
    pub arguments: fn() -> Vec<Arg>,
    /// Asks, and adds what it is told.
    pub run: fn(&ArgMatches, &Context, &mut Figures) -> Result<(), Failure>,
}

static ALL: &[&Metrics] = &[
    &kernel::UPTIME,
    &kernel::FILE_DESCRIPTORS,
    &kernel::ENTROPY,
    &kernel::HUGEPAGES,
    &mdraid::METRICS,
    &systemd_unit::METRICS,
    &sensu::METRICS,
    &zookeeper::METRICS,
    &consul::METRICS,
    &rabbitmq::METRICS,
    &redis::METRICS,
    &slurm::METRICS,
    &port::METRICS,
    &http::METRICS,
    &tls_expiry::METRICS,
    &dns::METRICS,
    &ping::METRICS,
    &clock::METRICS,
    &smart::METRICS,
    &docker::METRICS,
    &swarm::METRICS,
    &kafka::METRICS,
    &samza::METRICS,
];

/// All metrics of services, in the order in which they are listed.
#[must_use]
pub fn all() -> &'static [&'static Metrics] {
    ALL
}

/// Those of exactly this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Metrics> {
    ALL.iter().find(|metrics| metrics.name == name).copied()
}

/// `--scheme`, whose default ends with this.
fn scheme(suffix: &str) -> Arg {
    let default = match suffix {
        "" => "the host name".to_owned(),
        suffix => format!("the host name and .{suffix}"),
    };
    Arg::new("scheme")
        .short('s')
        .long("scheme")
        .value_name("SCHEME")
        .value_parser(|given: &str| Scheme::new(given))
        .help(format!("What each path begins with [default: {default}]"))
}

/// Their command line.
#[must_use]
pub fn command(metrics: &'static Metrics) -> Command {
    let example = format!("venus-checks {} {}", metrics.name, metrics.example);
    Command::new(metrics.name)
        .about(metrics.about)
        .version(env!("CARGO_PKG_VERSION"))
        .args_override_self(true)
        .arg(scheme(metrics.scheme_suffix))
        .args((metrics.arguments)())
        .args([timeout(), state_dir()])
        .args(crate::roots::arguments())
        .after_help(format!(
            "Prints one line PATH VALUE EPOCH for each metric, as Graphite takes them.\n\n\
             Example:\n  {}",
            example.trim_end()
        ))
}

/// Asks once and prints.
pub fn run(metrics: &'static Metrics, matches: &ArgMatches, world: &mut World<'_>) -> Status {
    let context = arguments::context(matches, world);
    let scheme = match matches.get_one::<Scheme>("scheme") {
        Some(scheme) => scheme.clone(),
        None => Scheme::default_for(&world.host, metrics.scheme_suffix),
    };
    let (work, given) = (metrics.run, matches.clone());
    let asked = deadline::hold(&context, move |context| {
        let mut figures = Figures::new(scheme, context.now);
        work(&given, context, &mut figures).map(|()| figures)
    });
    match asked {
        Ok(figures) => {
            for problem in figures.problems() {
                complain(world.err, metrics.name, problem);
            }
            print(world, metrics.name, figures.lines().as_bytes())
        }
        Err(failure) => {
            complain(world.err, metrics.name, &failure);
            Status::Unknown
        }
    }
}
