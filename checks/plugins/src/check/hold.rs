//! `--hold`: an alert that is over at the next run, such as a line in a log, is repeated for a while, so
//! that somebody gets to see it.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Arg, ArgMatches};
use serde::{Deserialize, Serialize};
use venus_collectors::state::StateFile;

use crate::check::remember::{Turn, age, with_trouble};
use crate::context::Context;
use crate::status::{Outcome, Status};

/// The last alerts, by what was looked at.
type History = BTreeMap<String, Alert>;

#[derive(Debug, Serialize, Deserialize)]
struct Alert {
    /// Or else it is a warning.
    is_critical: bool,
    what: String,
    /// In seconds since the epoch.
    at: u64,
}

impl Alert {
    fn status(&self) -> Status {
        if self.is_critical {
            Status::Critical
        } else {
            Status::Warning
        }
    }
}

/// The argument.
pub(super) fn argument() -> Arg {
    Arg::new("hold")
        .long("hold")
        .value_name("SECONDS")
        .value_parser(seconds)
        .help("Repeat an alert for so long after it was found [default: not at all]")
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0);
    let time = seconds.map(Duration::from_secs);
    time.ok_or_else(|| "use whole seconds, above 0".to_owned())
}

/// Where alerts of this check are remembered.
fn file(name: &str, context: &Context) -> StateFile {
    StateFile::new(&context.state_dir, &format!("{name}-hold.json"))
}

/// What was found now, or a worse alert of before that is still to be repeated. `name` is the check's, `key`
/// tells apart what several of it look at. That it cannot be kept does not hide what was found.
pub(super) fn apply(
    name: &str,
    key: &str,
    found: Outcome,
    matches: &ArgMatches,
    context: &Context,
) -> Outcome {
    let Some(time) = matches.get_one::<Duration>("hold") else {
        return found;
    };
    let turn = Turn::at(file(name, context), context);
    let read = turn.and_then(|turn| Ok((turn.read(context)?, turn)));
    let ((mut history, lost), turn): ((History, _), _) = match read {
        Ok(read) => read,
        Err(failure) => return with_trouble(found, vec![failure.to_string()]),
    };
    let mut trouble: Vec<String> = lost.into_iter().collect();
    // A clock that was set back does not hold it for longer.
    let is_held =
        |alert: &Alert| age(context.now, alert.at).is_some_and(|age| age < time.as_secs());
    history.retain(|_, alert| is_held(alert));
    let held = history.get(key);
    let is_worse = |held: &&Alert| found.status.worst(held.status()) != found.status;
    let outcome = if let Some(held) = held.filter(is_worse) {
        let ago = context.now.saturating_sub(held.at);
        let what = format!("{} ({ago} s ago); now: {}", held.what, found.what);
        Outcome {
            status: held.status(),
            what,
            ..found
        }
    } else {
        if matches!(found.status, Status::Warning | Status::Critical) {
            let alert = Alert {
                is_critical: found.status == Status::Critical,
                what: found.what.clone(),
                at: context.now,
            };
            history.insert(key.to_owned(), alert);
        }
        found
    };
    if let Err(failure) = turn.write(&history, context) {
        trouble.push(failure.to_string());
    }
    with_trouble(outcome, trouble)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Command;
    use venus_collectors::Roots;

    #[test]
    fn the_worst_is_repeated_until_its_time_is_up() {
        let folder = tempfile::tempdir().unwrap();
        let matches = Command::new("x")
            .arg(argument())
            .get_matches_from(["x", "--hold", "600"]);
        let says = |now: u64, status: Status, what: &str| {
            let state = folder.path().to_owned();
            let (roots, time) = (Roots::default(), Duration::from_secs(1));
            let context = Context::new("h".to_owned(), now, roots, state, time);
            let found = Outcome::new(status, what);
            let outcome = apply("check-x", "k", found, &matches, &context);
            (outcome.status, outcome.what)
        };
        let is = |status, what: &str| (status, what.to_owned());
        assert_eq!(says(1000, Status::Ok, "fine"), is(Status::Ok, "fine"));
        assert_eq!(says(1010, Status::Warning, "a"), is(Status::Warning, "a"));
        let again = is(Status::Warning, "a (60 s ago); now: fine");
        assert_eq!(says(1070, Status::Ok, "fine"), again);
        // One that is as bad, or worse, takes its place and has its own time.
        assert_eq!(says(1100, Status::Critical, "b"), is(Status::Critical, "b"));
        let worse = is(Status::Critical, "b (60 s ago); now: c");
        assert_eq!(says(1160, Status::Warning, "c"), worse);
        let unknown = is(Status::Critical, "b (599 s ago); now: d");
        assert_eq!(says(1699, Status::Unknown, "d"), unknown);
        assert_eq!(says(1700, Status::Ok, "fine"), is(Status::Ok, "fine"));
        assert_eq!(says(1710, Status::Warning, "e"), is(Status::Warning, "e"));
        // One that has begun a second before, and had its turn after.
        let again = is(Status::Warning, "e (0 s ago); now: fine");
        assert_eq!(says(1709, Status::Ok, "fine"), again);
        // The clock was set back.
        assert_eq!(says(1000, Status::Ok, "fine"), is(Status::Ok, "fine"));
    }
}
