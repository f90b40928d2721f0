//! Text of an event made data: no link, no mention, no quote in it, and no more than Slack takes.

use crate::settings::Settings;

/// The longest value of a field, in characters; and what is shown of subscriptions.
const LONGEST_FIELD: usize = 1000;
/// The longest name or address, in characters.
pub(super) const LONGEST_NAME: usize = 200;

/// How text of an event is made data: no link, no mention, no quote in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    /// Slack looks for `@name`, also in the text of an event.
    pub(super) defuses_mentions: bool,
    /// What surrounds the text is code, which a backtick would end.
    pub(super) defuses_ticks: bool,
}

impl Words {
    pub(super) fn of(settings: &Settings) -> Self {
        let surround = settings.surround.as_deref().unwrap_or("");
        Self {
            defuses_mentions: settings.link_names.is_some(),
            defuses_ticks: surround.contains('`'),
        }
    }

    pub(super) fn escape(self, text: &str) -> String {
        self.defuse(escape(text))
    }

    /// [`escape`](Self::escape) for text in which nothing is open before it. A `>` means something
    /// to Slack only after a `<` or at the start of a line; where there is neither, it goes out as
    /// it is, so that the `(>=120)` of each keepalive stays what the original sends.
    pub(super) fn prose(self, text: &str) -> String {
        let is_quote = |line: &str| line.trim_start().starts_with('>');
        if text.contains('<') || text.lines().any(is_quote) {
            self.escape(text)
        } else {
            self.defuse(text.replace('&', "&amp;"))
        }
    }

    /// For a name.
    pub(super) fn name(self, text: &str) -> String {
        cut(&self.escape(text), LONGEST_NAME)
    }

    /// For a field.
    pub(super) fn field(self, text: &str) -> String {
        cut(&self.escape(text), LONGEST_FIELD)
    }

    fn defuse(self, mut text: String) -> String {
        if self.defuses_mentions {
            // A space of no width: it reads the same, and is no name.
            text = text.replace('@', "@\u{200b}");
        }
        if self.defuses_ticks {
            text = text.replace('`', "'");
        }
        text
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// For the path and query of a link: all but letters, digits and `-._~`.
pub(super) fn percent_encode(text: &str) -> String {
    let encode = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(encode).collect()
}

/// At most this many characters, with a note of what is missing. An escape (`&lt;`) is not cut
/// through.
pub(super) fn cut(text: &str, longest: usize) -> String {
    let all = text.chars().count();
    if all <= longest {
        return text.to_owned();
    }
    let note = format!(" … (cut, {all} characters)");
    let room = longest.saturating_sub(note.chars().count());
    let mut kept: String = text.chars().take(room).collect();
    if let Some(escape) = kept.rfind('&')
        && !kept.get(escape..).is_some_and(|end| end.contains(';'))
    {
        kept.truncate(escape);
    }
    kept + &note
}
