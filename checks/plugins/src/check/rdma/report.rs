//! What it means: the answer of the check. Pure.

use std::path::Path;

use nix::errno::Errno;
use venus_collectors::source::infiniband::facts::Facts;
use venus_collectors::source::infiniband::sysfs;

use crate::check::rdma::compare::{layer_name, same_version};
use crate::check::rdma::{Seen, Wanted};
use crate::source::rdma::Uverbs;
use crate::source::verbs;
use crate::status::{Findings, Outcome, Perfdata, Status, Unit};

/// `differences` are those that lasted.
pub(super) fn outcome(
    seen: &Seen,
    differences: Vec<String>,
    wanted: &Wanted,
    sys: &Path,
) -> Outcome {
    if let Some(absent) = absent(seen, wanted, sys) {
        return absent;
    }
    let mut findings = Findings::default();
    let mismatches = differences.len();
    for difference in differences {
        findings.add(Status::Critical, difference);
    }
    for unread in &seen.unread {
        findings.add(Status::Unknown, unread.as_str());
    }
    refused(seen, &mut findings);
    firmware(seen, wanted, &mut findings);
    let ports = ports(seen);
    missing_port(seen, &ports, wanted, &mut findings);
    let inactive = wanted.inactive.unwrap_or(Status::Ok);
    for (device, number, facts) in &ports {
        if !facts.is_active() {
            findings.add(
                inactive,
                format!(
                    "{device} port {number} is {}, physical state {}",
                    facts.state_name(),
                    facts.phys_state_name()
                ),
            );
        }
    }
    let active = ports
        .iter()
        .filter(|(_, _, facts)| facts.is_active())
        .count();
    let mut outcome = findings.outcome(all_right(seen, active, ports.len()));
    outcome.details.extend(seen.verbs.iter().flat_map(details));
    let devices = devices(seen);
    outcome.perfdata = vec![
        Perfdata::new("devices", devices.len(), Unit::None).min(0),
        Perfdata::new("ports", ports.len(), Unit::None).min(0),
        Perfdata::new("ports_active", active, Unit::None)
            .min(0)
            .max(ports.len()),
        Perfdata::new("mismatches", mismatches, Unit::None).min(0),
    ];
    outcome
}

/// There is nothing to look at.
fn absent(seen: &Seen, wanted: &Wanted, sys: &Path) -> Option<Outcome> {
    let class = sysfs::class(sys);
    let none = format!(
        "libibverbs lists none, and none below {}; is a card there (lspci), and is its driver \
         loaded (mlx4_ib, mlx5_ib, ...)?",
        class.display()
    );
    match &wanted.device {
        _ if !devices(seen).is_empty() => None,
        None => {
            let what = format!("no RDMA device: {none}");
            Some(Outcome::new(Status::Unknown, what))
        }
        Some(device) if seen.names.is_empty() => {
            let what = format!("no device {device}: {none}");
            Some(Outcome::new(Status::Critical, what))
        }
        Some(device) => {
            let names = seen.names.join(", ");
            let what =
                format!("no device {device}, neither by libibverbs nor in sysfs; there is {names}");
            Some(Outcome::new(Status::Critical, what))
        }
    }
}

