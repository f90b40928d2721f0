//! `check-consul`: whether Consul has a leader, its servers and members, and keeps up with Raft.

use clap::{Arg, ArgMatches, value_parser};

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::service::consul::{self, Autopilot, Member, MemberStatus, Opinion, Raft};
use crate::service::http::{self, Http};
use crate::status::{Findings, Limit, Limits, Outcome, Perfdata, Status, Unit, counted, listed};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-consul",
    title: "CheckConsul",
    about: "Whether Consul has a leader, its servers and members, and keeps up",
    example: "--url http://127.0.0.1:8500 --peers 3",
    arguments,
    looks_at,
    run,
};

/// How many members that have failed are named.
const NAMED: usize = 5;

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Warn from this many committed entries of Raft that the server has not applied [default: 250]",
        "Critical from this many [default: 1000]",
    );
    let threshold = |name: &'static str, help: &'static str| {
        let parser = |text: &str| text.parse::<Limit>();
        let arg = Arg::new(name).long(name).value_name("N");
        arg.value_parser(parser).help(help)
    };
    let peers = Arg::new("peers")
        .long("peers")
        .alias("expect")
        .short('e')
        .value_name("N")
        .value_parser(value_parser!(u16).range(1..))
        .help("How many servers have to have a vote [default: any]");
    let mut all = consul::arguments();
    all.extend([
        peers,
        warning,
        critical,
        threshold(
            "contact-warning",
            "Warn if the server last heard of the leader as long ago, in ms [default: 1000]",
        ),
        threshold("contact-critical", "Critical from this [default: 5000]"),
        threshold(
            "failed-warning",
            "Warn from this many members that have failed [default: 1]",
        ),
        threshold("failed-critical", "Critical from this many [default: none]"),
    ]);
    all
}

fn looks_at(matches: &ArgMatches, _: &Context) -> Vec<String> {
    let paths = [
        "/v1/status/leader",
        "/v1/status/peers",
        "/v1/agent/members",
        "/v1/agent/self",
        "/v1/operator/autopilot/health",
    ];
    paths
        .map(|path| format!("{}{path}", http::url(matches)))
        .into()
}

/// What is asked of the cluster.
struct Wanted {
    peers: Option<usize>,
    lag: Limits,
    contact: Limits,
    failed: Limits,
    /// Whether somebody asked for Raft to be judged.
    raft: bool,
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let named = |names: [&str; 2], usual| limits::named(matches, names, Limits::at_least, usual);
    let of_raft = ["warning", "critical", "contact-warning", "contact-critical"];
    let wanted = Wanted {
        peers: matches.get_one::<u16>("peers").copied().map(usize::from),
        lag: named(["warning", "critical"], [Some(250.0), Some(1000.0)])?,
        contact: named(
            ["contact-warning", "contact-critical"],
            [Some(1000.0), Some(5000.0)],
        )?,
        failed: named(["failed-warning", "failed-critical"], [Some(1.0), None])?,
        raft: of_raft.iter().any(|name| matches.contains_id(name)),
    };
    let http = consul::agent(matches, context)?;
    match consul::leader(&http, context) {
        Ok(leader) => Ok(look(leader, &wanted, &http, context)),
        Err(error) => error.answer(),
    }
}

/// Asks the rest, and judges it. What cannot be told hides nothing of the others.
fn look(leader: Option<String>, wanted: &Wanted, http: &Http, context: &Context) -> Outcome {
    let mut findings = Findings::default();
    let mut told = Told::default();
    match consul::peers(http, context) {
        Ok(peers) => told.peers = Some(peers.len()),
        Err(error) => findings.add(error.status(), error.to_string()),
    }
    match consul::members(http, context) {
        Ok(members) => told.members = Some(members),
        Err(error) => findings.add(error.status(), error.to_string()),
    }
    match consul::raft(http, context) {
        Ok(None) if wanted.raft => findings.add(
            Status::Unknown,
            "it does not tell how far Raft is; ask a server, of Consul 0.7 or later",
        ),
        Ok(raft) => told.raft = raft,
        Err(error) => findings.add(error.status(), error.to_string()),
    }
    // Without a leader, nobody can tell.
    if leader.is_some() {
        match consul::autopilot(http, context) {
            Ok(opinion) => told.autopilot = opinion,
            Err(error) => findings.add(error.status(), error.to_string()),
        }
    }
    told.leader = leader;
    judge(&told, wanted, findings)
}

/// What the agent has told; none where it could not.
#[derive(Default)]
struct Told {
    leader: Option<String>,
    peers: Option<usize>,
    members: Option<Vec<Member>>,
    raft: Option<Raft>,
    autopilot: Opinion,
}

