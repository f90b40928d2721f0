//! Which containers are meant.

use std::collections::HashMap;
use std::str::FromStr;

use clap::ArgMatches;
use regex_lite::Regex;

use crate::service::docker::{Container, State};

/// What `--container`, `--pattern`, `--label` and `--image` say; a container has to fit all of them.
#[derive(Debug, Clone)]
pub(super) struct Chosen<'a> {
    names: Vec<&'a str>,
    pattern: Option<&'a Regex>,
    labels: Vec<&'a Label>,
    image: Option<&'a str>,
}

/// A label that a container has to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label {
    key: String,
    value: Option<String>,
}

impl FromStr for Label {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (text, None),
        };
        if key.is_empty() {
            return Err("use KEY or KEY=VALUE");
        }
        Ok(Self {
            key: key.to_owned(),
            value,
        })
    }
}

impl<'a> Chosen<'a> {
    pub(super) fn of(matches: &'a ArgMatches) -> Self {
        let names = matches.get_many::<String>("container").unwrap_or_default();
        Self {
            names: names.map(String::as_str).collect(),
            pattern: matches.get_one("pattern"),
            labels: matches.get_many("label").unwrap_or_default().collect(),
            image: matches.get_one::<String>("image").map(String::as_str),
        }
    }

    /// What was said, in words that no other choice has.
    pub(super) fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = self
            .names
            .iter()
            .map(|name| format!("name {name}"))
            .collect();
        let pattern = self.pattern.map(Regex::as_str);
        words.extend(pattern.map(|pattern| format!("pattern {pattern}")));
        words.extend(self.labels.iter().map(|label| match &label.value {
            Some(value) => format!("label {}={value}", label.key),
            None => format!("label {}", label.key),
        }));
        words.extend(self.image.map(|image| format!("image {image}")));
        words
    }

    /// Whether some are meant, and not all.
    pub(super) fn is_a_choice(&self) -> bool {
        let by_other = self.pattern.is_some() || !self.labels.is_empty() || self.image.is_some();
        self.is_by_name() || by_other
    }

    /// Whether it is known how they are called.
    pub(super) fn is_by_name(&self) -> bool {
        !self.names.is_empty()
    }

    /// Those that are meant, each task of Swarm once. Where none is chosen, those that have ended
    /// or were never started are left out, as nobody said that they should run.
    pub(super) fn among<'c>(&self, all: &'c [Container]) -> Vec<&'c Container> {
        let mut best: HashMap<String, &Container> = HashMap::new();
        for container in all {
            if let Some(slot) = container.slot() {
                let best = best.entry(slot).or_insert(container);
                if precedence(container) > precedence(best) {
                    *best = container;
                }
            }
        }
        let present = all.iter().filter(|container| match container.slot() {
            Some(slot) => best.get(&slot).is_some_and(|best| best.id == container.id),
            None => true,
        });
        let fits = |container: &&Container| {
            if self.is_a_choice() {
                self.fits(container)
            } else {
                !matches!(container.state(), State::Exited | State::Created)
            }
        };
        present.filter(fits).collect()
    }

    /// How many of all are left out, as they have ended or were never started; none if it is 0.
    pub(super) fn left_out(&self, all: &[Container]) -> Option<usize> {
        let is_over = |one: &&Container| matches!(one.state(), State::Exited | State::Created);
        let count = all.iter().filter(is_over).count();
        (count > 0 && !self.is_a_choice()).then_some(count)
    }

    /// The names that none of these has.
    pub(super) fn missing(&self, these: &[&Container]) -> Vec<&'a str> {
        let is_missing = |name: &&&str| !these.iter().any(|one| is_called(one, name));
        self.names.iter().filter(is_missing).copied().collect()
    }

    fn fits(&self, container: &Container) -> bool {
        let by_name = |names: &[&str]| names.iter().any(|name| is_called(container, name));
        (self.names.is_empty() || by_name(&self.names))
            && self
                .pattern
                .is_none_or(|pattern| pattern.is_match(&container.name()))
            && self
                .image
                .is_none_or(|image| is_of(&container.image, image))
            && self.labels.iter().all(|label| {
                let has = container.label(&label.key);
                has.is_some_and(|has| label.value.as_deref().is_none_or(|value| value == has))
            })
    }
}

