//! Containers that are read themselves, as they have interfaces without an other end here.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::collect::container_names::node;
use crate::collect::filter::Filter;
use crate::collect::net_table::{Label, Table};
use crate::collector::CollectError;
use crate::source::kernel_file;
use crate::source::namespaces::Namespace;

/// What the kernel puts into each namespace when the module of a kind of tunnel is loaded.
const IN_EACH_NAMESPACE: [&[u8]; 10] = [
    b"lo",
    b"tunl0",
    b"gre0",
    b"gretap0",
    b"erspan0",
    b"ip_vti0",
    b"ip6_vti0",
    b"sit0",
    b"ip6tnl0",
    b"ip6gre0",
];

/// A container with interfaces that have no other end here: it is read itself.
pub(super) struct Guest {
    /// `PROC/PID`. Neither this nor a file that is open for a moment holds its namespace.
    process: OwnedFd,
    pub(super) path: PathBuf,
    pub(super) table: Table,
    /// Its interfaces that are read by their other ends.
    matched: Vec<Vec<u8>>,
}

impl Guest {
    /// The container in this namespace, if it has interfaces beside the matched ones.
    pub(super) fn of(
        namespace: &Namespace,
        proc: &Path,
        prefix: Vec<u8>,
        filter: Filter,
        matched: Vec<Vec<u8>>,
    ) -> Option<Self> {
        let mut guest = Self {
            process: namespace.open_process(proc)?,
            path: proc.join(namespace.pid?.to_string()).join("net/dev"),
            table: Table::new(prefix, None, filter),
            matched,
        };
        guest.read(&mut Vec::new()).ok()?;
        guest.table.shows_any().then_some(guest)
    }

    /// Reads its interfaces. An error if its first process is not there any more; a problem if
    /// what the kernel says is not understood.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<Option<CollectError>> {
        let text = kernel_file::read_below(self.process.as_fd(), "net/dev", buffer)?;
        let matched = &self.matched;
        let label = |name: &[u8]| {
            if IN_EACH_NAMESPACE.contains(&name) || matched.iter().any(|one| one == name) {
                Label::Hidden
            } else {
                Label::Named(node(&String::from_utf8_lossy(name)))
            }
        };
        let malformed = self.table.update(text, label).err();
        Ok(malformed.map(|malformed| CollectError::malformed(&self.path, malformed)))
    }
}
