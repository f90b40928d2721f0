//! Results on their way out: none is lost.
//!
//! ```text
//!          ┌─ fresh ───────────────────────┐
//! push ────┤                               ├──► batch ──► confirm
//!          └─ waiting ──► spool ──► loaded ┘
//! ```
//!
//! While all is well a result is fresh: in memory, sent at once, and forgotten when the broker has
//! confirmed that it is in a server's queue. When that takes too long the outbox is
//! [stalled](Outbox::stall): what it has and what comes is written to the disk by the `Keeper`,
//! and from there sent again, in its order, behind what is fresh. A result waits as well
//! while others of its check do, so that no check's results change their order.

mod entry;
mod keeper;
mod ration;
pub mod record;
mod spool;
mod work;

use entry::{Copy, Entry, OVERHEAD, check_of, weight_of_all};
use ration::Ration;
use record::Head;
use serde::Serialize;
use std::cell::{Cell, RefCell, RefMut};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use tokio::sync::{Notify, oneshot};
use venus_event::CheckResult;

pub use entry::Class;
pub(crate) use entry::{Dropped, Kept, Receipt};
pub(crate) use keeper::Keeper;
pub use spool::Bounds;
pub(crate) use spool::is_kept_by_an_agent;

/// How many bytes of results are kept in memory while they can be neither sent nor written.
const MAX_BYTES: usize = 16 << 20;
/// At that bound so much is made free at once, so that not each result has to look for another.
const ROOM: usize = MAX_BYTES / 16;
/// How many bytes of results are sent at a time, unless one alone has more: a
/// slow line must get a batch through before its deadline.
const BATCH_BYTES: usize = 256 << 10;

/// How many results of a check have to go before another of it may.
#[derive(Debug, Default)]
struct Before {
    waiting: usize,
    /// Or being written.
    on_disk: usize,
}

/// Which queue a batch is the beginning of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    Fresh,
    Loaded,
}

/// The oldest results of an outbox.
#[derive(Debug)]
pub struct Batch {
    /// The results, oldest first.
    pub results: Vec<Rc<CheckResult>>,
    lane: Lane,
}

/// What has come of results so far.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(crate) struct Counters {
    /// Came in.
    pub(crate) taken: u64,
    /// Were confirmed.
    pub(crate) delivered: u64,
    /// Came back, as no server had a queue for them, each as often as it did.
    pub(crate) returned: u64,
    /// Were written to the disk.
    pub(crate) spooled: u64,
    /// Were given up.
    pub(crate) dropped: Dropped,
}

/// What is on the disk.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct OnDisk {
    /// How many results.
    pub(crate) results: usize,
    /// The size of the files.
    pub(crate) bytes: u64,
    /// When the oldest was made, seconds since the epoch.
    pub(crate) oldest: Option<u64>,
}

/// Results that are not delivered yet.
#[derive(Debug, Default)]
pub struct Outbox {
    fresh: RefCell<VecDeque<Entry>>,
    waiting: RefCell<VecDeque<Entry>>,
    loaded: RefCell<VecDeque<Entry>>,
    /// How many at the beginning of one of them are under way.
    under_way: Cell<Option<(Lane, usize)>>,
    /// What was delivered and is on the disk still.
    done: RefCell<Vec<u64>>,
    /// Whether the keeper is at work.
    is_busy: Cell<bool>,
    before: RefCell<HashMap<u64, Before>>,
    on_disk: Cell<OnDisk>,
    /// How many of those on the disk are not in memory as well.
    loadable: Cell<usize>,
    stalled: Cell<bool>,
    /// Why nothing can be written, where that is so; none where there is no keeper.
    disk: RefCell<Disk>,
    ration: RefCell<Ration>,
    bytes: Cell<usize>,
    counters: Cell<Counters>,
    unsaid: Cell<Dropped>,
    /// There may be something to send.
    sendable: Notify,
    /// There may be something for the keeper.
    storable: Notify,
    /// Something may have found its place.
    settled: Notify,
}

/// Whether results can be written.
#[derive(Debug, Default)]
enum Disk {
    /// Nobody wants it.
    #[default]
    None,
    Usable,
    Failing(Rc<str>),
}

