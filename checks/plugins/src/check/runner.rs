//! Runs a check so that it answers in time, whatever hangs.
//!
//! The work is done on a thread of its own, which nobody can stop from outside: a read of a dead
//! file server waits in the kernel. When the time is up the answer is printed without it, and the
//! end of the process takes the thread away.

use std::sync::PoisonError;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use clap::ArgMatches;

use crate::check::arguments::Common;
use crate::check::{Check, Context, Failure, state_dir};
use crate::status::{Outcome, Status};
use crate::world::{World, print};

/// What the thread answers.
type Answer = Result<Outcome, Failure>;

/// Runs the check and prints what it found.
pub fn run(check: &'static Check, matches: &ArgMatches, world: &mut World<'_>) -> Status {
    let common = Common::of(matches);
    let state_dir = common
        .state_dir
        .unwrap_or_else(|| state_dir::default(world.runtime_dir.as_deref()));
    let context = Context::new(
        world.host.clone(),
        world.now,
        common.roots,
        state_dir,
        common.timeout,
    );
    if common.dryrun {
        let lines = (check.looks_at)(matches, &context).join("\n  ");
        let text = format!("{} would look at:\n  {lines}\n", check.title);
        return print(world, check.name, text.as_bytes());
    }
    let outcome = in_time(check.run, matches, &context);
    let outcome = outcome.unwrap_or_else(|failure| unknown(&failure));
    finish(check, &outcome, common.perfdata, world)
}

/// Answers that the arguments were not understood, where Nagios looks for it.
pub fn refuse(check: &'static Check, why: &str, world: &mut World<'_>) -> Status {
    finish(check, &unknown(&Failure::new(why)), false, world)
}

fn unknown(failure: &Failure) -> Outcome {
    Outcome::new(Status::Unknown, failure.to_string())
}

fn finish(check: &Check, outcome: &Outcome, perfdata: bool, world: &mut World<'_>) -> Status {
    let text = outcome.text(check.title, perfdata);
    match print(world, check.name, text.as_bytes()) {
        Status::Ok => outcome.status,
        // Nobody got the answer.
        failed => failed,
    }
}

fn in_time(
    work: fn(&ArgMatches, &Context) -> Answer,
    matches: &ArgMatches,
    context: &Context,
) -> Answer {
    let (sender, receiver) = mpsc::sync_channel(1);
    let (matches, of_thread) = (matches.clone(), context.clone());
    thread::Builder::new()
        .spawn(move || {
            if sender.send(work(&matches, &of_thread)).is_err() {
                // The time was up, and the answer has been given.
            }
        })
        .map_err(|error| Failure::new(format!("cannot start a thread: {error}")))?;
    match receiver.recv_timeout(context.time_left()) {
        Ok(answer) => answer,
        Err(RecvTimeoutError::Timeout) => Err(Failure::new(format!(
            "no answer within {} s{}; see what hangs there, or give more with --timeout",
            context.time.as_secs_f64(),
            while_doing(context)
        ))),
        Err(RecvTimeoutError::Disconnected) => Err(Failure::new(format!(
            "it broke off{}, which is a fault of its own: please report it",
            while_doing(context)
        ))),
    }
}

fn while_doing(context: &Context) -> String {
    let step = context.step.lock().unwrap_or_else(PoisonError::into_inner);
    if step.is_empty() {
        String::new()
    } else {
        format!(" while {step}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::sync::Barrier;
    use std::time::Duration;

    use crate::check::command;
    use crate::status::{Perfdata, Unit};

    fn check(run: fn(&ArgMatches, &Context) -> Answer) -> &'static Check {
        Box::leak(Box::new(Check {
            name: "check-made-up",
            title: "CheckMadeUp",
            about: "Looks at nothing",
            example: "",
            arguments: Vec::new,
            looks_at: |_, context| vec![context.roots.proc.display().to_string()],
            run,
        }))
    }

    /// What it prints with these arguments, and how it ends.
    fn answer(check: &'static Check, args: &[&str]) -> (String, Status) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut world = World {
            host: "venus001".to_owned(),
            now: 1_453_048_230,
            program: Ok(PathBuf::from("/nowhere")),
            runtime_dir: Some(PathBuf::from("/run/user/0")),
            out: &mut out,
            err: &mut err,
        };
        let matches = command(check).get_matches_from([&[check.name], args].concat());
        let status = run(check, &matches, &mut world);
        assert_eq!(err, b"");
        (String::from_utf8(out).unwrap(), status)
    }

    #[test]
    fn what_it_found_is_one_line_and_a_status() {
        let check = check(|_, context| {
            let mut outcome = Outcome::new(Status::Warning, format!("{} smells", context.host));
            outcome.perfdata = vec![Perfdata::new("smell", 3, Unit::None)];
            Ok(outcome)
        });
        let line = "CheckMadeUp WARNING: venus001 smells";
        for (args, text) in [
            (&[][..], format!("{line}\n")),
            (&["--perfdata"], format!("{line} | 'smell'=3\n")),
        ] {
            assert_eq!(answer(check, args), (text, Status::Warning));
        }
        assert_eq!(
            answer(check, &["--dryrun", "--proc-path", "/p"]),
            ("CheckMadeUp would look at:\n  /p\n".to_owned(), Status::Ok)
        );
    }

    #[test]
    fn a_failure_is_unknown() {
        let check = check(|_, context| {
            std::fs::read(context.state_dir.join("x"))?;
            Ok(Outcome::new(Status::Ok, ""))
        });
        assert_eq!(
            answer(check, &["--state-dir", "/nowhere"]),
            (
                "CheckMadeUp UNKNOWN: No such file or directory (os error 2)\n".to_owned(),
                Status::Unknown
            )
        );
    }

    #[test]
    fn what_hangs_is_named_when_the_time_is_up() {
        let check = check(|_, context| {
            context.step("reading /mnt/dead");
            assert!(context.time_left() < Duration::from_secs(1));
            // Nobody else comes: like a file server that is gone.
            Barrier::new(2).wait();
            Ok(Outcome::new(Status::Ok, ""))
        });
        let (text, status) = answer(check, &["--timeout", "0.05"]);
        assert_eq!(
            text,
            "CheckMadeUp UNKNOWN: no answer within 0.05 s while reading /mnt/dead; \
             see what hangs there, or give more with --timeout\n"
        );
        assert_eq!(status, Status::Unknown);
    }

    #[test]
    fn one_that_breaks_off_is_unknown() {
        let check = check(|_, _| panic!("a fault"));
        let (text, status) = answer(check, &[]);
        assert_eq!(
            text,
            "CheckMadeUp UNKNOWN: it broke off, which is a fault of its own: please report it\n"
        );
        assert_eq!(status, Status::Unknown);
    }

    #[test]
    fn a_time_that_is_none_is_refused() {
        let check = check(|_, _| Ok(Outcome::new(Status::Ok, "")));
        for bad in ["0", "-1", "3601", "nan", "x", "", "1e-12"] {
            let given = format!("--timeout={bad}");
            let error = command(check)
                .try_get_matches_from([check.name, &given])
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("use seconds, above 0 and up to 3600"),
                "{error}"
            );
        }
    }
}
