//! `check-cpu-frequency`: whether the processors run as fast as they should, and were not throttled.
//!
//! Reads `SYS/devices/system/cpu/cpuN`, `cpufreq` and `thermal_throttle`, and keeps what was counted in a
//! state file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use clap::{Arg, ArgMatches, value_parser};
use venus_collectors::state::StateFile;

use crate::check::remember::{self, Memory};
use crate::check::{Check, hold, limits};
use crate::context::{Context, Failure};
use crate::source::sysfs::line;
use crate::status::{Findings, Limits, Outcome, Perfdata, Status, Unit, counted, percent};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-cpu-frequency",
    title: "CheckCPUFrequency",
    about: "Whether the processors run as fast as they should, and were not throttled",
    example: "--governor performance",
    arguments,
    looks_at,
    run,
};

/// Below sysfs.
const FOLDER: &str = "devices/system/cpu";

/// How often each core and package was throttled since boot.
type Throttled = BTreeMap<String, u64>;

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Percent of its highest frequency that are worth a warning, or less [default: none]",
        "Percent of its highest frequency that are critical, or less [default: none]",
    );
    let min = Arg::new("min-frequency")
        .long("min-frequency")
        .value_name("MHZ")
        .value_parser(value_parser!(u64).range(1..))
        .help("How fast each processor is to run at least, in MHz");
    let governor = Arg::new("governor")
        .long("governor")
        .value_name("NAME")
        .help("Which governor is expected, such as performance");
    vec![
        warning,
        critical,
        min,
        governor,
        limits::argument(
            "throttle-warning",
            'W',
            "twarn",
            "Times throttled since the last run that are worth a warning [default: 1]",
        ),
        limits::argument(
            "throttle-critical",
            'K',
            "tcrit",
            "Times throttled since the last run that are critical [default: none]",
        ),
        hold::argument(),
    ]
}

fn state_file(context: &Context) -> StateFile {
    StateFile::new(&context.state_dir, "check-cpu-frequency.json")
}

fn looks_at(_: &ArgMatches, context: &Context) -> Vec<String> {
    let folder = context.roots.sys.join(FOLDER);
    vec![
        format!("{}/cpuN", folder.display()),
        state_file(context).path().display().to_string(),
    ]
}

/// How a processor runs, in kHz.
#[derive(Debug, Clone, PartialEq)]
struct Frequency {
    processor: u32,
    now: u64,
    highest: u64,
    governor: String,
}

impl Frequency {
    /// Of its highest, in percent.
    fn percent(&self) -> f64 {
        percent(self.now, self.highest)
    }

    fn megahertz(&self) -> u64 {
        self.now / 1000
    }
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_most, [None, None])?;
    let names = ["throttle-warning", "throttle-critical"];
    let throttle = limits::named(matches, names, Limits::at_least, [Some(1.0), None])?;
    // Two checks with arguments of their own count for themselves.
    let names = [
        "warning",
        "critical",
        "min-frequency",
        "governor",
        "throttle-warning",
        "throttle-critical",
    ];
    let key = remember::key(matches, &names);
    let memory = Memory::read(state_file(context), key.clone(), context);
    let folder = context.roots.sys.join(FOLDER);
    let (mut frequencies, mut throttled) = (Vec::new(), Throttled::new());
    let mut found = Found::default();
    for processor in processors(&folder)? {
        let folder = folder.join(format!("cpu{processor}"));
        context.step(format!("reading {}", folder.display()));
        // One that cannot be read says nothing of the others.
        match frequency(processor, &folder.join("cpufreq")) {
            Ok(frequency) => frequencies.extend(frequency),
            Err(failure) => found.findings.add(Status::Unknown, failure.to_string()),
        }
        if let Err(failure) = count(processor, &folder, &mut throttled) {
            found.findings.add(Status::Unknown, failure.to_string());
        }
    }
    if frequencies.is_empty() && throttled.is_empty() && found.findings.worst() == Status::Ok {
        return Err(Failure::new(format!(
            "no frequency and no count of throttling below {}: is it a virtual machine?",
            folder.display()
        )));
    }
    found.frequencies(&frequencies, &limits, matches);
    if !throttled.is_empty() {
        match memory {
            Ok(memory) => found.throttled(throttled, &throttle, memory, context),
            Err(failure) => found.findings.add(Status::Unknown, failure.to_string()),
        }
    }
    let mut outcome = found.findings.outcome(found.right.join(", "));
    outcome.perfdata = found.perfdata;
    Ok(hold::apply(CHECK.name, &key, outcome, matches, context))
}

#[derive(Default)]
struct Found {
    findings: Findings,
    right: Vec<String>,
    perfdata: Vec<Perfdata>,
}

