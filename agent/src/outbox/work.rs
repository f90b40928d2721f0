//! What an outbox has for its [keeper](super::Keeper) to do, and what has come of it.

use super::entry::{Copy, Dropped, Entry, Kept, OVERHEAD, weight_of_all};
use super::record::Head;
use super::{Disk, Lane, Outbox, spool};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use venus_event::CheckResult;

/// What the keeper is to do.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Each with the number of its entry.
    pub(super) write: Vec<(u64, spool::Waiting)>,
    pub(super) done: Vec<u64>,
    pub(super) load: bool,
}

impl Outbox {
    /// A keeper is there, and these results of each check are on the disk.
    pub(super) fn keep(&self, checks: impl Iterator<Item = (u64, usize)>) {
        for (check, count) in checks {
            self.before(check).on_disk += count;
        }
    }

    /// Nothing can be written for now.
    pub(super) fn disk_fails(&self, why: &str) {
        let why: Rc<str> = why.into();
        for queue in [&self.fresh, &self.waiting] {
            for entry in &mut *queue.borrow_mut() {
                if entry.copy == Copy::Begun {
                    entry.copy = Copy::None;
                    self.change(entry.head.check, |before| before.on_disk -= 1);
                }
                entry.tell(Kept::InMemory(Rc::clone(&why)));
            }
        }
        *self.disk.borrow_mut() = Disk::Failing(why);
        self.release();
    }

    pub(super) fn is_disk_failing(&self) -> bool {
        matches!(*self.disk.borrow(), Disk::Failing(_))
    }

    /// Something may be written, or written again.
    pub(super) fn disk_may_work(&self) {
        *self.disk.borrow_mut() = Disk::Usable;
        if self.is_spooling() {
            self.defer_fresh();
        }
    }

    /// Waits until there is something to do.
    pub(super) async fn work(&self) -> Work {
        loop {
            let work = self.take_work();
            if work.load || !work.write.is_empty() || !work.done.is_empty() {
                self.is_busy.set(true);
                return work;
            }
            self.storable.notified().await;
        }
    }

    pub(super) fn take_work(&self) -> Work {
        let mut write = Vec::new();
        let mut take = |queue: &RefCell<VecDeque<Entry>>, is_in_memory| {
            let mut queue = queue.borrow_mut();
            for entry in queue.iter_mut().filter(|entry| entry.copy == Copy::None) {
                entry.copy = Copy::Begun;
                self.before(entry.head.check).on_disk += 1;
                let waiting = spool::Waiting {
                    head: entry.head,
                    result: (*entry.result).clone(),
                    is_in_memory,
                };
                write.push((entry.number, waiting));
            }
        };
        if self.is_spooling() {
            take(&self.fresh, true);
        }
        if matches!(*self.disk.borrow(), Disk::Usable) {
            take(&self.waiting, false);
        }
        Work {
            write,
            done: self.done.take(),
            load: self.loaded.borrow().is_empty() && self.loadable.get() > 0,
        }
    }

    /// These entries are on the disk now, each by a number there.
    pub(super) fn written(&self, mut numbers: HashMap<u64, u64>) {
        self.count(|counters| counters.spooled += numbers.len() as u64);
        let mut safe = |mut entry: Entry| {
            if let Some(number) = numbers.remove(&entry.number) {
                entry.copy = Copy::There(number);
                entry.tell(Kept::Safe);
            }
            entry
        };
        let spared = self.under_way(Lane::Fresh);
        let mut place = 0;
        let fresh = self.fresh.take().into_iter().map(&mut safe);
        let (stay, go): (VecDeque<Entry>, VecDeque<Entry>) = fresh.partition(|entry| {
            place += 1;
            place <= spared || !matches!(entry.copy, Copy::There(_))
        });
        *self.fresh.borrow_mut() = stay;
        self.loaded.borrow_mut().extend(go);
        for entry in self.waiting.take() {
            let entry = safe(entry);
            if let Copy::There(_) = entry.copy {
                self.change(entry.head.check, |before| before.waiting -= 1);
                self.bytes.set(self.bytes.get() - entry.bytes);
            } else {
                self.waiting.borrow_mut().push_back(entry);
            }
        }
        // Those that are gone were delivered in the meantime.
        self.done.borrow_mut().extend(numbers.into_values());
    }

    /// The work is done.
    pub(super) fn worked(&self) {
        self.is_busy.set(false);
        self.settled.notify_waiters();
    }

    /// What was loaded from the disk, each with its number there.
    pub(super) fn take_loaded(&self, results: Vec<(u64, Head, CheckResult)>) {
        let entries = results.into_iter().map(|(number, head, result)| {
            let bytes = OVERHEAD + weight_of_all(&result.check);
            self.bytes.set(self.bytes.get() + bytes);
            Entry {
                number: 0,
                head,
                result: Rc::new(result),
                bytes,
                copy: Copy::There(number),
                receipt: None,
            }
        });
        self.loaded.borrow_mut().extend(entries);
        self.sendable.notify_one();
    }

    /// These were dropped from the disk.
    pub(super) fn dropped_from_disk(&self, heads: &[Head]) {
        let mut dropped = Dropped::default();
        for head in heads {
            dropped.add(head.class);
            self.change(head.check, |before| before.on_disk -= 1);
        }
        self.note_dropped(dropped);
    }
}
