//! `check-zookeeper`: whether the servers of an ensemble serve, have a quorum, and keep up.

mod judge;

use clap::{Arg, ArgAction, ArgMatches};

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::service::zookeeper::{self, Report, Role};
use crate::status::{Limit, Limits, Number, Outcome, Unit, hundredths};
use judge::{Wanted, judge};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-zookeeper",
    title: "CheckZooKeeper",
    about: "Whether ZooKeeper's servers serve, have a quorum, and keep up",
    example: "--server 127.0.0.1:2181 -w 100 -c 1000",
    arguments,
    looks_at,
    run,
};

/// A number that is judged, and the two options for it.
struct Judged {
    /// What `mntr` calls it, or what it is made from.
    name: &'static str,
    /// What a message calls it.
    words: &'static str,
    /// What follows the number: a unit, or what is counted.
    unit: &'static str,
    /// Of its figure.
    figure: Unit,
    options: [&'static str; 2],
    usual: [Option<f64>; 2],
    value: fn(&Report) -> Option<Number>,
    /// Whether only a leader tells it.
    of_leaders: bool,
}

const NONE: [Option<f64>; 2] = [None, None];

/// A server slows its clients down at 1000 outstanding requests (`globalOutstandingLimit`). The
/// community's plugins are critical at an average latency of 10 ms and with 85% of the descriptors.
static JUDGED: [Judged; 7] = [
    Judged {
        name: "outstanding_requests",
        words: "outstanding requests",
        unit: "",
        figure: Unit::None,
        options: ["warning", "critical"],
        usual: [Some(100.0), Some(1000.0)],
        value: |report| report.number("outstanding_requests"),
        of_leaders: false,
    },
    Judged {
        name: "avg_latency",
        words: "average latency",
        unit: " ms",
        figure: Unit::None,
        options: ["latency-warning", "latency-critical"],
        usual: [Some(10.0), Some(100.0)],
        value: |report| report.number("avg_latency"),
        of_leaders: false,
    },
    Judged {
        name: "max_latency",
        words: "maximum latency",
        unit: " ms",
        figure: Unit::None,
        options: ["max-latency-warning", "max-latency-critical"],
        usual: NONE,
        value: |report| report.number("max_latency"),
        of_leaders: false,
    },
    Judged {
        name: "file_descriptors",
        words: "open file descriptors",
        unit: "%",
        figure: Unit::Percent,
        options: ["fd-warning", "fd-critical"],
        usual: [Some(75.0), Some(85.0)],
        value: descriptors,
        of_leaders: false,
    },
    Judged {
        name: "pending_syncs",
        words: "pending syncs",
        unit: "",
        figure: Unit::None,
        options: ["pending-syncs-warning", "pending-syncs-critical"],
        usual: NONE,
        value: |report| report.number("pending_syncs"),
        of_leaders: true,
    },
    Judged {
        name: "znode_count",
        words: "znodes",
        unit: "",
        figure: Unit::None,
        options: ["znodes-warning", "znodes-critical"],
        usual: NONE,
        value: |report| report.number("znode_count"),
        of_leaders: false,
    },
    Judged {
        name: "approximate_data_size",
        words: "data size",
        unit: " bytes",
        figure: Unit::Bytes,
        options: ["data-size-warning", "data-size-critical"],
        usual: NONE,
        value: |report| report.number("approximate_data_size"),
        of_leaders: false,
    },
];

/// The open ones, in percent of the most that there may be.
fn descriptors(report: &Report) -> Option<Number> {
    let [open, most] = ["open_file_descriptor_count", "max_file_descriptor_count"]
        .map(|name| report.number(name).map(Number::to_f64));
    let percent = hundredths(100.0 * open? / most.filter(|most| *most > 0.0)?);
    Some(Number::Real(percent))
}

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Warn from this many outstanding requests of a server [default: 100]",
        "Critical from this many [default: 1000]",
    );
    let threshold = |name: &'static str, help: &'static str| {
        let parser = |text: &str| text.parse::<Limit>();
        let arg = Arg::new(name).long(name).value_name("N");
        arg.value_parser(parser).help(help)
    };
    vec![
        zookeeper::servers_argument().short('s'),
        Arg::new("role")
            .long("role")
            .alias("mode")
            .short('m')
            .value_name("ROLE")
            .action(ArgAction::Append)
            .value_parser(roles)
            .help("Expect each server to be one of: standalone, leader, follower, observer, read-only; several by blanks or commas"),
        threshold(
            "missing-warning",
            "Warn from this many servers that do not serve [default: 1]",
        ),
        threshold(
            "missing-critical",
            "Critical from this many [default: when too few are left for a quorum, which always is]",
        ),
        warning,
        critical.alias("reqs").short_alias('r'),
        threshold(
            "latency-warning",
            "Warn from this average latency since the server started, in ms [default: 10]",
        ),
        threshold("latency-critical", "Critical from this [default: 100]")
            .alias("latency")
            .short('l'),
        threshold(
            "max-latency-warning",
            "Warn from this maximum latency since the server started, in ms [default: none]",
        ),
        threshold("max-latency-critical", "Critical from this [default: none]"),
        threshold(
            "fd-warning",
            "Warn from this many open file descriptors, in percent of the most [default: 75]",
        ),
        threshold("fd-critical", "Critical from this many [default: 85]"),
        threshold(
            "pending-syncs-warning",
            "Warn from this many pending syncs of the leader [default: none]",
        ),
        threshold("pending-syncs-critical", "Critical from this many [default: none]"),
        threshold("znodes-warning", "Warn from this many znodes [default: none]"),
        threshold("znodes-critical", "Critical from this many [default: none]"),
        threshold(
            "data-size-warning",
            "Warn from this approximate size of all data, in bytes [default: none]",
        ),
        threshold("data-size-critical", "Critical from this [default: none]"),
    ]
}

/// Roles, parted by blanks as the community's plugin has them, or by commas.
fn roles(text: &str) -> Result<Vec<Role>, String> {
    let words = text.split([' ', ',']).filter(|word| !word.is_empty());
    let roles: Option<Vec<Role>> = words.map(Role::of).collect();
    roles.filter(|roles| !roles.is_empty()).ok_or_else(|| {
        let all = Role::ALL.map(Role::name);
        format!("use some of {}", all.join(", "))
    })
}

fn looks_at(matches: &ArgMatches, _: &Context) -> Vec<String> {
    let servers = zookeeper::servers(matches).into_iter();
    servers
        .map(|server| format!("{server}, by mntr (or srvr, or stat) and ruok"))
        .collect()
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let wanted = Wanted {
        missing: limits::named(
            matches,
            ["missing-warning", "missing-critical"],
            Limits::at_least,
            [Some(1.0), None],
        )?,
        roles: matches
            .get_many::<Vec<Role>>("role")
            .unwrap_or_default()
            .flatten()
            .copied()
            .collect(),
        limits: JUDGED
            .iter()
            .map(|judged| {
                let given = judged.options.iter().any(|name| matches.contains_id(name));
                let limits =
                    limits::named(matches, judged.options, Limits::at_least, judged.usual)?;
                Ok((judged, limits, given))
            })
            .collect::<Result<_, Failure>>()?,
    };
    let servers = zookeeper::servers(matches);
    let answers = zookeeper::ask_all(&servers, context);
    let names = servers.iter().map(ToString::to_string);
    let members: Vec<_> = names.zip(answers).collect();
    Ok(judge(&members, &wanted))
}
