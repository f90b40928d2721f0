//! Whether containers run, are healthy, and are not started anew over and over.

mod chosen;

use std::collections::{BTreeMap, BTreeSet};

use clap::{Arg, ArgAction, ArgMatches};
use regex_lite::Regex;
use serde::{Deserialize, Serialize};
use venus_collectors::state::StateFile;

use crate::check::remember::Turn;
use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::service::docker::{self, Container, Detail, Health, State};
use crate::service::http::{self, Http};
use crate::status::{
    Findings, Limit, Limits, Outcome, Perfdata, Range, Status, Thresholds, Unit, counted,
};

use chosen::{Chosen, Label};

/// See `docs/checks/check-docker-container.md`.
pub(super) static CHECK: Check = Check {
    name: "check-docker-container",
    title: "CheckDockerContainer",
    about: "Whether Docker's containers run, are healthy, and are not restarted over and over",
    example: "--pattern '^hpcg' --containers 2: -w 1 -c 5",
    arguments,
    looks_at,
    run,
};

/// Of how many containers that do not run it asks why, in one run: each is a question of its own.
const ASKED: usize = 100;

/// Of more containers than these, one that has not been started since the last run is not asked
/// how often it was restarted: about 1 ms each.
const MANY: usize = 1000;

/// After how many that cannot be asked no other is.
const FAILED: usize = 3;

/// How many are named where all is right.
const NAMED: usize = 5;

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Restarts of one container by Docker since the last run [default: none]",
        "The same, critical [default: none]",
    );
    let name = Arg::new("container")
        .long("container")
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
    let count = Arg::new("containers")
        .long("containers")
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
            count: matches.get_one("containers"),
            allow_exited: matches.get_flag("allow-exited"),
            restarts: limits::given(matches, Limits::at_least, [None, None])?,
            total: matches.get_flag("total"),
        })
    }

    fn counts_restarts(&self) -> bool {
        self.restarts.warning().is_some() || self.restarts.critical().is_some()
    }

    /// Where restarts are remembered from one run to the next: with other arguments in another
    /// file, so that checks side by side do not disturb each other.
    fn state_file(&self, matches: &ArgMatches, context: &Context) -> Option<StateFile> {
        if !self.counts_restarts() || self.total {
            return None;
        }
        let mut key = vec![http::url(matches)];
        key.extend(self.chosen.words());
        let count = self.count.map(|count| format!("count {}", count.text));
        key.extend(count);
        let limits = [self.restarts.warning(), self.restarts.critical()];
        key.extend(limits.map(|limit| match limit {
            Some(Limit::Number(number)) => number.to_string(),
            Some(Limit::Range(range)) => range.to_string(),
            None => String::new(),
        }));
        key.push(self.allow_exited.to_string());
        let name = format!("check-docker-container-{:016x}.json", digest(&key));
        Some(StateFile::new(&context.state_dir, &name))
    }
}