/// Which of the containers that a task of Swarm has had it has now: one that runs; of those that
/// do not, the last that was started, as the next is made ahead of its time.
fn precedence(container: &Container) -> (bool, bool, i64) {
    let state = container.state();
    let is_up = matches!(state, State::Running | State::Paused);
    (is_up, state != State::Created, container.created)
}

/// By the name that is shown, its own, that without the engine before it, or the id as Docker
/// shortens it.
fn is_called(container: &Container, name: &str) -> bool {
    /// Fewer digits may be a name as well.
    const SHORT: usize = 12;
    let own = container.own_name();
    let of_engine = own.and_then(|own| own.rsplit_once('/')).map(|(_, own)| own);
    own == Some(name)
        || of_engine == Some(name)
        || container.slot().as_deref() == Some(name)
        || (name.len() >= SHORT && container.id.starts_with(name))
}

/// Whether an image is the one that is meant: the same, or the same without what was not said of
/// it, digest and tag.
fn is_of(image: &str, meant: &str) -> bool {
    let plain = image.split('@').next().unwrap_or_default();
    // A colon before a slash is that of a registry's port.
    let untagged = match plain.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before,
        _ => plain,
    };
    [image, plain, untagged].contains(&meant)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn containers(json: &str) -> Vec<Container> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn an_image_is_meant_with_or_without_tag_and_digest() {
        let image = "registry:5000/web:1.2@sha256:0123";
        for meant in [image, "registry:5000/web:1.2", "registry:5000/web"] {
            assert!(is_of(image, meant), "{meant}");
        }
        for other in [
            "registry:5000/web:1",
            "registry",
            "web",
            "registry:5000/we",
            "",
        ] {
            assert!(!is_of(image, other), "{other}");
        }
        assert!(is_of("registry:5000/web", "registry:5000/web"));
        assert!(is_of("bb", "bb") && !is_of("bb", "bb:latest"));
    }

    #[test]
    fn a_task_is_the_container_that_it_has_now() {
        let task = |id: &str, slot: &str, state: &str, created: i64| {
            format!(
                r#"{{"Id":"{id}","State":"{state}","Created":{created},"Labels":{{
                    "com.docker.swarm.service.name":"web",
                    "com.docker.swarm.task.name":"web.{slot}.{id}"}}}}"#
            )
        };
        let all = [
            task("a", "1", "running", 5),
            task("b", "1", "exited", 9),
            task("c", "2", "created", 9),
            task("d", "2", "exited", 8),
            task("e", "2", "exited", 7),
            task("f", "3", "created", 1),
        ];
        let all = containers(&format!("[{}]", all.join(",")));
        let label: Label = "com.docker.swarm.service.name=web".parse().unwrap();
        let chosen = Chosen {
            names: Vec::new(),
            pattern: None,
            labels: vec![&label],
            image: None,
        };
        let ids: Vec<&str> = chosen
            .among(&all)
            .iter()
            .map(|one| one.id.as_str())
            .collect();
        assert_eq!(ids, ["a", "d", "f"]);
    }

    #[test]
    fn a_container_is_called_by_many_names() {
        let all = containers(
            r#"[{"Id":"0123456789abcdef","Names":["/docker1/hpcg1"]},
                {"Id":"f","Names":["/web.1.x9"],"Labels":{"com.docker.swarm.service.name":"web",
                 "com.docker.swarm.task.name":"web.1.x9"}}]"#,
        );
        for name in ["docker1/hpcg1", "hpcg1", "0123456789ab", "0123456789abcdef"] {
            assert!(is_called(&all[0], name), "{name}");
        }
        for name in ["web.1", "web.1.x9"] {
            assert!(is_called(&all[1], name), "{name}");
        }
        for name in ["", "0123456", "docker1", "hpcg", "web", "f"] {
            assert!(!all.iter().any(|one| is_called(one, name)), "{name}");
        }
    }

    #[test]
    fn a_label_has_a_key() {
        assert!("".parse::<Label>().is_err() && "=x".parse::<Label>().is_err());
        let label: Label = "a=b=c".parse().unwrap();
        assert_eq!(
            (label.key.as_str(), label.value.as_deref()),
            ("a", Some("b=c"))
        );
    }
}
