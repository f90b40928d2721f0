//! `SYS/class/infiniband/DEVICE/ports/N/`: which devices, ports and counters this host has.
//!
//! Only the tree is read here. The counters' files are opened by whoever reads them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::source::kernel_file::{self, ATTRIBUTE_BYTES, FileError};
use crate::source::text::Malformed;

/// The folder that has a folder for each device.
#[must_use]
pub fn class(sys: &Path) -> PathBuf {
    sys.join("class/infiniband")
}

/// What a port speaks below the verbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkLayer {
    /// InfiniBand proper. Also of kernels before 2.6.37, which do not say and know nothing else.
    InfiniBand,
    /// RoCE or iWARP.
    Ethernet,
}

/// One port of a device.
#[derive(Debug, PartialEq, Eq)]
pub struct Port {
    /// The device's name, e.g. `mlx4_0`.
    pub device: String,
    /// The port's number, from 1.
    pub number: u8,
    /// Its folder.
    pub path: PathBuf,
}

/// In which folder of a port a counter was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Folder {
    /// `counters_ext/`: 64-bit counters apart from the others, as `CentOS` 7 has them.
    Extended,
    /// `counters/`: those that a performance management agent has.
    Counters,
    /// `hw_counters/`: those of the driver.
    Hardware,
}

impl Folder {
    const ALL: [Self; 3] = [Self::Extended, Self::Counters, Self::Hardware];

    fn name(self) -> &'static str {
        match self {
            Self::Extended => "counters_ext",
            Self::Counters => "counters",
            Self::Hardware => "hw_counters",
        }
    }
}

/// A folder or file could not be read.
pub type Failure = (PathBuf, FileError);

/// The ports of all devices: devices by name, ports by number. `None` where the class does not
/// exist or is empty, so that there is no such device. What cannot be read goes to `failures`.
pub fn ports(class: &Path, failures: &mut Vec<Failure>) -> io::Result<Option<Vec<Port>>> {
    let devices = match names(class) {
        Ok(devices) => devices,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if devices.is_empty() {
        return Ok(None);
    }
    let mut found = Vec::new();
    for device in devices {
        let folder = class.join(&device).join("ports");
        match names(&folder) {
            Ok(names) => {
                let mut numbers: Vec<u8> =
                    names.iter().filter_map(|name| name.parse().ok()).collect();
                numbers.sort_unstable();
                found.extend(numbers.into_iter().map(|number| Port {
                    device: device.clone(),
                    number,
                    path: folder.join(number.to_string()),
                }));
            }
            Err(error) => failures.push((folder, error.into())),
        }
    }
    Ok(Some(found))
}

impl Port {
    /// Reads its link layer.
    pub fn link_layer(&self) -> Result<LinkLayer, Failure> {
        let path = self.path.join("link_layer");
        let mut buffer = [0; ATTRIBUTE_BYTES];
        let unknown = Malformed::Line {
            line: 1,
            what: "is neither InfiniBand nor Ethernet",
        };
        match kernel_file::read_once(&path, &mut buffer) {
            Ok(b"InfiniBand\n") => Ok(LinkLayer::InfiniBand),
            Ok(b"Ethernet\n") => Ok(LinkLayer::Ethernet),
            Ok(_) => Err((path, unknown.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(LinkLayer::InfiniBand),
            Err(error) => Err((path, error.into())),
        }
    }

    /// The counters' files with the kernel's names for them, sorted within their folder. A folder
    /// that is not there has none; what cannot be read goes to `failures`.
    pub fn counters(&self, failures: &mut Vec<Failure>) -> Vec<(Folder, String, PathBuf)> {
        let mut found = Vec::new();
        for folder in Folder::ALL {
            let path = self.path.join(folder.name());
            match names(&path) {
                Ok(names) => found.extend(names.into_iter().map(|name| {
                    let file = path.join(&name);
                    (folder, name, file)
                })),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => failures.push((path, error.into())),
            }
        }
        found
    }
}

/// What a folder has in it, sorted. A name that is not UTF-8 is none of the kernel's.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}
