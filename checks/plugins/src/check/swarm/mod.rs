//! Whether a swarm of Docker Engines has its nodes and runs its services: Swarm mode, and the
//! classic Swarm.

mod classic;
mod mode;

use clap::{Arg, ArgAction, ArgMatches};

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::service::ServiceError;
use crate::service::docker::{self, Info};
use crate::service::http::{self, Http};
use crate::service::swarm::Classic;
use crate::status::{Findings, Limits, Outcome, Perfdata, Status, Unit, counted};

/// See `docs/checks/check-swarm.md`.
pub(super) static CHECK: Check = Check {
    name: "check-swarm",
    title: "CheckSwarm",
    about: "Docker Swarm, its mode and the classic one: nodes, managers and services",
    example: "--url unix:///var/run/docker.sock",
    arguments,
    looks_at,
    run,
};

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Containers of one node that are worth a warning [default: none]",
        "Those that are critical [default: none]",
    );
    let node = Arg::new("node")
        .long("node")
        .alias("engine")
        .value_name("NAME")
        .action(ArgAction::Append)
        .help("Look at this node (classic Swarm: engine), which has to be there; may be repeated");
    let service = Arg::new("service")
        .long("service")
        .value_name("NAME")
        .action(ArgAction::Append)
        .help("Look at this service, which has to be there; may be repeated");
    let drained = Arg::new("allow-drained")
        .long("allow-drained")
        .action(ArgAction::SetTrue)
        .help("Nodes that are drained or paused are right as well");
    let classic = Arg::new("classic")
        .long("classic")
        .action(ArgAction::SetTrue)
        .help("Expect the classic Swarm [default: whichever answers]");
    let [url, user, password, ca] = http::arguments(docker::SOCKET);
    vec![
        url, user, password, ca, node, service, drained, classic, warning, critical,
    ]
}

/// What is looked at, and what is expected of it.
struct Expected<'a> {
    nodes: Vec<&'a str>,
    services: Vec<&'a str>,
    allow_drained: bool,
    /// Of the containers of one node.
    containers: Limits,
}

impl Expected<'_> {
    /// Whether all nodes, services and managers are looked at.
    fn all(&self) -> bool {
        self.nodes.is_empty() && self.services.is_empty()
    }

    /// Whether containers are counted.
    fn counts_containers(&self) -> bool {
        self.containers.warning().is_some() || self.containers.critical().is_some()
    }

    /// Judges how many containers a node has.
    fn judge(&self, name: &str, count: u64, findings: &mut Findings, perfdata: &mut Vec<Perfdata>) {
        let status = self.containers.judge(count);
        let reached = limits::reached(&self.containers, status);
        let containers = counted(count, "container");
        findings.add(status, format!("{name} has {containers}{reached}"));
        let figure = Perfdata::new(format!("{name} containers"), count, Unit::None);
        perfdata.push(figure.thresholds(self.containers.thresholds()).min(0));
    }
}

fn looks_at(matches: &ArgMatches, _: &Context) -> Vec<String> {
    let all = ["/info", "/nodes", "/services", "/tasks"];
    let length = if matches.get_flag("classic") {
        1
    } else {
        all.len()
    };
    let paths = all.iter().take(length);
    paths
        .map(|path| format!("{}{path}", http::url(matches)))
        .collect()
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    fn names<'a>(matches: &'a ArgMatches, name: &str) -> Vec<&'a str> {
        let names = matches.get_many::<String>(name).unwrap_or_default();
        names.map(String::as_str).collect()
    }
    let expected = Expected {
        nodes: names(matches, "node"),
        services: names(matches, "service"),
        allow_drained: matches.get_flag("allow-drained"),
        containers: limits::given(matches, Limits::at_least, [None, None])?,
    };
    let http = Http::of(matches, context)?;
    let answer = docker::info(&http, context).and_then(|info| match Classic::of(&info) {
        Some(found) => classic::judge(&found, &expected).map_err(ServiceError::Unclear),
        None if matches.get_flag("classic") => {
            Err(http.is_other("/info", "as no manager of the classic Swarm does"))
        }
        None => of_member(&http, &info, &expected, context),
    });
    answer.or_else(ServiceError::answer)
}

/// What a member of a swarm tells, if it is a manager.
fn of_member(
    http: &Http,
    info: &Info,
    expected: &Expected<'_>,
    context: &Context,
) -> Result<Outcome, ServiceError> {
    let name = &info.name;
    let broken = |status, what: String| Ok(Outcome::new(status, what));
    let member = info.swarm.clone().unwrap_or_default();
    let why = match member.error.as_str() {
        "" => String::new(),
        error => format!(": {error}"),
    };
    match member.local_node_state.as_str() {
        "active" if member.control_available => Ok(mode::look(http, expected, context)),
        "active" => {
            let managers: Vec<&str> = member.managers().collect();
            let who = if managers.is_empty() {
                "a manager".to_owned()
            } else {
                format!("a manager ({})", managers.join(", "))
            };
            Err(ServiceError::Unclear(format!(
                "{name} is a worker, which knows nothing of the swarm{why}; \
                 run this on {who}, or give its --url"
            )))
        }
        "pending" => broken(Status::Warning, format!("{name} is joining a swarm{why}")),
        "locked" => broken(
            Status::Critical,
            format!("{name} is locked; unlock it with docker swarm unlock"),
        ),
        "error" => broken(
            Status::Critical,
            format!("{name} cannot be in its swarm{why}"),
        ),
        "inactive" => broken(Status::Critical, format!("{name} is in no swarm")),
        "" => broken(
            Status::Critical,
            format!("{name} is older than Swarm mode, and no manager of the classic Swarm"),
        ),
        other => Err(ServiceError::Unclear(format!(
            "{name} is a member of a swarm in a way that is not known: {other}{why}"
        ))),
    }
}
