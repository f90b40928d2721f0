//! `check-load`: load averages per processor.
//!
//! Reads what `metrics-load --per-core` reads: `PROC/loadavg` and `SYS/devices/system/cpu/online`.

use clap::{Arg, ArgMatches};
use venus_collectors::load::{Cores, round};
use venus_collectors::source::loadavg;

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::status::{Limit, Limits, Outcome, Perfdata, Status, Unit};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-load",
    title: "CheckLoad",
    about: "Whether the load averages per processor are low",
    example: "-w 2.75,2.5,2.0 -c 3.5,3.25,3.0",
    arguments,
    looks_at,
    run,
};

/// Over what the kernel averages, in minutes.
const MINUTES: [&str; 3] = ["load1", "load5", "load15"];

fn arguments() -> Vec<Arg> {
    let averages = |name: &'static str, short: char, alias: &'static str| {
        Arg::new(name)
            .long(name)
            .alias(alias)
            .short(short)
            .value_name("L1,L5,L15")
            .value_parser(averages)
    };
    vec![
        averages("warning", 'w', "warn")
            .default_value("2.75,2.5,2.0")
            .help("Averages per processor over 1, 5, 15 minutes that are worth a warning"),
        averages("critical", 'c', "crit")
            .default_value("3.5,3.25,3.0")
            .help("Those that are critical"),
    ]
}

fn averages(text: &str) -> Result<[f64; 3], String> {
    let numbers: Option<Vec<f64>> = text
        .split(',')
        .map(|part| part.parse().ok().filter(|number: &f64| number.is_finite()))
        .collect();
    numbers
        .and_then(|numbers| numbers.try_into().ok())
        .ok_or_else(|| "use three numbers, as in 2.75,2.5,2.0".to_owned())
}

fn looks_at(_: &ArgMatches, context: &Context) -> Vec<String> {
    let roots = &context.roots;
    [
        roots.proc.join("loadavg"),
        roots.sys.join("devices/system/cpu/online"),
    ]
    .map(|path| path.display().to_string())
    .into()
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    // Both have a default.
    let [warning, critical] = limits::both::<[f64; 3]>(matches).map(Option::unwrap_or_default);

    let path = context.roots.proc.join("loadavg");
    let text = context.read(&path)?;
    let averages = loadavg::parse(&text).map_err(|error| Failure::malformed(&path, error))?;
    context.step("counting the processors");
    let cores = Cores::new(&context.roots).count()?;

    let (mut status, mut perfdata, mut shown) = (Status::Ok, Vec::new(), Vec::new());
    for (((average, minutes), warning), critical) in
        averages.iter().zip(MINUTES).zip(warning).zip(critical)
    {
        let limit = |number| Some(Limit::Number(number));
        let limits = Limits::at_least(limit(warning), limit(critical))?;
        let load = round(average.tasks / f64::from(cores));
        status = status.worst(limits.judge(load));
        let figure = Perfdata::new(minutes, load, Unit::None);
        perfdata.push(figure.thresholds(limits.thresholds()).min(0));
        shown.push(format!("{load:?}"));
    }
    let shown = shown.join(", ");
    Ok(Outcome {
        perfdata,
        ..Outcome::new(
            status,
            format!("Per core load average ({cores} CPU): [{shown}]"),
        )
    })
}
