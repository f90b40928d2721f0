//! RDMA devices as the kernel's sysfs shows them: `SYS/class/infiniband/DEVICE/{fw_ver,node_guid}`
//! and its ports, and `SYS/class/infiniband_verbs/uverbsN/ibdev`, the device file of each.
//!
//! `fw_ver` is each driver's own before Linux 4.7, and not all have it. What is not there has no
//! value, and is compared with nothing.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};
use venus_collectors::Roots;
use venus_collectors::source::infiniband::facts::{FactFiles, Facts};
use venus_collectors::source::infiniband::sysfs::{self, Failure};
use venus_collectors::source::kernel_file::{self, ATTRIBUTE_BYTES, FileError};
use venus_collectors::source::text::{Malformed, only_line};

/// An EUI-64, written as the kernel does: `0002:c903:0012:3456`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Guid(pub(crate) u64);

impl Guid {
    fn parse(text: &str) -> Option<Self> {
        let mut groups = 0;
        let mut value = 0_u64;
        for group in text.split(':') {
            let digits = group.len() == 4 && group.bytes().all(|byte| byte.is_ascii_hexdigit());
            let number = u16::from_str_radix(group, 16).ok().filter(|_| digits)?;
            value = value << 16 | u64::from(number);
            groups += 1;
        }
        (groups == 4).then_some(Self(value))
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = [48, 32, 16, 0].map(|shift| self.0 >> shift & 0xffff);
        write!(formatter, "{a:04x}:{b:04x}:{c:04x}:{d:04x}")
    }
}

/// What sysfs knows of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) node_guid: Option<Guid>,
    /// As the driver writes it, e.g. `2.42.5000`.
    pub(crate) firmware: Option<String>,
    /// None where the module `ib_uverbs` is not loaded.
    pub(crate) uverbs: Option<Uverbs>,
    /// By number.
    pub(crate) ports: Vec<(u8, Facts)>,
}

/// The file by which verbs opens a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uverbs {
    /// E.g. `/dev/infiniband/uverbs0`.
    pub(crate) path: PathBuf,
    /// Whether this user may read and write it. libibverbs answers "no such file" for either
    /// reason, as it goes on to look for the device elsewhere.
    pub(crate) access: Result<(), Errno>,
}

/// The devices by name. What cannot be read of them goes to `failures`.
pub(crate) fn devices(roots: &Roots, failures: &mut Vec<Failure>) -> Result<Vec<Device>, Failure> {
    let class = sysfs::class(&roots.sys);
    let ports = match sysfs::ports(&class, failures) {
        Ok(Some(ports)) => ports,
        Ok(None) => return Ok(Vec::new()),
        Err(error) => return Err((class, error.into())),
    };
    let uverbs = uverbs(&roots.sys, failures)?;
    let mut devices = Vec::new();
    for name in names(&class)? {
        let folder = class.join(&name);
        let file = uverbs.iter().find(|(device, _)| *device == name);
        let node_guid = attribute(&folder.join("node_guid"), failures).and_then(|text| {
            let guid = Guid::parse(&text);
            if guid.is_none() {
                let what = "is no GUID like 0002:c903:0012:3456";
                let error = Malformed::Line { line: 1, what };
                failures.push((folder.join("node_guid"), error.into()));
            }
            guid
        });
        devices.push(Device {
            node_guid,
            firmware: attribute(&folder.join("fw_ver"), failures).filter(|text| !text.is_empty()),
            uverbs: file.map(|(_, file)| {
                let path = roots.dev.join("infiniband").join(file);
                let access = access(&path, AccessFlags::R_OK | AccessFlags::W_OK);
                Uverbs { path, access }
            }),
            ports: ports
                .iter()
                .filter(|port| port.device == name)
                .map(|port| {
                    let link_layer = port.link_layer().map_err(|error| failures.push(error)).ok();
                    (port.number, FactFiles::of(port, link_layer).read(failures))
                })
                .collect(),
            name,
        });
    }
    Ok(devices)
}

