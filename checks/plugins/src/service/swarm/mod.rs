//! What a manager of Docker's Swarm mode says of it, `GET /nodes`, `/services` and `/tasks` of the
//! Engine's API since Docker 1.12; and the [classic](Classic) Swarm before it.

mod classic;

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::context::Context;
use crate::service::ServiceError;
use crate::service::http::Http;

pub use classic::{Classic, Engine};

/// The tasks that are to run now, without those that have ended:
/// `{"desired-state":["running"]}`.
const TO_RUN: &str = "/tasks?filters=%7B%22desired-state%22%3A%5B%22running%22%5D%7D";

/// An entry of `/nodes`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Node {
    /// 25 letters and digits.
    #[serde(rename = "ID")]
    pub id: String,
    spec: NodeSpec,
    #[serde(default)]
    description: Description,
    /// What the managers see of it.
    #[serde(default)]
    pub status: NodeStatus,
    /// How it is as a manager, if it is one.
    pub manager_status: Option<ManagerStatus>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NodeSpec {
    #[serde(default)]
    availability: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Description {
    #[serde(default)]
    hostname: String,
}

/// What the managers see of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NodeStatus {
    /// `ready`, `down`, `unknown` or `disconnected`.
    #[serde(default)]
    pub state: String,
    /// Why; may be empty.
    #[serde(default)]
    pub message: String,
}

/// How a node is as a manager.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ManagerStatus {
    /// Whether it leads.
    #[serde(default)]
    pub leader: bool,
    /// `reachable`, `unreachable` or `unknown`.
    #[serde(default)]
    pub reachability: String,
}

impl Node {
    /// Its host name, or else its id.
    #[must_use]
    pub fn name(&self) -> &str {
        match self.description.hostname.as_str() {
            "" => &self.id,
            name => name,
        }
    }

    /// `active`, `pause` or `drain`.
    #[must_use]
    pub fn availability(&self) -> &str {
        &self.spec.availability
    }
}

/// An entry of `/services`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Service {
    /// 25 letters and digits.
    #[serde(rename = "ID")]
    pub id: String,
    spec: ServiceSpec,
    /// How its last update goes.
    pub update_status: Option<UpdateStatus>,
    #[serde(rename = "ServiceStatus")]
    count: Option<ServiceStatus>,
    #[serde(default)]
    job_status: Option<JobStatus>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ServiceSpec {
    name: String,
    #[serde(default)]
    mode: Mode,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mode {
    replicated: Option<Replicated>,
    replicated_job: Option<IgnoredAny>,
    global_job: Option<IgnoredAny>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Replicated {
    replicas: Option<u64>,
}

/// How an update goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateStatus {
    /// `updating`, `paused`, `completed`, and the three of these with `rollback_` before them.
    #[serde(default)]
    pub state: String,
    /// Why.
    #[serde(default)]
    pub message: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ServiceStatus {
    desired_tasks: u64,
    #[serde(default)]
    completed_tasks: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JobStatus {
    #[serde(default)]
    job_iteration: Iteration,
}

/// Which of a job's runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Iteration {
    #[serde(default)]
    index: u64,
}

/// What a service is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To run as often as was said.
    Replicated,
    /// To run once on each node.
    Global,
    /// To end well.
    Job,
}

impl Service {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// What it is to do.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let mode = &self.spec.mode;
        if mode.replicated_job.is_some() || mode.global_job.is_some() {
            Kind::Job
        } else if mode.replicated.is_some() {
            Kind::Replicated
        } else {
            Kind::Global
        }
    }
}

/// An entry of `/tasks`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Task {
    #[serde(rename = "ServiceID", default)]
    service: String,
    #[serde(rename = "NodeID", default)]
    node: String,
    status: TaskStatus,
    #[serde(default)]
    job_iteration: Option<Iteration>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TaskStatus {
    /// When it came so, by the clock of UTC.
    #[serde(default)]
    timestamp: String,
    state: String,
    #[serde(default)]
    err: String,
}

/// How many of a service's tasks do what they should.
#[derive(Debug, Clone, PartialEq)]
pub struct Tasks<'a> {
    /// The service.
    pub service: &'a Service,
    /// Those that run; of a job those that have ended well.
    pub done: u64,
    /// Of how many that should.
    pub wanted: u64,
    /// Why one of them waits for a node, if one does.
    pub waits: Option<&'a str>,
}

