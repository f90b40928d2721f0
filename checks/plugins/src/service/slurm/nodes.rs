//! What `sinfo` and `scontrol show node` say.

use super::{Misunderstood, State, beginning, records, time};

/// The nodes of one partition that are in the same state for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nodes {
    /// Its name.
    pub partition: String,
    /// How it is: `up`, `down`, `drain`, `inact`.
    pub availability: String,
    /// Their state.
    pub state: State,
    /// Their names. None of a partition that has no node.
    pub names: Vec<String>,
    /// Why they are so; may be empty.
    pub reason: String,
}

/// How many names there may be, those of a node in several partitions counted for each.
pub(super) const MOST: usize = 1 << 20;

/// All of them, of `sinfo`.
pub fn nodes_of(printed: &str) -> Result<Vec<Nodes>, Misunderstood> {
    let mut left = MOST;
    let all = records(printed).map(|record| {
        let [partition, availability, state, names, reason] = record?;
        let (names, reason) = (names.trim(), reason.trim());
        let expanded = venus_hostlist::expand(names)
            .map_err(|why| Misunderstood::Hosts(beginning(names), why))?;
        left = left
            .checked_sub(expanded.len())
            .ok_or(Misunderstood::Many)?;
        Ok(Nodes {
            partition: partition.to_owned(),
            availability: availability.to_owned(),
            state: State::of(state),
            names: expanded,
            reason: if reason == "none" { "" } else { reason }.to_owned(),
        })
    });
    all.collect()
}

/// How many nodes and processors are in the same state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amounts {
    /// Of this partition; empty for the whole cluster.
    pub partition: String,
    /// Their state.
    pub state: State,
    /// How many nodes.
    pub nodes: u64,
    /// Their processors.
    pub cpus: Cpus,
}

/// Processors by what they do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cpus {
    /// Those of jobs.
    pub allocated: u64,
    /// Those that wait for one.
    pub idle: u64,
    /// Those of nodes that take none: down, drained.
    pub other: u64,
    /// All of them.
    pub total: u64,
}

/// All of them, of `sinfo`.
pub fn amounts_of(printed: &str) -> Result<Vec<Amounts>, Misunderstood> {
    let all = records(printed).map(|record| {
        let [nodes, state, cpus, partition] = record?;
        let number = |text: &str| text.trim().parse::<u64>().ok();
        let parts: Option<Vec<u64>> = cpus.split('/').map(number).collect();
        let parts = parts.and_then(|parts| <[u64; 4]>::try_from(parts).ok());
        let [allocated, idle, other, total] =
            parts.ok_or_else(|| Misunderstood::field(cpus, "number of processors by state"))?;
        Ok(Amounts {
            partition: partition.to_owned(),
            state: State::of(state),
            nodes: number(nodes).ok_or_else(|| Misunderstood::field(nodes, "number of nodes"))?,
            cpus: Cpus {
                allocated,
                idle,
                other,
                total,
            },
        })
    });
    all.collect()
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// How it is.
    pub state: State,
    /// Why, where somebody or SLURM itself has said so.
    pub reason: Option<Reason>,
}

/// Why a node is as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// In words.
    pub text: String,
    /// Who says so; SLURM itself is `root` or `slurm`.
    pub user: Option<String>,
    /// Since when, in seconds since the epoch.
    pub since: Option<u64>,
}

/// The first that `scontrol show node` tells of. Its state comes before all that an administrator
/// can have written.
pub fn node_of(printed: &str) -> Result<Node, Misunderstood> {
    let end = printed
        .match_indices("\nNodeName=")
        .map(|(at, _)| at)
        .find(|at| {
            printed
                .get(..*at)
                .is_some_and(|before| before.contains("NodeName="))
        });
    let first = end.and_then(|end| printed.get(..end)).unwrap_or(printed);
    let value = |key: &str| first.lines().find_map(|line| line.trim().strip_prefix(key));
    let state = value("State=").and_then(|rest| rest.split_whitespace().next());
    Ok(Node {
        state: State::of(state.ok_or(Misunderstood::Lacks("State"))?),
        reason: value("Reason=")
            .filter(|text| *text != "(null)")
            .map(reason),
    })
}

