//! Whether a Redis server answers, replicates, has memory left and takes clients; or what a sentinel
//! says of its servers.
//!
//! How many clients it had turned away is kept in a state file, for the next run.

mod judge;

use clap::builder::PossibleValue;
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use serde::{Deserialize, Serialize};
use venus_collectors::graphite::sanitise;
use venus_collectors::state::StateFile;

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::service::access;
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

/// What is remembered of a server.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    /// Of which run of it: a new one counts from 0.
    run_id: String,
    /// How many clients it had turned away.
    rejected: u64,
}

fn state_file(server: &str, context: &Context) -> StateFile {
    let name = format!("check-redis-{}.json", sanitise(server));
    StateFile::new(&context.state_dir, &name)
}

fn looks_at(matches: &ArgMatches, context: &Context) -> Vec<String> {
    let place = access::place(matches);
    let file = state_file(&place, context);
    vec![
        format!("PING and INFO of {place}"),
        file.path().display().to_string(),
    ]
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let wanted = Wanted::of(matches)?;
    let (server, seen) = match redis::look(matches, context) {
        Ok(looked) => looked,
        Err(Failed::Ours(failure)) => return Err(failure),
        Err(Failed::Its(error)) => return error.answer(),
    };
    let mut judged = Judged::of(&seen, &wanted);
    if let Some(rejected) = seen.info.number("rejected_connections") {
        let run_id = seen.info.get("run_id").unwrap_or_default().to_owned();
        let now = Remembered { run_id, rejected };
        match since_last_run(&now, &state_file(&server, context), context) {
            Ok(new) => judged.rejected(new),
            // All else is known.
            Err(failure) => judged.add(Status::Unknown, failure.to_string()),
        }
    }
    Ok(judged.outcome())
}

/// How many clients were turned away since the last run; none at the first.
fn since_last_run(
    now: &Remembered,
    file: &StateFile,
    context: &Context,
) -> Result<Option<u64>, Failure> {
    context.step(format!("reading {}", file.path().display()));
    let (before, _): (Option<Remembered>, _) = file.read()?;
    if before.as_ref() != Some(now) {
        context.step(format!("writing {}", file.path().display()));
        file.write(now)?;
    }
    Ok(before.map(|before| {
        if before.run_id == now.run_id {
            now.rejected.saturating_sub(before.rejected)
        } else {
            now.rejected
        }
    }))
}
