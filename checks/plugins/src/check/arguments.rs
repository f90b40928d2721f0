//! The command line of a check: its own arguments, and those that all have.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use venus_collectors::{Roots, state};

use crate::check::Check;
use crate::roots;
use crate::status::is_of_a_script;

/// The longest time that may be given, in seconds.
const LONGEST: f64 = 3600.0;

/// The command line of a check.
#[must_use]
pub fn command(check: &'static Check) -> Command {
    let example = format!("venus-checks {} {}", check.name, check.example);
    Command::new(check.name)
        .about(check.about)
        .version(env!("CARGO_PKG_VERSION"))
        .args_override_self(true)
        .args((check.arguments)())
        .args(common(is_of_a_script(check.title)))
        .after_help(format!(
            "Prints {} and OK, WARNING, CRITICAL or UNKNOWN with what it found, and exits 0, 1, 2 or 3.\n\n\
             Example:\n  {}",
            check.title,
            example.trim_end()
        ))
}

/// The arguments that all have. The community's shell scripts call `--perfdata` `-p`.
fn common(is_of_a_script: bool) -> impl Iterator<Item = Arg> {
    let timeout = Arg::new("timeout")
        .long("timeout")
        .value_name("SECONDS")
        .value_parser(seconds)
        .default_value("10")
        .help("When to give up, with UNKNOWN");
    let perfdata = Arg::new("perfdata")
        .long("perfdata")
        .action(ArgAction::SetTrue)
        .help("Print the figures after the line, as Nagios takes them");
    let perfdata = if is_of_a_script {
        perfdata.short('p')
    } else {
        perfdata
    };
    let state_dir = Arg::new("state-dir")
        .long("state-dir")
        .value_name("DIR")
        .value_parser(value_parser!(PathBuf))
        .help(format!(
            "Where to keep what it remembers [default: {}, or else $XDG_RUNTIME_DIR/venus]",
            state::DEFAULT_FOLDER
        ));
    let dryrun = Arg::new("dryrun")
        .long("dryrun")
        .action(ArgAction::SetTrue)
        .help("Only print what would be looked at");
    [timeout, perfdata, state_dir]
        .into_iter()
        .chain(roots::arguments())
        .chain([dryrun])
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|seconds| *seconds <= LONGEST)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|time| !time.is_zero())
        .ok_or_else(|| format!("use seconds, above 0 and up to {LONGEST}"))
}

/// The values of the common arguments.
pub(super) struct Common {
    pub(super) timeout: Duration,
    pub(super) perfdata: bool,
    pub(super) state_dir: Option<PathBuf>,
    pub(super) roots: Roots,
    pub(super) dryrun: bool,
}

impl Common {
    pub(super) fn of(matches: &ArgMatches) -> Self {
        Self {
            timeout: matches
                .get_one("timeout")
                .copied()
                .unwrap_or(Duration::from_secs(10)),
            perfdata: matches.get_flag("perfdata"),
            state_dir: matches.get_one("state-dir").cloned(),
            roots: roots::given(matches),
            dryrun: matches.get_flag("dryrun"),
        }
    }
}
