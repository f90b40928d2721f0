//! Runs a check, and prints what it found in the form that all share.

use clap::ArgMatches;

use crate::check::Check;
use crate::context::Failure;
use crate::status::{Outcome, Status};
use crate::world::{World, print};
use crate::{arguments, deadline, fault};

/// Runs the check and prints what it found.
pub fn run(check: &'static Check, matches: &ArgMatches, world: &mut World<'_>) -> Status {
    fault::of(check.title);
    let context = arguments::context(matches, world);
    if matches.get_flag("dryrun") {
        let (looks_at, given) = (check.looks_at, matches.clone());
        // To find that out a file may be read, which may hang as any.
        let lines = deadline::hold(&context, move |context| {
            context.step("finding out what to look at");
            Ok(looks_at(&given, context))
        });
        return match lines {
            Ok(lines) => {
                let lines = lines.join("\n  ");
                let text = format!("{} would look at:\n  {lines}\n", check.title);
                print(world, check.name, text.as_bytes())
            }
            Err(failure) => finish(check, &unknown(&failure), false, world),
        };
    }
    let (work, given) = (check.run, matches.clone());
    let outcome = deadline::hold(&context, move |context| work(&given, context));
    let outcome = outcome.unwrap_or_else(|failure| unknown(&failure));
    finish(check, &outcome, matches.get_flag("perfdata"), world)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::sync::Barrier;
    use std::time::Duration;

    use crate::check::command;
    use crate::context::Context;
    use crate::status::{Perfdata, Unit};

    fn check(run: fn(&ArgMatches, &Context) -> Result<Outcome, Failure>) -> &'static Check {
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
    fn what_hangs_before_it_looks_is_named_too() {
        let check = Box::leak(Box::new(Check {
            looks_at: |_, _| {
                Barrier::new(2).wait();
                Vec::new()
            },
            ..*check(|_, _| Ok(Outcome::new(Status::Ok, "")))
        }));
        let (text, status) = answer(check, &["--dryrun", "--timeout", "0.05"]);
        assert_eq!(
            text,
            "CheckMadeUp UNKNOWN: no answer within 0.05 s while finding out what to look at; \
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
