//! `check-clock`: whether somebody keeps this host's clock, and whether it is right.
//!
//! Asks the kernel by adjtimex(2), and NTP servers what time they have.

use clap::{Arg, ArgAction, ArgMatches};

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::service::ntp::{self, Answer};
use crate::service::server::Server;
use crate::source::adjtimex::{self, Clock, Leap};
use crate::status::{Findings, Limits, Outcome, Perfdata, Status, Unit};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-clock",
    title: "CheckClock",
    about: "Whether the clock is kept, and right",
    example: "-w 10 -c 100",
    arguments,
    looks_at,
    run,
};

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Milliseconds that it is wrong by that are worth a warning [default: 10]",
        "Milliseconds that it is wrong by that are critical [default: 100]",
    );
    let only = Arg::new("ntp-only")
        .long("ntp-only")
        .action(ArgAction::SetTrue)
        .requires("ntp-server")
        .help("Do not look at what the kernel knows of its clock");
    vec![ntp::argument(), only, warning, critical]
}

fn looks_at(matches: &ArgMatches, _: &Context) -> Vec<String> {
    let kernel = (!matches.get_flag("ntp-only")).then(|| "the clock, by adjtimex".to_owned());
    let servers = ntp::servers(matches);
    let servers = servers.iter().map(|server| format!("{server}, by NTP"));
    kernel.into_iter().chain(servers).collect()
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_least, [Some(10.0), Some(100.0)])?;
    let mut found = Found::default();
    if !matches.get_flag("ntp-only") {
        found.kernel(&adjtimex::read()?, &limits);
    }
    for (server, answer) in ntp::ask_all(matches, context) {
        match answer {
            Ok(answer) => found.server(&server, answer, &limits),
            // The clock may be right all the same.
            Err(error) => found.findings.add(Status::Unknown, error.to_string()),
        }
    }
    Ok(found.outcome())
}

#[derive(Default)]
struct Found {
    findings: Findings,
    right: Vec<String>,
    perfdata: Vec<Perfdata>,
}

impl Found {
    fn kernel(&mut self, clock: &Clock, limits: &Limits) {
        let [offset, most] = [clock.offset, clock.most_error].map(milliseconds);
        if !clock.is_synchronised {
            let what =
                "the clock is not synchronised: does chronyd or ntpd run, and reach a server?";
            self.findings.add(Status::Warning, what);
        }
        let (status, limit) = limits::judged(limits, offset.abs(), " ms");
        let what = format!("the clock is still to be moved by {offset} ms, threshold {limit}");
        self.findings.add(status, what);
        let leap = match clock.leap {
            Some(Leap::Inserted) => ", a leap second comes at midnight UTC",
            Some(Leap::Deleted) => ", the last second before midnight UTC is left out",
            None => "",
        };
        let what = format!("the clock is synchronised, wrong by {most} ms at most{leap}");
        self.right.push(what);
        let figure = Perfdata::new("kernel offset", offset.abs(), Unit::Milliseconds);
        self.perfdata.push(figure.thresholds(limits.thresholds()));
        let figure = Perfdata::new("kernel maximum error", most, Unit::Milliseconds);
        self.perfdata.push(figure);
    }

    fn server(&mut self, server: &Server, answer: Answer, limits: &Limits) {
        let [offset, delay] = [answer.offset, answer.delay].map(milliseconds);
        let half = milliseconds(answer.delay / 2.0);
        let which = if offset < 0.0 { "behind" } else { "ahead" };
        let is = format!("{server} is {} ms {which} (± {half} ms)", offset.abs());
        // What is wrong for sure; and what may be wrong.
        let sure = (offset.abs() - half).max(0.0);
        let (status, limit) = limits::judged(limits, sure, " ms");
        let (seen, seen_limit) = limits::judged(limits, offset.abs(), " ms");
        match (status, seen) {
            (_, Status::Ok) => {}
            (Status::Ok, _) => {
                let what = format!("{is}, too unsure for the threshold {seen_limit}");
                self.findings.add(Status::Unknown, what);
            }
            _ => self
                .findings
                .add(status, format!("{is}, threshold {limit}")),
        }
        self.right.push(format!("{is}, stratum {}", answer.stratum));
        let label = |what: &str| format!("{server} {what}");
        let figure = Perfdata::new(label("offset"), offset.abs(), Unit::Milliseconds);
        self.perfdata.push(figure.thresholds(limits.thresholds()));
        let figure = Perfdata::new(label("delay"), delay, Unit::Milliseconds);
        self.perfdata.push(figure);
        self.perfdata
            .push(Perfdata::new(label("stratum"), answer.stratum, Unit::None));
    }

