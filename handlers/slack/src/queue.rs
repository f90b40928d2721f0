//! From the spool to Slack: in order, what belongs together as one, and each of them once.

use crate::delivery::{Act, Delivery, DeliveryError, Posted};
use crate::filter::{self, Verdict};
use crate::incident::{Incidents, Thread};
use crate::message::{self, Message};
use crate::settings::Settings;
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::time::SystemTime;
use venus_event::Event;
use venus_spool::{Item, SpoolError, Turn};

/// The most that is named of what was given up.
const NAMED: usize = 20;

/// Why no more was delivered.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The spool cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// Slack did not take a message; it is kept.
    #[error("{source}; kept in {dir}, with {behind} behind it")]
    Kept {
        /// What came of it.
        source: DeliveryError,
        /// The spool.
        dir: String,
        /// How many wait for it.
        behind: usize,
    },
}

/// Delivers what waits in a spool.
pub struct Queue<'a> {
    settings: &'a Settings,
    incidents: Incidents,
    delivery: Delivery<'a>,
    now: &'a dyn Fn() -> SystemTime,
    warn: &'a mut dyn FnMut(&str),
    /// How many messages were refused for what they are.
    refused: usize,
}

impl<'a> Queue<'a> {
    /// `now` is the clock, and `warn` takes a line for each thing that went wrong on the way.
    pub fn new(
        settings: &'a Settings,
        delivery: Delivery<'a>,
        now: &'a dyn Fn() -> SystemTime,
        warn: &'a mut dyn FnMut(&str),
    ) -> Self {
        Self {
            settings,
            incidents: Incidents::new(settings.spool_dir.join("incidents")),
            delivery,
            now,
            warn,
            refused: 0,
        }
    }

