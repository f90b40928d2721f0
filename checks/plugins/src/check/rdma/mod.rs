//! `check-rdma`: RDMA devices as programs get to see them, by verbs, and whether that is what the
//! kernel shows in sysfs.

mod compare;
mod report;
#[cfg(test)]
mod tests;

use std::thread;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, value_parser};
use venus_collectors::source::infiniband::sysfs;

use crate::check::Check;
use crate::context::{Context, Failure};
use crate::source::{rdma, verbs};
use crate::status::{Outcome, Status};

/// How long a difference must last: what changes while it is read differs for a moment.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) static CHECK: Check = Check {
    name: "check-rdma",
    title: "CheckRDMA",
    about: "RDMA devices, ports and firmware as verbs sees them, and whether sysfs agrees",
    example: "--device mlx4_0 --port 1 --inactive critical",
    arguments,
    looks_at,
    run,
};

fn arguments() -> Vec<Arg> {
    vec![
        Arg::new("device")
            .long("device")
            .value_name("NAME")
            .help("Only this device, e.g. mlx4_0, which must be there"),
        Arg::new("port")
            .long("port")
            .value_name("N")
            .value_parser(value_parser!(u8).range(1..))
            .help("Only this port of each device, which must be there"),
        Arg::new("firmware")
            .long("firmware")
            .value_name("VERSION")
            .help("The firmware that is expected; another is a WARNING"),
        Arg::new("inactive")
            .long("inactive")
            .value_name("STATUS")
            .value_parser(PossibleValuesParser::new(["warning", "critical", "ok"]))
            .default_value("warning")
            .help("What a port that is not Active means"),
    ]
}

/// What is looked at and what is expected of it.
#[derive(Debug, Clone, Default)]
struct Wanted {
    device: Option<String>,
    port: Option<u8>,
    firmware: Option<String>,
    inactive: Option<Status>,
}

impl Wanted {
    fn of(matches: &ArgMatches) -> Self {
        let text = |name| matches.get_one::<String>(name).cloned();
        let inactive = text("inactive");
        Self {
            device: text("device"),
            port: matches.get_one("port").copied(),
            firmware: text("firmware"),
            inactive: match inactive.as_deref() {
                Some("critical") => Some(Status::Critical),
                Some("warning") => Some(Status::Warning),
                _ => None,
            },
        }
    }

    fn device(&self, name: &str) -> bool {
        self.device.as_deref().is_none_or(|wanted| wanted == name)
    }

    fn port(&self, number: u8) -> bool {
        self.port.is_none_or(|wanted| wanted == number)
    }
}

/// What both sides show, of those devices and ports that are wanted.
#[derive(Debug, Clone, Default)]
struct Seen {
    sysfs: Vec<rdma::Device>,
    verbs: Vec<verbs::Device>,
    /// What of sysfs could not be read, a line each.
    unread: Vec<String>,
    /// The names of all devices that either side has.
    names: Vec<String>,
}

fn looks_at(matches: &ArgMatches, context: &Context) -> Vec<String> {
    let wanted = Wanted::of(matches);
    let sys = &context.roots.sys;
    let devices = wanted.device.unwrap_or_else(|| "each device".to_owned());
    let ports = match wanted.port {
        Some(port) => format!("port {port}"),
        None => "each port".to_owned(),
    };
    vec![
        format!("libibverbs: {devices}, opened by its /dev/infiniband/uverbsN, and {ports} of it"),
        format!("{}: the same", sysfs::class(sys).display()),
        format!(
            "{}: which device file each has, and whether it may be opened",
            sys.join("class/infiniband_verbs").display()
        ),
    ]
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let wanted = Wanted::of(matches);
    let sys = &context.roots.sys;
    let mut seen = see(&wanted, context)?;
    let mut differences = compare::differences(&seen, sys);
    if !differences.is_empty() {
        thread::park_timeout(PAUSE.min(context.time_left() / 4));
        seen = see(&wanted, context)?;
        let before = differences;
        differences = compare::differences(&seen, sys);
        differences.retain(|difference| before.contains(difference));
    }
    Ok(report::outcome(&seen, differences, &wanted, sys))
}

fn see(wanted: &Wanted, context: &Context) -> Result<Seen, Failure> {
    let roots = &context.roots;
    context.step(format!("reading {}", sysfs::class(&roots.sys).display()));
    let mut failures = Vec::new();
    let cannot_read =
        |(path, error): sysfs::Failure| format!("cannot read {}: {error}", path.display());
    let sysfs = rdma::devices(roots, &mut failures)
        .map_err(|failure| Failure::new(cannot_read(failure)))?;
    let verbs = verbs::devices(|step| context.step(format!("waiting until {step}")))
        .map_err(|refusal| Failure::new(format!("libibverbs {refusal}")))?;
    Ok(Seen::of(
        sysfs,
        verbs,
        failures.into_iter().map(cannot_read).collect(),
        wanted,
    ))
}

impl Seen {
    fn of(
        mut sysfs: Vec<rdma::Device>,
        mut verbs: Vec<verbs::Device>,
        unread: Vec<String>,
        wanted: &Wanted,
    ) -> Self {
        let of_sysfs = sysfs.iter().map(|device| device.name.clone());
        let of_verbs = verbs.iter().map(|device| device.name.clone());
        let mut names: Vec<String> = of_sysfs.chain(of_verbs).collect();
        names.sort_unstable();
        names.dedup();
        sysfs.retain(|device| wanted.device(&device.name));
        verbs.retain(|device| wanted.device(&device.name));
        for device in &mut sysfs {
            device.ports.retain(|(number, _)| wanted.port(*number));
        }
        for opened in verbs
            .iter_mut()
            .filter_map(|device| device.opened.as_mut().ok())
        {
            opened.ports.retain(|port| wanted.port(port.number));
        }
        Self {
            sysfs,
            verbs,
            unread,
            names,
        }
    }
}
