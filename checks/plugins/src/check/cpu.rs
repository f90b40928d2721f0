//! `check-cpu`: what the processors spend their time on, all together.
//!
//! Reads `PROC/stat` twice, as a share of time takes two readings: the first is the last run's,
//! from a state file, or with `--sleep` one taken that long before.

use std::iter;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use venus_collectors::source::stat::{self, Entry, Ticks};
use venus_collectors::state::StateFile;

use crate::check::remember::{Memory, with_trouble};
use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::status::{Limits, Outcome, Perfdata, Status, Unit, hundredths};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-cpu",
    title: "CheckCPU",
    about: "Whether the processors have time left",
    example: "-w 80 -c 100 --sleep 1",
    arguments,
    looks_at,
    run,
};

/// What of the time is not counted as used, if nothing else is given.
const IDLE: [&str; 5] = ["idle", "iowait", "steal", "guest", "guest_nice"];

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Percent that are worth a warning [default: 80]",
        "Percent that are critical [default: 100]",
    );
    let sleep = Arg::new("sleep")
        .long("sleep")
        .value_name("SECONDS")
        .value_parser(seconds)
        .help("Measure for so long [default: since the last run]");
    let cache_file = Arg::new("cache-file")
        .long("cache-file")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("Where to keep the last reading [default: check-cpu.json in --state-dir]");
    let less_than = Arg::new("less_than")
        .long("less_than")
        .short('l')
        .action(ArgAction::SetTrue)
        .help("Alert where it is as low as the threshold, or lower");
    let idle_metrics = Arg::new("idle-metrics")
        .long("idle-metrics")
        .value_name("METRICS")
        .value_delimiter(',')
        .value_parser(Ticks::NAMES)
        .default_values(IDLE)
        .help("What does not count as used");
    let modes = Ticks::NAMES.map(|mode| {
        Arg::new(mode)
            .long(mode)
            .action(ArgAction::SetTrue)
            .conflicts_with_all(Ticks::NAMES.into_iter().filter(|other| *other != mode))
            .help(format!("Judge {mode}, not the time used"))
    });
    [
        warning,
        critical,
        sleep,
        cache_file,
        less_than,
        idle_metrics,
    ]
    .into_iter()
    .chain(modes)
    .collect()
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "use seconds, above 0".to_owned())
}

fn state_file(matches: &ArgMatches, context: &Context) -> StateFile {
    let given = matches.get_one::<PathBuf>("cache-file");
    match given.and_then(|path| Some((path.parent()?, path.file_name()?.to_str()?))) {
        Some((folder, name)) if folder == Path::new("") => StateFile::new(Path::new("."), name),
        Some((folder, name)) => StateFile::new(folder, name),
        None => StateFile::new(&context.state_dir, "check-cpu.json"),
    }
}

fn looks_at(matches: &ArgMatches, context: &Context) -> Vec<String> {
    let mut lines = vec![context.roots.proc.join("stat").display().to_string()];
    if !matches.contains_id("sleep") {
        let file = state_file(matches, context);
        lines.push(file.path().display().to_string());
    }
    lines
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let build: limits::Build = if matches.get_flag("less_than") {
        Limits::at_most
    } else {
        Limits::at_least
    };
    let limits = limits::given(matches, build, [Some(80.0), Some(100.0)])?;
    let idle: Vec<&str> = matches
        .get_many::<String>("idle-metrics")
        .map(|names| names.map(String::as_str).collect())
        .unwrap_or_default();
    let mode = Ticks::NAMES.into_iter().find(|mode| matches.get_flag(mode));
    let subject = mode.unwrap_or("total").to_uppercase();

    let (before, now, details, trouble) = if let Some(time) = matches.get_one::<Duration>("sleep") {
        let before = wait(*time, context)?;
        (Some(before), read(context)?, Vec::new(), Vec::new())
    } else {
        let memory = Memory::read(state_file(matches, context), subject.clone(), context)?;
        let now = read(context)?;
        let details = memory.lost.iter().cloned().collect();
        // Less than it was it can only be where they began anew.
        let before = memory
            .last()
            .filter(|before: &Vec<u64>| sum(before) <= sum(&now));
        // That it cannot be kept does not hide what is found now.
        let failure = memory.write(now.clone(), context).err();
        let trouble = failure.map(|failure| failure.to_string());
        (before, now, details, trouble.into_iter().collect())
    };
    let Some(before) = before else {
        let found = Outcome {
            subject,
            details,
            ..Outcome::new(
                Status::Ok,
                "first reading since boot, what is used is known from the next run on; \
                 --sleep 1 measures at once",
            )
        };
        return Ok(with_trouble(found, trouble));
    };
    let shares = Shares::between(&before, &now, &idle)?;
    let name = mode.unwrap_or("total");
    let judged = shares.of(name)?;
    let figures = shares.named().map(|(of, share)| {
        let figure = Perfdata::new(of, hundredths(share), Unit::Percent);
        if of == name {
            figure.thresholds(limits.thresholds())
        } else {
            figure
        }
    });
    let found = Outcome {
        subject,
        details,
        perfdata: figures.collect(),
        ..Outcome::new(limits.judge(judged), shares.text())
    };
    Ok(with_trouble(found, trouble))
}

