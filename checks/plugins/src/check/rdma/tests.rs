//! What is found and what is said of it, with made-up views of verbs of the devices of the fixture.

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use venus_collectors::Roots;
use venus_collectors::source::infiniband::sysfs::LinkLayer;

use super::{Seen, Wanted, compare, report};
use crate::source::rdma::{self, Guid, Uverbs};
use crate::source::verbs::{self, Opened, Refusal};
use crate::status::{Outcome, Status};

const SYS: &str = "/sys";

/// `mlx4_0` with port 1 Active and port 2 Down, `mlx5_0` with port 1 Active (RoCE); beside what the
/// fixture has, node GUIDs and device files.
fn kernel() -> Vec<rdma::Device> {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/infiniband");
    let roots = Roots {
        sys: fixture.join("sys"),
        ..Roots::default()
    };
    let mut failures = Vec::new();
    let mut devices = rdma::devices(&roots, &mut failures).unwrap();
    assert!(failures.is_empty());
    for (number, device) in (0..).zip(&mut devices) {
        device.node_guid = Some(Guid(0x0002_c903_0012_3450 + number));
        device.uverbs = Some(Uverbs {
            path: PathBuf::from(format!("/dev/infiniband/uverbs{number}")),
            access: Ok(()),
        });
    }
    devices
}

/// What verbs shows where it agrees. Firmware is written as the provider of mlx4 does.
fn verbs(kernel: &[rdma::Device]) -> Vec<verbs::Device> {
    kernel
        .iter()
        .map(|device| verbs::Device {
            name: device.name.clone(),
            opened: Ok(Opened {
                node_guid: device.node_guid.unwrap(),
                firmware: device.firmware.clone().unwrap(),
                vendor_id: 0x2c9,
                part_id: 4099,
                ports: device
                    .ports
                    .iter()
                    .map(|(number, facts)| verbs::Port {
                        number: *number,
                        facts: *facts,
                        active_mtu: Some(2048),
                        max_mtu: Some(4096),
                        gids: vec![(0, "fe80::2:c903:12:3451".parse().unwrap())],
                    })
                    .collect(),
            }),
        })
        .collect()
}

fn open(device: &mut verbs::Device) -> &mut Opened {
    device.opened.as_mut().unwrap()
}

fn check(kernel: Vec<rdma::Device>, verbs: Vec<verbs::Device>, wanted: &Wanted) -> Outcome {
    let seen = Seen::of(kernel, verbs, Vec::new(), wanted);
    let differences = compare::differences(&seen, Path::new(SYS));
    report::outcome(&seen, differences, wanted, Path::new(SYS))
}

/// The answer where verbs shows something else than the kernel.
fn changed(change: impl FnOnce(&mut Vec<rdma::Device>, &mut Vec<verbs::Device>)) -> Outcome {
    let mut kernel = kernel();
    let mut verbs = verbs(&kernel);
    change(&mut kernel, &mut verbs);
    check(kernel, verbs, &Wanted::default())
}

#[test]
fn one_that_agrees_is_ok_with_what_there_is() {
    let kernel = kernel();
    let verbs = verbs(&kernel);
    assert_eq!(
        check(kernel, verbs, &Wanted::default()).text("CheckRDMA", true),
        "CheckRDMA OK: 2 of 3 ports Active, the same by verbs and in sysfs: \
         mlx4_0 (firmware 2.42.5000), mlx5_0 (firmware 16.35.2000) | \
         'devices'=2;;;0 'ports'=3;;;0 'ports_active'=2;;;0;3 'mismatches'=0;;;0\n\
         mlx4_0: firmware 2.42.5000, node GUID 0002:c903:0012:3450, vendor 0x02c9, part 4099\n\
         mlx4_0 port 1: Active, LinkUp, InfiniBand, 4X QDR, LID 1, SM LID 1, MTU 2048 of 4096, \
         GIDs 0 fe80::2:c903:12:3451\n\
         mlx4_0 port 2: Down, Polling, InfiniBand, 4X SDR, LID 0, SM LID 0, MTU 2048 of 4096, \
         GIDs 0 fe80::2:c903:12:3451\n\
         mlx5_0: firmware 16.35.2000, node GUID 0002:c903:0012:3451, vendor 0x02c9, part 4099\n\
         mlx5_0 port 1: Active, LinkUp, Ethernet, 4X EDR, LID 0, SM LID 0, MTU 2048 of 4096, \
         GIDs 0 fe80::2:c903:12:3451\n"
    );
}

