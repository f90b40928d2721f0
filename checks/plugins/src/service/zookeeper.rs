//! What a `ZooKeeper` server says of itself, by its four letter words: `mntr` since 3.4, before that
//! and where it is not allowed `srvr` (3.3) or `stat`. Those allowed are listed in
//! `4lw.commands.whitelist` since 3.4.10; in 3.5.3 and later only `srvr` is by itself.
//!
//! Source: the four letter words in `ZooKeeper`'s Administrator's Guide, and what 3.8 answers.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use clap::{Arg, ArgAction, ArgMatches};

use crate::context::Context;
use crate::service::ServiceError;
use crate::service::server::Server;
use crate::status::Number;

/// How long an answer may be, in bytes; `mntr` of 3.8 is 17 kB.
const LONGEST: u64 = 1 << 20;

/// How much of what cannot be understood is shown, in characters.
const SHOWN: usize = 80;

/// How much earlier than asked a time limit of the kernel's may be over.
const MOMENT: Duration = Duration::from_millis(10);

/// What a server without a quorum answers to all but `ruok`, which only asks for the process.
const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests";

/// The end of an answer to a word that it may not answer.
const NOT_ALLOWED: &str = " is not executed because it is not in the whitelist.";

/// What a server does in its ensemble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It has no ensemble.
    Standalone,
    /// It puts all writes in order.
    Leader,
    /// It votes.
    Follower,
    /// It serves without a vote.
    Observer,
    /// It has lost its ensemble, and lets clients read what it had then.
    ReadOnly,
}

impl Role {
    /// All that there are.
    pub const ALL: [Self; 5] = [
        Self::Standalone,
        Self::Leader,
        Self::Follower,
        Self::Observer,
        Self::ReadOnly,
    ];

    /// As its server writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Observer => "observer",
            Self::ReadOnly => "read-only",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What a server that serves says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What it does in its ensemble.
    pub role: Role,
    /// `3.8.0`, without what it was built from.
    pub version: String,
    /// Its numbers, named as `mntr` has them without `zk_`, in its order.
    pub numbers: Vec<(String, Number)>,
}

impl Report {
    /// The number of this name, if it tells it.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<Number> {
        let mut all = self.numbers.iter();
        all.find(|(one, _)| one == name).map(|(_, number)| *number)
    }

    /// The same, where it is whole and not negative.
    #[must_use]
    pub fn count(&self, name: &str) -> Option<u64> {
        match self.number(name)? {
            Number::Whole(number) => number.try_into().ok(),
            Number::Real(_) => None,
        }
    }
}

/// What came of asking a server.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It serves; and what it says to `ruok`.
    Serves(Report, Ruok),
    /// It runs, but has no quorum.
    NotServing,
    /// It has not answered in time.
    Silent,
    /// It could not be asked, or answers something else.
    Failed(ServiceError),
}

/// What a server says to `ruok`: whether it is in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Ruok {
    /// `imok`.
    Imok,
    /// Nothing, as this word is not in its whitelist.
    NotAllowed,
    /// Something else, as it begins.
    Other(String),
    /// Nothing that tells whether it is, and this is why.
    Unclear(String),
}

/// `--server`, which may be repeated.
#[must_use]
pub fn servers_argument() -> Arg {
    Arg::new("server")
        .long("server")
        .value_name("HOST:PORT")
        .action(ArgAction::Append)
        .default_value("127.0.0.1:2181")
        .value_parser(|text: &str| text.parse::<Server>())
        .help("Where a server listens for clients; once for each of the ensemble")
}

/// What `--server` says, each once.
#[must_use]
pub fn servers(matches: &ArgMatches) -> Vec<Server> {
    let mut servers: Vec<Server> = Vec::new();
    for server in matches.get_many::<Server>("server").unwrap_or_default() {
        if !servers.contains(server) {
            servers.push(server.clone());
        }
    }
    servers
}

