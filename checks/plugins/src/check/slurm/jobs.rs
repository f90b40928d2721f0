//! Which jobs are stuck.

use super::cut;

use crate::service::slurm::Job;
use crate::status::{duration, listed};

/// How many are named.
const NAMED: usize = 3;

/// Reasons for which a job waits as it should, as a whole: it will have its turn, or its owner or an
/// administrator wants it so.
const USUAL: [&str; 11] = [
    "None",
    "Resources",
    "Priority",
    "Dependency",
    "BeginTime",
    "Licenses",
    "Reservation",
    "JobHeldUser",
    "JobHeldAdmin",
    "JobArrayTaskLimit",
    "Cleaning",
];

/// Limits by their beginning: most are over when other jobs are.
const LIMITS: [&str; 5] = ["Assoc", "QOS", "MaxJobsPer", "MaxCpuPer", "MaxNodePer"];

/// What is in the name of a limit that no other job's end helps with: one of the job itself, one of
/// what was used before, which has to be forgotten first, or what is no limit.
const LASTING: [&str; 5] = ["NotAllowed", "NotSatisfied", "PerJob", "Minutes", "GrpWall"];

/// A job that is stuck, and how.
pub(super) struct Stuck<'a> {
    job: &'a Job,
    how: String,
}

/// Those that wait for so many seconds for something unusual, have been ending for so long, or were
/// put back by SLURM and held, which nobody but an administrator ends. `usual` are more reasons.
pub(super) fn stuck<'a>(jobs: &[&'a Job], after: u64, usual: &[&str], now: u64) -> Vec<Stuck<'a>> {
    let is_long = |since: Option<u64>| since.filter(|since| now.saturating_sub(*since) >= after);
    let how = |job: &Job| match job.state.as_str() {
        "pending" if is_held_by_slurm(&job.reason) => Some(format!("waits: {}", cut(&job.reason))),
        "pending" if !is_usual(&job.reason, usual) => {
            let since = is_long(job.submitted)?;
            Some(format!(
                "waits for {}: {}",
                duration(now.saturating_sub(since)),
                cut(&job.reason)
            ))
        }
        "completing" => {
            let since = is_long(job.end)?;
            Some(format!(
                "has been completing for {}",
                duration(now.saturating_sub(since))
            ))
        }
        _ => None,
    };
    jobs.iter()
        .filter_map(|job| how(job).map(|how| Stuck { job, how }))
        .collect()
}

fn is_held_by_slurm(reason: &str) -> bool {
    let reason = reason.to_lowercase();
    reason.contains("requeued held")
        || reason.contains("requeued in held")
        || reason.starts_with("jobholdmaxrequeue")
}

fn is_usual(reason: &str, usual: &[&str]) -> bool {
    // `ReqNodeNotAvail, UnavailableNodes:hpcg2`, `ReqNodeNotAvail(Unavailable:hpcg2)`
    let end = reason.find([',', '(']).unwrap_or(reason.len());
    let word = reason.get(..end).unwrap_or_default().trim();
    USUAL.contains(&word)
        || usual.iter().any(|with| reason.starts_with(with))
        || LIMITS.iter().any(|with| word.starts_with(with)) && !is_lasting(word)
        || reason.is_empty()
        // Of nodes that are not available: it is known until when. And of a big job, while one node
        // is out or another partition comes first: the node has its own threshold.
        || reason.contains("eserved for")
}

fn is_lasting(limit: &str) -> bool {
    // Of what runs at the moment.
    let limit = limit.replace("RunMinutes", "");
    LASTING.iter().any(|part| limit.contains(part))
}

