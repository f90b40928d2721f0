//! `check-disk-usage`: how full each file system is, in bytes and in inodes.
//!
//! Reads `PROC/mounts`, and asks each file system by statvfs(3). One that does not answer costs
//! itself only.

use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches};
use regex_lite::Regex;
use venus_collectors::source::mounts::{self, Mount};
use venus_collectors::source::space::{Asker, Space, SpaceError};

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::status::{Limit, Limits, Outcome, Perfdata, Status, Unit, hundredths};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-disk-usage",
    title: "CheckDisk",
    about: "Whether file systems have room left, in bytes and inodes",
    example: "-w 85 -c 95 -x tmpfs,devtmpfs,squashfs",
    arguments,
    looks_at,
    run,
};

/// The longest that a file system is waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bytes in a GB, by which `-l` counts.
const GB: f64 = 1e9;
/// Bytes in a MiB, by which `-n` counts.
const MIB: f64 = 1024.0 * 1024.0;

fn arguments() -> Vec<Arg> {
    let argument = |name: &'static str, short: char, value: &'static str, help: &'static str| {
        let argument = Arg::new(name).long(name).short(short);
        argument.value_name(value).help(help)
    };
    let list = |name, short, value, help| argument(name, short, value, help).value_delimiter(',');
    let number = |name, short, value, help| argument(name, short, value, help).value_parser(number);
    let [warning, critical] = limits::arguments(
        "Percent of bytes used that are worth a warning [default: 85]",
        "Percent of bytes used that are critical [default: 95]",
    );
    vec![
        warning,
        critical,
        limits::argument(
            "inode-warning",
            'W',
            "iwarn",
            "Percent of inodes used that are worth a warning [default: 85]",
        ),
        limits::argument(
            "inode-critical",
            'K',
            "icrit",
            "Percent of inodes used that are critical [default: 95]",
        ),
        list(
            "include-type",
            't',
            "TYPE[,TYPE]",
            "Look at these types only",
        ),
        list("ignore-type", 'x', "TYPE[,TYPE]", "Leave out these types"),
        list(
            "include-mount",
            'I',
            "MNT[,MNT]",
            "Look at these mount points only",
        ),
        list(
            "ignore-mount",
            'i',
            "MNT[,MNT]",
            "Leave out these mount points",
        ),
        argument(
            "ignore-path",
            'p',
            "REGEX",
            "Leave out mount points that have a match",
        )
        .value_parser(|text: &str| Regex::new(text)),
        argument(
            "ignore-option",
            'o',
            "OPTION[.OPTION]",
            "Leave out what is mounted with one of these options",
        )
        .value_delimiter('.'),
        Arg::new("ignore-readonly")
            .long("ignore-readonly")
            .action(ArgAction::SetTrue)
            .help("Leave out what is mounted read-only"),
        Arg::new("ignore-reserved")
            .long("ignore-reserved")
            .short('r')
            .action(ArgAction::SetTrue)
            .help("Take what is reserved to root for used up"),
        number(
            "magic",
            'm',
            "MAGIC",
            "Below 1, alert later where there is more room",
        )
        .default_value("1.0"),
        number(
            "minimum",
            'l',
            "MINIMUM",
            "Size from which on that is done, in GB",
        )
        .default_value("100"),
        number(
            "normal",
            'n',
            "NORMAL",
            "Size at which that changes nothing, in MiB",
        )
        .default_value("20"),
    ]
}

fn number(text: &str) -> Result<f64, String> {
    let number = text.parse().ok();
    number
        .filter(|number: &f64| number.is_finite() && *number > 0.0)
        .ok_or_else(|| "use a number above 0".to_owned())
}

