//! Swarm mode, as a manager sees it.

use std::collections::HashMap;

use crate::check::swarm::Expected;
use crate::context::Context;
use crate::service::http::Http;
use crate::service::swarm::{Kind, Node, Seen, Swarm, Tasks, last_failure};
use crate::status::{Findings, Outcome, Perfdata, Status, Unit, counted};

/// Of how many services that do not run it asks why, in one run: each is a question of its own.
const ASKED: usize = 10;

/// Asks, and judges.
pub(super) fn look(http: &Http, expected: &Expected<'_>, context: &Context) -> Outcome {
    let seen = Swarm::look(http, context);
    let tasks = looked_at(&seen, expected);
    let mut why = HashMap::new();
    let lacking = tasks
        .iter()
        .filter(|tasks| tasks.done < tasks.wanted && tasks.waits.is_none());
    for tasks in lacking.take(ASKED) {
        match last_failure(http, tasks.service, context) {
            Ok(Some(failure)) => {
                why.insert(tasks.service.id.as_str(), failure);
            }
            Ok(None) => {}
            // That something is lacking is known, if not why.
            Err(_) => break,
        }
    }
    judge(&seen, &tasks, &why, expected)
}

/// Nothing can be told of services without their tasks.
fn looked_at<'a>(seen: &'a Seen, expected: &Expected<'_>) -> Vec<Tasks<'a>> {
    if !seen.has_tasks {
        return Vec::new();
    }
    let mut tasks = seen.swarm.tasks();
    tasks.retain(|tasks| expected.all() || expected.services.contains(&tasks.service.name()));
    tasks
}