fn read(context: &Context) -> Result<Vec<u64>, Failure> {
    let path = context.roots.proc.join("stat");
    let text = context.read(&path)?;
    let mut total = None;
    stat::parse(&text, |entry| {
        if let Entry::Total(ticks) = entry {
            total = Some(ticks.iter().collect());
        }
    })
    .map_err(|error| Failure::malformed(&path, error))?;
    total.ok_or_else(|| Failure::malformed(&path, "it has no line for all processors"))
}

/// The reading before a time of waiting.
fn wait(time: Duration, context: &Context) -> Result<Vec<u64>, Failure> {
    if time >= context.time_left() {
        return Err(Failure::new(
            "--sleep takes all the time that it has; give more with --timeout",
        ));
    }
    let before = read(context)?;
    context.step("waiting for the second reading");
    #[expect(
        clippy::disallowed_methods,
        reason = "what is measured is this time itself"
    )]
    thread::sleep(time);
    Ok(before)
}

/// What the time between two readings was spent on, in percent.
struct Shares {
    /// All that is not idle.
    used: f64,
    /// By [`Ticks::NAMES`].
    modes: Vec<f64>,
}

impl Shares {
    fn between(before: &[u64], now: &[u64], idle: &[&str]) -> Result<Self, Failure> {
        // The kernel's accounts of idle and iowait may go back by a tick.
        let spent: Vec<u64> = now
            .iter()
            .zip(before)
            .map(|(now, before)| now.saturating_sub(*before))
            .collect();
        let all = sum(&spent);
        if all == 0 {
            return Err(Failure::new(
                "no time has passed since the last reading; run it less often, or with --sleep",
            ));
        }
        #[expect(clippy::cast_precision_loss, reason = "a share is no exact number")]
        let percent = |ticks: u64| 100.0 * (ticks as f64 / all as f64);
        let unused = Ticks::NAMES.iter().zip(&spent);
        let unused = unused.filter(|(mode, _)| idle.contains(mode));
        let unused = unused.map(|(_, ticks)| *ticks);
        let unused = unused.fold(0, u64::saturating_add);
        Ok(Self {
            used: percent(all - unused),
            modes: spent.into_iter().map(percent).collect(),
        })
    }

    /// What is used, then all modes.
    fn named(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let modes = Ticks::NAMES.into_iter().zip(self.modes.iter().copied());
        iter::once(("total", self.used)).chain(modes)
    }

    fn of(&self, name: &str) -> Result<f64, Failure> {
        self.named()
            .find_map(|(of, share)| (of == name).then_some(share))
            .ok_or_else(|| Failure::new(format!("this kernel does not tell {name}")))
    }

    fn text(&self) -> String {
        let shares = self.named();
        let shares = shares.map(|(name, share)| format!("{name}={:?}", hundredths(share)));
        shares.collect::<Vec<_>>().join(" ")
    }
}

/// More than there can be is the most there can be.
fn sum(ticks: &[u64]) -> u64 {
    ticks.iter().copied().fold(0, u64::saturating_add)
}
