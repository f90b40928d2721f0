//! `check-hugepages`: whether huge pages are reserved as expected, and left.
//!
//! Reads the fields `HugePages_` of `PROC/meminfo`, which are of the default size.

use clap::{Arg, ArgMatches, value_parser};

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::source::kernel::{self, Share};
use crate::status::{Limits, Outcome, Status};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-hugepages",
    title: "CheckHugepages",
    about: "Whether huge pages are reserved as expected, and left",
    example: "-w 80 -c 90",
    arguments,
    looks_at: |_, context| vec![context.roots.proc.join("meminfo").display().to_string()],
    run,
};

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Percent used that are worth a warning [default: none]",
        "Percent used that are critical [default: none]",
    );
    let pages = Arg::new("pages")
        .long("pages")
        .value_name("N")
        .value_parser(value_parser!(u64))
        .help("How many there are to be");
    vec![warning, critical, pages]
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_least, [None, None])?;
    let Share { used, all: total } = kernel::hugepages(context)?;
    let expected = matches.get_one::<u64>("pages").copied();
    if let Some(expected) = expected.filter(|expected| *expected != total) {
        let what = format!("{total} huge pages are reserved, expected {expected}");
        return Ok(Outcome::new(Status::Critical, what));
    }
    if total == 0 {
        return Ok(Outcome::new(Status::Ok, "no huge pages are reserved"));
    }
    Ok(limits::share(&limits, used, total, "huge pages"))
}
