//! Whether containers run, are healthy, and are not started anew over and over.

mod chosen;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use clap::{Arg, ArgAction, ArgMatches};
use regex_lite::Regex;
use venus_collectors::state::StateFile;

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::service::ServiceError;
use crate::service::docker::{self, Container, Detail, Health, State};
use crate::service::http::{self, Http};
use crate::status::{
    Findings, Limits, Outcome, Perfdata, Range, Status, Thresholds, Unit, counted,
};

use chosen::{Chosen, Label};

/// See `docs/checks/check-docker-container.md`.
pub(super) static CHECK: Check = Check {
    name: "check-docker-container",
    title: "CheckDockerContainer",
    about: "Whether Docker's containers run, are healthy, and are not restarted over and over",
    example: "--pattern '^hpcg' --count 2: -w 1 -c 5",
    arguments,
    looks_at,
    run,
};

/// Of how many containers that do not run it asks why, in one run: each is a question of its own.
const ASKED: usize = 100;

/// How many are named where all is right.
const NAMED: usize = 5;

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Restarts of one container by Docker since the last run [default: none]",
        "The same, critical [default: none]",
    );
    let name = Arg::new("name")
        .long("name")
        .short('N')
        .alias("container-name")
        .value_name("NAME")
        .action(ArgAction::Append)
        .help("Expect this one, by its name or id; may be repeated");
    let pattern = Arg::new("pattern")
        .long("pattern")
        .short('p')
        .value_name("REGEX")
        .value_parser(|text: &str| Regex::new(text))
        .help("Look at those whose name has a match");
    let label = Arg::new("label")
        .long("label")
        .value_name("KEY[=VALUE]")
        .action(ArgAction::Append)
        .value_parser(|text: &str| text.parse::<Label>())
        .help("Look at those with this label; may be repeated, then they have all of them");
    let image = Arg::new("image")
        .long("image")
        .value_name("IMAGE")
        .help("Look at those made of this image, with any tag if none is given");
    let count = Arg::new("count")
        .long("count")
        .value_name("N|RANGE")
        .value_parser(|text: &str| text.parse::<Count>())
        .help("How many have to run: so many, or a range as 2: (or more)");
    let allow_exited = Arg::new("allow-exited")
        .long("allow-exited")
        .short('x')
        .action(ArgAction::SetTrue)
        .help("One that has ended with exit code 0 is right as well");
    let total = Arg::new("total")
        .long("total")
        .action(ArgAction::SetTrue)
        .help("Count all restarts since somebody started it for -w and -c");
    let [url, user, password, ca] = http::arguments(docker::SOCKET);
    vec![
        url,
        user,
        password,
        ca,
        name,
        pattern,
        label,
        image,
        count,
        allow_exited,
        warning,
        critical,
        total,
    ]
}

/// How many have to run.
#[derive(Debug, Clone, PartialEq)]
struct Count {
    range: Range,
    text: String,
}

impl std::str::FromStr for Count {
    type Err = crate::status::RangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // So many and no other, where a range would begin at 0.
        let range = match text.parse::<u64>() {
            Ok(number) => format!("{number}:{number}").parse(),
            Err(_) => text.parse(),
        };
        Ok(Self {
            range: range?,
            text: text.to_owned(),
        })
    }
}

/// What is expected of those that are looked at.
struct Expected<'a> {
    chosen: Chosen<'a>,
    count: Option<&'a Count>,
    allow_exited: bool,
    restarts: Limits,
    total: bool,
}

impl<'a> Expected<'a> {
    fn of(matches: &'a ArgMatches) -> Result<Self, Failure> {
        Ok(Self {
            chosen: Chosen::of(matches),
            count: matches.get_one("count"),
            allow_exited: matches.get_flag("allow-exited"),
            restarts: limits::given(matches, Limits::at_least, [None, None])?,
            total: matches.get_flag("total"),
        })
    }

    fn counts_restarts(&self) -> bool {
        self.restarts.warning().is_some() || self.restarts.critical().is_some()
    }

