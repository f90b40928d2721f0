//! `metrics-hwmon`: what the sensors of the hardware tell.
//!
//! Source `SYS/class/hwmon/hwmonN/KINDM_input`. Degrees Celsius, turns a minute, volts, amperes, watts. Any
//! Linux since 2.6.31. One read for each sensor, of which some take milliseconds to answer.

use std::fs;
use std::io;
use std::path::Path;

use crate::collect::attributes::{Attribute, Attributes, Form, node, numbered};
use crate::collector::{CollectError, Collector};
use crate::options::OptionError;
use crate::spec::{Setup, Spec};

pub(crate) static SPEC: Spec = Spec {
    name: "metrics-hwmon",
    about: "Temperatures, fans, voltages, currents and power of the hardware",
    scheme_suffix: "hwmon",
    builtin: None,
    options: &[],
    build,
};

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    let folder = setup.roots.sys.join("class/hwmon");
    let collector = Attributes::new(setup.scheme.prefix(), folder, "sensor", find);
    Ok(Box::new(collector.slow()))
}

/// What a file's name begins with, and how it is shown.
const KINDS: [(&str, Form); 6] = [
    ("temp", Form::Thousandths),
    ("fan", Form::Whole),
    ("in", Form::Thousandths),
    ("curr", Form::Thousandths),
    ("power", Form::Millionths),
    ("humidity", Form::Thousandths),
];

fn find(folder: &Path, problems: &mut Vec<CollectError>) -> io::Result<Vec<Attribute>> {
    let mut found = Vec::new();
    for (_, chip) in numbered(folder, "hwmon")? {
        let mut chip_folder = folder.join(&chip);
        let mut files = sensors(&chip_folder)?;
        // Drivers of older kernels, such as that of CentOS 7, have all below their device.
        let device = chip_folder.join("device");
        if files.is_empty() && device.is_dir() {
            files = sensors(&device)?;
            if !files.is_empty() {
                chip_folder = device;
            }
        }
        let Some(name) = node(&chip_folder.join("name"), problems) else {
            continue;
        };
        files.sort_unstable();
        for (kind, number) in files {
            let (prefix, form) = KINDS.get(kind).copied().unwrap_or(("", Form::Whole));
            let path = chip_folder.join(format!("{prefix}{number}_input"));
            // Two chips may have one name, but their numbers differ.
            let name = format!("{chip}_{name}.{prefix}{number}");
            found.push(Attribute::new(name, path, form));
        }
    }
    Ok(found)
}

/// Those that are files of this folder, in no order.
fn sensors(folder: &Path) -> io::Result<Vec<(usize, u32)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        found.extend(entry?.file_name().to_str().and_then(sensor));
    }
    Ok(found)
}

/// The kind of a sensor by its place in the table, and its number.
fn sensor(file: &str) -> Option<(usize, u32)> {
    let sensor = file.strip_suffix("_input")?;
    KINDS.iter().enumerate().find_map(|(kind, (prefix, _))| {
        let number = sensor.strip_prefix(prefix)?.parse().ok()?;
        Some((kind, number))
    })
}
