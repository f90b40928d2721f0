//! What the bytes of an item say.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use venus_event::Event;
use venus_spool::Item;

/// The most that is named of what was given up.
pub(super) const NAMED: usize = 20;

/// An event, as it waits.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    /// Where; none where it waits nowhere.
    pub(super) item: Option<Item>,
    pub(super) event: Event,
    /// The channels that have it already.
    pub(super) told: Vec<String>,
}

/// What stands beside the event, or in its place.
#[derive(Debug, Default, Deserialize)]
struct Beside {
    #[serde(default)]
    told: Vec<String>,
    lost: Option<Losses>,
}

/// Either of what waits.
pub(super) enum Waits {
    Event(Box<Kept>),
    Losses(Losses),
}

impl Kept {
    #[cfg(test)]
    pub(super) fn of(event: Event) -> Self {
        Self {
            item: None,
            event,
            told: Vec::new(),
        }
    }

    /// What [`read`] reads.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut whole = json!(self.event);
        if let (Value::Object(whole), false) = (&mut whole, self.told.is_empty()) {
            whole.insert("told".to_owned(), json!(self.told));
        }
        whole.to_string().into_bytes()
    }

    /// `CLIENT/CHECK STATUS`, for people.
    pub(super) fn name(&self) -> String {
        name(&self.event)
    }
}

pub(super) fn name(event: &Event) -> String {
    let (client, check) = (event.client_name(), event.check_name());
    format!("{client}/{check} {}", event.severity())
}

/// Reads an item.
pub(super) fn read(item: Item, bytes: &[u8]) -> Option<Waits> {
    let beside: Beside = serde_json::from_slice(bytes).ok()?;
    if let Some(losses) = beside.lost {
        return Some(Waits::Losses(losses));
    }
    let event = Event::from_json(bytes).ok()?;
    Some(Waits::Event(Box::new(Kept {
        item: Some(item),
        event,
        told: beside.told,
    })))
}

/// Events that were given up, and the first of them by name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Loss {
    count: usize,
    names: Vec<String>,
}

impl Loss {
    /// So many, of which these are the bytes of some.
    pub(super) fn of<'b>(count: usize, bytes: impl Iterator<Item = &'b Vec<u8>>) -> Self {
        let names = bytes.filter_map(|bytes| Some(name(&Event::from_json(bytes).ok()?)));
        Self {
            count,
            names: names.take(NAMED).collect(),
        }
    }

    fn add(&mut self, more: Self) {
        self.count += more.count;
        let room = NAMED.saturating_sub(self.names.len());
        self.names.extend(more.names.into_iter().take(room));
    }

    /// `a/k CRITICAL, b/k OK, and 3 more`
    fn list(&self) -> String {
        let names = self.names.join(", ");
        match self.count.saturating_sub(self.names.len()) {
            0 => names,
            more if names.is_empty() => format!("{more} of them"),
            more => format!("{names}, and {more} more"),
        }
    }
}

/// All that was given up and that Slack does not know of yet.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Losses {
    /// They waited too long, or there were too many.
    pub(super) late: Loss,
    /// Whoever delivered them was ended each time.
    pub(super) ended: Loss,
}

impl Losses {
    pub(super) fn is_empty(&self) -> bool {
        self.late.count == 0 && self.ended.count == 0
    }

    pub(super) fn add(&mut self, more: Self) {
        self.late.add(more.late);
        self.ended.add(more.ended);
    }

    /// As an item.
    pub(super) fn bytes(&self) -> Vec<u8> {
        json!({ "lost": self }).to_string().into_bytes()
    }

    /// A line for each kind.
    pub(super) fn lines(&self, dir: &str) -> Vec<String> {
        let late = (self.late.count > 0).then(|| {
            let events = match self.late.count {
                1 => "1 event is".to_owned(),
                more => format!("{more} events are"),
            };
            format!(
                "{events} lost, which waited too long in {dir} or had no room there: {}: \
                 look at them, and see spool_age and spool_bytes",
                self.late.list()
            )
        });
        let ended = (self.ended.count > 0).then(|| {
            format!(
                "the handler was ended twice while it sent these, so that they may be missing: {}: \
                 give it a longer timeout; they are kept in {dir} as *.aside",
                self.ended.list()
            )
        });
        late.into_iter().chain(ended).collect()
    }
}