#[test]
fn what_differs_is_critical_and_names_both_values() {
    type Change = fn(&mut Vec<rdma::Device>, &mut Vec<verbs::Device>);
    let cases: [(Change, &str); 12] = [
        (
            |_, verbs| open(&mut verbs[0]).ports[0].facts.state = Some(1),
            "mlx4_0 port 1 state is Active in sysfs and Down in verbs",
        ),
        (
            |_, verbs| open(&mut verbs[0]).ports[1].facts.phys_state = Some(3),
            "mlx4_0 port 2 physical state is Polling in sysfs and Disabled in verbs",
        ),
        (
            |_, verbs| open(&mut verbs[0]).ports[0].facts.lid = Some(7),
            "mlx4_0 port 1 LID is 1 in sysfs and 7 in verbs",
        ),
        (
            |_, verbs| open(&mut verbs[0]).ports[0].facts.sm_lid = Some(2),
            "mlx4_0 port 1 SM LID is 1 in sysfs and 2 in verbs",
        ),
        (
            |_, verbs| {
                open(&mut verbs[1]).ports[0].facts.link_layer = Some(LinkLayer::InfiniBand);
            },
            "mlx5_0 port 1 link layer is Ethernet in sysfs and InfiniBand in verbs",
        ),
        (
            |_, verbs| open(&mut verbs[1]).firmware = "16.35.1012".to_owned(),
            "mlx5_0 firmware is 16.35.2000 in sysfs and 16.35.1012 in verbs",
        ),
        (
            |_, verbs| open(&mut verbs[0]).node_guid = Guid(1),
            "mlx4_0 node GUID is 0002:c903:0012:3450 in sysfs and 0000:0000:0000:0001 in verbs",
        ),
        (
            |_, verbs| drop(open(&mut verbs[0]).ports.remove(1)),
            "mlx4_0 port 2 is in sysfs and not in verbs",
        ),
        (
            |kernel, _| kernel[0].ports.retain(|(number, _)| *number != 1),
            "mlx4_0 port 1 is in verbs and not in sysfs",
        ),
        (
            |kernel, verbs| {
                verbs.remove(1);
                kernel[1].uverbs = None;
            },
            "mlx5_0 is below /sys/class/infiniband and libibverbs does not list it: \
             the module ib_uverbs is not loaded (modprobe ib_uverbs)",
        ),
        (
            |kernel, _| drop(kernel.remove(0)),
            "libibverbs lists mlx4_0 and it is not below /sys/class/infiniband: \
             is that the sysfs of this host?",
        ),
        (
            |_, verbs| verbs.clear(),
            "/sys/class/infiniband has mlx4_0, mlx5_0 and libibverbs lists none: \
             the provider for mlx4_0 is missing or too old; install ibverbs-providers, or on RHEL \
             libibverbs; the provider for mlx5_0 is missing or too old; install ibverbs-providers, \
             or on RHEL libibverbs",
        ),
    ];
    for (change, what) in cases {
        let outcome = changed(change);
        assert_eq!(
            (outcome.status, outcome.what.as_str()),
            (Status::Critical, what)
        );
    }
}

