//! `check-infiniband`: whether each InfiniBand port is up, as wide and as fast as it should be, and
//! how many errors it and the other end of its cable counted within the last hour.
//!
//! Reads what `metrics-infiniband` reads, and keeps the counters in a state file.

mod history;

use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches};
use venus_collectors::infiniband::{self, Counter, Reading};
use venus_collectors::source::infiniband::facts::{Facts, SPEEDS, STATES, Tenths};
use venus_collectors::state::StateFile;
use venus_collectors::{CollectError, Presence};

use crate::check::remember::Turn;
use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::status::{Findings, Outcome, Perfdata, Range, Status, Thresholds, Unit};

use history::{HOUR, History, Lately};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-infiniband",
    title: "CheckInfiniBand",
    about: "Whether InfiniBand ports are up, at full width and speed, and free of errors",
    example: "--port mlx4_0:1 --width 4X --speed QDR",
    arguments,
    looks_at,
    run,
};

/// What the errors of a link that is fit for use add up to: one bit in 10^12, by IBTA volume 2,
/// chapter 6.
const BIT_ERROR_RATE: f64 = 1e-12;
/// Counted as bits arrive wrong, so that there is a rate that is right.
const BY_RATE: [&str; 2] = ["SymbolErrorCounter", "PortRcvErrors"];
/// Never counted by a good cable, with what to call one of them.
const NEVER: [(&str, &str); 4] = [
    ("LinkDownedCounter", "went down"),
    ("LinkErrorRecoveryCounter", "recovered from errors"),
    (
        "LocalLinkIntegrityErrors",
        "exceeded its threshold of errors",
    ),
    ("ExcessiveBufferOverrunErrors", "overran its buffers"),
];
/// The longest part of the time that questions to the fabric may take.
const BUDGET: Duration = Duration::from_secs(2);

fn arguments() -> Vec<Arg> {
    let value = |name: &'static str, value_name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value_name).help(help)
    };
    let [warning, critical] = limits::arguments(
        "Errors an hour that are worth a warning [default: above one bit in 10^12]",
        "Errors an hour that are critical [default: above ten bits in 10^12]",
    )
    .map(|argument| {
        argument
            .value_name("RANGE")
            .value_parser(|text: &str| text.parse::<Range>())
    });
    vec![
        value(
            "port",
            "DEVICE:PORT",
            "Look at this port only, and expect it to be there; may be repeated",
        )
        .action(ArgAction::Append)
        .value_parser(port),
        value("state", "STATE", "The state that a port is to be in")
            .default_value("Active")
            .value_parser(state),
        value("width", "WIDTH", "How many lanes it is to have, e.g. 4X").value_parser(width),
        value("speed", "SPEED", "How fast a lane is to be, e.g. QDR").value_parser(speed),
        warning,
        critical,
    ]
}

fn port(text: &str) -> Result<(String, u8), String> {
    text.split_once(':')
        .and_then(|(device, port)| Some((device.to_owned(), port.parse().ok()?)))
        .filter(|(device, port)| !device.is_empty() && *port > 0)
        .ok_or_else(|| "use a device and a port, as in mlx4_0:1".to_owned())
}

fn state(text: &str) -> Result<u8, String> {
    named(&STATES, text)
}

fn speed(text: &str) -> Result<Tenths, String> {
    named(&SPEEDS, text).map(Tenths)
}

fn width(text: &str) -> Result<u8, String> {
    text.strip_suffix(['X', 'x'])
        .and_then(|lanes| lanes.parse().ok())
        .filter(|lanes| matches!(lanes, 1 | 2 | 4 | 8 | 12))
        .ok_or_else(|| "use 1X, 2X, 4X, 8X or 12X".to_owned())
}

fn named<T: Copy>(names: &[(&str, T)], text: &str) -> Result<T, String> {
    let known = names
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text));
    known.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        format!("use one of {}", names.join(", "))
    })
}

