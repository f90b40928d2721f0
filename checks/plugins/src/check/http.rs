//! Whether a web server answers as expected.

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use regex_lite::Regex;

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::service::http::Answer as Summary;
use crate::service::web::{self, Answer, NoAnswer};
use crate::status::{Findings, Limits, Outcome, Perfdata, Status, Unit, counted};

/// See `docs/checks/check-http.md`.
pub(super) static CHECK: Check = Check {
    name: "check-http",
    title: "CheckHTTP",
    about: "Whether a web server answers with the status, text and size that is expected",
    example: "--url http://127.0.0.1/ --query works",
    arguments,
    looks_at,
    run,
};

fn arguments() -> Vec<Arg> {
    let argument = |name: &'static str, value: &'static str, parser: ValueParser, help| {
        let argument = Arg::new(name).long(name).value_name(value);
        argument.value_parser(parser).help(help)
    };
    let regex = || ValueParser::new(|text: &str| Regex::new(text));
    let number = || ValueParser::new(value_parser!(u64));
    let [warning, critical] = limits::arguments(
        "Seconds to the end of the answer that are worth a warning [default: none]",
        "Seconds that are critical [default: none]",
    );
    let own = [
        argument(
            "response-code",
            "CODE[,CODE]",
            ValueParser::new(value_parser!(u16).range(100..1000)),
            "Expect one of these, and no other",
        )
        .alias("status")
        .value_delimiter(','),
        argument("query", "REGEX", regex(), "Expect this in the body").short('q'),
        argument("negquery", "REGEX", regex(), "Expect this not in the body").short('n'),
        argument("require-bytes", "BYTES", number(), "Expect exactly so many").short('B'),
        argument("min-bytes", "BYTES", number(), "Expect at least so many").short('g'),
        argument("max-bytes", "BYTES", number(), "Expect at most so many"),
        Arg::new("redirect-ok")
            .long("redirect-ok")
            .short('r')
            .action(ArgAction::SetTrue)
            .help("Take a redirection for right; it is not followed"),
        argument(
            "redirect-to",
            "URL",
            ValueParser::string(),
            "Expect a redirection to there",
        )
        .short('R'),
        argument(
            "expiry",
            "DAYS",
            ValueParser::new(value_parser!(i64)),
            "Warn when its certificate has so many days left, or fewer",
        )
        .short('e'),
    ];
    let asked = web::arguments().into_iter();
    asked.chain(own).chain([warning, critical]).collect()
}

fn looks_at(matches: &ArgMatches, _: &Context) -> Vec<String> {
    vec![web::url(matches)]
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_least, [None, None])?;
    match web::ask(matches, context)? {
        Ok(answer) => Ok(judge(&answer, &Wanted::of(matches), &limits, context.now)),
        Err(NoAnswer::Service(error)) => error.answer(),
        Err(NoAnswer::Certificate(shown)) => {
            let mut findings = Findings::default();
            let url = web::url(matches);
            for problem in shown.problems {
                findings.add(
                    Status::Critical,
                    format!("the certificate of {url} {problem}"),
                );
            }
            Ok(findings.outcome(""))
        }
    }
}

/// What the arguments expect.
#[derive(Default)]
struct Wanted<'a> {
    codes: Vec<u16>,
    query: Option<&'a Regex>,
    negquery: Option<&'a Regex>,
    /// Exactly, at least, at most.
    bytes: [Option<u64>; 3],
    redirect_ok: bool,
    redirect_to: Option<&'a str>,
    expiry: Option<i64>,
}

impl<'a> Wanted<'a> {
    fn of(matches: &'a ArgMatches) -> Self {
        let codes = matches.get_many("response-code").unwrap_or_default();
        let to = matches.get_one::<String>("redirect-to");
        Self {
            codes: codes.copied().collect(),
            query: matches.get_one("query"),
            negquery: matches.get_one("negquery"),
            bytes: ["require-bytes", "min-bytes", "max-bytes"]
                .map(|name| matches.get_one(name).copied()),
            redirect_ok: matches.get_flag("redirect-ok"),
            redirect_to: to.map(String::as_str),
            expiry: matches.get_one("expiry").copied(),
        }
    }