impl Found {
    fn frequencies(&mut self, all: &[Frequency], limits: &Limits, matches: &ArgMatches) {
        let least = matches.get_one::<u64>("min-frequency").copied();
        let governor = matches.get_one::<String>("governor");
        let slowest = all.iter().min_by_key(|one| one.now);
        let fastest = all.iter().map(Frequency::megahertz).max();
        let by_share = all
            .iter()
            .min_by(|one, other| one.percent().total_cmp(&other.percent()));
        let (Some(slowest), Some(fastest), Some(by_share)) = (slowest, fastest, by_share) else {
            if least.is_some()
                || governor.is_some()
                || limits.warning().or(limits.critical()).is_some()
            {
                let what = "no processor tells its frequency";
                self.findings.add(Status::Unknown, what);
            }
            return;
        };
        if let Some(least) = least.filter(|least| slowest.megahertz() < *least) {
            let (processor, now) = (slowest.processor, slowest.megahertz());
            let what = format!("cpu{processor} runs at {now} MHz, expected {least}");
            self.findings.add(Status::Critical, what);
        }
        let share = by_share.percent();
        let (status, limit) = limits::judged(limits, share, "%");
        let what = format!(
            "cpu{} runs at {} of {} MHz ({share}%), threshold {limit}",
            by_share.processor,
            by_share.megahertz(),
            by_share.highest / 1000
        );
        self.findings.add(status, what);
        if let Some(wanted) = governor {
            let others: Vec<&Frequency> =
                all.iter().filter(|one| one.governor != *wanted).collect();
            if let Some(first) = others.first() {
                let (count, is) = (others.len(), &first.governor);
                let all = counted(all.len(), "processor");
                let what = format!(
                    "{count} of {all} without governor {wanted}: cpu{} has {is}",
                    first.processor
                );
                self.findings.add(Status::Warning, what);
            }
        }
        let (count, slowest) = (counted(all.len(), "processor"), slowest.megahertz());
        self.right
            .push(format!("{count} at {slowest} to {fastest} MHz"));
        let figure = Perfdata::new("slowest", share, Unit::Percent);
        self.perfdata
            .push(figure.thresholds(limits.thresholds()).min(0));
    }

    /// Compares with what was counted at the last run.
    fn throttled(
        &mut self,
        now: Throttled,
        limits: &Limits,
        memory: Memory<Throttled>,
        context: &Context,
    ) {
        if let Some(lost) = &memory.lost {
            self.findings.add(Status::Unknown, lost);
        }
        let is_first = memory.is_first();
        // After a boot all are new.
        let before = memory.last();
        let mut all = 0_u64;
        for (what, count) in now.iter().filter(|_| !is_first) {
            let then = match &before {
                Some(before) => before.get(what),
                None => Some(&0),
            };
            // One that was not there then.
            let Some(then) = then else {
                continue;
            };
            let times = count.saturating_sub(*then);
            all = all.saturating_add(times);
            let (status, _) = limits::judged(limits, times, "");
            let what = format!(
                "{what} was throttled {} since the last run",
                counted(times, "time")
            );
            self.findings.add(status, what);
        }
        if is_first {
            self.right
                .push("throttling counted for the first time".to_owned());
        } else {
            self.right.push(format!(
                "throttled {} since the last run",
                counted(all, "time")
            ));
            let figure = Perfdata::new("throttled", all, Unit::None);
            self.perfdata
                .push(figure.thresholds(limits.thresholds()).min(0));
        }
        if let Err(failure) = memory.write(now, context) {
            self.findings.add(Status::Unknown, failure.to_string());
        }
    }
}

/// Their numbers.
fn processors(folder: &Path) -> Result<Vec<u32>, Failure> {
    let entries = fs::read_dir(folder).map_err(|error| Failure::read(folder, &error))?;
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("cpu"));
        found.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

/// `None` where it does not tell, such as one that is switched off.
fn frequency(processor: u32, folder: &Path) -> Result<Option<Frequency>, Failure> {
    let now = number(&folder.join("scaling_cur_freq"))?;
    let highest = number(&folder.join("cpuinfo_max_freq"))?.filter(|highest| *highest > 0);
    Ok(now.zip(highest).map(|(now, highest)| Frequency {
        processor,
        now,
        highest,
        governor: line(&folder.join("scaling_governor"))
            .ok()
            .flatten()
            .unwrap_or_default(),
    }))
}

/// Each core and package once, which all of its processors count alike.
fn count(processor: u32, folder: &Path, all: &mut Throttled) -> Result<(), Failure> {
    let place = |name: &str| number(&folder.join("topology").join(name));
    let (package, core) = (place("physical_package_id")?, place("core_id")?);
    for (file, what) in [
        (
            "core_throttle_count",
            match package.zip(core) {
                Some((package, core)) => format!("core {core} of package {package}"),
                None => format!("the core of cpu{processor}"),
            },
        ),
        (
            "package_throttle_count",
            match package {
                Some(package) => format!("package {package}"),
                None => format!("the package of cpu{processor}"),
            },
        ),
    ] {
        if let Some(count) = number(&folder.join("thermal_throttle").join(file))? {
            let most = all.entry(what).or_default();
            *most = count.max(*most);
        }
    }
    Ok(())
}

fn number(path: &Path) -> Result<Option<u64>, Failure> {
    let Some(line) = line(path)? else {
        return Ok(None);
    };
    let malformed = |_| Failure::malformed(path, "it is not a whole number");
    // What some drivers say that do not know it.
    if line == "<unknown>" || line == "-1" {
        return Ok(None);
    }
    line.parse().map(Some).map_err(malformed)
}
