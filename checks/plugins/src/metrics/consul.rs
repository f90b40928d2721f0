//! Consul's members, Raft, and its checks by state.

use std::collections::BTreeMap;
use std::fmt::Display;

use clap::ArgMatches;

use crate::context::{Context, Failure};
use crate::metrics::{Figures, Metrics};
use crate::service::consul::{self, MemberStatus, Opinion, ServiceCheck, State};

/// See `docs/metrics/metrics-consul.md`.
pub(super) static METRICS: Metrics = Metrics {
    name: "metrics-consul",
    about: "Consul's members, Raft, and its checks and services by state",
    scheme_suffix: "consul",
    example: "--url http://127.0.0.1:8500",
    arguments: consul::arguments,
    run,
};

const STATUSES: [(MemberStatus, &str); 4] = [
    (MemberStatus::Alive, "alive"),
    (MemberStatus::Leaving, "leaving"),
    (MemberStatus::Left, "left"),
    (MemberStatus::Failed, "failed"),
];

const STATES: [State; 4] = [
    State::Passing,
    State::Warning,
    State::Critical,
    State::Unknown,
];

fn run(matches: &ArgMatches, context: &Context, figures: &mut Figures) -> Result<(), Failure> {
    let http = consul::agent(matches, context)?;
    let leader = consul::leader(&http, context)?;
    figures.add(&["leader"], u8::from(leader.is_some()));
    if let Some(peers) = or_problem(consul::peers(&http, context), figures) {
        figures.add(&["peers"], peers.len());
    }
    if let Some(members) = or_problem(consul::members(&http, context), figures) {
        for (status, name) in STATUSES {
            let these = members.iter().filter(|one| one.status == status);
            figures.add(&["members", name], these.clone().count());
            let servers = these.filter(|one| one.is_server());
            figures.add(&["servers", name], servers.count());
        }
    }
    if let Some(raft) = or_problem(consul::raft(&http, context), figures).flatten() {
        for (name, number) in raft.numbers() {
            figures.add(&["raft", name], number);
        }
        if let Some(lag) = raft.lag() {
            figures.add(&["raft", "lag"], lag);
        }
        if let Some(contact) = raft.last_contact() {
            figures.add(&["raft", "last_contact_ms"], contact);
        }
    }
    if leader.is_none() {
        figures.problem("the cluster has no leader, and tells of no checks");
        return Ok(());
    }
    if let Some(Opinion::Known(autopilot)) = or_problem(consul::autopilot(&http, context), figures)
    {
        figures.add(&["autopilot", "healthy"], u8::from(autopilot.healthy));
        let tolerance = autopilot.failure_tolerance;
        figures.add(&["autopilot", "failure_tolerance"], tolerance);
    }
    if let Some(checks) = or_problem(consul::checks(&http, context), figures) {
        let states: Vec<State> = checks.iter().map(|check| check.status).collect();
        add_states("checks", &states, figures);
        add_states("services", &services(&checks), figures);
    }
    Ok(())
}

fn or_problem<T, E: Display>(asked: Result<T, E>, figures: &mut Figures) -> Option<T> {
    asked
        .map_err(|error| figures.problem(error.to_string()))
        .ok()
}

fn add_states(node: &str, states: &[State], figures: &mut Figures) {
    for state in STATES {
        let these = states.iter().filter(|is| **is == state);
        figures.add(&[node, state.name()], these.count());
    }
}

/// The worst state of each instance of a service that has checks of its own.
fn services(checks: &[ServiceCheck]) -> Vec<State> {
    let mut worst = BTreeMap::new();
    for check in checks.iter().filter(|check| !check.service_id.is_empty()) {
        let state = worst
            .entry((&check.node, &check.service_id))
            .or_insert(check.status);
        *state = check.status.max(*state);
    }
    worst.into_values().collect()
}
