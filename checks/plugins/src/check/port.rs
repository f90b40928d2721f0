//! Whether one can connect to TCP ports of a host, and hears there what is expected.

use std::io::ErrorKind;

use clap::{Arg, ArgMatches};
use regex_lite::Regex;

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::service::{ServiceError, port};
use crate::status::{Findings, Limits, Outcome, Perfdata, Status, Unit};

/// See `docs/checks/check-port.md`.
pub(super) static CHECK: Check = Check {
    name: "check-port",
    title: "CheckPort",
    about: "Whether TCP ports of a host are open, and say what is expected",
    example: "--host 127.0.0.1 --port 22,8000-8003",
    arguments,
    looks_at,
    run,
};

/// How much of what was said is shown, in characters.
const SHOWN: usize = 80;

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Seconds to connect that are worth a warning [default: none]",
        "Seconds to connect that are critical [default: none]",
    );
    let send = Arg::new("send")
        .long("send")
        .alias("write")
        .value_name("TEXT")
        .requires("expect")
        .help("Say this there, and end the line");
    let expect = Arg::new("expect")
        .long("expect")
        .alias("pattern")
        .short('q')
        .value_name("REGEX")
        .value_parser(|text: &str| Regex::new(text))
        .help("Expect to hear this there");
    let [host, port] = port::arguments();
    vec![host, port, send, expect, warning, critical]
}

fn looks_at(matches: &ArgMatches, _: &Context) -> Vec<String> {
    match port::servers(matches) {
        Ok(servers) => servers.iter().map(ToString::to_string).collect(),
        Err(failure) => vec![failure.to_string()],
    }
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_least, [None, None])?;
    let expect = matches.get_one::<Regex>("expect");
    let send = matches.get_one::<String>("send").map(String::as_str);
    let servers = port::servers(matches)?;
    let (mut findings, mut perfdata) = (Findings::default(), Vec::new());
    let connected = port::connect_all(&servers, context)?;
    let mut waiting = u32::try_from(servers.len()).unwrap_or(u32::MAX);
    for (server, connected) in servers.iter().zip(connected) {
        // What is left is shared by those that are still to be listened to.
        let patience = context.time_left() * 4 / 5 / waiting;
        waiting = waiting.saturating_sub(1).max(1);
        let (stream, time) = match connected {
            Ok(connected) => connected,
            Err(error) => {
                // Whether one can connect is all that was asked for, and one cannot.
                let what = match error.kind() {
                    ErrorKind::TimedOut | ErrorKind::WouldBlock => {
                        format!("connecting to {server} failed: no answer in time")
                    }
                    // With the advice, which is not worth to be repeated.
                    _ if servers.len() == 1 => {
                        ServiceError::io(format!("connecting to {server}"), &error).to_string()
                    }
                    _ => format!("connecting to {server} failed: {error}"),
                };
                findings.add(Status::Critical, what);
                continue;
            }
        };
        let status = limits.judge(time);
        let reached = limits::reached(&limits, status);
        findings.add(
            status,
            format!("connecting to {server} took {time:.6} s{reached}"),
        );
        let figure = Perfdata::new(server.port.to_string(), time, Unit::Seconds);
        perfdata.push(figure.thresholds(limits.thresholds()).min(0));
        let Some(expect) = expect else { continue };
        context.step(format!("listening to {server}"));
        match port::listen(&stream, send, expect, patience) {
            Ok(heard) if heard.is_expected => {}
            Ok(heard) => {
                let said: String = heard.text.trim().chars().take(SHOWN).collect();
                let what = format!("{server} said {said:?}, expected /{expect}/");
                findings.add(Status::Critical, what);
            }
            Err(error) => {
                let error = ServiceError::io(format!("listening to {server}"), &error);
                findings.add(error.status(), error.to_string());
            }
        }
    }
    let (given, host) = (port::ports_given(matches), port::host(matches));
    let heard = expect.map_or(String::new(), |expect| format!(", and say /{expect}/"));
    let mut outcome = findings.outcome(format!(
        "All ports ({given}) are accessible for host {host}{heard}"
    ));
    outcome.perfdata = perfdata;
    Ok(outcome)
}
