//! `metrics-nfs`: what this host asks file servers for, and what it serves itself.
//!
//! Sources `PROC/net/rpc/nfs`, `PROC/net/rpc/nfsd` and `PROC/self/mountstats`, kept open. Counts, bytes
//! and milliseconds. Linux since 2.6.17 with its NFS client or server. Three reads, none of which asks
//! a server.

use std::io;

use crate::collector::{CollectError, Collector, Presence};
use crate::graphite::{self, Lines};
use crate::options::{Kind, OptionError, OptionSpec};
use crate::source::kernel_file::{FileError, KernelFile};
use crate::source::nfs::{self, Operation, Told};
use crate::source::text::{Malformed, decimal};
use crate::spec::{Setup, Spec};

pub(crate) static SPEC: Spec = Spec {
    name: "metrics-nfs",
    about: "NFS: requests of this client by mount, and of this server",
    scheme_suffix: "nfsstat",
    builtin: None,
    options: &[OptionSpec {
        name: NO_MOUNTS,
        short: None,
        kind: Kind::Flag,
        value_name: "",
        help: "Leave out what is told of each mount",
    }],
    build,
};

const NO_MOUNTS: &str = "no-mounts";

/// The kinds of requests by their place in a row, by nfsstat's names; empty where no kernel counts it.
type Names = &'static [&'static str];

/// RFC 1094.
const V2: Names = &[
    "null", "getattr", "setattr", "root", "lookup", "readlink", "read", "wrcache", "write",
    "create", "remove", "rename", "link", "symlink", "mkdir", "rmdir", "readdir", "fsstat",
];
/// RFC 1813.
const V3: Names = &[
    "null",
    "getattr",
    "setattr",
    "lookup",
    "access",
    "readlink",
    "read",
    "write",
    "create",
    "mkdir",
    "symlink",
    "mknod",
    "remove",
    "rmdir",
    "rename",
    "link",
    "readdir",
    "readdirplus",
    "fsstat",
    "fsinfo",
    "pathconf",
    "commit",
];
/// The kernel's own numbers, up to where its versions begin to differ.
const V4_CLIENT: Names = &[
    "null",
    "read",
    "write",
    "commit",
    "open",
    "open_conf",
    "open_noat",
    "open_dgrd",
    "close",
    "setattr",
    "fsinfo",
    "renew",
    "setclntid",
    "confirm",
    "lock",
    "lockt",
    "locku",
    "access",
    "getattr",
    "lookup",
    "lookup_root",
    "remove",
    "rename",
    "link",
    "symlink",
    "create",
    "pathconf",
    "statfs",
    "readlink",
    "readdir",
    "server_caps",
    "delegreturn",
    "getacl",
    "setacl",
    "fs_locations",
    "rel_lkowner",
    "secinfo",
];
/// What a request of version 4 is.
const V4_SERVER: Names = &["null", "compound"];
/// What is in it, by RFC 7530, 8881, 7862 and 8276.
const V4_OPERATIONS: Names = &[
    "",
    "",
    "",
    "access",
    "close",
    "commit",
    "create",
    "delegpurge",
    "delegreturn",
    "getattr",
    "getfh",
    "link",
    "lock",
    "lockt",
    "locku",
    "lookup",
    "lookup_root",
    "nverify",
    "open",
    "openattr",
    "open_conf",
    "open_dgrd",
    "putfh",
    "putpubfh",
    "putrootfh",
    "read",
    "readdir",
    "readlink",
    "remove",
    "rename",
    "renew",
    "restorefh",
    "savefh",
    "secinfo",
    "setattr",
    "setcltid",
    "setcltidconf",
    "verify",
    "write",
    "rellockowner",
    "bc_ctl",
    "bind_conn",
    "exchange_id",
    "create_ses",
    "destroy_ses",
    "free_stateid",
    "getdirdeleg",
    "getdevinfo",
    "getdevlist",
    "layoutcommit",
    "layoutget",
    "layoutreturn",
    "secinfononam",
    "sequence",
    "set_ssv",
    "test_stateid",
    "want_deleg",
    "destroy_clid",
    "reclaim_comp",
    "allocate",
    "copy",
    "copy_notify",
    "deallocate",
    "ioadvise",
    "layouterror",
    "layoutstats",
    "offloadcancel",
    "offloadstatus",
    "readplus",
    "seek",
    "write_same",
    "clone",
    "getxattr",
    "setxattr",
    "listxattrs",
    "removexattr",
];

/// A file of rows, and what is shown of each row.
struct Rows {
    file: KernelFile,
    /// Rows that begin with how many numbers they have, and what precedes the names of these.
    counted: &'static [(&'static [u8], &'static str, Names)],
    /// Rows with a name for each number, from the first on.
    named: &'static [(&'static [u8], Names)],
}