fn judge(told: &Told, wanted: &Wanted, mut findings: Findings) -> Outcome {
    let (mut right, mut perfdata) = (Vec::new(), Vec::new());
    match &told.leader {
        Some(leader) => right.push(format!("led by {leader}")),
        None => findings.add(Status::Critical, "the cluster has no leader"),
    }
    if let Some(peers) = told.peers {
        perfdata.push(Perfdata::new("peers", peers, Unit::None).min(0));
        if let Some(expected) = wanted.peers.filter(|expected| *expected != peers) {
            let status = if peers < expected / 2 + 1 {
                Status::Critical
            } else {
                Status::Warning
            };
            let what = format!("{}, expected {expected}", counted(peers, "peer"));
            findings.add(status, what);
        }
    }
    if let Some(members) = &told.members {
        let shown = judge_members(members, told.peers, wanted, &mut findings, &mut perfdata);
        right.push(shown);
    }
    if let Some(raft) = &told.raft {
        let shown = judge_raft(raft, wanted, &mut findings, &mut perfdata);
        right.extend(shown);
    }
    match &told.autopilot {
        Opinion::Known(autopilot) => judge_autopilot(autopilot, &mut findings, &mut perfdata),
        Opinion::Hidden => {
            right.push("autopilot not looked at, as the token lacks operator:read".to_owned());
        }
        Opinion::Lacking => {}
    }
    let mut outcome = findings.outcome(right.join(", "));
    outcome.perfdata = perfdata;
    outcome
}

fn judge_autopilot(autopilot: &Autopilot, findings: &mut Findings, perfdata: &mut Vec<Perfdata>) {
    let tolerance = autopilot.failure_tolerance;
    if !autopilot.healthy {
        let sick = autopilot.servers.iter().filter(|server| !server.healthy);
        let sick: Vec<&str> = sick.map(|server| server.name.as_str()).collect();
        let sick = named(" ", &sick);
        let spare = counted(tolerance, "more server");
        let what = format!("autopilot finds{sick} unhealthy; {spare} may fail");
        findings.add(Status::Warning, what);
    }
    perfdata.push(Perfdata::new("failure tolerance", tolerance, Unit::None).min(0));
}

fn judge_members(
    members: &[Member],
    peers: Option<usize>,
    wanted: &Wanted,
    findings: &mut Findings,
    perfdata: &mut Vec<Perfdata>,
) -> String {
    if members.is_empty() {
        let what = "it tells of no members; give a token that may read nodes with --token-file";
        findings.add(Status::Unknown, what);
    }
    let are = |status| members.iter().filter(move |one| one.status == status);
    let alive = are(MemberStatus::Alive).count();
    let servers = are(MemberStatus::Alive)
        .filter(|one| one.is_server())
        .count();
    // A list without its servers is one that was cut down to what this token may read.
    let known = peers.filter(|_| members.iter().any(Member::is_server));
    if let Some(peers) = known.filter(|peers| servers < *peers) {
        let verb = if servers == 1 { "is" } else { "are" };
        let what = format!("{servers} of {} {verb} alive", counted(peers, "server"));
        let needed = peers / 2 + 1;
        if servers < needed {
            let what = format!("{what}, {needed} needed for a quorum");
            findings.add(Status::Critical, what);
        } else {
            findings.add(Status::Warning, what);
        }
    }
    let failed: Vec<&str> = are(MemberStatus::Failed)
        .map(|one| one.name.as_str())
        .collect();
    let status = wanted.failed.judge(failed.len());
    let what = format!(
        "{} of {} failed{}{}",
        failed.len(),
        counted(members.len(), "member"),
        named(": ", &failed),
        limits::reached(&wanted.failed, status)
    );
    findings.add(status, what);
    perfdata.push(Perfdata::new("servers alive", servers, Unit::None).min(0));
    perfdata.push(Perfdata::new("members alive", alive, Unit::None).min(0));
    let figure = Perfdata::new("members failed", failed.len(), Unit::None);
    perfdata.push(figure.thresholds(wanted.failed.thresholds()).min(0));
    format!(
        "{} and {} alive",
        counted(servers, "server"),
        counted(alive, "member")
    )
}

/// Some names after this; nothing if there are none.
fn named(before: &str, names: &[&str]) -> String {
    let (shown, rest) = names.split_at(names.len().min(NAMED));
    match shown {
        [] => String::new(),
        shown => format!("{before}{}", listed(shown, rest.len())),
    }
}

fn judge_raft(
    raft: &Raft,
    wanted: &Wanted,
    findings: &mut Findings,
    perfdata: &mut Vec<Perfdata>,
) -> Option<String> {
    if let Some(contact) = raft.last_contact() {
        let contact = contact.round();
        let status = wanted.contact.judge(contact);
        let reached = limits::reached(&wanted.contact, status);
        let what = format!("it last heard of the leader {contact} ms ago{reached}");
        findings.add(status, what);
        let figure = Perfdata::new("last contact ms", contact, Unit::None);
        perfdata.push(figure.thresholds(wanted.contact.thresholds()).min(0));
    }
    let lag = raft.lag()?;
    let status = wanted.lag.judge(lag);
    let what = format!("Raft {lag} entries behind");
    findings.add(
        status,
        format!("{what}{}", limits::reached(&wanted.lag, status)),
    );
    let figure = Perfdata::new("raft lag", lag, Unit::None);
    perfdata.push(figure.thresholds(wanted.lag.thresholds()).min(0));
    Some(what)
}
