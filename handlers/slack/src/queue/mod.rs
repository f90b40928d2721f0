//! From the spool to Slack: in order, what belongs together as one, and each of them once.

mod group;
mod kept;

use crate::delivery::{Act, Concern, Delivery, DeliveryError, Posted};
use crate::filter::{self, Verdict};
use crate::incident::{Incidents, Thread};
use crate::message::{self, Message};
use crate::settings::Settings;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::time::SystemTime;
use venus_event::{Event, Severity};
use venus_spool::{Held, Item, SpoolError, Turn, Waiting};

use group::Groups;
use kept::{Kept, Loss, Losses, NAMED, Waits};

/// How much is in memory at once, where what belongs together is looked for: while Slack is away
/// each event would cost all that waits.
const BATCH_ITEMS: usize = 2000;
/// The same in bytes.
const BATCH_BYTES: usize = 4 << 20;

/// Why no more was delivered.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The spool cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// Slack did not take a message; it is kept.
    #[error("{why}; kept in {dir}, with {behind} behind it")]
    Kept {
        /// What came of it.
        why: String,
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
    /// What Slack refused for what it is, by name.
    refused: Vec<String>,
    /// The channels that Slack refused, and how.
    closed: HashMap<String, String>,
    /// What is told at the end of what was given up.
    losses: (Vec<Item>, Losses),
}

