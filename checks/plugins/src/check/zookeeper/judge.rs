//! What the answers of the servers mean, each and together.

use super::Judged;
use crate::check::limits;
use crate::service::ServiceError;
use crate::service::zookeeper::{Answer, Report, Role, Ruok};
use crate::status::{Findings, Limits, Number, Outcome, Perfdata, Status, Unit};

/// What is asked of the servers.
pub(super) struct Wanted {
    /// How many may be missing.
    pub(super) missing: Limits,
    /// Which roles are right; any if there are none.
    pub(super) roles: Vec<Role>,
    /// The numbers, and whether somebody asked for them to be judged.
    pub(super) limits: Vec<(&'static Judged, Limits, bool)>,
}

/// A server by its address, and what came of asking it.
type Member = (String, Answer);

pub(super) fn judge(members: &[Member], wanted: &Wanted) -> Outcome {
    let mut findings = Findings::default();
    let serving: Vec<(&str, &Report)> = members.iter().filter_map(serves).collect();
    let missing = missing(members, &mut findings);
    let size = quorum_size(&serving);
    let votes = count(&serving, |role| {
        matches!(role, Role::Leader | Role::Follower)
    });
    let all = members.len();
    let served = match serving.len() {
        1 => format!("1 of {all} servers serves"),
        number => format!("{number} of {all} servers serve"),
    };

    // Those that were not given may be up, so that only what is missing for sure counts.
    // And who leads or follows has a quorum, of which others may not have been given; some of those
    // given may be observers.
    let needed = size.unwrap_or(all) / 2 + 1;
    let may_be_up = size.unwrap_or(all).max(all).saturating_sub(missing.len());
    let is_lost = !missing.is_empty() && votes == 0 && may_be_up < needed;
    let (status, reached) = if is_lost {
        let needed = format!(", {needed} are needed for a quorum");
        (Status::Critical, needed)
    } else {
        let status = wanted.missing.judge(missing.len());
        (status, limits::reached(&wanted.missing, status))
    };
    if all > 1 && !missing.is_empty() {
        let count = match (is_lost, missing.len()) {
            (true, _) => String::new(),
            (false, 1) => ", 1 is missing".to_owned(),
            (false, number) => format!(", {number} are missing"),
        };
        findings.add(status, format!("{served}{count}{reached}"));
    }
    for what in &missing {
        findings.add(status, what.clone());
    }

    let are_all_known = missing.is_empty() && findings.worst() != Status::Unknown;
    let is_whole = are_all_known && size.is_none_or(|size| all >= size);
    roles(&serving, all, is_whole, &wanted.roles, &mut findings);
    for (name, answer) in members {
        match answer {
            Answer::Serves(_, Ruok::Other(said)) => findings.add(
                Status::Critical,
                format!("{name} says \"{said}\" to ruok, not imok: it is in error"),
            ),
            Answer::Serves(_, Ruok::Unclear(what)) => findings.add(Status::Unknown, what.clone()),
            _ => {}
        }
    }
    for (name, report) in &serving {
        let behind = behind(report, size);
        if let Some((behind, of)) = behind.filter(|(behind, _)| *behind > missing.len()) {
            let synced = of.saturating_sub(behind);
            let status = wanted.missing.judge(behind);
            let reached = limits::reached(&wanted.missing, status);
            findings.add(
                status,
                format!(
                    "{name} leads, and {synced} of {of} followers are in sync, {behind} not{reached}"
                ),
            );
        }
    }
    let perfdata = numbers(&serving, all, wanted, &mut findings);

    let mut right = match serving.first() {
        Some((name, report)) if all == 1 => {
            format!("{name} is {}, ZooKeeper {}", report.role, report.version)
        }
        _ => {
            let leader = serving.iter().find(|(_, one)| one.role == Role::Leader);
            let led = leader.map(|(name, _)| format!(", led by {name}"));
            served + &led.unwrap_or_default()
        }
    };
    right.push_str(&summary(&serving, all, wanted));
    let mut outcome = findings.outcome(right);
    outcome.perfdata = perfdata;
    outcome
}

fn serves((name, answer): &Member) -> Option<(&str, &Report)> {
    match answer {
        Answer::Serves(report, _) if report.role != Role::ReadOnly => Some((name, report)),
        Answer::Serves(..) | Answer::NotServing | Answer::Silent | Answer::Failed(_) => None,
    }
}

fn count(serving: &[(&str, &Report)], is: impl Fn(Role) -> bool) -> usize {
    serving.iter().filter(|(_, one)| is(one.role)).count()
}

/// How many servers have a vote, where one of them tells it: 3.6 and later do.
fn quorum_size(serving: &[(&str, &Report)]) -> Option<usize> {
    let told = serving.iter();
    let told = told.filter_map(|(_, report)| report.count("quorum_size"));
    told.max().and_then(|size| size.try_into().ok())
}

/// Those that do not serve, and why. What cannot be told of is a finding.
fn missing(members: &[Member], findings: &mut Findings) -> Vec<String> {
    let answers = |(_, answer): &Member| matches!(answer, Answer::Serves(..) | Answer::NotServing);
    let some_answer = members.iter().any(answers);
    let mut missing = Vec::new();
    for (name, answer) in members {
        match answer {
            Answer::Serves(report, _) if report.role == Role::ReadOnly => {
                missing.push(format!("{name} has no quorum and is read-only"));
            }
            Answer::Serves(..) => {}
            Answer::NotServing => missing.push(format!("{name} has no quorum and does not serve")),
            Answer::Silent => {
                let what = format!("{name} does not answer in time");
                if some_answer {
                    missing.push(what);
                } else {
                    findings.add(Status::Unknown, what);
                }
            }
            Answer::Failed(ServiceError::Away(what)) => missing.push(what.clone()),
            Answer::Failed(ServiceError::Unclear(what)) => {
                findings.add(Status::Unknown, what.clone());
            }
        }
    }
    missing
}

/// `is_whole`: all of the ensemble was asked, as far as is known, and has answered.
fn roles(
    serving: &[(&str, &Report)],
    all: usize,
    is_whole: bool,
    wanted: &[Role],
    findings: &mut Findings,
) {
    let right: Vec<&str> = wanted.iter().map(|role| role.name()).collect();
    for (name, report) in serving {
        let role = report.role;
        if !wanted.is_empty() && !wanted.contains(&role) {
            let what = format!("{name} is {role}, expected {}", right.join(" or "));
            findings.add(Status::Critical, what);
        } else if all > 1 && role == Role::Standalone {
            let what = format!("{name} is standalone, and not of an ensemble with the others");
            findings.add(Status::Critical, what);
        }
    }
    let leaders = serving.iter().filter(|(_, one)| one.role == Role::Leader);
    let leaders: Vec<&str> = leaders.map(|(name, _)| *name).collect();
    if leaders.len() > 1 {
        let what = format!("{} leaders: {}", leaders.len(), leaders.join(", "));
        findings.add(
            Status::Critical,
            format!("{what}; are they of one ensemble?"),
        );
    }
    let has_others = count(serving, |role| {
        matches!(role, Role::Follower | Role::Observer)
    }) > 0;
    if all > 1 && is_whole && leaders.is_empty() && has_others {
        let what = "no leader among these servers; are all of the ensemble given?";
        findings.add(Status::Unknown, what);
    }
}

/// How many followers of a leader are not in sync with it, and how many it has. Up to 3.5 it tells
/// only of those that are connected.
fn behind(report: &Report, size: Option<usize>) -> Option<(usize, usize)> {
    if report.role != Role::Leader {
        return None;
    }
    let whole = |name| report.count(name)?.try_into().ok();
    let synced: usize = whole("synced_followers")?;
    let of = size.map(|size| size.saturating_sub(1));
    let of = of.or_else(|| whole("followers"))?;
    Some((of.saturating_sub(synced), of))
}

fn numbers(
    serving: &[(&str, &Report)],
    all: usize,
    wanted: &Wanted,
    findings: &mut Findings,
) -> Vec<Perfdata> {
    let mut perfdata = Vec::new();
    if all > 1 {
        let figure = Perfdata::new("servers serving", serving.len(), Unit::None);
        perfdata.push(figure.min(0).max(all));
    }
    for (name, report) in serving {
        for (judged, limits, is_asked_for) in &wanted.limits {
            let Some(value) = (judged.value)(report) else {
                if *is_asked_for && (!judged.of_leaders || report.role == Role::Leader) {
                    let what = format!(
                        "{name} does not tell its {}: list mntr in its 4lw.commands.whitelist",
                        judged.words
                    );
                    findings.add(Status::Unknown, what);
                }
                continue;
            };
            let status = limits.judge(value);
            findings.add(status, crossed(judged, value, name, limits, status));
            let label = if all > 1 {
                format!("{name} {}", judged.name)
            } else {
                judged.name.to_owned()
            };
            let figure = Perfdata::new(label, value, judged.figure);
            let figure = figure.thresholds(limits.thresholds()).min(0);
            perfdata.push(match judged.figure {
                Unit::Percent => figure.max(100),
                _ => figure,
            });
        }
    }
    perfdata
}

/// A number of a server, and the threshold that it has reached.
fn crossed(judged: &Judged, value: Number, name: &str, limits: &Limits, status: Status) -> String {
    let Judged { words, unit, .. } = judged;
    let reached = limits::reached(limits, status);
    format!("{words} {value}{unit} at {name}{reached}")
}

/// The highest of what has thresholds, where all is well.
fn summary(serving: &[(&str, &Report)], all: usize, wanted: &Wanted) -> String {
    let most = if all > 1 { "at most " } else { "" };
    let shown = wanted.limits.iter().filter_map(|(judged, limits, _)| {
        limits.warning().or(limits.critical())?;
        let values = serving.iter().filter_map(|(_, one)| (judged.value)(one));
        let highest = values.max_by(|one, other| one.to_f64().total_cmp(&other.to_f64()))?;
        let Judged { words, unit, .. } = judged;
        Some(format!("{words} {most}{highest}{unit}"))
    });
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() {
        String::new()
    } else {
        format!("; {}", shown.join(", "))
    }
}
