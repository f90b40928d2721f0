//! Who is behind an interface: `metrics-net --name-by container`.
//!
//! Found out when the kernel says that an interface has come, changed or gone, and not between
//! such events. Whatever does not fit together, as it changes while it is read, has no name now
//! and is looked at again the next time.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::collect::container_names::{ContainerNames, node};
use crate::collect::filter::Filter;
use crate::collect::net_guest::Guest;
use crate::collect::net_table::Label;
use crate::collect::said::Said;
use crate::collector::CollectError;
use crate::graphite;
use crate::source::cgroup_path::Owner;
use crate::source::docker::Host;
use crate::source::namespaces::{self, NAMED, Namespace};
use crate::source::rtnetlink::{Events, Rtnetlink};

/// After how many seconds it is looked again where the kernel does not tell of changes, and at
/// the latest where something has no name yet.
const SLOWLY: u64 = 60;

/// What is known of who is behind which interface.
pub(super) struct Names {
    proc: PathBuf,
    /// What each path begins with, and a dot.
    prefix: Vec<u8>,
    filter: Filter,
    ignores_unmatched: bool,
    docker: ContainerNames,
    events: Option<Events>,
    /// Whether something happened that is not looked at yet.
    is_due: bool,
    /// Whether [`poll`](Self::poll) has looked for events since the last collection.
    has_polled: bool,
    /// When it was looked last, and after how many seconds it is again.
    again: Option<(u64, u64)>,
    /// By device, all that were there when it was looked last; `None` where nothing is known.
    labels: Option<HashMap<Vec<u8>, Label>>,
    /// The veths among them that are not matched, by number and by name.
    open: HashSet<u32>,
    unmatched: Vec<String>,
    /// The paths of units, which count when they are found again.
    once: HashSet<String>,
    guests: Vec<Guest>,
    said: Said,
}

impl Names {
    pub(super) fn new(
        proc: &Path,
        prefix: Vec<u8>,
        filter: Filter,
        ignores_unmatched: bool,
        host: Host,
    ) -> Self {
        Self {
            proc: proc.to_owned(),
            prefix,
            filter,
            ignores_unmatched,
            docker: ContainerNames::new(host),
            events: None,
            is_due: true,
            has_polled: false,
            again: None,
            labels: None,
            open: HashSet::new(),
            unmatched: Vec::new(),
            once: HashSet::new(),
            guests: Vec::new(),
            said: Said::default(),
        }
    }

    /// Whether it has to be looked again. In the steady state one system call.
    pub(super) fn poll(&mut self, now: u64) -> bool {
        self.has_polled = true;
        if let Some(events) = &mut self.events
            && events.happened()
        {
            self.is_due = true;
            self.again = None;
        }
        // The clock may also have been set back.
        self.is_due |= self
            .again
            .is_some_and(|(then, wait)| now.abs_diff(then) >= wait);
        self.is_due
    }

    /// Looks again if it has to. Whether it did.
    pub(super) fn refresh(&mut self, now: u64, problems: &mut Vec<CollectError>) -> bool {
        if !self.has_polled {
            self.poll(now);
        }
        self.has_polled = false;
        if !self.is_due {
            return false;
        }
        self.is_due = false;
        let mut found = Vec::new();
        match self.look(now, &mut found) {
            Ok(()) => {}
            Err(error) => {
                found.push(error);
                self.labels = None;
                self.guests.clear();
                self.again = Some((now, SLOWLY));
            }
        }
        self.said.news(found, problems);
        true
    }

    /// How a device appears. One that came after the last look is left out until the next.
    pub(super) fn label(&self, device: &[u8]) -> Label {
        match &self.labels {
            None => Label::Device,
            Some(labels) => match labels.get(device) {
                Some(label) => label.clone(),
                None if self.events.is_some() => Label::Hidden,
                None => Label::Device,
            },
        }
    }

    /// Writes what is read in the containers themselves.
    pub(super) fn write(
        &mut self,
        now: u64,
        buffer: &mut Vec<u8>,
        lines: &mut graphite::Lines<'_>,
        problems: &mut Vec<CollectError>,
    ) {
        let before = self.guests.len();
        self.guests.retain_mut(|guest| {
            match guest.read(buffer) {
                // Its first process has ended, and most likely the container with it.
                Err(_) => return false,
                Ok(Some(problem)) => problems.push(problem),
                Ok(None) => guest.table.write(now, lines, problems),
            }
            true
        });
        self.is_due |= self.guests.len() < before;
    }

