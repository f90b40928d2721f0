//! Which processes are counted.

use clap::ArgMatches;
use nix::unistd::User;
use regex_lite::Regex;
use venus_collectors::source::process::Found;

use crate::check::process::{Process, is_own};
use crate::context::{Context, Failure};

/// What a process must be like.
pub(super) struct Filter<'a> {
    matches: &'a ArgMatches,
    pid: Option<u32>,
    pattern: Option<&'a Regex>,
    exclude: Option<&'a Regex>,
    /// By their numbers, if users are given.
    users: Option<Vec<u32>>,
    buffer: Vec<u8>,
}

impl<'a> Filter<'a> {
    pub(super) fn new(
        matches: &'a ArgMatches,
        pid: Option<u32>,
        context: &Context,
    ) -> Result<Self, Failure> {
        let users = matches.get_many::<String>("user");
        let users: Option<Result<Vec<_>, Failure>> = users.map(|names| {
            names
                .filter_map(|name| user(name, context).transpose())
                .collect()
        });
        Ok(Self {
            matches,
            pid,
            pattern: matches.get_one("pattern"),
            exclude: matches.get_one("exclude-pattern"),
            users: users.transpose()?,
            buffer: Vec::new(),
        })
    }

    /// Asks for more of a process only if what is known does not rule it out. One that has ended
    /// meanwhile is none.
    pub(super) fn takes(&mut self, found: &Found, process: &Process<'_>) -> Result<bool, Failure> {
        if self.pid.is_some_and(|pid| pid != found.pid)
            || is_own(found, self.matches)
            || !self.takes_figures(process)
            || !self.takes_state(process)
        {
            return Ok(false);
        }
        if let Some(users) = &self.users
            && !found.uid()?.is_some_and(|uid| users.contains(&uid))
        {
            return Ok(false);
        }
        if self.pattern.is_none() && self.exclude.is_none() {
            return Ok(true);
        }
        let Some(command) = found.command(&process.stat, &mut self.buffer)? else {
            return Ok(false);
        };
        Ok(self.pattern.is_none_or(|regex| regex.is_match(&command))
            && !self.exclude.is_some_and(|regex| regex.is_match(&command)))
    }

    fn takes_state(&self, process: &Process<'_>) -> bool {
        let states = self.matches.get_many::<String>("state");
        states.is_none_or(|mut states| states.any(|one| one.chars().eq([process.stat.state])))
    }

    fn takes_figures(&self, process: &Process<'_>) -> bool {
        let given = |name: &str| {
            let number = self.matches.get_one::<i64>(name);
            #[expect(clippy::cast_precision_loss, reason = "a threshold has few digits")]
            number.map(|number| *number as f64)
        };
        #[expect(clippy::cast_precision_loss, reason = "for comparing with a threshold")]
        let real = |number: u64| number as f64;
        let age = process.seconds.trunc();
        let over = |limit: Option<f64>, value: f64| limit.is_none_or(|limit| value > limit);
        let under = |limit: Option<f64>, value: f64| limit.is_none_or(|limit| value < limit);
        over(given("virtual-memory-size"), real(process.virtual_kib))
            && over(given("resident-set-size"), real(process.resident_kib))
            && over(given("thread-count"), real(process.stat.threads))
            && over(
                self.matches.get_one("cpu-utilization").copied(),
                process.cpu_percent,
            )
            && over(given("esec-over"), age)
            && under(given("esec-under"), age)
            && over(given("cpu-over"), real(process.cpu_seconds))
            && under(given("cpu-under"), real(process.cpu_seconds))
    }
}

/// The number of a user; `None` if there is no such user, who then has no processes.
fn user(name: &str, context: &Context) -> Result<Option<u32>, Failure> {
    if let Ok(number) = name.parse() {
        return Ok(Some(number));
    }
    context.step(format!("looking up the user {name}"));
    match User::from_name(name) {
        Ok(user) => Ok(user.map(|user| user.uid.as_raw())),
        Err(error) => Err(Failure::new(format!(
            "cannot look up the user {name}: {error}; give its number"
        ))),
    }
}

/// What was asked for, as the answer repeats it.
pub(super) fn words(matches: &ArgMatches) -> String {
    let raw = |name: &str| -> Option<String> {
        let mut values = matches.get_raw(name)?;
        let values: Vec<_> = values.by_ref().map(|one| one.to_string_lossy()).collect();
        Some(values.join(","))
    };
    let words = [
        ("pattern", "cmd /", "/"),
        ("state", "state ", ""),
        ("user", "user ", ""),
        ("virtual-memory-size", "vsz > ", ""),
        ("resident-set-size", "rss > ", ""),
        ("cpu-utilization", "cpu > ", ""),
        ("thread-count", "thcount > ", ""),
        ("esec-under", "esec < ", ""),
        ("esec-over", "esec > ", ""),
        ("cpu-under", "csec < ", ""),
        ("cpu-over", "csec > ", ""),
        ("file-pid", "pid ", ""),
    ];
    let words = words
        .map(|(name, before, after)| raw(name).map(|given| format!("; {before}{given}{after}")));
    words.into_iter().flatten().collect()
}
