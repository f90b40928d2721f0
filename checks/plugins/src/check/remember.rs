//! What a check counted until its last run: by boot, or run of a server, as counters begin anew with each,
//! and by what it was told, so that one that runs twice side by side does not take from itself what is new.

use std::collections::BTreeMap;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use venus_collectors::state::StateFile;

use crate::context::{Context, Failure};
use crate::status::{Findings, Outcome, Status};

/// What was counted, and in which run of what counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Seen<T> {
    run: String,
    counted: T,
}

/// What is remembered of the last run.
pub(super) struct Memory<T> {
    file: StateFile,
    key: String,
    run: String,
    seen: BTreeMap<String, Seen<T>>,
    /// Why it was lost, if it was.
    pub(super) lost: Option<String>,
}

impl<T: Clone + Serialize + DeserializeOwned> Memory<T> {
    /// What is in this file, for whoever has this key, of what the kernel counts.
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
        context.step(format!("reading {}", file.path().display()));
        let (seen, damaged): (BTreeMap<String, Seen<T>>, _) = file.read()?;
        Ok(Self {
            file,
            key,
            run,
            seen,
            lost: damaged.map(|damaged| damaged.to_string()),
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
        context.step(format!("writing {}", self.file.path().display()));
        Ok(self.file.write(&self.seen)?)
    }
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