fn looks_at(_: &ArgMatches, context: &Context) -> Vec<String> {
    vec![
        context.roots.proc.join("mounts").display().to_string(),
        "each mount point, by statvfs".to_owned(),
    ]
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let defaults = [Some(85.0), Some(95.0)];
    refuse_above_100(matches)?;
    let bytes = limits::given(matches, Limits::at_least, defaults)?;
    let names = ["inode-warning", "inode-critical"];
    let inodes = limits::named(matches, names, Limits::at_least, defaults)?;
    let filter = Filter::of(matches);
    let path = context.roots.proc.join("mounts");
    let text = context.read(&path)?;
    let mounts = mounts::parse(&text).map_err(|error| Failure::malformed(&path, error))?;

    let mut found = Found::default();
    let mut asker = Asker::default();
    // Where options leave none out of many it is as they say.
    if mounts.is_empty() {
        let what = format!("no file system to look at in {}", path.display());
        return Err(Failure::new(what));
    }
    let mut shown = mounts;
    shown.retain(|mount| filter.shows(mount));
    mounts::keep_one_of_each(&mut shown);
    for mount in &shown {
        let point = mount.point.display().to_string();
        context.step(format!("asking {point} how full it is (statvfs)"));
        match asker.ask(mount, PATIENCE.min(context.time_left() / 2)) {
            Ok(space) => found.judge(&point, &space, matches, bytes, inodes)?,
            Err(error) => found.unread(&point, error),
        }
    }
    Ok(found.outcome(bytes, inodes))
}

/// Refuses percentages that nothing can have.
fn refuse_above_100(matches: &ArgMatches) -> Result<(), Failure> {
    let names = ["warning", "critical", "inode-warning", "inode-critical"];
    let is_above = |name: &&&str| {
        let given = matches.get_one::<Limit>(name);
        matches!(given, Some(Limit::Number(number)) if *number > 100.0)
    };
    match names.iter().find(is_above) {
        Some(name) => Err(Failure::new(format!(
            "invalid percentage for --{name}: use at most 100"
        ))),
        None => Ok(()),
    }
}

/// Which mounts to look at.
struct Filter<'a> {
    matches: &'a ArgMatches,
    ignore_path: Option<&'a Regex>,
}

impl<'a> Filter<'a> {
    fn of(matches: &'a ArgMatches) -> Self {
        Self {
            matches,
            ignore_path: matches.get_one("ignore-path"),
        }
    }

    fn shows(&self, mount: &Mount) -> bool {
        let point = mount.point.to_string_lossy();
        let lists = |name: &str, value: &str| {
            let list = self.matches.get_many::<String>(name);
            list.map(|mut list| list.any(|one| one == value))
        };
        let has_option = |mut list: clap::parser::ValuesRef<'_, String>| {
            list.any(|option| mount.has_option(option))
        };
        let ignored = self
            .matches
            .get_many("ignore-option")
            .is_some_and(has_option)
            || self.matches.get_flag("ignore-readonly") && mount.has_option("ro")
            || self.ignore_path.is_some_and(|regex| regex.is_match(&point))
            || lists("ignore-type", &mount.kind) == Some(true)
            || lists("ignore-mount", &point) == Some(true);
        // To ask an automounter's folder would mount what it stands for.
        mount.kind != "autofs"
            && !ignored
            && lists("include-type", &mount.kind) != Some(false)
            && lists("include-mount", &point) != Some(false)
    }
}

/// What was found so far, in the order of the mounts.
#[derive(Default)]
struct Found {
    critical: Vec<String>,
    warning: Vec<String>,
    unknown: Vec<String>,
    details: Vec<String>,
    perfdata: Vec<Perfdata>,
}

impl Found {
    fn judge(
        &mut self,
        point: &str,
        space: &Space,
        matches: &ArgMatches,
        bytes: Limits,
        inodes: Limits,
    ) -> Result<(), Failure> {
        if let Some(percent) = percent_used(space.inodes, space.inodes_free) {
            let what = format!("{point} {percent:?}% inode usage");
            self.add(inodes.judge(percent), what);
            let figure = Perfdata::new(format!("{point} inodes"), percent, Unit::Percent);
            let figure = figure.thresholds(inodes.thresholds());
            self.perfdata.push(figure.min(0).max(100));
        }
        let percent = if matches.get_flag("ignore-reserved") {
            percent_of_available(space)
        } else {
            percent_used(space.total, space.free)
        };
        if let Some(percent) = percent {
            let limits = adjusted(bytes, space.total, matches)?;
            let (used, total) = (human(space.used()), human(space.total));
            let what = format!("{point} {percent:?}% bytes usage ({used}/{total})");
            self.add(limits.judge(percent), what);
            let figure = Perfdata::new(point, percent, Unit::Percent);
            let figure = figure.thresholds(limits.thresholds());
            self.perfdata.push(figure.min(0).max(100));
        }
        Ok(())
    }

