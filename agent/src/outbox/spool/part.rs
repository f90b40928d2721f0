//! A file of the spool, and the records in it.

use crate::outbox::record::Found;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// A file.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) order: u64,
    pub(super) path: PathBuf,
    pub(super) length: u64,
    pub(super) records: Vec<Record>,
    /// How many are not delivered.
    pub(super) waiting: usize,
}

/// A record of it, as it was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    pub(super) number: u64,
    pub(super) found: Found,
    /// Whether it was given out, and is neither delivered nor given back.
    pub(super) is_out: bool,
}

impl Part {
    pub(super) fn new(order: u64, path: PathBuf) -> Self {
        Self {
            order,
            path,
            length: 0,
            records: Vec::new(),
            waiting: 0,
        }
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = &Record> {
        self.records
            .iter()
            .filter(|record| !record.found.is_delivered)
    }

    pub(super) fn count(&mut self) {
        self.waiting = self.waiting().count();
    }

    /// Appends bytes that are on the disk afterwards; on an error the file is as it was.
    pub(super) fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        let mut file = options.open(&self.path)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_data());
        if written.is_err() {
            // A part of a record at the end would be damage.
            drop(file.set_len(self.length));
        }
        written
    }

    /// Takes note of records that were appended, at offsets from their beginning.
    pub(super) fn take(&mut self, records: Vec<Record>, bytes: usize) {
        let start = usize::try_from(self.length).unwrap_or(usize::MAX);
        self.waiting += records.len();
        self.records.extend(records.into_iter().map(|mut record| {
            record.found.offset += start;
            record
        }));
        self.length += bytes as u64;
    }

    /// Writes the file anew, with the records that wait and that `stays` wants.
    pub(super) fn rewrite(&mut self, stays: impl Fn(&Record) -> bool) -> io::Result<()> {
        let old = fs::read(&self.path)?;
        let mut bytes = Vec::new();
        let mut records = Vec::new();
        for record in self.waiting().filter(|record| stays(record)) {
            let Found { offset, length, .. } = record.found;
            let mut record = *record;
            record.found.offset = bytes.len();
            bytes.extend_from_slice(old.get(offset..offset + length).unwrap_or_default());
            records.push(record);
        }
        let unfinished = self.path.with_extension("new");
        fs::write(&unfinished, &bytes)?;
        fs::rename(&unfinished, &self.path)?;
        self.length = bytes.len() as u64;
        self.records = records;
        self.count();
        Ok(())
    }
}
