//! What a check counted until its last run: by boot, or run of a server, as counters begin anew with each,
//! and by what it was told, so that one that runs twice side by side does not take from itself what is new.
//! Runs of one and the same take turns.

use std::collections::BTreeMap;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use venus_collectors::state::{Lock, StateError, StateFile};

use crate::context::{Context, Failure};
use crate::deadline;
use crate::status::{Findings, Outcome, Status};

/// A run's turn at a state file: from before it reads the counters until it has kept them, so that another
/// beside it neither counts the same again nor writes over what was kept.
pub(super) struct Turn {
    file: StateFile,
    lock: Result<Lock, StateError>,
}

impl Turn {
    /// Waits for it, for half of the time that is left: the rest is for what can be told without.
    pub(super) fn at(file: StateFile, context: &Context) -> Result<Self, Failure> {
        let lock = match file.try_lock() {
            Ok(Some(lock)) => Ok(lock),
            Ok(None) => {
                let (path, time) = (file.path().display().to_string(), context.time_left() / 2);
                context.step(format!("another run has {path}"));
                let waiting = file.clone();
                let lock = deadline::within(time, move || waiting.lock())?;
                lock.ok_or_else(|| {
                    Failure::new(format!(
                        "another run has had the state file {path} for more than {:.1} s; see what it \
                         waits for, or run it less often",
                        time.as_secs_f64()
                    ))
                })?
            }
            Err(error) => Err(error),
        };
        Ok(Self { file, lock })
    }

    /// What was kept, and why it was lost, if it was.
    pub(super) fn read<T: DeserializeOwned + Default>(
        &self,
        context: &Context,
    ) -> Result<(T, Option<String>), Failure> {
        context.step(format!("reading {}", self.file.path().display()));
        let (state, damaged) = self.file.read()?;
        Ok((state, damaged.map(|damaged| damaged.to_string())))
    }

    /// Keeps this for the next run.
    pub(super) fn write(self, state: &impl Serialize, context: &Context) -> Result<(), Failure> {
        context.step(format!("writing {}", self.file.path().display()));
        self.file.write(state)?;
        // Where it could not be had, mostly nothing can be written either, which says more.
        Ok(self.lock.map(drop)?)
    }
}

/// What was counted, and in which run of what counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Seen<T> {
    run: String,
    counted: T,
}

/// What is remembered of the last run.
pub(super) struct Memory<T> {
    turn: Turn,
    key: String,
    run: String,
    seen: BTreeMap<String, Seen<T>>,
    /// Why it was lost, if it was.
    pub(super) lost: Option<String>,
}

impl<T: Clone + Serialize + DeserializeOwned> Memory<T> {
    /// What is in this file, for whoever has this key, of what the kernel counts. To be asked before what is
    /// counted now is read.
    pub(super) fn read(file: StateFile, key: String, context: &Context) -> Result<Self, Failure> {
        Self::of_run(file, key, boot(context)?, context)
    }

    /// The same of what something else counts, which begins anew with each run of it.
    pub(super) fn of_run(
        file: StateFile,
        key: String,
        run: String,
        context: &Context,
    ) -> Result<Self, Failure> {
        let turn = Turn::at(file, context)?;
        let (seen, lost) = turn.read(context)?;
        Ok(Self {
            turn,
            key,
            run,
            seen,
            lost,
        })
    }

    /// Whether nothing was counted before, in no run.
    pub(super) fn is_first(&self) -> bool {
        !self.seen.contains_key(&self.key)
    }

    /// What was counted in this run, if anything was.
    pub(super) fn last(&self) -> Option<T> {
        let seen = self.seen.get(&self.key)?;
        (seen.run == self.run).then(|| seen.counted.clone())
    }

    /// Keeps what is counted now for the next run.
    pub(super) fn write(mut self, counted: T, context: &Context) -> Result<(), Failure> {
        let run = self.run;
        self.seen.insert(self.key, Seen { run, counted });
        self.turn.write(&self.seen, context)
    }
}

/// How long ago something was, in seconds, that another run may have kept which has begun a little later.
/// `None` if the clock was set back meanwhile.
pub(super) fn age(now: u64, then: u64) -> Option<u64> {
    /// Longer than a run mostly waits for its turn, in seconds.
    const SPARE: u64 = 60;
    let is_near = then <= now.saturating_add(SPARE);
    is_near.then(|| now.saturating_sub(then))
}

/// Which boot this is.
pub(super) fn boot(context: &Context) -> Result<String, Failure> {
    let text = context.read(&context.roots.proc.join("sys/kernel/random/boot_id"))?;
    Ok(String::from_utf8_lossy(&text).trim().to_owned())
}

/// These arguments as they were given.
pub(super) fn key(matches: &ArgMatches, names: &[&str]) -> String {
    let is_given = |name: &&&str| matches.value_source(name) == Some(ValueSource::CommandLine);
    let given = names.iter().filter(is_given).map(|name| {
        let values = matches.get_raw(name).unwrap_or_default();
        let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
        format!("--{name} {}", values.join(" "))
    });
    given.collect::<Vec<_>>().join(" ")
}

/// The state file of a check that was told this. Each has its own, as two that write one file side by side
/// would undo what the other wrote.
pub(super) fn file(name: &str, told: &str, context: &Context) -> StateFile {
    // FNV-1a, which is the same in the next release of this program.
    let digest = told
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
            (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    StateFile::new(&context.state_dir, &format!("{name}-{digest:016x}.json"))
}

/// All arguments of a check's own as they were given.
pub(super) fn told(matches: &ArgMatches, arguments: &[Arg]) -> String {
    let names: Vec<&str> = arguments.iter().map(|one| one.get_id().as_str()).collect();
    key(matches, &names)
}

/// What was found, and what could not be looked at or kept: it does not hide what is wrong, and nothing is
/// right with it.
pub(super) fn with_trouble(found: Outcome, trouble: Vec<String>) -> Outcome {
    if trouble.is_empty() {
        return found;
    }
    let mut findings = Findings::default();
    findings.add(found.status, found.what.clone());
    for what in trouble {
        findings.add(Status::Unknown, what);
    }
    let outcome = findings.outcome("");
    let what = match found.status {
        Status::Ok => format!("{}; {}", outcome.what, found.what),
        Status::Warning | Status::Critical | Status::Unknown => outcome.what,
    };
    Outcome {
        status: outcome.status,
        what,
        ..found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_hides_nothing_and_nothing_is_right_with_it() {
        let trouble = || vec!["cannot write x".to_owned()];
        for (status, (becomes, what)) in [
            (Status::Ok, (Status::Unknown, "cannot write x; found")),
            (Status::Unknown, (Status::Unknown, "found; cannot write x")),
            (Status::Warning, (Status::Warning, "found; cannot write x")),
            (
                Status::Critical,
                (Status::Critical, "found; cannot write x"),
            ),
        ] {
            let outcome = with_trouble(Outcome::new(status, "found"), trouble());
            assert_eq!(outcome, Outcome::new(becomes, what));
            let found = Outcome::new(status, "found");
            assert_eq!(with_trouble(found.clone(), Vec::new()), found);
        }
    }
}
