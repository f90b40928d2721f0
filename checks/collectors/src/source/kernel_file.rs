//! Re-reads a file of procfs or sysfs without opening it again.
//!
//! The kernel makes the content of such a file anew for each read at offset 0, so that one open
//! file serves for as long as the thing that it describes exists. When that goes away, a read of
//! the old file fails (ENODEV, ESRCH, ESTALE); the file is then opened once more, as a thing of
//! the same name may have come back.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use crate::source::text::Malformed;

/// One kernel file by its path, open between two reads.
#[derive(Debug)]
pub struct KernelFile {
    path: PathBuf,
    open: Option<File>,
}

/// Room for an attribute, with much to spare. What fills it is cut off, and has no newline.
pub const ATTRIBUTE_BYTES: usize = 128;

/// Why a file gave no value.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It was read, and is not what the kernel writes.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl KernelFile {
    /// The file at this path, which is opened by the first read.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, open: None }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the whole file. `buffer` is reused: it grows to the size that the file needs, and
    /// its content before does not matter.
    pub fn read<'b>(&mut self, buffer: &'b mut Vec<u8>) -> io::Result<&'b [u8]> {
        let length = self.with_open(|file| read_to_end(file, buffer))?;
        Ok(buffer.get(..length).unwrap_or_default())
    }

    /// Reads an attribute, a file of one short value, with a single call: sysfs gives all of it
    /// at once.
    pub fn read_attribute<'b>(
        &mut self,
        buffer: &'b mut [u8; ATTRIBUTE_BYTES],
    ) -> io::Result<&'b [u8]> {
        let length = self.with_open(|file| read_at(file, buffer, 0))?;
        Ok(buffer.get(..length).unwrap_or_default())
    }

    fn with_open(&mut self, mut read: impl FnMut(&File) -> io::Result<usize>) -> io::Result<usize> {
        if let Some(file) = &self.open {
            let done = read(file);
            if is_still_there(&done) {
                return done;
            }
            self.open = None;
        }
        let file = open(&self.path)?;
        let done = read(&file);
        if is_still_there(&done) {
            self.open = Some(file);
        }
        done
    }
}

/// Whether an open file is good for another read. Refused with EINVAL, the thing is there and has
/// no value now.
fn is_still_there(done: &io::Result<usize>) -> bool {
    match done {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::InvalidInput,
    }
}

/// Whether a read failed because the thing that the file describes is not there any more.
#[must_use]
pub fn has_vanished(error: &io::Error) -> bool {
    /// What sysfs answers on an open file of a device that was taken away.
    const ENODEV: i32 = 19;
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(ENODEV)
}

/// Reads an attribute that is not worth an open file.
pub fn read_once<'b>(path: &Path, buffer: &'b mut [u8; ATTRIBUTE_BYTES]) -> io::Result<&'b [u8]> {
    let length = read_at(&open(path)?, buffer, 0)?;
    Ok(buffer.get(..length).unwrap_or_default())
}

/// Reads the whole of a file that is not worth an open one, or may not be held open. `buffer` is
/// reused as in [`KernelFile::read`].
pub fn read_whole<'b>(path: &Path, buffer: &'b mut Vec<u8>) -> io::Result<&'b [u8]> {
    let length = read_to_end(&open(path)?, buffer)?;
    Ok(buffer.get(..length).unwrap_or_default())
}

/// The same for a file below a folder that is open.
pub fn read_below<'b>(
    folder: BorrowedFd<'_>,
    path: &str,
    buffer: &'b mut Vec<u8>,
) -> io::Result<&'b [u8]> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let file = nix::fcntl::openat(folder, path, flags, Mode::empty())?.into();
    let length = read_to_end(&file, buffer)?;
    Ok(buffer.get(..length).unwrap_or_default())
}

/// Opens a file to read. By `open(2)` itself, as the simulator of an `InfiniBand` fabric puts its own
/// files in place of sysfs for those who call that, and not for the standard library's `open64`.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    Ok(nix::fcntl::open(path, flags, Mode::empty())?.into())
}

fn read_to_end(file: &File, buffer: &mut Vec<u8>) -> io::Result<usize> {
    /// What the kernel's `seq_file` hands out in one call at most, unless a single record is longer.
    const PAGE: usize = 4096;
    let mut length = 0;
    loop {
        if buffer.len() - length < PAGE {
            buffer.resize(buffer.len() + PAGE.max(buffer.len()), 0);
        }
        let free = buffer.get_mut(length..).unwrap_or_default();
        match read_at(file, free, length)? {
            0 => return Ok(length),
            more => length += more,
        }
    }
}

fn read_at(file: &File, buffer: &mut [u8], offset: usize) -> io::Result<usize> {
    let offset = u64::try_from(offset).map_err(io::Error::other)?;
    loop {
        match file.read_at(buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn follows_a_file_that_grows_shrinks_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stat");
        let mut file = KernelFile::new(path.clone());
        let mut buffer = Vec::new();
        assert_eq!(
            file.read(&mut buffer).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );

        let long = vec![b'x'; 100_000];
        for content in [&b"short\n"[..], &long, b"", &long[..4096], &long[..4095]] {
            fs::write(&path, content).unwrap();
            assert_eq!(file.read(&mut buffer).unwrap(), content);
        }
    }

    #[test]
    fn is_opened_once_for_as_long_as_it_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stat");
        fs::write(&path, "1\n").unwrap();
        let mut file = KernelFile::new(path.clone());
        let mut buffer = Vec::new();
        file.read(&mut buffer).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(file.read(&mut buffer).unwrap(), b"1\n");
    }

    #[test]
    fn an_attribute_longer_than_any_number_fills_the_buffer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("speed");
        fs::write(&path, [b'1'; 200]).unwrap();
        let mut buffer = [0; ATTRIBUTE_BYTES];
        let read = KernelFile::new(path)
            .read_attribute(&mut buffer)
            .map(<[u8]>::len);
        assert_eq!(read.unwrap(), ATTRIBUTE_BYTES);
    }

    #[test]
    fn a_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = KernelFile::new(folder.path().to_owned());
        assert!(file.read(&mut Vec::new()).is_err());
        assert!(file.read_attribute(&mut [0; ATTRIBUTE_BYTES]).is_err());
    }
}
