//! `check-slurm-node`: how SLURM has one node.

use clap::{Arg, ArgMatches};

use super::states::{self, States};
use crate::check::Check;
use crate::context::{Context, Failure};
use crate::service::slurm::{self, Node, Slurm};
use crate::status::{Outcome, Status, duration};

/// See `docs/checks/check-slurm-node.md`.
pub(in crate::check) static CHECK: Check = Check {
    name: "check-slurm-node",
    title: "CheckSlurmNode",
    about: "This node's state in SLURM, and the reason of a drain",
    example: "--ok-states maint",
    arguments,
    looks_at: |matches, context| vec![format!("node {}, by scontrol", name(matches, context))],
    run,
};

fn arguments() -> Vec<Arg> {
    let node = Arg::new("node")
        .long("node")
        .value_name("NAME")
        .value_parser(one_node)
        .help("The node [default: the host name without what follows a dot]");
    let [bin] = slurm::arguments();
    [node]
        .into_iter()
        .chain(states::arguments())
        .chain([bin])
        .collect()
}

/// A list would be answered with the states of all of them.
fn one_node(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || text.contains(['[', ']', ',']) {
        return Err("give the name of one node, and no list");
    }
    Ok(text.to_owned())
}

fn name(matches: &ArgMatches, context: &Context) -> String {
    let short = context.host.split('.').next().unwrap_or_default();
    let given = matches.get_one::<String>("node");
    given.map_or(short, String::as_str).to_owned()
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let (slurm, name) = (Slurm::of(matches), name(matches, context));
    // A controller that is away says nothing of this node: the same everywhere, it is check-slurm's.
    slurm.controllers(context)?;
    match slurm.node(&name, context)? {
        Some(node) => Ok(judge(&name, &node, &States::given(matches), context.now)),
        None => Err(Failure::new(format!(
            "SLURM has no node {name}; give its name with --node"
        ))),
    }
}

fn judge(name: &str, node: &Node, rules: &States, now: u64) -> Outcome {
    let status = rules.judge(&node.state);
    let mut what = format!("{name} is {}", node.state);
    if status == Status::Unknown {
        what.push_str(", which may mean anything; say what with --ok-states and its like");
    }
    if let Some(reason) = &node.reason {
        what.push_str(&format!(": {}", reason.text));
        let since = reason
            .since
            .map(|since| format!("{} ago", duration(now.saturating_sub(since))));
        let by: Vec<String> = reason.user.clone().into_iter().chain(since).collect();
        if !by.is_empty() {
            what.push_str(&format!(" ({})", by.join(", ")));
        }
    }
    Outcome::new(status, what)
}
