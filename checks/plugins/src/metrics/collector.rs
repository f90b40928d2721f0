//! Runs a collector as a command: its options on the command line, its lines on standard output.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use venus_collectors::graphite::Scheme;
use venus_collectors::source::docker::Host;
use venus_collectors::{Given, Kind, OptionError, OptionSpec, Presence, Setup, Spec};

use crate::metrics::scheme;
use crate::roots;
use crate::status::Status;
use crate::world::{World, complain, print};

/// The command line of a collector.
#[must_use]
pub fn command(spec: &'static Spec) -> Command {
    Command::new(spec.name)
        .about(spec.about)
        .version(env!("CARGO_PKG_VERSION"))
        .args_override_self(true)
        .arg(scheme(spec.scheme_suffix))
        .args(spec.options.iter().map(argument))
        .args(roots::arguments())
        .arg(
            Arg::new("explain")
                .long("explain")
                .action(ArgAction::SetTrue)
                .help("Say on standard error what the metrics were taken from"),
        )
        .after_help(format!(
            "Prints one line PATH VALUE EPOCH for each metric, as Graphite takes them.\n\n\
             Example:\n  venus-checks {} --scheme {}",
            spec.name,
            spec.default_scheme("venus001")
        ))
}

fn argument(option: &OptionSpec) -> Arg {
    let argument = Arg::new(option.name).long(option.name).help(option.help);
    let argument = match option.short {
        Some(short) => argument.short(short),
        None => argument,
    };
    match option.kind {
        Kind::Flag => argument.action(ArgAction::SetTrue),
        Kind::Regex | Kind::Text | Kind::Seconds => argument.value_name(option.value_name),
        Kind::Choice(words) => argument
            .value_name(option.value_name)
            .value_parser(PossibleValuesParser::new(words))
            .default_value(words.first().copied().unwrap_or_default()),
    }
}

/// Collects once and prints.
pub fn run(spec: &'static Spec, matches: &ArgMatches, world: &mut World<'_>) -> Status {
    let collector = given(spec, matches).and_then(|given| {
        let roots = roots::given(matches);
        let scheme = match matches.get_one::<Scheme>("scheme") {
            Some(scheme) => scheme.clone(),
            None => spec.default_scheme(&world.host),
        };
        (spec.build)(&Setup {
            roots: &roots,
            scheme: &scheme,
            docker: &Host::default(),
            given: &given,
        })
    });
    let mut collector = match collector {
        Ok(collector) => collector,
        Err(error) => {
            complain(world.err, spec.name, &error);
            return Status::Unknown;
        }
    };
    let (mut out, mut problems) = (Vec::new(), Vec::new());
    let collected = collector.collect(world.now, &mut out, &mut problems);
    let explains = matches.get_flag("explain");
    // Sensu takes both streams for metrics.
    for problem in problems.iter().filter(|one| explains || !one.is_advice()) {
        complain(world.err, spec.name, problem);
    }
    if explains {
        for line in collector.explain() {
            complain(world.err, spec.name, &line);
        }
    }
    match collected {
        Ok(Presence::Here) => print(world, spec.name, &out),
        Ok(Presence::Absent(reason)) => {
            complain(world.err, spec.name, &reason);
            Status::Ok
        }
        Err(error) => {
            complain(world.err, spec.name, &error);
            Status::Unknown
        }
    }
}

fn given(spec: &'static Spec, matches: &ArgMatches) -> Result<Given, OptionError> {
    let mut given = Given::of(spec.options);
    for option in spec.options {
        match option.kind {
            Kind::Flag if matches.get_flag(option.name) => given.set(option.name, "true")?,
            Kind::Flag => {}
            Kind::Regex | Kind::Choice(_) | Kind::Text | Kind::Seconds => {
                if let Some(value) = matches.get_one::<String>(option.name) {
                    given.set(option.name, value)?;
                }
            }
        }
    }
    Ok(given)
}