/// Asks all servers at once, each with four fifths of the time that is left: one that hangs costs
/// only itself.
#[must_use]
pub fn ask_all(servers: &[Server], context: &Context) -> Vec<Answer> {
    let names: Vec<String> = servers.iter().map(ToString::to_string).collect();
    context.step(format!("asking {}", names.join(", ")));
    let until = Instant::now() + context.time_left() * 4 / 5;
    let (sender, receiver) = mpsc::channel();
    let mut answers = vec![Answer::Silent; servers.len()];
    for (place, server) in servers.iter().enumerate() {
        let (sender, one, own) = (sender.clone(), server.clone(), context.clone());
        let started = thread::Builder::new().spawn(move || {
            if sender.send((place, ask(&one, until, &own))).is_err() {
                // The time was up, as a name took too long to resolve.
            }
        });
        if let (Err(error), Some(answer)) = (started, answers.get_mut(place)) {
            let what = format!("asking {server} failed: cannot start a thread: {error}");
            *answer = Answer::Failed(ServiceError::Unclear(what));
        }
    }
    drop(sender);
    while let Ok((place, answer)) = receiver.recv_timeout(left(until)) {
        if let Some(place) = answers.get_mut(place) {
            *place = answer;
        }
    }
    answers
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

/// Asks one server for all that it tells.
fn ask(server: &Server, until: Instant, context: &Context) -> Answer {
    match report(server, until, context) {
        Ok(Some(report)) => {
            // So that what is known already is told in time, whatever comes of this.
            let until = Instant::now() + left(until) / 2;
            Answer::Serves(report, ruok(server, until, context))
        }
        Ok(None) => Answer::NotServing,
        Err(ServiceError::Unclear(_)) if left(until) < MOMENT => Answer::Silent,
        Err(error) => Answer::Failed(error),
    }
}

fn ruok(server: &Server, until: Instant, context: &Context) -> Ruok {
    match word(server, "ruok", until, context) {
        Ok(said) if said.trim() == "imok" => Ruok::Imok,
        Ok(said) if is_not_allowed(&said) => Ruok::NotAllowed,
        // Whom it has too many connections of, it hangs up on, too.
        Ok(said) if said.is_empty() => Ruok::Unclear(format!(
            "{server} hangs up on ruok: is it in error, or has this host too many connections to it?"
        )),
        Ok(said) => Ruok::Other(shown(&said)),
        Err(error) => Ruok::Unclear(error.to_string()),
    }
}

/// What it says of itself, or none if it does not serve.
fn report(
    server: &Server,
    until: Instant,
    context: &Context,
) -> Result<Option<Report>, ServiceError> {
    let unclear = |what: String| ServiceError::Unclear(format!("{server} {what}"));
    let mut not_allowed = false;
    for asked in ["mntr", "srvr", "stat"] {
        let said = word(server, asked, until, context)?;
        if is_not_allowed(&said) {
            not_allowed = true;
            continue;
        }
        if said.is_empty() {
            // To an unknown word, it just hangs up.
            continue;
        }
        if said.trim_end() == NOT_SERVING {
            return Ok(None);
        }
        let parsed = match asked {
            "mntr" => parse_mntr(&said),
            _ => parse_srvr(&said),
        };
        let wrong = |why| {
            let begins = shown(&said);
            unclear(format!(
                "answers {asked} with \"{begins}\": {why}; is it ZooKeeper?"
            ))
        };
        return parsed.map(Some).map_err(wrong);
    }
    Err(unclear(if not_allowed {
        "may not answer mntr or srvr: list them in its 4lw.commands.whitelist".to_owned()
    } else {
        "hangs up on mntr, srvr and stat: is it ZooKeeper, and does it let this host in?".to_owned()
    }))
}

fn is_not_allowed(said: &str) -> bool {
    said.trim_end().ends_with(NOT_ALLOWED)
}

/// The beginning of what was said, in one line.
fn shown(said: &str) -> String {
    let first = said.lines().next().unwrap_or_default().chars();
    let plain = |character: char| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    };
    first.take(SHOWN).map(plain).collect()
}

