use super::*;
use crate::clock;
use crate::log::{Format, Level, Log};
use crate::settings::{Current, Settings};
use proptest::prelude::*;
use serde_json::json;
use std::future::pending;
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time::timeout;

fn now() -> u64 {
    clock::epoch_seconds()
}

fn result(name: &str, kind: &str, output: &str) -> CheckResult {
    let check = json!({"name": name, "type": kind, "output": output, "status": 0});
    CheckResult {
        client: "c".to_owned(),
        check: check.as_object().unwrap().clone(),
        signature: None,
    }
}

fn push(outbox: &Outbox, name: &str) {
    outbox.push(result(name, "standard", ""), now());
}

async fn names(outbox: &Outbox, limit: usize) -> Vec<String> {
    let batch = outbox.batch(limit).await;
    let names = batch.results.iter().map(|result| result.name().to_owned());
    names.collect()
}

#[tokio::test(flavor = "current_thread")]
async fn what_was_not_confirmed_is_shown_again() {
    let outbox = Outbox::default();
    for name in ["a", "b", "c"] {
        push(&outbox, name);
    }
    assert_eq!(names(&outbox, 2).await, ["a", "b"]);
    outbox.give_back();
    let again = outbox.batch(2).await;
    assert_eq!(again.results[0].name(), "a");
    outbox.confirm(&again, &[]);
    assert_eq!(names(&outbox, 2).await, ["c"]);
}

#[tokio::test(flavor = "current_thread")]
async fn what_came_back_stays_in_its_place() {
    let outbox = Outbox::default();
    for name in ["a", "b", "c"] {
        push(&outbox, name);
    }
    let batch = outbox.batch(3).await;
    outbox.confirm(&batch, &[0, 2]);
    assert_eq!(names(&outbox, 3).await, ["a", "c"]);
    assert_eq!(outbox.counters().returned, 2);
}

#[tokio::test(flavor = "current_thread")]
async fn a_batch_is_small_but_never_empty() {
    let outbox = Outbox::default();
    for name in ["huge", "a", "b", "half", "rest"] {
        let bytes = match name {
            "huge" => 2 * BATCH_BYTES,
            "half" | "rest" => BATCH_BYTES / 2,
            _ => 0,
        };
        outbox.push(result(name, "standard", &"x".repeat(bytes)), now());
    }
    let mut batches = Vec::new();
    while !outbox.is_empty() {
        let batch = outbox.batch(64).await;
        let names = batch.results.iter().map(|result| result.name().to_owned());
        batches.push(names.collect::<Vec<_>>().join(" "));
        outbox.confirm(&batch, &[]);
    }
    assert_eq!(batches, ["huge", "a b half", "rest"]);
}

#[test]
fn what_a_hook_has_written_counts_against_the_bound() {
    let outbox = Outbox::default();
    for _ in 0..40 {
        let mut with_hook = result("disk", "standard", "");
        let written = json!({"critical": {"output": "x".repeat(1 << 20)}});
        with_hook.check.insert("hooks".to_owned(), written);
        outbox.push(with_hook, now());
    }
    let dropped = outbox.take_dropped();
    assert_eq!(dropped.ok + outbox.len() as u64, 40);
    assert!((14..=15).contains(&outbox.len()), "{}", outbox.len());
}