/// Where a message is to go, and why it does not go where it was meant to.
struct Target {
    channel: Option<String>,
    instead: Option<String>,
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
            refused: Vec::new(),
            closed: HashMap::new(),
            losses: Default::default(),
        }
    }

    /// What Slack refused for what it is, so that it is gone, by name.
    #[must_use]
    pub fn refused(&self) -> &[String] {
        &self.refused
    }

    /// Delivers all that waits. An error leaves what is not delivered in the spool.
    pub fn serve(&mut self, turn: &Turn<'_>) -> Result<bool, QueueError> {
        let mut left = VecDeque::from(self.waiting(turn)?);
        self.losses = Default::default();
        while !left.is_empty() {
            let groups = self.batch(turn, &mut left)?;
            let mut behind = left.len() + groups.iter().map(Vec::len).sum::<usize>();
            for group in groups {
                behind -= group.len();
                self.deliver(turn, group, behind)?;
            }
        }
        self.tell_of_losses(turn)?;
        let pruned = self.incidents.prune((self.now)());
        self.complain("forget in", pruned);
        Ok(true)
    }

    /// What waits when the window is over; what was given up is among it, as a word about it.
    fn waiting(&mut self, turn: &Turn<'_>) -> Result<Vec<Item>, SpoolError> {
        let waiting = turn.waiting((self.now)())?;
        if let Some(strange) = &waiting.strange {
            (self.warn)(strange);
        }
        let oldest = waiting.items.first();
        let age = oldest.map(|oldest| oldest.age((self.now)()));
        let left = age.and_then(|age| self.settings.group_window.checked_sub(age));
        let mut notes: Vec<Item> = self.note_losses(turn, &waiting).into_iter().collect();
        let mut items = waiting.items;
        if let Some(left) = left.filter(|left| !left.is_zero()) {
            self.delivery.wait(left);
            let later = turn.waiting((self.now)())?;
            // Those of before are among these, and so is the word about them.
            notes = self.note_losses(turn, &later).into_iter().collect();
            items = later.items;
        }
        items.extend(notes);
        Ok(items)
    }

    /// Nothing is given up in silence: the word about it waits as events do.
    fn note_losses(&mut self, turn: &Turn<'_>, waiting: &Waiting) -> Option<Item> {
        let aside = waiting.set_aside.iter().take(NAMED);
        let aside: Vec<Vec<u8>> = aside.flat_map(|item| turn.read_aside(item)).collect();
        let losses = Losses {
            late: Loss::of(waiting.dropped, waiting.lost.iter()),
            ended: Loss::of(waiting.set_aside.len(), aside.iter()),
        };
        if losses.is_empty() {
            return None;
        }
        for line in losses.lines(&self.dir()) {
            (self.warn)(&line);
        }
        match turn.put(&losses.bytes(), (self.now)()) {
            Ok(item) => Some(item),
            Err(error) => {
                (self.warn)(&error.to_string());
                None
            }
        }
    }

    fn dir(&self) -> String {
        self.settings.spool_dir.display().to_string()
    }

    /// The next that are told, as many as are looked at together.
    fn batch(
        &mut self,
        turn: &Turn<'_>,
        left: &mut VecDeque<Item>,
    ) -> Result<Vec<Vec<Kept>>, SpoolError> {
        let mut groups = Groups::new(self.settings);
        let most = if self.settings.group_window.is_zero() {
            1
        } else {
            BATCH_ITEMS
        };
        let (mut items, mut bytes) = (0, 0);
        while items < most && bytes < BATCH_BYTES {
            let Some(item) = left.pop_front() else { break };
            let read = match turn.read(&item) {
                Ok(read) => read,
                Err(error) => {
                    (self.warn)(&format!("{error}: set aside"));
                    turn.set_aside(item)?;
                    continue;
                }
            };
            bytes += read.len();
            match kept::read(item, &read) {
                Some(Waits::Event(kept)) => {
                    groups.add(*kept);
                    items += 1;
                }
                Some(Waits::Losses(more)) => {
                    self.losses.0.push(item);
                    self.losses.1.add(more);
                }
                None => {
                    let path = turn.path(&item);
                    (self.warn)(&format!("{} is no event: set aside", path.display()));
                    turn.set_aside(item)?;
                }
            }
        }
        Ok(groups.into_groups())
    }

    fn judge(&self, event: &Event) -> Verdict {
        let incident = self.incidents.of(event);
        filter::judge(event, incident.as_ref(), self.settings)
    }

    /// Tells those of a group that are to be told, now that all before them were.
    fn deliver(
        &mut self,
        turn: &Turn<'_>,
        group: Vec<Kept>,
        behind: usize,
    ) -> Result<(), QueueError> {
        let mut going = Vec::with_capacity(group.len());
        for kept in group {
            // What one channel has, the others get too.
            if kept.told.is_empty()
                && let Verdict::Drop(_) = self.judge(&kept.event)
            {
                self.note(&kept.event, false, &BTreeMap::new());
                kept.item.map_or(Ok(()), |item| turn.done(item))?;
            } else {
                going.push(kept);
            }
        }
        if going.is_empty() {
            return Ok(());
        }
        let items = going.iter().filter_map(|kept| kept.item).collect();
        self.delivery.hold(turn.hold(items));
        let told = self.tell(&mut going);
        let held = self.delivery.release();
        match told? {
            Ok(()) => Ok(held.done()?),
            Err(why) => Err(QueueError::Kept {
                why,
                dir: self.dir(),
                behind,
            }),
        }
    }

    /// Tells each channel, and notes which were told; or why none could be.
    fn tell(&mut self, going: &mut [Kept]) -> Result<Result<(), String>, SpoolError> {
        let events: Vec<Event> = going.iter().map(|kept| kept.event.clone()).collect();
        let mut told = going
            .first()
            .map(|kept| kept.told.clone())
            .unwrap_or_default();
        let messages = self.messages(&events);
        let mut targets: VecDeque<Target> = messages
            .iter()
            .map(|message| Target {
                channel: message.channel.clone(),
                instead: None,
            })
            .filter(|target| !told.contains(&key(target.channel.as_deref())))
            .collect();
        let mut threads = BTreeMap::new();
        let mut refusal = None;
        while let Some(target) = targets.pop_front() {
            let channel = key(target.channel.as_deref());
            let message = message_for(&messages, &target, self.settings);
            let sent = match self.closed.get(&channel) {
                Some(why) => Err((Concern::Channel, why.clone())),
                None => self
                    .send(&message, &events)
                    .map_err(|error| (error.failure.concern(), error.to_string())),
            };
            match sent {
                Ok(thread) => threads.extend(thread.map(|thread| (channel.clone(), thread))),
                Err((Concern::All, why)) => return Ok(Err(why)),
                // It would stop all that come after it, for ever.
                Err((Concern::Message, why)) => {
                    (self.warn)(&why);
                    self.refused.extend(going.iter().map(Kept::name));
                }
                Err((Concern::Channel, why)) => {
                    let homes = self.homes(&channel, &told, &targets);
                    let goes_on = !(homes.is_empty() && told.is_empty() && targets.is_empty());
                    let known = self.closed.insert(channel.clone(), why.clone());
                    if known.is_none() && goes_on {
                        (self.warn)(&format!("{}: {why}", called(&channel)));
                    }
                    let word = format!("This was meant for {}: {why}", called(&channel));
                    targets.extend(homes.into_iter().map(|channel| Target {
                        channel,
                        instead: Some(word.clone()),
                    }));
                    refusal = Some(why);
                    continue;
                }
            }
            told.push(channel);
            if !targets.is_empty() {
                self.note_told(going, &told, &threads)?;
            }
        }
        if let (Some(why), true) = (refusal, told.is_empty()) {
            return Ok(Err(why));
        }
        for event in &events {
            self.note(event, true, &threads);
        }
        Ok(Ok(()))
    }

    /// The settings' channels that a message may still go to in the place of this one.
    fn homes(&self, but: &str, told: &[String], coming: &VecDeque<Target>) -> Vec<Option<String>> {
        let all = if self.settings.channels.is_empty() {
            vec![None]
        } else {
            self.settings.channels.iter().cloned().map(Some).collect()
        };
        let is_free = |home: &Option<String>| {
            let name = key(home.as_deref());
            name != but
                && !told.contains(&name)
                && !self.closed.contains_key(&name)
                && coming.iter().all(|target| target.channel != *home)
        };
        all.into_iter().filter(is_free).collect()
    }

    /// So that they are not told again where another channel cannot be told now.
    fn note_told(
        &mut self,
        going: &mut [Kept],
        told: &[String],
        threads: &BTreeMap<String, Thread>,
    ) -> Result<(), SpoolError> {
        for kept in &mut *going {
            kept.told = told.to_vec();
            // Its end would be forgotten, and with it the threads of the other channels.
            if kept.event.severity() != Severity::Ok {
                self.note(&kept.event, true, threads);
            }
        }
        let bytes: Vec<Vec<u8>> = going.iter().map(Kept::bytes).collect();
        self.delivery.with_held(|held| {
            held.rewrite(&bytes)?;
            held.failed()
        })
    }

    /// A template that fails costs its words, not the message.
    fn messages(&mut self, events: &[Event]) -> Vec<Message> {
        match events {
            [event] => message::in_any_case(event, self.settings, self.warn),
            events => message::of_group(events, self.settings),
        }
    }

    /// A message of its own, or what belongs to a message that is there; gives where it is.
    fn send(
        &mut self,
        message: &Message,
        events: &[Event],
    ) -> Result<Option<Thread>, DeliveryError> {
        let channel = message.channel.as_deref().unwrap_or_default();
        if let Some(mut thread) = self.thread(channel, events) {
            match self.answer(message, &mut thread) {
                Ok(()) => return Ok(Some(thread)),
                // It is not there any more, or cannot be answered to.
                Err(error) if error.failure.concern() != Concern::All => {}
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

    /// Changes the first message of a thread, where it may be, and answers to it.
    fn answer(&mut self, message: &Message, thread: &mut Thread) -> Result<(), DeliveryError> {
        let there = Posted {
            channel: thread.channel.clone(),
            ts: thread.ts.clone(),
        };
        if thread.is_own {
            let changed = self.delivery.deliver(&message.payload, Act::Change(&there));
            if let Err(error) = changed {
                let is_gone = error.failure.has_word("message_not_found");
                if is_gone || error.failure.concern() == Concern::All {
                    return Err(error);
                }
                // Too old to be changed, say: the answer tells it all the same.
                thread.is_own = false;
            }
        }
        let answered = self.delivery.deliver(&message.payload, Act::Answer(&there));
        answered.map(drop)
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
    fn note(&mut self, event: &Event, announced: bool, threads: &BTreeMap<String, Thread>) {
        let now = (self.now)();
        let noted = self.incidents.note(event, announced, threads.clone(), now);
        self.complain("remember in", noted);
    }

    fn complain(&mut self, what: &str, done: io::Result<()>) {
        if let Err(error) = done {
            let dir = self.settings.spool_dir.display();
            (self.warn)(&format!("cannot {what} {dir} what was told: {error}"));
        }
    }

    /// After all else, as alerts matter more; what cannot be told now waits.
    fn tell_of_losses(&mut self, turn: &Turn<'_>) -> Result<(), QueueError> {
        let (items, losses) = std::mem::take(&mut self.losses);
        if losses.is_empty() {
            return Ok(());
        }
        self.delivery.hold(turn.hold(items));
        let lines = losses.lines(&self.dir());
        let told = self.notify(&lines.join("\n"));
        let held: Held = self.delivery.release();
        match told {
            Ok(()) => Ok(held.done()?),
            Err(error) if error.failure.concern() == Concern::Message => {
                (self.warn)(&error.to_string());
                Ok(held.done()?)
            }
            Err(error) => Err(QueueError::Kept {
                why: error.to_string(),
                dir: self.dir(),
                behind: 0,
            }),
        }
    }

    fn notify(&mut self, text: &str) -> Result<(), DeliveryError> {
        let mut refusal = None;
        let mut is_told = false;
        for message in message::of_notice(text, self.settings) {
            match self.delivery.deliver(&message.payload, Act::Post) {
                Ok(_) => is_told = true,
                Err(error) if error.failure.concern() == Concern::Channel => refusal = Some(error),
                Err(error) => return Err(error),
            }
        }
        match refusal {
            Some(error) if !is_told => Err(error),
            _ => Ok(()),
        }
    }
}

/// What a channel is known by: the webhook's own has no name.
fn key(channel: Option<&str>) -> String {
    channel.unwrap_or_default().to_owned()
}

fn called(channel: &str) -> &str {
    if channel.is_empty() {
        "the webhook's own channel"
    } else {
        channel
    }
}

/// The message as this channel gets it.
fn message_for(messages: &[Message], target: &Target, settings: &Settings) -> Message {
    let channel = target.channel.as_deref();
    let meant = messages.iter().find(|one| one.channel == target.channel);
    let Some(any) = meant.or(messages.first()) else {
        return Message {
            channel: target.channel.clone(),
            payload: serde_json::Value::Null,
        };
    };
    match &target.instead {
        Some(why) => any.instead(channel, why, settings),
        None => any.clone(),
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
    let mut sent = Ok(());
    for message in message::in_any_case(event, settings, warn) {
        // One channel that is refused costs the others nothing.
        sent = delivery.deliver(&message.payload, Act::Post).and(sent);
    }
    sent
}
