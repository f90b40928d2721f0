//! How a node is.

use std::fmt;

/// What stands behind a state for something that is also so, see `sinfo(1)`.
const SIGNS: [(char, &str); 9] = [
    ('*', "not_responding"),
    ('~', "powered_down"),
    ('#', "powering_up"),
    ('!', "power_down"),
    ('%', "powering_down"),
    ('$', "maint"),
    ('@', "reboot_requested"),
    ('^', "reboot_issued"),
    ('-', "planned"),
];

/// One word for what SLURM says in several: short for lists, and as versions differ.
const SAME: [(&str, &str); 21] = [
    ("alloc", "allocated"),
    ("boot", "reboot_issued"),
    ("comp", "completing"),
    ("drain", "drained"),
    ("drng", "draining"),
    ("err", "error"),
    ("failg", "failing"),
    ("futr", "future"),
    ("invalid_reg", "inval"),
    ("maintenance", "maint"),
    ("mix", "mixed"),
    ("no_respond", "not_responding"),
    ("npc", "perfctrs"),
    ("plnd", "planned"),
    ("pow_dn", "powering_down"),
    ("pow_up", "powering_up"),
    ("power_up", "powering_up"),
    ("reboot", "reboot_requested"),
    ("resv", "reserved"),
    ("unk", "unknown"),
    ("maintenance_reservation", "maint"),
];

/// A node's state: SLURM's word for it and what is also so, in small letters. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct State(Vec<String>);

impl State {
    /// As `sinfo` (`down*`) or `scontrol` (`IDLE+DRAIN`, `DOWN+NOT_RESPONDING`) write it. The same
    /// state is the same, whoever wrote it: a node to be drained is `drained`, or `draining` while
    /// it has work.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let text = text.trim().to_lowercase();
        let mut words: Vec<String> = Vec::new();
        let mut add = |word: &str| {
            let same = SAME.iter().find(|(other, _)| *other == word);
            let word = same.map_or(word, |(_, word)| word);
            if !word.is_empty() && !words.iter().any(|other| other == word) {
                words.push(word.to_owned());
            }
        };
        for part in text.split('+') {
            let is_sign = |character| SIGNS.iter().any(|(sign, _)| *sign == character);
            let word = part.trim_end_matches(is_sign);
            add(word);
            for sign in part.chars().skip(word.chars().count()) {
                let found = SIGNS.iter().find(|(other, _)| *other == sign);
                add(found.map_or("", |(_, word)| word));
            }
        }
        if text.ends_with('+') {
            // sinfo's mark of a node that has jobs which end, beside those that run.
            add("completing");
        }
        drain(&mut words);
        if words.is_empty() {
            words.push("none".to_owned());
        }
        Self(words)
    }

    /// Its words, the state itself first.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// `scontrol` says what a node was before it was drained.
fn drain(words: &mut Vec<String>) {
    let Some(place) = words.iter().position(|word| word == "drained") else {
        return;
    };
    if place > 0 {
        words.remove(place);
        let has_work =
            |word: &String| matches!(word.as_str(), "allocated" | "mixed" | "completing");
        let state = if words.iter().any(has_work) {
            "draining"
        } else {
            "drained"
        };
        if let Some(first) = words.first_mut() {
            state.clone_into(first);
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("+"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_state_is_the_same_whoever_wrote_it() {
        for (texts, state) in [
            (&["idle", "IDLE", " Idle\n"][..], "idle"),
            (
                &["down*", "DOWN*", "DOWN+NOT_RESPONDING"],
                "down+not_responding",
            ),
            (&["drained", "IDLE+DRAIN", "DOWN+DRAIN", "drain"], "drained"),
            (
                &["drained*", "IDLE*+DRAIN", "DOWN+DRAIN+NOT_RESPONDING"],
                "drained+not_responding",
            ),
            (
                &["draining", "ALLOCATED+DRAIN", "MIXED+DRAIN", "drng"],
                "draining",
            ),
            (&["IDLE+COMPLETING+DRAIN"], "draining+completing"),
            (&["IDLE+COMPLETING"], "idle+completing"),
            (
                &["allocated+", "alloc+", "ALLOCATED+COMPLETING"],
                "allocated+completing",
            ),
            (&["idle~", "IDLE+POWERED_DOWN"], "idle+powered_down"),
            (&["mixed-", "MIXED+PLANNED"], "mixed+planned"),
            (&["maint", "MAINT", "maintenance"], "maint"),
            (&["IDLE+MAINTENANCE", "idle$"], "idle+maint"),
            (&["", " \n"], "none"),
            (&["n/a"], "n/a"),
        ] {
            for text in texts {
                assert_eq!(State::of(text).to_string(), state, "{text:?}");
            }
        }
    }
}
