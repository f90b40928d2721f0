//! Where results wait that cannot be delivered.

use super::report::Report;
use crate::outbox::is_kept_by_an_agent;
use crate::settings::{Environment, Settings, Transport};
use nix::errno::Errno;
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};
use std::path::{Path, PathBuf};

const AREA: &str = "spool";

/// Nothing is made: an agent makes the folder when it needs it.
pub(super) fn examine(settings: &Settings, environment: &Environment, report: &mut Report) {
    let spool = &settings.venus.spool;
    if settings.transport == Transport::Embedded {
        return;
    }
    if !spool.enabled {
        let what = "none: results that cannot be delivered are lost when the agent ends";
        return report.warn(AREA, what);
    }
    let dir = spool.folder(environment, &settings.client.name);
    let shown = dir.display();
    if let Err((place, error)) = may_be_made(&dir) {
        let what = format!("{shown}: {}: {}", place.display(), error.desc());
        let to_do = "give the agent's user a folder there (StateDirectory=venus in its unit), or see venus.spool.dir";
        return report.fail(AREA, format!("{what}; {to_do}"));
    }
    match is_kept_by_an_agent(&dir) {
        Ok(true) => report.ok(AREA, format!("{shown} is kept by an agent that runs")),
        Ok(false) => report.ok(AREA, format!("{shown} can be written to")),
        Err(error) => report.fail(AREA, format!("{shown}: {error}")),
    }
    if let Some(free) = free_bytes(&dir).filter(|free| *free < spool.bounds.bytes) {
        let wanted = spool.bounds.bytes;
        let what = format!("{shown}: {free} bytes are free for the {wanted} of venus.spool.bytes");
        report.warn(AREA, what);
    }
}

/// Whether this user can write there, or make what is missing of it; if not, what prevents it.
pub(super) fn may_be_made(dir: &Path) -> Result<(), (PathBuf, Errno)> {
    let place = existing(dir);
    let fails = |errno| (place.to_owned(), errno);
    if !place.is_dir() {
        return Err(fails(Errno::ENOTDIR));
    }
    access(place, AccessFlags::W_OK | AccessFlags::X_OK).map_err(fails)
}

/// It, or the nearest folder above it that is there.
fn existing(dir: &Path) -> &Path {
    let mut above = dir.ancestors();
    above
        .find(|place| place.symlink_metadata().is_ok())
        .unwrap_or(dir)
}

/// How much this user may still write there.
fn free_bytes(dir: &Path) -> Option<u64> {
    let found = statvfs(existing(dir)).ok()?;
    Some(found.blocks_available() * found.fragment_size())
}