    pub(super) fn explain(&self, lines: &mut Vec<String>) {
        let Some(labels) = &self.labels else {
            return;
        };
        let is_matched = |label: &&Label| matches!(label, Label::OtherEnd(_));
        lines.push(format!(
            "{} veth interfaces are shown as their other end, found by rtnetlink, {}/PID/cgroup \
             and {NAMED}",
            labels.values().filter(is_matched).count(),
            self.proc.display()
        ));
        lines.push(format!("names of containers from {}", self.docker.host()));
        if !self.unmatched.is_empty() {
            let names = self.unmatched.join(" ");
            lines.push(format!("veth interfaces not matched: {names}"));
        }
        for guest in &self.guests {
            lines.push(format!("also counters from {}", guest.path.display()));
        }
    }

    fn look(&mut self, now: u64, problems: &mut Vec<CollectError>) -> Result<(), CollectError> {
        let failed = |what| move |source| CollectError::Namespaces { what, source };
        let mut rtnetlink = Rtnetlink::open().map_err(failed("no rtnetlink socket"))?;
        if self.events.is_none() {
            // Before the interfaces are listed, so that no change is missed.
            match Events::open() {
                Ok(events) => self.events = Some(events),
                Err(error) => problems.push(failed("no events of rtnetlink")(error)),
            }
        }
        let links = rtnetlink
            .links()
            .map_err(failed("rtnetlink does not list them"))?;
        let mut found = namespaces::walk(&self.proc, Path::new(NAMED), &mut rtnetlink)
            .map_err(failed("the processes' namespaces"))?;
        // Where several are of one container, that with a link to us is meant, then the first.
        found.sort_by_key(|one| (one.nsid.is_none(), one.pid));
        let is_container = |owner: &Owner| matches!(owner, Owner::Container(_));
        let mut is_waiting = false;
        if found.iter().flat_map(|one| &one.owners).any(is_container)
            && let Err(error) = self.docker.refresh()
        {
            is_waiting = !error.is_lasting();
            problems.push(error.into());
        }
        let paths = self.paths(&found);
        let unsure = paths.iter().flatten().filter(|whose| !whose.is_sure);
        let unsure: HashSet<String> = unsure.map(|whose| whose.path.clone()).collect();

        let before = self.labels.take();
        let is_first = before.is_none();
        let had = |device: &[u8]| before.as_ref()?.get(device);
        let once = std::mem::take(&mut self.once);
        let is_known = |whose: &Whose| whose.is_sure || is_first || once.contains(&whose.path);
        let open = std::mem::take(&mut self.open);
        self.unmatched.clear();
        let mut labels = HashMap::with_capacity(links.len());
        let mut matched: Vec<Vec<Vec<u8>>> = vec![Vec::new(); found.len()];
        let mut is_open = false;
        for link in links {
            let label = if link.is_veth {
                let end = namespaces::other_end(&link, &found, &self.proc, &mut rtnetlink);
                let whose = end.as_ref().and_then(|end| paths.get(end.place)?.as_ref());
                if let (Some(end), Some(whose)) = (end, whose) {
                    let name = node(&String::from_utf8_lossy(&end.name));
                    if let Some(matched) = matched.get_mut(end.place) {
                        matched.push(end.name);
                    }
                    let label = Label::OtherEnd(format!("{}.{name}", whose.path));
                    // What is new is looked at once more, as it may not have been finished.
                    is_open |= had(&link.name) != Some(&label);
                    if is_known(whose) {
                        label
                    } else {
                        Label::Hidden
                    }
                } else {
                    self.unmatched
                        .push(String::from_utf8_lossy(&link.name).into_owned());
                    // Its process may come in a moment, or has just gone; until that is clear it
                    // makes no series of its own.
                    let may_change = link.peer_nsid.is_some();
                    is_open |= may_change;
                    self.open.insert(link.index);
                    let is_new = !open.contains(&link.index);
                    if (may_change && is_new && !is_first) || self.ignores_unmatched {
                        Label::Hidden
                    } else {
                        Label::Device
                    }
                }
            } else {
                Label::Device
            };
            labels.insert(link.name, label);
        }
        self.labels = Some(labels);
        self.once = unsure;
        let guests = found.iter().zip(&paths).zip(matched);
        let guests = guests.filter_map(|((namespace, path), matched)| {
            let whose = path.as_ref().filter(|whose| is_known(whose))?;
            let prefix = [&self.prefix, whose.path.as_bytes(), b"."].concat();
            Guest::of(namespace, &self.proc, prefix, self.filter.clone(), matched)
        });
        self.guests = guests.collect();
        self.again = self.next_look(now, is_open, is_waiting);
        Ok(())
    }

    /// Twice as late each time: a process comes soon after its interface, or never. Docker is
    /// asked each minute for as long as it does not answer.
    fn next_look(&self, now: u64, is_open: bool, is_waiting: bool) -> Option<(u64, u64)> {
        let wait = match self.again {
            Some((_, wait)) if wait < SLOWLY => (2 * wait).clamp(2, SLOWLY),
            Some(_) => SLOWLY + 1,
            None => 0,
        };
        if self.events.is_none() || is_waiting {
            return Some((now, wait.min(SLOWLY)));
        }
        (is_open && wait <= SLOWLY).then_some((now, wait))
    }

