//! Results become events: what is new, what goes on, what is over.

use crate::keepalive::SENSU_VERSION;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use venus_event::{Action, Attributes, CheckResult, Event, Severity};

/// How many past statuses Sensu keeps and shows.
const HISTORY: usize = 21;
/// Bytes that all checks together may take.
const MOST: usize = 4 << 20;
/// What a check takes beside its name, in bytes; above the truth.
const COST: usize = 512;
const DAY: u64 = 86_400;
/// Seconds after which a check that is well, and of which nothing was heard, is forgotten.
const FORGOTTEN: u64 = 2 * DAY;
/// The same where the end of something is still to be told: what runs once a month may tell it.
const GIVEN_UP: u64 = 40 * DAY;

/// What is remembered of every check.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Checks {
    known: BTreeMap<String, State>,
}

/// What a result amounts to.
#[derive(Debug, Clone)]
pub struct News {
    /// What a handler is told.
    pub event: Event,
    /// Which severities there were since the event began; whoever was told of one of them is told
    /// of the end.
    pub severities: Vec<Severity>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    /// Statuses, oldest first, at most [`HISTORY`].
    history: VecDeque<i64>,
    last_ok: Option<i64>,
    /// When there last was a result, seconds since the epoch.
    heard: u64,
    /// What a later OK resolves.
    open: Option<Open>,
}

/// An event that goes on.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Open {
    id: String,
    occurrences: u64,
    watermark: u64,
    last_state_change: Option<i64>,
    /// Whether the check changes its state too often, by its thresholds.
    flaps: bool,
    /// The exit codes of the severities that it has had.
    severities: BTreeSet<u8>,
}

impl Checks {
    /// The event that a result makes: none while a check is OK and was OK. Metrics make one each
    /// time.
    ///
    /// `client` describes this agent, `now` is in seconds since the epoch.
    pub fn event(&mut self, result: &CheckResult, client: Attributes, now: u64) -> Option<News> {
        let key = key(result);
        if !self.known.contains_key(&key) {
            self.make_room(&key, now);
        }
        let seconds = i64::try_from(now).ok();
        let state = self.known.entry(key).or_default();
        let is_same = state.record(result, now);
        let change = state.total_change();
        let flaps = is_flapping(&result.check, change, state.open.as_ref());

        let is_wrong = result.severity() != Severity::Ok;
        let mut open = state.open.clone().unwrap_or_else(Open::new);
        let mut action = if flaps {
            Action::Flapping
        } else {
            Action::Create
        };
        if is_wrong || flaps {
            open.goes_on(is_same, seconds);
        } else if state.open.is_some() {
            open.last_state_change = seconds;
            action = Action::Resolve;
        }
        open.flaps = flaps;
        open.severities.insert(result.severity().exit_code());

        let is = |key, value| result.check.get(key) == Some(&Value::Bool(value));
        let is_forced = is("force_resolve", true);
        let ends = match action {
            Action::Resolve => is_forced || !is("auto_resolve", false),
            Action::Flapping => is_forced,
            Action::Create => false,
        };
        let severities = open.severities();
        let event = Event {
            id: Some(open.id.clone()),
            client: proxy(result, now).unwrap_or(client),
            check: described(result, &state.history, change),
            occurrences: open.occurrences,
            occurrences_watermark: open.watermark,
            last_ok: state.last_ok,
            action,
            timestamp: seconds,
            last_state_change: open.last_state_change,
            silenced: false,
            silenced_by: Vec::new(),
        };
        if is_wrong || (flaps && !is_forced) {
            state.open = Some(open);
        } else if ends {
            state.open = None;
        } else if !result.is_metric() {
            return None;
        }
        Some(News { event, severities })
    }

    /// Forgets what nobody has heard of for long; then, if there is no room for another check, those
    /// that are well and were heard of longest ago, and only then others.
    fn make_room(&mut self, key: &str, now: u64) {
        self.known.retain(|_, state| state.is_of_use(now));
        let size = |key: &str| key.len() + COST;
        let mut all: usize = self.known.keys().map(|key| size(key)).sum();
        if all + size(key) <= MOST {
            return;
        }
        let known = self.known.iter();
        let mut known: Vec<(bool, u64, String)> = known
            .map(|(key, state)| (state.open.is_some(), state.heard, key.clone()))
            .collect();
        known.sort_unstable();
        // An eighth more, so that this is not done for each of many.
        for (_, _, oldest) in known {
            if all + size(key) <= MOST - MOST / 8 {
                break;
            }
            all -= size(&oldest);
            self.known.remove(&oldest);
        }
    }
}

