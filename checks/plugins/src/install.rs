//! `venus-checks install DIR`: a link to the running binary for each command.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Why the links could not be made.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The running binary cannot be found.
    #[error("cannot tell where this program lies: {0}")]
    Program(#[source] io::Error),
    /// Something else has the name of a command.
    #[error(
        "{path} is there and is no link to {program}; nothing was changed: move it away, or give another folder",
        path = path.display(),
        program = program.display()
    )]
    Foreign {
        /// What is in the way.
        path: PathBuf,
        /// What it should link to.
        program: PathBuf,
    },
    /// The system refused.
    #[error("cannot {what} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Makes the folder and in it a link to `program` for each name. Links that are right stay; links
/// to a program of the same name elsewhere, an earlier installation, are replaced. If anything
/// else is in the way nothing is changed.
pub fn install(
    folder: &Path,
    program: &Path,
    names: impl Iterator<Item = &'static str>,
) -> Result<Vec<PathBuf>, InstallError> {
    fs::create_dir_all(folder).map_err(|source| InstallError::Io {
        what: "make the folder",
        path: folder.to_owned(),
        source,
    })?;
    let mut links = Vec::new();
    for name in names {
        let path = folder.join(name);
        links.push((state(&path, program)?, path));
    }
    for (state, path) in &links {
        match state {
            State::Right => {}
            State::Missing => link(program, path)?,
            State::Outdated => replace(program, path)?,
        }
    }
    Ok(links.into_iter().map(|(_, path)| path).collect())
}

enum State {
    Right,
    Outdated,
    Missing,
}

fn state(path: &Path, program: &Path) -> Result<State, InstallError> {
    let foreign = || InstallError::Foreign {
        path: path.to_owned(),
        program: program.to_owned(),
    };
    match fs::read_link(path) {
        Ok(target) if target == program => Ok(State::Right),
        Ok(target) if target.file_name() == program.file_name() => Ok(State::Outdated),
        Ok(_) => Err(foreign()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::Missing),
        // What is there is no link.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Err(foreign()),
        Err(source) => Err(InstallError::Io {
            what: "look at",
            path: path.to_owned(),
            source,
        }),
    }
}

fn link(program: &Path, path: &Path) -> Result<(), InstallError> {
    symlink(program, path).map_err(|source| InstallError::Io {
        what: "make the link",
        path: path.to_owned(),
        source,
    })
}

/// By a rename, so that the name is never missing: a check may run at any time.
fn replace(program: &Path, path: &Path) -> Result<(), InstallError> {
    let new = path.with_extension("venus-new");
    link(program, &new)?;
    fs::rename(&new, path).map_err(|source| InstallError::Io {
        what: "replace the link",
        path: path.to_owned(),
        source,
    })
}
