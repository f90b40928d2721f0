//! The checks of the host, by the real binary, on trees of files and on the live machine.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests may fail loudly"
)]

mod clock;
mod community;
mod cpu;
mod edac;
mod hardware;
mod kernel;
mod kernel_log;
mod load;
mod memory;
mod mounts;
mod process;
mod side_by_side;
mod smart;
mod systemd;
mod twins;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// A host whose files a test makes: `proc`, `sys`, `dev`, and `state`, where checks remember.
struct Host(TempDir);

impl Host {
    fn new() -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        host.write("proc/sys/kernel/random/boot_id", "a-b\n");
        host
    }

    /// With these files.
    fn with(files: &[(&str, &str)]) -> Self {
        let host = Self::new();
        for (file, text) in files {
            host.write(file, text);
        }
        host
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    /// Writes a file as a whole, so that a check that runs meanwhile finds the old or the new one.
    fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let new = path.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, path).unwrap();
    }

    fn remove(&self, file: &str) {
        fs::remove_file(self.path(file)).unwrap();
    }

    fn command(&self, check: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_venus-checks"));
        command.arg(check).args(args);
        for (option, below) in [
            ("--proc-path", "proc"),
            ("--sys-path", "sys"),
            ("--dev-path", "dev"),
            ("--state-dir", "state"),
        ] {
            if !args.contains(&option) {
                command.arg(option).arg(self.path(below));
            }
        }
        command
    }

    /// All that a check prints, and how it ends.
    fn check(&self, check: &str, args: &[&str]) -> (String, i32) {
        let output = self.command(check, args).output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        let text = String::from_utf8(output.stdout).unwrap();
        // The folder has another name each time.
        let text = text.replace(self.0.path().to_str().unwrap(), "HOST");
        (text, output.status.code().unwrap())
    }

    /// Fails unless it prints this line and nothing else, and ends so.
    fn says(&self, check: &str, args: &[&str], line: &str, status: i32) {
        let got = self.check(check, args);
        assert_eq!(got, (format!("{line}\n"), status), "{check} {args:?}");
    }
}