fn state_file(context: &Context) -> StateFile {
    StateFile::new(&context.state_dir, "check-infiniband.json")
}

fn looks_at(_: &ArgMatches, context: &Context) -> Vec<String> {
    let roots = &context.roots;
    vec![
        format!(
            "{}/DEVICE/ports/N",
            roots.sys.join("class/infiniband").display()
        ),
        format!("{}/umadN", roots.dev.join("infiniband").display()),
        state_file(context).path().display().to_string(),
    ]
}

/// What a port should be like.
struct Expected {
    state: u8,
    width: Option<u8>,
    speed: Option<Tenths>,
    warning: Option<Range>,
    critical: Option<Range>,
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let [warning, critical] = limits::both(matches);
    let expected = Expected {
        state: matches.get_one("state").copied().unwrap_or_default(),
        width: matches.get_one("width").copied(),
        speed: matches.get_one("speed").copied(),
        warning,
        critical,
    };
    Thresholds::new(expected.warning, expected.critical)?;
    let wanted: Vec<(String, u8)> = matches
        .get_many("port")
        .map(|ports| ports.cloned().collect())
        .unwrap_or_default();

    let turn = Turn::at(state_file(context), context)?;
    context.step("asking the ports");
    let (mut readings, mut problems) = (Vec::new(), Vec::new());
    let budget = BUDGET.min(context.time_left() / 2);
    match infiniband::read(&context.roots, budget, &mut readings, &mut problems)? {
        Presence::Here => {}
        Presence::Absent(reason) if wanted.is_empty() => return Err(Failure::new(reason)),
        Presence::Absent(_) => readings.clear(),
    }
    let is_wanted = |reading: &Reading| {
        let is = |(device, port): &(String, u8)| *device == reading.device && *port == reading.port;
        wanted.is_empty() || wanted.iter().any(is)
    };
    readings.retain(is_wanted);

    let mut details: Vec<String> = problems.iter().map(CollectError::to_string).collect();
    let (mut history, lost): (History, _) = turn.read(context)?;
    details.extend(lost);
    let mut found = Found::default();
    for (device, port) in &wanted {
        let is = |reading: &Reading| reading.device == *device && reading.port == *port;
        if !readings.iter().any(is) {
            let what = format!("{device} port {port} is not there");
            found.findings.add(Status::Critical, what);
        }
    }
    for reading in &readings {
        found.port(reading, &expected, context.now, &mut history)?;
    }
    if let Err(failure) = turn.write(&history, context) {
        found.findings.add(Status::Unknown, failure.to_string());
    }
    let mut outcome = found.findings.outcome(found.right.join("; "));
    outcome.details.extend(details);
    outcome.perfdata = found.perfdata;
    Ok(outcome)
}

/// What was found so far.
#[derive(Default)]
struct Found {
    findings: Findings,
    right: Vec<String>,
    perfdata: Vec<Perfdata>,
}

impl Found {
    /// Looks at a port, and at the other end of its cable.
    fn port(
        &mut self,
        reading: &Reading,
        expected: &Expected,
        now: u64,
        history: &mut History,
    ) -> Result<(), Failure> {
        let here = format!("{} port {}", reading.device, reading.port);
        let peer = reading
            .remote
            .as_ref()
            .map(|(peer, _)| format!("{} port {}", peer.description, peer.address.number));
        let key = format!("{}:{}", reading.device, reading.port);
        let cable = history.entry(key.clone()).or_default();
        cable.peer = peer.or_else(|| cable.peer.take());
        let (ours, theirs) = match &cable.peer {
            Some(peer) => (format!("{here} (to {peer})"), format!("{peer} (to {here})")),
            None => (here.clone(), here),
        };
        let before = self.findings.worst();
        self.link(&ours, &reading.facts, expected);

        let thresholds = thresholds(&reading.facts, expected)?;
        let lately = cable.here.advance(now, judged(&reading.counters));
        if reading.counters.is_empty() {
            let what = format!("{ours}: no counters could be read");
            self.findings.add(Status::Unknown, what);
        }
        self.stopped(&ours, &reading.counters);
        let errors = self.errors(&ours, &key, lately.as_ref(), thresholds);
        if let Some((peer, counters)) = &reading.remote {
            let far = cable.far(format!("{:016x}:{}", peer.guid, peer.address.number));
            let lately = far.advance(now, judged(counters));
            let key = format!("{key} remote");
            self.stopped(&theirs, counters);
            self.errors(&theirs, &key, lately.as_ref(), thresholds);
        }
        if self.findings.worst() == before {
            let facts = &reading.facts;
            self.right.push(format!(
                "{ours} is {} at {}, {errors}",
                facts.state_name(),
                link(facts)
            ));
        }
        Ok(())
    }

