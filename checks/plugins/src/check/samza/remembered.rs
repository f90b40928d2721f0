//! Containers that have reported before: one that died is soon in none of the messages that are read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use venus_collectors::state::StateFile;

use crate::context::Context;
use crate::service::samza::{Job, Reports};

/// Where and when a container last reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Last {
    pub(super) job: Job,
    pub(super) container: String,
    pub(super) host: String,
    /// In seconds since the epoch; no later than when that was read, whatever its clock says.
    pub(super) at: u64,
}

/// What is known from former runs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Remembered {
    /// Those that are in no message any more.
    pub(super) vanished: Vec<Last>,
    /// Whether nothing was ever kept.
    pub(super) is_first: bool,
    /// Why it may not be all, or is not there for the next run.
    pub(super) trouble: Vec<String>,
}

impl Remembered {
    /// What this file has, which then has the containers of these reports, too. What is `forget` seconds old
    /// or older is dropped.
    pub(super) fn of(file: &StateFile, reports: &Reports, forget: u64, context: &Context) -> Self {
        let mut remembered = Self::default();
        context.step(format!("reading {}", file.path().display()));
        let before = match file.read::<Option<Vec<Last>>>() {
            Ok((before, damaged)) => {
                let damaged = damaged.map(|damaged| damaged.to_string());
                remembered.is_first = before.is_none() && damaged.is_none();
                remembered.trouble.extend(damaged);
                before
            }
            // What is there is not written over.
            Err(error) => {
                remembered.trouble.push(error.to_string());
                return remembered;
            }
        };
        let was_kept = before.is_some();
        let known = known(before.unwrap_or_default(), reports, forget, context.now);
        if was_kept || !known.is_empty() {
            context.step(format!("writing {}", file.path().display()));
            if let Err(error) = file.write(&known) {
                remembered.trouble.push(error.to_string());
            }
        }
        let vanished = known.into_iter().filter(|last| {
            let containers = reports.jobs.get(&last.job);
            !containers.is_some_and(|containers| containers.contains_key(&last.container))
        });
        remembered.vanished = vanished.collect();
        remembered
    }
}

/// All that have ever reported, and not so long ago that they are forgotten.
fn known(before: Vec<Last>, reports: &Reports, forget: u64, now: u64) -> Vec<Last> {
    let mut known = BTreeMap::new();
    let reported = reports.jobs.iter().flat_map(|(job, containers)| {
        containers.iter().map(move |(name, container)| Last {
            job: job.clone(),
            container: name.clone(),
            host: container.host.clone(),
            at: container.reported().min(now),
        })
    });
    for last in before.into_iter().chain(reported) {
        let key = (last.job.clone(), last.container.clone());
        let is_newer = |old: &Last| last.at >= old.at;
        if known.get(&key).is_none_or(is_newer) {
            known.insert(key, last);
        }
    }
    let mut known: Vec<Last> = known.into_values().collect();
    known.retain(|last| now.saturating_sub(last.at) < forget);
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::samza::Container;

    fn last(container: &str, host: &str, at: u64) -> Last {
        Last {
            job: ("wordcount".to_owned(), "1".to_owned()),
            container: container.to_owned(),
            host: host.to_owned(),
            at,
        }
    }

    #[test]
    fn the_last_report_is_kept_until_it_is_forgotten() {
        let mut reports = Reports::default();
        let job = reports.jobs.entry(last("", "", 0).job).or_default();
        for (name, host, time) in [
            ("a", "venus002", 1_000_500),
            ("b", "venus002", 900_000),
            // Its clock is ahead.
            ("c", "venus002", 9_000_000),
        ] {
            let mut container = Container::default();
            container.host = host.to_owned();
            container.time = time;
            job.insert(name.to_owned(), container);
        }
        let before = vec![
            last("a", "venus001", 900),
            // Not all could be read.
            last("b", "venus001", 950),
            last("d", "venus001", 701),
            last("e", "venus001", 700),
        ];
        assert_eq!(
            known(before, &reports, 300, 1000),
            [
                last("a", "venus002", 1000),
                last("b", "venus001", 950),
                last("c", "venus002", 1000),
                last("d", "venus001", 701),
            ]
        );
    }
}