/// Makes one number of many words, today and by the next release of this program: FNV-1a.
fn digest(words: &[String]) -> u64 {
    let bytes = words.iter().flat_map(|word| word.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
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
    /// How often it was restarted, where that counts and is known.
    restarts: Option<u64>,
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let expected = Expected::of(matches)?;
    let http = Http::of(matches, context)?;
    let (mut findings, mut notes) = (Findings::default(), Vec::new());
    let file = expected.state_file(matches, context);
    // `None` if it cannot be told.
    let (mut turn, mut before) = (None, None);
    if let Some(file) = &file {
        let taken = Turn::at(file.clone(), context);
        match taken.and_then(|turn| Ok((turn.read::<Option<Remembered>>(context)?, turn))) {
            Ok(((remembered, lost), taken)) => {
                notes.extend(lost);
                before = Some(remembered);
                turn = Some(taken);
            }
            // All else is known.
            Err(failure) => findings.add(Status::Unknown, failure.to_string()),
        }
    }
    let all = match docker::containers(&http, context) {
        Ok(all) => all,
        Err(error) => return error.answer(),
    };
    let last = before.as_ref().and_then(Option::as_ref);
    let mut looked = ask(&http, &expected, &all, last, context, &mut findings);
    let is_first = file.is_some() && matches!(before, Some(None));
    if let Some(turn) = turn {
        let now = since(last, &mut looked, context.now);
        if let Err(failure) = turn.write(&Some(now), context) {
            findings.add(Status::Unknown, failure.to_string());
        }
    } else if file.is_some() {
        // How many of them are new is not known.
        for one in &mut looked {
            one.restarts = None;
        }
    }
    let mut outcome = judge(&looked, &expected, findings, is_first);
    if let Some(ended) = expected.chosen.left_out(&all) {
        outcome = with_ended(outcome, ended);
    }
    outcome.details.extend(notes);
    Ok(outcome)
}

/// Says of those that are right how many others were not looked at.
fn with_ended(mut outcome: Outcome, ended: usize) -> Outcome {
    if outcome.status == Status::Ok {
        let are = if ended == 1 { "is" } else { "are" };
        let what = format!("; {ended} that ended or never started {are} not looked at");
        outcome.what.push_str(&what);
    }
    outcome
}

/// The chosen ones, with details of those that do not run, and of all where restarts count. What
/// could not be asked is among the findings, once for all of them.
fn ask<'a>(
    http: &Http,
    expected: &Expected<'_>,
    all: &'a [Container],
    last: Option<&Remembered>,
    context: &Context,
    findings: &mut Findings,
) -> Vec<Looked<'a>> {
    let chosen = expected.chosen.among(all);
    let last = last.filter(|_| chosen.len() > MANY);
    let mut looked = Vec::new();
    let (mut why, mut failed, mut unasked) = (ASKED, Vec::new(), 0_u64);
    for container in chosen {
        let runs = matches!(container.state(), State::Running | State::Paused);
        let known = last.and_then(|last| last.known(container, context.now));
        let (mut detail, mut restarts) = (None, None);
        if runs && known.is_some() {
            restarts = known;
        } else if expected.counts_restarts() || (!runs && why > 0) {
            why = why.saturating_sub(usize::from(!runs));
            // Some time is left to tell of what is known.
            if failed.len() >= FAILED || context.time_left() < context.time() / 4 {
                unasked += 1;
            } else {
                match docker::detail(http, &container.id, context) {
                    Ok(Some(told)) => {
                        restarts = expected.counts_restarts().then_some(told.restart_count);
                        detail = Some(told);
                    }
                    // It has gone since the list was made.
                    Ok(None) => continue,
                    Err(error) => failed.push(error),
                }
            }
        }
        looked.push(Looked {
            container,
            detail,
            restarts,
        });
    }
    let others = unasked + failed.len().saturating_sub(1) as u64;
    if let Some(error) = failed.first() {
        let others = match others {
            0 => String::new(),
            others => format!("; {} not asked either", counted(others, "other")),
        };
        findings.add(error.status(), format!("{error}{others}"));
    } else if unasked > 0 {
        let of = counted(unasked, "container");
        let what = format!("no time to ask {of}; choose fewer, or give a longer --timeout");
        findings.add(Status::Unknown, what);
    }
    looked
}

/// What is kept from one run to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    /// When that was, in seconds since the epoch.
    time: u64,
    /// The restarts of each container, by its id.
    restarts: BTreeMap<String, u64>,
    /// Those that were there, and could not be asked.
    unasked: BTreeSet<String>,
}

impl Remembered {
    /// The restarts of one that runs since before that time, which are the same as then.
    fn known(&self, container: &Container, now: u64) -> Option<u64> {
        /// The clock may have been set a little, and the list is older than the time.
        const SPARE: u64 = 10;
        let elapsed = now.checked_sub(self.time)?.saturating_add(SPARE);
        if self.unasked.contains(&container.id) || container.up_at_least()? <= elapsed {
            return None;
        }
        self.restarts.get(&container.id).copied()
    }
}

