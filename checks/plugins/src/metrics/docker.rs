//! Containers by state, images and the like of a Docker Engine.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, ArgMatches};

use crate::context::{Context, Failure};
use crate::metrics::{Figures, Metrics};
use crate::service::docker::{self, Health, State};
use crate::service::http::{self, Http};

/// See `docs/metrics/metrics-docker.md`.
pub(super) static METRICS: Metrics = Metrics {
    name: "metrics-docker",
    about: "Docker's containers by state, images, restarts, and the daemon itself",
    scheme_suffix: "docker",
    example: "--url unix:///var/run/docker.sock",
    arguments,
    run,
};

fn arguments() -> Vec<Arg> {
    let restarts = Arg::new("restarts")
        .long("restarts")
        .action(ArgAction::SetTrue)
        .help("Restarts of each container that is up, too: a question for each");
    let [url, user, password, ca] = http::arguments(docker::SOCKET);
    vec![url, user, password, ca, restarts]
}

fn run(matches: &ArgMatches, context: &Context, figures: &mut Figures) -> Result<(), Failure> {
    let http = Http::of(matches, context)?;
    let info = docker::info(&http, context)?;
    let containers = docker::containers(&http, context)?;
    figures.add(&["containers", "total"], containers.len());
    for state in State::TOLD {
        let count = containers.iter().filter(|one| one.state() == state).count();
        figures.add(&["containers", state.name()], count);
    }
    for (name, health) in [
        ("healthy", Health::Healthy),
        ("unhealthy", Health::Unhealthy),
    ] {
        let count = containers.iter().filter(|one| one.health() == Some(health));
        figures.add(&["containers", name], count.count());
    }
    if let Some(images) = info.images {
        figures.add(&["images"], images);
    }
    for (name, count) in [
        ("file_descriptors", info.file_descriptors),
        ("goroutines", info.goroutines),
    ] {
        // A daemon that runs has some.
        if count > 0 {
            figures.add(&["daemon", name], count);
        }
    }
    if let Some(count) = info.event_listeners {
        figures.add(&["daemon", "event_listeners"], count);
    }
    for space in info.spaces() {
        figures.add(&["storage", space.of, "used"], space.used);
        figures.add(&["storage", space.of, "total"], space.total);
    }
    if matches.get_flag("restarts") {
        let is_up = |state| matches!(state, State::Running | State::Paused | State::Restarting);
        // Containers of a service that has one on each node share its name.
        let mut restarts: BTreeMap<String, u64> = BTreeMap::new();
        for container in containers.iter().filter(|one| is_up(one.state())) {
            if let Some(detail) = docker::detail(&http, &container.id, context)? {
                let sum = restarts.entry(container.name()).or_default();
                *sum = sum.saturating_add(detail.restart_count);
            }
        }
        for (name, count) in restarts {
            figures.add(&["container", &name, "restarts"], count);
        }
    }
    Ok(())
}