    fn unread(&mut self, point: &str, error: SpaceError) {
        match error {
            SpaceError::Hangs(_) => self.unknown.push(format!("{point}: {error}")),
            SpaceError::Refused(_) => {
                self.warning.push(format!("{point} Unable to read."));
                self.details.push(format!("{point}: {error}"));
            }
        }
    }

    fn add(&mut self, status: Status, what: String) {
        match status {
            Status::Critical => self.critical.push(what),
            Status::Warning => self.warning.push(what),
            Status::Ok | Status::Unknown => {}
        }
    }

    fn outcome(self, bytes: Limits, inodes: Limits) -> Outcome {
        let status = match (&self.critical[..], &self.warning[..], &self.unknown[..]) {
            ([_, ..], _, _) => Status::Critical,
            ([], [_, ..], _) => Status::Warning,
            ([], [], [_, ..]) => Status::Unknown,
            ([], [], []) => Status::Ok,
        };
        let what = if status == Status::Ok {
            let under = |limits: Limits| match limits.warning().or(limits.critical()) {
                Some(Limit::Number(number)) => format!("under {number}%"),
                Some(Limit::Range(range)) => format!("within {range}%"),
                None => "not judged".to_owned(),
            };
            let (bytes, inodes) = (under(bytes), under(inodes));
            format!("All disk usage {bytes} and inode usage {inodes}")
        } else {
            [self.critical, self.warning, self.unknown]
                .concat()
                .join(", ")
        };
        Outcome {
            details: self.details,
            perfdata: self.perfdata,
            ..Outcome::new(status, what)
        }
    }
}

/// In percent with two places; `None` where there is nothing to be used.
#[expect(
    clippy::cast_precision_loss,
    reason = "a percentage is no exact number"
)]
fn percent_used(all: u64, free: u64) -> Option<f64> {
    (all > 0).then(|| hundredths(100.0 - 100.0 * free as f64 / all as f64))
}

/// The same, of what everybody may use. One more where it is no whole number of percent, as the
/// community's plugin has it from df, which then leaves the places away.
#[expect(
    clippy::cast_precision_loss,
    reason = "a percentage is no exact number"
)]
fn percent_of_available(space: &Space) -> Option<f64> {
    let all = space.used().saturating_add(space.available);
    let hundredfold = u128::from(space.used()) * 100;
    let more = if hundredfold.checked_rem(u128::from(all))? == 0 {
        0.0
    } else {
        1.0
    };
    Some(hundredths(hundredfold as f64 / all as f64 + more))
}

/// Thresholds for a file system of this many bytes, by `-m`, `-l` and `-n`: what is left below
/// them shrinks by the power MAGIC - 1 of the size in NORMAL MiB.
fn adjusted(limits: Limits, total: u64, matches: &ArgMatches) -> Result<Limits, Failure> {
    let given = |name: &str, default| matches.get_one(name).copied().unwrap_or(default);
    let magic: f64 = given("magic", 1.0);
    let (minimum, normal) = (given("minimum", 100.0), given("normal", 20.0));
    #[expect(clippy::cast_precision_loss, reason = "a size here is no exact number")]
    let total = total as f64;
    #[expect(clippy::float_cmp, reason = "the default, which changes nothing")]
    if magic == 1.0 || total < minimum * GB {
        return Ok(limits);
    }
    let scale = (total / MIB / normal).powf(magic - 1.0);
    let adjust = |limit: Option<Limit>| {
        limit.map(|limit| match limit {
            Limit::Number(percent) => Limit::Number(100.0 - (100.0 - percent) * scale),
            range @ Limit::Range(_) => range,
        })
    };
    Ok(Limits::at_least(
        adjust(limits.warning()),
        adjust(limits.critical()),
    )?)
}

