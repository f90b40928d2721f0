//! Which command is meant, and the texts around it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Command, value_parser};
use venus_collectors::{Spec, registry};

use crate::install::{self, InstallError};
use crate::metrics;
use crate::world::{Exit, World, complain, print};

/// The program's own name, by which it takes the command as its first argument.
const PROGRAM: &str = "venus-checks";

/// Runs the command that the arguments mean. The first of them is the name by which the program
/// was called: if it is exactly that of a command, this is meant.
pub fn run(args: impl IntoIterator<Item = OsString>, world: &mut World<'_>) -> Exit {
    let args: Vec<OsString> = args.into_iter().collect();
    match args.first().and_then(|called| command_called(called)) {
        Some(spec) => match metrics::command(spec).try_get_matches_from(&args) {
            Ok(matches) => metrics::run(spec, &matches, world),
            Err(error) => refuse(spec.name, &error, world),
        },
        None => match program().try_get_matches_from(&args) {
            Ok(matches) => dispatch(&matches, world),
            Err(error) => {
                let command = args.get(1).and_then(|first| command_called(first));
                match command {
                    Some(spec) => refuse(&format!("{PROGRAM} {}", spec.name), &error, world),
                    None => refuse(PROGRAM, &error, world),
                }
            }
        },
    }
}

fn command_called(called: &OsStr) -> Option<&'static Spec> {
    registry::find(Path::new(called).file_name()?.to_str()?)
}

/// The command line with each command below it.
fn program() -> Command {
    Command::new(PROGRAM)
        .about("Checks and metrics of this host, for Sensu and for the shell")
        .version(env!("CARGO_PKG_VERSION"))
        .propagate_version(true)
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .subcommand_value_name("COMMAND")
        .subcommand_help_heading("Commands")
        .subcommand(Command::new("list").about("Show the names of all checks and metrics"))
        .subcommand(
            Command::new("install")
                .about("Make a link to this program for each check and metric")
                .arg(
                    Arg::new("folder")
                        .value_name("DIR")
                        .required(true)
                        .value_parser(value_parser!(PathBuf))
                        .help("Where to make them; made itself if it is not there"),
                )
                .after_help("Example:\n  venus-checks install /usr/lib/venus/checks"),
        )
        .subcommands(registry::all().iter().map(|spec| metrics::command(spec)))
        .after_help(
            "A link to this program that is called like a command is that command.\n\n\
             Example:\n  venus-checks metrics-load --scheme venus001",
        )
}

fn dispatch(matches: &ArgMatches, world: &mut World<'_>) -> Exit {
    match matches.subcommand() {
        Some(("list", _)) => print(world, PROGRAM, list().as_bytes()),
        Some(("install", matches)) => match matches.get_one::<PathBuf>("folder") {
            Some(folder) => install_links(folder, world),
            None => no_command(world),
        },
        Some((name, matches)) => match registry::find(name) {
            Some(spec) => metrics::run(spec, matches, world),
            None => no_command(world),
        },
        None => no_command(world),
    }
}

fn no_command(world: &mut World<'_>) -> Exit {
    complain(
        world.err,
        PROGRAM,
        &"no such command; see venus-checks list",
    );
    Exit::Unknown
}

fn list() -> String {
    registry::all()
        .iter()
        .map(|spec| format!("{:<20}  {}\n", spec.name, spec.about))
        .collect::<Vec<_>>()
        .concat()
}

fn install_links(folder: &Path, world: &mut World<'_>) -> Exit {
    let names = registry::all().iter().map(|spec| spec.name);
    let installed = match &world.program {
        Ok(program) => install::install(folder, program, names).map(|links| {
            links
                .iter()
                .map(|link| format!("{} -> {}\n", link.display(), program.display()))
                .collect::<Vec<_>>()
                .concat()
        }),
        Err(error) => Err(InstallError::Program(std::io::Error::new(
            error.kind(),
            error.to_string(),
        ))),
    };
    match installed {
        Ok(links) => print(world, PROGRAM, links.as_bytes()),
        Err(error) => {
            complain(world.err, PROGRAM, &error);
            Exit::Unknown
        }
    }
}

/// Help and version are what was asked for; all else was not understood, and is said in one line.
fn refuse(command: &str, error: &clap::Error, world: &mut World<'_>) -> Exit {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            print(world, command, text.as_bytes())
        }
        _ => {
            // The first paragraph says what is wrong, the rest shows the usage.
            let wrong = text.split("\n\n").next().unwrap_or_default();
            let words: Vec<&str> = wrong.split_whitespace().collect();
            let wrong = words.join(" ");
            let wrong = wrong.strip_prefix("error: ").unwrap_or(&wrong);
            complain(
                world.err,
                command,
                &format!("{wrong}; see {command} --help"),
            );
            Exit::Unknown
        }
    }
}
