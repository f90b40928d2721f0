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

use crate::check::remember::{self, Turn, with_trouble};
use crate::check::{Check, hold, limits};
use crate::context::{Context, Failure};
use crate::status::{Limits, Outcome, Perfdata, Status, Unit, counted};

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
/// systems with errors, links and file servers that are gone.
const TROUBLE: &str = "Hardware Error|[Mm]achine [Cc]heck|EDAC .*[0-9] [CU]E |temperature above threshold\
    |Out of memory|oom-kill|soft lockup|hard LOCKUP|blocked for more than|rcu.* stall\
    |I/O error|fs error|Corruption of in-memory data|Remounting filesystem read-only\
    |server .* not responding|[Ll]ink is [Dd]own\
    |Kernel panic|kernel BUG|BUG: unable to handle|general protection fault[:,]|Oops";
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
    // Two checks with patterns or thresholds of their own read for themselves.
    let thresholds = remember::key(matches, &["warning", "critical"]);
    let key = format!("{} {} {thresholds}", log.display(), pattern.as_str());
    let key = key.trim_end().to_owned();
    let turn = Turn::at(state_file(context), context)?;
    let (mut history, damaged): (History, _) = turn.read(context)?;
    // What was logged since the last run is not known then.
    let mut trouble: Vec<String> = damaged.into_iter().collect();
    let last = history.get(&key);
    context.step(format!("reading {}", log.display()));
    let logged = if given.is_some() {
        of_file(&log, last)?
    } else {
        of_kernel(&log, last, context)?
    };
    let is_first = last.is_none();
    history.insert(key.clone(), logged.place.clone());
    // That it cannot be kept does not hide what was logged.
    if let Err(failure) = turn.write(&history, context) {
        trouble.push(failure.to_string());
    }
    if is_first {
        let what = format!("first run, {} is looked at from here on", log.display());
        return Ok(with_trouble(Outcome::new(limits.judge(0), what), trouble));
    }
    let found = with_trouble(judge(&logged, &pattern, &limits), trouble);
    Ok(hold::apply(CHECK.name, &key, found, matches, context))
}

/// What was logged since the last run.
struct Logged {
    lines: Vec<String>,
    place: Place,
    /// How many the kernel has overwritten before they were read.
    lost: u64,
    /// The first that is no record, and how many there are.
    malformed: Option<(String, usize)>,
}

fn judge(logged: &Logged, pattern: &Regex, limits: &Limits) -> Outcome {
    let matching = |line: &&String| pattern.is_match(line);
    let found: Vec<&String> = logged.lines.iter().filter(matching).collect();
    let (count, all) = (found.len(), logged.lines.len());
    let newest = found
        .last()
        .map_or(String::new(), |line| format!(", the last: {line}"));
    let mut status = limits.judge(count);
    let mut what = format!("{count} of {all} lines since the last run match{newest}");
    if logged.lost > 0 {
        status = status.worst(Status::Warning);
        let lost = counted(logged.lost, "line");
        what.push_str(&format!(
            "; lost {lost} that the kernel has overwritten since"
        ));
    }
    let mut details = Vec::new();
    if let Some((first, more)) = &logged.malformed {
        let records = counted(u64::try_from(*more).unwrap_or(u64::MAX), "line");
        details.push(format!(
            "{records} left out as no record of the kernel: {first}"
        ));
    }
    let figure = Perfdata::new("lines", count, Unit::None);
    Outcome {
        details,
        perfdata: vec![figure.thresholds(limits.thresholds()).min(0)],
        ..Outcome::new(status, what)
    }
}

/// The kernel's own records, `PRIORITY,NUMBER,MICROSECONDS,FLAGS;TEXT`, each with lines below it that
/// begin with a blank. What programs have written there is none of the kernel's.
fn of_kernel(log: &Path, last: Option<&Place>, context: &Context) -> Result<Logged, Failure> {
    let boot = remember::boot(context)?;
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
    let (mut overwritten, mut malformed) = (0_u64, Vec::new());
    let mut is_one = false;
    for line in text.lines().filter(|line| !line.starts_with(' ')) {
        let Some(record) = Record::parse(line) else {
            malformed.push(line);
            continue;
        };
        is_one = true;
        if record.number < from {
            continue;
        }
        overwritten = overwritten.saturating_add(record.number.saturating_sub(next));
        next = record.number.saturating_add(1);
        if record.is_of_kernel {
            lines.push(record.text.to_owned());
        }
    }
    if let Some(first) = malformed.first().filter(|_| !is_one) {
        let why = format!("no record of the kernel: {first}");
        return Err(Failure::malformed(log, why));
    }
    Ok(Logged {
        lines,
        place: Place { of: boot, next },
        lost: overwritten.saturating_sub(u64::try_from(malformed.len()).unwrap_or_default()),
        malformed: malformed
            .first()
            .map(|first| ((*first).to_owned(), malformed.len())),
    })
}

/// A record of the kernel's log.
struct Record<'a> {
    number: u64,
    /// Or else a program's, such as that of systemd.
    is_of_kernel: bool,
    text: &'a str,
}

impl<'a> Record<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (head, text) = line.split_once(';')?;
        let mut head = head.split(',');
        let priority: u64 = head.next()?.parse().ok()?;
        let number = head.next()?.parse().ok()?;
        Some(Self {
            number,
            // The facility is above the three bits of the severity, see syslog(3).
            is_of_kernel: priority >> 3 == 0,
            text,
        })
    }
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
    Ok(Logged {
        lines,
        place: Place { of, next },
        lost: 0,
        malformed: None,
    })
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
