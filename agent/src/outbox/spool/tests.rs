use super::*;
use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

const NOW: u64 = 1_795_000_000;
const BOUNDS: Bounds = Bounds {
    age: Duration::from_hours(24),
    bytes: 64 << 20,
};

fn waiting(class: Class, check: u64, made: u64, output: &str) -> Waiting {
    let check_attributes = json!({"name": check.to_string(), "output": output});
    Waiting {
        head: Head { class, check, made },
        result: CheckResult {
            client: "c".to_owned(),
            check: check_attributes.as_object().unwrap().clone(),
            signature: None,
        },
        is_in_memory: false,
    }
}

fn state(check: u64) -> Waiting {
    waiting(Class::State, check, NOW, "")
}

fn open(dir: &TempDir) -> Spool {
    let (spool, damage) = Spool::open(dir.path(), BOUNDS).unwrap();
    assert_eq!(damage, []);
    spool
}

fn names(spool: &mut Spool) -> Vec<String> {
    let given = spool.next(usize::MAX, usize::MAX).unwrap();
    assert_eq!(given.dropped, []);
    let results = given.results.iter();
    results
        .map(|(_, _, result)| result.name().to_owned())
        .collect()
}

#[test]
fn what_is_not_delivered_is_there_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let mut spool = open(&dir);
    spool.write(&[state(1), state(2)]).unwrap();
    spool.write(&[state(3)]).unwrap();
    let first = spool.next(2, usize::MAX).unwrap().results;
    spool.done(&[first[0].0]).unwrap();
    assert_eq!((spool.len(), spool.loadable()), (2, 1));
    drop(spool);
    let mut spool = open(&dir);
    assert_eq!(names(&mut spool), ["2", "3"]);
    spool.done(&[1, 2, 3]).unwrap();
    drop(spool);
    let left = fs::read_dir(dir.path()).unwrap();
    assert_eq!(left.count(), 1, "the lock alone is left");
}

#[test]
fn one_agent_at_a_time() {
    let dir = TempDir::new().unwrap();
    let first = open(&dir);
    let error = Spool::open(dir.path(), BOUNDS).unwrap_err();
    let says = format!("another agent uses {}", dir.path().display());
    assert_eq!(error.to_string(), says);
    drop(first);
    open(&dir);
}

#[test]
fn without_room_metrics_go_first_and_the_last_of_each_check_last() {
    let dir = TempDir::new().unwrap();
    let mut spool = open(&dir);
    let text = "x".repeat(10_000);
    let mut classes = [Class::State, Class::Metric, Class::Ok].into_iter().cycle();
    // Ten checks, a hundred results of each.
    for number in 0..1000 {
        let class = classes.next().unwrap();
        let one = waiting(class, number % 10, NOW, &text);
        spool.write(&[one]).unwrap();
    }
    let left = |spool: &mut Spool, bytes| {
        spool.set_bounds(Bounds { bytes, ..BOUNDS });
        let mut count = [0; 3];
        for head in spool.make_room(NOW).unwrap() {
            count[head.class as usize] += 1;
        }
        assert!(spool.bytes() <= bytes);
        count
    };
    // Dropped are metrics, OK, others.
    assert_eq!(left(&mut spool, 64 << 20), [0, 0, 0]);
    let [metrics, ok, states] = left(&mut spool, 8 << 20);
    assert!((200..333).contains(&metrics), "{metrics}");
    assert_eq!((ok, states), (0, 0));
    let [metrics, ok, states] = left(&mut spool, 2 << 20);
    assert!(metrics + ok > 333 && states > 0, "{metrics} {ok} {states}");
    left(&mut spool, 150_000);
    let mut names = names(&mut spool);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 10, "the last of each check: {names:?}");
}

#[test]
fn what_is_too_old_goes_unless_its_clock_was_not_set() {
    let dir = TempDir::new().unwrap();
    let mut spool = open(&dir);
    let made = |check, made| waiting(Class::State, check, made, "");
    let all = [made(1, NOW - 90_000), made(2, 77), made(3, NOW - 80_000)];
    spool.write(&all).unwrap();
    let dropped = spool.make_room(NOW).unwrap();
    assert_eq!(dropped.len(), 1);
    assert_eq!(names(&mut spool), ["2", "3"]);
}

#[test]
fn a_full_disk_changes_nothing_that_is_there() {
    let dir = TempDir::new().unwrap();
    let mut spool = open(&dir);
    spool.write(&[state(1)]).unwrap();
    // A file that cannot grow, as on a disk that is full.
    let part = spool.files.back_mut().unwrap();
    let (good, length) = (part.path.clone(), part.length);
    part.path = PathBuf::from("/dev/full");
    let error = spool.write(&[state(2)]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    spool.files.back_mut().unwrap().path = good.clone();
    assert_eq!(fs::metadata(good).unwrap().len(), length);
    spool.write(&[state(3)]).unwrap();
    assert_eq!(names(&mut spool), ["1", "3"]);
}

#[test]
fn damage_is_set_aside_and_the_rest_is_used() {
    let dir = TempDir::new().unwrap();
    let mut spool = open(&dir);
    spool.write(&[state(1), state(2), state(3)]).unwrap();
    let path = spool.files[0].path.clone();
    drop(spool);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bytes.extend_from_slice(b"VSP1 torn");
    fs::write(&path, &bytes).unwrap();
    let (mut spool, damage) = Spool::open(dir.path(), BOUNDS).unwrap();
    let aside = path.with_added_extension("damaged");
    assert_eq!(fs::read(&aside).unwrap(), bytes);
    assert_eq!(damage[0].path, aside);
    assert_eq!(names(&mut spool), ["1", "3"]);
    drop(spool);
    // Once is enough.
    open(&dir);
}

#[test]
fn damage_that_comes_later_costs_what_it_hits() {
    let dir = TempDir::new().unwrap();
    let mut spool = open(&dir);
    spool.write(&[state(1), state(2)]).unwrap();
    let path = spool.files[0].path.clone();
    let mut bytes = fs::read(&path).unwrap();
    bytes[20] ^= 1;
    fs::write(&path, bytes).unwrap();
    let given = spool.next(9, usize::MAX).unwrap();
    assert_eq!(given.dropped.len(), 1);
    assert_eq!(given.results[0].2.name(), "2");
}

proptest! {
    #[test]
    fn a_folder_of_anything_opens(file in prop::collection::vec(any::<u8>(), 0..200)) {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("7.results"), &file).unwrap();
        fs::write(dir.path().join("x.results"), &file).unwrap();
        let (mut spool, damage) = Spool::open(dir.path(), BOUNDS).unwrap();
        prop_assert_eq!(damage.len(), usize::from(!file.is_empty()));
        spool.write(&[state(1)]).unwrap();
        prop_assert_eq!(names(&mut spool), ["1"]);
    }
}