/// Which device each `uverbsN` belongs to, as pairs of device and `uverbsN`.
fn uverbs(sys: &Path, failures: &mut Vec<Failure>) -> Result<Vec<(String, String)>, Failure> {
    let class = sys.join("class/infiniband_verbs");
    let found = match names(&class) {
        Ok(found) => found,
        Err((_, FileError::Io(error))) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(failure) => return Err(failure),
    };
    Ok(found
        .into_iter()
        .filter_map(|name| {
            let device = attribute(&class.join(&name).join("ibdev"), failures)?;
            Some((device, name))
        })
        .collect())
}

/// What a folder has in it, sorted.
fn names(folder: &Path) -> Result<Vec<String>, Failure> {
    let read = || -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            names.extend(entry?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    };
    read().map_err(|error| (folder.to_owned(), error.into()))
}

/// The one line of an attribute; `None` where there is no such file or it cannot be read, which
/// goes to `failures`.
fn attribute(path: &Path, failures: &mut Vec<Failure>) -> Option<String> {
    let mut buffer = [0; ATTRIBUTE_BYTES];
    let failure: FileError = match kernel_file::read_once(path, &mut buffer) {
        Ok(text) => match only_line(text) {
            Ok(line) => return Some(String::from_utf8_lossy(line).trim_end().to_owned()),
            Err(malformed) => malformed.into(),
        },
        // Beside the folders uverbsN there is an attribute of the class, abi_version.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return None;
        }
        Err(error) => error.into(),
    };
    failures.push((path.to_owned(), failure));
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_is_read_as_it_is_written() {
        let guid = Guid(0x0002_c903_0012_3456);
        assert_eq!(guid.to_string(), "0002:c903:0012:3456");
        assert_eq!(Guid::parse("0002:c903:0012:3456"), Some(guid));
        for bad in [
            "",
            "0002:c903:0012",
            "0002:c903:0012:3456:1",
            "2:3:4:5",
            "+002:c903:0012:3456",
        ] {
            assert_eq!(Guid::parse(bad), None, "{bad:?}");
        }
    }

    fn below(folder: &Path) -> Roots {
        Roots {
            sys: folder.join("sys"),
            dev: folder.join("dev"),
            ..Roots::default()
        }
    }

    #[test]
    fn reads_the_fixture() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
        let mut failures = Vec::new();
        let devices = devices(&below(&fixtures.join("infiniband")), &mut failures).unwrap();
        assert!(failures.is_empty(), "{failures:?}");
        let found: Vec<_> = devices
            .iter()
            .map(|device| {
                let firmware = device.firmware.as_deref();
                (device.name.as_str(), firmware, device.ports.len())
            })
            .collect();
        assert_eq!(
            found,
            [
                ("mlx4_0", Some("2.42.5000"), 2),
                ("mlx5_0", Some("16.35.2000"), 1)
            ]
        );
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let roots = below(folder.path());
        let mut failures = Vec::new();
        assert_eq!(devices(&roots, &mut failures).unwrap(), []);
        let device = roots.sys.join("class/infiniband/mlx4_0");
        fs::create_dir_all(device.join("ports")).unwrap();
        fs::write(device.join("node_guid"), "0002:c903\n").unwrap();
        fs::write(device.join("fw_ver"), "2.42.50").unwrap();
        let verbs = roots.sys.join("class/infiniband_verbs");
        fs::create_dir_all(verbs.join("uverbs0")).unwrap();
        fs::write(verbs.join("abi_version"), "6\n").unwrap();
        fs::write(verbs.join("uverbs0/ibdev"), "mlx4_0\n").unwrap();
        let file = roots.dev.join("infiniband/uverbs0");
        for access in [Err(Errno::ENOENT), Ok(())] {
            failures.clear();
            let found = devices(&roots, &mut failures).unwrap();
            let found = found.first().unwrap();
            assert_eq!((found.node_guid, found.firmware.as_ref()), (None, None));
            let path = file.clone();
            assert_eq!(found.uverbs, Some(Uverbs { path, access }));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "").unwrap();
        }
        let said: Vec<String> = failures
            .iter()
            .map(|(_, error)| error.to_string())
            .collect();
        assert_eq!(
            said,
            [
                "line 1 is no GUID like 0002:c903:0012:3456",
                "line 1 is cut off"
            ]
        );
    }
}
