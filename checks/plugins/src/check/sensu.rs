//! Whether a Sensu server takes keepalives and results, by its API.

use clap::{Arg, ArgMatches, value_parser};

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::service::http::{self, Http};
use crate::service::{ServiceError, sensu};
use crate::status::{Findings, Limits, Outcome, Perfdata, Status, Unit, counted};

/// See `docs/checks/check-sensu.md`.
pub(super) static CHECK: Check = Check {
    name: "check-sensu",
    title: "CheckSensu",
    about: "Sensu's API: its connections, consumers and queues",
    example: "--url http://127.0.0.1:4567 --consumers 1 -w 1000 -c 10000",
    arguments,
    looks_at,
    run,
};

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Warn from this many waiting messages of a queue [default: 1000]",
        "Critical from this many [default: 10000]",
    );
    let consumers = Arg::new("consumers")
        .long("consumers")
        .value_name("N")
        .value_parser(value_parser!(u64))
        .default_value("1")
        .help("How many servers have to take keepalives and results");
    let [url, user, password, ca] = http::arguments("http://127.0.0.1:4567");
    vec![url, user, password, ca, consumers, warning, critical]
}

fn looks_at(matches: &ArgMatches, _: &Context) -> Vec<String> {
    ["/info", "/health"]
        .map(|path| format!("{}{path}", http::url(matches)))
        .into()
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_least, [Some(1000.0), Some(10_000.0)])?;
    let wanted = matches.get_one("consumers").copied().unwrap_or(1);
    let http = Http::of(matches, context)?;
    match sensu::info(&http, context) {
        Ok(info) => {
            let unhealthy = sensu::unhealthy(&http, context);
            Ok(judge(&info, unhealthy, wanted, &limits))
        }
        Err(error) => error.answer(),
    }
}

fn judge(
    info: &sensu::Info,
    unhealthy: Result<Option<String>, ServiceError>,
    wanted: u64,
    limits: &Limits,
) -> Outcome {
    let mut findings = Findings::default();
    for (connected, to) in [
        (info.transport.connected, "the transport"),
        (info.redis.connected, "Redis"),
    ] {
        if !connected {
            findings.add(
                Status::Critical,
                format!("the API has no connection to {to}"),
            );
        }
    }
    let is_connected = findings.worst() == Status::Ok;
    let (mut perfdata, mut right) = (Vec::new(), Vec::new());
    for (name, queue) in info.transport.queues() {
        if let Some(consumers) = queue.consumers {
            let taken = counted(consumers, "server");
            let what = format!("{name} taken by {taken}, expected {wanted}");
            if consumers < wanted {
                findings.add(Status::Critical, what);
            }
            right.push(format!("{name} taken by {taken}"));
            let figure = Perfdata::new(format!("{name} consumers"), consumers, Unit::None);
            perfdata.push(figure.min(0));
        } else if is_connected {
            let what = format!("the API does not tell who takes {name}");
            findings.add(Status::Unknown, what);
        }
        if let Some(messages) = queue.messages {
            let status = limits.judge(messages);
            let reached = limits::reached(limits, status);
            findings.add(status, format!("{messages} {name} wait{reached}"));
            let figure = Perfdata::new(format!("{name} messages"), messages, Unit::None);
            perfdata.push(figure.thresholds(limits.thresholds()).min(0));
        } else if is_connected {
            let what = format!("the API does not tell how many {name} wait");
            findings.add(Status::Unknown, what);
        }
    }
    match unhealthy {
        // That it has no connection is what it would say.
        Ok(Some(why)) if is_connected => {
            findings.add(Status::Critical, format!("/health answers {why}"));
        }
        Ok(_) => {}
        Err(error) => findings.add(error.status(), error.to_string()),
    }
    let version = &info.sensu.version;
    let mut outcome = findings.outcome(format!("Sensu {version}, {}", right.join(", ")));
    outcome.perfdata = perfdata;
    outcome
}