/// The first of them in words.
pub(super) fn words(all: &[Stuck<'_>]) -> String {
    let name = |one: &Stuck<'_>| {
        let Job {
            id,
            user,
            partitions,
            ..
        } = one.job;
        let partitions = cut(&partitions.join(","));
        format!(
            "job {} of {} in {partitions} {}",
            cut(id),
            cut(user),
            one.how
        )
    };
    let named: Vec<String> = all.iter().take(NAMED).map(name).collect();
    listed(&named, all.len() - named.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(state: &str, reason: &str, submitted: u64, end: Option<u64>) -> Job {
        Job {
            id: "7".to_owned(),
            partitions: vec!["odd".to_owned(), "even".to_owned()],
            state: state.to_owned(),
            user: "alice".to_owned(),
            submitted: Some(submitted),
            end,
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn stuck_or_having_its_turn() {
        for (job, how) in [
            (job("pending", "Resources", 0, None), ""),
            (job("pending", "Priority", 0, None), ""),
            (job("pending", "QOSMaxCpuPerUserLimit", 0, None), ""),
            (
                job(
                    "pending",
                    "ReqNodeNotAvail, May be reserved for other job",
                    0,
                    None,
                ),
                "",
            ),
            (
                job(
                    "pending",
                    "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions",
                    0,
                    None,
                ),
                "",
            ),
            (job("pending", "Mine", 0, None), ""),
            (job("pending", "BadConstraints", 7000, None), ""),
            (
                job("pending", "BadConstraints", 2800, None),
                "waits for 2 h 0 min: BadConstraints",
            ),
            (
                job(
                    "pending",
                    "ReqNodeNotAvail, UnavailableNodes:hpcg2",
                    0,
                    None,
                ),
                "waits for 2 h 46 min: ReqNodeNotAvail, UnavailableNodes:hpcg2",
            ),
            (
                job("pending", "launch failed requeued held", 9999, None),
                "waits: launch failed requeued held",
            ),
            (
                job("pending", "job requeued in held state", 9999, None),
                "waits: job requeued in held state",
            ),
            (job("running", "None", 0, Some(20_000)), ""),
            (job("completing", "None", 0, Some(9000)), ""),
            (
                job("completing", "None", 0, Some(6400)),
                "has been completing for 1 h 0 min",
            ),
            (job("completing", "None", 0, None), ""),
        ] {
            let jobs = [job];
            let jobs: Vec<&Job> = jobs.iter().collect();
            let stuck = stuck(&jobs, 3600, &["Mine"], 10_000);
            let how = if how.is_empty() {
                String::new()
            } else {
                format!("job 7 of alice in odd,even {how}")
            };
            assert_eq!(words(&stuck), how, "{:?}", jobs[0]);
        }
        let jobs: Vec<Job> = (0..10_000)
            .map(|_| job("pending", "BadConstraints", 0, None))
            .collect();
        let jobs: Vec<&Job> = jobs.iter().collect();
        let words = words(&stuck(&jobs, 1, &[], 10_000));
        assert!(
            words.ends_with(", and 9997 more") && words.len() < 300,
            "{words}"
        );
    }

    #[test]
    fn what_begins_as_a_usual_reason_is_not_one() {
        for (reason, is_usual_) in [
            ("Dependency", true),
            ("Dependency, for now", true),
            ("DependencyNeverSatisfied", false),
            ("Reservation", true),
            ("ReservationDeleted", false),
            ("Licenses(matlab)", true),
            ("QOSNotAllowed", false),
            ("QOSUsageThreshold", true),
            ("QOSGrpCpuLimit", true),
            ("QOSMaxJobsPerUserLimit", true),
            ("QOSMaxCpuPerJobLimit", false),
            ("QOSMinCpuNotSatisfied", false),
            ("QOSGrpWallLimit", false),
            ("AssocGrpCPUMinutesLimit", false),
            ("AssocGrpCPURunMinutesLimit", true),
            ("AssocMaxJobsLimit", true),
            ("AssocMaxWallDurationPerJobLimit", false),
            ("MaxNodePerAccount", true),
            ("AccountNotAllowed", false),
            ("PriorityX", false),
        ] {
            assert_eq!(is_usual(reason, &[]), is_usual_, "{reason}");
        }
        assert!(is_usual("AssocGrpCPUMinutesLimit", &["AssocGrpCPU"]));
    }
}
