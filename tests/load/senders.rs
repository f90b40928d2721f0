//! Results that are handed in over TCP, by several side by side.

use crate::rig::hand_in;
use std::collections::BTreeMap;
use std::ops::Range;
use std::thread::{self, JoinHandle};
use venus_tests::numbers::Numbers;

/// What a load of results is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parcels {
    /// How many send side by side, each for a check of its own.
    pub(crate) senders: u64,
    /// How many results are in a message; a connection takes one.
    pub(crate) each: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Of each check the numbers for which the answer was `ok`.
    pub(crate) taken: BTreeMap<String, Numbers>,
    /// How many were answered otherwise, and how.
    pub(crate) refused: BTreeMap<String, u64>,
}

impl Sent {
    pub(crate) fn add(&mut self, more: Self) {
        for (name, numbers) in more.taken {
            self.taken.entry(name).or_default().extend(numbers.iter());
        }
        for (answer, count) in more.refused {
            *self.refused.entry(answer).or_default() += count;
        }
    }
}

impl Parcels {
    /// Sends results with these numbers, which each sender has an equal part of.
    pub(crate) fn send(self, port: u16, numbers: &Range<u64>) -> Sending {
        let share = (numbers.end - numbers.start) / self.senders;
        let senders = (0..self.senders).map(|sender| {
            let start = numbers.start + sender * share;
            thread::spawn(move || send(port, sender, start..start + share, self.each))
        });
        Sending(senders.collect())
    }
}

/// Senders at work.
pub(crate) struct Sending(Vec<JoinHandle<Sent>>);

impl Sending {
    pub(crate) fn is_over(&self) -> bool {
        self.0.iter().all(JoinHandle::is_finished)
    }

    /// Waits for all of them.
    pub(crate) fn wait(self) -> Sent {
        let mut all = Sent::default();
        for sender in self.0 {
            all.add(sender.join().unwrap());
        }
        all
    }
}

fn send(port: u16, sender: u64, numbers: Range<u64>, each: u64) -> Sent {
    let name = format!("socket-{sender}");
    let mut taken = Numbers::default();
    let mut sent = Sent::default();
    let mut start = numbers.start;
    while start < numbers.end {
        let end = numbers.end.min(start + each);
        let results = (start..end)
            .map(|number| format!(r#"{{"name":"{name}","output":"{number}","status":0}}"#));
        let results: Vec<String> = results.collect();
        let message = if each == 1 {
            results.concat()
        } else {
            format!("[{}]", results.join(","))
        };
        let answer = hand_in(port, &message).unwrap_or_else(|error| error.to_string());
        if answer == "ok" {
            taken.extend(start..end);
        } else {
            *sent.refused.entry(answer).or_default() += end - start;
        }
        start = end;
    }
    sent.taken.insert(name, taken);
    sent
}
