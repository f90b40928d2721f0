//! The command line of a check: its own arguments, and those that all have.

use clap::{Arg, ArgAction, Command};

use crate::arguments::{state_dir, timeout};
use crate::check::Check;
use crate::roots;
use crate::status::is_of_a_script;

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
    let perfdata = Arg::new("perfdata")
        .long("perfdata")
        .action(ArgAction::SetTrue)
        .help("Print the figures after the line, as Nagios takes them");
    let perfdata = if is_of_a_script {
        perfdata.short('p')
    } else {
        perfdata
    };
    let dryrun = Arg::new("dryrun")
        .long("dryrun")
        .action(ArgAction::SetTrue)
        .help("Only print what would be looked at");
    [timeout(), perfdata, state_dir()]
        .into_iter()
        .chain(roots::arguments())
        .chain([dryrun])
}
