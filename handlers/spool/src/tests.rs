//! What waits, who delivers it, and whose files are touched.

use super::*;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::time::UNIX_EPOCH;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn open(dir: &Path) -> Spool {
    let bounds = Bounds {
        age: Duration::from_secs(100),
        bytes: 10,
    };
    Spool::open(dir, bounds).unwrap()
}

fn texts(turn: &Turn<'_>, now: u64) -> Vec<String> {
    let waiting = turn.waiting(at(now)).unwrap();
    let items = waiting.items.iter();
    items
        .map(|item| String::from_utf8(turn.read(item).unwrap()).unwrap())
        .collect()
}

#[test]
fn what_was_put_waits_in_order_until_it_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(&dir.path().join("a/b"));
    for (text, now) in [("two", 2), ("one", 1), ("three", 3)] {
        spool.put(text.as_bytes(), at(now)).unwrap();
    }
    let turn = spool.try_turn().unwrap().unwrap();
    // Eleven bytes: the oldest has no room.
    assert_eq!(texts(&turn, 3), ["two", "three"]);
    let items = turn.waiting(at(3)).unwrap().items;
    turn.done(items[0]).unwrap();
    turn.done(items[0]).unwrap();
    assert_eq!(texts(&turn, 3), ["three"]);
    // At last it is too old.
    let waiting = turn.waiting(at(104)).unwrap();
    assert_eq!((waiting.items.len(), waiting.dropped), (0, 1));
}

#[test]
fn one_has_the_turn_and_looks_again_for_those_who_left() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    spool.put(b"mine", at(1)).unwrap();
    let mut rounds = 0;
    let served = spool.serve(|turn| {
        rounds += 1;
        for item in turn.waiting(at(1))?.items {
            turn.done(item)?;
        }
        if rounds == 1 {
            // Another process, which finds the turn taken.
            let other = open(dir.path());
            other.put(b"its", at(2)).unwrap();
            let nothing = |_: &Turn<'_>| -> Result<bool, SpoolError> { unreachable!() };
            assert_eq!(other.serve(nothing).unwrap(), None);
        }
        Ok::<_, SpoolError>(true)
    });
    assert_eq!((served.unwrap(), rounds), (Some(true), 2));
    let turn = spool.try_turn().unwrap().unwrap();
    assert_eq!(texts(&turn, 2), [""; 0]);
}

#[test]
fn what_was_begun_and_not_done_is_tried_once_more_and_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    spool.put(b"x", at(1)).unwrap();
    for _ in 0..MOST_TRIES {
        let turn = spool.try_turn().unwrap().unwrap();
        let waiting = turn.waiting(at(1)).unwrap();
        // A try that failed for certain does not count.
        let mut held = turn.hold(waiting.items);
        held.begin().unwrap();
        held.failed().unwrap();
        held.begin().unwrap();
        held.begin().unwrap();
        // And here its process dies.
    }
    let turn = spool.try_turn().unwrap().unwrap();
    let waiting = turn.waiting(at(1)).unwrap();
    assert_eq!(waiting.items, []);
    assert_eq!(turn.read_aside(&waiting.set_aside[0]).unwrap(), b"x");
    assert_eq!(turn.waiting(at(1)).unwrap(), Waiting::default());
    let aside = |dir: &Path| fs::read_dir(dir).unwrap().count();
    assert_eq!(aside(dir.path()), 2, "it and the lock");
    turn.waiting(at(102)).unwrap();
    assert_eq!(aside(dir.path()), 1, "the lock");
}

#[test]
fn what_is_half_written_or_no_item_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    let item = Item::new(at(1), 7).name();
    for name in [format!("{item}.new"), "README".to_owned(), "1-2".to_owned()] {
        fs::write(dir.path().join(name), "x").unwrap();
    }
    let turn = spool.try_turn().unwrap().unwrap();
    assert_eq!(turn.waiting(at(1)).unwrap(), Waiting::default());
    assert_eq!(turn.waiting(at(102)).unwrap(), Waiting::default());
    let left = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 3, "the lock and what is not ours");
}

#[test]
fn a_folder_that_cannot_be_is_named() {
    let error = Spool::open(Path::new("/proc/none"), Bounds::default()).unwrap_err();
    let said = error.to_string();
    assert!(
        said.starts_with("cannot make the spool /proc/none: "),
        "{said}"
    );
}

/// A spool in which these are named like items.
fn with_strangers(dir: &Path) -> Spool {
    let spool = open(dir);
    let name = |pid| dir.join(Item::new(at(1), pid).name());
    symlink("nowhere", name(1)).unwrap();
    fs::create_dir(name(2)).unwrap();
    mkfifo(&name(3), Mode::S_IRUSR).unwrap();
    symlink("/etc/passwd", name(4)).unwrap();
    spool
}

#[test]
fn what_is_named_like_an_item_and_is_none_stops_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let spool = with_strangers(dir.path());
    spool.put(b"x", at(2)).unwrap();
    let mut rounds = 0;
    let served = spool.serve(|turn| {
        rounds += 1;
        let waiting = turn.waiting(at(2))?;
        let said = waiting.strange.unwrap();
        assert!(said.starts_with(dir.path().to_str().unwrap()), "{said}");
        let end = "-1-0 is no file of this user's, nor are 3 others there: left alone";
        assert!(said.ends_with(end), "{said}");
        for item in waiting.items {
            assert_eq!(turn.read(&item)?, b"x");
            turn.done(item)?;
        }
        Ok::<_, SpoolError>(true)
    });
    assert_eq!((served.unwrap(), rounds), (Some(true), 1));
}

