//! The harness of the end-to-end tests: real parts, started and ended by each test.
//!
//! | module | holds |
//! |---|---|
//! | [`part`] | what happens where a real part is missing |
//! | [`rabbitmq`] | a `RabbitMQ` node of the test's own |
//! | [`kafka`] | brokers of the test's own, and who produces and consumes |
//! | [`redis`] | Redis servers and a sentinel of the test's own |
//! | [`carbon`] | a Carbon of the test's own |
//! | [`graphite_web`] | graphite-web over that Carbon's files |
//! | [`prometheus`] | a Prometheus of the test's own, and promtool |
//! | [`zookeeper`] | `ZooKeeper` servers of the test's own |
//! | [`room`] | network, mount and process namespaces of the test's own |
//! | [`machine`] | booted systems with systemd, several in such a room |
//! | [`ansible`] | plays on them |
//! | [`docker`] | a Docker Engine in such a room |
//! | [`slurm`] | a SLURM cluster of four nodes in such a room |
//! | [`tmux`] | a terminal with a program in it |
//! | [`chrony`] | an NTP server of the test's own |
//! | [`cable`] | a connection to a broker that can be cut |
//! | [`certificates`] | an authority and what it has signed |
//! | [`authority`] | certificates of servers in every state |
//! | [`daemon`] | a server that can be ended, stopped and started again |
//! | [`nginx`], [`nameserver`] | such ones: a web server and a DNS server |
//! | [`network`] | a network namespace of the test's own |
//! | [`fabric`] | a simulated `InfiniBand` fabric |
//! | [`leash`] | ends what was started, however the tests end |
//! | [`socket`] | who hands something to a port |
//! | [`http`] | a client of what answers over HTTP |
//! | [`endpoint`] | a stand-in for Slack's webhook |
//! | [`server`] | the test in the role of the Sensu server |
//! | [`publisher`] | who asks for checks as the Sensu server does, and hears nothing |
//! | [`numbers`] | numbers that came, however many |
//! | [`callgrind`] | a program whose instructions are counted |
//! | [`link_order`] | what a linker is told of what callgrind saw |
//! | [`process`] | what the kernel and its own figures say of a running agent |
//! | [`recorder`] | a Sensu server that comes back by itself and writes down what it gets |
//! | [`program`] | our programs, run with settings of the test's own |
//! | [`port`] | ports that nobody has |
//! | [`gate`] | a command that runs for as long as the test wants |
//! | [`fixture`] | captures and trees below `tests/fixtures` |
//!
//! Ports come from the kernel, files are temporary, traffic stays on loopback,
//! and what was started ends by its own pid: when its value is dropped, and
//! with the process of the tests at the latest.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "all of it is test code: it fails loudly, at the place where it fails"
)]

pub mod ansible;
pub mod authority;
pub mod browser;
pub mod cable;
pub mod callgrind;
pub mod carbon;
pub mod certificates;
pub mod chrony;
pub mod daemon;
pub mod docker;
pub mod endpoint;
pub mod fabric;
pub mod fixture;
pub mod gate;
pub mod graphite_web;
pub mod http;
pub mod kafka;
pub mod leash;
pub mod link_order;
pub mod machine;
pub mod memory_group;
pub mod nameserver;
pub mod network;
pub mod nginx;
pub mod numbers;
pub mod part;
pub mod port;
pub mod process;
pub mod program;
pub mod prometheus;
pub mod publisher;
pub mod rabbitmq;
pub mod recorder;
pub mod redis;
pub mod room;
// As the agent has it: the library's own would be built into the agent, too, as all
// programs of a workspace are built with the same features.
#[path = "../../agent/src/transport/runtime.rs"]
mod runtime;
pub mod server;
pub mod slurm;
pub mod socket;
pub mod tmux;
pub mod zookeeper;

use std::time::Duration;

/// How long a test waits for something that has to happen. Long, as it is only
/// ever waited for in full by a test that fails.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// A moment, between two looks at something that tells nobody when it changes.
#[expect(
    clippy::disallowed_methods,
    reason = "processes end and nodes come up without an event to wait for"
)]
pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}
