//! `metrics-edac`: memory errors that ECC found, since boot or since they were reset.
//!
//! Source `SYS/devices/system/edac/mc/mcN`. Linux with a driver for its memory controller. Four reads for
//! each controller.

use std::io;
use std::path::Path;

use crate::collect::attributes::{Attribute, Attributes, Form, numbered};
use crate::collector::{CollectError, Collector};
use crate::options::OptionError;
use crate::spec::{Setup, Spec};

pub(crate) static SPEC: Spec = Spec {
    name: "metrics-edac",
    about: "Memory errors, corrected and not, by memory controller",
    scheme_suffix: "edac",
    builtin: None,
    options: &[],
    build,
};

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    let folder = setup.roots.sys.join("devices/system/edac/mc");
    let collector = Attributes::new(setup.scheme.prefix(), folder, "memory controller", find);
    Ok(Box::new(collector))
}

/// Corrected and uncorrected errors, and those of them of which the place is not known.
const FILES: [&str; 4] = ["ce_count", "ue_count", "ce_noinfo_count", "ue_noinfo_count"];

fn find(folder: &Path, _: &mut Vec<CollectError>) -> io::Result<Vec<Attribute>> {
    let mut found = Vec::new();
    for (_, controller) in numbered(folder, "mc")? {
        for file in FILES {
            let path = folder.join(&controller).join(file);
            if path.exists() {
                found.push(Attribute::new(
                    format!("{controller}.{file}"),
                    path,
                    Form::Whole,
                ));
            }
        }
    }
    Ok(found)
}
