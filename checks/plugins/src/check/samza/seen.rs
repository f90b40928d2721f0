//! How a job's containers are.

use std::collections::BTreeMap;

use crate::check::limits;
use crate::check::samza::Wanted;
use crate::check::samza::remembered::Last;
use crate::service::samza::{Container, Job};
use crate::status::{Findings, Limits, Perfdata, Status, Unit, counted, hundredths};

/// A job's containers.
pub(super) struct Seen<'a> {
    name: String,
    containers: Vec<One<'a>>,
}

/// A container.
struct One<'a> {
    name: &'a str,
    host: &'a str,
    /// How long ago it reported, in seconds; 0 where its clock is ahead.
    age: u64,
    /// What it reported, if that was read: one that has vanished is only remembered.
    container: Option<&'a Container>,
}

impl<'a> Seen<'a> {
    /// Those that have reported, and those that did before.
    pub(super) fn of(
        job: &Job,
        reported: Option<&'a BTreeMap<String, Container>>,
        vanished: &[&'a Last],
        now: u64,
    ) -> Self {
        let reported = reported.into_iter().flatten();
        let reported = reported.map(|(name, container)| One {
            name,
            host: &container.host,
            age: now.saturating_sub(container.reported()),
            container: Some(container),
        });
        let vanished = vanished.iter().map(|last| One {
            name: &last.container,
            host: &last.host,
            age: now.saturating_sub(last.at),
            container: None,
        });
        let (name, id) = job;
        Self {
            name: format!("{name} {id}"),
            containers: reported.chain(vanished).collect(),
        }
    }

    /// What those have reported that did.
    fn reported(&self) -> impl Iterator<Item = &'a Container> {
        self.containers.iter().filter_map(|one| one.container)
    }

    /// `missing` is how bad it is that a container has not reported.
    pub(super) fn judge(&self, wanted: &Wanted, missing: Status, findings: &mut Findings) {
        let job = &self.name;
        let there = self.reported().count();
        if (there as u64) < wanted.containers {
            let (there, expected) = (counted(there, "container"), wanted.containers);
            let what = format!("job {job}: {there} reported, expected {expected}");
            findings.add(missing, what);
        }
        for name in &wanted.names {
            if !self.containers.iter().any(|one| one.name == name) {
                findings.add(missing, format!("job {job}: {name} has not reported"));
            }
        }
        for One {
            name,
            host,
            age,
            container,
        } in &self.containers
        {
            let mut add = |limits: &Limits, status, what: String| {
                let crossed = limits::reached(limits, status);
                let what = format!("job {job}: {name} on {host} {what}{crossed}");
                // What one has reported since that has vanished may be what could not be read.
                let is_unclear = container.is_none() && missing == Status::Unknown;
                let is_wrong = status != Status::Ok;
                let status = if is_unclear && is_wrong {
                    missing
                } else {
                    status
                };
                findings.add(status, what);
            };
            let status = wanted.age.judge(*age);
            let what = format!("last reported {age} s ago");
            add(&wanted.age, status, what);
            let Some(container) = container else {
                continue;
            };
            if let Some(time) = container.seconds("process") {
                let milliseconds = hundredths(time * 1e3);
                let status = wanted.process.judge(milliseconds);
                let what = format!("takes {milliseconds} ms for a message");
                add(&wanted.process, status, what);
            }
            if let Some(errors) = container.errors() {
                let status = wanted.errors.judge(errors);
                add(
                    &wanted.errors,
                    status,
                    format!("has had {}", counted(errors, "error")),
                );
            }
        }
        if let Some(lag) = self.lag() {
            let status = wanted.lag.judge(lag);
            let crossed = limits::reached(&wanted.lag, status);
            let messages = counted(lag, "message");
            findings.add(status, format!("job {job} has {messages} to read{crossed}"));
        }
    }

    /// Of all containers that tell.
    fn lag(&self) -> Option<u64> {
        let all = self.reported().filter_map(Container::behind);
        all.reduce(u64::saturating_add)
    }

    /// The slowest container's time for a message, in seconds.
    fn process(&self) -> Option<f64> {
        let all = self.reported();
        all.filter_map(|container| container.seconds("process"))
            .reduce(f64::max)
    }

    fn age(&self) -> u64 {
        let all = self.containers.iter().map(|one| one.age);
        all.max().unwrap_or_default()
    }

    pub(super) fn words(&self) -> String {
        let containers = counted(self.reported().count(), "container");
        let mut words = format!(
            "job {}: {containers}, last reported at most {} s ago",
            self.name,
            self.age()
        );
        if let Some(time) = self.process() {
            words.push_str(&format!(", {} ms for a message", hundredths(time * 1e3)));
        }
        if let Some(lag) = self.lag() {
            words.push_str(&format!(", {} to read", counted(lag, "message")));
        }
        words
    }

    pub(super) fn perfdata(&self, wanted: &Wanted) -> Vec<Perfdata> {
        let label = |what: &str| format!("{} {what}", self.name);
        let mut figures = vec![
            Perfdata::new(label("containers"), self.reported().count(), Unit::None).min(0),
            Perfdata::new(label("age"), self.age(), Unit::Seconds)
                .thresholds(wanted.age.thresholds())
                .min(0),
        ];
        // The threshold is in milliseconds, the figure in seconds, so it goes without.
        let process = self.process();
        figures.extend(
            process.map(|time| Perfdata::new(label("process"), time, Unit::Seconds).min(0)),
        );
        figures.extend(self.lag().map(|lag| {
            let figure = Perfdata::new(label("lag"), lag, Unit::None);
            figure.thresholds(wanted.lag.thresholds()).min(0)
        }));
        let errors = self.reported().filter_map(Container::errors);
        figures.extend(errors.reduce(u64::max).map(|errors| {
            let figure = Perfdata::new(label("errors"), errors, Unit::None);
            figure.thresholds(wanted.errors.thresholds()).min(0)
        }));
        figures
    }
}