    /// Whose each namespace is, if it is anybody's.
    fn paths(&self, found: &[Namespace]) -> Vec<Option<Whose>> {
        let mut taken = HashSet::new();
        found
            .iter()
            .map(|namespace| {
                let whose = self.whose(namespace)?;
                taken.insert(whose.path.clone()).then_some(whose)
            })
            .collect()
    }

    fn whose(&self, namespace: &Namespace) -> Option<Whose> {
        let owner = namespace.owners.iter().min_by_key(|owner| match owner {
            Owner::Container(id) => (0, self.docker.joins_another(id)),
            Owner::Job(_) => (1, false),
            Owner::Machine(_) => (2, false),
            Owner::Unit(_) => (3, false),
        });
        let is_sure = !matches!((owner, &namespace.name), (Some(Owner::Unit(_)), None));
        let path = match (owner, &namespace.name) {
            (Some(Owner::Container(id)), _) => format!("container.{}", self.docker.node(id)?),
            (Some(Owner::Job(id)), _) => format!("job.{id}"),
            (None | Some(Owner::Unit(_)), Some(name)) => format!("netns.{}", node(name)),
            (Some(Owner::Machine(name) | Owner::Unit(name)), _) => {
                format!("container.{}", node(name))
            }
            (None, None) => return None,
        };
        Some(Whose { path, is_sure })
    }
}

/// Whose a namespace is.
#[derive(Debug, PartialEq, Eq)]
struct Whose {
    /// `container.NAME`, `job.ID` or `netns.NAME`.
    path: String,
    /// Not of a unit: a container's first process may be in that of its engine for a moment.
    is_sure: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let filter = Filter::default();
        Names::new(
            Path::new("/proc"),
            Vec::new(),
            filter,
            false,
            Host::default(),
        )
    }

    /// How long it waits each time, if nothing gets better.
    fn waits(mut names: Names, is_open: bool, is_waiting: bool) -> Vec<Option<u64>> {
        let looks = (0..9).map(|_| {
            names.again = names.next_look(7, is_open, is_waiting);
            names.again.map(|(_, wait)| wait)
        });
        looks.collect()
    }

    #[test]
    fn what_may_come_is_looked_for_more_and_more_seldom() {
        let with_events = || Names {
            events: Some(Events::open().unwrap()),
            ..names()
        };
        let soon = [0, 2, 4, 8, 16, 32, 60].map(Some);
        // A veth whose process never comes is given up, until something happens.
        let open = waits(with_events(), true, false);
        assert_eq!(open[..7], soon);
        assert_eq!(open[7], None);
        // A Docker that does not answer is asked each minute.
        let waiting = waits(with_events(), false, true);
        assert_eq!(waiting[..7], soon);
        assert_eq!(waiting[7..], [Some(60), Some(60)]);
        assert_eq!(waits(with_events(), false, false), [None; 9]);
        // Without events it is looked all the time.
        assert_eq!(waits(names(), false, false)[7..], [Some(60), Some(60)]);
    }

    #[test]
    fn the_first_of_several_owners_names_a_namespace() {
        let id = |digit: &str| digit.repeat(64);
        let owned = |owners: Vec<Owner>, name: Option<&str>| {
            let mut namespace = Namespace::default();
            namespace.owners = owners;
            namespace.name = name.map(str::to_owned);
            namespace
        };
        let container = || Owner::Container(id("a"));
        let job = || Owner::Job("42".to_owned());
        let machine = || Owner::Machine("db.1".to_owned());
        let unit = || Owner::Unit("vpn".to_owned());
        for (namespace, path) in [
            (
                owned(vec![unit(), machine(), job(), container()], Some("n")),
                Some("container.aaaaaaaaaaaa"),
            ),
            (
                owned(vec![unit(), machine(), job()], Some("n")),
                Some("job.42"),
            ),
            (
                owned(vec![unit(), machine()], Some("n")),
                Some("container.db_1"),
            ),
            (owned(vec![unit()], Some("n.1")), Some("netns.n_1")),
            (owned(vec![unit()], None), Some("container.vpn")),
            (owned(vec![], Some("n")), Some("netns.n")),
            (owned(vec![], None), None),
        ] {
            let whose = names().whose(&namespace).map(|whose| whose.path);
            assert_eq!(whose.as_deref(), path, "{namespace:?}");
        }
        // Of two with the same path one has it, and the other none.
        let both = [owned(vec![job()], None), owned(vec![job()], None)];
        let paths = names().paths(&both);
        let had: Vec<bool> = paths.iter().map(Option::is_some).collect();
        assert_eq!(had, [true, false]);
    }
}
