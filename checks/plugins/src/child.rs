//! Another program that has to be asked, ended with all that it has started if it does not answer.
//!
//! It stays in the process group of this one, so that whoever ends a check as a group, as Sensu's
//! clients do, ends it, too. What it leaves behind comes to this process (`PR_SET_CHILD_SUBREAPER`,
//! prctl(2)), and is found by that when the time is up, in whatever group it went.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use venus_collectors::Roots;
use venus_collectors::source::process::{Processes, Stat};

use crate::context::{Context, Failure};

/// How much a program may print, in bytes.
const LONGEST: u64 = 64 << 20;

/// How much of its complaints is kept, in bytes; the rest is thrown away.
const KEPT: u64 = 64 << 10;

/// How often what it has started is looked for, as that may start more meanwhile.
const LOOKS: usize = 100;

/// What a program said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// Its standard output.
    pub(crate) printed: Vec<u8>,
    /// The beginning of its standard error.
    pub(crate) complained: String,
}

/// A program could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChildError {
    /// It cannot be started.
    #[error("cannot ask {program}: {error}")]
    Start { program: String, error: io::Error },
    /// It was ended when its time was up.
    #[error("cannot ask {program}: no answer within {:.1} s", .within.as_secs_f64())]
    Slow { program: String, within: Duration },
    /// It was ended when it had printed that much.
    #[error("cannot ask {program}: it prints more than {} MB", LONGEST >> 20)]
    Long { program: String },
    /// Its output cannot be read.
    #[error("cannot ask {program}: reading what it says failed: {error}")]
    Read { program: String, error: io::Error },
}

/// What it prints, if it ends well within nine tenths of the time that is left; else it is killed.
pub(crate) fn output(command: &mut Command, context: &Context) -> Result<Vec<u8>, Failure> {
    let said = run(command, context)?;
    if said.status.success() {
        return Ok(said.printed);
    }
    let program = command.get_program().to_string_lossy();
    let first = said.complained.lines().next().unwrap_or_default();
    Err(Failure::new(format!(
        "cannot ask {program}: {}: {first}",
        said.status
    )))
}

/// What it says, however it ends, within nine tenths of the time that is left; else it is killed.
pub(crate) fn run(command: &mut Command, context: &Context) -> Result<Said, ChildError> {
    let program = command.get_program().to_string_lossy().into_owned();
    context.step(format!("waiting for {program}"));
    let within = context.time_left() * 9 / 10;
    let until = Instant::now() + within;
    let cannot = |error| ChildError::Start {
        program: program.clone(),
        error,
    };
    set_child_subreaper(true).map_err(|errno| cannot(errno.into()))?;
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(cannot)?;
    // Before anybody may have waited for it: until then it can be read, even if it has ended.
    let family = Family::of(&child);
    let (sender, parts) = mpsc::sync_channel(3);
    if let Err(error) = listen(child, &sender) {
        family.end();
        return Err(cannot(error));
    }
    let (mut status, mut printed, mut complained) = (None, None, None);
    let failed = loop {
        if let (Some(status), Some(_), Some(_)) = (status, &printed, &complained) {
            return Ok(Said {
                status,
                printed: printed.unwrap_or_default(),
                complained: complained.unwrap_or_default(),
            });
        }
        let left = until.saturating_duration_since(Instant::now());
        let program = program.clone();
        match parts.recv_timeout(left) {
            Ok(Part::Printed(Ok(bytes))) if bytes.len() as u64 > LONGEST => {
                break ChildError::Long { program };
            }
            Ok(Part::Printed(Ok(bytes))) => printed = Some(bytes),
            Ok(Part::Complained(Ok(bytes))) => {
                complained = Some(String::from_utf8_lossy(&bytes).into_owned());
            }
            Ok(Part::Ended(Ok(ended))) => status = Some(ended),
            Ok(
                Part::Printed(Err(error)) | Part::Complained(Err(error)) | Part::Ended(Err(error)),
            ) => break ChildError::Read { program, error },
            Err(_) => break ChildError::Slow { program, within },
        }
    };
    family.end();
    Err(failed)
}

