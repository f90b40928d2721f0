//! What waits in a `RabbitMQ` broker, who takes it, and what that costs.

use clap::ArgMatches;
use serde_json::{Map, Value};

use crate::context::{Context, Failure};
use crate::metrics::{Figures, Metrics};
use crate::service::ServiceError;
use crate::service::rabbitmq::management::Management;
use crate::service::rabbitmq::{self, Broker, Publishing};
use crate::status::Number;

/// See `docs/metrics/metrics-rabbitmq.md`.
pub(super) static METRICS: Metrics = Metrics {
    name: "metrics-rabbitmq",
    about: "RabbitMQ's queues, and by its management plugin nodes and message rates",
    scheme_suffix: "rabbitmq",
    example: "--server 127.0.0.1:5672 --vhost /sensu",
    arguments: rabbitmq::arguments,
    run,
};

fn run(matches: &ArgMatches, context: &Context, figures: &mut Figures) -> Result<(), Failure> {
    let broker = Broker::of(matches, context)?;
    let management = Management::of(matches, broker.login(), context)?;
    let seen = broker.look(context)?;
    let seconds = (seen.opened.as_secs_f64() * 1e6).round() / 1e6;
    figures.add(&["connect_seconds"], seconds);
    match &seen.publishing {
        Publishing::Untried => {}
        Publishing::Taken => figures.add(&["blocked"], 0_u8),
        Publishing::Blocked(_) => figures.add(&["blocked"], 1_u8),
        Publishing::Unclear(why) => {
            figures.problem(format!(
                "whether publishers are blocked is not known: {why}"
            ));
        }
        Publishing::Refused(refusal) => {
            figures.problem(format!(
                "whether publishers are blocked is not known: {refusal}"
            ));
        }
    }
    for (name, queue) in &seen.queues {
        match queue {
            Ok(queue) => {
                figures.add(&[name, "messages"], queue.messages);
                figures.add(&[name, "consumers"], queue.consumers);
            }
            Err(unseen) => figures.problem(unseen.of(name)),
        }
    }
    if let Some(management) = management
        && let Err(error) = cluster(&management, context, figures)
    {
        figures.problem(error.to_string());
    }
    Ok(())
}

/// What the management plugin knows.
fn cluster(
    management: &Management,
    context: &Context,
    figures: &mut Figures,
) -> Result<(), ServiceError> {
    for node in management.nodes(context)? {
        let name = node.name.as_str();
        figures.add(&["nodes", name, "running"], u8::from(node.running));
        figures.add(&["nodes", name, "partitions"], node.partitions.len());
        for (what, number) in [
            ("mem_used", node.mem_used),
            ("mem_limit", node.mem_limit),
            ("disk_free", node.disk_free),
            ("disk_free_limit", node.disk_free_limit),
            ("fd_used", node.fd_used),
            ("fd_total", node.fd_total),
            ("sockets_used", node.sockets_used),
            ("sockets_total", node.sockets_total),
            ("proc_used", node.proc_used),
            ("proc_total", node.proc_total),
        ] {
            if let Some(number) = number {
                figures.add(&["nodes", name, what], number);
            }
        }
    }
    let overview = management.overview(context)?;
    counts("queue_totals", &overview.queue_totals, figures);
    counts("message_stats", &overview.message_stats, figures);
    for (name, value) in &overview.object_totals {
        if let Some(number) = number(value) {
            figures.add(&["object_totals", name], number);
        }
    }
    Ok(())
}

/// `GROUP.NAME.count`, and its rate a second.
fn counts(group: &str, values: &Map<String, Value>, figures: &mut Figures) {
    for (name, value) in values {
        let Some(count) = number(value) else { continue };
        figures.add(&[group, name, "count"], count);
        let details = values.get(&format!("{name}_details"));
        if let Some(rate) = details.and_then(|details| number(details.get("rate")?)) {
            figures.add(&[group, name, "rate"], rate);
        }
    }
}

fn number(value: &Value) -> Option<Number> {
    let whole = value.as_u64().map(Number::from);
    whole.or_else(|| value.as_f64().map(Number::from))
}
