//! What collectors of one file of procfs share: it stays open, is read whole in one go, and is
//! shown as a whole or not at all.

use std::path::Path;

use crate::collector::{CollectError, Collector, Presence};
use crate::graphite::{self, Lines};
use crate::source::kernel_file::KernelFile;
use crate::source::text::Malformed;
use crate::spec::Setup;

/// What is being written of a file.
pub(super) struct Page<'a, 'o> {
    /// What each path begins with, and a dot.
    pub(super) prefix: &'a [u8],
    pub(super) lines: &'a mut Lines<'o>,
    path: &'a Path,
    problems: &'a mut Vec<CollectError>,
}

impl Page<'_, '_> {
    /// A line with a whole number.
    pub(super) fn number(&mut self, name: &str, value: u64) {
        self.lines.number(&[self.prefix, name.as_bytes()], value);
    }

    /// Leaves a metric out, as the numbers that it is made of cannot be.
    pub(super) fn leave_out(&mut self, metric: &'static str, what: &'static str) {
        self.problems.push(CollectError::Contradiction {
            path: self.path.to_owned(),
            what,
            metric,
        });
    }
}

struct ProcFile<W> {
    prefix: Vec<u8>,
    file: KernelFile,
    buffer: Vec<u8>,
    write: W,
}

/// The collector of the file of this name below the root of procfs. `write` makes lines of its
/// text; where it makes none, there is nothing to show.
pub(super) fn collector<W>(setup: &Setup<'_>, name: &str, write: W) -> Box<dyn Collector>
where
    W: FnMut(&[u8], &mut Page<'_, '_>) -> Result<(), Malformed> + Send + 'static,
{
    Box::new(ProcFile {
        prefix: setup.scheme.prefix(),
        file: KernelFile::new(setup.roots.proc.join(name)),
        buffer: Vec::new(),
        write,
    })
}

impl<W> Collector for ProcFile<W>
where
    W: FnMut(&[u8], &mut Page<'_, '_>) -> Result<(), Malformed> + Send,
{
    fn collect(
        &mut self,
        now: u64,
        out: &mut Vec<u8>,
        problems: &mut Vec<CollectError>,
    ) -> Result<Presence, CollectError> {
        let text = match self.file.read(&mut self.buffer) {
            Ok(text) => text,
            Err(error) => return Err(CollectError::read(self.file.path(), error)),
        };
        let path = self.file.path();
        let before = out.len();
        graphite::write(out, now, |lines| {
            let mut page = Page {
                prefix: &self.prefix,
                lines,
                path,
                problems,
            };
            (self.write)(text, &mut page)
        })
        .map_err(|malformed| CollectError::malformed(path, malformed))?;
        if out.len() == before {
            let nothing = format!("nothing to show in {}", path.display());
            return Ok(Presence::Absent(nothing));
        }
        Ok(Presence::Here)
    }

    fn explain(&self) -> Vec<String> {
        vec![format!("all from {}", self.file.path().display())]
    }
}
