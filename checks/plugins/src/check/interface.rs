//! `check-interface`: whether network interfaces are up, as fast as they should be, and free of
//! errors.
//!
//! Reads `SYS/class/net/IF`, see the kernel's sysfs-class-net, and keeps the counters in a state file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use serde::{Deserialize, Serialize};
use venus_collectors::state::StateFile;

use crate::check::remember::{self, Memory};
use crate::check::{Check, hold, limits};
use crate::context::{Context, Failure};
use crate::source::sysfs::line;
use crate::status::{Findings, Limits, Outcome, Perfdata, Status, Unit};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-interface",
    title: "CheckInterface",
    about: "Whether network interfaces are up, fast, and free of errors",
    example: "--interface eth0",
    arguments,
    looks_at,
    run,
};

/// What was counted until the last run, by interface.
type History = BTreeMap<String, Counters>;

/// What an interface counted since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Counters {
    /// Packets that could not be received or sent.
    errors: u64,
    /// How often the link came or went.
    carrier_changes: u64,
}

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Errors since the last run that are worth a warning [default: 1]",
        "Errors since the last run that are critical [default: 100]",
    );
    vec![
        Arg::new("interface")
            .long("interface")
            .short('i')
            .value_name("IF")
            .action(ArgAction::Append)
            .help("Look at this one; may be repeated [default: all of hardware]"),
        Arg::new("speed")
            .long("speed")
            .value_name("MBIT")
            .value_parser(value_parser!(u64))
            .help("How fast it is to be at least, in Mbit/s"),
        Arg::new("duplex")
            .long("duplex")
            .value_name("DUPLEX")
            .value_parser(["full", "half"])
            .help("Whether both ends may send at once"),
        warning,
        critical,
        hold::argument(),
    ]
}

fn state_file(context: &Context) -> StateFile {
    StateFile::new(&context.state_dir, "check-interface.json")
}

fn looks_at(_: &ArgMatches, context: &Context) -> Vec<String> {
    let class = context.roots.sys.join("class/net");
    vec![
        format!("{}/IF", class.display()),
        state_file(context).path().display().to_string(),
    ]
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_least, [Some(1.0), Some(100.0)])?;
    let (mut findings, mut right, mut perfdata) = (Findings::default(), Vec::new(), Vec::new());
    let names = names(matches, context)?;
    // Two checks with arguments of their own count for themselves.
    let key = remember::key(
        matches,
        &["interface", "speed", "duplex", "warning", "critical"],
    );
    let memory = Memory::read(state_file(context), key.clone(), context);
    let mut history: History = match &memory {
        Ok(memory) => {
            if let Some(lost) = &memory.lost {
                findings.add(Status::Unknown, lost);
            }
            memory.last().unwrap_or_default()
        }
        // How the links are can be seen all the same.
        Err(failure) => {
            findings.add(Status::Unknown, failure.to_string());
            History::default()
        }
    };
    for name in &names {
        let folder = context.roots.sys.join("class/net").join(name);
        context.step(format!("reading {}", folder.display()));
        if name.contains('/') || !folder.is_dir() {
            findings.add(Status::Critical, format!("{name} is not there"));
            continue;
        }
        let before = findings.worst();
        let (link, now) = match look(name, &folder, matches, context, &mut findings) {
            Ok(seen) => seen,
            // One that cannot be read says nothing of the others.
            Err(failure) => {
                findings.add(Status::Unknown, failure.to_string());
                continue;
            }
        };
        let counted = match history.insert(name.clone(), now) {
            // What a boot brings with it is nothing that came about.
            None => "counters read for the first time since boot".to_owned(),
            Some(then) => {
                // One that is less than it was has been made anew.
                let errors = now.errors.checked_sub(then.errors).unwrap_or(now.errors);
                let changes = now.carrier_changes.saturating_sub(then.carrier_changes);
                let what = format!("{name} counted {errors} errors since the last run");
                findings.add(limits.judge(errors), what);
                if changes > 0 {
                    let what = format!(
                        "{name} had its link come or go {changes} times since the last run"
                    );
                    findings.add(Status::Warning, what);
                }
                let figure = Perfdata::new(format!("{name} errors"), errors, Unit::None);
                perfdata.push(figure.thresholds(limits.thresholds()).min(0));
                format!("{errors} errors since the last run")
            }
        };
        if findings.worst() == before {
            right.push(format!("{name} is {link}, {counted}"));
        }
    }
    if let Ok(memory) = memory
        && let Err(failure) = memory.write(history, context)
    {
        findings.add(Status::Unknown, failure.to_string());
    }
    let mut outcome = findings.outcome(right.join("; "));
    outcome.perfdata = perfdata;
    Ok(hold::apply(CHECK.name, &key, outcome, matches, context))
}

