//! What the programs that measure share.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Reads a file of the kernel's to its end, from its begin: what any reader has to do.
pub fn read_whole(file: &File, buffer: &mut [u8]) -> io::Result<()> {
    let mut offset = 0;
    loop {
        match file.read_at(buffer, offset)? {
            0 => return Ok(()),
            count => offset += u64::try_from(count).map_err(io::Error::other)?,
        }
    }
}
