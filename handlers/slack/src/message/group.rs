//! The message that events of the same check and severity become together.

use super::fields::Field;
use super::words::{Words, cut};
use super::{
    Attachment, LONGEST_TEXT, Message, channels, color, first_line, for_each_channel, framed,
};
use crate::settings::Settings;
use venus_event::Event;
use venus_hostlist::fold;

/// How many attachments a message may have, less the one that may be added to it.
const MOST_ATTACHMENTS: usize = 99;
/// How many clients of a group are shown with what their checks said.
const SHOWN: usize = 10;

/// The messages for several clients' events of the same check and severity, one for each channel
/// of the first.
#[must_use]
pub fn of_group(events: &[Event], settings: &Settings) -> Vec<Message> {
    let Some(first) = events.first() else {
        return Vec::new();
    };
    let (severity, words) = (first.severity(), Words::of(settings));
    let count = events.len();
    let mut names: Vec<&str> = events.iter().map(Event::client_name).collect();
    names.sort_unstable();
    let check = words.name(first.check_name());
    let start = format!("{count} clients {severity} {check}: ");
    let fields = events.iter().take(SHOWN).map(|event| Field {
        title: words.name(event.client_name()),
        value: Some(words.field(first_line(event))),
        short: false,
    });
    let more = count.checked_sub(SHOWN).filter(|more| *more > 0);
    let more = more.map(|more| Field {
        title: format!("and {more} more"),
        value: None,
        short: true,
    });
    let mut fields = Some(fields.chain(more).collect());
    let room = LONGEST_TEXT
        .saturating_sub(framed("", settings).chars().count())
        .saturating_sub(start.chars().count());
    let mut parts = in_parts(&names, room, words);
    if parts.len() > MOST_ATTACHMENTS {
        let rest = parts.split_off(MOST_ATTACHMENTS - 1);
        let unnamed: usize = rest.iter().map(|(_, count)| count).sum();
        parts.push((
            format!("and {unnamed} more, for whose names there is no room"),
            0,
        ));
    }
    let parts = parts.into_iter().enumerate();
    let attachments = parts.map(|(place, (names, _))| {
        let start = if place == 0 { start.as_str() } else { "" };
        Attachment {
            title: format!("{count} clients - {severity}"),
            text: framed(&format!("{start}{names}"), settings),
            color: color(severity),
            fields: fields.take().unwrap_or_default(),
        }
    });
    let attachments: Vec<Attachment> = attachments.collect();
    for_each_channel(&channels(first, settings), &attachments, settings)
}

/// Lists of at most this many characters, each of which can be read by itself, with how many names
/// it has.
fn in_parts(names: &[&str], longest: usize, words: Words) -> Vec<(String, usize)> {
    let list = words.escape(&fold(names));
    if list.chars().count() <= longest {
        return vec![(list, names.len())];
    }
    match names.split_at(names.len() / 2) {
        ([], _) => vec![(cut(&list, longest), 1)],
        (one, other) => [one, other]
            .map(|half| in_parts(half, longest, words))
            .concat(),
    }
}
