//! The arguments that say below which folders the kernel's files are read.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, value_parser};
use venus_collectors::Roots;

/// `--proc-path`, `--sys-path` and `--dev-path`.
pub(crate) fn arguments() -> [Arg; 3] {
    let Roots { proc, sys, dev } = Roots::default();
    [
        ("proc-path", proc, "Where procfs is mounted"),
        ("sys-path", sys, "Where sysfs is mounted"),
        ("dev-path", dev, "Where the device files are"),
    ]
    .map(|(name, default, help)| {
        Arg::new(name)
            .long(name)
            .value_name("DIR")
            .value_parser(value_parser!(PathBuf))
            .default_value(default.into_os_string())
            .help(help)
    })
}

/// Their values.
pub(crate) fn given(matches: &ArgMatches) -> Roots {
    let Roots { proc, sys, dev } = Roots::default();
    let given = |name| matches.get_one::<PathBuf>(name).cloned();
    Roots {
        proc: given("proc-path").unwrap_or(proc),
        sys: given("sys-path").unwrap_or(sys),
        dev: given("dev-path").unwrap_or(dev),
    }
}