    /// Where restarts are remembered from one run to the next: those of other containers of
    /// another daemon have another file, so that checks side by side do not disturb each other.
    fn state_file(&self, matches: &ArgMatches, context: &Context) -> Option<StateFile> {
        if !self.counts_restarts() || self.total {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        (http::url(matches), &self.chosen).hash(&mut hasher);
        let name = format!("check-docker-container-{:016x}.json", hasher.finish());
        Some(StateFile::new(&context.state_dir, &name))
    }
}

fn looks_at(matches: &ArgMatches, context: &Context) -> Vec<String> {
    let url = http::url(matches);
    let mut lines = vec![
        format!("{url}/containers/json?all=1"),
        format!("{url}/containers/ID/json of those that do not run"),
    ];
    let Ok(expected) = Expected::of(matches) else {
        return lines;
    };
    if expected.counts_restarts() {
        lines.push(format!("{url}/containers/ID/json of those that run"));
    }
    let state = expected.state_file(matches, context);
    lines.extend(state.map(|file| file.path().display().to_string()));
    lines
}

/// A container that is looked at.
struct Looked<'a> {
    container: &'a Container,
    detail: Option<Detail>,
    /// How often it was restarted, where that counts.
    restarts: Option<u64>,
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let expected = Expected::of(matches)?;
    let http = Http::of(matches, context)?;
    let all = match docker::containers(&http, context) {
        Ok(all) => all,
        Err(error) => return error.answer(),
    };
    let mut looked = match ask(&http, &expected, &all, context) {
        Ok(looked) => looked,
        Err(error) => return error.answer(),
    };
    let mut notes = Vec::new();
    let mut is_first = false;
    if let Some(file) = expected.state_file(matches, context) {
        context.step(format!("reading {}", file.path().display()));
        let (before, damaged): (Option<Restarts>, _) = file.read()?;
        notes.extend(damaged.map(|damaged| damaged.to_string()));
        is_first = before.is_none();
        let now = since(before.as_ref(), &mut looked);
        context.step(format!("writing {}", file.path().display()));
        file.write(&Some(now))?;
    }
    let mut outcome = judge(&looked, &expected, is_first);
    outcome.details.extend(notes);
    Ok(outcome)
}

/// The chosen ones, with details of those that do not run, and of all where restarts count.
fn ask<'a>(
    http: &Http,
    expected: &Expected<'_>,
    all: &'a [Container],
    context: &Context,
) -> Result<Vec<Looked<'a>>, ServiceError> {
    let mut looked = Vec::new();
    let mut why = ASKED;
    for container in expected.chosen.among(all) {
        let runs = matches!(container.state(), State::Running | State::Paused);
        let mut detail = None;
        if expected.counts_restarts() || (!runs && why > 0) {
            why = why.saturating_sub(usize::from(!runs));
            detail = docker::detail(http, &container.id, context)?;
            if detail.is_none() {
                // It has gone since the list was made.
                continue;
            }
        }
        let count = detail.as_ref().map(|detail| detail.restart_count);
        looked.push(Looked {
            container,
            detail,
            restarts: count.filter(|_| expected.counts_restarts()),
        });
    }
    Ok(looked)
}

/// The restarts of each container, by its id.
type Restarts = BTreeMap<String, u64>;

