//! `check-memory-percent`, `check-memory`, `check-ram` and `check-swap`: how much memory is used, or
//! is left.
//!
//! All read `PROC/meminfo`, as `metrics-memory` does. What is left is what programs can get without
//! swapping (`MemAvailable`), as of old `free` showed it after `-/+ buffers/cache`.

use clap::{Arg, ArgAction, ArgMatches};
use venus_collectors::source::meminfo::MemInfo;

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::status::{self, Limits, Number, Outcome, Perfdata, Unit};

/// The declaration of `check-memory-percent`.
pub(super) static PERCENT: Check = Check {
    name: "check-memory-percent",
    title: "MEM",
    about: "Whether little of the memory is used, in percent",
    example: "-w 80 -c 90",
    arguments: || {
        limits::arguments(
            "Percent used that are worth a warning [default: 80]",
            "Percent used that are critical [default: 90]",
        )
        .into()
    },
    looks_at,
    run: percent,
};

/// The declaration of `check-memory`.
pub(super) static FREE: Check = Check {
    name: "check-memory",
    title: "MEM",
    about: "Whether enough memory is left, in MB",
    example: "-w 500 -c 250",
    arguments: || {
        limits::arguments(
            "MB left that are worth a warning [default: none]",
            "MB left that are critical [default: none]",
        )
        .into()
    },
    looks_at,
    run: free,
};

/// The declaration of `check-ram`.
pub(super) static RAM: Check = Check {
    name: "check-ram",
    title: "CheckRAM",
    about: "Whether enough memory is left, or little is used, in percent or MB",
    example: "-w 10 -c 5",
    arguments: ram_arguments,
    looks_at,
    run: ram,
};

/// The declaration of `check-swap`.
pub(super) static SWAP: Check = Check {
    name: "check-swap",
    title: "SWAP",
    about: "Whether little swap space is used, in MB",
    example: "-w 512 -c 1024",
    arguments: || {
        limits::arguments(
            "MB used that are worth a warning [default: none]",
            "MB used that are critical [default: none]",
        )
        .into()
    },
    looks_at,
    run: swap,
};

/// In bytes; the kernel and the community's plugins call it MB.
const MIB: u64 = 1 << 20;

fn ram_arguments() -> Vec<Arg> {
    let flag = |name: &'static str, short: char, help: &'static str| {
        Arg::new(name)
            .long(name)
            .short(short)
            .action(ArgAction::SetTrue)
            .help(help)
    };
    let [warning, critical] = limits::arguments(
        "What is worth a warning [default: 10 where free, 90 where used, in percent]",
        "What is critical [default: 5 where free, 95 where used, in percent]",
    );
    vec![
        warning,
        critical,
        flag("free", 'f', "Judge what is free, which is the default").overrides_with("used"),
        flag("used", 'u', "Judge what is used"),
        flag("megabytes", 'm', "In MB, not in percent"),
    ]
}

fn looks_at(_: &ArgMatches, context: &Context) -> Vec<String> {
    vec![context.roots.proc.join("meminfo").display().to_string()]
}

/// What the kernel says, in bytes.
struct Memory {
    total: u64,
    available: u64,
    swap_total: u64,
    swap_used: u64,
}

fn memory(context: &Context) -> Result<Memory, Failure> {
    let path = context.roots.proc.join("meminfo");
    let text = context.read(&path)?;
    let bad = |why: &str| Failure::malformed(&path, why);
    let info = MemInfo::parse(&text).map_err(|error| Failure::malformed(&path, error))?;
    let reckoned = || info.free.saturating_add(info.buffers + info.cached);
    let available = info.available.unwrap_or_else(reckoned);
    if info.total == 0 || available > info.total {
        return Err(bad("MemTotal is 0, or less than what is available"));
    }
    let swap_used = info.swap_total.checked_sub(info.swap_free);
    Ok(Memory {
        total: info.total,
        available,
        swap_total: info.swap_total,
        swap_used: swap_used.ok_or_else(|| bad("SwapFree exceeds SwapTotal"))?,
    })
}

/// Judges the figure and says it.
fn outcome(limits: Limits, figure: Perfdata, value: impl Into<Number>, what: String) -> Outcome {
    Outcome {
        perfdata: vec![figure.thresholds(limits.thresholds()).min(0)],
        ..Outcome::new(limits.judge(value), what)
    }
}

fn percent(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_least, [Some(80.0), Some(90.0)])?;
    let memory = memory(context)?;
    // What is free is rounded down, so that what is used is rounded up.
    let free = u128::from(memory.available) * 100 / u128::from(memory.total);
    let used = 100 - u8::try_from(free).unwrap_or(100);
    // The community's plugin calls what is used this, and whoever draws it knows it by that name.
    let figure = Perfdata::new("free memory", used, Unit::Percent);
    let what = format!("system memory usage: {used}%");
    Ok(outcome(limits, figure, used, what))
}

fn free(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_most, [None, None])?;
    let free = memory(context)?.available / MIB;
    let figure = Perfdata::new("free memory", free, Unit::None);
    let what = format!("free system memory: {free} MB");
    Ok(outcome(limits, figure, free, what))
}

fn swap(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_least, [None, None])?;
    let memory = memory(context)?;
    let used = memory.swap_used / MIB;
    let figure = Perfdata::new("used swap memory", used, Unit::None).max(memory.swap_total / MIB);
    let what = format!("used swap memory: {used} MB");
    Ok(outcome(limits, figure, used, what))
}

fn ram(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let (of_used, in_megabytes) = (matches.get_flag("used"), matches.get_flag("megabytes"));
    let (build, defaults): (limits::Build, _) = match (of_used, in_megabytes) {
        (false, _) => (Limits::at_most, [Some(10.0), Some(5.0)]),
        (true, false) => (Limits::at_least, [Some(90.0), Some(95.0)]),
        (true, true) => (Limits::at_least, [None, None]),
    };
    let limits = limits::given(matches, build, defaults)?;
    let memory = memory(context)?;
    let (bytes, name) = if of_used {
        (memory.total - memory.available, "used")
    } else {
        (memory.available, "free")
    };
    if in_megabytes {
        let megabytes = bytes / MIB;
        let name = if of_used { "used" } else { "left" };
        let figure = Perfdata::new(format!("RAM {name}"), megabytes, Unit::None);
        let what = format!("{megabytes} megabytes of RAM {name}");
        return Ok(outcome(limits, figure, megabytes, what));
    }
    limits::refuse_above_100(matches)?;
    let percent = status::percent(bytes, memory.total);
    let figure = Perfdata::new(format!("RAM {name}"), percent, Unit::Percent);
    let what = format!("{percent:?}% RAM {name}");
    Ok(outcome(limits, figure, percent, what))
}
