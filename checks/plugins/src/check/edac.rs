//! `check-edac`: memory errors that ECC found since the last run.
//!
//! Reads what `metrics-edac` reads, `SYS/devices/system/edac/mc/mcN`, and keeps what was counted in a state
//! file.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches};
use venus_collectors::state::StateFile;

use crate::check::remember::{self, Memory, with_trouble};
use crate::check::{Check, hold, limits};
use crate::context::{Context, Failure};
use crate::status::{Findings, Limits, Outcome, Perfdata, Status, Unit, counted};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-edac",
    title: "CheckEdac",
    about: "Whether memory is free of errors",
    example: "-w 1 -c 1000",
    arguments,
    looks_at,
    run,
};

/// Below sysfs.
const FOLDER: &str = "devices/system/edac/mc";

/// The files of errors that could be corrected, and that could not.
const CORRECTED: &str = "ce_count";
const UNCORRECTED: &str = "ue_count";

/// What was counted, by controller and file: `mc0/ce_count`.
type Counts = BTreeMap<String, u64>;

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Errors corrected by a controller that are worth a warning [default: 1]",
        "Errors corrected by a controller that are critical [default: 1000]",
    );
    let total = Arg::new("total")
        .long("total")
        .action(ArgAction::SetTrue)
        .help("Judge all errors since boot, not those since the last run");
    vec![warning, critical, total, hold::argument()]
}

fn state_file(context: &Context) -> StateFile {
    StateFile::new(&context.state_dir, "check-edac.json")
}

fn looks_at(matches: &ArgMatches, context: &Context) -> Vec<String> {
    let mut lines = vec![context.roots.sys.join(FOLDER).display().to_string()];
    if !matches.get_flag("total") {
        lines.push(state_file(context).path().display().to_string());
    }
    lines
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_least, [Some(1.0), Some(1000.0)])?;
    // Two checks with thresholds of their own count for themselves.
    let key = remember::key(matches, &["warning", "critical", "total"]);
    let folder = context.roots.sys.join(FOLDER);
    let controllers = controllers(&folder)?;
    let mut trouble = Vec::new();
    let found = if matches.get_flag("total") {
        let now = read(&controllers, &folder, context, &mut trouble);
        judge(&controllers, &now, &Since::Boot, &limits)
    } else {
        let memory = Memory::read(state_file(context), key.clone(), context);
        let now = read(&controllers, &folder, context, &mut trouble);
        let (since, failure) = match memory {
            Ok(memory) => {
                trouble.extend(memory.lost.clone());
                // After a boot all are new.
                let then: Counts = memory.last().unwrap_or_default();
                let mut kept = then.clone();
                kept.extend(now.clone());
                let since = if memory.is_first() {
                    Since::FirstRun
                } else {
                    Since::LastRun(then)
                };
                (since, memory.write(kept, context).err())
            }
            // Which ones are new is not known then, as at the first run.
            Err(failure) => (Since::FirstRun, Some(failure)),
        };
        trouble.extend(failure.map(|failure| failure.to_string()));
        judge(&controllers, &now, &since, &limits)
    };
    let found = with_trouble(found, trouble);
    Ok(hold::apply(CHECK.name, &key, found, matches, context))
}

/// The names of the controllers, by their numbers.
fn controllers(folder: &Path) -> Result<Vec<String>, Failure> {
    let none = || Failure::new(format!("no memory controller below {}", folder.display()));
    let mut controllers = Vec::new();
    match fs::read_dir(folder) {
        Ok(entries) => {
            for entry in entries {
                let name = entry?.file_name().to_string_lossy().into_owned();
                let number = name
                    .strip_prefix("mc")
                    .and_then(|rest| rest.parse::<u32>().ok());
                controllers.extend(number.map(|number| (number, name)));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(none()),
        Err(error) => return Err(Failure::read(folder, &error)),
    }
    controllers.sort();
    if controllers.is_empty() {
        return Err(none());
    }
    Ok(controllers.into_iter().map(|(_, name)| name).collect())
}

/// What they count. One that cannot be read says nothing of the others.
fn read(
    controllers: &[String],
    folder: &Path,
    context: &Context,
    trouble: &mut Vec<String>,
) -> Counts {
    let mut counts = Counts::new();
    for name in controllers {
        for file in [UNCORRECTED, CORRECTED] {
            match context.number(&folder.join(name).join(file)) {
                Ok(count) => drop(counts.insert(format!("{name}/{file}"), count)),
                Err(failure) => trouble.push(failure.to_string()),
            }
        }
    }
    counts
}

/// From when on errors are judged.
enum Since {
    Boot,
    /// Errors that were corrected are told, and not judged: they may have been known for long.
    FirstRun,
    /// When this was counted.
    LastRun(Counts),
}

fn judge(controllers: &[String], now: &Counts, since: &Since, limits: &Limits) -> Outcome {
    let (mut findings, mut perfdata) = (Findings::default(), Vec::new());
    let (time, unit) = match since {
        Since::Boot => ("since boot", Unit::Counter),
        Since::FirstRun => ("since boot", Unit::None),
        Since::LastRun(_) => ("since the last run", Unit::None),
    };
    // What is new, and all.
    let [mut corrected, mut uncorrected] = [[0_u64; 2]; 2];
    for name in controllers {
        let count = |file: &str, sums: &mut [u64; 2]| {
            let key = format!("{name}/{file}");
            let all = *now.get(&key)?;
            let new = match since {
                Since::Boot | Since::FirstRun => all,
                // One that is less than it was has been reset.
                Since::LastRun(then) => {
                    let then = then.get(&key).copied().unwrap_or_default();
                    all.checked_sub(then).unwrap_or(all)
                }
            };
            *sums = [sums[0].saturating_add(new), sums[1].saturating_add(all)];
            Some(new)
        };
        if let Some(new) = count(UNCORRECTED, &mut uncorrected) {
            if new > 0 {
                let errors = counted(new, "error");
                let what = format!("{name} could not correct {errors} {time}");
                findings.add(Status::Critical, what);
            }
            perfdata.push(Perfdata::new(format!("{name} uncorrected"), new, unit).min(0));
        }
        if let Some(new) = count(CORRECTED, &mut corrected) {
            if !matches!(since, Since::FirstRun) {
                let status = limits.judge(new);
                let (errors, reached) = (counted(new, "error"), limits::reached(limits, status));
                findings.add(status, format!("{name} corrected {errors} {time}{reached}"));
            }
            let figure = Perfdata::new(format!("{name} corrected"), new, unit);
            perfdata.push(figure.thresholds(limits.thresholds()).min(0));
        }
    }
    let words = words(controllers.len(), corrected, uncorrected, time);
    let mut outcome = findings.outcome(match since {
        Since::FirstRun => format!("first run, {words}; new ones are known from here on"),
        Since::Boot | Since::LastRun(_) => words,
    });
    if !matches!(since, Since::FirstRun) {
        outcome.perfdata = perfdata;
    }
    outcome
}

/// What is right. Errors of before are told all the same, as memory that had some may have more.
fn words(controllers: usize, corrected: [u64; 2], uncorrected: [u64; 2], time: &str) -> String {
    let of_before = |[new, all]: [u64; 2]| match all {
        all if all > new => format!(" ({all} since boot)"),
        _ => String::new(),
    };
    let none = match uncorrected {
        [0, _] => "none".to_owned(),
        [new, _] => new.to_string(),
    };
    format!(
        "{}, {} corrected {time}{}, {none} that could not be{}",
        counted(controllers, "memory controller"),
        counted(corrected[0], "error"),
        of_before(corrected),
        of_before(uncorrected)
    )
}
