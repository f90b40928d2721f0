//! `venus-agent doctor`: looks at everything that the agent needs, without
//! running it, and says of each whether it is well or what to do.

mod broker;
mod node;
mod rabbitmq;
mod redis;
mod report;
mod spool;

use crate::cli::Arguments;
use crate::configure::print;
use crate::host;
use crate::settings::{Environment, Settings, Transport, client, exposed, load, typos};
use nix::unistd::geteuid;
use report::Report;
use std::process::ExitCode;
use tokio::runtime;

/// Examines this node and prints what was found; the exit code is 0 where
/// nothing is wrong, else 2.
pub(crate) fn run(arguments: &Arguments, environment: &Environment, json: bool) -> ExitCode {
    let mut report = Report::default();
    if let Some(settings) = read_settings(arguments, environment, &mut report) {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => {
                runtime.block_on(examine(&settings, environment, &mut report));
                // A name that is still looked up holds nobody.
                runtime.shutdown_background();
            }
            Err(error) => report.fail("agent", format!("it cannot run: {error}")),
        }
    }
    let text = if json {
        report.to_json()
    } else {
        report.to_text()
    };
    print(&text, if report.is_healthy() { 0 } else { 2 })
}

async fn examine(settings: &Settings, environment: &Environment, report: &mut Report) {
    node::examine(settings, environment, report).await;
    spool::examine(settings, environment, report);
    let client = &settings.client;
    match &settings.transport {
        Transport::Embedded => report.ok("broker", "none in the settings: none is needed"),
        Transport::Rabbitmq(brokers) => {
            for broker in brokers {
                rabbitmq::examine(broker, client, report).await;
            }
        }
        Transport::Redis(server) => redis::examine(server, report).await,
    }
}

fn read_settings(
    arguments: &Arguments,
    environment: &Environment,
    report: &mut Report,
) -> Option<Settings> {
    const AREA: &str = "settings";
    for name in load::VARIABLES {
        if load::variable(environment, name).is_some() {
            report.ok(AREA, format!("{name} of the environment"));
        }
    }
    let loaded = load::load(&arguments.sources, environment, &host::discover());
    let (merged, files) = loaded
        .inspect_err(|error| report.fail(AREA, error.to_string()))
        .ok()?;
    if files.is_empty() {
        report.ok(AREA, "no file is there, defaults are used");
    }
    for file in &files {
        report.ok(AREA, file.display().to_string());
    }
    // Root looks for an agent of another user, whose groups nobody knows here.
    let groups = (!geteuid().is_root()).then(exposed::own_groups);
    for found in exposed::find(&files, &client::redact_keys(&merged), groups.as_deref()) {
        let (file, to_do) = (found.file.display(), found.advice());
        report.warn(AREA, format!("{file}: {found}; {to_do}"));
    }
    for typo in typos::find(&merged) {
        let typos::Typo {
            place,
            written,
            meant,
        } = typo;
        let what = format!("{written} in {place}: do you mean {meant}?");
        report.warn(AREA, what);
    }
    let compiled = Settings::compile(merged, files);
    let failed = |problems: &Vec<crate::settings::Problem>| {
        for problem in problems {
            let name = problem.object.get("name").and_then(|name| name.as_str());
            let place = name.map(|name| format!(" ({name})")).unwrap_or_default();
            report.fail(AREA, format!("{}{place}", problem.message));
        }
    };
    compiled.inspect_err(failed).ok()
}