/// A swarm, as its managers see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Swarm {
    /// Its nodes, by name.
    pub nodes: Vec<Node>,
    services: Vec<Service>,
    tasks: Vec<Task>,
}

/// What could be seen of a swarm.
#[derive(Debug)]
pub struct Seen {
    /// The parts that could not be asked for are empty.
    pub swarm: Swarm,
    /// Whether its nodes are known.
    pub has_nodes: bool,
    /// Whether its services are known.
    pub has_services: bool,
    /// Whether its tasks are known.
    pub has_tasks: bool,
    /// Why the rest is not.
    pub errors: Vec<ServiceError>,
}

impl Swarm {
    /// Asks a manager for all of it.
    pub fn ask(http: &Http, context: &Context) -> Result<Self, ServiceError> {
        let seen = Self::look(http, context);
        match seen.errors.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(seen.swarm),
        }
    }

    /// Asks a manager for all of it, each part for itself. Nothing more is asked for once it is
    /// plain that nobody can answer.
    #[must_use]
    pub fn look(http: &Http, context: &Context) -> Seen {
        let mut errors = Vec::new();
        let nodes: Option<Vec<Node>> = part(http, "/nodes", context, &mut errors);
        // Asked for with their status, of which only that of jobs is looked at: that of the
        // others counts tasks on lost nodes as running.
        let services: Option<Vec<Service>> =
            part(http, "/services?status=true", context, &mut errors);
        let tasks: Option<Vec<Task>> = part(http, TO_RUN, context, &mut errors);
        let [has_nodes, has_services, has_tasks] =
            [nodes.is_some(), services.is_some(), tasks.is_some()];
        let mut swarm = Self {
            nodes: nodes.unwrap_or_default(),
            services: services.unwrap_or_default(),
            tasks: tasks.unwrap_or_default(),
        };
        let by_name = |one: &Node, other: &Node| one.name().cmp(other.name());
        swarm.nodes.sort_by(by_name);
        let by_name = |one: &Service, other: &Service| one.name().cmp(other.name());
        swarm.services.sort_by(by_name);
        Seen {
            swarm,
            has_nodes,
            has_services,
            has_tasks,
            errors,
        }
    }

    /// How each service does, by name.
    #[must_use]
    pub fn tasks(&self) -> Vec<Tasks<'_>> {
        let down = self.nodes.iter().filter(|node| node.status.state == "down");
        let down: HashSet<&str> = down.map(|node| node.id.as_str()).collect();
        let mut of: HashMap<&str, (u64, u64, Option<&str>)> = HashMap::new();
        for task in &self.tasks {
            let (running, all, waits) = of.entry(&task.service).or_default();
            *all += 1;
            if task.status.state == "running" && !down.contains(task.node.as_str()) {
                *running += 1;
            } else if !task.status.err.is_empty() {
                *waits = Some(&task.status.err);
            }
        }
        let tasks = self.services.iter().map(|service| {
            let (running, all, waits) = of.get(service.id.as_str()).copied().unwrap_or_default();
            let (done, wanted) = match service.kind() {
                Kind::Replicated => {
                    let replicated = service.spec.mode.replicated.as_ref();
                    let replicas = replicated.and_then(|replicated| replicated.replicas);
                    (running, replicas.unwrap_or(all))
                }
                Kind::Global => (running, all),
                Kind::Job => match &service.count {
                    Some(status) => (status.completed_tasks, status.desired_tasks),
                    None => (0, 0),
                },
            };
            Tasks {
                service,
                done,
                wanted,
                waits,
            }
        });
        tasks.collect()
    }

    /// How many tasks are to run on each node, by its id.
    #[must_use]
    pub fn tasks_by_node(&self) -> BTreeMap<&str, u64> {
        let mut of = BTreeMap::new();
        for task in &self.tasks {
            *of.entry(task.node.as_str()).or_default() += 1;
        }
        of
    }
}