impl Outbox {
    /// Puts in a result that was made at `now`, in seconds since the epoch.
    pub fn push(&self, result: CheckResult, now: u64) {
        self.put(result, now, Copy::None, None);
    }

    /// Puts in a result that is true now and not after the next start: it is never written down.
    pub(crate) fn push_unkept(&self, result: CheckResult, now: u64) {
        self.put(result, now, Copy::Never, None);
    }

    /// Puts in a result for somebody who wants to know when it is safe.
    pub(crate) fn push_for(&self, result: CheckResult, now: u64) -> Receipt {
        let (sender, receipt) = oneshot::channel();
        self.put(result, now, Copy::None, Some(sender));
        receipt
    }

    fn put(
        &self,
        result: CheckResult,
        now: u64,
        copy: Copy,
        receipt: Option<oneshot::Sender<Kept>>,
    ) {
        let number = self.count(|counters| {
            counters.taken += 1;
            counters.taken
        });
        let mut entry = Entry {
            number,
            head: Head {
                class: Class::of(&result),
                check: check_of(&result),
                made: now,
            },
            bytes: OVERHEAD + weight_of_all(&result.check),
            result: Rc::new(result),
            copy,
            receipt,
        };
        self.bytes.set(self.bytes.get() + entry.bytes);
        match &*self.disk.borrow() {
            Disk::None => entry.tell(Kept::Safe),
            Disk::Usable => {}
            Disk::Failing(why) => entry.tell(Kept::InMemory(Rc::clone(why))),
        }
        if self.is_spooling() || self.before.borrow().contains_key(&entry.head.check) {
            self.defer(entry);
            self.storable.notify_one();
        } else {
            self.fresh.borrow_mut().push_back(entry);
            self.sendable.notify_one();
        }
        if self.bytes.get() > MAX_BYTES {
            self.make_room();
        }
    }

    /// Whether it would have to wait, and go to the disk, if it were put in now.
    pub(crate) fn would_wait(&self, result: &CheckResult) -> bool {
        self.is_spooling() || self.before.borrow().contains_key(&check_of(result))
    }

    /// Whether half of the memory for results would be free still with it.
    pub(crate) fn leaves_half(&self, result: &CheckResult) -> bool {
        self.bytes.get() + OVERHEAD + weight_of_all(&result.check) <= MAX_BYTES / 2
    }

    /// When the oldest that is here or on the disk was made, seconds since the epoch.
    pub(crate) fn oldest(&self) -> Option<u64> {
        let queues = [&self.fresh, &self.waiting, &self.loaded];
        let first = queues.map(|queue| queue.borrow().front().map(|entry| entry.head.made));
        let all = first.into_iter().chain([self.on_disk.get().oldest]);
        all.flatten().min()
    }

    fn count<T>(&self, count: impl FnOnce(&mut Counters) -> T) -> T {
        let mut counters = self.counters.get();
        let done = count(&mut counters);
        self.counters.set(counters);
        done
    }