#[test]
fn a_lock_that_is_none_makes_room() {
    let dir = tempfile::tempdir().unwrap();
    let lock = dir.path().join(LOCK);
    for is_link in [true, false] {
        if is_link {
            symlink("nowhere", &lock).unwrap();
        } else {
            fs::remove_file(&lock).unwrap();
            mkfifo(&lock, Mode::S_IRUSR).unwrap();
        }
        assert!(open(dir.path()).try_turn().unwrap().is_some());
        assert!(!dir.path().join("nowhere").exists());
    }
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    let error = Spool::open(dir.path(), Bounds::default()).unwrap_err();
    let said = error.to_string();
    let start = format!("cannot lock the spool {}: ", lock.display());
    assert!(said.starts_with(&start), "{said}");
}

#[test]
fn a_folder_that_others_can_write_is_said() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(open(dir.path()).warning(), None);
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let place = dir.path().display().to_string();
    let said = format!(
        "the spool {place} can be written by others, who can change what is sent: chmod 700 {place}"
    );
    assert_eq!(open(dir.path()).warning(), Some(said.as_str()));
}

/// Root alone can tell, as nobody else can give a file away.
#[test]
fn what_root_makes_is_its_folders_owners() {
    let dir = tempfile::tempdir().unwrap();
    if chown(dir.path(), Some(65_534), Some(65_534)).is_err() {
        return;
    }
    let spool = open(&dir.path().join("new/spool"));
    let item = spool.put(b"x", at(1)).unwrap();
    let turn = spool.try_turn().unwrap().unwrap();
    turn.keep(item, at(1), Duration::from_mins(1)).unwrap();
    turn.recall(at(1), Duration::from_mins(1)).unwrap();
    let item = turn.waiting(at(1)).unwrap().items[0];
    turn.hold(vec![item]).rewrite(&[b"y".to_vec()]).unwrap();
    assert_eq!(turn.read(&item).unwrap(), b"y");
    let made = [
        dir.path().join("new"),
        spool.dir.clone(),
        spool.dir.join(LOCK),
        turn.path(&item),
    ];
    for path in made {
        let owner = fs::metadata(&path).unwrap().uid();
        assert_eq!(owner, 65_534, "{}", path.display());
    }
}

#[test]
fn a_time_from_before_there_was_this_program_is_no_age() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    let item = spool.put(b"x", at(7)).unwrap();
    let turn = spool.try_turn().unwrap().unwrap();
    let now = |seconds: u64| at(2_000_000_000 + seconds);
    // The clock was no better when the file was written.
    file::touch(&turn.path(&item), at(7)).unwrap();
    for seconds in [0, 100] {
        assert_eq!(turn.waiting(now(seconds)).unwrap().items, [item]);
    }
    let waiting = turn.waiting(now(101)).unwrap();
    assert_eq!((waiting.dropped, waiting.lost), (1, vec![b"x".to_vec()]));
}

#[test]
fn what_was_set_aside_is_within_the_bounds_too() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    let turn = spool.try_turn().unwrap().unwrap();
    for seconds in 1..=4 {
        turn.set_aside(spool.put(b"four", at(seconds)).unwrap())
            .unwrap();
    }
    let waits = spool.put(b"xx", at(5)).unwrap();
    assert_eq!(turn.waiting(at(5)).unwrap().items, [waits]);
    // Ten bytes: what waits, and the last two.
    let aside = |entry: &Entry| (entry.kind == Kind::Aside).then(|| entry.item.put());
    let (entries, _) = spool.list().unwrap();
    let left: Vec<SystemTime> = entries.iter().filter_map(aside).collect();
    assert_eq!(left, [at(3), at(4)]);
}

#[test]
fn two_at_the_same_time_are_two() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    for text in [b"one", b"two"] {
        spool.put(text, at(1)).unwrap();
    }
    let turn = spool.try_turn().unwrap().unwrap();
    assert_eq!(texts(&turn, 1), ["one", "two"]);
}

#[test]
fn a_link_in_the_place_of_a_file_is_not_written_through() {
    let dir = tempfile::tempdir().unwrap();
    let [target, file] = ["target", "file"].map(|name| dir.path().join(name));
    for link in [file.with_added_extension("new"), file.clone()] {
        fs::write(&target, "theirs").unwrap();
        symlink(&target, link).unwrap();
        assert!(file::read(&file).is_err());
        file::replace(&file, b"ours").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"theirs");
        assert_eq!(file::read(&file).unwrap(), b"ours");
        fs::remove_file(&file).unwrap();
    }
}

#[test]
fn one_that_an_admin_took_away_stays_away_and_stops_none_of_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    for text in [b"a", b"b", b"c"] {
        spool.put(text, at(1)).unwrap();
    }
    let turn = spool.try_turn().unwrap().unwrap();
    let items = turn.waiting(at(1)).unwrap().items;
    let mut held = turn.hold(items.clone());
    fs::remove_file(turn.path(&items[1])).unwrap();
    held.begin().unwrap();
    held.rewrite(&[b"A".to_vec(), b"B".to_vec(), b"C".to_vec()])
        .unwrap();
    held.failed().unwrap();
    assert_eq!(texts(&turn, 1), ["A", "C"]);
    assert_eq!(turn.waiting(at(1)).unwrap().items, [items[0], items[2]]);
    held.done().unwrap();
    assert_eq!(turn.waiting(at(1)).unwrap(), Waiting::default());
}
