//! The nodes that cannot be used, by partition.

use std::collections::{BTreeMap, BTreeSet};

use super::cut;
use super::share::Share;
use super::states::States;

use crate::service::slurm::Nodes;
use crate::status::{Findings, Perfdata, Status, counted, listed};

/// How many groups of nodes are named.
const NAMED: usize = 3;

/// Nodes of one state, for one reason.
type Groups<'a> = BTreeMap<(String, &'a str), BTreeSet<&'a str>>;

#[derive(Default)]
struct Partition<'a> {
    name: &'a str,
    availability: &'a str,
    all: BTreeSet<&'a str>,
    unusable: Groups<'a>,
    unknown: BTreeSet<String>,
}

/// All that are looked at, in the order in which SLURM lists them.
pub(super) struct Partitions<'a> {
    found: Vec<Partition<'a>>,
    missing: Vec<String>,
}

impl<'a> Partitions<'a> {
    /// Those of these names, or all if there are none.
    pub(super) fn of(nodes: &'a [Nodes], wanted: &[&str], rules: &States) -> Self {
        let mut found: Vec<Partition<'a>> = Vec::new();
        for nodes in nodes {
            if !wanted.is_empty() && !wanted.contains(&nodes.partition.as_str()) {
                continue;
            }
            let place = found.iter().position(|one| one.name == nodes.partition);
            let place = place.unwrap_or(found.len());
            if place == found.len() {
                found.push(Partition {
                    name: &nodes.partition,
                    availability: &nodes.availability,
                    ..Partition::default()
                });
            }
            let Some(partition) = found.get_mut(place) else {
                continue;
            };
            let names = nodes.names.iter().map(String::as_str);
            partition.all.extend(names.clone());
            let status = rules.judge(&nodes.state);
            if nodes.names.is_empty() || status == Status::Ok {
                continue;
            }
            if status == Status::Unknown {
                partition.unknown.insert(nodes.state.to_string());
            }
            let group = (nodes.state.to_string(), nodes.reason.as_str());
            partition.unusable.entry(group).or_default().extend(names);
        }
        let is_missing = |name: &&&str| !found.iter().any(|one| one.name == **name);
        let missing = wanted.iter().filter(is_missing);
        Self {
            missing: missing.map(|name| (*name).to_owned()).collect(),
            found,
        }
    }

    pub(super) fn judge(
        &self,
        share: &Share,
        findings: &mut Findings,
        perfdata: &mut Vec<Perfdata>,
    ) {
        for name in &self.missing {
            findings.add(Status::Critical, format!("there is no partition {name}"));
        }
        for partition in &self.found {
            let Partition {
                name,
                availability,
                unknown,
                ..
            } = partition;
            if *availability != "up" {
                let what = format!("partition {name} is {availability}: its jobs do not start");
                findings.add(Status::Warning, what);
            }
            let (count, all) = (count(&partition.unusable), partition.all.len());
            let (status, reached) = share.judge(count, all);
            let nodes = counted(all, "node");
            let groups = words(&partition.unusable);
            let what = format!("partition {name}: {count} of {nodes} unusable {reached}: {groups}");
            findings.add(status, what);
            for state in unknown {
                let what =
                    format!("partition {name} has nodes that are {state}, which may mean anything");
                findings.add(Status::Unknown, what);
            }
            perfdata.extend(share.figures(&format!("{name} unusable"), count, all));
        }
    }

    /// All of them together.
    pub(super) fn words(&self) -> String {
        let mut unusable = Groups::new();
        for partition in &self.found {
            for (group, names) in &partition.unusable {
                unusable.entry(group.clone()).or_default().extend(names);
            }
        }
        let all: BTreeSet<&&str> = self.found.iter().flat_map(|one| &one.all).collect();
        let (count, nodes) = (count(&unusable), counted(all.len(), "node"));
        let groups = words(&unusable);
        let colon = if groups.is_empty() { "" } else { ": " };
        format!("{count} of {nodes} unusable{colon}{groups}")
    }
}

fn count(groups: &Groups<'_>) -> usize {
    let names: BTreeSet<&&str> = groups.values().flatten().collect();
    names.len()
}

/// `hpcg[2-4] drained (bad disk), hpcg7 down`; the biggest groups first.
fn words(groups: &Groups<'_>) -> String {
    let mut groups: Vec<_> = groups.iter().collect();
    groups.sort_by_key(|(_, names)| std::cmp::Reverse(names.len()));
    let name = |((state, reason), names): &(&(String, &str), &BTreeSet<&str>)| {
        let reason = match *reason {
            "" => String::new(),
            reason => format!(" ({})", cut(reason)),
        };
        format!("{} {state}{reason}", cut(&venus_hostlist::fold(*names)))
    };
    let named: Vec<String> = groups.iter().take(NAMED).map(name).collect();
    let rest = groups.iter().skip(NAMED).map(|(_, names)| names.len());
    listed(&named, rest.sum())
}
