//! Whether servers of the domain name system know a name.

use std::net::IpAddr;

use clap::{Arg, ArgAction, ArgMatches};
use regex_lite::Regex;

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::service::dns::{self, Reply, code_name};
use crate::status::{Findings, Limits, Outcome, Perfdata, Status, Unit, listed};

/// See `docs/checks/check-dns.md`.
pub(super) static CHECK: Check = Check {
    name: "check-dns",
    title: "CheckDNS",
    about: "Whether DNS servers resolve a name, to what is expected, and in time",
    example: "--domain localhost --server 127.0.0.1",
    arguments,
    looks_at,
    run,
};

/// How many records are shown.
const SHOWN: usize = 5;

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Seconds to the answer that are worth a warning [default: none]",
        "Seconds that are critical [default: none]",
    );
    let result = Arg::new("result")
        .long("result")
        .short('r')
        .value_name("RECORD")
        .action(ArgAction::Append)
        .help("Expect this among the records; may be repeated");
    let regex = Arg::new("regex-match")
        .long("regex-match")
        .alias("regex")
        .short('R')
        .value_name("REGEX")
        .value_parser(|text: &str| Regex::new(text))
        .help("Expect a record that has a match");
    let asked = dns::arguments().into_iter();
    asked.chain([result, regex, warning, critical]).collect()
}

fn looks_at(matches: &ArgMatches, context: &Context) -> Vec<String> {
    let what = format!("{} {}", dns::name(matches), dns::kind(matches));
    match dns::servers(matches, context) {
        Ok(servers) => servers
            .iter()
            .map(|server| format!("{what}, by {server}"))
            .collect(),
        Err(failure) => vec![failure.to_string()],
    }
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_least, [None, None])?;
    let servers = dns::servers(matches, context)?;
    let wanted = Wanted::of(matches);
    let (mut findings, mut perfdata) = (Findings::default(), Vec::new());
    let mut right = Vec::new();
    for (server, answer) in servers
        .iter()
        .zip(dns::ask_all(&servers, matches, context)?)
    {
        let (reply, time) = match answer {
            Ok(answer) => answer,
            Err(error) => {
                findings.add(error.status(), error.to_string());
                continue;
            }
        };
        match wanted.judge(&reply) {
            Ok(said) => right.push(format!("{said} ({server})")),
            Err((status, what)) => findings.add(status, format!("{server}: {what}")),
        }
        let slow = limits.judge(time);
        let reached = limits::reached(&limits, slow);
        findings.add(
            slow,
            format!("{server} answered after {time:.6} s{reached}"),
        );
        let label = match &servers[..] {
            [_] => "time".to_owned(),
            _ => format!("time of {server}"),
        };
        let figure = Perfdata::new(label, time, Unit::Seconds);
        perfdata.push(figure.thresholds(limits.thresholds()).min(0));
    }
    let mut outcome = findings.outcome(right.join("; "));
    outcome.perfdata = perfdata;
    Ok(outcome)
}

struct Wanted<'a> {
    /// What was asked for: `venus001 A`.
    what: String,
    records: Vec<&'a str>,
    regex: Option<&'a Regex>,
}

impl<'a> Wanted<'a> {
    fn of(matches: &'a ArgMatches) -> Self {
        let records = matches.get_many::<String>("result").unwrap_or_default();
        Self {
            what: format!("{} {}", dns::name(matches), dns::kind(matches)),
            records: records.map(String::as_str).collect(),
            regex: matches.get_one("regex-match"),
        }
    }

    /// What is to be said of a reply that is right, or of one that is not.
    fn judge(&self, reply: &Reply) -> Result<String, (Status, String)> {
        let what = &self.what;
        // Servers turn them round and round, so as to share the load among them.
        let mut records = reply.records.clone();
        records.sort_unstable();
        let critical = |why: String| (Status::Critical, why);
        let failed = |why| critical(format!("Could not resolve {what} record: {why}"));
        match reply.code {
            0 => {}
            2 => return Err(failed("the server failed (SERVFAIL)")),
            3 => return Err(failed("there is no such name (NXDOMAIN)")),
            5 => return Err(failed("the server does not answer us (REFUSED)")),
            code => {
                let code = format!("{} ({code})", code_name(code));
                let why = format!("Could not resolve {what} record: {code}");
                return Err((Status::Unknown, why));
            }
        }
        if records.is_empty() {
            return Err(failed("the name has none"));
        }
        let (shown, rest) = records.split_at(records.len().min(SHOWN));
        let shown = listed(shown, rest.len());
        for wanted in &self.records {
            if !records.iter().any(|record| is_same(record, wanted)) {
                let why = format!("Resolved {what} did not include {wanted}: {shown}");
                return Err(critical(why));
            }
        }
        if let Some(regex) = self.regex
            && !records.iter().any(|record| regex.is_match(record))
        {
            let why = format!("Resolved {what} did not match /{regex}/: {shown}");
            return Err(critical(why));
        }
        Ok(match (&self.records[..], self.regex) {
            ([], None) => format!("Resolved {what}: {shown}"),
            ([], Some(regex)) => format!("Resolved {what} matched /{regex}/: {shown}"),
            (wanted, _) => format!("Resolved {what} included {}", wanted.join(", ")),
        })
    }
}

/// Whether a record is as expected: the same address, or the same text but for capitals and a dot
/// at its end.
fn is_same(record: &str, wanted: &str) -> bool {
    let address = |text: &str| text.parse::<IpAddr>().ok();
    if let Some((record, wanted)) = address(record).zip(address(wanted)) {
        return record == wanted;
    }
    let wanted = wanted.strip_suffix('.').unwrap_or(wanted);
    let record = record.strip_suffix('.').unwrap_or(record);
    record.eq_ignore_ascii_case(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(code: u8, records: &[&str], wanted: &[&str]) -> Result<String, (Status, String)> {
        let wanted = Wanted {
            what: "a A".to_owned(),
            records: wanted.to_vec(),
            regex: None,
        };
        wanted.judge(&Reply {
            code,
            is_truncated: false,
            records: records.iter().map(|&record| record.to_owned()).collect(),
        })
    }

    #[test]
    fn records_are_compared_for_what_they_mean() {
        for (record, wanted) in [
            ("2001:db8::1", "2001:DB8:0::1"),
            ("mail.venus", "Mail.venus."),
            ("v=spf1 -all.", "v=spf1 -all"),
            (".", "."),
        ] {
            assert!(is_same(record, wanted), "{record} {wanted}");
        }
        assert!(!is_same("192.0.2.1", "192.0.2.10") && !is_same("venus", "v"));
    }

    #[test]
    fn ten_thousand_records_are_one_readable_line() {
        let records: Vec<String> = (0..10_000).map(|n| format!("r{n}")).collect();
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        assert_eq!(
            judged(0, &records, &[]).unwrap(),
            "Resolved a A: r0, r1, r10, r100, r1000, and 9995 more"
        );
        assert_eq!(
            judged(0, &records, &["r9999"]).unwrap(),
            "Resolved a A included r9999"
        );
    }

    #[test]
    fn a_code_that_tells_nothing_of_the_name_is_unknown() {
        assert_eq!(
            judged(1, &[], &[]).unwrap_err(),
            (
                Status::Unknown,
                "Could not resolve a A record: FORMERR (1)".to_owned()
            )
        );
        let (status, what) = judged(15, &[], &[]).unwrap_err();
        assert_eq!(
            (status, what.as_str()),
            (
                Status::Unknown,
                "Could not resolve a A record: an unknown code (15)"
            )
        );
    }
}
