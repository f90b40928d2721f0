//! `check-slurmd`: whether the `slurmd` of this host answers, and is of the controller's version.

use clap::{Arg, ArgMatches};
use venus_collectors::source::process::{Processes, Stat};

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::service::ServiceError;
use crate::service::slurm::{self, Daemon, Slurm};
use crate::status::{Findings, Limits, Outcome, Perfdata, Status, Unit, duration};

/// See `docs/checks/check-slurmd.md`.
pub(in crate::check) static CHECK: Check = Check {
    name: "check-slurmd",
    title: "CheckSlurmd",
    about: "Whether this node's slurmd answers, and is of the controller's version",
    example: "-w 900",
    arguments,
    looks_at,
    run,
};

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Seconds since the controller last spoke to it that are worth a warning [default: none]",
        "Those that are critical [default: none]",
    );
    let node = Arg::new("node")
        .long("node")
        .value_name("NAME")
        .help("Which node's, where one host has several [default: the only one's]");
    let local = Arg::new("local")
        .long("local")
        .action(clap::ArgAction::SetTrue)
        .help("Do not ask the controller for its version");
    let [bin] = slurm::arguments();
    vec![node, local, warning, critical, bin]
}

fn looks_at(matches: &ArgMatches, _: &Context) -> Vec<String> {
    let mut all = vec!["the slurmd of this host, by scontrol show slurmd".to_owned()];
    if !matches.get_flag("local") {
        all.push("the controller's version, by scontrol show config".to_owned());
    }
    all
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_least, [None, None])?;
    let slurm = Slurm::of(matches);
    let node = matches.get_one::<String>("node").map(String::as_str);
    let daemon = match slurm.daemon(node, context) {
        Ok(daemon) => daemon,
        Err(ServiceError::Away(what)) => {
            let (how, unseen) = match running(context) {
                Ok(true) => (
                    "does not answer, though a process of that name runs",
                    String::new(),
                ),
                Ok(false) => ("does not run", String::new()),
                Err(error) => ("does not answer", format!("; {error}")),
            };
            let what = format!("slurmd {how}: {what}{unseen}");
            return Ok(Outcome::new(Status::Critical, what));
        }
        Err(unclear) => return unclear.answer(),
    };
    let controller = if matches.get_flag("local") {
        None
    } else {
        // Before the version, as that waits for long where no controller is.
        let asked = slurm.controllers(context);
        Some(asked.and_then(|_| slurm.version(context)))
    };
    Ok(judge(&daemon, controller, &limits, context.now))
}

/// Whether a process is called `slurmd`.
fn running(context: &Context) -> Result<bool, Failure> {
    context.step(format!("reading {}", context.roots.proc.display()));
    let mut buffer = Vec::new();
    for found in Processes::of(&context.roots.proc)? {
        if let Some(text) = found?.stat(&mut buffer)?
            && Stat::parse(text).is_ok_and(|stat| stat.name == b"slurmd")
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn judge(
    daemon: &Daemon,
    controller: Option<Result<String, ServiceError>>,
    limits: &Limits,
    now: u64,
) -> Outcome {
    let (mut findings, mut perfdata) = (Findings::default(), Vec::new());
    let Daemon { node, version, .. } = daemon;
    let mut right = format!("slurmd of {node} answers, version {version}");
    match controller {
        None => {}
        Some(Ok(of_controller)) if of_controller == *version => right.push_str(" as the controller"),
        Some(Ok(other)) => findings.add(
            Status::Warning,
            format!("slurmd of {node} has version {version}, the controller {other}; restart it, or bring one of them up to date"),
        ),
        // That it is away is for check-slurm to say.
        Some(Err(ServiceError::Away(_))) => right.push_str("; no controller answers"),
        Some(Err(ServiceError::Unclear(what))) => findings.add(Status::Unknown, what),
    }
    if let Some(last) = daemon.last_heard {
        let seconds = now.saturating_sub(last);
        let status = limits.judge(seconds);
        let reached = limits::reached(limits, status);
        let ago = duration(seconds);
        findings.add(
            status,
            format!("the controller spoke to {node} {ago} ago{reached}"),
        );
        let figure = Perfdata::new("last heard", seconds, Unit::Seconds);
        perfdata.push(figure.thresholds(limits.thresholds()).min(0));
    } else if limits.warning().is_some() || limits.critical().is_some() {
        let worst = if limits.critical().is_some() {
            Status::Critical
        } else {
            Status::Warning
        };
        findings.add(worst, format!("the controller never spoke to {node}"));
    }
    let mut outcome = findings.outcome(right);
    outcome.perfdata = perfdata;
    outcome
}