/// The names of those that either side has.
fn devices(seen: &Seen) -> Vec<&str> {
    let of_sysfs = seen.sysfs.iter().map(|device| device.name.as_str());
    let of_verbs = seen.verbs.iter().map(|device| device.name.as_str());
    let mut names: Vec<&str> = of_sysfs.chain(of_verbs).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn refused(seen: &Seen, findings: &mut Findings) {
    for device in &seen.verbs {
        let Err(refusal) = &device.opened else {
            continue;
        };
        let name = &device.name;
        let sysfs = seen.sysfs.iter().find(|other| other.name == *name);
        match sysfs.and_then(|device| device.uverbs.as_ref()) {
            Some(Uverbs {
                path,
                access: Err(errno),
            }) => {
                let (status, advice) = match errno {
                    Errno::EACCES | Errno::EPERM => {
                        (Status::Unknown, "run as a user who may read and write it")
                    }
                    _ => (Status::Critical, "no program can use it"),
                };
                let (path, why) = (path.display(), errno.desc());
                findings.add(
                    status,
                    format!("{name} cannot be opened by {path}: {why}; {advice}"),
                );
            }
            Some(Uverbs { access: Ok(()), .. }) | None => findings.add(
                Status::Critical,
                format!(
                    "{name}: {refusal}; no program can use it, see what its driver says (dmesg)"
                ),
            ),
        }
    }
}

fn firmware(seen: &Seen, wanted: &Wanted, findings: &mut Findings) {
    let Some(expected) = &wanted.firmware else {
        return;
    };
    for name in devices(seen) {
        match firmware_of(seen, name) {
            Some(version) if same_version(version, expected) => {}
            Some(version) => findings.add(
                Status::Warning,
                format!("{name} has firmware {version}, expected is {expected}"),
            ),
            None => findings.add(
                Status::Unknown,
                format!("{name} does not tell its firmware, expected is {expected}"),
            ),
        }
    }
}

/// By verbs, or else by sysfs.
fn firmware_of<'a>(seen: &'a Seen, name: &str) -> Option<&'a str> {
    let verbs = seen.verbs.iter().find(|device| device.name == name);
    let by_verbs = verbs
        .and_then(|device| device.opened.as_ref().ok())
        .map(|opened| opened.firmware.as_str())
        .filter(|version| !version.is_empty());
    let sysfs = seen.sysfs.iter().find(|device| device.name == name);
    by_verbs.or_else(|| sysfs?.firmware.as_deref())
}

/// Every port with its device: by verbs, or else by sysfs.
fn ports(seen: &Seen) -> Vec<(&str, u8, &Facts)> {
    let mut found = Vec::new();
    for name in devices(seen) {
        let verbs = seen.verbs.iter().find(|device| device.name == name);
        if let Some(opened) = verbs.and_then(|device| device.opened.as_ref().ok()) {
            found.extend(
                opened
                    .ports
                    .iter()
                    .map(|port| (name, port.number, &port.facts)),
            );
        } else if let Some(device) = seen.sysfs.iter().find(|device| device.name == name) {
            found.extend(
                device
                    .ports
                    .iter()
                    .map(|(number, facts)| (name, *number, facts)),
            );
        }
    }
    found
}

fn missing_port(
    seen: &Seen,
    ports: &[(&str, u8, &Facts)],
    wanted: &Wanted,
    findings: &mut Findings,
) {
    let Some(number) = wanted.port else { return };
    for name in devices(seen) {
        if !ports.iter().any(|(of, _, _)| *of == name) {
            findings.add(Status::Critical, format!("{name} has no port {number}"));
        }
    }
}

fn all_right(seen: &Seen, active: usize, ports: usize) -> String {
    let devices = devices(seen);
    let named: Vec<String> = devices
        .iter()
        .map(|name| match firmware_of(seen, name) {
            Some(version) => format!("{name} (firmware {version})"),
            None => (*name).to_owned(),
        })
        .collect();
    format!(
        "{active} of {ports} port{} Active, the same by verbs and in sysfs: {}",
        if ports == 1 { "" } else { "s" },
        named.join(", ")
    )
}

/// What verbs knows of a device, a line for it and one for each port.
fn details(device: &verbs::Device) -> Vec<String> {
    let Ok(opened) = &device.opened else {
        return Vec::new();
    };
    let name = &device.name;
    let mut lines = vec![format!(
        "{name}: firmware {}, node GUID {}, vendor 0x{:04x}, part {}",
        opened.firmware, opened.node_guid, opened.vendor_id, opened.part_id
    )];
    lines.extend(opened.ports.iter().map(|port| {
        let facts = &port.facts;
        let link = match facts.width {
            Some(width) => format!("{width}X {}", facts.speed_name()),
            None => "unknown width".to_owned(),
        };
        let number = |value: Option<u16>| match value {
            Some(value) => value.to_string(),
            None => "unknown".to_owned(),
        };
        let gids: Vec<String> = port
            .gids
            .iter()
            .map(|(index, gid)| format!("{index} {gid}"))
            .collect();
        format!(
            "{name} port {}: {}, {}, {}, {link}, LID {}, SM LID {}, MTU {} of {}, GIDs {}",
            port.number,
            facts.state_name(),
            facts.phys_state_name(),
            facts
                .link_layer
                .map_or("unspecified link layer", layer_name),
            number(facts.lid),
            number(facts.sm_lid),
            number(port.active_mtu),
            number(port.max_mtu),
            if gids.is_empty() {
                "none".to_owned()
            } else {
                gids.join(", ")
            }
        )
    }));
    lines
}
