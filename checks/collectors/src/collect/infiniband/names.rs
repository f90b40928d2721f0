//! How the kernel's counter files are called in Graphite: by IBTA's names, as perfquery prints
//! them, and in its order.
//!
//! From the InfiniBand Architecture Specification, volume 1, chapter 16.1.3 and 16.1.4. The width
//! is that of the attribute `PortCounters`, where a counter stops at its largest value; where the
//! device has the 64-bit attribute `PortCountersExtended` the kernel reads that, and it counts on.
//!
//! | kernel | IBTA | bits | counts |
//! |---|---|---|---|
//! | `symbol_error` | `SymbolErrorCounter` | 16 | minor link errors on a physical lane |
//! | `link_error_recovery` | `LinkErrorRecoveryCounter` | 8 | link error recoveries that succeeded |
//! | `link_downed` | `LinkDownedCounter` | 8 | link error recoveries that failed |
//! | `port_rcv_errors` | `PortRcvErrors` | 16 | packets received with an error |
//! | `port_rcv_remote_physical_errors` | `PortRcvRemotePhysicalErrors` | 16 | packets received marked bad by their sender |
//! | `port_rcv_switch_relay_errors` | `PortRcvSwitchRelayErrors` | 16 | packets that a switch could not relay |
//! | `port_xmit_discards` | `PortXmitDiscards` | 16 | outbound packets discarded |
//! | `port_xmit_constraint_errors` | `PortXmitConstraintErrors` | 8 | packets not sent for a constraint |
//! | `port_rcv_constraint_errors` | `PortRcvConstraintErrors` | 8 | packets discarded for a constraint |
//! | `local_link_integrity_errors` | `LocalLinkIntegrityErrors` | 4 | times that local physical errors exceeded their threshold |
//! | `excessive_buffer_overrun_errors` | `ExcessiveBufferOverrunErrors` | 4 | times that buffer overruns exceeded theirs |
//! | `VL15_dropped` | `VL15Dropped` | 16 | packets of subnet management dropped for lack of buffers |
//! | `port_xmit_data` | `PortXmitData` | 32 or 64 | octets sent, divided by 4 |
//! | `port_rcv_data` | `PortRcvData` | 32 or 64 | octets received, divided by 4 |
//! | `port_xmit_packets` | `PortXmitPkts` | 32 or 64 | packets sent |
//! | `port_rcv_packets` | `PortRcvPkts` | 32 or 64 | packets received |
//! | `port_xmit_wait` | `PortXmitWait` | 32 | ticks in which data waited and could not be sent |
//! | `unicast_xmit_packets` | `PortUnicastXmitPkts` | 64 | unicast packets sent |
//! | `unicast_rcv_packets` | `PortUnicastRcvPkts` | 64 | unicast packets received |
//! | `multicast_xmit_packets` | `PortMulticastXmitPkts` | 64 | multicast packets sent |
//! | `multicast_rcv_packets` | `PortMulticastRcvPkts` | 64 | multicast packets received |
//!
//! What has no name by IBTA keeps the kernel's, and comes after these, sorted.

use crate::source::infiniband::sysfs::Folder;

/// The kernel's name and IBTA's, in the order of the lines.
const NAMES: [(&str, &str); 21] = [
    ("symbol_error", "SymbolErrorCounter"),
    ("link_error_recovery", "LinkErrorRecoveryCounter"),
    ("link_downed", "LinkDownedCounter"),
    ("port_rcv_errors", "PortRcvErrors"),
    (
        "port_rcv_remote_physical_errors",
        "PortRcvRemotePhysicalErrors",
    ),
    ("port_rcv_switch_relay_errors", "PortRcvSwitchRelayErrors"),
    ("port_xmit_discards", "PortXmitDiscards"),
    ("port_xmit_constraint_errors", "PortXmitConstraintErrors"),
    ("port_rcv_constraint_errors", "PortRcvConstraintErrors"),
    ("local_link_integrity_errors", "LocalLinkIntegrityErrors"),
    (
        "excessive_buffer_overrun_errors",
        "ExcessiveBufferOverrunErrors",
    ),
    ("VL15_dropped", "VL15Dropped"),
    ("port_xmit_data", "PortXmitData"),
    ("port_rcv_data", "PortRcvData"),
    ("port_xmit_packets", "PortXmitPkts"),
    ("port_rcv_packets", "PortRcvPkts"),
    ("port_xmit_wait", "PortXmitWait"),
    ("unicast_xmit_packets", "PortUnicastXmitPkts"),
    ("unicast_rcv_packets", "PortUnicastRcvPkts"),
    ("multicast_xmit_packets", "PortMulticastXmitPkts"),
    ("multicast_rcv_packets", "PortMulticastRcvPkts"),
];

