//! Attributes of devices, a file and a line each, see the kernel's sysfs.rst.

use std::fs;
use std::io;
use std::path::Path;

use venus_collectors::source::text::only_line;

use crate::context::Failure;

/// What drivers answer that have no value now: a port without a link, a sensor that is switched off, a
/// processor that is, or a device that has just gone. ENODEV, ENODATA, EOPNOTSUPP.
const NO_VALUE: [i32; 3] = [19, 61, 95];

/// The line of an attribute; `None` where there is none, or no value now.
pub(crate) fn line(path: &Path) -> Result<Option<String>, Failure> {
    match fs::read(path) {
        Ok(text) => only_line(&text)
            .map(|line| Some(String::from_utf8_lossy(line).into_owned()))
            .map_err(|error| Failure::malformed(path, error)),
        Err(error) if is_none(&error) => Ok(None),
        Err(error) => Err(Failure::read(path, &error)),
    }
}

fn is_none(error: &io::Error) -> bool {
    let kind = error.kind();
    // EINVAL of a speed without a link, EBUSY of a governor that changes.
    matches!(
        kind,
        io::ErrorKind::NotFound | io::ErrorKind::InvalidInput | io::ErrorKind::ResourceBusy
    ) || error
        .raw_os_error()
        .is_some_and(|code| NO_VALUE.contains(&code))
}