fn judge(
    seen: &Seen,
    tasks: &[Tasks<'_>],
    why: &HashMap<&str, String>,
    expected: &Expected<'_>,
) -> Outcome {
    let (mut findings, mut right, mut perfdata) = (Findings::default(), Vec::new(), Vec::new());
    for error in &seen.errors {
        findings.add(error.status(), error.to_string());
    }
    let of_nodes = expected.services.is_empty() || !expected.nodes.is_empty();
    if of_nodes && seen.has_nodes {
        nodes(seen, expected, &mut findings, &mut right, &mut perfdata);
    }
    if expected.all() && seen.has_nodes {
        managers(&seen.swarm, &mut findings, &mut right, &mut perfdata);
    }
    let of_services = expected.nodes.is_empty() || !expected.services.is_empty();
    if of_services && seen.has_services && seen.has_tasks {
        services(
            tasks,
            why,
            expected,
            &mut findings,
            &mut right,
            &mut perfdata,
        );
    }
    let mut outcome = findings.outcome(right.join(", "));
    outcome.perfdata = perfdata;
    outcome
}

fn nodes(
    seen: &Seen,
    expected: &Expected<'_>,
    findings: &mut Findings,
    right: &mut Vec<String>,
    perfdata: &mut Vec<Perfdata>,
) {
    let swarm = &seen.swarm;
    let is_looked_at = |node: &&Node| {
        expected.nodes.is_empty()
            || expected.nodes.contains(&node.name())
            || expected.nodes.contains(&node.id.as_str())
    };
    let looked_at: Vec<&Node> = swarm.nodes.iter().filter(is_looked_at).collect();
    let containers = swarm.tasks_by_node();
    let mut ready = 0_u64;
    for node in &looked_at {
        let name = node.name();
        let why = match node.status.message.as_str() {
            "" => String::new(),
            message => format!(": {message}"),
        };
        match (node.status.state.as_str(), node.availability()) {
            ("ready", "active") => ready += 1,
            (_, "drain") | ("ready", "pause") if expected.allow_drained => {}
            ("ready", "drain") => findings.add(Status::Warning, format!("{name} is drained")),
            ("ready", "pause") => findings.add(Status::Warning, format!("{name} is paused")),
            ("", _) | ("ready", "") => {
                findings.add(Status::Unknown, format!("{name} does not tell how it is"));
            }
            ("ready", other) => findings.add(Status::Unknown, format!("{name} is set to {other}")),
            (state, _) => findings.add(Status::Critical, format!("{name} is {state}{why}")),
        }
        if expected.counts_containers() && seen.has_tasks {
            let count = containers
                .get(node.id.as_str())
                .copied()
                .unwrap_or_default();
            expected.judge(name, count, findings, perfdata);
        }
    }
    for name in &expected.nodes {
        if !looked_at
            .iter()
            .any(|node| node.name() == *name || node.id == *name)
        {
            findings.add(Status::Critical, format!("there is no node {name}"));
        }
    }
    right.push(format!(
        "{ready} of {} ready",
        counted(looked_at.len(), "node")
    ));
    let figure = Perfdata::new("nodes ready", ready, Unit::None);
    perfdata.push(figure.min(0).max(looked_at.len()));
}

/// More than half of the managers have to agree on whatever is to happen.
fn managers(
    swarm: &Swarm,
    findings: &mut Findings,
    right: &mut Vec<String>,
    perfdata: &mut Vec<Perfdata>,
) {
    let managers = swarm.nodes.iter().filter_map(|node| {
        let status = node.manager_status.as_ref()?;
        Some((node.name(), status.reachability == "reachable"))
    });
    let managers: Vec<(&str, bool)> = managers.collect();
    let all = managers.len();
    let lost: Vec<&str> = managers
        .iter()
        .filter_map(|(name, reachable)| (!reachable).then_some(*name))
        .collect();
    let reachable = all.saturating_sub(lost.len());
    let needed = all / 2 + 1;
    let what = format!("{reachable} of {} reachable", counted(all, "manager"));
    if !lost.is_empty() {
        let status = if reachable < needed {
            Status::Critical
        } else {
            Status::Warning
        };
        let lost = lost.join(", ");
        findings.add(status, format!("{what} ({lost} not), {needed} needed"));
    }
    right.push(what);
    let figure = Perfdata::new("managers reachable", reachable, Unit::None);
    perfdata.push(figure.min(0).max(all));
}

fn services(
    tasks: &[Tasks<'_>],
    why: &HashMap<&str, String>,
    expected: &Expected<'_>,
    findings: &mut Findings,
    right: &mut Vec<String>,
    perfdata: &mut Vec<Perfdata>,
) {
    for one in tasks {
        let Tasks {
            service,
            done,
            wanted,
            waits,
        } = one;
        let name = service.name();
        let reason = waits.or_else(|| why.get(service.id.as_str()).map(String::as_str));
        let because = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        let lacks = done < wanted;
        match service.kind() {
            Kind::Replicated | Kind::Global if lacks => {
                let status = if *done == 0 {
                    Status::Critical
                } else {
                    Status::Warning
                };
                let what = match service.kind() {
                    Kind::Global => {
                        format!("{name} runs on {done} of {}", counted(*wanted, "node"))
                    }
                    Kind::Replicated | Kind::Job => {
                        format!("{name} runs {done} of {}", counted(*wanted, "task"))
                    }
                };
                findings.add(status, what + &because);
            }
            Kind::Global if *wanted == 0 && expected.services.contains(&name) => {
                findings.add(Status::Warning, format!("{name} runs on no node"));
            }
            // One that has not failed is at work.
            Kind::Job if lacks && reason.is_some() => {
                let tasks = counted(*wanted, "task");
                let what = format!("job {name} has finished {done} of {tasks}{because}");
                findings.add(Status::Warning, what);
            }
            Kind::Replicated | Kind::Global | Kind::Job => {}
        }
        if let Some(update) = &service.update_status
            && update.state.ends_with("paused")
        {
            let what = format!("the update of {name} is paused: {}", update.message);
            findings.add(Status::Warning, what);
        }
        let figure = Perfdata::new(format!("{name} tasks"), *done, Unit::None);
        perfdata.push(figure.min(0).max(*wanted));
    }
    for name in &expected.services {
        if !tasks.iter().any(|tasks| tasks.service.name() == *name) {
            findings.add(Status::Critical, format!("there is no service {name}"));
        }
    }
    right.push(match tasks {
        [one] => format!(
            "{} does {} of {}",
            one.service.name(),
            one.done,
            counted(one.wanted, "task")
        ),
        many => format!("{} in order", counted(many.len(), "service")),
    });
}
