//! What Samza's containers last reported.

use clap::ArgMatches;

use crate::context::{Context, Failure};
use crate::metrics::{Figures, Metrics};
use crate::service::samza::{self, STEPS, WINDOW};

/// See `docs/metrics/metrics-samza.md`.
pub(super) static METRICS: Metrics = Metrics {
    name: "metrics-samza",
    about: "Samza's containers, by what they report to Kafka",
    scheme_suffix: "samza",
    example: "--server 127.0.0.1:9092 --job my-job",
    arguments: samza::arguments,
    run,
};

fn run(matches: &ArgMatches, context: &Context, figures: &mut Figures) -> Result<(), Failure> {
    let window = matches.get_one("window").copied().unwrap_or(WINDOW);
    let reports = samza::reports(matches, window, context)?;
    if !reports.has_topic {
        let topic = matches
            .get_one::<String>("topic")
            .cloned()
            .unwrap_or_default();
        return Err(Failure::new(format!(
            "there is no topic {topic}, see --topic"
        )));
    }
    for ((job, id), containers) in &reports.jobs {
        figures.add(&[job, id, "containers"], containers.len());
        for (name, container) in containers {
            let mut add = |what: &[&str], value: crate::status::Number| {
                figures.add(&[&[job.as_str(), id, name], what].concat(), value);
            };
            let age = context.now.saturating_sub(container.reported());
            add(&["age"], age.into());
            for step in STEPS {
                if let Some(seconds) = container.seconds(step) {
                    add(&[step, "seconds"], seconds.into());
                }
                if let Some(calls) = container.calls(step) {
                    add(&[step, "calls"], calls.into());
                }
            }
            if let Some(behind) = container.behind() {
                add(&["lag"], behind.into());
            }
            if let Some(errors) = container.errors() {
                add(&["errors"], errors.into());
            }
        }
    }
    if let Some((count, why)) = reports.strange {
        let messages = reports.messages;
        figures.problem(format!(
            "{count} of {messages} messages are no reports: {why}"
        ));
    }
    for problem in reports.problems {
        figures.problem(problem.to_string());
    }
    Ok(())
}
