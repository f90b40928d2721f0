//! A command that runs for as long as the test wants.

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// Two fifos: the command says that it has started, and waits for its output.
#[derive(Debug)]
pub struct Gate {
    started: PathBuf,
    output: PathBuf,
    _dir: TempDir,
}

impl Default for Gate {
    fn default() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [started, output] = ["started", "output"].map(|name| {
            let path = dir.path().join(name);
            mkfifo(&path, Mode::S_IRWXU).unwrap();
            path
        });
        Self {
            started,
            output,
            _dir: dir,
        }
    }
}

impl Gate {
    /// The command, which prints what [`open`](Self::open) gives it.
    #[must_use]
    pub fn command(&self) -> String {
        let Self {
            started, output, ..
        } = self;
        format!("echo > {}; cat {}", started.display(), output.display())
    }

    /// Waits until the command has started.
    pub fn wait(&self) {
        fs::read(&self.started).unwrap();
    }

    /// Lets it end.
    pub fn open(&self, output: &str) {
        fs::write(&self.output, output).unwrap();
    }
}
