//! What `mntr` of `ZooKeeper`'s servers has in numbers.

use clap::ArgMatches;

use crate::context::{Context, Failure};
use crate::metrics::{Figures, Metrics};
use crate::service::zookeeper::{self, Answer, Role};

/// See `docs/metrics/metrics-zookeeper.md`.
pub(super) static METRICS: Metrics = Metrics {
    name: "metrics-zookeeper",
    about: "All numbers that ZooKeeper's servers tell of themselves",
    scheme_suffix: "zookeeper",
    example: "--server 127.0.0.1:2181",
    arguments: || vec![zookeeper::servers_argument()],
    run,
};

/// The role as a number; 0 is for a server that does not serve.
fn state(role: Role) -> u8 {
    match role {
        Role::Standalone => 1,
        Role::Leader => 2,
        Role::Follower => 3,
        Role::Observer => 4,
        Role::ReadOnly => 5,
    }
}

fn run(matches: &ArgMatches, context: &Context, figures: &mut Figures) -> Result<(), Failure> {
    let servers = zookeeper::servers(matches);
    let mut problems = Vec::new();
    for (server, answer) in servers.iter().zip(zookeeper::ask_all(&servers, context)) {
        let name = server.to_string().replace(':', "_");
        // Alone, it needs no name in the path: that of the host is in the scheme.
        let mut add = |metric: &str, value| {
            let nodes = [name.as_str(), metric];
            figures.add(
                nodes
                    .get(usize::from(servers.len() == 1)..)
                    .unwrap_or(&nodes),
                value,
            );
        };
        match answer {
            Answer::Serves(report, _) => {
                add("server_state", state(report.role).into());
                for (metric, number) in &report.numbers {
                    add(metric, *number);
                }
            }
            Answer::NotServing => add("server_state", 0.into()),
            Answer::Silent => problems.push(format!("{server} does not answer in time")),
            Answer::Failed(error) => problems.push(error.to_string()),
        }
    }
    if problems.len() == servers.len() {
        return Err(Failure::new(problems.join("; ")));
    }
    for problem in problems {
        figures.problem(problem);
    }
    Ok(())
}
