//! `metrics-cpu-frequency`: how fast each processor runs, and how often it was throttled since boot.
//!
//! Source `SYS/devices/system/cpu/cpuN`: `cpufreq/scaling_cur_freq` in kHz, shown in MHz, and
//! `thermal_throttle`, of Intel's processors. Linux since 2.6.30. Two or three reads for each processor, which
//! may have to be asked itself.

use std::fs;
use std::io;
use std::path::Path;

use crate::collect::attributes::{Attribute, Attributes, Form, numbered};
use crate::collector::{CollectError, Collector};
use crate::options::OptionError;
use crate::spec::{Setup, Spec};

pub(crate) static SPEC: Spec = Spec {
    name: "metrics-cpu-frequency",
    about: "How fast each processor runs, and how often it was throttled",
    scheme_suffix: "cpu_frequency",
    builtin: None,
    options: &[],
    build,
};

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    let folder = setup.roots.sys.join("devices/system/cpu");
    let subject = "frequency and no count of throttling";
    let collector = Attributes::new(setup.scheme.prefix(), folder, subject, find);
    Ok(Box::new(collector.slow()))
}

fn find(folder: &Path, _: &mut Vec<CollectError>) -> io::Result<Vec<Attribute>> {
    let (mut found, mut packages) = (Vec::new(), Vec::new());
    for (_, processor) in numbered(folder, "cpu")? {
        let own = folder.join(&processor);
        let mut add = |name: String, file: &str, form| {
            let path = own.join(file);
            if path.exists() {
                found.push(Attribute::new(name, path, form));
            }
        };
        add(
            format!("{processor}.mhz"),
            "cpufreq/scaling_cur_freq",
            Form::Thousandths,
        );
        add(
            format!("{processor}.core_throttle_count"),
            "thermal_throttle/core_throttle_count",
            Form::Whole,
        );
        // All processors of a package count it alike.
        let package = fs::read_to_string(own.join("topology/physical_package_id"));
        let package = package
            .ok()
            .and_then(|text| text.trim().parse::<u32>().ok());
        let name = match package {
            Some(package) => format!("package{package}.throttle_count"),
            None => format!("{processor}.package_throttle_count"),
        };
        if !packages.contains(&name) {
            add(
                name.clone(),
                "thermal_throttle/package_throttle_count",
                Form::Whole,
            );
            packages.push(name);
        }
    }
    Ok(found)
}