#[test]
fn what_one_side_does_not_tell_is_no_difference() {
    let outcome = changed(|kernel, verbs| {
        // Of an old kernel and of an old provider; the same firmware, written in two ways.
        kernel[0].node_guid = None;
        kernel[0].ports[0].1.sm_lid = None;
        kernel[1].firmware = None;
        open(&mut verbs[0]).ports[0].facts.link_layer = None;
        kernel[0].firmware = Some("2.9.7".to_owned());
        open(&mut verbs[0]).firmware = "2.9.007".to_owned();
    });
    assert_eq!(outcome.status, Status::Ok, "{}", outcome.what);
}

#[test]
fn one_that_cannot_be_opened_says_why() {
    let refused = |access: Result<(), Errno>, errno: Errno| {
        changed(|kernel, verbs| {
            kernel[0].uverbs.as_mut().unwrap().access = access;
            verbs[0].opened = Err(Refusal {
                what: "open it".to_owned(),
                errno,
            });
        })
    };
    for (access, errno, status, what) in [
        (
            Err(Errno::EACCES),
            Errno::ENOENT,
            Status::Unknown,
            "mlx4_0 cannot be opened by /dev/infiniband/uverbs0: Permission denied; \
             run as a user who may read and write it",
        ),
        (
            Err(Errno::ENOENT),
            Errno::ENOENT,
            Status::Critical,
            "mlx4_0 cannot be opened by /dev/infiniband/uverbs0: No such file or directory; \
             no program can use it",
        ),
        (
            Ok(()),
            Errno::EIO,
            Status::Critical,
            "mlx4_0: cannot open it: I/O error; \
             no program can use it, see what its driver says (dmesg)",
        ),
    ] {
        let outcome = refused(access, errno);
        assert_eq!((outcome.status, outcome.what.as_str()), (status, what));
    }
}

#[test]
fn what_is_wanted_is_judged_and_nothing_else() {
    let all = kernel();
    let wanted = |device: Option<&str>, port, firmware: Option<&str>, inactive| Wanted {
        device: device.map(str::to_owned),
        port,
        firmware: firmware.map(str::to_owned),
        inactive,
    };
    let down = "mlx4_0 port 2 is Down, physical state Polling";
    for (wanted, status, what) in [
        (
            wanted(None, None, None, Some(Status::Warning)),
            Status::Warning,
            down,
        ),
        (
            wanted(None, None, None, Some(Status::Critical)),
            Status::Critical,
            down,
        ),
        (
            wanted(
                Some("mlx4_0"),
                Some(1),
                Some("2.42.05000"),
                Some(Status::Critical),
            ),
            Status::Ok,
            "1 of 1 port Active, the same by verbs and in sysfs: mlx4_0 (firmware 2.42.5000)",
        ),
        (
            wanted(Some("mlx5_0"), None, Some("2.42.5000"), None),
            Status::Warning,
            "mlx5_0 has firmware 16.35.2000, expected is 2.42.5000",
        ),
        (
            wanted(None, Some(2), None, None),
            Status::Critical,
            "mlx5_0 has no port 2",
        ),
        (
            wanted(Some("mlx4_1"), None, None, None),
            Status::Critical,
            "no device mlx4_1, neither by libibverbs nor in sysfs; there is mlx4_0, mlx5_0",
        ),
    ] {
        let outcome = check(all.clone(), verbs(&all), &wanted);
        assert_eq!((outcome.status, outcome.what.as_str()), (status, what));
    }
}

#[test]
fn what_could_not_be_read_is_never_ok() {
    let wanted = Wanted::default();
    let kernel = kernel();
    let unread = vec!["cannot read /sys/x: line 1 is cut off".to_owned()];
    let seen = Seen::of(kernel.clone(), verbs(&kernel), unread, &wanted);
    let outcome = report::outcome(&seen, Vec::new(), &wanted, Path::new(SYS));
    assert_eq!(
        (outcome.status, outcome.what.as_str()),
        (Status::Unknown, "cannot read /sys/x: line 1 is cut off")
    );
}
