//! What disks say of themselves (SMART), by smartctl(8) of smartmontools 7.0 or newer, whose JSON is
//! made for programs.

use std::fmt;
use std::process::Command;

use clap::{Arg, ArgAction, ArgMatches};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::child;
use crate::context::{Context, Failure};

/// Where distributions have it, which the search path of most users has not.
const PROGRAM: &str = "/usr/sbin/smartctl";

/// A disk, as smartctl is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Disk {
    /// `/dev/sda`; several disks of a RAID controller have one.
    pub(crate) name: String,
    /// How it is talked to: `sat`, `nvme`, `megaraid,3`. Found out if it is not given.
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
}

impl fmt::Display for Disk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name.strip_prefix("/dev/").unwrap_or(&self.name))?;
        // A number tells disks behind one controller apart.
        match self.kind.as_deref().filter(|kind| kind.contains(',')) {
            Some(kind) => write!(formatter, " {kind}"),
            None => Ok(()),
        }
    }
}

fn disk(text: &str) -> Result<Disk, &'static str> {
    let (name, kind) = match text.split_once('=') {
        Some((name, kind)) => (name, Some(kind.to_owned())),
        None => (text, None),
    };
    let is_one = name.starts_with('/') && kind.as_deref() != Some("");
    let name = name.to_owned();
    is_one
        .then_some(Disk { name, kind })
        .ok_or("use /dev/NAME, or /dev/NAME=TYPE with a type of smartctl's")
}