/// One list. `None`, and why among the errors, if it cannot be had.
fn part<T: DeserializeOwned>(
    http: &Http,
    path: &str,
    context: &Context,
    errors: &mut Vec<ServiceError>,
) -> Option<Vec<T>> {
    let is_away = |error: &ServiceError| matches!(error, ServiceError::Away(_));
    if errors.iter().any(is_away) {
        return None;
    }
    let list = http.json(path, context).map_err(leaderless);
    list.map_err(|error| errors.push(error)).ok()
}

/// Why the last task of a service that failed did so, of a job's present run alone.
pub fn last_failure(
    http: &Http,
    service: &Service,
    context: &Context,
) -> Result<Option<String>, ServiceError> {
    let id = &service.id;
    // It comes from outside, and would lead elsewhere if it were no id.
    if !id
        .chars()
        .all(|character| character.is_ascii_alphanumeric())
    {
        return Ok(None);
    }
    let path = format!("/tasks?filters=%7B%22service%22%3A%5B%22{id}%22%5D%7D");
    let tasks: Vec<Task> = http.json(&path, context).map_err(leaderless)?;
    let run = service
        .job_status
        .as_ref()
        .map(|status| status.job_iteration);
    let failed = tasks.into_iter().filter(|task| {
        let of_run = run.is_none() || task.job_iteration == run;
        of_run && !task.status.err.is_empty()
    });
    let last = failed.max_by(|one, other| one.status.timestamp.cmp(&other.status.timestamp));
    Ok(last.map(|task| task.status.err))
}

/// A manager that has lost the others answers, but can tell nothing: the swarm is down.
fn leaderless(error: ServiceError) -> ServiceError {
    match error {
        ServiceError::Unclear(what) if what.contains("does not have a leader") => {
            ServiceError::Away(what)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn swarm(services: &str, tasks: &str) -> Swarm {
        Swarm {
            nodes: serde_json::from_str(
                r#"[{"ID":"a","Spec":{},"Status":{"State":"ready"}},
                    {"ID":"b","Spec":{},"Status":{"State":"down"}}]"#,
            )
            .unwrap(),
            services: serde_json::from_str(services).unwrap(),
            tasks: serde_json::from_str(tasks).unwrap(),
        }
    }

    #[test]
    fn tasks_are_counted_that_run_on_a_node_that_is_there() {
        let service = |id: &str, mode: &str| {
            format!(r#"{{"ID":"{id}","Spec":{{"Name":"{id}","Mode":{mode}}}}}"#)
        };
        let task = |service: &str, node: &str, state: &str, err: &str| {
            format!(
                r#"{{"ServiceID":"{service}","NodeID":"{node}","Status":{{"State":"{state}","Err":"{err}"}}}}"#
            )
        };
        let services = [
            service("web", r#"{"Replicated":{"Replicas":3}}"#),
            service("none", r#"{"Replicated":{"Replicas":0}}"#),
            service("each", r#"{"Global":{}}"#),
            service("job", r#"{"ReplicatedJob":{}}"#),
        ];
        let tasks = [
            task("web", "a", "running", ""),
            task("web", "b", "running", ""),
            task("web", "", "pending", "no suitable node"),
            task("each", "a", "running", ""),
            task("each", "b", "preparing", ""),
        ];
        let swarm = swarm(
            &format!("[{}]", services.join(",")),
            &format!("[{}]", tasks.join(",")),
        );
        let tasks = swarm.tasks();
        let counted: Vec<_> = tasks
            .iter()
            .map(|tasks| (tasks.service.name(), tasks.done, tasks.wanted, tasks.waits))
            .collect();
        assert_eq!(
            counted,
            [
                ("web", 1, 3, Some("no suitable node")),
                ("none", 0, 0, None),
                ("each", 1, 2, None),
                ("job", 0, 0, None),
            ]
        );
        assert_eq!(swarm.tasks_by_node(), [("", 1), ("a", 2), ("b", 2)].into());
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(bytes: Vec<u8>, json in "[\\[\\]{}\":,a-zA-Z0-9]{0,40}") {
            for answer in [bytes.as_slice(), json.as_bytes()] {
                drop(serde_json::from_slice::<Vec<Node>>(answer));
                drop(serde_json::from_slice::<Vec<Service>>(answer));
                drop(serde_json::from_slice::<Vec<Task>>(answer));
            }
        }
    }
}
