//! What `squeue` says.

use super::{Misunderstood, records, time};

/// A job that is not over. Tasks of an array that wait are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// `7`, `7_1`, `7_[2-10]`.
    pub id: String,
    /// Where it runs; while it waits, all where it may.
    pub partitions: Vec<String>,
    /// `pending`, `running`, `completing`, …
    pub state: String,
    /// Whose it is.
    pub user: String,
    /// When it was submitted, in seconds since the epoch.
    pub submitted: Option<u64>,
    /// When it ended, or is to end, in seconds since the epoch.
    pub end: Option<u64>,
    /// Why it waits; `None` if it does not.
    pub reason: String,
}

/// All of them.
pub fn jobs_of(printed: &str) -> Result<Vec<Job>, Misunderstood> {
    let jobs = records(printed).map(|record| {
        let [id, partitions, state, user, submitted, end, reason] = record?;
        Ok(Job {
            id: id.to_owned(),
            partitions: partitions.split(',').map(str::to_owned).collect(),
            state: state.to_lowercase(),
            user: user.to_owned(),
            submitted: time(submitted),
            end: time(end),
            reason: reason.trim().to_owned(),
        })
    });
    jobs.collect()
}