/// The client that a result is of, where it is not the one that has sent it.
fn source(result: &CheckResult) -> Option<&str> {
    let source = result.check.get("source").and_then(Value::as_str);
    source.filter(|source| *source != result.client)
}

/// A check of a proxy client is another check.
fn key(result: &CheckResult) -> String {
    match source(result) {
        Some(source) => format!("{source}:{}", result.name()),
        None => result.name().to_owned(),
    }
}

/// A proxy client as a server makes it, of which only the name is known.
fn proxy(result: &CheckResult, now: u64) -> Option<Attributes> {
    let name = source(result)?;
    let client = json!({
        "name": name, "address": "unknown", "subscriptions": [format!("client:{name}")],
        "keepalives": false, "version": SENSU_VERSION, "timestamp": now, "type": "proxy",
    });
    client.as_object().cloned()
}

/// The check of an event: that of the result, and what a server adds.
fn described(result: &CheckResult, history: &VecDeque<i64>, change: i64) -> Attributes {
    let mut check = result.check.clone();
    check
        .entry("type".to_owned())
        .or_insert_with(|| json!("standard"));
    if check.contains_key("source") {
        check.insert("origin".to_owned(), json!(result.client));
    }
    let history: Vec<String> = history.iter().map(ToString::to_string).collect();
    check.insert("history".to_owned(), json!(history));
    check.insert("total_state_change".to_owned(), json!(change));
    check
}

/// By the check's `low_flap_threshold` and `high_flap_threshold`, in percent: it begins at the
/// high one, and ends at the low one.
fn is_flapping(check: &Attributes, change: i64, open: Option<&Open>) -> bool {
    let threshold = |key| check.get(key).and_then(Value::as_i64);
    let low = threshold("low_flap_threshold");
    let Some((low, high)) = low.zip(threshold("high_flap_threshold")) else {
        return false;
    };
    if open.is_some_and(|open| open.flaps) {
        change > low
    } else {
        change >= high
    }
}

impl State {
    /// Takes a result; whether its status is that before it.
    fn record(&mut self, result: &CheckResult, now: u64) -> bool {
        let status = result.status();
        let is_same = self.history.back() == Some(&status);
        self.history.push_back(status);
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
        if status == 0 {
            let executed = result.check.get("executed").and_then(Value::as_i64);
            self.last_ok = executed.or(i64::try_from(now).ok());
        }
        self.heard = now;
        is_same
    }

    /// How much the status changes, in percent, with recent changes weighing
    /// more (0.82 to 1.2), as Sensu computes it; 0 before the history is full.
    fn total_change(&self) -> i64 {
        if self.history.len() < HISTORY {
            return 0;
        }
        let pairs = self.history.iter().zip(self.history.iter().skip(1));
        let mut weight = 0.82;
        let mut change = 0.0;
        for (before, after) in pairs {
            if before != after {
                change += weight;
            }
            weight += 0.02;
        }
        #[expect(clippy::cast_possible_truncation, reason = "from 0 to 101")]
        let percent = (change / 20.0 * 100.0) as i64;
        percent
    }

    fn is_of_use(&self, now: u64) -> bool {
        let most = if self.open.is_some() {
            GIVEN_UP
        } else {
            FORGOTTEN
        };
        now.saturating_sub(self.heard) <= most
    }
}

