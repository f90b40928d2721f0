//! What is remembered of a client's check from one event to the next.

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use venus_event::{Action, Event, Severity};
use venus_spool::file;

/// A check that is not OK, as far as Slack was told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Whether Slack was told that it began. If not, it is not told that it is over.
    pub announced: bool,
    /// Whether Slack was told that it flaps.
    #[serde(default)]
    pub flaps: bool,
    /// The id of its last event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When the check was OK before it, seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_ok: Option<i64>,
    /// Its message of each channel, where it can be answered to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub threads: BTreeMap<String, Thread>,
}

/// A message that others answer to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// The channel by its id.
    pub channel: String,
    /// What Slack calls the message's time stamp, by which it is known.
    pub ts: String,
    /// Whether it is about this incident alone, and may therefore be changed.
    pub is_own: bool,
}

impl Incident {
    /// Whether this event may be one of it, as far as can be told where the OK before another was
    /// never heard of: Sensu keeps the id from its beginning to its end, Go and the embedded agent
    /// do not, and of old servers there is no `last_ok`.
    fn may_have(&self, event: &Event) -> bool {
        let same_id = self.id.as_ref().zip(event.id.as_ref()).map(|(a, b)| a == b);
        let same_ok = self.last_ok.zip(event.last_ok).map(|(a, b)| a == b);
        let known = [same_id, same_ok].into_iter().flatten();
        known.max().unwrap_or(true)
    }
}

/// An incident of which nothing more is heard, as its client is gone, is forgotten after this time.
const FORGOTTEN: Duration = Duration::from_hours(30 * 24);
/// How often that is looked for.
const DAY: Duration = Duration::from_hours(24);
/// The file whose time tells when it was. No name of an incident, which has an `@` or a `+`.
const PRUNED: &str = "pruned";

/// Remembers in a folder, a file for each.
#[derive(Debug)]
pub struct Incidents {
    dir: PathBuf,
}

impl Incidents {
    /// In this folder, which is made for the first of them.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The incident of this event's client and check. One that cannot be read is none: it is
    /// better to tell an end too much than one too few. Nor is one that is over, as another has
    /// begun since; an end is that of whatever is known.
    #[must_use]
    pub fn of(&self, event: &Event) -> Option<Incident> {
        let text = file::read(&self.path(event)).ok()?;
        let incident: Incident = serde_json::from_slice(&text).ok()?;
        let may_begin = event.action == Action::Create && event.severity() != Severity::Ok;
        (!may_begin || incident.may_have(event)).then_some(incident)
    }

    /// Notes what became of an event: `announced` if Slack was told.
    pub fn note(
        &self,
        event: &Event,
        announced: bool,
        threads: BTreeMap<String, Thread>,
        now: SystemTime,
    ) -> io::Result<()> {
        let path = self.path(event);
        let before = self.of(event);
        if event.severity() == Severity::Ok && event.action != Action::Flapping {
            return match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let mut incident = before.clone().unwrap_or_default();
        incident.id.clone_from(&event.id);
        incident.last_ok = event.last_ok;
        incident.announced |= announced;
        incident.flaps = event.action == Action::Flapping && (incident.flaps || announced);
        incident.threads.extend(threads);
        if before.as_ref() == Some(&incident) {
            return file::touch(&path, now);
        }
        file::make_folder(&self.dir)?;
        file::replace(&path, &serde_json::to_vec(&incident)?)
    }

    /// Forgets those of which nothing was heard for a month; looks once a day.
    pub fn prune(&self, now: SystemTime) -> io::Result<()> {
        let age = |path: &Path| -> io::Result<Duration> {
            // Of a link, where it is one: it is ours to take away.
            let modified = fs::symlink_metadata(path)?.modified()?;
            Ok(now.duration_since(modified).unwrap_or_default())
        };
        let pruned = self.dir.join(PRUNED);
        if age(&pruned).is_ok_and(|age| age < DAY) {
            return Ok(());
        }
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            if !path.is_dir() && age(&path)? > FORGOTTEN {
                fs::remove_file(path)?;
            }
        }
        file::replace(&pruned, b"")?;
        file::touch(&pruned, now)
    }

    fn path(&self, event: &Event) -> PathBuf {
        self.dir
            .join(file_name(event.client_name(), event.check_name()))
    }
}

/// The longest name of a file that the common file systems take, less what is added to it.
const LONGEST: usize = 240;

/// Another name for each two, and legible where it is not too long.
fn file_name(client: &str, check: &str) -> String {
    let name = format!("{}@{}", encoded(client), encoded(check));
    match name.get(..LONGEST - DIGEST) {
        Some(start) if name.len() > LONGEST => format!("{start}+{}", hex(&Md5::digest(&name))),
        _ => name,
    }
}

/// What a digest and the sign before it take.
const DIGEST: usize = 33;

fn hex(bytes: &[u8]) -> String {
    let pairs = bytes.iter().map(|byte| format!("{byte:02x}"));
    pairs.collect::<Vec<_>>().concat()
}

fn encoded(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(client: &str, status: u8, action: &str) -> Event {
        let json = json!({
            "client": {"name": client}, "check": {"name": "k", "status": status}, "action": action,
        });
        Event::from_json(json.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn it_is_remembered_from_its_beginning_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let incidents = Incidents::new(dir.path().join("incidents"));
        let note = |status, action, announced| {
            let event = event("c", status, action);
            let now = SystemTime::UNIX_EPOCH;
            incidents
                .note(&event, announced, BTreeMap::new(), now)
                .unwrap();
            incidents.of(&event)
        };
        assert_eq!(note(0, "resolve", true), None);
        assert_eq!(note(1, "create", false), Some(Incident::default()));
        assert!(note(2, "create", true).unwrap().announced);
        // Once told, it stays told, whatever is kept back meanwhile.
        assert!(note(2, "create", false).unwrap().announced);
        assert!(note(2, "flapping", true).unwrap().flaps);
        assert!(note(2, "flapping", false).unwrap().flaps);
        assert!(!note(2, "create", false).unwrap().flaps);
        assert_eq!(incidents.of(&event("d", 2, "create")), None);
        assert_eq!(note(0, "resolve", true), None);
    }

    #[test]
    fn what_is_heard_of_no_more_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let incidents = Incidents::new(dir.path().join("incidents"));
        let at = |days: u32| SystemTime::UNIX_EPOCH + DAY * days;
        let (gone, here) = (event("gone", 2, "create"), event("here", 2, "create"));
        incidents.prune(at(1)).unwrap();
        for event in [&gone, &here] {
            incidents.note(event, true, BTreeMap::new(), at(1)).unwrap();
        }
        incidents.note(&gone, true, BTreeMap::new(), at(2)).unwrap();
        incidents
            .note(&here, true, BTreeMap::new(), at(30))
            .unwrap();
        incidents.prune(at(32)).unwrap();
        assert!(incidents.of(&gone).is_some());
        incidents.prune(at(33)).unwrap();
        assert!(incidents.of(&gone).is_none());
        assert!(incidents.of(&here).is_some());
    }

    #[test]
    fn names_from_outside_are_names_of_files() {
        for (client, check, name) in [
            ("venus001", "check-load", "venus001@check-load"),
            ("../x", "a@b", "%2E%2E%2Fx@a%40b"),
            ("", "\n", "@%0A"),
        ] {
            assert_eq!(file_name(client, check), name);
        }
        let long = |end: &str| file_name(&format!("{}{end}", "x".repeat(500)), "k");
        assert_eq!(long("a").len(), LONGEST);
        assert_ne!(long("a"), long("b"));
    }
}
