//! What collectors of small sysfs files share: which there are is looked up once a minute, and each
//! stays open.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::collector::{CollectError, Collector, Presence};
use crate::graphite::{self, Lines};
use crate::source::counts;
use crate::source::kernel_file::{FileError, KernelFile, has_vanished};
use crate::source::text::{Malformed, only_line};

/// How long it is believed which files there are, in seconds.
const LOOKUP_SECONDS: u64 = 60;

/// How a file's value is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Whole,
    /// Divided by 1,000.
    Thousandths,
    /// Divided by 1,000,000.
    Millionths,
    /// Lines of a name and a number.
    Counts,
}

/// One file.
pub(super) struct Attribute {
    /// What its path has after the scheme; with [`Form::Counts`] it ends with a dot.
    name: String,
    file: KernelFile,
    form: Form,
}

impl Attribute {
    pub(super) fn new(name: String, file: PathBuf, form: Form) -> Self {
        let file = KernelFile::new(file);
        Self { name, file, form }
    }

    fn write(
        &mut self,
        prefix: &[u8],
        buffer: &mut Vec<u8>,
        lines: &mut Lines<'_>,
    ) -> Result<(), FileError> {
        let text = self.file.read(buffer)?;
        let path = [prefix, self.name.as_bytes()];
        if self.form == Form::Counts {
            return Ok(counts::parse(text, |name, value| {
                lines.number(&[prefix, self.name.as_bytes(), name.as_bytes()], value);
            })?);
        }
        let number = str::from_utf8(only_line(text)?).ok();
        let number: i64 = number
            .and_then(|text| text.parse().ok())
            .ok_or(Malformed::Line {
                line: 1,
                what: "is not a whole number",
            })?;
        #[expect(clippy::cast_precision_loss, reason = "sensors have a few digits")]
        match self.form {
            Form::Whole | Form::Counts => lines.number(&path, number),
            Form::Thousandths => lines.real(&path, number as f64 / 1e3),
            Form::Millionths => lines.real(&path, number as f64 / 1e6),
        }
        Ok(())
    }
}

/// Finds the files below a folder of sysfs. What cannot be understood is a problem, and is left
/// out.
pub(super) type Find = fn(&Path, &mut Vec<CollectError>) -> io::Result<Vec<Attribute>>;

/// A collector of such files.
pub(super) struct Attributes {
    prefix: Vec<u8>,
    folder: PathBuf,
    find: Find,
    /// What there is none of if the folder is not there: `sensor`.
    subject: &'static str,
    /// Whether the hardware takes its time to answer.
    is_slow: bool,
    known: Vec<Attribute>,
    looked_up: Option<u64>,
    buffer: Vec<u8>,
}

impl Attributes {
    pub(super) fn new(prefix: Vec<u8>, folder: PathBuf, subject: &'static str, find: Find) -> Self {
        Self {
            prefix,
            folder,
            find,
            subject,
            is_slow: false,
            known: Vec::new(),
            looked_up: None,
            buffer: Vec::new(),
        }
    }

    /// The same, of hardware that takes milliseconds to answer.
    pub(super) fn slow(mut self) -> Self {
        self.is_slow = true;
        self
    }

    fn look_up(&mut self, now: u64, problems: &mut Vec<CollectError>) -> Result<(), CollectError> {
        // The clock may also have been set back.
        if self
            .looked_up
            .is_some_and(|then| now.abs_diff(then) < LOOKUP_SECONDS)
        {
            return Ok(());
        }
        let before = problems.len();
        self.known = match (self.find)(&self.folder, problems) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(CollectError::read(&self.folder, error)),
        };
        // What could not be understood is looked up again the next time.
        self.looked_up = (problems.len() == before).then_some(now);
        Ok(())
    }
}

impl Collector for Attributes {
    fn collect(
        &mut self,
        now: u64,
        out: &mut Vec<u8>,
        problems: &mut Vec<CollectError>,
    ) -> Result<Presence, CollectError> {
        self.look_up(now, problems)?;
        if self.known.is_empty() {
            return Ok(Presence::Absent(format!(
                "no {} below {}",
                self.subject,
                self.folder.display()
            )));
        }
        let mut vanished = false;
        for attribute in &mut self.known {
            let done = graphite::write(out, now, |lines| {
                attribute.write(&self.prefix, &mut self.buffer, lines)
            });
            match done {
                Ok(()) => {}
                Err(FileError::Io(error)) if has_vanished(&error) => vanished = true,
                Err(error) => {
                    problems.push(CollectError::from_file(attribute.file.path(), error));
                }
            }
        }
        if vanished {
            self.looked_up = None;
        }
        Ok(Presence::Here)
    }

    fn may_wait(&mut self, _now: u64) -> bool {
        self.is_slow
    }

    fn explain(&self) -> Vec<String> {
        let of = |one: &Attribute| format!("{} from {}", one.name, one.file.path().display());
        self.known.iter().map(of).collect()
    }
}

/// The names in a folder that are this and a number, with the number, in its order.
pub(super) fn numbered(folder: &Path, name: &str) -> io::Result<Vec<(u32, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let file = entry?.file_name();
        let Some(file) = file.to_str() else {
            continue;
        };
        if let Some(number) = file.strip_prefix(name).and_then(|rest| rest.parse().ok()) {
            found.push((number, file.to_owned()));
        }
    }
    found.sort();
    Ok(found)
}

/// The text of a file of one line, as a node of a path; `None` if it is not there or cannot be
/// understood, which is a problem.
pub(super) fn node(file: &Path, problems: &mut Vec<CollectError>) -> Option<String> {
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(error) if has_vanished(&error) => return None,
        Err(error) => {
            problems.push(CollectError::read(file, error));
            return None;
        }
    };
    match only_line(&text) {
        Ok(line) => Some(graphite::sanitise(&String::from_utf8_lossy(line)).replace('.', "_")),
        Err(error) => {
            problems.push(CollectError::malformed(file, error));
            None
        }
    }
}
