//! Files and folders made and read so that nobody else's is taken for one of ours.
//!
//! Whoever may write to the folder could put a link, a pipe or a folder where a file is looked for:
//! none of them is followed, waited for or written over. What root makes belongs to whoever has the
//! folder, so that a run by hand does not lock out the user that Sensu runs as.

use nix::fcntl::OFlag;
use nix::unistd::Uid;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown, fchown};
use std::path::Path;
use std::time::SystemTime;

/// What is added to the name of a file that is not whole yet.
pub(crate) const UNFINISHED: &str = "new";

/// The bytes of a regular file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open(OpenOptions::new().read(true), path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Puts a file in this place whole or not at all, whatever was there.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_added_extension(UNFINISHED);
    // Of a process that died, or somebody's link.
    drop(fs::remove_file(&unfinished));
    write_new(&unfinished, bytes)?;
    fs::rename(unfinished, path)
}

/// Gives a regular file this time.
pub fn touch(path: &Path, time: SystemTime) -> io::Result<()> {
    open(OpenOptions::new().append(true), path)?.set_modified(time)
}

/// Makes a folder, and those above it, for this user only.
pub fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let new = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let missing: Vec<&Path> = path.ancestors().take_while(new).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    // From the top, as each has the owner of the one above it.
    for folder in missing.into_iter().rev() {
        if let Some((user, group)) = heir(folder)? {
            chown(folder, Some(user), Some(group))?;
        }
    }
    Ok(())
}

/// Makes a file that is not there, for this user only.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let written = file.write_all(bytes).and_then(|()| give(&file, path));
    if written.is_err() {
        // On a full disk what was begun would stay.
        drop(fs::remove_file(path));
    }
    written
}

/// Opens a regular file, or makes it where `options` say so.
pub(crate) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = options.custom_flags(flags.bits()).mode(0o600).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is no regular file"))
    }
}

/// Makes a new file its folder's owner's, where this is root.
pub(crate) fn give(file: &File, path: &Path) -> io::Result<()> {
    match heir(path)? {
        Some((user, group)) => fchown(file, Some(user), Some(group)),
        None => Ok(()),
    }
}

/// Who has the folder that this is in, where root has to give it to them.
fn heir(path: &Path) -> io::Result<Option<(u32, u32)>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let parent = path.parent().filter(|path| !path.as_os_str().is_empty());
    let owner = fs::metadata(parent.unwrap_or(Path::new(".")))?;
    Ok(Some((owner.uid(), owner.gid())))
}
