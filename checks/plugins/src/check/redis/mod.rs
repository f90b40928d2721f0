//! Whether a Redis server answers, replicates, has memory left and takes clients; or what a sentinel
//! says of its servers.
//!
//! How many clients it had turned away is kept in a state file, for the next run that is told the same.

mod judge;

use clap::builder::PossibleValue;
use clap::{Arg, ArgAction, ArgMatches, value_parser};

use crate::check::remember::{self, Memory};
use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::service::redis::{self, Failed};
use crate::status::{Limit, Outcome, Status};

use judge::{Judged, Wanted};

/// See `docs/checks/check-redis.md`.
pub(super) static CHECK: Check = Check {
    name: "check-redis",
    title: "CheckRedis",
    about: "Redis: replication, memory, clients and saving; or what a sentinel knows",
    example: "--server 127.0.0.1:6379 --role master -w 80 -c 95",
    arguments,
    looks_at,
    run,
};

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Warn from this much memory used, in percent of maxmemory, or else of the host's \
         [default: 80, none where Redis evicts]",
        "Critical from this much [default: 95, none where Redis evicts]",
    );
    let number = |name: &'static str, default: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("N")
            .value_parser(value_parser!(u64))
            .default_value(default)
    };
    let clients = |name: &'static str, default: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("PERCENT")
            .value_parser(|text: &str| text.parse::<Limit>())
            .help(default)
    };
    let mut all = redis::arguments();
    all.extend([
        Arg::new("role")
            .long("role")
            .value_name("ROLE")
            .value_parser([
                PossibleValue::new("master"),
                PossibleValue::new("slave").alias("replica"),
                PossibleValue::new("sentinel"),
            ])
            .help("What it has to be"),
        number("replicas", "0").help("How many replicas a master has to have online"),
        Arg::new("max-lag")
            .long("max-lag")
            .value_name("BYTES")
            .value_parser(value_parser!(u64))
            .help("Warn if a replica is further behind its master [default: any lag is fine]"),
        number("max-silence", "30")
            .help("Warn if master and replica have not heard of each other for longer, in seconds"),
        warning,
        critical,
        Arg::new("megabytes")
            .long("megabytes")
            .short('m')
            .action(ArgAction::SetTrue)
            .help("Thresholds of memory are in MB, not in percent, and have no default"),
        clients(
            "clients-warning",
            "Warn from this share of maxclients connected [default: 80]",
        ),
        clients("clients-critical", "Critical from this share [default: 95]"),
    ]);
    all
}

/// What tells apart what is remembered: the server, and all that the check was told.
fn key(matches: &ArgMatches, server: &str) -> String {
    format!("{server} {}", remember::told(matches, &arguments()))
}

fn looks_at(matches: &ArgMatches, context: &Context) -> Vec<String> {
    let place = redis::place(matches, context);
    let mut lines = place.lines(&["PING and INFO of".to_owned()]);
    lines.extend(place.server.map(|server| {
        let key = key(matches, &server.to_string());
        let file = remember::file(CHECK.name, &key, context);
        file.path().display().to_string()
    }));
    lines
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let wanted = Wanted::of(matches)?;
    let (server, seen) = match redis::look(matches, context) {
        Ok(looked) => looked,
        Err(Failed::Ours(failure)) => return Err(failure),
        Err(Failed::Its(error)) => return error.answer(),
    };
    let mut judged = Judged::of(&seen, &wanted);
    if let Ok(info) = &seen.info
        && let Some(rejected) = info.number("rejected_connections")
    {
        let run = info.get("run_id").unwrap_or_default().to_owned();
        let key = key(matches, &server);
        // All else is known.
        if let Err(failure) = turned_away(rejected, run, key, &mut judged, context) {
            judged.add(Status::Unknown, failure.to_string());
        }
    }
    Ok(judged.outcome())
}

/// Judges how many clients were turned away since the last run; `run` is the server's, which counts from 0.
fn turned_away(
    rejected: u64,
    run: String,
    key: String,
    judged: &mut Judged,
    context: &Context,
) -> Result<(), Failure> {
    let file = remember::file(CHECK.name, &key, context);
    let memory = Memory::of_run(file, key, run, context)?;
    if let Some(lost) = &memory.lost {
        judged.add(Status::Unknown, lost.clone());
    }
    if memory.is_first() {
        judged.first_run();
    } else {
        let before = memory.last().unwrap_or_default();
        judged.rejected(rejected.saturating_sub(before));
    }
    memory.write(rejected, context)
}
