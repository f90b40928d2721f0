//! Delivery from a process that lives on: over a connection that stays, without a folder.

use crate::connection::Failure;
use crate::sender::Sender;
use std::collections::VecDeque;
use std::time::{Duration, SystemTime};
use venus_spool::Bounds;

/// Lines on their way to one Carbon, kept in memory: those that wait, and those of the last
/// moments, which go out again where the connection was lost and nobody can know what became of
/// them.
pub struct Stream {
    sender: Sender,
    batches: VecDeque<Batch>,
    bounds: Bounds,
    repeat: Duration,
    bytes: u64,
    dropped: usize,
}

struct Batch {
    lines: String,
    put: SystemTime,
    /// When it was written to the connection that is open now.
    sent: Option<SystemTime>,
}

impl Stream {
    /// Keeps what waits within these bounds, and what was sent for as long as `repeat` says.
    #[must_use]
    pub fn new(sender: Sender, bounds: Bounds, repeat: Duration) -> Self {
        Self {
            sender,
            batches: VecDeque::new(),
            bounds,
            repeat,
            bytes: 0,
            dropped: 0,
        }
    }

    /// Takes whole lines, and writes all that waits. Where that fails they wait for the next
    /// time.
    pub fn send(&mut self, lines: String, now: SystemTime) -> Result<(), Failure> {
        if !lines.is_empty() {
            self.bytes += size(&lines);
            self.batches.push_back(Batch {
                lines,
                put: now,
                sent: None,
            });
        }
        self.forget(now);
        if self.sender.is_lost() {
            self.wait_again();
        }
        for index in 0..self.batches.len() {
            let Some(batch) = self
                .batches
                .get_mut(index)
                .filter(|batch| batch.sent.is_none())
            else {
                continue;
            };
            match self.sender.send(&batch.lines) {
                Ok(()) => batch.sent = Some(now),
                Err(failure) => {
                    // Those before it were on the same connection.
                    self.wait_again();
                    return Err(failure);
                }
            }
        }
        Ok(())
    }

    /// Writes all that waits, ends the connection, and returns when all of it has been read.
    pub fn finish(&mut self, now: SystemTime) -> Result<(), Failure> {
        self.send(String::new(), now)?;
        let finished = self.sender.finish();
        if finished.is_err() {
            self.wait_again();
        }
        finished
    }

    /// How many bytes wait.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        let waiting = self.batches.iter().filter(|batch| batch.sent.is_none());
        waiting.map(|batch| size(&batch.lines)).sum()
    }

    /// How many batches were too old, or too much, and are gone.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    fn wait_again(&mut self) {
        for batch in &mut self.batches {
            batch.sent = None;
        }
    }

    /// From the oldest on. What was sent goes first by being the oldest.
    fn forget(&mut self, now: SystemTime) {
        while let Some(batch) = self.batches.front() {
            let age = |since| now.duration_since(since).unwrap_or_default();
            let is_over = match batch.sent {
                Some(sent) => age(sent) > self.repeat,
                None => age(batch.put) > self.bounds.age,
            };
            if !is_over && self.bytes <= self.bounds.bytes {
                return;
            }
            self.bytes -= size(&batch.lines);
            self.dropped += usize::from(batch.sent.is_none());
            self.batches.pop_front();
        }
    }
}

fn size(lines: &str) -> u64 {
    u64::try_from(lines.len()).unwrap_or(u64::MAX)
}
