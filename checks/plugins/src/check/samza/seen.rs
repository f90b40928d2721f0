//! How a job's containers are.

use crate::check::limits;
use crate::check::samza::Wanted;
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
    container: &'a Container,
}

impl<'a> Seen<'a> {
    pub(super) fn of(
        (name, id): &Job,
        containers: impl Iterator<Item = (&'a String, &'a Container)>,
        now: u64,
    ) -> Self {
        let containers = containers.map(|(name, container)| One {
            name,
            host: &container.host,
            age: now.saturating_sub(u64::try_from(container.time / 1000).unwrap_or_default()),
            container,
        });
        Self {
            name: format!("{name} {id}"),
            containers: containers.collect(),
        }
    }

    /// `missing` is how bad it is that a container has not reported.
    pub(super) fn judge(&self, wanted: &Wanted, missing: Status, findings: &mut Findings) {
        let job = &self.name;
        let there = self.containers.len();
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
                findings.add(
                    status,
                    format!("job {job}: {name} on {host} {what}{crossed}"),
                );
            };
            let status = wanted.age.judge(*age);
            add(&wanted.age, status, format!("last reported {age} s ago"));
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
        let all = self
            .containers
            .iter()
            .filter_map(|one| one.container.behind());
        all.reduce(u64::saturating_add)
    }

    /// The slowest container's time for a message, in seconds.
    fn process(&self) -> Option<f64> {
        let all = self
            .containers
            .iter()
            .filter_map(|one| one.container.seconds("process"));
        all.reduce(f64::max)
    }

    fn age(&self) -> u64 {
        let all = self.containers.iter().map(|one| one.age);
        all.max().unwrap_or_default()
    }

    pub(super) fn words(&self) -> String {
        let containers = counted(self.containers.len(), "container");
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
            Perfdata::new(label("containers"), self.containers.len(), Unit::None).min(0),
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
        let errors = self
            .containers
            .iter()
            .filter_map(|one| one.container.errors());
        figures.extend(errors.reduce(u64::max).map(|errors| {
            let figure = Perfdata::new(label("errors"), errors, Unit::None);
            figure.thresholds(wanted.errors.thresholds()).min(0)
        }));
        figures
    }
}
