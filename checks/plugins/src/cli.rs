//! Which command is meant, and the texts around it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Command, value_parser};
use venus_collectors::{Spec, registry};

use crate::check::{self, Check, runner};
use crate::install::{self, InstallError};
use crate::metrics::{self, Metrics, collector};
use crate::service::secret::without_login;
use crate::status::Status;
use crate::world::{World, complain, print};

/// The program's own name, by which it takes the command as its first argument.
const PROGRAM: &str = "venus-checks";

/// A command of one of the three tables.
#[derive(Clone, Copy)]
enum Called {
    Collector(&'static Spec),
    Metrics(&'static Metrics),
    Check(&'static Check),
}

/// All of them, in the order in which they are listed.
fn commands() -> impl Iterator<Item = Called> {
    let collectors = registry::all().iter().copied().map(Called::Collector);
    let metrics = metrics::all().iter().copied().map(Called::Metrics);
    collectors
        .chain(metrics)
        .chain(check::all().iter().copied().map(Called::Check))
}

impl Called {
    fn find(name: &str) -> Option<Self> {
        let collector = registry::find(name).map(Self::Collector);
        let metrics = || metrics::find(name).map(Self::Metrics);
        collector
            .or_else(metrics)
            .or_else(|| check::find(name).map(Self::Check))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Collector(spec) => spec.name,
            Self::Metrics(metrics) => metrics.name,
            Self::Check(check) => check.name,
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Collector(spec) => spec.about,
            Self::Metrics(metrics) => metrics.about,
            Self::Check(check) => check.about,
        }
    }

    fn command(self) -> Command {
        match self {
            Self::Collector(spec) => collector::command(spec),
            Self::Metrics(metrics) => metrics::command(metrics),
            Self::Check(check) => check::command(check),
        }
    }

    fn run(self, matches: &ArgMatches, world: &mut World<'_>) -> Status {
        match self {
            Self::Collector(spec) => collector::run(spec, matches, world),
            Self::Metrics(metrics) => metrics::run(metrics, matches, world),
            Self::Check(check) => runner::run(check, matches, world),
        }
    }
}

/// Runs the command that the arguments mean. The first of them is the name by which the program
/// was called: if it is exactly that of a command, this is meant.
pub fn run(args: impl IntoIterator<Item = OsString>, world: &mut World<'_>) -> Status {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(called) = args.first().and_then(|name| by_link(name)) {
        return run_called(called, called.name(), &args, world);
    }
    // Without the command lines of all the others, which cost more than most checks do.
    if let Some((called, args)) = args.get(1..).and_then(by_argument) {
        let command = format!("{PROGRAM} {}", called.name());
        return run_called(called, &command, args, world);
    }
    match command().try_get_matches_from(&args) {
        Ok(matches) => dispatch(&matches, world),
        Err(error) => refuse(PROGRAM, None, &error, world),
    }
}

fn by_link(name: &OsStr) -> Option<Called> {
    Called::find(Path::new(name).file_name()?.to_str()?)
}

fn by_argument(args: &[OsString]) -> Option<(Called, &[OsString])> {
    Some((Called::find(args.first()?.to_str()?)?, args))
}

/// `command` is what the user wrote to mean it, and the first of the arguments its name.
fn run_called(called: Called, command: &str, args: &[OsString], world: &mut World<'_>) -> Status {
    let line = called.command().bin_name(command);
    match line.try_get_matches_from(args) {
        Ok(matches) => called.run(&matches, world),
        Err(error) => refuse(command, Some(called), &error, world),
    }
}

/// The command line with each command below it.
#[must_use]
pub fn command() -> Command {
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
        .subcommands(commands().map(Called::command))
        .after_help(
            "A link to this program that is called like a command is that command.\n\n\
             Example:\n  venus-checks metrics-load --scheme venus001",
        )
}

fn dispatch(matches: &ArgMatches, world: &mut World<'_>) -> Status {
    match matches.subcommand() {
        Some(("list", _)) => print(world, PROGRAM, list().as_bytes()),
        Some(("install", matches)) => match matches.get_one::<PathBuf>("folder") {
            Some(folder) => install_links(folder, world),
            None => no_command(world),
        },
        Some((name, matches)) => match Called::find(name) {
            Some(called) => called.run(matches, world),
            None => no_command(world),
        },
        None => no_command(world),
    }
}

fn no_command(world: &mut World<'_>) -> Status {
    complain(
        world.err,
        PROGRAM,
        &"no such command; see venus-checks list",
    );
    Status::Unknown
}

fn list() -> String {
    commands()
        .map(|called| format!("{:<20}  {}\n", called.name(), called.about()))
        .collect::<Vec<_>>()
        .concat()
}

/// What was not understood, without what may be a secret in it.
fn hidden(wrong: &str) -> String {
    let value = wrong.strip_prefix("invalid value '");
    match value.and_then(|value| value.split_once("' for '--header ")) {
        Some((_, rest)) => format!("invalid value '…' for '--header {rest}"),
        None => without_login(wrong),
    }
}

fn install_links(folder: &Path, world: &mut World<'_>) -> Status {
    let names = commands().map(Called::name);
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
            Status::Unknown
        }
    }
}

/// Help and version are what was asked for; all else was not understood, and is said in one line.
/// A check says it in the form of its answers, as its output is all that a monitoring system shows.
fn refuse(
    command: &str,
    called: Option<Called>,
    error: &clap::Error,
    world: &mut World<'_>,
) -> Status {
    let text = error.render().to_string();
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        return print(world, command, text.as_bytes());
    }
    // By itself it would name all of them in one line.
    if error.kind() == ErrorKind::MissingSubcommand {
        let what = format!("no command given; see {command} list, or --help");
        complain(world.err, command, &what);
        return Status::Unknown;
    }
    // The first paragraph says what is wrong, the rest shows the usage.
    let wrong = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = wrong.split_whitespace().collect();
    let wrong = words.join(" ");
    let wrong = hidden(wrong.strip_prefix("error: ").unwrap_or(&wrong));
    let wrong = format!("{wrong}; see {command} --help");
    match called {
        Some(Called::Check(check)) => runner::refuse(check, &wrong, world),
        Some(Called::Collector(_) | Called::Metrics(_)) | None => {
            complain(world.err, command, &wrong);
            Status::Unknown
        }
    }
}
