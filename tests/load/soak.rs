//! One process for long: what it holds at the end is what it held at the beginning.

use crate::rig::{Open, Rig, is_whole, pause, report, size};
use crate::senders::Parcels;
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::{Duration, Instant};
use venus_tests::numbers::Numbers;
use venus_tests::publisher::Publisher;

const PARCELS: Parcels = Parcels {
    senders: 8,
    each: 250,
};
/// How many checks are asked for by name; each runs again and again.
const NAMES: u64 = 200;
/// How many requests are under way: more than may run at once, so that none of the time is lost.
const UNDER_WAY: u64 = 24;
/// A child whose result has not come by then is lost.
const LOST: Duration = Duration::from_mins(2);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// A child that has ended for longer than this is a zombie.
const REAPED: Duration = Duration::from_secs(5);

/// Commands that are asked for, one after the other by number.
struct Children {
    publisher: Publisher,
    all: u64,
    asked: u64,
    came: u64,
    /// When the last one came.
    lately: Instant,
}

impl Children {
    /// Counts those that came, and asks for as many as there is room for.
    fn go_on(&mut self, rig: &Rig) {
        let came = rig.heard(|heard| {
            let names = heard.numbers.iter();
            let children = names.filter(|(name, _)| name.starts_with("child-"));
            children.map(|(_, numbers)| numbers.count()).sum()
        });
        if came > self.came {
            self.lately = Instant::now();
        }
        self.came = came;
        while self.asked < self.all && self.asked < came + UNDER_WAY {
            let number = self.asked;
            let name = format!("child-{}", number % NAMES);
            let command = json!(["echo", number.to_string()]);
            self.publisher
                .request("all", &json!({"name": name, "command": command}));
            self.asked += 1;
        }
    }

    /// All came, or none does any more: then one is lost.
    fn are_done(&self) -> bool {
        self.came == self.all || self.lately.elapsed() > LOST
    }
}

/// What was seen while it ran.
struct Watch {
    begun: Instant,
    looked: Instant,
    /// When each child that has ended was first seen so.
    ended: Vec<(Pid, Instant)>,
    zombies: HashSet<Pid>,
    most: Open,
}

impl Watch {
    fn look(&mut self, rig: &Rig) {
        self.looked = Instant::now();
        let process = rig.process();
        let zombies = process.zombies();
        self.ended.retain(|(pid, _)| zombies.contains(pid));
        for pid in zombies {
            match self.ended.iter().find(|(known, _)| *known == pid) {
                Some((_, since)) if since.elapsed() > REAPED => {
                    self.zombies.insert(pid);
                }
                Some(_) => {}
                None => self.ended.push((pid, self.looked)),
            }
        }
        let open = Open::of(process);
        self.most.descriptors = self.most.descriptors.max(open.descriptors);
        self.most.threads = self.most.threads.max(open.threads);
    }

    fn figures(&self, rig: &Rig, children: &Children) -> Value {
        let process = rig.process();
        let open = Open::of(process);
        json!({
            "load": "soak", "seconds": self.begun.elapsed().as_secs_f64(),
            "delivered": rig.count("venus_results_delivered_total"),
            "children": children.came,
            "rss_kb": process.status("VmRSS"), "peak_kb": process.status("VmHWM"),
            "descriptors": open.descriptors, "threads": open.threads,
            "processor_seconds": process.processor_time().as_secs_f64(),
        })
    }
}

#[test]
fn an_agent_holds_no_more_after_millions_of_results_than_after_the_first() {
    let Some(rig) = Rig::start(&json!({})) else {
        return;
    };
    let results: u64 = size(10_000_000, 30_000);
    let mut children = Children {
        publisher: Publisher::connect(&rig.vhost),
        all: size(100_000, 300),
        asked: 0,
        came: 0,
        lately: Instant::now(),
    };
    let mut watch = Watch {
        begun: Instant::now(),
        looked: Instant::now(),
        ended: Vec::new(),
        zombies: HashSet::new(),
        most: rig.idle(),
    };
    let sending = PARCELS.send(rig.socket, &(0..results));
    let delivered = || rig.count("venus_results_delivered_total");
    let process = rig.process();
    // Results and children are both to have had their first hundredth.
    let mut first = None;
    let mut said = Instant::now();
    while !(sending.is_over() && children.are_done()) {
        children.go_on(&rig);
        if watch.looked.elapsed() > LOOK {
            watch.look(&rig);
            let is_first = delivered() * 100 >= results && children.came * 100 >= children.all;
            if first.is_none() && is_first {
                first = Some(process.status("VmRSS"));
                report(&watch.figures(&rig, &children));
            }
        }
        if said.elapsed() > Duration::from_secs(15) {
            said = Instant::now();
            report(&watch.figures(&rig, &children));
        }
        pause(Duration::from_millis(2));
    }
    let last = process.status("VmRSS");
    let took = watch.begun.elapsed().as_secs_f64();
    let mut sent = sending.wait();
    for name in 0..NAMES.min(children.all) {
        let numbers = (name..children.all).step_by(usize::try_from(NAMES).unwrap());
        sent.taken
            .insert(format!("child-{name}"), numbers.collect::<Numbers>());
    }
    let account = rig.account(&sent.taken);
    let mut figures = watch.figures(&rig, &children);
    for (key, value) in [
        ("seconds", json!(took)),
        ("sent", json!(results + children.all)),
        ("ok", json!(account.sent)),
        ("refused", json!(sent.refused)),
        ("lost", json!(account.lost)),
        ("duplicated", json!(account.duplicated)),
        ("rss_first_kb", json!(first)),
        ("rss_last_kb", json!(last)),
        ("most_descriptors", json!(watch.most.descriptors)),
        ("most_threads", json!(watch.most.threads)),
        ("zombies", json!(watch.zombies.len())),
        ("spooled", json!(rig.count("venus_results_spooled_total"))),
    ] {
        figures[key] = value;
    }
    report(&figures);
    assert_eq!((account.lost, account.duplicated), (0, 0));
    assert!(sent.refused.is_empty(), "{:?}", sent.refused);
    assert!(watch.zombies.is_empty(), "{:?}", watch.zombies);
    rig.assert_left_nothing();
    if is_whole() {
        let first = first.unwrap();
        assert!(last * 10 <= first * 11, "{first} kB, then {last} kB");
    }
}
