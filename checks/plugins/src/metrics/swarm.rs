//! Nodes, managers and services of Docker's Swarm mode, or the engines of the classic Swarm.

use clap::ArgMatches;

use crate::context::{Context, Failure};
use crate::metrics::{Figures, Metrics};
use crate::service::docker;
use crate::service::http::{self, Http};
use crate::service::swarm::{Classic, Kind, Node, Swarm};

/// See `docs/metrics/metrics-swarm.md`.
pub(super) static METRICS: Metrics = Metrics {
    name: "metrics-swarm",
    about: "Docker Swarm's nodes, managers and services, or the classic Swarm's engines",
    scheme_suffix: "swarm",
    example: "--url unix:///var/run/docker.sock",
    arguments: || http::arguments(docker::SOCKET).into(),
    run,
};

fn run(matches: &ArgMatches, context: &Context, figures: &mut Figures) -> Result<(), Failure> {
    let http = Http::of(matches, context)?;
    let info = docker::info(&http, context)?;
    if let Some(classic) = Classic::of(&info) {
        of_classic(&classic, figures);
        return Ok(());
    }
    let member = info.swarm.unwrap_or_default();
    if !member.control_available {
        return Err(Failure::new(format!(
            "{} is no manager of a swarm, and only these know of it",
            info.name
        )));
    }
    of_mode(&Swarm::ask(&http, context)?, figures);
    Ok(())
}

fn of_mode(swarm: &Swarm, figures: &mut Figures) {
    let nodes = |is: &dyn Fn(&Node) -> bool| swarm.nodes.iter().filter(|node| is(node)).count();
    figures.add(&["nodes", "total"], swarm.nodes.len());
    for state in ["ready", "down", "disconnected", "unknown"] {
        figures.add(&["nodes", state], nodes(&|node| node.status.state == state));
    }
    for (name, availability) in [("drained", "drain"), ("paused", "pause")] {
        let is = |node: &Node| node.availability() == availability;
        figures.add(&["nodes", name], nodes(&is));
    }
    let is_manager = |node: &Node| node.manager_status.is_some();
    figures.add(&["managers", "total"], nodes(&is_manager));
    let is_reachable = |node: &Node| {
        let status = node.manager_status.as_ref();
        status.is_some_and(|status| status.reachability == "reachable")
    };
    figures.add(&["managers", "reachable"], nodes(&is_reachable));
    for tasks in swarm.tasks() {
        let name = tasks.service.name();
        let done = match tasks.service.kind() {
            Kind::Replicated | Kind::Global => "running",
            Kind::Job => "finished",
        };
        figures.add(&["service", name, done], tasks.done);
        figures.add(&["service", name, "desired"], tasks.wanted);
    }
}

fn of_classic(classic: &Classic, figures: &mut Figures) {
    figures.add(&["engines", "total"], classic.engines.len());
    if classic.engines.iter().any(|engine| engine.status.is_some()) {
        let healthy = |status: Option<&str>| status == Some("Healthy");
        let healthy = classic
            .engines
            .iter()
            .filter(|one| healthy(one.status.as_deref()));
        figures.add(&["engines", "healthy"], healthy.count());
    }
    for engine in &classic.engines {
        // One that was never reached has no name yet.
        let name = match engine.name.as_str() {
            "(unknown)" => engine.address.as_str(),
            name => name,
        };
        if let Some(count) = engine.containers {
            figures.add(&["engine", name, "containers"], count);
        }
        if let Some((reserved, total)) = engine.cpus {
            figures.add(&["engine", name, "cpus", "reserved"], reserved);
            figures.add(&["engine", name, "cpus", "total"], total);
        }
        if let Some((reserved, total)) = engine.memory {
            figures.add(&["engine", name, "memory", "reserved"], reserved);
            figures.add(&["engine", name, "memory", "total"], total);
        }
    }
}