#[test]
fn without_room_metrics_go_first_and_the_last_of_each_check_last() {
    let outbox = Outbox::default();
    let big = |part: usize| "x".repeat(MAX_BYTES / part);
    outbox.push(result("load", "metric", &big(4)), now());
    outbox.push(result("well", "standard", &big(4)), now());
    outbox.push(result("well", "standard", &big(4)), now());
    outbox.push(result("load", "metric", &big(5)), now());
    outbox.push(result("other", "standard", &big(5)), now());
    let left = || -> Vec<String> {
        let fresh = outbox.fresh.borrow();
        fresh
            .iter()
            .map(|entry| entry.result.name().to_owned())
            .collect()
    };
    assert_eq!(left(), ["well", "well", "load", "other"]);
    outbox.push(result("other", "standard", &big(4)), now());
    assert_eq!(left(), ["well", "load", "other", "other"]);
    outbox.push(result("third", "standard", &big(4)), now());
    assert_eq!(left(), ["well", "other", "third"]);
    let dropped = Dropped {
        metrics: 2,
        ok: 2,
        states: 0,
    };
    assert_eq!(outbox.take_dropped(), dropped);
    assert_eq!(outbox.take_dropped(), Dropped::default());
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_true_now_alone_is_never_written() {
    let dir = tempfile::tempdir().unwrap();
    let (outbox, keeper) = start(dir.path()).await;
    let mut keeper = Box::pin(keeper);
    outbox.stall();
    outbox.push_unkept(result("deregistration", "standard", ""), now());
    push(&outbox, "kept");
    with(&mut keeper, async {
        while outbox.on_disk().results == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!((outbox.len(), outbox.on_disk().results), (1, 1));
    outbox.resume();
    assert_eq!(names(&outbox, 9).await, ["deregistration"]);
}

/// An outbox with a keeper, as one start of the agent has it.
async fn start(dir: &Path) -> (Rc<Outbox>, impl Future<Output = ()>) {
    let client = json!({"client": {"name": "c", "address": "127.0.0.1", "subscriptions": []}});
    let settings = Settings::compile(client.as_object().unwrap().clone(), Vec::new()).unwrap();
    let settings = Rc::new(Current::new(settings));
    let outbox = Rc::new(Outbox::default());
    outbox.set_rate(1_000_000);
    let log = Log::stderr(Level::Fatal, Format::Json);
    let keeper = Keeper::new(Rc::clone(&outbox), settings, log, dir.to_owned()).await;
    (outbox, keeper.run())
}

/// What happens to an outbox.
#[derive(Debug, Clone)]
enum Step {
    /// So many results of this check come.
    Push(u8, u8),
    /// A batch is sent, and arrives but for the first few, which come back.
    Send(u8),
    /// A batch is sent and nothing is heard of it: whether it arrived or not.
    Lose(bool),
    /// Nothing was delivered for a while.
    Stall,
    /// There is a connection.
    Resume,
    /// The keeper has time to do all that it has to.
    Keep,
    /// The agent is stopped in good order, and started again.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_u8, 1..5_u8).prop_map(|(check, count)| Step::Push(check, count)),
        3 => prop_oneof![3 => Just(0), 1 => 1..4_u8].prop_map(Step::Send),
        1 => any::<bool>().prop_map(Step::Lose),
        2 => Just(Step::Stall),
        1 => Just(Step::Resume),
        2 => Just(Step::Keep),
        1 => Just(Step::Restart),
    ]
}

/// What a server has seen: of each check the numbers, in their order.
type Seen = HashMap<String, Vec<u64>>;

/// Drives the keeper until it has nothing to do, or `other` is done.
async fn with<T>(
    keeper: &mut (impl Future<Output = ()> + Unpin),
    other: impl Future<Output = T>,
) -> T {
    tokio::select! {
        biased;
        done = other => done,
        () = keeper => unreachable!("it never ends"),
    }
}

/// What has come of all that was done.
struct Outcome {
    seen: Seen,
    pushed: HashMap<String, u64>,
    /// Some came back while others behind them arrived.
    is_mixed: bool,
    /// Something arrived of which nothing was heard.
    is_repeated: bool,
}

const IDLE: Duration = Duration::from_millis(10);

async fn drive(steps: Vec<Step>) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("spool");
    let mut outcome = Outcome {
        seen: Seen::new(),
        pushed: HashMap::new(),
        is_mixed: false,
        is_repeated: false,
    };
    let mut steps = steps.into_iter();
    loop {
        let (outbox, keeper) = start(&folder).await;
        let mut keeper = Box::pin(keeper);
        let is_over = !take_steps(&outbox, &mut keeper, &mut steps, &mut outcome).await;
        if is_over {
            // All is well from now on.
            while outbox.len() + outbox.on_disk().results > 0 {
                if let Ok(batch) = with(&mut keeper, timeout(IDLE, outbox.batch(8))).await {
                    outcome.note(&batch.results);
                    outbox.confirm(&batch, &[]);
                }
            }
            return outcome;
        }
        outbox.give_back();
        outbox.stall();
        with(&mut keeper, outbox.emptied()).await;
        drop(keeper);
        // The end of a process takes its work along; here it has to come to its end.
        let bounds = Bounds {
            age: Duration::MAX,
            bytes: u64::MAX,
        };
        while spool::Spool::open(&folder, bounds).is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Takes steps up to a restart; whether there was one.
async fn take_steps(
    outbox: &Outbox,
    keeper: &mut (impl Future<Output = ()> + Unpin),
    steps: &mut impl Iterator<Item = Step>,
    outcome: &mut Outcome,
) -> bool {
    for step in steps {
        match step {
            Step::Push(check, count) => {
                for _ in 0..count {
                    let name = format!("check{check}");
                    let number = outcome.pushed.entry(name.clone()).or_default();
                    *number += 1;
                    outbox.push(result(&name, "standard", &number.to_string()), now());
                }
            }
            Step::Send(back) => {
                let Ok(batch) = with(keeper, timeout(IDLE, outbox.batch(8))).await else {
                    continue;
                };
                let back = usize::from(back).min(batch.results.len());
                outcome.note(&batch.results[back..]);
                outcome.is_mixed |= back > 0;
                outbox.confirm(&batch, &(0..back).collect::<Vec<_>>());
            }
            Step::Lose(has_arrived) => {
                let Ok(batch) = with(keeper, timeout(IDLE, outbox.batch(8))).await else {
                    continue;
                };
                if has_arrived {
                    outcome.note(&batch.results);
                    outcome.is_repeated = true;
                }
                with(keeper, timeout(IDLE, pending::<()>()))
                    .await
                    .unwrap_err();
                outbox.give_back();
            }
            Step::Stall => outbox.stall(),
            Step::Resume => outbox.resume(),
            Step::Keep => with(keeper, timeout(IDLE, pending::<()>()))
                .await
                .unwrap_or(()),
            Step::Restart => return true,
        }
    }
    false
}

impl Outcome {
    fn note(&mut self, results: &[Rc<CheckResult>]) {
        for result in results {
            let numbers = self.seen.entry(result.name().to_owned()).or_default();
            numbers.push(result.output().parse().unwrap());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_all_arrive_in_order(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let outcome = LocalSet::new().block_on(&runtime, drive(steps));
        for (check, count) in &outcome.pushed {
            let mut numbers = outcome.seen.get(check).cloned().unwrap_or_default();
            if outcome.is_repeated {
                // Where it was there before is where it counts.
                let mut known = std::collections::HashSet::new();
                numbers.retain(|number| known.insert(*number));
            }
            if outcome.is_mixed {
                numbers.sort_unstable();
            }
            prop_assert_eq!(&numbers, &(1..=*count).collect::<Vec<_>>(), "{}", check);
        }
    }
}
