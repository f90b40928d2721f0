//! The arguments that checks and the metrics of services share.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgMatches, value_parser};
use venus_collectors::state;

use crate::context::Context;
use crate::world::World;
use crate::{roots, state_dir};

/// How long something may take if nothing is given, in seconds.
const USUAL: u64 = 10;

/// The longest time that may be given, in seconds.
const LONGEST: f64 = 3600.0;

/// `--timeout`.
pub(crate) fn timeout() -> Arg {
    Arg::new("timeout")
        .long("timeout")
        .value_name("SECONDS")
        .value_parser(seconds)
        .default_value(USUAL.to_string())
        .help("When to give up, with UNKNOWN")
}

/// `--state-dir`.
pub(crate) fn state_dir() -> Arg {
    Arg::new("state-dir")
        .long("state-dir")
        .value_name("DIR")
        .value_parser(value_parser!(PathBuf))
        .help(format!(
            "Where to keep what it remembers [default: {}, or else $XDG_RUNTIME_DIR/venus]",
            state::DEFAULT_FOLDER
        ))
}

/// A time, as `--timeout` takes it.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|seconds| *seconds <= LONGEST)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|time| !time.is_zero())
        .ok_or_else(|| format!("use seconds, above 0 and up to {LONGEST}"))
}

/// What these, and those of [`roots`], say, on this world. It begins now.
pub(crate) fn context(matches: &ArgMatches, world: &World<'_>) -> Context {
    let given = matches.try_get_one::<PathBuf>("state-dir").ok().flatten();
    let time = matches.get_one("timeout").copied();
    Context::new(
        world.host.clone(),
        world.now,
        roots::given(matches),
        given
            .cloned()
            .unwrap_or_else(|| state_dir::default(world.runtime_dir.as_deref())),
        time.unwrap_or(Duration::from_secs(USUAL)),
    )
}
