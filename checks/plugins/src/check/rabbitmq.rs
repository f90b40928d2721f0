//! Whether a `RabbitMQ` broker takes messages, and somebody takes them from it.

use clap::{Arg, ArgMatches, value_parser};

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::service::rabbitmq::management::{self, Management, Node};
use crate::service::rabbitmq::{self, Broker, Publishing, Refusal, Seen, Unseen};
use crate::status::{Findings, Limits, Outcome, Perfdata, Status, Unit, counted};

/// See `docs/checks/check-rabbitmq.md`.
pub(super) static CHECK: Check = Check {
    name: "check-rabbitmq",
    title: "CheckRabbitMQ",
    about: "RabbitMQ: alarms, queues and their consumers, the nodes of its cluster",
    example: "--server 127.0.0.1:5672 --vhost /sensu --consumers 1 -w 1000 -c 10000",
    arguments,
    looks_at,
    run,
};

/// Of how many queues each is told where all is well.
const TOLD: usize = 5;

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
        .help("How many have to take from each queue");
    let mut all = rabbitmq::arguments();
    all.extend([consumers, warning, critical]);
    all
}

fn looks_at(matches: &ArgMatches, context: &Context) -> Vec<String> {
    let queues = rabbitmq::queues(matches);
    let mut asked: Vec<String> = queues.map(|queue| format!("queue {queue} of")).collect();
    if !matches.get_flag("no-publish") {
        asked.push("publishing to nobody at".to_owned());
    }
    let mut lines = rabbitmq::place(matches, context).lines(&asked);
    lines.extend(management::url(matches).map(|url| format!("{url}/api/nodes")));
    lines
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_least, [Some(1000.0), Some(10_000.0)])?;
    let consumers = matches.get_one("consumers").copied().unwrap_or(1);
    let broker = Broker::of(matches, context)?;
    let management = Management::of(matches, broker.login(), context)?;
    let seen = match broker.look(context) {
        Ok(seen) => seen,
        Err(error) => return error.answer(),
    };
    let mut judged = Judged::of(&seen, consumers, &limits);
    if let Some(management) = management {
        match management.nodes(context) {
            Ok(nodes) => judged.nodes(&nodes),
            // The broker itself was seen to be there.
            Err(error) => judged.findings.add(Status::Unknown, error.to_string()),
        }
    }
    let mut outcome = judged.findings.outcome(judged.right.join(", "));
    outcome.perfdata = judged.perfdata;
    Ok(outcome)
}

#[derive(Default)]
struct Judged {
    findings: Findings,
    right: Vec<String>,
    perfdata: Vec<Perfdata>,
}

impl Judged {
    fn of(seen: &Seen, consumers: u64, limits: &Limits) -> Self {
        let mut judged = Self::default();
        judged.right.push(seen.product.clone());
        match &seen.publishing {
            Publishing::Untried => {}
            Publishing::Taken => judged.right.push("takes messages".to_owned()),
            Publishing::Blocked(why) => judged
                .findings
                .add(Status::Critical, format!("publishers are blocked: {why}")),
            Publishing::Refused(refusal) => judged.findings.add(
                Status::Unknown,
                format!(
                    "whether publishers are blocked is not known: {refusal}; \
                     let this user write there, or give --no-publish"
                ),
            ),
            Publishing::Unclear(why) => judged.findings.add(
                Status::Unknown,
                format!("whether publishers are blocked is not known: {why}"),
            ),
        }
        for (name, queue) in &seen.queues {
            let queue = match queue {
                Ok(queue) => queue,
                Err(unseen) => {
                    let (status, advice) = match unseen {
                        Unseen::Refused(Refusal { code: 404, .. }) => {
                            (Status::Critical, "; has a server ever been there?")
                        }
                        Unseen::Refused(_) | Unseen::Unclear(_) => (Status::Unknown, ""),
                    };
                    let what = format!("{}{advice}", unseen.of(name));
                    judged.findings.add(status, what);
                    continue;
                }
            };
            let taken = format!("{name} taken by {}", counted(queue.consumers, "consumer"));
            if u64::from(queue.consumers) < consumers {
                let what = format!("{taken}, expected {consumers}");
                judged.findings.add(Status::Critical, what);
            }
            let status = limits.judge(queue.messages);
            let (waiting, reached) = (
                counted(queue.messages, "message"),
                limits::reached(limits, status),
            );
            judged
                .findings
                .add(status, format!("{waiting} wait in {name}{reached}"));
            if seen.queues.len() <= TOLD {
                judged.right.push(taken);
            }
            let figure = Perfdata::new(format!("{name} messages"), queue.messages, Unit::None);
            judged.perfdata.extend([
                figure.thresholds(limits.thresholds()).min(0),
                Perfdata::new(format!("{name} consumers"), queue.consumers, Unit::None).min(0),
            ]);
        }
        if seen.queues.len() > TOLD {
            judged.right.push(counted(seen.queues.len(), "queue"));
        }
        judged
    }

    fn nodes(&mut self, nodes: &[Node]) {
        for node in nodes {
            let name = &node.name;
            let mut critical = |what: String| self.findings.add(Status::Critical, what);
            // One that was cut off runs, but is not counted among those that do.
            if !node.partitions.is_empty() {
                let others = node.partitions.join(", ");
                critical(format!("node {name} is partitioned from {others}"));
            } else if !node.running {
                critical(format!("node {name} does not run"));
            }
            if node.mem_alarm {
                critical(format!("node {name} is low on memory"));
            }
            if node.disk_free_alarm {
                critical(format!("node {name} is low on disk"));
            }
        }
        let running = nodes.iter().filter(|node| node.running).count();
        self.right
            .push(format!("{} running", counted(running, "node")));
        let figure = Perfdata::new("nodes running", running, Unit::None);
        self.perfdata.push(figure.min(0).max(nodes.len()));
    }
}
