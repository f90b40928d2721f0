//! A device whose fabric garbles, delays and refuses.

use super::*;
use crate::source::infiniband::mad::Method;
use std::os::unix::net::UnixDatagram;
use std::thread;

#[test]
fn the_registration_has_the_kernels_size() {
    assert_eq!(size_of::<ioctl::Registration>(), 28);
}

#[test]
fn a_port_is_found_by_its_device_and_number() {
    let sys = tempfile::tempdir().unwrap();
    for (umad, device, port) in [("umad0", "mlx4_0", "1\n"), ("umad1", "mlx4_0", "2\n")] {
        let folder = sys.path().join("class/infiniband_mad").join(umad);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("ibdev"), format!("{device}\n")).unwrap();
        fs::write(folder.join("port"), port).unwrap();
    }
    assert_eq!(name(sys.path(), "mlx4_0", 2).unwrap(), "umad1");
    let error = name(sys.path(), "mlx4_1", 1).unwrap_err().to_string();
    assert!(
        error.contains("no umad device for mlx4_1 port 1 below "),
        "{error}"
    );

    let error = Umad::open(sys.path(), sys.path(), "mlx4_0", 1).unwrap_err();
    assert!(
        error.to_string().ends_with("; is it made by udev?"),
        "{error}"
    );
    fs::create_dir(sys.path().join("infiniband")).unwrap();
    fs::write(sys.path().join("infiniband/umad0"), "").unwrap();
    let error = Umad::open(sys.path(), sys.path(), "mlx4_0", 1).unwrap_err();
    assert!(
        error.to_string().starts_with("cannot register on "),
        "{error}"
    );
}

/// A device whose fabric answers each message with those that `answer` makes of it, given how
/// many came before. Not the simulator, as that can lose answers, but not garble them.
fn device(answer: impl Fn(usize, &[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Umad {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    thread::spawn(move || {
        let mut message = [0; 1000];
        for count in 0.. {
            // 0 bytes: the device was closed.
            let Ok(length @ 1..) = theirs.recv(&mut message) else {
                return;
            };
            for answer in answer(count, &message[..length]) {
                if theirs.send(&answer).is_err() {
                    return;
                }
            }
        }
    });
    Umad {
        path: PathBuf::from("/dev/infiniband/umad0"),
        file: Device(ours.into_raw_fd()),
        header: Header::WithPkeyIndex,
        performance: 1,
        subnet: 2,
        transaction: 0,
        retries: 0,
    }
}

/// The right answer, with this value in the first word of the attribute.
fn right(message: &[u8], value: u32) -> Vec<u8> {
    let mut answer = message.to_vec();
    answer[64 + 3] = 0x81;
    answer[64 + 64..][..4].copy_from_slice(&value.to_be_bytes());
    // The kernel puts its own number of the agent there.
    answer[64 + 8..][..4].copy_from_slice(&[0xca, 0xfe, 0, 0]);
    answer
}

fn with(mut answer: Vec<u8>, offset: usize, byte: u8) -> Vec<u8> {
    answer[offset] = byte;
    answer
}

fn ask(umad: &mut Umad, time: Duration) -> Result<u64, UmadError> {
    let request = Request::performance(Method::Get, 0x12);
    let answer = umad.ask(To::Lid(1), request, Instant::now() + time)?;
    Ok(mad::attribute(Class::Performance, &answer).bits(0, 32))
}

const LONG: Duration = Duration::from_mins(1);

#[test]
fn a_question_is_asked_again_until_it_is_answered() {
    let mut umad = device(|count, message| match count {
        0 | 1 => Vec::new(),
        _ => vec![right(message, 7)],
    });
    assert_eq!(ask(&mut umad, LONG).unwrap(), 7);
    assert_eq!(umad.retries(), 2);
}

#[test]
fn what_is_no_answer_to_this_question_is_passed_over() {
    let mut umad = device(|_, message| {
        let wrong = right(message, 666);
        vec![
            with(wrong.clone(), 64 + 15, 99),
            with(wrong.clone(), 64 + 1, 0x03),
            with(wrong.clone(), 64 + 17, 0x1d),
            with(wrong.clone(), 64 + 3, 0x01),
            with(wrong.clone(), 4, 110),
            wrong[..300].to_vec(),
            wrong[..64].to_vec(),
            right(message, 7),
        ]
    });
    assert_eq!(ask(&mut umad, LONG).unwrap(), 7);
    assert_eq!(umad.retries(), 0);
}

#[test]
fn an_answer_that_comes_late_is_not_taken_for_the_next() {
    let late = std::sync::Mutex::new(None);
    let mut umad = device(move |count, message| {
        let mut late = late.lock().unwrap();
        match count {
            0 => {
                *late = Some(right(message, 666));
                Vec::new()
            }
            _ => late.take().into_iter().chain([right(message, 7)]).collect(),
        }
    });
    assert_eq!(ask(&mut umad, LONG).unwrap(), 7);
    assert_eq!(umad.retries(), 1);
}

#[test]
fn one_who_is_busy_is_asked_again_and_one_who_refuses_is_not() {
    let mut umad = device(|count, message| {
        let status = if count == 0 { 0x01 } else { 0x0c };
        vec![with(right(message, 666), 64 + 5, status)]
    });
    let error = ask(&mut umad, LONG).unwrap_err();
    assert_eq!(error.to_string(), "refused with status 0x000c");
    assert_eq!(umad.retries(), 1);
}

#[test]
fn silence_ends_in_time() {
    let mut umad = device(|_, _| Vec::new());
    let started = Instant::now();
    let error = ask(&mut umad, Duration::from_millis(120)).unwrap_err();
    let took = started.elapsed();
    assert!(
        took > Duration::from_millis(110) && took < LONG / 6,
        "{took:?}"
    );
    assert!(matches!(error, UmadError::Silent), "{error}");
    assert_eq!(
        ask(&mut umad, Duration::ZERO).unwrap_err().to_string(),
        error.to_string()
    );
}

#[test]
fn a_flood_of_what_is_no_answer_ends_in_time() {
    let mut umad = device(|_, message| {
        // As much as the socket holds, each a word that nobody has answered.
        vec![with(right(message, 666), 4, 110); 100]
    });
    let started = Instant::now();
    assert!(ask(&mut umad, Duration::from_millis(60)).is_err());
    assert!(started.elapsed() < LONG / 6);
}

#[test]
fn a_device_that_goes_away_is_named() {
    let mut umad = device(|_, _| Vec::new());
    umad.file = Device(fs::File::open("/dev/null").unwrap().into_raw_fd());
    let error = ask(&mut umad, LONG).unwrap_err();
    assert!(matches!(error, UmadError::Failed { .. }), "{error}");
    assert!(
        error.to_string().starts_with("/dev/infiniband/umad0: "),
        "{error}"
    );
}

#[test]
fn a_user_without_permission_is_told_which() {
    let error = UmadError::Open {
        what: "open",
        path: PathBuf::from("/dev/infiniband/umad0"),
        source: Errno::EACCES.into(),
    };
    assert_eq!(
        error.to_string(),
        "cannot open /dev/infiniband/umad0: Permission denied (os error 13); this user needs \
         read and write permission on /dev/infiniband/umad0, by a udev rule or a group"
    );
}
