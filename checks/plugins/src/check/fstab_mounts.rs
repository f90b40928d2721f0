//! `check-fstab-mounts`: whether all that fstab lists is mounted.
//!
//! Reads `/etc/fstab`, `PROC/mounts` and `PROC/swaps`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, value_parser};
use venus_collectors::source::mounts::{self, Mount};

use crate::check::Check;
use crate::context::{Context, Failure};
use crate::status::{Findings, Outcome, Status};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-fstab-mounts",
    title: "CheckFstabMounts",
    about: "Whether all that fstab lists is mounted",
    example: "-t ext4,xfs,nfs4",
    arguments,
    looks_at,
    run,
};

fn arguments() -> Vec<Arg> {
    let types = Arg::new("types")
        .long("types")
        .short('t')
        .value_name("TYPE[,TYPE]")
        .value_delimiter(',')
        .help("Look at these types of file systems only");
    vec![types, fstab_argument()]
}

/// `--fstab`.
pub(super) fn fstab_argument() -> Arg {
    Arg::new("fstab")
        .long("fstab")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .default_value("/etc/fstab")
        .help("Where it is listed what is to be mounted")
}

/// What fstab lists.
pub(super) fn fstab(matches: &ArgMatches, context: &Context) -> Result<Vec<Mount>, Failure> {
    let Some(path) = matches.get_one::<PathBuf>("fstab") else {
        return Ok(Vec::new());
    };
    let text = context.read(path)?;
    mounts::parse_fstab(&text).map_err(|error| Failure::malformed(path, error))
}

/// The table of mounts in this file.
pub(super) fn table(path: &Path, context: &Context) -> Result<Vec<Mount>, Failure> {
    let text = context.read(path)?;
    mounts::parse(&text).map_err(|error| Failure::malformed(path, error))
}

fn looks_at(matches: &ArgMatches, context: &Context) -> Vec<String> {
    let fstab = matches.get_one::<PathBuf>("fstab").cloned();
    let proc = ["mounts", "swaps"].map(|file| context.roots.proc.join(file));
    let files = fstab.into_iter().chain(proc);
    files.map(|path| path.display().to_string()).collect()
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let expected = fstab(matches, context)?;
    let mounted = table(&context.roots.proc.join("mounts"), context)?;
    let is_wanted = |mount: &&Mount| {
        let mut types = matches.get_many::<String>("types");
        let is_type = types
            .as_mut()
            .is_none_or(|types| types.any(|one| *one == mount.kind));
        is_type && mount.point != Path::new("none") && !mount.has_option("noauto")
    };
    let mut swaps = None;
    let mut missing = Vec::new();
    for mount in expected.iter().filter(is_wanted) {
        let is_there = if mount.kind == "swap" {
            let file = context.roots.proc.join("swaps");
            match swaps.get_or_insert_with(|| context.read(&file)) {
                Ok(swaps) => {
                    context.step(format!("finding {}", mount.device));
                    is_swap(swaps, &device(&mount.device, &context.roots.dev))
                }
                // Said below, once.
                Err(_) => true,
            }
        } else {
            // As components, so that a slash at the end does not count.
            mounted.iter().any(|one| one.point == mount.point)
        };
        if !is_there {
            let name = if mount.kind == "swap" {
                mount.device.clone()
            } else {
                mount.point.display().to_string()
            };
            missing.push(name);
        }
    }
    let mut findings = Findings::default();
    if !missing.is_empty() {
        let missing = missing.join(",");
        let what = format!("Mountpoint(s) {missing} not mounted!");
        findings.add(Status::Critical, what);
    }
    if let Some(Err(failure)) = swaps {
        findings.add(Status::Unknown, failure.to_string());
    }
    Ok(findings.outcome("All mountpoints accounted for"))
}

/// The device that fstab means, links resolved as far as they lead anywhere.
fn device(given: &str, dev: &Path) -> PathBuf {
    let by = [
        ("UUID=", "by-uuid"),
        ("LABEL=", "by-label"),
        ("PARTUUID=", "by-partuuid"),
        ("PARTLABEL=", "by-partlabel"),
    ];
    let link = by.iter().find_map(|(prefix, folder)| {
        let name = given.strip_prefix(prefix)?.trim_matches('"');
        Some(dev.join("disk").join(folder).join(name))
    });
    let path = link.unwrap_or_else(|| PathBuf::from(given));
    fs::canonicalize(&path).unwrap_or(path)
}

/// Whether `PROC/swaps` lists this, below its head.
fn is_swap(swaps: &[u8], device: &Path) -> bool {
    let text = String::from_utf8_lossy(swaps);
    let mut devices = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next());
    devices.any(|one| Path::new(one) == device)
}