/// `bad disk [root@1453048230]`
fn reason(text: &str) -> Reason {
    let parts = text
        .strip_suffix(']')
        .and_then(|text| text.rsplit_once(" ["));
    let by = parts.and_then(|(text, by)| Some((text, by.rsplit_once('@')?)));
    match by {
        Some((text, (user, since))) => Reason {
            text: text.to_owned(),
            user: Some(user.to_owned()),
            since: time(since),
        },
        None => Reason {
            text: text.to_owned(),
            user: None,
            since: None,
        },
    }
}

/// The memory of nodes together, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// What SLURM was told that they have.
    pub total: u64,
    /// What jobs have been given of it.
    pub allocated: u64,
    /// What their kernels have free; of those that tell.
    pub free: u64,
}

/// That of all nodes that `scontrol show node` tells of.
pub fn memory_of(printed: &str) -> Result<Memory, Misunderstood> {
    let mut memory = Memory::default();
    let mut is_wanted = false;
    for line in printed.lines() {
        // At the beginning of a line nobody else can write.
        if line.starts_with("NodeName=") {
            is_wanted = true;
        }
        let line = line.trim_start();
        if !is_wanted || !line.starts_with("RealMemory=") {
            continue;
        }
        is_wanted = false;
        let megabytes = |key: &str| {
            let mut words = line.split_whitespace();
            words.find_map(|word| word.strip_prefix(key))
        };
        let bytes = |text: &str| text.parse::<u64>().ok()?.checked_mul(1 << 20);
        let total = megabytes("RealMemory=").and_then(bytes);
        let total = total.ok_or_else(|| Misunderstood::field(line, "memory"))?;
        memory.total = memory.total.saturating_add(total);
        for (sum, key) in [
            (&mut memory.allocated, "AllocMem="),
            (&mut memory.free, "FreeMem="),
        ] {
            // N/A of a node that is down.
            let more = megabytes(key).and_then(bytes).unwrap_or(0);
            *sum = sum.saturating_add(more);
        }
    }
    // Of no node at all, which must not look like 0.
    if memory.total == 0 {
        return Err(Misunderstood::Lacks("RealMemory"));
    }
    Ok(memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_nodes_the_first_is_meant() {
        let printed = "NodeName=a Arch=x86_64\n   State=IDLE ThreadsPerCore=1\n\n\
                       NodeName=b Arch=x86_64\n   State=DOWN\n   Reason=fan [root@7]\n";
        let node = node_of(printed).unwrap();
        assert_eq!(
            (node.state.to_string().as_str(), node.reason),
            ("idle", None)
        );
        let lacking = "NodeName=a\n\nNodeName=b\n   State=DOWN\n";
        assert_eq!(node_of(lacking), Err(Misunderstood::Lacks("State")));
    }

    /// 3,000 records of one line each would be 200 million names.
    #[test]
    fn all_records_together_have_a_budget() {
        let record = "all\x1fup\x1fidle\x1fh[1-65536]\x1fnone\x1e\n";
        assert_eq!(nodes_of(&record.repeat(16)).unwrap().len(), 16);
        assert_eq!(nodes_of(&record.repeat(3000)), Err(Misunderstood::Many));
    }

    #[test]
    fn a_reason_may_have_anything_in_it() {
        for (text, reason, user, since) in [
            (
                "bad disk [root@1453048230]",
                "bad disk",
                Some("root"),
                Some(1_453_048_230),
            ),
            ("a [b@c] d [e@f.g@7]", "a [b@c] d", Some("e@f.g"), Some(7)),
            ("a [slurm@2016-01-17T16:30:30]", "a", Some("slurm"), None),
            ("a [b]", "a [b]", None, None),
            ("", "", None, None),
        ] {
            let printed = format!(
                "NodeName=a\n   State=IDLE+DRAIN x=1\n   Reason={text}\n          State=IDLE\n"
            );
            let node = node_of(&printed).unwrap();
            assert_eq!(node.state.to_string(), "drained");
            let got = node.reason.unwrap();
            assert_eq!(
                (&*got.text, got.user.as_deref(), got.since),
                (reason, user, since)
            );
        }
    }
}
