//! `check-kernel-log`: whether the kernel has logged what an admin should know since the last run.
//!
//! Reads `DEV/kmsg`, see the kernel's dev-kmsg, or a file of lines, and keeps in a state file how far
//! it has read.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, value_parser};
use nix::fcntl::OFlag;
use regex_lite::Regex;
use serde::{Deserialize, Serialize};
use venus_collectors::state::StateFile;

use crate::check::{Check, hold, limits};
use crate::context::{Context, Failure};
use crate::status::{Limits, Outcome, Perfdata, Unit};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-kernel-log",
    title: "CheckKernelLog",
    about: "Whether the kernel has logged trouble since the last run",
    example: "-w 1 -c 100",
    arguments,
    looks_at,
    run,
};

/// What is trouble if no pattern is given: broken hardware, lack of memory, what hangs, file
/// systems with errors.
const TROUBLE: &str = "Hardware Error|[Mm]achine [Cc]heck|Out of memory|oom-kill|soft lockup\
    |hard LOCKUP|blocked for more than|rcu.* stall|I/O error|fs error|Remounting filesystem read-only\
    |Kernel panic|kernel BUG|Oops";
/// The most that is taken of a log in one run, in bytes.
const MOST: u64 = 64 << 20;

/// How far each log has been read.
type History = BTreeMap<String, Place>;

/// A place in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// The boot or the file that it is of.
    of: String,
    /// The next record, or the next byte.
    next: u64,
}

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Lines that are worth a warning [default: 1]",
        "Lines that are critical [default: none]",
    );
    let pattern = Arg::new("pattern")
        .long("pattern")
        .short('p')
        .value_name("REGEX")
        .value_parser(|text: &str| Regex::new(text))
        .help("What to look for [default: errors of hardware and memory, and what hangs]");
    let file = Arg::new("file")
        .long("file")
        .short('f')
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("A file of lines to read [default: kmsg in --dev-path]");
    vec![pattern, file, warning, critical, hold::argument()]
}

fn state_file(context: &Context) -> StateFile {
    StateFile::new(&context.state_dir, "check-kernel-log.json")
}

fn looks_at(matches: &ArgMatches, context: &Context) -> Vec<String> {
    let file = matches.get_one::<PathBuf>("file").cloned();
    let log = file.unwrap_or_else(|| context.roots.dev.join("kmsg"));
    [log.as_path(), state_file(context).path()]
        .map(|path| path.display().to_string())
        .into()
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_least, [Some(1.0), None])?;
    let pattern = match matches.get_one::<Regex>("pattern") {
        Some(pattern) => pattern.clone(),
        None => Regex::new(TROUBLE)?,
    };
    let given = matches.get_one::<PathBuf>("file");
    let log = given
        .cloned()
        .unwrap_or_else(|| context.roots.dev.join("kmsg"));
    // Two checks with patterns of their own read for themselves.
    let key = format!("{} {}", log.display(), pattern.as_str());
    let state = state_file(context);
    context.step(format!("reading {}", state.path().display()));
    let (mut history, damaged): (History, _) = state.read()?;
    let details: Vec<String> = damaged.iter().map(ToString::to_string).collect();
    let last = history.get(&key);
    context.step(format!("reading {}", log.display()));
    let (lines, place) = if given.is_some() {
        of_file(&log, last)?
    } else {
        of_kernel(&log, last, context)?
    };
    let is_first = last.is_none();
    history.insert(key.clone(), place);
    context.step(format!("writing {}", state.path().display()));
    state.write(&history)?;
    if is_first {
        let what = format!("first run, {} is looked at from here on", log.display());
        return Ok(Outcome {
            details,
            ..Outcome::new(limits.judge(0), what)
        });
    }
    let found: Vec<&String> = lines.iter().filter(|line| pattern.is_match(line)).collect();
    let (count, all) = (found.len(), lines.len());
    let newest = found
        .last()
        .map_or(String::new(), |line| format!(", the last: {line}"));
    let figure = Perfdata::new("lines", count, Unit::None);
    let found = Outcome {
        details,
        perfdata: vec![figure.thresholds(limits.thresholds()).min(0)],
        ..Outcome::new(
            limits.judge(count),
            format!("{count} of {all} lines since the last run match{newest}"),
        )
    };
    hold::apply(CHECK.name, &key, found, matches, context)
}