/// The place of those that have no file by IBTA's name: the driver's own, and what only an agent has.
pub(super) const DRIVER: usize = NAMES.len();

/// How a counter's file is called in a path. Its place in the order of the lines comes first, so
/// that these sort as perfquery prints them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name<'a> {
    pub(super) place: usize,
    /// IBTA's name, or else the kernel's.
    pub(super) text: &'a str,
}

/// The name of a file, or `None` for what is there and is no counter.
pub(super) fn name_of(folder: Folder, file: &str) -> Option<Name<'_>> {
    let kernel = match folder {
        // How long the driver caches what it read, in milliseconds.
        Folder::Hardware if file == "lifespan" => return None,
        Folder::Counters | Folder::Hardware => file,
        // The same counters as those in `counters/` with the width in their names, and two more
        // pairs with a prefix that later kernels dropped.
        Folder::Extended => {
            let kernel = file.strip_suffix("_64").unwrap_or(file);
            match kernel.strip_prefix("port_") {
                Some(short) if short.contains("cast_") => short,
                Some(_) | None => kernel,
            }
        }
    };
    let named = NAMES.iter().find(|(of, _)| *of == kernel);
    Some(of_ibta(named.map_or(kernel, |(_, ibta)| ibta)))
}

/// A name of IBTA's, with its place. Those that no kernel has a file for come last.
pub(super) fn of_ibta(text: &str) -> Name<'_> {
    let place = NAMES.iter().position(|(_, ibta)| *ibta == text);
    Name {
        place: place.unwrap_or(DRIVER),
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extended_counter_has_the_name_of_the_short_one() {
        for (file, text) in [
            ("port_xmit_data_64", "PortXmitData"),
            ("port_rcv_packets_64", "PortRcvPkts"),
            ("port_multicast_rcv_packets", "PortMulticastRcvPkts"),
            ("unicast_xmit_packets", "PortUnicastXmitPkts"),
        ] {
            assert_eq!(name_of(Folder::Extended, file).unwrap().text, text);
        }
    }

    #[test]
    fn unknown_counters_come_last_and_settings_not_at_all() {
        let unknown = name_of(Folder::Hardware, "a_counter").unwrap();
        assert_eq!(unknown.text, "a_counter");
        assert!(unknown > name_of(Folder::Counters, "multicast_rcv_packets").unwrap());
        assert!(unknown < name_of(Folder::Hardware, "b_counter").unwrap());
        assert_eq!(name_of(Folder::Hardware, "lifespan"), None);
    }

    #[test]
    fn the_documentation_has_the_same_table() {
        for page in [
            include_str!("names.rs"),
            include_str!("../../../../../docs/metrics/metrics-infiniband.md"),
        ] {
            let rows: Vec<&str> = page
                .lines()
                .map(|line| line.trim_start_matches("//! "))
                .filter(|line| line.starts_with("| `") && line.contains("` | `"))
                .collect();
            for ((kernel, ibta), row) in NAMES.iter().zip(&rows) {
                assert!(
                    row.starts_with(&format!("| `{kernel}` | `{ibta}` | ")),
                    "{row}"
                );
            }
            assert_eq!(rows.len(), NAMES.len());
        }
    }
}
