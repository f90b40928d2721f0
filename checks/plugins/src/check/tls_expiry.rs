//! How long certificates are still valid, and whether clients will trust them.

use clap::{Arg, ArgAction, ArgMatches};

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::service::certificate::Certificate;
use crate::service::expiry::{self, Place};
use crate::service::tls::inspect::{Problem, Shown};
use crate::status::{Findings, Limits, Outcome, Perfdata, Status, Unit, counted};

/// See `docs/checks/check-tls-expiry.md`.
pub(super) static CHECK: Check = Check {
    name: "check-tls-expiry",
    title: "CheckTLSExpiry",
    about: "Whether certificates of a server or in a file are valid for a while, and trusted",
    example: "--server 127.0.0.1:443 -w 30 -c 7",
    arguments,
    looks_at,
    run,
};

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Warn when so many days are left, or fewer [default: 30]",
        "Critical when so many are left, or fewer [default: 7]",
    );
    let flag = |name: &'static str, help| {
        let flag = Arg::new(name).long(name);
        flag.action(ArgAction::SetTrue).help(help)
    };
    let [server, name, ca_file, file] = expiry::arguments();
    vec![
        server,
        name,
        ca_file,
        file,
        flag(
            "skip-hostname-verification",
            "Do not say that the certificate is for another host",
        ),
        flag(
            "skip-chain-verification",
            "Do not say that nobody vouches for it, and leave out the certificates of those who do",
        ),
        warning,
        critical,
    ]
}

fn looks_at(matches: &ArgMatches, _: &Context) -> Vec<String> {
    vec![expiry::place(matches).to_string()]
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_most, [Some(30.0), Some(7.0)])?;
    let place = expiry::place(matches);
    let Place::Server(server) = &place else {
        let chain = expiry::read(matches, context)?;
        return Ok(judge(&place, &chain, &[], &limits, context.now));
    };
    let Shown {
        chain, problems, ..
    } = match expiry::ask(server, matches, context)? {
        Ok(shown) => shown,
        Err(error) => return error.answer(),
    };
    let skips_chain = matches.get_flag("skip-chain-verification");
    let skips_name = matches.get_flag("skip-hostname-verification");
    let is_said = |problem: &Problem| {
        !(skips_name && problem.is_of_name() || skips_chain && problem.is_of_trust())
    };
    let problems: Vec<Problem> = problems.into_iter().filter(is_said).collect();
    let count = if skips_chain { 1 } else { chain.len() };
    let chain: Vec<Certificate> = chain.into_iter().take(count).collect();
    Ok(judge(&place, &chain, &problems, &limits, context.now))
}

fn judge(
    place: &Place,
    chain: &[Certificate],
    problems: &[Problem],
    limits: &Limits,
    now: u64,
) -> Outcome {
    let (mut findings, mut perfdata) = (Findings::default(), Vec::new());
    let mut shortest = None;
    for (number, one) in chain.iter().enumerate() {
        let (days, subject) = (one.days_left(now), &one.subject);
        let (status, what) = if days < 0 {
            let ago = -1 - days;
            let last = one.last_day();
            (
                Status::Critical,
                Problem::Expired { days: ago, last }.to_string(),
            )
        } else if one.not_before > i64::try_from(now).unwrap_or(i64::MAX) {
            (
                Status::Critical,
                Problem::NotYet(one.first_day()).to_string(),
            )
        } else {
            let status = limits.judge(days);
            let (left, last) = (counted(days, "day"), one.last_day());
            let reached = limits::reached(limits, status);
            (status, format!("has {left} left ({last}){reached}"))
        };
        findings.add(status, format!("{place}: certificate {subject} {what}"));
        if shortest.is_none_or(|(least, _)| days < least) {
            shortest = Some((days, one));
        }
        let label = if number == 0 {
            "days left".to_owned()
        } else {
            format!("days left of {subject}")
        };
        let figure = Perfdata::new(label, days, Unit::None);
        perfdata.push(figure.thresholds(limits.thresholds()));
    }
    let own = chain.first().map_or("", |own| &own.subject);
    for problem in problems {
        // Those of the dates were found above, for all of the chain.
        if !matches!(problem, Problem::Expired { .. } | Problem::NotYet(_)) {
            findings.add(
                Status::Critical,
                format!("{place}: certificate {own} {problem}"),
            );
        }
    }
    let right = shortest.map_or(String::new(), |(days, one)| {
        let (left, last) = (counted(days, "day"), one.last_day());
        let all = match chain.len() {
            1 => format!("certificate {own} has"),
            all => format!("all {all} certificates have"),
        };
        format!("{place}: {all} {left} left ({last})")
    });
    let mut outcome = findings.outcome(right);
    outcome.perfdata = perfdata;
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;
    const NOW: u64 = 1_453_048_230;

    fn judged(subjects: &[(&str, i64)], problems: &[Problem]) -> String {
        let now = i64::try_from(NOW).unwrap();
        let one = |(subject, days): &(&str, i64)| Certificate {
            subject: (*subject).to_owned(),
            issuer: String::new(),
            is_self_issued: false,
            not_before: now - 1,
            not_after: now + days * DAY,
            names: Vec::new(),
        };
        let chain: Vec<Certificate> = subjects.iter().map(one).collect();
        let limits = Limits::at_most("30".parse().ok(), "7".parse().ok()).unwrap();
        let place = Place::File("f".into());
        judge(&place, &chain, problems, &limits, NOW).text("CheckTLSExpiry", true)
    }

    #[test]
    fn the_number_itself_alerts() {
        for (days, start) in [
            (31, "OK: f: certificate a has 31 days left (2016-02-17)"),
            (
                30,
                "WARNING: f: certificate a has 30 days left (2016-02-16), threshold 30",
            ),
            (
                7,
                "CRITICAL: f: certificate a has 7 days left (2016-01-24), threshold 7",
            ),
            (
                1,
                "CRITICAL: f: certificate a has 1 day left (2016-01-18), threshold 7",
            ),
            (
                0,
                "CRITICAL: f: certificate a has 0 days left (2016-01-17), threshold 7",
            ),
            (
                -1,
                "CRITICAL: f: certificate a expired less than a day ago (2016-01-16)",
            ),
            (
                -2,
                "CRITICAL: f: certificate a expired 1 day ago (2016-01-15)",
            ),
        ] {
            let text = judged(&[("a", days)], &[]);
            let figures = format!("CheckTLSExpiry {start} | 'days left'={days};30:;7:\n");
            assert_eq!(text, figures);
        }
    }

    #[test]
    fn a_name_from_outside_forges_nothing() {
        let text = judged(
            &[("a", 99), ("b\nCheckX OK: | 'x'=1", 20)],
            &[Problem::Name(
                "c".to_owned(),
                vec!["d | 'e'=1\n".to_owned()],
            )],
        );
        assert_eq!(
            text,
            "CheckTLSExpiry CRITICAL: f: certificate a is for d / 'e'=1 , not for c; \
             f: certificate b CheckX OK: / 'x'=1 has 20 days left (2016-02-06), threshold 30 \
             | 'days left'=99;30:;7: 'days left of b_CheckX OK: _ ''x''_1'=20;30:;7:\n"
        );
    }
}