/// Makes of all restarts those since the last run; all of them now, to be remembered.
fn since(before: Option<&Restarts>, looked: &mut [Looked<'_>]) -> Restarts {
    let mut now = Restarts::new();
    for one in looked {
        let Some(count) = one.restarts else { continue };
        let id = &one.container.id;
        now.insert(id.clone(), count);
        one.restarts = Some(match before {
            // Of the first run nothing can be told. Of a container that is new all counts, and so
            // does it of one that somebody has started again, from when it is counted anew.
            None => 0,
            Some(before) => match before.get(id) {
                Some(last) if *last <= count => count - last,
                Some(_) | None => count,
            },
        });
    }
    now
}

fn judge(looked: &[Looked<'_>], expected: &Expected<'_>, is_first: bool) -> Outcome {
    let mut findings = Findings::default();
    let mut restarts = Vec::new();
    let (mut running, mut unhealthy, mut ended_well) = (Vec::new(), 0_u64, 0_u64);
    for one in looked {
        let name = one.container.name();
        match one.container.state() {
            State::Running => match one.container.health() {
                Some(Health::Unhealthy) => {
                    unhealthy += 1;
                    findings.add(Status::Critical, format!("{name} is unhealthy"));
                    running.push(name.clone());
                }
                Some(Health::Healthy | Health::Starting) | None => running.push(name.clone()),
            },
            State::Exited if expected.allow_exited && one.container.exit_code() == Some(0) => {
                ended_well += 1;
            }
            state => findings.add(how_bad(state), format!("{name} {}", told(state, one))),
        }
        if is_out_of_memory(one) && one.container.state() == State::Running {
            let what = format!("{name} has lost a process for lack of memory");
            findings.add(Status::Warning, what);
        }
        if let Some(count) = one.restarts {
            let since = if expected.total {
                "in all"
            } else {
                "since the last run"
            };
            let times = counted(count, "time");
            let what = format!("{name} was restarted {times} {since}");
            findings.add(expected.restarts.judge(count), what);
            let figure = Perfdata::new(format!("{name} restarts"), count, Unit::None);
            restarts.push(figure.thresholds(expected.restarts.thresholds()).min(0));
        }
    }
    let found: Vec<&Container> = looked.iter().map(|one| one.container).collect();
    for name in expected.chosen.missing(&found) {
        findings.add(Status::Critical, format!("{name} is not there"));
    }
    running.sort_unstable();
    let count = expected.count.map(|count| count.range);
    let runs = if running.len() == 1 { "runs" } else { "run" };
    let what = format!("{} {runs}", counted(running.len(), "container"));
    if let Some(count) = expected.count {
        if count.range.alerts(running.len()) {
            let what = format!("{what}, expected {}", count.text);
            findings.add(Status::Critical, what);
        }
    } else if looked.is_empty() && expected.chosen.is_a_choice() && !expected.chosen.is_by_name() {
        findings.add(Status::Critical, "there is no such container");
    }
    let mut right = what;
    if (1..=NAMED).contains(&running.len()) {
        right.push_str(&format!(": {}", running.join(", ")));
    }
    if ended_well > 0 {
        let have = if ended_well == 1 { "has" } else { "have" };
        right.push_str(&format!("; {ended_well} {have} ended well"));
    }
    if is_first {
        right.push_str("; first run, restarts are counted from here on");
    }
    let mut outcome = findings.outcome(right);
    let figure = Perfdata::new("running", running.len(), Unit::None);
    let count = Thresholds::new(None, count).unwrap_or_default();
    outcome.perfdata = vec![
        figure.thresholds(count).min(0),
        Perfdata::new("unhealthy", unhealthy, Unit::None).min(0),
    ];
    outcome.perfdata.extend(restarts);
    outcome
}

fn how_bad(state: State) -> Status {
    match state {
        State::Running => Status::Ok,
        State::Paused | State::Removing => Status::Warning,
        State::Created | State::Restarting | State::Exited | State::Dead | State::HostDown => {
            Status::Critical
        }
        State::Unknown => Status::Unknown,
    }
}

fn is_out_of_memory(one: &Looked<'_>) -> bool {
    let detail = one.detail.as_ref();
    detail.is_some_and(|detail| detail.state.out_of_memory)
}

/// How one is that does not run, as the rest of a sentence.
fn told(state: State, one: &Looked<'_>) -> String {
    let mut told = match (state, one.container.exit_code()) {
        (State::Exited, Some(code)) => format!("has ended with exit code {code}"),
        (State::Exited, None) => "has ended".to_owned(),
        (State::Restarting, Some(code)) => format!("is restarting after exit code {code}"),
        (State::Created, _) => "was never started".to_owned(),
        (state, _) => format!("is {state}"),
    };
    if is_out_of_memory(one) {
        told.push_str(", killed for lack of memory");
    }
    let error = one.detail.as_ref().map_or("", |detail| &detail.state.error);
    if !error.is_empty() {
        told.push_str(&format!(": {error}"));
    }
    told
}