/// Makes of all restarts those since the last run; all of them now, to be remembered.
fn since(before: Option<&Remembered>, looked: &mut [Looked<'_>], time: u64) -> Remembered {
    let mut now = Remembered {
        time,
        ..Remembered::default()
    };
    for one in looked {
        let id = &one.container.id;
        let last = before.and_then(|before| before.restarts.get(id).copied());
        let Some(count) = one.restarts else {
            // The next run counts from the last one that was told.
            now.unasked.insert(id.clone());
            now.restarts.extend(last.map(|last| (id.clone(), last)));
            continue;
        };
        now.restarts.insert(id.clone(), count);
        let was_unasked = before.is_none_or(|before| before.unasked.contains(id));
        one.restarts = Some(match last {
            Some(last) if last <= count => count - last,
            // Of the first run nothing can be told, nor of one that was not asked then.
            None if was_unasked => 0,
            // Of a container that is new all counts, and so does it of one that somebody has
            // started again, from when it is counted anew.
            Some(_) | None => count,
        });
    }
    now
}

fn judge(
    looked: &[Looked<'_>],
    expected: &Expected<'_>,
    mut findings: Findings,
    is_first: bool,
) -> Outcome {
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
            let status = expected.restarts.judge(count);
            let reached = limits::reached(&expected.restarts, status);
            let what = format!("{name} was restarted {times} {since}{reached}");
            findings.add(status, what);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn containers(status: &str) -> Vec<Container> {
        let json = format!(r#"[{{"Id":"a","State":"running","Status":"{status}"}}]"#);
        serde_json::from_str(&json).unwrap()
    }

    fn told(all: &[Container], restarts: Option<u64>) -> Looked<'_> {
        Looked {
            container: &all[0],
            detail: None,
            restarts,
        }
    }

    #[test]
    fn a_state_is_called_the_same_by_each_release() {
        let words = ["unix:///var/run/docker.sock", "name web"].map(str::to_owned);
        assert_eq!(digest(&words), 0x5c7d_56c2_2236_074b);
        assert_ne!(
            digest(&["ab".to_owned()]),
            digest(&["a", "b"].map(str::to_owned))
        );
    }

    #[test]
    fn one_that_was_not_asked_is_counted_from_the_last_that_it_told() {
        let all = containers("Up 5 seconds");
        let mut looked = [told(&all, None)];
        let first = since(None, &mut looked, 100);
        assert!(first.unasked.contains("a") && first.restarts.is_empty());
        // What it had before anybody asked is not new.
        let mut looked = [told(&all, Some(3))];
        let second = since(Some(&first), &mut looked, 200);
        assert_eq!(looked[0].restarts, Some(0));
        let third = since(Some(&second), &mut [told(&all, None)], 300);
        assert_eq!(third.restarts["a"], 3);
        let mut looked = [told(&all, Some(5))];
        since(Some(&third), &mut looked, 400);
        assert_eq!(looked[0].restarts, Some(2));
        // Another that is new counts in full.
        let mut looked = [told(&all, Some(5))];
        since(Some(&Remembered::default()), &mut looked, 400);
        assert_eq!(looked[0].restarts, Some(5));
    }

    #[test]
    fn one_that_runs_on_since_the_last_run_has_as_many_restarts_as_then() {
        let mut last = Remembered {
            time: 1000,
            restarts: [("a".to_owned(), 3)].into(),
            unasked: BTreeSet::new(),
        };
        for (status, now, expected) in [
            ("Up 5 minutes", 1060, Some(3)),
            ("Up About a minute", 1060, None),
            ("Up 5 minutes", 1290, None),
            ("Up 5 minutes", 999, None),
            ("Up Less than a second", 1000, None),
            ("", 1000, None),
        ] {
            let known = last.known(&containers(status)[0], now);
            assert_eq!(known, expected, "{status} {now}");
        }
        last.unasked.insert("a".to_owned());
        assert_eq!(last.known(&containers("Up 5 minutes")[0], 1060), None);
    }
}
