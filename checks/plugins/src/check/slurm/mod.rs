//! `check-slurm`: the controllers, the nodes of each partition, and jobs that are stuck.

mod daemon;
mod jobs;
mod node;
mod partitions;
mod share;
mod states;

use clap::{Arg, ArgAction, ArgMatches, value_parser};

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::service::ServiceError;
use crate::service::slurm::{self, Controller, Job, Nodes, Slurm};
use crate::status::{Findings, Limits, Outcome, Perfdata, Status, Unit, counted};

use partitions::Partitions;
use share::Share;
use states::States;

pub(super) use daemon::CHECK as DAEMON;
pub(super) use node::CHECK as NODE;

/// See `docs/checks/check-slurm.md`.
pub(super) static CHECK: Check = Check {
    name: "check-slurm",
    title: "CheckSlurm",
    about: "SLURM: controllers, the nodes of each partition, and jobs that are stuck",
    example: "--partition all -w 10% -c 50%",
    arguments,
    looks_at,
    run,
};

fn arguments() -> Vec<Arg> {
    let partition = Arg::new("partition")
        .long("partition")
        .short('p')
        .value_name("NAME")
        .action(ArgAction::Append)
        .help("Look at this partition; may be repeated [default: all of them]");
    let after = Arg::new("stuck-after")
        .long("stuck-after")
        .value_name("SECONDS")
        .value_parser(value_parser!(u64))
        .default_value("3600")
        .help("When a job that waits for something unusual, or ends, is stuck");
    let reasons = Arg::new("ok-reasons")
        .long("ok-reasons")
        .value_name("REASONS")
        .action(ArgAction::Append)
        .value_delimiter(',')
        .help("Beginnings of more reasons for which a job may wait, as squeue says them");
    let jobs = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("N")
            .value_parser(|text: &str| text.parse::<crate::status::Limit>())
            .help(help)
    };
    let [bin] = slurm::arguments();
    let mut all = vec![partition];
    all.extend(share::arguments());
    all.extend(states::arguments());
    all.extend([
        after,
        reasons,
        jobs(
            "stuck-warning",
            "Stuck jobs that are worth a warning [default: 1]",
        ),
        jobs(
            "stuck-critical",
            "Stuck jobs that are critical [default: none]",
        ),
        bin,
    ]);
    all
}

fn looks_at(_: &ArgMatches, _: &Context) -> Vec<String> {
    [
        "the controllers, by scontrol ping",
        "the nodes of each partition, by sinfo",
        "jobs that are not over, by squeue",
    ]
    .map(str::to_owned)
    .into()
}

/// A list of nodes or partitions, or a reason: at most so long, and said if it is not all.
fn cut(text: &str) -> String {
    /// In characters.
    const SHOWN: usize = 80;
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    let start: String = text.chars().take(SHOWN).collect();
    format!("{start}…")
}

/// What was asked for.
struct Wanted<'a> {
    partitions: Vec<&'a str>,
    unavailable: Share,
    states: States,
    stuck: Limits,
    stuck_after: u64,
    usual: Vec<&'a str>,
    now: u64,
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let texts = |name: &str| -> Vec<&str> {
        let given = matches.get_many::<String>(name).unwrap_or_default();
        given.map(String::as_str).collect()
    };
    let names = ["stuck-warning", "stuck-critical"];
    let wanted = Wanted {
        partitions: texts("partition"),
        unavailable: Share::given(matches)?,
        states: States::given(matches),
        stuck: limits::named(matches, names, Limits::at_least, [Some(1.0), None])?,
        stuck_after: matches.get_one("stuck-after").copied().unwrap_or_default(),
        usual: texts("ok-reasons"),
        now: context.now,
    };
    match ask(&Slurm::of(matches), context) {
        Ok(said) => Ok(judge(&said, &wanted)),
        Err(error) => error.answer(),
    }
}

/// What SLURM says. What it does not say hides nothing of the rest.
struct Said {
    controllers: Vec<Controller>,
    nodes: Result<Vec<Nodes>, ServiceError>,
    jobs: Result<Vec<Job>, ServiceError>,
}

fn ask(slurm: &Slurm, context: &Context) -> Result<Said, ServiceError> {
    Ok(Said {
        controllers: slurm.controllers(&context.share(3))?,
        nodes: slurm.nodes(&context.share(2)),
        jobs: slurm.jobs(context),
    })
}

fn judge(said: &Said, wanted: &Wanted<'_>) -> Outcome {
    let (mut findings, mut perfdata) = (Findings::default(), Vec::new());
    let (up, down): (Vec<_>, Vec<_>) = said.controllers.iter().partition(|one| one.up);
    for controller in down {
        findings.add(Status::Warning, format!("controller {controller}"));
    }
    let up: Vec<String> = up.iter().map(ToString::to_string).collect();
    let mut right = vec![format!("controller {}", up.join(", "))];
    match &said.nodes {
        Ok(nodes) => {
            let partitions = Partitions::of(nodes, &wanted.partitions, &wanted.states);
            partitions.judge(&wanted.unavailable, &mut findings, &mut perfdata);
            right.push(partitions.words());
        }
        Err(error) => findings.add(error.status(), error.to_string()),
    }
    match &said.jobs {
        Ok(jobs) => right.push(judge_jobs(jobs, wanted, &mut findings, &mut perfdata)),
        Err(error) => findings.add(error.status(), error.to_string()),
    }
    let mut outcome = findings.outcome(right.join("; "));
    outcome.perfdata = perfdata;
    outcome
}

fn judge_jobs(
    jobs: &[Job],
    wanted: &Wanted<'_>,
    findings: &mut Findings,
    perfdata: &mut Vec<Perfdata>,
) -> String {
    let is_wanted = |job: &&Job| {
        let mut own = job.partitions.iter();
        wanted.partitions.is_empty() || own.any(|own| wanted.partitions.contains(&own.as_str()))
    };
    let jobs: Vec<&Job> = jobs.iter().filter(is_wanted).collect();
    let stuck = jobs::stuck(&jobs, wanted.stuck_after, &wanted.usual, wanted.now);
    let status = wanted.stuck.judge(stuck.len());
    let what = format!(
        "{} stuck{}: {}",
        counted(stuck.len(), "job"),
        limits::reached(&wanted.stuck, status),
        jobs::words(&stuck)
    );
    findings.add(status, what);
    let count = |state: &str| jobs.iter().filter(|job| job.state == state).count();
    let (running, pending) = (count("running"), count("pending"));
    for (label, jobs) in [("jobs running", running), ("jobs pending", pending)] {
        perfdata.push(Perfdata::new(label, jobs, Unit::None).min(0));
    }
    let figure = Perfdata::new("jobs stuck", stuck.len(), Unit::None);
    perfdata.push(figure.thresholds(wanted.stuck.thresholds()).min(0));
    format!("{} running, {pending} pending", counted(running, "job"))
}