/// What smartctl says of a disk. What it does not say is not known.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Report {
    smartctl: Smartctl,
    pub(crate) model_name: Option<String>,
    smart_status: Option<SmartStatus>,
    smart_support: Option<SmartSupport>,
    temperature: Option<Current>,
    endurance_used: Option<Endurance>,
    ata_smart_attributes: Option<Table>,
    nvme_smart_health_information_log: Option<Nvme>,
    scsi_grown_defect_list: Option<u64>,
    scsi_percentage_used_endurance_indicator: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Smartctl {
    messages: Vec<Message>,
    exit_status: u8,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Message {
    string: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
struct SmartStatus {
    passed: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default)]
struct SmartSupport {
    available: Option<bool>,
    enabled: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
struct Current {
    current: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
struct Endurance {
    current_percent: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
struct Table {
    table: Vec<Attribute>,
}

/// One attribute of an ATA disk.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Attribute {
    id: u8,
    pub(crate) name: String,
    value: u64,
    /// `now`, `past`, or empty.
    #[serde(default)]
    pub(crate) when_failed: String,
    raw: Raw,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
struct Raw {
    value: u64,
}

/// The health log of an `NVMe` disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Nvme {
    critical_warning: u8,
    percentage_used: Option<u64>,
    media_errors: Option<u64>,
    available_spare: Option<u64>,
}

/// The bits of the exit code that are looked at, see smartctl(8).
const NOT_UNDERSTOOD: u8 = 1;
const NOT_OPENED: u8 = 1 << 1;
const FAILING: u8 = 1 << 3;

/// What the bits of an `NVMe` disk's critical warning say, from the lowest on.
const NVME_WARNINGS: [&str; 6] = [
    "its spare is used up",
    "its temperature is beyond its limits",
    "it is not reliable any more",
    "it has become read-only",
    "its backup of volatile memory has failed",
    "its persistent memory has become read-only",
];

/// Attributes of ATA disks that count sectors which are, or may be, lost.
const SECTORS: [(u8, &str); 3] = [(5, "reallocated"), (197, "pending"), (198, "uncorrectable")];

/// Attributes of ATA disks whose value is what is left of their life, in percent, by the beginnings of their
/// names: the numbers mean something else with another maker.
const LIFE_LEFT: [&str; 8] = [
    "Percent_Lifetime_Remain",
    "Percent_Life_Remaining",
    "SSD_Life_Left",
    "Remaining_Lifetime",
    "Media_Wearout_Indicator",
    "Wear_Leveling_Count",
    "Drive_Life_Remaining",
    "Perc_Rated_Life_Remain",
];

impl Report {
    /// Why it says nothing of the disk's health, if so.
    pub(crate) fn silence(&self) -> Option<String> {
        if self.smart_status.is_some() {
            return None;
        }
        Some(match self.smartctl.messages.first() {
            Some(Message { string }) if string.contains("ermission denied") => {
                format!("{string}; run as root, or with --sudo")
            }
            Some(Message { string }) => string.clone(),
            None if self.lacks_support() => "it has no SMART, or it is switched off".to_owned(),
            None => "it says nothing of its health".to_owned(),
        })
    }

    fn lacks_support(&self) -> bool {
        self.smart_support.is_some_and(|support| {
            support.available == Some(false) || support.enabled == Some(false)
        })
    }

    /// Whether it was reached, or is of no kind that could be, and cannot say how it is.
    pub(crate) fn is_incapable(&self) -> bool {
        let of_no_kind =
            |message: &Message| message.string.contains("Unable to detect device type");
        let was_reached = self.smartctl.exit_status & (NOT_UNDERSTOOD | NOT_OPENED) == 0;
        self.smart_status.is_none()
            && (was_reached || self.smartctl.messages.iter().any(of_no_kind))
    }

    /// Whether there is no such disk.
    pub(crate) fn is_gone(&self) -> bool {
        let gone = |message: &Message| message.string.ends_with(": No such device");
        self.smartctl.messages.iter().any(gone)
    }

    /// Whether it expects to fail soon.
    pub(crate) fn is_failing(&self) -> bool {
        self.smartctl.exit_status & FAILING != 0
            || self.smart_status.is_some_and(|status| !status.passed)
    }

    /// What an `NVMe` disk warns of.
    pub(crate) fn warnings(&self) -> Vec<&'static str> {
        let log = self.nvme_smart_health_information_log.unwrap_or_default();
        let bits = NVME_WARNINGS.iter().enumerate();
        let set = bits.filter(|(bit, _)| log.critical_warning >> bit & 1 == 1);
        set.map(|(_, what)| *what).collect()
    }

    fn attributes(&self) -> &[Attribute] {
        self.ata_smart_attributes
            .as_ref()
            .map_or(&[], |attributes| attributes.table.as_slice())
    }

    /// Attributes of an ATA disk that are, or were, below the maker's threshold.
    pub(crate) fn failed_attributes(&self) -> impl Iterator<Item = &Attribute> {
        let attributes = self.attributes().iter();
        attributes.filter(|one| !one.when_failed.is_empty())
    }

    /// Sectors, or blocks, that are lost or may be, by what became of them.
    pub(crate) fn defects(&self) -> Vec<(&'static str, u64)> {
        let mut found = Vec::new();
        for (id, name) in SECTORS {
            let attribute = self.attributes().iter().find(|one| one.id == id);
            // What is above 32 bits some makers use for something else.
            found.extend(attribute.map(|one| (name, one.raw.value & u64::from(u32::MAX))));
        }
        let log = self.nvme_smart_health_information_log;
        found.extend(
            log.and_then(|log| log.media_errors)
                .map(|errors| ("media errors", errors)),
        );
        found.extend(
            self.scsi_grown_defect_list
                .map(|count| ("grown defects", count)),
        );
        found
    }

    /// How much of its life is used, in percent; may be above 100.
    pub(crate) fn wear(&self) -> Option<u64> {
        let log = self.nvme_smart_health_information_log;
        let by_attribute = || {
            let is_life = |one: &&Attribute| {
                let is_called = |name: &&str| one.name.starts_with(*name);
                one.value <= 100 && LIFE_LEFT.iter().any(is_called)
            };
            // Whichever says that the least is left.
            let left = self.attributes().iter().filter(is_life);
            left.map(|one| 100 - one.value).max()
        };
        self.endurance_used
            .map(|used| used.current_percent)
            .or_else(|| log?.percentage_used)
            .or(self.scsi_percentage_used_endurance_indicator)
            .or_else(by_attribute)
    }

    /// What is left of an `NVMe` disk's spare, in percent.
    pub(crate) fn spare(&self) -> Option<u64> {
        self.nvme_smart_health_information_log?.available_spare
    }

    /// Degrees Celsius.
    pub(crate) fn temperature(&self) -> Option<i64> {
        Some(self.temperature?.current)
    }
}

/// `--device`, `--binary` and `--sudo`.
pub(crate) fn arguments() -> [Arg; 3] {
    [
        Arg::new("device")
            .long("device")
            .short('d')
            .value_name("DEVICE[=TYPE]")
            .value_parser(disk)
            .action(ArgAction::Append)
            .help("Ask this disk; may be repeated [default: all that smartctl finds]"),
        Arg::new("binary")
            .long("binary")
            .short('b')
            .value_name("PROGRAM")
            .default_value(PROGRAM)
            .help("The program to ask"),
        Arg::new("sudo")
            .long("sudo")
            .action(ArgAction::SetTrue)
            .help("Ask by sudo, which has to allow it without a password"),
    ]
}

/// What `--device` says.
pub(crate) fn given(matches: &ArgMatches) -> Vec<Disk> {
    let given = matches.get_many("device").unwrap_or_default();
    given.cloned().collect()
}

/// The disks that are given, or else all that smartctl finds.
pub(crate) fn disks(matches: &ArgMatches, context: &Context) -> Result<Vec<Disk>, Failure> {
    #[derive(Deserialize)]
    struct Scan {
        // Not there where it finds none.
        #[serde(default)]
        devices: Vec<Disk>,
        #[serde(rename = "smartctl")]
        _smartctl: IgnoredAny,
    }
    let given = given(matches);
    if !given.is_empty() {
        return Ok(given);
    }
    let scan: Scan = ask(matches, &["--scan"], context)?;
    Ok(scan.devices)
}

/// What a disk says.
pub(crate) fn report(
    disk: &Disk,
    matches: &ArgMatches,
    context: &Context,
) -> Result<Report, Failure> {
    let mut arguments = vec!["--info", "--health", "--attributes"];
    if let Some(kind) = &disk.kind {
        arguments.extend(["--device", kind]);
    }
    arguments.push(&disk.name);
    ask(matches, &arguments, context)
}

/// Its exit code is also in what it prints, and says more of the disk than of the asking.
fn ask<T: serde::de::DeserializeOwned>(
    matches: &ArgMatches,
    arguments: &[&str],
    context: &Context,
) -> Result<T, Failure> {
    let program = matches.get_one::<String>("binary");
    let program = program.map_or(PROGRAM, String::as_str);
    let mut command = if matches.get_flag("sudo") {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", program]);
        sudo
    } else {
        Command::new(program)
    };
    command.arg("--json").args(arguments);
    let said = child::run(&mut command, context).map_err(|error| {
        let advice = match &error {
            child::ChildError::Start { .. } => "; install smartmontools, or give it with --binary",
            _ => "",
        };
        Failure::new(format!("{error}{advice}"))
    })?;
    serde_json::from_slice(&said.printed).map_err(|error| {
        let first = said.complained.lines().next();
        let why = first.map_or_else(|| error.to_string(), str::to_owned);
        Failure::new(format!(
            "{program} prints no JSON, as it does since 7.0: {why} ({})",
            said.status
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn disks_are_named_for_people() {
        for (given, shown) in [
            ("/dev/sda", "sda"),
            ("/dev/nvme0=nvme", "nvme0"),
            ("/dev/bus/0=megaraid,12", "bus/0 megaraid,12"),
            ("/x", "/x"),
        ] {
            assert_eq!(disk(given).unwrap().to_string(), shown);
        }
        for bad in ["", "sda", "-x", "=sat", "/dev/sda="] {
            assert!(disk(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn wear_is_what_each_kind_calls_it() {
        for (text, wear) in [
            (r#"{"endurance_used":{"current_percent":7}}"#, Some(7)),
            (
                r#"{"nvme_smart_health_information_log":{"percentage_used":110}}"#,
                Some(110),
            ),
            (r#"{"scsi_percentage_used_endurance_indicator":3}"#, Some(3)),
            (
                r#"{"ata_smart_attributes":{"table":[
                    {"id":233,"name":"Media_Wearout_Indicator","value":98,"raw":{"value":0}},
                    {"id":177,"name":"Wear_Leveling_Count","value":91,"raw":{"value":0}}]}}"#,
                Some(9),
            ),
            (
                r#"{"ata_smart_attributes":{"table":[
                    {"id":177,"name":"Wear_Leveling_Count","value":200,"raw":{"value":0}},
                    {"id":202,"name":"Data_Address_Mark_Errs","value":1,"raw":{"value":0}}]}}"#,
                None,
            ),
            ("{}", None),
        ] {
            let report: Report = serde_json::from_str(text).unwrap();
            assert_eq!(report.wear(), wear, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_warning_makes_it_panic(critical_warning: u8, exit_status: u8) {
            let text = format!(
                r#"{{"smartctl":{{"exit_status":{exit_status}}},
                "nvme_smart_health_information_log":{{"critical_warning":{critical_warning}}}}}"#
            );
            let report: Report = serde_json::from_str(&text).unwrap();
            prop_assert!(report.warnings().len() <= 6);
            prop_assert_eq!(report.is_failing(), exit_status & 8 != 0);
            prop_assert!(report.silence().is_some());
        }
    }
}
