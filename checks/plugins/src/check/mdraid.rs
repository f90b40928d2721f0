//! `check-mdraid`: whether Linux software RAID is whole.
//!
//! Reads `PROC/mdstat`, see md(4).

use clap::{Arg, ArgAction, ArgMatches};

use crate::check::Check;
use crate::context::{Context, Failure};
use crate::source::mdstat::{self, Array};
use crate::status::{Findings, Outcome, Status};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-mdraid",
    title: "CheckMdraid",
    about: "Whether Linux software RAID is whole",
    example: "--array md0",
    arguments,
    looks_at: |_, context| vec![context.roots.proc.join("mdstat").display().to_string()],
    run,
};

fn arguments() -> Vec<Arg> {
    let array = Arg::new("array")
        .long("array")
        .value_name("NAME")
        .action(ArgAction::Append)
        .help("Expect this one to be there; may be repeated");
    vec![array]
}

/// Levels whose arrays say how many of their members work.
const REDUNDANT: [&str; 5] = ["raid1", "raid4", "raid5", "raid6", "raid10"];

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let path = context.roots.proc.join("mdstat");
    let bytes = context.read(&path)?;
    let text = String::from_utf8_lossy(&bytes);
    let arrays = mdstat::parse(&text);
    let mut findings = Findings::default();
    let expected = matches.get_many::<String>("array").unwrap_or_default();
    for name in expected.filter(|name| !arrays.iter().any(|array| array.name == *name)) {
        findings.add(Status::Critical, format!("{name} is not there"));
    }
    if arrays.iter().all(|array| array.is_container) && findings.worst() == Status::Ok {
        let what = format!("no array in {}", path.display());
        return Err(Failure::new(what));
    }
    let mut right = Vec::new();
    for array in arrays
        .iter()
        .filter(|array| array.is_active || !array.is_container)
    {
        match judge(array) {
            (Status::Ok, what) => right.push(what),
            (status, what) => findings.add(status, what),
        }
    }
    Ok(findings.outcome(right.join("; ")))
}

fn judge(array: &Array<'_>) -> (Status, String) {
    let name = array.name;
    let progress = match &array.progress {
        Some(progress) => format!(", {progress}"),
        None => String::new(),
    };
    let failed = match &array.failed[..] {
        [] => String::new(),
        failed => format!(", failed: {}", failed.join(" ")),
    };
    if !array.is_active {
        return (Status::Critical, format!("{name} is inactive{failed}"));
    }
    let level = array.level;
    match array.members {
        Some((wanted, working)) if working < wanted => {
            // One that is being rebuilt needs nobody but somebody who looks at it.
            let rebuilt = array
                .progress
                .as_ref()
                .is_some_and(|what| what.contains('%'));
            let status = if rebuilt {
                Status::Warning
            } else {
                Status::Critical
            };
            let what = format!("{name} ({level}) has {working} of {wanted} members{failed}");
            (status, format!("{what}{progress}"))
        }
        _ if !failed.is_empty() => {
            let what = format!("{name} ({level}) is whole{failed}{progress}");
            (Status::Warning, what)
        }
        Some((wanted, _)) => {
            let what = format!("{name} ({level}) has all {wanted} members{progress}");
            (Status::Ok, what)
        }
        None if REDUNDANT.contains(&level) => {
            let what = format!("{name} ({level}) does not tell its members{progress}");
            (Status::Unknown, what)
        }
        // raid0 and linear cannot lose any.
        None => (Status::Ok, format!("{name} ({level}) is active{progress}")),
    }
}
