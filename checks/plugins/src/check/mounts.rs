//! `check-mounts`: whether what is expected is mounted, nothing has become read-only, and each file
//! server answers.
//!
//! Reads `/etc/fstab` and `PROC/mounts`, and asks what may not answer by statvfs(3).

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, value_parser};
use nix::errno::Errno;
use venus_collectors::source::mounts::Mount;
use venus_collectors::source::space::{Asker, SpaceError};

use crate::check::Check;
use crate::check::fstab_mounts::{fstab, fstab_argument, table};
use crate::context::{Context, Failure};
use crate::status::{Findings, Outcome, Status};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-mounts",
    title: "CheckMounts",
    about: "Whether mounts are there, writable, and answered for by their file servers",
    example: "--mount /,/home",
    arguments,
    looks_at,
    run,
};

/// The longest that a file server is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

fn arguments() -> Vec<Arg> {
    let list = |name: &'static str, short: char, help: &'static str| {
        Arg::new(name)
            .long(name)
            .short(short)
            .value_name("MNT[,MNT]")
            .value_delimiter(',')
            .value_parser(value_parser!(PathBuf))
            .help(help)
    };
    vec![
        list("mount", 'm', "Expect these to be mounted"),
        list("ignore-mount", 'i', "Leave out these"),
        fstab_argument(),
    ]
}

fn looks_at(matches: &ArgMatches, context: &Context) -> Vec<String> {
    let fstab = matches.get_one::<PathBuf>("fstab").cloned();
    let files = fstab.into_iter().chain([context.roots.proc.join("mounts")]);
    let files = files.map(|path| path.display().to_string());
    let servers = "each mount of a file server or of FUSE, by statvfs".to_owned();
    files.chain([servers]).collect()
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let list = |name: &str| -> Vec<PathBuf> {
        let list = matches.get_many(name).map(|list| list.cloned().collect());
        list.unwrap_or_default()
    };
    let (expected, ignored) = (list("mount"), list("ignore-mount"));
    let is_looked_at = |mount: &Mount| !ignored.contains(&mount.point) && mount.kind != "autofs";
    let path = context.roots.proc.join("mounts");
    let mut mounted = table(&path, context)?;
    mounted.retain(is_looked_at);

    let mut findings = Findings::default();
    let is_default = matches.value_source("fstab") == Some(ValueSource::DefaultValue);
    let listed = match matches.get_one::<PathBuf>("fstab") {
        // Not every host has one.
        Some(fstab) if is_default && !fstab.exists() => Vec::new(),
        _ => fstab(matches, context).unwrap_or_else(|failure| {
            findings.add(Status::Unknown, failure.to_string());
            Vec::new()
        }),
    };
    if mounted.is_empty() {
        let what = format!("no mount to look at in {}", path.display());
        findings.add(Status::Unknown, what);
    }
    let is_mounted = |point: &Path| mounted.iter().any(|mount| mount.point == point);
    for point in expected.iter().filter(|point| !is_mounted(point)) {
        let what = format!("{} is not mounted", point.display());
        findings.add(Status::Critical, what);
    }
    for mount in &mounted {
        let in_fstab = listed.iter().find(|one| one.point == mount.point);
        if let Some(what) = read_only(mount, in_fstab) {
            findings.add(Status::Critical, what);
        }
    }
    let mut asker = Asker::default();
    let mut servers = 0;
    for mount in mounted.iter().filter(|mount| mount.may_hang()) {
        servers += 1;
        let (point, device) = (mount.point.display(), &mount.device);
        context.step(format!("asking {point} (statvfs)"));
        let time = PATIENCE.min(context.time_left() / 2);
        match asker.ask(mount, time) {
            // What this user may not look at is there.
            Ok(_) | Err(SpaceError::Refused(Errno::EACCES | Errno::EPERM)) => {}
            Err(error) => {
                let what = format!("{point} (from {device}): {error}");
                findings.add(Status::Critical, what);
            }
        }
    }
    let all = mounted.len();
    Ok(findings.outcome(format!(
        "{all} mounts, {servers} of them asked and answered"
    )))
}

/// What is to be said of a mount that cannot be written to, unless it is to be so.
fn read_only(mount: &Mount, in_fstab: Option<&Mount>) -> Option<String> {
    let point = mount.point.display();
    // Linux 6.15 and newer say so where errors made it read-only.
    if mount.has_option("emergency_ro") {
        return Some(format!(
            "{point} has become read-only after an error, see the kernel log"
        ));
    }
    let should_not = |listed: &Mount| mount.has_option("ro") && !listed.has_option("ro");
    in_fstab
        .is_some_and(should_not)
        .then(|| format!("{point} is mounted read-only, and fstab has it writable"))
}