    fn before(&self, check: u64) -> RefMut<'_, Before> {
        RefMut::map(self.before.borrow_mut(), |all| {
            all.entry(check).or_default()
        })
    }

    /// Changes what is before others of a check.
    fn change(&self, check: u64, change: impl FnOnce(&mut Before)) {
        let mut before = self.before(check);
        change(&mut before);
        let is_none = before.waiting + before.on_disk == 0;
        drop(before);
        if is_none {
            self.before.borrow_mut().remove(&check);
        }
    }

    fn defer(&self, entry: Entry) {
        self.before(entry.head.check).waiting += 1;
        self.waiting.borrow_mut().push_back(entry);
    }

    /// Drops from memory the oldest metrics, then the oldest results that were OK, then others,
    /// and of each check the newest last; not what is under way.
    fn make_room(&self) {
        let mut newest: HashMap<u64, u64> = HashMap::new();
        for entry in self.waiting.borrow().iter().chain(&*self.fresh.borrow()) {
            newest.insert(entry.head.check, entry.number);
        }
        let is_newest = |entry: &Entry| newest.get(&entry.head.check) == Some(&entry.number);
        let rules: [&dyn Fn(&Entry) -> bool; 5] = [
            &|entry| entry.head.class == Class::Metric && !is_newest(entry),
            &|entry| entry.head.class == Class::Ok && !is_newest(entry),
            &|entry| !is_newest(entry),
            &|entry| entry.head.class == Class::Metric,
            &|_| true,
        ];
        let mut dropped = Dropped::default();
        for goes in rules {
            for queue in [&self.waiting, &self.fresh] {
                let is_waiting = std::ptr::eq(queue, &raw const self.waiting);
                let spared = if is_waiting {
                    0
                } else {
                    self.under_way(Lane::Fresh)
                };
                let mut place = 0;
                queue.borrow_mut().retain(|entry| {
                    place += 1;
                    let is_enough = self.bytes.get() <= MAX_BYTES - ROOM;
                    let is_busy = place <= spared || entry.is_copied();
                    if is_enough || is_busy || !goes(entry) {
                        return true;
                    }
                    self.bytes.set(self.bytes.get() - entry.bytes);
                    dropped.add(entry.head.class);
                    if is_waiting {
                        self.change(entry.head.check, |before| before.waiting -= 1);
                    }
                    false
                });
            }
        }
        self.note_dropped(dropped);
    }

    fn note_dropped(&self, dropped: Dropped) {
        self.count(|counters| counters.dropped += dropped);
        let mut unsaid = self.unsaid.get();
        unsaid += dropped;
        self.unsaid.set(unsaid);
    }

    fn queue(&self, lane: Lane) -> &RefCell<VecDeque<Entry>> {
        match lane {
            Lane::Fresh => &self.fresh,
            Lane::Loaded => &self.loaded,
        }
    }

    /// How many of this queue are under way.
    fn under_way(&self, lane: Lane) -> usize {
        match self.under_way.get() {
            Some((under_way, count)) if under_way == lane => count,
            _ => 0,
        }
    }

    /// Waits until there is a result, and shows the oldest ones, at most `limit`: fresh ones
    /// first, and of those that waited as many as their ration allows.
    pub async fn batch(&self, limit: usize) -> Batch {
        loop {
            if !self.fresh.borrow().is_empty() {
                return self.beginning(Lane::Fresh, limit);
            }
            let loaded = self.loaded.borrow().len();
            if loaded == 0 {
                self.sendable.notified().await;
                continue;
            }
            let wanted = loaded.min(limit);
            let ready = self.ration.borrow_mut().ready(wanted);
            match ready {
                Ok(allowed) => return self.beginning(Lane::Loaded, allowed),
                Err(wait) => tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = self.sendable.notified() => {}
                },
            }
        }
    }

    fn beginning(&self, lane: Lane, limit: usize) -> Batch {
        let queue = self.queue(lane).borrow();
        let mut bytes = 0;
        let light = queue.iter().take_while(|entry| {
            bytes += entry.bytes;
            bytes <= BATCH_BYTES
        });
        let count = light.count().clamp(1, limit).min(queue.len());
        self.under_way.set(Some((lane, count)));
        let oldest = queue.iter().take(count);
        Batch {
            results: oldest.map(|entry| Rc::clone(&entry.result)).collect(),
            lane,
        }
    }

    /// A batch was delivered, but for those at these places, which stay the oldest.
    pub fn confirm(&self, batch: &Batch, returned: &[usize]) {
        let count = self.under_way(batch.lane);
        self.under_way.set(None);
        let mut queue = self.queue(batch.lane).borrow_mut();
        let mut stay = Vec::new();
        for (place, mut entry) in queue.drain(..count).enumerate() {
            if returned.contains(&place) {
                stay.push(entry);
                continue;
            }
            self.bytes.set(self.bytes.get().saturating_sub(entry.bytes));
            entry.tell(Kept::Safe);
            if entry.is_copied() {
                self.change(entry.head.check, |before| before.on_disk -= 1);
            }
            if let Copy::There(number) = entry.copy {
                self.done.borrow_mut().push(number);
            }
        }
        let delivered = (count - stay.len()) as u64;
        for entry in stay.into_iter().rev() {
            queue.push_front(entry);
        }
        drop(queue);
        self.count(|counters| {
            counters.delivered += delivered;
            counters.returned += returned.len() as u64;
        });
        if batch.lane == Lane::Loaded {
            self.ration.borrow_mut().take(count);
        }
        // Where nothing can be written there is no other way out for what waits.
        if delivered > 0 && returned.is_empty() && (self.stalled.take() || self.is_disk_failing()) {
            self.release();
        }
        self.storable.notify_one();
        self.settled.notify_waiters();
    }

    /// The connection of the batch that is under way is gone.
    pub fn give_back(&self) {
        if self.under_way.take().is_none() {
            return;
        }
        // What is on the disk is sent from there.
        let mut fresh = self.fresh.borrow_mut();
        let (there, here): (VecDeque<Entry>, VecDeque<Entry>) = fresh
            .drain(..)
            .partition(|entry| matches!(entry.copy, Copy::There(_)));
        *fresh = here;
        let mut loaded = self.loaded.borrow_mut();
        for entry in there.into_iter().rev() {
            loaded.push_front(entry);
        }
    }

    /// Nothing is delivered: results are written to the disk, if there is a keeper, until one is.
    pub fn stall(&self) {
        self.stalled.set(true);
        if self.is_spooling() {
            self.defer_fresh();
            self.storable.notify_one();
        }
    }

    /// There is a connection: what comes is sent, until that takes too long.
    pub fn resume(&self) {
        self.stalled.set(false);
        self.release();
    }

    /// Whether results are written to the disk for now.
    fn is_spooling(&self) -> bool {
        self.stalled.get() && matches!(*self.disk.borrow(), Disk::Usable)
    }

    /// What is fresh and neither under way nor being written waits.
    fn defer_fresh(&self) {
        let spared = self.under_way(Lane::Fresh);
        let mut fresh = self.fresh.borrow_mut();
        let mut place = 0;
        let (stay, go): (VecDeque<Entry>, VecDeque<Entry>) = fresh.drain(..).partition(|entry| {
            place += 1;
            place <= spared || entry.is_copied()
        });
        *fresh = stay;
        drop(fresh);
        for entry in go {
            self.defer(entry);
        }
    }

    /// What waits and has nothing before it on the disk is fresh again.
    fn release(&self) {
        let all = self.waiting.take();
        for entry in all {
            let check = entry.head.check;
            if self.before(check).on_disk > 0 {
                self.waiting.borrow_mut().push_back(entry);
            } else {
                self.change(check, |before| before.waiting -= 1);
                self.fresh.borrow_mut().push_back(entry);
            }
        }
        self.sendable.notify_one();
    }

    /// Waits until everything is delivered or on the disk, and that is noted there.
    pub async fn emptied(&self) {
        while !self.is_empty() || self.is_to_note() {
            self.settled.notified().await;
        }
    }

    fn is_to_note(&self) -> bool {
        let is_usable = matches!(*self.disk.borrow(), Disk::Usable);
        is_usable && (self.is_busy.get() || !self.done.borrow().is_empty())
    }

    /// How many results are in memory alone.
    #[must_use]
    pub fn len(&self) -> usize {
        let fresh = self.fresh.borrow();
        let alone = fresh
            .iter()
            .filter(|entry| !matches!(entry.copy, Copy::There(_)));
        alone.count() + self.waiting.borrow().len()
    }

    /// Whether no result is in memory alone.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many results wait, wherever they are.
    pub(crate) fn waiting(&self) -> usize {
        self.len() + self.on_disk().results
    }

    /// What is on the disk.
    pub(crate) fn on_disk(&self) -> OnDisk {
        self.on_disk.get()
    }

    /// What has come of results so far.
    pub(crate) fn counters(&self) -> Counters {
        self.counters.get()
    }

    /// What was dropped since the last time somebody asked.
    pub(crate) fn take_dropped(&self) -> Dropped {
        self.unsaid.take()
    }

    /// How many of those that waited are sent a second.
    pub(crate) fn set_rate(&self, rate: u32) {
        self.ration.borrow_mut().set_rate(rate);
    }
}

#[cfg(test)]
mod tests;
