//! The classic Swarm, as its manager sees it.

use crate::check::swarm::Expected;
use crate::service::swarm::{Classic, Engine};
use crate::status::{Findings, Outcome, Perfdata, Status, Unit, counted};

/// What its engines and their containers mean. Fails where something was asked for that it does
/// not have.
pub(super) fn judge(classic: &Classic, expected: &Expected<'_>) -> Result<Outcome, String> {
    if !expected.services.is_empty() {
        return Err("the classic Swarm has no services; leave out --service".to_owned());
    }
    let is_meant = |engine: &Engine, name: &str| engine.name == name || engine.address == name;
    let is_looked_at = |engine: &&Engine| {
        let names = &expected.nodes;
        names.is_empty() || names.iter().any(|name| is_meant(engine, name))
    };
    let looked_at: Vec<&Engine> = classic.engines.iter().filter(is_looked_at).collect();
    let (mut findings, mut perfdata) = (Findings::default(), Vec::new());
    let (mut healthy, mut all_containers) = (0_u64, 0_u64);
    for engine in &looked_at {
        let Engine { name, address, .. } = engine;
        match engine.status.as_deref() {
            // Before 1.1 it does not tell.
            Some("Healthy") | None => healthy += 1,
            Some(status) => {
                let error = engine.error.as_ref();
                let why = error.map_or_else(String::new, |error| format!(": {error}"));
                let status_of_check = match status {
                    "Pending" | "Maintenance" => Status::Warning,
                    _ => Status::Critical,
                };
                let status = status.to_lowercase();
                findings.add(
                    status_of_check,
                    format!("{name} ({address}) is {status}{why}"),
                );
            }
        }
        if let Some(count) = engine.containers {
            all_containers = all_containers.saturating_add(count);
            expected.judge(name, count, &mut findings, &mut perfdata);
        } else if expected.counts_containers() {
            let what = format!("{name} does not tell how many containers it has");
            findings.add(Status::Unknown, what);
        }
    }
    for name in &expected.nodes {
        if !looked_at.iter().any(|engine| is_meant(engine, name)) {
            findings.add(Status::Critical, format!("there is no engine {name}"));
        }
    }
    if classic.engines.is_empty() {
        findings.add(Status::Critical, "there is no engine");
    }
    let engines = counted(looked_at.len(), "engine");
    let containers = counted(all_containers, "container");
    let mut outcome = findings.outcome(format!(
        "classic Swarm, {healthy} of {engines} healthy, {containers}"
    ));
    let figure = Perfdata::new("engines healthy", healthy, Unit::None);
    perfdata.insert(0, figure.min(0).max(looked_at.len()));
    outcome.perfdata = perfdata;
    Ok(outcome)
}
