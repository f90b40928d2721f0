//! SLURM's nodes, processors, memory and jobs.

use std::collections::BTreeMap;

use clap::ArgMatches;

use crate::context::{Context, Failure};
use crate::metrics::{Figures, Metrics};
use crate::service::ServiceError;
use crate::service::slurm::{self, Amounts, Cpus, Job, Slurm};

/// See `docs/metrics/metrics-slurm.md`.
pub(super) static METRICS: Metrics = Metrics {
    name: "metrics-slurm",
    about: "SLURM's nodes, processors, memory and jobs, by state and partition",
    scheme_suffix: "slurm",
    example: "--scheme venus001.slurm",
    arguments: || slurm::arguments().into(),
    run,
};

/// States that always have a line: one that is not there is none, and no gap.
const OF_NODES: [&str; 12] = [
    "allocated",
    "completing",
    "down",
    "drained",
    "draining",
    "fail",
    "idle",
    "maint",
    "mixed",
    "not_responding",
    "reserved",
    "unknown",
];

/// The same of jobs.
const OF_JOBS: [&str; 5] = [
    "completing",
    "configuring",
    "pending",
    "running",
    "suspended",
];

fn run(matches: &ArgMatches, context: &Context, figures: &mut Figures) -> Result<(), Failure> {
    let slurm = Slurm::of(matches);
    // Each has a share of the time that is left, as one that hangs hides nothing of the others. The first,
    // without which no other is asked, may take longer: it does where munge is away.
    let controllers = slurm.controllers(&context.share(3))?;
    let all = slurm.amounts_of_all(&context.share(4));
    let by_partition = slurm.amounts_by_partition(&context.share(3));
    let jobs = slurm.jobs(&context.share(2));
    let memory = slurm.memory(context);
    if let (Err(error), Err(_), Err(_), Err(_)) = (&all, &by_partition, &jobs, &memory) {
        return Err(Failure::new(error.to_string()));
    }
    let jobs = known(jobs, figures);

    let up = controllers.iter().filter(|one| one.up).count();
    figures.add(&["controllers", "up"], up);
    figures.add(&["controllers", "total"], controllers.len());
    if let Some(all) = known(all, figures) {
        add_nodes(figures, &[], all.iter());
    }
    if let Some(memory) = known(memory, figures) {
        for (name, bytes) in [
            ("total", memory.total),
            ("allocated", memory.allocated),
            ("free", memory.free),
        ] {
            figures.add(&["memory", name], bytes);
        }
    }
    if let Some(jobs) = &jobs {
        add_jobs(figures, &[], jobs.iter());
        let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
        for job in jobs.iter().filter(|job| job.state == "pending") {
            *reasons.entry(short(&job.reason)).or_default() += 1;
        }
        for (reason, count) in reasons {
            figures.add(&["jobs", "pending_by_reason", reason], count);
        }
    }
    if let Some(amounts) = known(by_partition, figures) {
        add_partitions(figures, &amounts, jobs.as_deref());
    }
    Ok(())
}

/// What was told, or why it was not.
fn known<T>(told: Result<T, ServiceError>, figures: &mut Figures) -> Option<T> {
    told.map_err(|error| figures.problem(error.to_string()))
        .ok()
}

fn add_partitions(figures: &mut Figures, by_partition: &[Amounts], jobs: Option<&[Job]>) {
    let mut partitions: Vec<&str> = Vec::new();
    for amounts in by_partition {
        if !partitions.contains(&amounts.partition.as_str()) {
            partitions.push(&amounts.partition);
        }
    }
    for name in partitions {
        let path = ["partitions", name];
        let own = by_partition.iter().filter(|one| one.partition == name);
        add_nodes(figures, &path, own);
        let own = |job: &&Job| job.partitions.iter().any(|own| own == name);
        if let Some(jobs) = jobs {
            add_jobs(figures, &path, jobs.iter().filter(own));
        }
    }
}

fn add_nodes<'a>(figures: &mut Figures, path: &[&str], amounts: impl Iterator<Item = &'a Amounts>) {
    let mut states: BTreeMap<&str, u64> = OF_NODES.map(|state| (state, 0)).into();
    let (mut total, mut cpus) = (0_u64, Cpus::default());
    for one in amounts.filter(|one| one.nodes > 0) {
        for word in one.state.words() {
            let count = states.entry(word).or_default();
            *count = count.saturating_add(one.nodes);
        }
        total = total.saturating_add(one.nodes);
        for (sum, more) in [
            (&mut cpus.allocated, one.cpus.allocated),
            (&mut cpus.idle, one.cpus.idle),
            (&mut cpus.other, one.cpus.other),
            (&mut cpus.total, one.cpus.total),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
    for (state, count) in states {
        figures.add(&[path, &["nodes", state]].concat(), count);
    }
    figures.add(&[path, &["nodes", "total"]].concat(), total);
    for (name, count) in [
        ("allocated", cpus.allocated),
        ("idle", cpus.idle),
        ("other", cpus.other),
        ("total", cpus.total),
    ] {
        figures.add(&[path, &["cpus", name]].concat(), count);
    }
}

fn add_jobs<'a>(figures: &mut Figures, path: &[&str], jobs: impl Iterator<Item = &'a Job>) {
    let mut states: BTreeMap<&str, u64> = OF_JOBS.map(|state| (state, 0)).into();
    for job in jobs {
        *states.entry(&job.state).or_default() += 1;
    }
    for (state, count) in states {
        figures.add(&[path, &["jobs", state]].concat(), count);
    }
}

/// A reason without what it is of: `ReqNodeNotAvail, UnavailableNodes:hpcg2`. Those in words are
/// cut, so that there are not more paths than reasons.
fn short(reason: &str) -> &str {
    let end = reason.find([',', '(', ':']).unwrap_or(reason.len());
    let start = reason.get(..end).unwrap_or_default().trim();
    if start.is_empty() { "None" } else { start }
}