/// Sends a word on a connection of its own, and reads until the server hangs up.
fn word(
    server: &Server,
    word: &'static str,
    until: Instant,
    context: &Context,
) -> Result<String, ServiceError> {
    let mut stream = server.connect(context, left(until))?;
    let read = stream
        .write_all(word.as_bytes())
        .and_then(|()| read_all(&mut stream, until));
    let bytes =
        read.map_err(|error| ServiceError::io(format!("asking {server} for {word}"), &error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn read_all(stream: &mut TcpStream, until: Instant) -> io::Result<Vec<u8>> {
    let (mut all, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let left = left(until);
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let read = stream.read(&mut part)?;
        if read == 0 {
            return Ok(all);
        }
        all.extend(part.iter().take(read));
        if u64::try_from(all.len()).unwrap_or(u64::MAX) > LONGEST {
            return Err(io::Error::other("the answer is too long"));
        }
    }
}

/// Lines `zk_NAME<TAB>VALUE`, of which those with a number count. The last one ends with a newline.
fn parse_mntr(said: &str) -> Result<Report, &'static str> {
    if !said.ends_with('\n') {
        return Err("it breaks off");
    }
    let (mut role, mut version, mut numbers) = (None, None, Vec::new());
    for line in said.lines() {
        let Some((name, value)) = line.split_once('\t') else {
            continue;
        };
        let Some(name) = name.strip_prefix("zk_") else {
            continue;
        };
        match name {
            "version" => version = Some(short(value)),
            "server_state" => role = Role::of(value.trim()),
            name => numbers.extend(number(value).map(|number| (name.to_owned(), number))),
        }
    }
    Ok(Report {
        role: role.ok_or("it does not say zk_server_state")?,
        version: version.ok_or("it does not say zk_version")?,
        numbers,
    })
}

/// Lines `NAME: VALUE`; `stat` has the clients between them.
fn parse_srvr(said: &str) -> Result<Report, &'static str> {
    let (mut role, mut version, mut numbers) = (None, None, Vec::new());
    let mut add = |name: &str, value: &str| {
        numbers.extend(number(value).map(|number| (name.to_owned(), number)));
    };
    for line in said.lines() {
        let Some((name, value)) = line.split_once(": ") else {
            continue;
        };
        match name {
            "Zookeeper version" => version = Some(short(value)),
            "Mode" => role = Role::of(value.trim()),
            "Latency min/avg/max" => {
                let names = ["min_latency", "avg_latency", "max_latency"];
                for (name, value) in names.into_iter().zip(value.split('/')) {
                    add(name, value);
                }
            }
            "Received" => add("packets_received", value),
            "Sent" => add("packets_sent", value),
            "Connections" => add("num_alive_connections", value),
            "Outstanding" => add("outstanding_requests", value),
            "Node count" => add("znode_count", value),
            _ => {}
        }
    }
    Ok(Report {
        role: role.ok_or("it does not say its mode")?,
        version: version.ok_or("it does not say its version")?,
        numbers,
    })
}

/// `3.4.13-2d71af4…, built on …` without its build.
fn short(version: &str) -> String {
    let end = |character: char| character == '-' || character == ',' || character.is_whitespace();
    let version = version.split(end).next().unwrap_or_default();
    version.chars().take(SHOWN).collect()
}

fn number(value: &str) -> Option<Number> {
    let value = value.trim();
    if let Ok(whole) = value.parse() {
        return Some(Number::Whole(whole));
    }
    let real: f64 = value.parse().ok()?;
    real.is_finite().then_some(Number::Real(real))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mntr_is_understood() {
        let said = "zk_version\t3.4.13-2d71af4dbe22557fda74f9a9b4309b15a7487f03, built on 06/29/2018\n\
                    zk_avg_latency\t0.0152\nzk_server_state\tleader\nzk_peer_state\tleading - broadcast\n\
                    nonsense\nzk_uptime\t-1\nzk_max_latency\tNaN\nother\t1\n\n";
        let report = parse_mntr(said).unwrap();
        assert_eq!(
            (report.role, report.version.as_str()),
            (Role::Leader, "3.4.13")
        );
        assert_eq!(report.number("avg_latency"), Some(Number::Real(0.0152)));
        assert_eq!(report.number("uptime"), Some(Number::Whole(-1)));
        assert_eq!(report.count("uptime"), None);
        assert_eq!(report.numbers.len(), 2);
        assert_eq!(parse_mntr(said.trim_end()), Err("it breaks off"));
        assert_eq!(
            parse_mntr("zk_version\t3\nzk_server_state\tking\n"),
            Err("it does not say zk_server_state")
        );
    }

    #[test]
    fn srvr_and_stat_are_understood() {
        let said = "Zookeeper version: 3.4.6-1569965, built on 02/20/2014 09:09 GMT\nClients:\n \
                    /127.0.0.1:54008[0](queued=0,recved=1,sent=0)\n\nLatency min/avg/max: 0/3/45\n\
                    Received: 5\nSent: 10\nConnections: 1\nOutstanding: 7\nZxid: 0x0\n\
                    Mode: follower\nNode count: 12\n";
        let report = parse_srvr(said).unwrap();
        assert_eq!(
            (report.role, report.version.as_str()),
            (Role::Follower, "3.4.6")
        );
        for (name, value) in [
            ("min_latency", 0),
            ("avg_latency", 3),
            ("max_latency", 45),
            ("packets_received", 5),
            ("packets_sent", 10),
            ("num_alive_connections", 1),
            ("outstanding_requests", 7),
            ("znode_count", 12),
        ] {
            assert_eq!(report.count(name), Some(value), "{name}");
        }
        assert_eq!(
            parse_srvr("Mode: follower"),
            Err("it does not say its version")
        );
    }

    proptest! {
        #[test]
        fn nothing_makes_them_panic(said in "(zk_[a-z_]{0,9}\t|Latency min/avg/max: |\n|\\PC{0,9}){0,20}") {
            let numbers = [parse_mntr(&said), parse_srvr(&said)].into_iter().flatten();
            for report in numbers {
                prop_assert!(report.version.chars().count() <= SHOWN);
            }
        }

        #[test]
        fn nor_does_what_is_no_text(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let said = String::from_utf8_lossy(&bytes);
            drop((parse_mntr(&said), parse_srvr(&said), is_not_allowed(&said)));
            prop_assert!(!shown(&said).contains(char::is_control));
        }
    }
}