/// Those that were given, or else all that have a device, so are not made by software, and that somebody
/// has switched on: a port that nobody uses has no link.
fn names(matches: &ArgMatches, context: &Context) -> Result<Vec<String>, Failure> {
    if let Some(given) = matches.get_many::<String>("interface") {
        return Ok(given.cloned().collect());
    }
    let class = context.roots.sys.join("class/net");
    let entries = fs::read_dir(&class).map_err(|error| Failure::read(&class, &error))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.path().join("device").exists() && is_switched_on(&entry.path())? {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    if names.is_empty() {
        let what = format!(
            "no interface of hardware that is switched on below {}",
            class.display()
        );
        return Err(Failure::new(what));
    }
    Ok(names)
}

/// Whether it is up as far as the admin is concerned; `ip link set IF up`. One that does not tell is.
fn is_switched_on(folder: &Path) -> Result<bool, Failure> {
    /// `IFF_UP` of netdevice(7).
    const UP: u32 = 1;
    let path = folder.join("flags");
    let Some(text) = line(&path)? else {
        return Ok(true);
    };
    let flags = text.strip_prefix("0x").unwrap_or(&text);
    let flags = u32::from_str_radix(flags, 16);
    let flags = flags.map_err(|_| Failure::malformed(&path, "it is no hexadecimal number"))?;
    Ok(flags & UP == UP)
}

/// How the link is, and what was counted.
fn look(
    name: &str,
    folder: &Path,
    matches: &ArgMatches,
    context: &Context,
    findings: &mut Findings,
) -> Result<(String, Counters), Failure> {
    let link = link(name, folder, matches, findings)?;
    let errors = |file| context.number(&folder.join("statistics").join(file));
    let counters = Counters {
        errors: errors("rx_errors")?.saturating_add(errors("tx_errors")?),
        carrier_changes: carrier_changes(&folder.join("carrier_changes"))?,
    };
    Ok((link, counters))
}

/// How the link is, in a few words; what is wrong with it is added.
fn link(
    name: &str,
    folder: &Path,
    matches: &ArgMatches,
    findings: &mut Findings,
) -> Result<String, Failure> {
    let state = line(&folder.join("operstate"))?.unwrap_or_default();
    // `unknown` is what drivers say that do not tell, such as that of lo.
    if !matches!(state.as_str(), "up" | "unknown") {
        findings.add(Status::Critical, format!("{name} is {state}"));
        // A link that is down has no speed worth a word.
        return Ok(state);
    }
    let mut words = state;
    let speed = line(&folder.join("speed"))?.and_then(|text| speed(&text));
    if let Some(wanted) = matches.get_one::<u64>("speed") {
        match speed {
            Some(speed) if speed >= *wanted => {}
            Some(speed) => {
                let what = format!("{name} runs at {speed} Mbit/s, expected {wanted}");
                findings.add(Status::Critical, what);
            }
            None => findings.add(Status::Unknown, format!("{name} does not tell its speed")),
        }
    }
    words.extend(speed.map(|speed| format!(" at {speed} Mbit/s")));
    let duplex = line(&folder.join("duplex"))?;
    if let Some(wanted) = matches.get_one::<String>("duplex")
        && duplex.as_ref() != Some(wanted)
    {
        let duplex = duplex.as_deref().unwrap_or("unknown");
        let what = format!("{name} has {duplex} duplex, expected {wanted}");
        findings.add(Status::Warning, what);
    }
    Ok(words)
}

/// In Mbit/s; `None` where it is not known, for which there is -1, or on older kernels that as a number
/// without a sign, of 16 or of 32 bits.
fn speed(text: &str) -> Option<u64> {
    const UNKNOWN: [u64; 3] = [0, 0xffff, 0xffff_ffff];
    let speed = text.parse().ok()?;
    (!UNKNOWN.contains(&speed)).then_some(speed)
}

/// Since Linux 3.15; older kernels do not count them.
fn carrier_changes(path: &Path) -> Result<u64, Failure> {
    match line(path)? {
        Some(number) => number
            .parse()
            .map_err(|_| Failure::malformed(path, "it is not a number")),
        None => Ok(0),
    }
}