struct Nfs {
    prefix: Vec<u8>,
    rows: [Rows; 2],
    /// Unless they are left out.
    mounts: Option<KernelFile>,
    buffer: Vec<u8>,
    /// What the paths of a mount begin with.
    node: Vec<u8>,
}

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    let proc = &setup.roots.proc;
    let with_mounts = !setup.given.flag(NO_MOUNTS);
    Ok(Box::new(Nfs {
        prefix: setup.scheme.prefix(),
        rows: [
            Rows {
                file: KernelFile::new(proc.join("net/rpc/nfs")),
                counted: &[
                    (b"proc2", "v2.client.", V2),
                    (b"proc3", "v3.client.", V3),
                    (b"proc4", "v4.client.", V4_CLIENT),
                ],
                named: &[(
                    b"rpc",
                    &[
                        "rpc.client.calls",
                        "rpc.client.retrans",
                        "rpc.client.authrefrsh",
                    ],
                )],
            },
            Rows {
                file: KernelFile::new(proc.join("net/rpc/nfsd")),
                counted: &[
                    (b"proc2", "v2.server.", V2),
                    (b"proc3", "v3.server.", V3),
                    (b"proc4", "v4.server.", V4_SERVER),
                    (b"proc4ops", "v4.servop.", V4_OPERATIONS),
                ],
                named: &[
                    (b"io", &["server.read_bytes", "server.write_bytes"]),
                    (b"th", &["server.threads"]),
                    (
                        b"rpc",
                        &[
                            "rpc.server.calls",
                            "rpc.server.badcalls",
                            "rpc.server.badfmt",
                            "rpc.server.badauth",
                            "rpc.server.badclnt",
                        ],
                    ),
                ],
            },
        ],
        mounts: with_mounts.then(|| KernelFile::new(proc.join("self/mountstats"))),
        buffer: Vec::new(),
        node: Vec::new(),
    }))
}

impl Rows {
    fn write(&self, text: &[u8], prefix: &[u8], lines: &mut Lines<'_>) -> Result<(), Malformed> {
        nfs::rows(text, |name, columns| {
            if let Some((_, node, names)) = self.counted.iter().find(|(of, ..)| *of == name) {
                let mut total = 0_u64;
                let mut number = |what: &str, value: u64| {
                    lines.number(&[prefix, node.as_bytes(), what.as_bytes()], value);
                };
                nfs::counted(columns, |place, value| {
                    total = total.saturating_add(value);
                    let name = names.get(place).filter(|name| !name.is_empty());
                    // As nfsstat does: there are many kinds, most of which never come.
                    if let Some(name) = name.filter(|_| value > 0) {
                        number(name, value);
                    }
                })?;
                number("total", total);
            }
            if let Some((_, names)) = self.named.iter().find(|(of, _)| *of == name) {
                for name in *names {
                    let value = decimal(columns.next()?)?;
                    lines.number(&[prefix, name.as_bytes()], value);
                }
            }
            Some(())
        })
    }
}

/// What is told of each mount.
fn write_mounts(
    text: &[u8],
    prefix: &[u8],
    node: &mut Vec<u8>,
    lines: &mut Lines<'_>,
) -> Result<(), Malformed> {
    nfs::mounts(text, |told| match told {
        Told::Mount(point) => {
            node.clear();
            node.extend_from_slice(prefix);
            node.extend_from_slice(b"mounts.");
            match point.strip_prefix(b"/") {
                Some(b"") | None => node.extend_from_slice(b"root"),
                Some(point) => node.extend(point.iter().map(|byte| match byte {
                    b'.' => b'_',
                    byte if graphite::is_allowed(char::from(*byte)) => *byte,
                    _ => b'_',
                })),
            }
            node.push(b'.');
        }
        Told::Bytes { read, written } => {
            lines.number(&[node, b"read_bytes"], read);
            lines.number(&[node, b"write_bytes"], written);
        }
        Told::Operation(operation) if operation.requests > 0 => {
            write_operation(&operation, node, lines);
        }
        Told::Operation(_) => {}
    })
}

fn write_operation(operation: &Operation<'_>, node: &mut Vec<u8>, lines: &mut Lines<'_>) {
    let length = node.len();
    let name = operation.name.iter().map(u8::to_ascii_lowercase);
    node.extend(name.filter(|byte| byte.is_ascii_alphanumeric() || *byte == b'_'));
    node.push(b'.');
    for (what, value) in [
        (&b"requests"[..], operation.requests),
        (
            b"retrans",
            operation.sent.saturating_sub(operation.requests),
        ),
        (b"timeouts", operation.timeouts),
        (b"rtt_ms", operation.round_trip),
        (b"exe_ms", operation.in_all),
    ] {
        lines.number(&[node, what], value);
    }
    node.truncate(length);
}

impl Collector for Nfs {
    fn collect(
        &mut self,
        now: u64,
        out: &mut Vec<u8>,
        problems: &mut Vec<CollectError>,
    ) -> Result<Presence, CollectError> {
        let (before, problems_before) = (out.len(), problems.len());
        let Self {
            prefix,
            rows,
            mounts,
            buffer,
            node,
        } = self;
        let mut done = |file: &KernelFile, done: Result<(), FileError>| match done {
            Ok(()) => {}
            // Neither is there where the kernel has not this part of NFS.
            Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => problems.push(CollectError::from_file(file.path(), error)),
        };
        for one in rows {
            let read = one.file.read(buffer).map_err(FileError::Io);
            let written = read.and_then(|text| {
                let write = |lines: &mut Lines<'_>| Rows::write(one, text, prefix, lines);
                Ok(graphite::write(out, now, write)?)
            });
            done(&one.file, written);
        }
        if let Some(file) = mounts {
            let read = file.read(buffer).map_err(FileError::Io);
            let written = read.and_then(|text| {
                let write = |lines: &mut Lines<'_>| write_mounts(text, prefix, node, lines);
                Ok(graphite::write(out, now, write)?)
            });
            done(file, written);
        }
        if out.len() == before && problems.len() == problems_before {
            let folder = self.rows.first().and_then(|one| one.file.path().parent());
            return Ok(Presence::Absent(format!(
                "neither a client nor a server of NFS below {}, and no mount",
                folder.unwrap_or(std::path::Path::new("")).display()
            )));
        }
        Ok(Presence::Here)
    }

    fn explain(&self) -> Vec<String> {
        let files = self.rows.iter().map(|one| &one.file).chain(&self.mounts);
        let from = |file: &KernelFile| format!("what there is in {}", file.path().display());
        files.map(from).collect()
    }
}
