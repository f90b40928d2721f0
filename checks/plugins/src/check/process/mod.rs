//! `check-process`: how many processes there are that match a pattern, a user, a state, an age and
//! more.
//!
//! Reads `PROC/PID/stat`, and of those that have not been ruled out by it their `cmdline`.

mod arguments;
mod filter;

use std::os::unix::process::parent_id;

use clap::ArgMatches;
use venus_collectors::source::process::{Found, Processes, Stat, Units, uptime};

use crate::check::Check;
use crate::context::{Context, Failure};
use crate::status::{Outcome, Perfdata, Status, Thresholds, Unit};

use arguments::{Given, Metric, arguments};
use filter::Filter;

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-process",
    title: "CheckProcess",
    about: "How many processes there are, by pattern, user, state, age and more",
    example: "-p sshd -u root -C 1",
    arguments,
    looks_at: |_, context| vec![format!("{}/PID", context.roots.proc.display())],
    run,
};

/// A process, in the units of ps.
pub(super) struct Process<'a> {
    stat: Stat<'a>,
    /// Virtual memory in KiB.
    virtual_kib: u64,
    /// Memory in use, in KiB.
    resident_kib: u64,
    /// How long it has been there.
    seconds: f64,
    /// Processor time.
    cpu_seconds: u64,
    /// Processor time in percent of the time that it has been there.
    cpu_percent: f64,
}

impl<'a> Process<'a> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "times here are no exact numbers"
    )]
    fn new(stat: Stat<'a>, uptime: f64, units: Units) -> Self {
        let in_seconds = |ticks: u64| ticks as f64 / units.ticks as f64;
        let seconds = (uptime - in_seconds(stat.start_ticks)).max(0.0);
        let share = 100.0 * in_seconds(stat.cpu_ticks) / seconds;
        Self {
            stat,
            virtual_kib: stat.virtual_bytes / 1024,
            resident_kib: stat.resident_pages.saturating_mul(units.page) / 1024,
            seconds,
            cpu_seconds: stat.cpu_ticks / units.ticks,
            cpu_percent: if seconds > 0.0 { share } else { 0.0 },
        }
    }
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let given = Given::of(matches)?;
    let pid = match given.pid_file(context)? {
        Ok(pid) => pid,
        Err(outcome) => return Ok(outcome),
    };
    let mut filter = Filter::new(matches, pid, context)?;
    let path = context.roots.proc.join("uptime");
    let uptime = uptime(&context.read(&path)?).map_err(|error| Failure::malformed(&path, error))?;
    let units = Units::of_this_kernel()
        .map_err(|error| Failure::new(format!("cannot ask for ticks and pages: {error}")))?;

    context.step(format!("reading {}", context.roots.proc.display()));
    let mut buffer = Vec::new();
    let (mut count, mut sum) = (0_i64, 0.0);
    let mut unread = Unread::default();
    for found in Processes::of(&context.roots.proc)? {
        let found = found?;
        match look(&found, &mut filter, &given, uptime, units, &mut buffer) {
            Ok(Some(more)) => {
                count += 1;
                sum += more;
            }
            Ok(None) => {}
            // One that cannot be read says nothing of the others.
            Err(failure) => unread.add(failure),
        }
    }
    Ok(judge(&given, matches, count, sum, &unread))
}

/// Processes of which nobody knows whether they match.
#[derive(Default)]
struct Unread {
    count: i64,
    /// Why the first could not be read.
    first: Option<Failure>,
}

impl Unread {
    fn add(&mut self, failure: Failure) {
        self.count += 1;
        self.first.get_or_insert(failure);
    }
}

/// What it has of the metric if it matches; nothing of one that has ended meanwhile.
fn look(
    found: &Found,
    filter: &mut Filter<'_>,
    given: &Given,
    uptime: f64,
    units: Units,
    buffer: &mut Vec<u8>,
) -> Result<Option<f64>, Failure> {
    let Some(text) = found.stat(buffer)? else {
        return Ok(None);
    };
    let stat = Stat::parse(text).map_err(|error| Failure::malformed(&found.path("stat"), error))?;
    let process = Process::new(stat, uptime, units);
    let is_meant = filter.takes(found, &process)?;
    Ok(is_meant.then(|| given.metric.map_or(0.0, |metric| metric.of(&process))))
}

/// What so many mean; in the order of the community's plugin.
fn judge(given: &Given, matches: &ArgMatches, count: i64, sum: f64, unread: &Unread) -> Outcome {
    let mut what = format!("Found {count} matching processes{}", filter::words(matches));
    let (label, value) = match given.metric {
        // Each is cut off to a whole number.
        Some(metric) => {
            let name = metric.name();
            what.push_str(&format!("; {name} == {sum}"));
            (name, sum)
        }
        #[expect(clippy::cast_precision_loss, reason = "processes are fewer than 2^52")]
        None => ("processes", count as f64),
    };
    #[expect(clippy::cast_precision_loss, reason = "thresholds have fewer digits")]
    let number = |limit: i64| limit as f64;
    let judged = |value: f64| {
        let under = |limit: Option<i64>| limit.is_some_and(|limit| value < number(limit));
        let over = |limit: Option<i64>| limit.is_some_and(|limit| value > number(limit));
        let is_over = over(given.critical_over) || over(given.warn_over);
        if under(given.critical_under) || over(given.critical_over) {
            (Status::Critical, is_over)
        } else if under(given.warn_under) || over(given.warn_over) {
            (Status::Warning, is_over)
        } else {
            (Status::Ok, is_over)
        }
    };
    let (mut status, is_over) = judged(value);
    if let Some(first) = &unread.first {
        what.push_str(&format!("; {} could not be read: {first}", unread.count));
        // If all of them match; what they use can be anything.
        let most = match given.metric {
            Some(_) => f64::INFINITY,
            None => value + number(unread.count),
        };
        // Too many stay too many; else it is known only if they change nothing.
        if !is_over && judged(most) != (status, is_over) {
            status = Status::Unknown;
        }
    }
    let range = |under: Option<i64>, over: Option<i64>| {
        let text = |limit: Option<i64>| limit.map(|limit| limit.to_string());
        let start = text(under).unwrap_or_else(|| "~".to_owned());
        let end = text(over).unwrap_or_default();
        format!("{start}:{end}").parse().ok()
    };
    let thresholds = Thresholds::new(
        range(given.warn_under, given.warn_over),
        range(given.critical_under, given.critical_over),
    );
    let figure = Perfdata::new(label, value, Unit::None);
    Outcome {
        perfdata: vec![figure.thresholds(thresholds.unwrap_or_default()).min(0)],
        ..Outcome::new(status, what)
    }
}

impl Metric {
    fn of(self, process: &Process<'_>) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a sum of sizes is no exact number"
        )]
        match self {
            Self::Vsz => process.virtual_kib as f64,
            Self::Rss => process.resident_kib as f64,
            Self::Cpu => process.cpu_percent.trunc(),
            Self::Threads => process.stat.threads as f64,
            Self::Count => 0.0,
        }
    }
}

/// Whether it is this process or the one that started it, which are not meant unless they are asked for.
fn is_own(found: &Found, matches: &ArgMatches) -> bool {
    found.pid == std::process::id() && !matches.get_flag("match-self")
        || found.pid == parent_id() && !matches.get_flag("match-parent")
}