impl Open {
    fn new() -> Self {
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            occurrences: 1,
            watermark: 1,
            last_state_change: None,
            flaps: false,
            severities: BTreeSet::new(),
        }
    }

    fn goes_on(&mut self, is_same: bool, now: Option<i64>) {
        if is_same {
            self.occurrences += 1;
            self.watermark = self.watermark.max(self.occurrences);
        } else {
            self.occurrences = 1;
            self.last_state_change = now;
        }
    }

    fn severities(&self) -> Vec<Severity> {
        let codes = self.severities.iter();
        codes.map(|code| Severity::of(i64::from(*code))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(check: &Value) -> CheckResult {
        CheckResult {
            client: "c".to_owned(),
            check: check.as_object().unwrap().clone(),
            signature: None,
        }
    }

    /// The events of these statuses, one a second from 100 on, of a check with more attributes.
    fn run_with(more: &Value, statuses: &[i64]) -> Vec<Option<Event>> {
        let mut checks = Checks::default();
        let mut events = Vec::new();
        for (now, status) in (100..).zip(statuses) {
            let mut check = json!({"name": "k", "interval": 10, "status": status, "output": ""});
            let more = more.as_object().unwrap().clone();
            check.as_object_mut().unwrap().extend(more);
            let news = checks.event(&result(&check), Attributes::new(), now);
            events.push(news.map(|news| news.event));
        }
        events
    }

    fn run(statuses: &[i64]) -> Vec<Option<Event>> {
        run_with(&json!({}), statuses)
    }

    fn actions(events: &[Option<Event>]) -> Vec<Option<Action>> {
        let actions = events.iter().map(|event| Some(event.as_ref()?.action));
        actions.collect()
    }

    type Summary = (Action, [u64; 2], [Option<i64>; 2]);

    fn summary(event: Option<&Event>) -> Option<Summary> {
        let event = event?;
        let times = [event.occurrences, event.occurrences_watermark];
        Some((
            event.action,
            times,
            [event.last_ok, event.last_state_change],
        ))
    }

    #[test]
    fn i_an_event_is_created_goes_on_and_is_resolved() {
        let events = run(&[0, 1, 1, 2, 0, 0]);
        let seen: Vec<_> = events.iter().map(|event| summary(event.as_ref())).collect();
        assert_eq!(
            seen,
            [
                None,
                Some((Action::Create, [1, 1], [Some(100), Some(101)])),
                Some((Action::Create, [2, 2], [Some(100), Some(101)])),
                Some((Action::Create, [1, 2], [Some(100), Some(103)])),
                Some((Action::Resolve, [1, 2], [Some(104), Some(104)])),
                None,
            ]
        );
        let last = events[4].as_ref().unwrap();
        assert_eq!(last.check["history"], json!(["0", "1", "1", "2", "0"]));
    }

    #[test]
    fn i_an_event_has_one_id_from_its_beginning_to_its_end() {
        let events = run(&[2, 2, 1, 0, 2]);
        let ids: Vec<_> = events
            .iter()
            .map(|event| event.as_ref().unwrap().id.clone())
            .collect();
        assert!(ids[..4].iter().all(|id| *id == ids[0]), "{ids:?}");
        assert_ne!(ids[4], ids[0]);
        assert_eq!(ids[4].as_ref().unwrap().len(), 36);
    }

    #[test]
    fn i_what_is_not_to_resolve_itself_stays_until_it_is_forced_to() {
        use Action::{Create, Resolve};
        let waits = json!({"auto_resolve": false});
        let events = run_with(&waits, &[2, 2, 0, 0, 2, 2]);
        assert_eq!(
            actions(&events),
            [
                Some(Create),
                Some(Create),
                None,
                None,
                Some(Create),
                Some(Create)
            ]
        );
        let first = events[0].as_ref().unwrap();
        let last = events[5].as_ref().unwrap();
        assert_eq!(last.id, first.id);
        assert_eq!((last.occurrences, last.occurrences_watermark), (2, 2));
        let forced = json!({"auto_resolve": false, "force_resolve": true});
        let events = run_with(&forced, &[2, 0, 0]);
        assert_eq!(actions(&events), [Some(Create), Some(Resolve), None]);
    }

    #[test]
    fn i_the_first_event_of_a_check_has_the_shape_that_sensu_gives_it() {
        const CAPTURED: &str = include_str!("../../../tests/fixtures/wire/event-create.json");
        let captured: Value = serde_json::from_str(CAPTURED).unwrap();
        let mut check = captured["check"].as_object().unwrap().clone();
        for added in ["type", "history", "total_state_change"] {
            check.shift_remove(added);
        }
        let result = CheckResult {
            client: "venus001".to_owned(),
            check,
            signature: None,
        };
        let client = captured["client"].as_object().unwrap().clone();
        let news = Checks::default().event(&result, client, 1_795_468_077);
        let mut event = serde_json::to_value(news.unwrap().event).unwrap();
        assert_eq!(event["id"].as_str().unwrap().len(), 36);
        event["id"] = captured["id"].clone();
        assert_eq!(event.to_string(), captured.to_string());
    }

    #[test]
    fn i_a_result_with_a_source_is_of_a_client_of_that_name() {
        let own = json!({"name": "c", "address": "10.0.0.1"});
        let own = own.as_object().unwrap();
        let mut checks = Checks::default();
        let mut event = |check: Value| {
            let news = checks.event(&result(&check), own.clone(), 100);
            news.unwrap().event
        };
        let of_switch = event(json!({"name": "k", "source": "switch1", "status": 2}));
        let client = json!({
            "name": "switch1", "address": "unknown", "subscriptions": ["client:switch1"],
            "keepalives": false, "version": "1.9.0", "timestamp": 100, "type": "proxy",
        });
        assert_eq!(Value::Object(of_switch.client), client);
        assert_eq!(of_switch.check["origin"], "c");
        let of_us = event(json!({"name": "k", "status": 2}));
        assert_eq!((of_us.client, of_us.occurrences), (own.clone(), 1));
        // Also where the source is this client itself.
        let of_us = event(json!({"name": "k", "source": "c", "status": 2}));
        assert_eq!((of_us.client, of_us.occurrences), (own.clone(), 2));
    }

    #[test]
    fn the_history_holds_21_and_a_check_that_flips_changes_by_100_percent() {
        let statuses: Vec<i64> = (0..40).map(|run| run % 2).collect();
        let events = run(&statuses);
        let last = events[39].as_ref().unwrap();
        assert_eq!(last.check["history"].as_array().unwrap().len(), 21);
        let change = last.check["total_state_change"].as_i64().unwrap();
        assert!((98..=101).contains(&change), "{change}");
    }

    const FLAPS: [(&str, i64); 2] = [("low_flap_threshold", 20), ("high_flap_threshold", 60)];

    #[test]
    fn i_a_check_flaps_from_its_high_threshold_to_its_low_one_and_then_is_resolved() {
        let flips = (0..24).map(|run| run % 2);
        let statuses: Vec<i64> = flips.chain([0; 30]).collect();
        let events = run_with(&FLAPS.into_iter().collect(), &statuses);
        let actions = actions(&events);
        // The history has to be full before anything is said of it.
        assert_eq!(actions[19], Some(Action::Create));
        assert_eq!(actions[20..24], [Some(Action::Flapping); 4]);
        let after = actions[24..].iter();
        let flapping = after.take_while(|action| **action == Some(Action::Flapping));
        let end = 24 + flapping.count();
        assert_eq!(actions[end], Some(Action::Resolve));
        let changes = events[24..=end].iter();
        let changes =
            changes.map(|event| event.as_ref().unwrap().check["total_state_change"].as_i64());
        let changes: Vec<i64> = changes.map(Option::unwrap).collect();
        let (last, before) = changes.split_last().unwrap();
        assert!(
            *last <= 20 && before.iter().all(|change| *change > 20),
            "{changes:?}"
        );
        assert!(actions[end + 1..].iter().all(Option::is_none));
        // OK after OK while it flaps are occurrences of it, as in Sensu.
        let [flapping, resolved] =
            [&events[end - 1], &events[end]].map(|event| event.as_ref().unwrap());
        assert_eq!(flapping.occurrences, u64::try_from(end - 24).unwrap());
        assert_eq!(resolved.occurrences, flapping.occurrences);
        assert_eq!(
            resolved.occurrences_watermark,
            flapping.occurrences_watermark
        );
        assert_eq!(resolved.id, flapping.id);
    }

    #[test]
    fn i_a_check_that_still_fails_when_it_flaps_no_more_is_an_event_as_before() {
        let flips = (0..24).map(|run| (run + 1) % 2);
        let statuses: Vec<i64> = flips.chain([1; 30]).collect();
        let events = run_with(&FLAPS.into_iter().collect(), &statuses);
        let last = events.last().unwrap().as_ref().unwrap();
        assert_eq!((last.action, last.occurrences), (Action::Create, 30));
    }

    #[test]
    fn i_force_resolve_ends_an_event_also_while_it_flaps() {
        let mut more: Value = FLAPS.into_iter().collect();
        more["force_resolve"] = json!(true);
        let statuses: Vec<i64> = (0..26).map(|run| run % 2).collect();
        let ids: Vec<_> = run_with(&more, &statuses)[21..]
            .iter()
            .map(|event| event.as_ref().unwrap().id.clone())
            .collect();
        assert_eq!(ids[0], ids[1], "1, then 0, which ends it");
        assert_ne!(ids[1], ids[2]);
    }

    #[test]
    fn metrics_make_an_event_each_time() {
        let check = json!({"name": "m", "type": "metric", "status": 0, "output": "a 1 1"});
        let mut checks = Checks::default();
        for now in [100, 110] {
            let news = checks.event(&result(&check), Attributes::new(), now);
            let event = news.unwrap().event;
            assert_eq!((event.action, event.status()), (Action::Create, 0));
            let event = serde_json::to_value(event).unwrap();
            assert_eq!(event.get("last_state_change"), None, "as in Sensu");
        }
    }

    #[test]
    fn an_end_is_that_of_each_severity_since_the_beginning() {
        let mut checks = Checks::default();
        let mut last = None;
        // Longer ago than the history goes back.
        for status in [1, 0, 2].into_iter().chain([3; 30]).chain([0]) {
            let check = json!({"name": "k", "status": status});
            last = checks.event(&result(&check), Attributes::new(), 100);
        }
        let expected = [Severity::Ok, Severity::Critical, Severity::Unknown];
        assert_eq!(last.unwrap().severities, expected);
    }

    #[test]
    fn what_was_written_down_goes_on_as_if_nothing_had_happened() {
        let result = |status: i64| result(&json!({"name": "k", "status": status, "output": ""}));
        let mut checks = Checks::default();
        let event = |checks: &mut Checks, status, now| {
            let news = checks.event(&result(status), Attributes::new(), now);
            news.unwrap().event
        };
        let first = event(&mut checks, 2, 100);
        let text = serde_json::to_string(&checks).unwrap();
        let mut checks: Checks = serde_json::from_str(&text).unwrap();
        let second = event(&mut checks, 2, 110);
        assert_eq!((second.occurrences, &second.id), (2, &first.id));
        let end = event(&mut checks, 0, 120);
        assert_eq!((end.action, &end.id), (Action::Resolve, &first.id));
    }

    #[test]
    fn names_without_end_take_no_memory_without_end() {
        let mut checks = Checks::default();
        let mut hand_in = |name: &str, status: i64, now| {
            let check = json!({"name": name, "status": status});
            checks.event(&result(&check), Attributes::new(), now);
            checks.known.len()
        };
        hand_in("fails", 2, 0);
        let long = "x".repeat(2000);
        let counts: Vec<usize> = (0..5_000)
            .map(|number| hand_in(&format!("{long}{number}"), 0, 1))
            .collect();
        let most = counts.iter().max().unwrap();
        assert!(*most < 2000, "{most}");
        // What somebody was told of is kept longest.
        assert!(checks.known.contains_key("fails"));
        assert!(checks.known.contains_key(&format!("{long}4999")));
    }

    #[test]
    fn what_is_well_and_silent_is_forgotten_after_days_and_what_is_not_after_weeks() {
        let mut checks = Checks::default();
        let mut names = |name: &str, status: i64, now| {
            let check = json!({"name": name, "status": status});
            checks.event(&result(&check), Attributes::new(), now);
            checks.known.keys().cloned().collect::<Vec<_>>()
        };
        names("well", 0, 0);
        names("fails", 2, 0);
        assert_eq!(names("a", 0, DAY), ["a", "fails", "well"]);
        assert_eq!(names("b", 0, 3 * DAY), ["a", "b", "fails"]);
        assert_eq!(names("c", 0, 41 * DAY), ["c"]);
    }
}