    /// How the status of an answer is, and what is to be said of it if it is not right.
    fn status(&self, answer: &Answer) -> (Status, String) {
        let code = answer.status;
        let location = answer.location.as_deref().unwrap_or("nowhere");
        if let Some(to) = self.redirect_to {
            return match code {
                300..400 if location == to => (Status::Ok, String::new()),
                300..400 => (
                    Status::Critical,
                    format!("Expected redirect to {to} instead redirected to {location}"),
                ),
                _ => (
                    Status::Critical,
                    format!("Expected redirect to {to} but got {code}"),
                ),
            };
        }
        let said = Summary {
            status: code,
            body: answer.body.clone(),
        };
        let said = said.summary();
        if !self.codes.is_empty() {
            let codes: Vec<String> = self.codes.iter().map(u16::to_string).collect();
            let is_right = self.codes.contains(&code);
            let status = if is_right {
                Status::Ok
            } else {
                Status::Critical
            };
            return (status, format!("{said}, expected {}", codes.join(" or ")));
        }
        match code {
            200..300 => (Status::Ok, String::new()),
            300..400 if self.redirect_ok => (Status::Ok, String::new()),
            300..400 => (Status::Warning, format!("{code}, redirects to {location}")),
            400..600 => (Status::Critical, said),
            _ => (Status::Warning, said),
        }
    }
}

fn judge(answer: &Answer, wanted: &Wanted<'_>, limits: &Limits, now: u64) -> Outcome {
    let mut findings = Findings::default();
    let (status, what) = wanted.status(answer);
    findings.add(status, what);
    let (code, size) = (answer.status, answer.body.len());
    let text = String::from_utf8_lossy(&answer.body);
    // Of an error page nobody expects the text of the page.
    let has_right_page = status == Status::Ok;
    let mut right = format!("{code}, {size} bytes");
    if let Some(to) = wanted.redirect_to {
        right = format!("{code} found redirect to {to}");
    }
    if let Some(regex) = wanted.query.filter(|_| has_right_page) {
        if regex.is_match(&text) {
            right = format!("{code}, found /{regex}/ in {size} bytes");
        } else {
            let what = format!("{code}, did not find /{regex}/ in {size} bytes");
            findings.add(Status::Critical, what);
        }
    }
    if let Some(regex) = wanted.negquery.filter(|regex| regex.is_match(&text)) {
        findings.add(
            Status::Critical,
            format!("{code}, found /{regex}/ in {size} bytes"),
        );
    }
    let bytes = u64::try_from(size).unwrap_or(u64::MAX);
    let [exactly, at_least, at_most] = wanted.bytes;
    for (wanted, is_right, word) in [
        (exactly, exactly.is_none_or(|wanted| bytes == wanted), ""),
        (
            at_least,
            at_least.is_none_or(|wanted| bytes >= wanted),
            "at least ",
        ),
        (
            at_most,
            at_most.is_none_or(|wanted| bytes <= wanted),
            "at most ",
        ),
    ] {
        if let Some(wanted) = wanted.filter(|_| has_right_page && !is_right) {
            let what = format!("Response was {size} bytes instead of {word}{wanted}");
            findings.add(Status::Critical, what);
        }
    }
    let time = answer.times.total.as_secs_f64();
    let slow = limits.judge(time);
    findings.add(
        slow,
        format!("{code} after {time:.6} s{}", limits::reached(limits, slow)),
    );
    let figure = Perfdata::new("time", time, Unit::Seconds);
    let mut perfdata = vec![
        figure.thresholds(limits.thresholds()).min(0),
        Perfdata::new("size", size, Unit::Bytes).min(0),
    ];
    if let Some(own) = answer.shown.as_ref().and_then(|shown| shown.chain.first()) {
        let (days, last) = (own.days_left(now), own.last_day());
        if let Some(wanted) = wanted.expiry.filter(|wanted| days <= *wanted) {
            let left = counted(days, "day");
            let what = format!("its certificate expires in {left} ({last}), threshold {wanted}");
            findings.add(Status::Warning, what);
        }
        perfdata.push(Perfdata::new("days left", days, Unit::None));
    }
    let mut outcome = findings.outcome(right);
    outcome.perfdata = perfdata;
    outcome
}
