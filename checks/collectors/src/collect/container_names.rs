//! What a container is called in a path: its name at Docker, fit for one node of it.

use std::collections::HashMap;

use crate::graphite;
use crate::source::cgroup_path::short;
use crate::source::docker::{Container, DockerError, Host};

/// Names by id. What was once learnt holds while Docker does not answer.
#[derive(Debug)]
pub(crate) struct ContainerNames {
    host: Host,
    known: HashMap<String, Known>,
    /// Whether the last question was left without an answer by a Docker that is there.
    is_waiting: bool,
}

#[derive(Debug)]
struct Known {
    node: String,
    joins_another: bool,
}

impl ContainerNames {
    /// None yet.
    pub(crate) fn new(host: Host) -> Self {
        Self {
            host,
            known: HashMap::new(),
            is_waiting: false,
        }
    }

    /// Where Docker is asked.
    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// Asks Docker.
    pub(crate) fn refresh(&mut self) -> Result<(), DockerError> {
        let answer = self.host.containers();
        self.is_waiting = matches!(&answer, Err(error) if !error.is_not_there());
        self.known = named(answer?);
        Ok(())
    }

    /// The node of a path for this container: its name, or its short id where there is no Docker
    /// that knows it. `None` while Docker is there and does not answer.
    pub(crate) fn node(&self, id: &str) -> Option<String> {
        match self.known.get(id) {
            Some(known) => Some(known.node.clone()),
            None if self.is_waiting => None,
            None => Some(short(id).to_owned()),
        }
    }

    /// Whether the container is known to live in the network namespace of another one.
    pub(crate) fn joins_another(&self, id: &str) -> bool {
        self.known.get(id).is_some_and(|known| known.joins_another)
    }
}

/// A name as one node of a path: what cannot stand in one becomes `_`, and dots, too.
pub(crate) fn node(name: &str) -> String {
    graphite::sanitise(name).replace('.', "_")
}

/// Where two would have the same node, the one that was created last has it, if it has started: an
/// update of a Swarm service makes the new task before it stops the old one, and may start it
/// before, too. The others go by their short ids.
fn named(mut containers: Vec<Container>) -> HashMap<String, Known> {
    let rank = |one: &Container| (one.is_started(), one.created);
    containers.sort_by(|one, other| (rank(other), &other.id).cmp(&(rank(one), &one.id)));
    let mut owner_of: HashMap<String, String> = HashMap::new();
    let mut known = HashMap::new();
    for container in containers {
        let joins_another = container.joins_another();
        let named = container.name().map(|name| node(&name));
        let node = named
            .filter(|node| match owner_of.get(node) {
                Some(id) => *id == container.id,
                None => true,
            })
            .unwrap_or_else(|| short(&container.id).to_owned());
        owner_of.insert(node.clone(), container.id.clone());
        let one = Known {
            node,
            joins_another,
        };
        known.insert(container.id, one);
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container_in(state: &str, id: char, created: i64, name: &str) -> Container {
        let id = String::from(id).repeat(64);
        serde_json::from_value(serde_json::json!({
            "Id": id, "Created": created, "Names": [format!("/{name}")], "State": state,
        }))
        .unwrap()
    }

    fn container(id: char, created: i64, name: &str) -> Container {
        container_in("running", id, created, name)
    }

    fn nodes(containers: Vec<Container>) -> Vec<(char, String)> {
        let mut nodes: Vec<_> = named(containers)
            .into_iter()
            .map(|(id, known)| (id.chars().next().unwrap(), known.node))
            .collect();
        nodes.sort();
        nodes
    }

    #[test]
    fn a_name_is_one_node_and_the_newest_has_it() {
        let containers = vec![
            container('a', 1, "web.1"),
            container('b', 3, "web_1"),
            container('c', 2, "web.1"),
            container('d', 2, "odd name/(x)"),
        ];
        let expected = [('a', "aaaaaaaaaaaa"), ('b', "web_1"), ('c', "cccccccccccc")];
        let expected = expected.map(|(id, node)| (id, node.to_owned()));
        let found = nodes(containers);
        assert_eq!(found[..3], expected);
        // A name with a slash is an alias, not the container's own.
        assert_eq!(found[3], ('d', "dddddddddddd".to_owned()));
        assert_eq!(node("a.b (c)"), "a_b__c_");
    }

    #[test]
    fn one_that_is_about_to_start_leaves_the_name_to_the_one_that_runs() {
        let next = container_in("created", 'b', 9, "web.1");
        let found = nodes(vec![next, container('a', 1, "web.1")]);
        let expected = [('a', "web_1"), ('b', "bbbbbbbbbbbb")];
        assert_eq!(found, expected.map(|(id, node)| (id, node.to_owned())));
    }

    #[test]
    fn without_docker_there_are_short_ids() {
        let folder = tempfile::tempdir().unwrap();
        let uri = format!("unix://{}/none", folder.path().display());
        let mut names = ContainerNames::new(Host::new(&uri).unwrap());
        assert!(names.refresh().is_err());
        let id = "0123456789abcdef".repeat(4);
        assert_eq!(names.node(&id).as_deref(), Some("0123456789ab"));
        assert!(!names.joins_another(&id));

        // One that is there and says nothing: wait for its answer.
        let path = folder.path().join("s");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let uri = format!("unix://{}", path.display());
        let mut names = ContainerNames::new(Host::new(&uri).unwrap());
        assert!(names.refresh().is_err());
        assert_eq!(names.node(&id), None);
    }
}