/// `16.82 GiB`
fn human(bytes: u64) -> String {
    const UNITS: [(u32, &str); 5] = [
        (50, "PiB"),
        (40, "TiB"),
        (30, "GiB"),
        (20, "MiB"),
        (10, "KiB"),
    ];
    #[expect(clippy::cast_precision_loss, reason = "two places are shown")]
    let real = bytes as f64;
    let fits = |(power, _): &&(u32, &str)| bytes >= 1 << power;
    match UNITS.iter().find(fits) {
        Some((power, unit)) => format!("{:.2} {unit}", real / 2_f64.powf(f64::from(*power))),
        None => format!("{real:.2} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::command;

    const SPACE: Space = Space {
        total: 200_000_000_000,
        free: 30_000_000_000,
        available: 20_000_000_000,
        inodes: 1000,
        inodes_free: 40,
    };

    /// What is said of a file system, and how it ends.
    fn judged(space: &Space, args: &[&str]) -> (String, Status) {
        let args = [&["check-disk-usage"], args].concat();
        let matches = command(&CHECK).get_matches_from(args);
        let limits = |names| {
            limits::named(&matches, names, Limits::at_least, [Some(85.0), Some(95.0)]).unwrap()
        };
        let bytes = limits(["warning", "critical"]);
        let inodes = limits(["inode-warning", "inode-critical"]);
        let mut found = Found::default();
        found
            .judge("/data", space, &matches, bytes, inodes)
            .unwrap();
        let outcome = found.outcome(bytes, inodes);
        (outcome.what, outcome.status)
    }

    #[test]
    fn bytes_and_inodes_are_judged() {
        let bytes = "/data 85.0% bytes usage (158.32 GiB/186.26 GiB)";
        let inodes = "/data 96.0% inode usage";
        for (args, text, status) in [
            (&[][..], format!("{inodes}, {bytes}"), Status::Critical),
            (&["-K", "97"], format!("{inodes}, {bytes}"), Status::Warning),
            (&["-W", "97", "-K", "98"], bytes.to_owned(), Status::Warning),
            (
                &["-W", "97", "-K", "98", "-c", "85"],
                bytes.to_owned(),
                Status::Critical,
            ),
            (
                &["-w", "86", "-W", "97", "-K", "98"],
                "All disk usage under 86% and inode usage under 97%".to_owned(),
                Status::Ok,
            ),
            (
                &["-w", "@90:100", "-W", "97", "-K", "98"],
                "All disk usage within @90:100% and inode usage under 97%".to_owned(),
                Status::Ok,
            ),
            // What is used of what everybody may use: 170 of 190, 89.47, and one.
            (
                &["-r", "-W", "97", "-K", "98"],
                "/data 90.47% bytes usage (158.32 GiB/186.26 GiB)".to_owned(),
                Status::Warning,
            ),
            // A tenth of what is left below the threshold: 200 GB are 9,536.74 times 20 MiB.
            (
                &[
                    "-m", "0.749", "-w", "0", "-c", "100", "-W", "97", "-K", "98",
                ],
                "All disk usage under 0% and inode usage under 97%".to_owned(),
                Status::Ok,
            ),
            (
                &["-m", "0.749", "-l", "201", "-W", "97", "-K", "98"],
                bytes.to_owned(),
                Status::Warning,
            ),
        ] {
            assert_eq!(judged(&SPACE, args), (text, status), "{args:?}");
        }
    }

    #[test]
    fn what_has_no_size_is_not_judged() {
        let none = Space {
            total: 0,
            free: 0,
            available: 0,
            inodes: 0,
            inodes_free: 0,
        };
        for args in [&["-w", "0", "-W", "0"][..], &["-r", "-c", "0"]] {
            assert_eq!(judged(&none, args).1, Status::Ok);
        }
    }

    #[test]
    fn sizes_are_written_for_people() {
        for (bytes, text) in [
            (0, "0.00 B"),
            (1023, "1023.00 B"),
            (4096, "4.00 KiB"),
            (25_277_000_000, "23.54 GiB"),
            (1 << 50, "1.00 PiB"),
            (u64::MAX, "16384.00 PiB"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}
