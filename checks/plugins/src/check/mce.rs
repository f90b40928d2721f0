//! `check-mce`: whether the hardware has raised machine checks since the last run.
//!
//! Reads the line `MCE` of `PROC/interrupts`, as `metrics-interrupts` does, and keeps what was counted in a
//! state file.

use std::collections::BTreeMap;

use clap::ArgMatches;
use venus_collectors::source::text::{self, Malformed};
use venus_collectors::state::StateFile;

use crate::check::remember::{self, Memory, with_trouble};
use crate::check::{Check, hold, limits};
use crate::context::{Context, Failure};
use crate::status::{Limits, Outcome, Perfdata, Status, Unit, counted};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-mce",
    title: "CheckMCE",
    about: "Whether the hardware has raised machine checks since the last run",
    example: "-w 1 -c 10",
    arguments: || {
        let [warning, critical] = limits::arguments(
            "Machine checks that are worth a warning [default: 1]",
            "Machine checks that are critical [default: none]",
        );
        vec![warning, critical, hold::argument()]
    },
    looks_at,
    run,
};

/// What was counted, by the number of the processor.
type Counts = BTreeMap<u32, u64>;

fn state_file(context: &Context) -> StateFile {
    StateFile::new(&context.state_dir, "check-mce.json")
}

fn looks_at(_: &ArgMatches, context: &Context) -> Vec<String> {
    let interrupts = context.roots.proc.join("interrupts");
    [interrupts.as_path(), state_file(context).path()]
        .map(|path| path.display().to_string())
        .into()
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_least, [Some(1.0), None])?;
    // Two checks with thresholds of their own count for themselves.
    let key = remember::key(matches, &["warning", "critical"]);
    let memory = Memory::read(state_file(context), key.clone(), context)?;
    let path = context.roots.proc.join("interrupts");
    let text = context.read(&path)?;
    let counts = parse(&text).map_err(|error| Failure::malformed(&path, error))?;
    let counts = counts.ok_or_else(|| {
        Failure::new(format!(
            "this kernel does not count machine checks: no line MCE in {}",
            path.display()
        ))
    })?;
    // What was lost may have been a count that is less than this one.
    let mut trouble: Vec<String> = memory.lost.iter().cloned().collect();
    let is_first = memory.is_first();
    // After a boot all are new.
    let then: Counts = memory.last().unwrap_or_default();
    let new = |(processor, count): (&u32, &u64)| {
        let then = then.get(processor).copied().unwrap_or_default();
        (*processor, count.saturating_sub(then))
    };
    let new: Counts = counts.iter().map(new).collect();
    if let Err(failure) = memory.write(counts, context) {
        trouble.push(failure.to_string());
    }
    let found = with_trouble(judge(&new, is_first, &limits), trouble);
    Ok(hold::apply(CHECK.name, &key, found, matches, context))
}

/// One that all processors were told of counts once for each, so that the one with the most decides.
fn judge(new: &Counts, is_first: bool, limits: &Limits) -> Outcome {
    let most = new.values().copied().max().unwrap_or_default();
    let mut by_count: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for (processor, count) in new.iter().filter(|(_, count)| **count > 0) {
        by_count.entry(*count).or_default().push(*processor);
    }
    let places = by_count.iter().rev();
    let places = places.map(|(count, processors)| format!("{count} on cpu{}", folded(processors)));
    let places: Vec<String> = places.collect();
    let seen = if places.is_empty() {
        String::new()
    } else {
        format!(" ({})", places.join(", "))
    };
    if is_first {
        let what = format!(
            "first run, {}{seen} since boot; new ones are known from here on",
            counted(most, "machine check")
        );
        return Outcome::new(Status::Ok, what);
    }
    let advice = if most > 0 {
        ", see the kernel's log for the hardware"
    } else {
        ""
    };
    let figure = Perfdata::new("machine checks", most, Unit::None);
    let what = counted(most, "machine check");
    Outcome {
        perfdata: vec![figure.thresholds(limits.thresholds()).min(0)],
        ..Outcome::new(
            limits.judge(most),
            format!("{what} since the last run{seen}{advice}"),
        )
    }
}

/// `0-3,7`
fn folded(processors: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for processor in processors {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*processor) => *last = *processor,
            _ => ranges.push((*processor, *processor)),
        }
    }
    let range = |(first, last): &(u32, u32)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    };
    ranges.iter().map(range).collect::<Vec<_>>().join(",")
}

/// Exceptions by processor; `None` where the kernel does not count them. The head names the processors, of
/// which some may be switched off.
fn parse(text: &[u8]) -> Result<Option<Counts>, Malformed> {
    let mut rows = text::lines(text);
    let (_, head) = rows.next().ok_or(Malformed::Missing("the head"))??;
    let processors: Option<Vec<u32>> = text::fields(head)
        .map(|name| {
            str::from_utf8(name.strip_prefix(b"CPU")?)
                .ok()?
                .parse()
                .ok()
        })
        .collect();
    let processors = processors.ok_or(Malformed::Line {
        line: 1,
        what: "is no head with processors",
    })?;
    let mut found = None;
    for row in rows {
        let (line, bytes) = row?;
        let mut columns = text::fields(bytes);
        if columns.next() != Some(b"MCE:") {
            continue;
        }
        let count = |processor: &u32| Some((*processor, text::decimal(columns.next()?)?));
        let counts: Option<Counts> = processors.iter().map(count).collect();
        let counts = counts.ok_or(Malformed::Line {
            line,
            what: "has not a number for each processor",
        })?;
        found = Some(counts);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn processors_are_folded() {
        for (processors, text) in [
            (&[0][..], "0"),
            (&[0, 1, 2, 3, 7], "0-3,7"),
            (&[1, 3, 4], "1,3-4"),
            (&[u32::MAX], "4294967295"),
        ] {
            assert_eq!(folded(processors), text);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text in "( CPU[0-9]{0,2}){0,3}\n(MCE:( [0-9]){0,3}\n){0,2}") {
            for bytes in [&bytes[..], text.as_bytes()] {
                if let Err(error) = parse(bytes) {
                    prop_assert!(!error.to_string().is_empty());
                }
            }
        }
    }
}