/// What a child says, each part as it is complete.
enum Part {
    Printed(io::Result<Vec<u8>>),
    Complained(io::Result<Vec<u8>>),
    Ended(io::Result<ExitStatus>),
}

/// Hears all of them at once: a program that fills one pipe waits until that is read.
fn listen(mut child: Child, sender: &SyncSender<Part>) -> io::Result<()> {
    let (out, err) = (child.stdout.take(), child.stderr.take());
    tell(sender, move || Part::Printed(read(out, LONGEST + 1)))?;
    tell(sender, move || {
        let mut err = err;
        let kept = read(err.as_mut(), KEPT);
        // The rest only has to go.
        let rest = err.map_or(Ok(0), |mut err| io::copy(&mut err, &mut io::sink()));
        Part::Complained(kept.and_then(|kept| rest.map(|_| kept)))
    })?;
    tell(sender, move || Part::Ended(child.wait()))
}

fn tell(sender: &SyncSender<Part>, part: impl FnOnce() -> Part + Send + 'static) -> io::Result<()> {
    let sender = sender.clone();
    let told = move || {
        if sender.send(part()).is_err() {
            // The time was up.
        }
    };
    thread::Builder::new().spawn(told).map(drop)
}

fn read(stream: Option<impl Read>, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(most).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// A child, with all that comes of it.
struct Family {
    /// When it began, in ticks since boot; none where that cannot be read.
    began: Option<u64>,
    child: u32,
}

impl Family {
    fn of(child: &Child) -> Self {
        let child = child.id();
        let began = relation(&mut Vec::new(), child).map(|relation| relation.began);
        Self { began, child }
    }

    /// Kills all of them.
    fn end(&self) {
        let mut killed = BTreeSet::new();
        for _ in 0..LOOKS {
            let found = self.members();
            let mut new = found
                .into_iter()
                .filter(|pid| killed.insert(*pid))
                .peekable();
            if new.peek().is_none() {
                return;
            }
            for pid in new {
                if let Ok(pid) = i32::try_from(pid)
                    && kill(Pid::from_raw(pid), Signal::SIGKILL).is_err()
                {
                    // It has just ended, which is as good.
                }
            }
        }
    }

    /// Whoever descends from this process and is as young as the child: those that are older were
    /// there when a shell became this program.
    fn members(&self) -> BTreeSet<u32> {
        let own = std::process::id();
        let mut buffer = Vec::new();
        let pids = Processes::of(&Roots::default().proc).into_iter().flatten();
        let all: Vec<Relation> = pids
            .filter_map(|found| relation(&mut buffer, found.ok()?.pid))
            .filter(|one| one.is_alive && self.began.is_some_and(|began| one.began >= began))
            .collect();
        let mut members = BTreeSet::new();
        // Without its beginning, only the child itself is known for sure.
        if self.began.is_none() {
            members.insert(self.child);
        }
        loop {
            let before = members.len();
            for one in &all {
                if one.parent == own || members.contains(&one.parent) {
                    members.insert(one.pid);
                }
            }
            if members.len() == before {
                return members;
            }
        }
    }
}

/// Whose child a process is.
struct Relation {
    pid: u32,
    parent: u32,
    began: u64,
    is_alive: bool,
}

/// By the process's `stat`, see `proc_pid_stat(5)`.
fn relation(buffer: &mut Vec<u8>, pid: u32) -> Option<Relation> {
    let path = Roots::default().proc.join(format!("{pid}/stat"));
    buffer.clear();
    fs::File::open(path).ok()?.read_to_end(buffer).ok()?;
    let stat = Stat::parse(buffer).ok()?;
    // The name before may have blanks and parentheses.
    let after = buffer.iter().rposition(|byte| *byte == b')')?;
    let mut fields = str::from_utf8(buffer.get(after + 1..)?).ok()?.split(' ');
    Some(Relation {
        pid,
        parent: fields.nth(2)?.parse().ok()?,
        began: stat.start_ticks,
        is_alive: !matches!(stat.state, 'Z' | 'X'),
    })
}