    /// How many messages Slack refused for what they are, so that they are gone.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.refused
    }

    /// Delivers all that waits. An error leaves what is not delivered in the spool.
    pub fn serve(&mut self, turn: &Turn<'_>) -> Result<bool, QueueError> {
        let mut waiting = turn.waiting((self.now)())?;
        if let Some(oldest) = waiting.items.first() {
            let left = self
                .settings
                .group_window
                .checked_sub(oldest.age((self.now)()));
            if let Some(left) = left.filter(|left| !left.is_zero()) {
                self.delivery.wait(left);
                let more = turn.waiting((self.now)())?;
                waiting.items = more.items;
                waiting.dropped += more.dropped;
            }
        }
        self.tell_of_losses(turn, &waiting.set_aside, waiting.dropped);
        let mut groups: Vec<Group> = Vec::new();
        for item in waiting.items {
            let Ok(event) = Event::from_json(&turn.read(&item)?) else {
                (self.warn)("something in the spool is no event, and is taken away");
                turn.done(item)?;
                continue;
            };
            if let Verdict::Drop(_) = self.judge(&event) {
                self.note(&event, false, BTreeMap::new());
                turn.done(item)?;
                continue;
            }
            let is_grouping = !self.settings.group_window.is_zero();
            match groups
                .iter_mut()
                .find(|group| is_grouping && group.takes(&event))
            {
                Some(group) => group.add(item, event),
                None => groups.push(Group::new(item, event)),
            }
        }
        let mut behind: usize = groups.iter().map(|group| group.items.len()).sum();
        for group in groups {
            behind -= group.items.len();
            self.deliver(turn, group, behind)?;
        }
        let pruned = self.incidents.prune((self.now)());
        self.complain("forget in", pruned);
        Ok(true)
    }

    fn judge(&self, event: &Event) -> Verdict {
        let incident = self.incidents.of(event);
        filter::judge(event, incident.as_ref(), self.settings)
    }

    fn deliver(&mut self, turn: &Turn<'_>, group: Group, behind: usize) -> Result<(), QueueError> {
        let mut items = Vec::with_capacity(group.items.len());
        for item in group.items {
            items.push(turn.begin(item)?);
        }
        let mut threads = BTreeMap::new();
        for message in self.messages(&group.events) {
            match self.send(&message, &group.events) {
                Ok(posted) => {
                    let channel = message.channel.unwrap_or_default();
                    threads.extend(posted.map(|posted| (channel, posted)));
                }
                // It would stop all that come after it, for ever.
                Err(error) if error.failure.is_of_the_message() => {
                    self.refused += 1;
                    (self.warn)(&error.to_string());
                }
                Err(source) => {
                    for item in items {
                        turn.failed(item)?;
                    }
                    return Err(QueueError::Kept {
                        source,
                        dir: self.settings.spool_dir.display().to_string(),
                        behind,
                    });
                }
            }
        }
        for event in &group.events {
            self.note(event, true, threads.clone());
        }
        for item in items {
            turn.done(item)?;
        }
        Ok(())
    }

    /// A template that fails costs its words, not the message.
    fn messages(&mut self, events: &[Event]) -> Vec<Message> {
        let [event] = events else {
            return message::of_group(events, self.settings);
        };
        match message::of_event(event, self.settings) {
            Ok(messages) => messages,
            Err(error) => {
                (self.warn)(&format!("{error}: the default message is sent"));
                message::plain(event, self.settings)
            }
        }
    }

    /// A message of its own, or what belongs to a message that is there; gives where it is.
    fn send(
        &mut self,
        message: &Message,
        events: &[Event],
    ) -> Result<Option<Thread>, DeliveryError> {
        let channel = message.channel.as_deref().unwrap_or_default();
        if let Some(thread) = self.thread(channel, events) {
            let there = Posted {
                channel: thread.channel.clone(),
                ts: thread.ts.clone(),
            };
            let changed = if thread.is_own {
                self.delivery
                    .deliver(&message.payload, Act::Change(&there))
                    .map(|_| ())
            } else {
                Ok(())
            };
            match changed
                .and_then(|()| self.delivery.deliver(&message.payload, Act::Answer(&there)))
            {
                Ok(_) => return Ok(Some(thread)),
                // Somebody has deleted it.
                Err(error) if error.failure.is_of_the_message() => {}
                Err(error) => return Err(error),
            }
        }
        let posted = self.delivery.deliver(&message.payload, Act::Post)?;
        Ok(posted.map(|posted| Thread {
            channel: posted.channel,
            ts: posted.ts,
            is_own: events.len() == 1,
        }))
    }

    /// The message that all of these events belong to.
    fn thread(&self, channel: &str, events: &[Event]) -> Option<Thread> {
        let mut threads = events.iter().map(|event| {
            let incident = self.incidents.of(event)?;
            incident.threads.get(channel).cloned()
        });
        let first = threads.next()??;
        threads
            .all(|thread| thread.as_ref() == Some(&first))
            .then_some(first)
    }

    /// What cannot be remembered costs a word, and at worst an end that is told too much.
    fn note(&mut self, event: &Event, announced: bool, threads: BTreeMap<String, Thread>) {
        let now = (self.now)();
        let noted = self.incidents.note(event, announced, threads, now);
        self.complain("remember in", noted);
    }

    fn complain(&mut self, what: &str, done: io::Result<()>) {
        if let Err(error) = done {
            let dir = self.settings.spool_dir.display();
            (self.warn)(&format!("cannot {what} {dir} what was told: {error}"));
        }
    }

    /// Nothing is given up in silence.
    fn tell_of_losses(&mut self, turn: &Turn<'_>, set_aside: &[Item], dropped: usize) {
        let mut lines = Vec::new();
        if dropped > 0 {
            let line = format!("{dropped} events waited too long, or were too many, and are lost");
            lines.push(line);
        }
        if !set_aside.is_empty() {
            let names = set_aside.iter().take(NAMED).filter_map(|item| {
                let event = Event::from_json(&turn.read_aside(item).ok()?).ok()?;
                let (client, check) = (event.client_name(), event.check_name());
                Some(format!("{client}/{check} {}", event.severity()))
            });
            let names: Vec<String> = names.collect();
            let more = match set_aside.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            lines.push(format!(
                "the handler was ended twice while it sent these, so that they may be missing: {}{more}",
                names.join(", ")
            ));
        }
        for line in lines {
            (self.warn)(&line);
            for message in message::of_notice(&line, self.settings) {
                if let Err(error) = self.delivery.deliver(&message.payload, Act::Post) {
                    (self.warn)(&error.to_string());
                }
            }
        }
    }
}

/// Events that become one message.
struct Group {
    items: Vec<Item>,
    events: Vec<Event>,
    clients: HashSet<String>,
}

impl Group {
    fn new(item: Item, event: Event) -> Self {
        Self {
            items: vec![item],
            clients: HashSet::from([event.client_name().to_owned()]),
            events: vec![event],
        }
    }

    fn takes(&self, event: &Event) -> bool {
        let own_channel = |event: &Event| {
            let of = |part: &venus_event::Attributes| part.get("slack_channel").cloned();
            [of(&event.client), of(&event.check)]
        };
        self.events.first().is_some_and(|first| {
            first.check_name() == event.check_name()
                && first.severity() == event.severity()
                && first.action == event.action
                && own_channel(first) == own_channel(event)
        }) && !self.clients.contains(event.client_name())
    }

    fn add(&mut self, item: Item, event: Event) {
        self.items.push(item);
        self.clients.insert(event.client_name().to_owned());
        self.events.push(event);
    }
}

/// Delivers one event without a spool: nothing is remembered, and nothing kept.
pub fn deliver_at_once(
    event: &Event,
    settings: &Settings,
    delivery: &mut Delivery<'_>,
    warn: &mut dyn FnMut(&str),
) -> Result<(), DeliveryError> {
    if let Verdict::Drop(_) = filter::judge(event, None, settings) {
        return Ok(());
    }
    let messages = message::of_event(event, settings).unwrap_or_else(|error| {
        warn(&format!("{error}: the default message is sent"));
        message::plain(event, settings)
    });
    for message in messages {
        delivery.deliver(&message.payload, Act::Post)?;
    }
    Ok(())
}
