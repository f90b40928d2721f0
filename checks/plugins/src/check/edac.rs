//! `check-edac`: memory errors that ECC found.
//!
//! Reads what `metrics-edac` reads: `SYS/devices/system/edac/mc/mcN`.

use std::fs;
use std::io;

use clap::ArgMatches;

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::status::{Findings, Limits, Outcome, Perfdata, Status, Unit};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-edac",
    title: "CheckEdac",
    about: "Whether memory is free of errors",
    example: "-w 1 -c 1000",
    arguments: || {
        limits::arguments(
            "Errors corrected by a controller that are worth a warning [default: 1]",
            "Errors corrected by a controller that are critical [default: 1000]",
        )
        .into()
    },
    looks_at: |_, context| vec![context.roots.sys.join(FOLDER).display().to_string()],
    run,
};

/// Below sysfs.
const FOLDER: &str = "devices/system/edac/mc";

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_least, [Some(1.0), Some(1000.0)])?;
    let folder = context.roots.sys.join(FOLDER);
    let none = || Failure::new(format!("no memory controller below {}", folder.display()));
    let mut controllers = Vec::new();
    match fs::read_dir(&folder) {
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
        Err(error) => return Err(Failure::read(&folder, &error)),
    }
    controllers.sort();
    if controllers.is_empty() {
        return Err(none());
    }
    let (mut findings, mut perfdata) = (Findings::default(), Vec::new());
    let mut all = 0_u64;
    for (_, name) in &controllers {
        let number = |file| context.number(&folder.join(name).join(file));
        // One that cannot be read says nothing of the others.
        match number("ue_count") {
            Ok(uncorrected) => {
                if uncorrected > 0 {
                    let what =
                        format!("{name} has {uncorrected} errors that could not be corrected");
                    findings.add(Status::Critical, what);
                }
                let label = format!("{name} uncorrected");
                perfdata.push(Perfdata::new(label, uncorrected, Unit::Counter));
            }
            Err(failure) => findings.add(Status::Unknown, failure.to_string()),
        }
        match number("ce_count") {
            Ok(corrected) => {
                let what = format!("{name} corrected {corrected} errors");
                findings.add(limits.judge(corrected), what);
                all = all.saturating_add(corrected);
                let label = format!("{name} corrected");
                let figure = Perfdata::new(label, corrected, Unit::Counter);
                perfdata.push(figure.thresholds(limits.thresholds()));
            }
            Err(failure) => findings.add(Status::Unknown, failure.to_string()),
        }
    }
    let count = controllers.len();
    let mut outcome = findings.outcome(format!(
        "{count} memory controllers, {all} errors corrected, none that could not be"
    ));
    outcome.perfdata = perfdata;
    Ok(outcome)
}
