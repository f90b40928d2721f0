//! `check-smart`: whether disks find themselves healthy.

use clap::{Arg, ArgMatches};

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::source::smartctl::{self, Disk, Report};
use crate::status::{Findings, Limits, Outcome, Perfdata, Status, Unit, counted};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-smart",
    title: "CheckSMART",
    about: "Whether disks find themselves healthy",
    example: "--device /dev/sda",
    arguments,
    looks_at,
    run,
};

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Lost sectors or media errors of a disk that are worth a warning [default: 10]",
        "Lost sectors or media errors of a disk that are critical [default: 100]",
    );
    let [device, binary, sudo] = smartctl::arguments();
    let incapable = Arg::new("smart-incapable-disks")
        .long("smart-incapable-disks")
        .value_name("STATUS")
        .value_parser(["ok", "warn", "critical", "unknown"])
        .default_value("unknown")
        .help("What it is that a disk cannot say how it is, or that there is none");
    vec![
        device,
        binary,
        sudo,
        incapable,
        warning,
        critical,
        limits::argument(
            "wear-warning",
            'W',
            "wwarn",
            "Percent of a disk's life used that are worth a warning [default: 90]",
        ),
        limits::argument(
            "wear-critical",
            'K',
            "wcrit",
            "Percent of a disk's life used that are critical [default: 100]",
        ),
        limits::argument(
            "temperature-warning",
            't',
            "twarn",
            "Degrees Celsius that are worth a warning [default: none]",
        ),
        limits::argument(
            "temperature-critical",
            'T',
            "tcrit",
            "Degrees Celsius that are critical [default: none]",
        ),
    ]
}

fn looks_at(matches: &ArgMatches, _: &Context) -> Vec<String> {
    match &smartctl::given(matches)[..] {
        [] => vec!["all disks that smartctl finds".to_owned()],
        disks => disks
            .iter()
            .map(|disk| format!("{disk}, by smartctl"))
            .collect(),
    }
}

/// What is judged by what.
struct All {
    defects: Limits,
    wear: Limits,
    temperature: Limits,
    incapable: Status,
}

impl All {
    fn given(matches: &ArgMatches) -> Result<Self, Failure> {
        let named = |names, defaults| limits::named(matches, names, Limits::at_least, defaults);
        let incapable = matches.get_one::<String>("smart-incapable-disks");
        Ok(Self {
            defects: limits::given(matches, Limits::at_least, [Some(10.0), Some(100.0)])?,
            wear: named(["wear-warning", "wear-critical"], [Some(90.0), Some(100.0)])?,
            temperature: named(
                ["temperature-warning", "temperature-critical"],
                [None, None],
            )?,
            incapable: match incapable.map(String::as_str) {
                Some("ok") => Status::Ok,
                Some("warn") => Status::Warning,
                Some("critical") => Status::Critical,
                _ => Status::Unknown,
            },
        })
    }
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let all = All::given(matches)?;
    let disks = smartctl::disks(matches, context)?;
    if disks.is_empty() {
        let what = "smartctl finds no disk that it could ask; give those behind a controller with --device";
        return Ok(Outcome::new(all.incapable, what));
    }
    let mut found = Found::default();
    for disk in &disks {
        match smartctl::report(disk, matches, context) {
            Ok(report) => found.disk(disk, &report, &all),
            // The others may be worse.
            Err(failure) => found
                .findings
                .add(Status::Unknown, format!("{disk}: {failure}")),
        }
    }
    Ok(found.outcome())
}

#[derive(Default)]
struct Found {
    findings: Findings,
    healthy: usize,
    incapable: usize,
    perfdata: Vec<Perfdata>,
}

impl Found {
    fn disk(&mut self, disk: &Disk, report: &Report, all: &All) {
        if let Some(why) = report.silence() {
            if report.is_gone() {
                self.findings
                    .add(Status::Critical, format!("{disk} is not there"));
            } else if report.is_incapable() {
                self.incapable += 1;
                let what = format!("{disk} cannot say how it is: {why}");
                self.findings.add(all.incapable, what);
            } else {
                self.findings.add(Status::Unknown, format!("{disk}: {why}"));
            }
            return;
        }
        self.healthy += 1;
        let model = report.model_name.as_deref().unwrap_or("disk");
        if report.is_failing() {
            let what = format!("{disk} ({model}) expects to fail: save what is on it");
            self.findings.add(Status::Critical, what);
        }
        for what in report.warnings() {
            let what = format!("{disk} ({model}): {what}");
            self.findings.add(Status::Critical, what);
        }
        for attribute in report.failed_attributes() {
            let (status, when) = if attribute.when_failed == "now" {
                (Status::Critical, "is")
            } else {
                (Status::Warning, "was")
            };
            let name = &attribute.name;
            let what = format!("{disk} ({model}): {name} {when} below its maker's threshold");
            self.findings.add(status, what);
        }
        for (name, count) in report.defects() {
            let (status, limit) = limits::judged(&all.defects, count, "");
            let unit = if name.contains(' ') { "" } else { " sectors" };
            let what = format!("{disk} ({model}) has {count} {name}{unit}, threshold {limit}");
            self.findings.add(status, what);
            let figure = Perfdata::new(format!("{disk} {name}"), count, Unit::None);
            let figure = figure.thresholds(all.defects.thresholds());
            self.perfdata.push(figure.min(0));
        }
        if let Some(percent) = report.wear() {
            let (status, limit) = limits::judged(&all.wear, percent, "%");
            let what =
                format!("{disk} ({model}) has used {percent}% of its life, threshold {limit}");
            self.findings.add(status, what);
            let figure = Perfdata::new(format!("{disk} wear"), percent, Unit::Percent);
            self.perfdata
                .push(figure.thresholds(all.wear.thresholds()).min(0));
        }
        if let Some(degrees) = report.temperature() {
            let (status, limit) = limits::judged(&all.temperature, degrees, "°C");
            let what = format!("{disk} ({model}) has {degrees}°C, threshold {limit}");
            self.findings.add(status, what);
            let figure = Perfdata::new(format!("{disk} temperature"), degrees, Unit::None);
            self.perfdata
                .push(figure.thresholds(all.temperature.thresholds()));
        }
    }

    fn outcome(self) -> Outcome {
        let mut right = format!("{} healthy", counted(self.healthy, "disk"));
        if self.incapable > 0 {
            right.push_str(&format!(", {} that cannot say", self.incapable));
        }
        let mut outcome = self.findings.outcome(right);
        outcome.perfdata = self.perfdata;
        outcome
    }
}
