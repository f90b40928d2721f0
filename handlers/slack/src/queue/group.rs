//! What becomes one message.

use crate::message;
use crate::queue::kept::Kept;
use crate::settings::Settings;
use std::collections::HashMap;
use venus_event::{Action, Severity};

/// What they have in common.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Alike {
    check: String,
    severity: Severity,
    action: &'static str,
    channels: Vec<String>,
    told: Vec<String>,
}

impl Alike {
    fn of(kept: &Kept, settings: &Settings) -> Self {
        let event = &kept.event;
        Self {
            check: event.check_name().to_owned(),
            severity: event.severity(),
            action: match event.action {
                Action::Create => "create",
                Action::Resolve => "resolve",
                Action::Flapping => "flapping",
            },
            channels: message::channels(event, settings),
            told: kept.told.clone(),
        }
    }
}

/// Groups, in the order in which they are told: that of the events of each client and check.
#[derive(Debug)]
pub(super) struct Groups<'a> {
    settings: &'a Settings,
    all: Vec<Vec<Kept>>,
    /// The last group of each kind, which may still take some.
    open: HashMap<Alike, usize>,
    /// The last group that has this client and check.
    last: HashMap<(String, String), usize>,
}

impl<'a> Groups<'a> {
    pub(super) fn new(settings: &'a Settings) -> Self {
        Self {
            settings,
            all: Vec::new(),
            open: HashMap::new(),
            last: HashMap::new(),
        }
    }

    pub(super) fn add(&mut self, kept: Kept) {
        let alike = Alike::of(&kept, self.settings);
        let whose = (
            kept.event.client_name().to_owned(),
            kept.event.check_name().to_owned(),
        );
        // Not in one before, or with, what it comes after.
        let last = self.last.get(&whose).copied();
        let is_grouping = !self.settings.group_window.is_zero();
        let open = self.open.get(&alike).copied();
        let open = open.filter(|open| is_grouping && last.is_none_or(|last| last < *open));
        let place = open.unwrap_or(self.all.len());
        self.open.insert(alike, place);
        self.last.insert(whose, place);
        match self.all.get_mut(place) {
            Some(group) => group.push(kept),
            None => self.all.push(vec![kept]),
        }
    }

    pub(super) fn into_groups(self) -> Vec<Vec<Kept>> {
        self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::section;
    use proptest::prelude::*;
    use serde_json::json;
    use std::collections::BTreeMap;
    use venus_event::Event;

    type Told = BTreeMap<(String, String), Vec<u64>>;

    /// An event of this client and check, known by its number.
    fn kept(client: u8, check: u8, status: u8, number: u64) -> Kept {
        let json = json!({
            "client": {"name": format!("c{client}")},
            "check": {"name": format!("k{check}"), "status": status},
            "timestamp": number,
        });
        Kept::of(Event::from_json(json.to_string().as_bytes()).unwrap())
    }

    fn told<'k>(kept: impl Iterator<Item = &'k Kept>) -> Told {
        let mut told = Told::new();
        for kept in kept {
            let event = &kept.event;
            let whose = (
                event.client_name().to_owned(),
                event.check_name().to_owned(),
            );
            let number = event.timestamp.unwrap().try_into().unwrap();
            told.entry(whose).or_default().push(number);
        }
        told
    }

    proptest! {
        #[test]
        fn of_each_client_and_check_all_is_told_in_its_order(
            events in prop::collection::vec((0..4_u8, 0..2_u8, 0..3_u8), 0..40),
            window in 0..2_u64,
        ) {
            let settings = section(&json!({ "group_window": window }));
            let mut groups = Groups::new(&settings);
            let (mut number, mut all) = (0, Vec::new());
            for (client, check, status) in events {
                number += 1;
                groups.add(kept(client, check, status, number));
                all.push(kept(client, check, status, number));
            }
            let groups = groups.into_groups();
            prop_assert_eq!(told(groups.iter().flatten()), told(all.iter()));
            for group in groups {
                let clients: Vec<&str> = group.iter().map(|kept| kept.event.client_name()).collect();
                let mut once = clients.clone();
                once.sort_unstable();
                once.dedup();
                prop_assert_eq!(once.len(), clients.len());
            }
        }
    }

    #[test]
    fn what_many_do_in_turn_is_few_messages() {
        let settings = section(&json!({"group_window": 10}));
        let mut groups = Groups::new(&settings);
        for client in 0..100 {
            for status in [2, 0, 1] {
                groups.add(kept(client, 0, status, 0));
            }
        }
        assert_eq!(groups.into_groups().len(), 3);
    }
}