type Logged = (Vec<String>, Place);

/// The kernel's own records, `PRIORITY,NUMBER,MICROSECONDS,FLAGS;TEXT`, each with lines below it that
/// begin with a blank.
fn of_kernel(log: &Path, last: Option<&Place>, context: &Context) -> Result<Logged, Failure> {
    let boot = context.roots.proc.join("sys/kernel/random/boot_id");
    let boot = String::from_utf8_lossy(&context.read(&boot)?)
        .trim()
        .to_owned();
    let mut options = OpenOptions::new();
    // At its end it would wait for more.
    options.read(true).custom_flags(OFlag::O_NONBLOCK.bits());
    let file = options
        .open(log)
        .map_err(|error| Failure::read(log, &error))?;
    let text = all(file).map_err(|error| Failure::read(log, &error))?;
    let from = last
        .filter(|last| last.of == boot)
        .map_or(0, |last| last.next);
    let (mut lines, mut next) = (Vec::new(), from);
    for record in text.lines().filter(|line| !line.starts_with(' ')) {
        let malformed = || Failure::malformed(log, format!("no record of the kernel: {record}"));
        let (head, text) = record.split_once(';').ok_or_else(malformed)?;
        let number = head
            .split(',')
            .nth(1)
            .and_then(|number| number.parse::<u64>().ok());
        let number = number.ok_or_else(malformed)?;
        if number >= from {
            lines.push(text.to_owned());
            next = number.saturating_add(1);
        }
    }
    Ok((lines, Place { of: boot, next }))
}

/// The lines of a file that are complete. One that was rotated, or is shorter, is another.
fn of_file(log: &Path, last: Option<&Place>) -> Result<Logged, Failure> {
    let failed = |error: io::Error| Failure::read(log, &error);
    let metadata = fs::metadata(log).map_err(failed)?;
    if !metadata.is_file() {
        return Err(Failure::malformed(log, "it is no file"));
    }
    let of = metadata.ino().to_string();
    let from = match last {
        Some(last) if last.of == of && last.next <= metadata.len() => last.next,
        Some(_) => 0,
        None => metadata.len(),
    };
    let mut file = File::open(log).map_err(failed)?;
    file.seek(SeekFrom::Start(from)).map_err(failed)?;
    let text = all(file).map_err(failed)?;
    let complete = text.rfind('\n').map_or(0, |end| end + 1);
    let complete = text.get(..complete).unwrap_or_default();
    let length = u64::try_from(complete.len()).unwrap_or_default();
    let lines = complete.lines().map(str::to_owned).collect();
    let next = from.saturating_add(length);
    Ok((lines, Place { of, next }))
}

/// All that there is now.
fn all(file: File) -> io::Result<String> {
    /// A record has 8 KiB at most, and is not handed out in parts.
    const RECORD: usize = 8192;
    let (mut text, mut buffer) = (Vec::new(), vec![0; RECORD]);
    let mut file = file.take(MOST);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => text.extend_from_slice(buffer.get(..length).unwrap_or_default()),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => break,
                // The oldest record was overwritten meanwhile: the next read has one that is there.
                io::ErrorKind::BrokenPipe | io::ErrorKind::Interrupted => {}
                _ => return Err(error),
            },
        }
    }
    Ok(text_of(&text))
}

/// As text of the same length in bytes: what is no UTF-8 is `?`.
fn text_of(bytes: &[u8]) -> String {
    let chunks = bytes.utf8_chunks();
    let text = chunks.map(|chunk| chunk.valid().to_owned() + &"?".repeat(chunk.invalid().len()));
    text.collect()
}