    /// A counter at its end would be silent for ever, whatever happens.
    fn stopped(&mut self, end: &str, counters: &[Counter]) {
        for (name, value, bits) in judged(counters) {
            if bits < 64 && value == u64::MAX >> (64 - bits) {
                let what = format!(
                    "{end} cannot count {name} any more, which has stopped at {value}: reset it"
                );
                self.findings.add(Status::Warning, what);
            }
        }
    }

    /// Whether the link is what it should be.
    fn link(&mut self, ours: &str, facts: &Facts, expected: &Expected) {
        let mut critical = |what: String| self.findings.add(Status::Critical, what);
        if facts.state != Some(expected.state) {
            let name = |(name, of): &(&'static str, u8)| (*of == expected.state).then_some(*name);
            critical(format!(
                "{ours} is {} ({}), expected {}",
                facts.state_name(),
                facts.phys_state_name(),
                STATES.iter().find_map(name).unwrap_or("unknown"),
            ));
            // A link that is down has no width worth a word.
            return;
        }
        let width = expected.width.filter(|width| facts.width != Some(*width));
        let speed = expected.speed.filter(|speed| facts.speed != Some(*speed));
        if width.is_some() || speed.is_some() {
            let wanted = Facts {
                width: expected.width.or(facts.width),
                speed: expected.speed.or(facts.speed),
                ..Facts::default()
            };
            critical(format!(
                "{ours} runs at {}, expected {}",
                link(facts),
                link(&wanted)
            ));
        }
    }

    /// Judges what one end of a cable counted, and says it in a few words.
    fn errors(
        &mut self,
        end: &str,
        key: &str,
        lately: Option<&Lately>,
        thresholds: Thresholds,
    ) -> String {
        let Some(lately) = lately else {
            return "counters read for the first time".to_owned();
        };
        let mut all = 0.0;
        for name in BY_RATE {
            let Some(count) = lately.in_the_hour(name) else {
                continue;
            };
            all += count;
            let status = thresholds.judge(count);
            let limit = match status {
                Status::Critical => thresholds.critical(),
                _ => thresholds.warning(),
            };
            let limit = limit.map(|limit| limit.to_string()).unwrap_or_default();
            let time = time(lately.known);
            let what = format!("{end} counted {count:.0} {name} in {time}, expected {limit}");
            self.findings.add(status, what);
            let label = format!("{key} {name}");
            let figure = Perfdata::new(label, count, Unit::None).thresholds(thresholds);
            self.perfdata.push(figure.min(0));
        }
        for (name, what) in NEVER {
            let Some(count) = lately.whole(name) else {
                continue;
            };
            all += lately.in_the_hour(name).unwrap_or_default();
            if count > 0 {
                let times = if count > 1 { "times" } else { "time" };
                let time = time(lately.span);
                let what = format!("{end} {what} {count} {times} in {time}");
                self.findings.add(Status::Warning, what);
            }
            let figure = Perfdata::new(format!("{key} {name}"), count, Unit::None);
            self.perfdata.push(figure.min(0));
        }
        format!("{all:.0} errors in {}", time(lately.known))
    }
}

/// `5 min`, `an hour`, `72 h`
fn time(seconds: u64) -> String {
    match seconds {
        HOUR => "an hour".to_owned(),
        more if more > HOUR => format!("{} h", more.div_ceil(HOUR)),
        less => format!("{} min", less.div_ceil(60).max(1)),
    }
}

/// Those of the counters that tell of the cable.
fn judged(counters: &[Counter]) -> impl Iterator<Item = (&str, u64, u8)> {
    let is_judged = |name: &str| BY_RATE.contains(&name) || NEVER.iter().any(|(of, _)| *of == name);
    counters
        .iter()
        .filter(move |counter| is_judged(&counter.name))
        .map(|counter| (counter.name.as_str(), counter.value, counter.bits))
}

/// How many errors an hour are too many for this link.
fn thresholds(facts: &Facts, expected: &Expected) -> Result<Thresholds, Failure> {
    let Tenths(rate) = facts.rate().unwrap_or(Tenths(0));
    #[expect(clippy::cast_precision_loss, reason = "3600 is exact")]
    let bits_an_hour = f64::from(rate) * 1e8 * HOUR as f64;
    // A link that is down, or whose rate nobody knows, counts nothing.
    let limit = (bits_an_hour * BIT_ERROR_RATE).max(1.0);
    let default = |given: Option<Range>, times: f64| given.or(Some(Range::up_to(limit * times)));
    let thresholds = match (expected.warning, expected.critical) {
        // One that is given alone must not contradict what nobody gave.
        (Some(warning), None) => Thresholds::new(Some(warning), None),
        (None, Some(critical)) => Thresholds::new(None, Some(critical)),
        (warning, critical) => Thresholds::new(default(warning, 1.0), default(critical, 10.0)),
    };
    Ok(thresholds?)
}

/// `4X QDR`
fn link(facts: &Facts) -> String {
    match facts.width {
        Some(width) => format!("{width}X {}", facts.speed_name()),
        None => "unknown width".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_link_has_one_wrong_bit_in_a_million_millions() {
        let expected = Expected {
            state: 4,
            width: None,
            speed: None,
            warning: None,
            critical: None,
        };
        for (width, speed, warning, critical) in [
            (4, 25, "~:36", "~:360"),
            (4, 100, "~:144", "~:1440"),
            (1, 100, "~:36", "~:360"),
            (4, 140, "~:201.6", "~:2016"),
        ] {
            let facts = Facts {
                width: Some(width),
                speed: Some(Tenths(speed)),
                ..Facts::default()
            };
            let thresholds = thresholds(&facts, &expected).unwrap();
            assert_eq!(thresholds.warning().unwrap().to_string(), warning);
            assert_eq!(thresholds.critical().unwrap().to_string(), critical);
        }
        let nothing = thresholds(&Facts::default(), &expected).unwrap();
        assert_eq!(nothing.judge(0), Status::Ok);
    }

    #[test]
    fn arguments_say_what_can_be_given() {
        assert_eq!(port("mlx4_0:1"), Ok(("mlx4_0".to_owned(), 1)));
        for bad in ["mlx4_0", ":1", "mlx4_0:0", "mlx4_0:x", "mlx4_0:256"] {
            assert_eq!(
                port(bad).unwrap_err(),
                "use a device and a port, as in mlx4_0:1"
            );
        }
        assert_eq!((width("4X"), width("12x")), (Ok(4), Ok(12)));
        assert!(width("3X").is_err() && width("4").is_err());
        assert_eq!(speed("qdr"), Ok(Tenths(100)));
        assert_eq!(state("down"), Ok(1));
        assert_eq!(
            state("up").unwrap_err(),
            "use one of Down, Initialize, Armed, Active"
        );
    }
}
