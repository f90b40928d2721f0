//! What differs between sysfs and verbs. Pure: both are given.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::Path;

use nix::errno::Errno;
use venus_collectors::source::infiniband::facts::Facts;
use venus_collectors::source::infiniband::sysfs::{self, LinkLayer};

use crate::check::rdma::Seen;
use crate::source::rdma;
use crate::source::verbs::{self, Opened};

/// Each difference in a line that names the device, the port, and both values.
pub(super) fn differences(seen: &Seen, sys: &Path) -> Vec<String> {
    let class = sysfs::class(sys);
    if seen.verbs.is_empty() && !seen.sysfs.is_empty() {
        return vec![none_by_verbs(&seen.sysfs, &class)];
    }
    let mut found = Vec::new();
    for device in &seen.sysfs {
        match seen.verbs.iter().find(|other| other.name == device.name) {
            Some(verbs::Device {
                opened: Ok(opened), ..
            }) => of_device(device, opened, &mut found),
            // Why it cannot be opened is told beside.
            Some(verbs::Device { opened: Err(_), .. }) => {}
            None => found.push(format!(
                "{} is below {} and libibverbs does not list it: {}",
                device.name,
                class.display(),
                remedy(device)
            )),
        }
    }
    for device in &seen.verbs {
        if !seen.sysfs.iter().any(|other| other.name == device.name) {
            found.push(format!(
                "libibverbs lists {} and it is not below {}: is that the sysfs of this host?",
                device.name,
                class.display()
            ));
        }
    }
    found
}

fn none_by_verbs(devices: &[rdma::Device], class: &Path) -> String {
    let names: Vec<&str> = devices.iter().map(|device| device.name.as_str()).collect();
    let mut remedies: Vec<String> = devices.iter().map(remedy).collect();
    remedies.dedup();
    format!(
        "{} has {} and libibverbs lists none: {}",
        class.display(),
        names.join(", "),
        remedies.join("; ")
    )
}

/// Why libibverbs may leave out a device that the kernel has, and what to do.
fn remedy(device: &rdma::Device) -> String {
    match &device.uverbs {
        None => "the module ib_uverbs is not loaded (modprobe ib_uverbs)".to_owned(),
        Some(uverbs) if uverbs.access == Err(Errno::ENOENT) => format!(
            "{} is not there; is udev running, and if this is a container, was it given the device?",
            uverbs.path.display()
        ),
        Some(_) => format!(
            "the provider for {} is missing or too old; install ibverbs-providers, or on RHEL \
             libibverbs",
            device.name
        ),
    }
}

fn of_device(sysfs: &rdma::Device, verbs: &Opened, found: &mut Vec<String>) {
    let name = &sysfs.name;
    if let Some(firmware) = &sysfs.firmware
        && !verbs.firmware.is_empty()
        && !same_version(firmware, &verbs.firmware)
    {
        found.push(line(name, "firmware", firmware, &verbs.firmware));
    }
    if let Some(guid) = sysfs.node_guid
        && guid != verbs.node_guid
    {
        found.push(line(name, "node GUID", guid, verbs.node_guid));
    }
    let of_sysfs = sysfs.ports.iter().map(|(number, _)| *number);
    let of_verbs = verbs.ports.iter().map(|port| port.number);
    let numbers: BTreeSet<u8> = of_sysfs.chain(of_verbs).collect();
    for number in numbers {
        let one = sysfs.ports.iter().find(|(of, _)| *of == number);
        let other = verbs.ports.iter().find(|port| port.number == number);
        let port = format!("{name} port {number}");
        match (one, other) {
            (Some((_, one)), Some(other)) => of_port(&port, one, &other.facts, found),
            (Some(_), None) => found.push(format!("{port} is in sysfs and not in verbs")),
            (None, _) => found.push(format!("{port} is in verbs and not in sysfs")),
        }
    }
}

fn of_port(port: &str, sysfs: &Facts, verbs: &Facts, found: &mut Vec<String>) {
    let differ = |one: Option<u16>, other: Option<u16>| one.zip(other).is_some_and(|(a, b)| a != b);
    let byte = |value: Option<u8>| value.map(u16::from);
    if differ(byte(sysfs.state), byte(verbs.state)) {
        found.push(line(port, "state", sysfs.state_name(), verbs.state_name()));
    }
    if differ(byte(sysfs.phys_state), byte(verbs.phys_state)) {
        let (one, other) = (sysfs.phys_state_name(), verbs.phys_state_name());
        found.push(line(port, "physical state", one, other));
    }
    for (what, one, other) in [
        ("LID", sysfs.lid, verbs.lid),
        ("SM LID", sysfs.sm_lid, verbs.sm_lid),
    ] {
        if let (true, Some(one), Some(other)) = (differ(one, other), one, other) {
            found.push(line(port, what, one, other));
        }
    }
    if let (Some(one), Some(other)) = (sysfs.link_layer, verbs.link_layer)
        && one != other
    {
        let (one, other) = (layer_name(one), layer_name(other));
        found.push(line(port, "link layer", one, other));
    }
}

fn line(place: &str, what: &str, sysfs: impl Display, verbs: impl Display) -> String {
    format!("{place} {what} is {sysfs} in sysfs and {verbs} in verbs")
}

pub(super) fn layer_name(layer: LinkLayer) -> &'static str {
    match layer {
        LinkLayer::InfiniBand => "InfiniBand",
        LinkLayer::Ethernet => "Ethernet",
    }
}

/// Whether two firmware versions are the same number for number: of one and the same mlx4 the
/// kernel writes 2.9.7 and the provider of verbs 2.9.007.
pub(super) fn same_version(one: &str, other: &str) -> bool {
    let numbers = |text: &str| -> Option<Vec<u64>> {
        text.split('.').map(|number| number.parse().ok()).collect()
    };
    match (numbers(one), numbers(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}
