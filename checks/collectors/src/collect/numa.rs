//! `metrics-numa`: pages by NUMA node, taken where they were wanted and elsewhere, since boot.
//!
//! Source `SYS/devices/system/node/nodeN/numastat`. Linux built with NUMA. One read for each node.

use std::io;
use std::path::Path;

use crate::collect::attributes::{Attribute, Attributes, Form, numbered};
use crate::collector::{CollectError, Collector};
use crate::options::OptionError;
use crate::spec::{Setup, Spec};

pub(crate) static SPEC: Spec = Spec {
    name: "metrics-numa",
    about: "Where memory was taken from, by NUMA node",
    scheme_suffix: "numa",
    builtin: None,
    options: &[],
    build,
};

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    let folder = setup.roots.sys.join("devices/system/node");
    let collector = Attributes::new(setup.scheme.prefix(), folder, "NUMA node", find);
    Ok(Box::new(collector))
}

fn find(folder: &Path, _: &mut Vec<CollectError>) -> io::Result<Vec<Attribute>> {
    let mut found = Vec::new();
    for (_, node) in numbered(folder, "node")? {
        let path = folder.join(&node).join("numastat");
        if path.exists() {
            found.push(Attribute::new(format!("{node}."), path, Form::Counts));
        }
    }
    Ok(found)
}
