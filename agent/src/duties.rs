//! What this node runs by itself, and when.

use crate::check::builtin_checks;
use crate::clock;
use crate::schedule::{Plan, Recurrence, splay};
use crate::settings::{Check, Settings, Transport};
use chrono::Local;
use std::collections::HashMap;
use std::future::pending;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The built-in and the standalone checks with their plan.
pub(crate) struct Duties {
    /// The moment that the plan's times are counted from.
    start: Instant,
    checks: Vec<Check>,
    plan: Plan<Local>,
    due: Vec<usize>,
    punctuality: Punctuality,
}

/// How well the plan is kept.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Punctuality {
    /// Checks that were started by themselves.
    pub(crate) started: u64,
    /// Runs that were left out, as their time was over.
    pub(crate) missed: u64,
    /// How much later than planned the last were started.
    pub(crate) late: Duration,
}

impl Duties {
    /// Those of these settings, none of which has run yet.
    pub(crate) fn of(settings: &Settings) -> Self {
        let mut duties = Self {
            start: Instant::now(),
            checks: Vec::new(),
            plan: Plan::default(),
            due: Vec::new(),
            punctuality: Punctuality::default(),
        };
        duties.replace(settings, |_| {});
        duties
    }

    pub(crate) fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// How well the plan was kept so far.
    pub(crate) fn punctuality(&self) -> Punctuality {
        self.punctuality
    }

    /// Waits until there is something to run. Safe to cancel.
    pub(crate) async fn wait(&self) {
        match self.plan.next() {
            Some(next) => sleep_until(self.start + next).await,
            None => pending().await,
        }
    }

    /// Hands everything that is due to `run`.
    pub(crate) fn take_due(&mut self, mut run: impl FnMut(&Check)) {
        self.take_due_at(self.start.elapsed(), &mut run);
    }

    /// Passes over everything that is due: its time was while nobody ran it.
    pub(crate) fn skip_due(&mut self) {
        self.take_due(|_| {});
    }

    fn take_due_at(&mut self, at: Duration, run: &mut dyn FnMut(&Check)) {
        self.due.clear();
        let planned = self.plan.next();
        let missed = self.plan.take_due(at, clock::local_now, &mut self.due);
        self.punctuality.missed += missed;
        if !self.due.is_empty() {
            self.punctuality.started += self.due.len() as u64;
            self.punctuality.late = at.saturating_sub(planned.unwrap_or(at));
        }
        let due = self.due.iter().filter_map(|index| self.checks.get(*index));
        due.for_each(run);
    }

    /// Hands everything that is due to `run`, and takes on the duties of other
    /// settings. A check whose name and interval stay
    /// keeps its phase: it runs neither more nor less often for that.
    pub(crate) fn replace(&mut self, settings: &Settings, mut run: impl FnMut(&Check)) {
        let at = self.start.elapsed();
        self.take_due_at(at, &mut run);
        let dues = self.plan.dues();
        let known: HashMap<String, (Check, Duration)> = self
            .checks
            .drain(..)
            .enumerate()
            .filter_map(|(index, check)| {
                let due = *dues.get(&index)?;
                Some((check.name.clone(), (check, due)))
            })
            .collect();
        self.checks = builtin_checks(settings);
        let scheduled = settings.checks.iter();
        let scheduled = scheduled.filter(|check| check.recurrence.is_some());
        self.checks.extend(scheduled.cloned());

        let now = clock::local_now();
        let since_epoch = clock::since_epoch();
        self.plan = Plan::default();
        for check in &self.checks {
            let Some(recurrence) = &check.recurrence else {
                continue;
            };
            let kept = known
                .get(&check.name)
                .filter(|(old, _)| old.recurrence == check.recurrence)
                .map(|(_, due)| *due);
            let first = kept.unwrap_or_else(|| at + first_wait(check, settings, since_epoch));
            self.plan.add(recurrence, first, at, &now);
        }
    }
}

/// How long a new check waits for its first run. Behind a broker each has the
/// splay of its name, and the built-in ones share that of the client's name, so
/// that one wake-up serves them all. Without one somebody waits: all run at once.
fn first_wait(check: &Check, settings: &Settings, since_epoch: Duration) -> Duration {
    let client = &settings.client.name;
    match &check.recurrence {
        Some(Recurrence::Every(interval)) if settings.transport != Transport::Embedded => {
            if check.builtin {
                splay(client, *interval, since_epoch)
            } else {
                let key = format!("{client}:{}", check.name);
                splay(&key, *interval, since_epoch)
            }
        }
        Some(Recurrence::Every(_) | Recurrence::Cron(_)) | None => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    const TWO_DAYS: Duration = Duration::from_hours(48);
    /// The runtime's timers count milliseconds.
    const TICK: Duration = Duration::from_millis(2);
    const INTERVALS: [u64; 8] = [5, 7, 10, 30, 60, 300, 3600, 86_400];

    #[tokio::test(start_paused = true)]
    async fn in_two_days_each_check_runs_as_often_as_its_interval_says_and_none_drifts() {
        let checks = INTERVALS.iter().chain(&INTERVALS[2..]);
        let checks = checks.enumerate().map(|(number, interval)| {
            let check = json!({"command": "true", "standalone": true, "interval": interval});
            (format!("check-{number}"), check)
        });
        let settings = json!({
            "client": {"name": "one", "address": "192.0.2.1", "subscriptions": []},
            "rabbitmq": {},
            "checks": checks.collect::<serde_json::Map<_, _>>(),
        });
        let Value::Object(settings) = settings else {
            unreachable!()
        };
        let settings = Settings::compile(settings, Vec::new()).unwrap();
        let mut duties = Duties::of(&settings);
        let start = Instant::now();
        // Of each check its interval, when it ran first, and how often it ran.
        let mut seen: BTreeMap<String, (Duration, Duration, u32)> = BTreeMap::new();
        loop {
            duties.wait().await;
            let at = start.elapsed();
            if at > TWO_DAYS {
                break;
            }
            duties.take_due(|check| {
                let Some(Recurrence::Every(interval)) = check.recurrence else {
                    unreachable!()
                };
                let (_, first, runs) = seen.entry(check.name.clone()).or_insert((interval, at, 0));
                let planned = *first + interval * *runs;
                assert!(at.abs_diff(planned) <= TICK, "{}: {at:?}", check.name);
                *runs += 1;
            });
        }
        assert_eq!(seen.len(), settings.checks.len());
        for (name, (interval, first, runs)) in seen {
            assert!(first <= interval + TICK, "{name}: {first:?}");
            let left = TWO_DAYS.saturating_sub(first).as_nanos() / interval.as_nanos();
            assert_eq!(u128::from(runs), left + 1, "{name}");
        }
        assert_eq!(duties.punctuality().missed, 0);
    }
}