    fn outcome(self) -> Outcome {
        let mut outcome = self.findings.outcome(self.right.join("; "));
        outcome.perfdata = self.perfdata;
        outcome
    }
}

/// Seconds as milliseconds with three places.
fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Limit;

    fn limits() -> Limits {
        let limit = |number| Some(Limit::Number(number));
        Limits::at_least(limit(10.0), limit(100.0)).unwrap()
    }

    fn says(found: Found, text: &str) {
        assert_eq!(
            found.outcome().text("CheckClock", false),
            format!("{text}\n")
        );
    }

    const KEPT: Clock = Clock {
        is_synchronised: true,
        offset: -0.000_012_3,
        most_error: 0.001_5,
        likely_error: 0.0,
        frequency: 0.0,
        leap: None,
    };

    #[test]
    fn what_the_kernel_knows_is_judged() {
        let says = |clock: Clock, text: &str| {
            let mut found = Found::default();
            found.kernel(&clock, &limits());
            says(found, &format!("CheckClock {text}"));
        };
        let fine = "OK: the clock is synchronised, wrong by 1.5 ms at most";
        says(KEPT, fine);
        let leap = Some(Leap::Inserted);
        let leaps = format!("{fine}, a leap second comes at midnight UTC");
        says(Clock { leap, ..KEPT }, &leaps);
        let unkept = Clock {
            is_synchronised: false,
            ..KEPT
        };
        let lost = "the clock is not synchronised: does chronyd or ntpd run, and reach a server?";
        says(unkept, &format!("WARNING: {lost}"));
        let far = |offset| Clock { offset, ..KEPT };
        let moved = |by: &str, limit: &str| {
            format!("the clock is still to be moved by {by} ms, threshold {limit} ms")
        };
        says(far(0.01), &format!("WARNING: {}", moved("10", "10")));
        says(far(-0.25), &format!("CRITICAL: {}", moved("-250", "100")));
        let both = Clock {
            offset: 0.5,
            ..unkept
        };
        says(both, &format!("CRITICAL: {}; {lost}", moved("500", "100")));
    }

    #[test]
    fn what_a_server_says_is_judged() {
        let server = ntp::server("ntp1").unwrap();
        let says = |offset: f64, text: &str| {
            let (mut found, delay) = (Found::default(), 0.000_5);
            let answer = Answer {
                offset,
                delay,
                stratum: 2,
            };
            found.server(&server, answer, &limits());
            says(found, &format!("CheckClock {text}"));
        };
        says(
            0.000_034_4,
            "OK: ntp1:123 is 0.034 ms ahead (± 0.25 ms), stratum 2",
        );
        says(
            -0.02,
            "WARNING: ntp1:123 is 20 ms behind (± 0.25 ms), threshold 10 ms",
        );
        // It may be right all the same; or it is wrong, though not for sure as much as it seems.
        says(
            -0.010_1,
            "UNKNOWN: ntp1:123 is 10.1 ms behind (± 0.25 ms), too unsure for the threshold 10 ms",
        );
        says(
            0.100_1,
            "WARNING: ntp1:123 is 100.1 ms ahead (± 0.25 ms), threshold 10 ms",
        );
        says(
            3600.0,
            "CRITICAL: ntp1:123 is 3600000 ms ahead (± 0.25 ms), threshold 100 ms",
        );
    }

    #[test]
    fn all_that_is_judged_is_a_figure() {
        let mut found = Found::default();
        found.kernel(&KEPT, &limits());
        let answer = Answer {
            offset: -0.001,
            delay: 0.002,
            stratum: 1,
        };
        found.server(&ntp::server("ntp1").unwrap(), answer, &limits());
        let text = found.outcome().text("CheckClock", true);
        let figures = "'kernel offset'=0.012ms;10;100 'kernel maximum error'=1.5ms \
            'ntp1:123 offset'=1ms;10;100 'ntp1:123 delay'=2ms 'ntp1:123 stratum'=1";
        assert_eq!(text.trim().split(" | ").nth(1), Some(figures));
    }
}
