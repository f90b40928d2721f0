//! A terminal with a program in it: tmux, with a server of the test's own.

use crate::part;
use crate::program::wait_until;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A terminal; dropped, it ends with all that is in it.
#[derive(Debug)]
pub struct Terminal {
    program: &'static Path,
    socket: PathBuf,
    _dir: TempDir,
}

impl Terminal {
    /// Of a size, in columns and lines, in which a shell runs `command`, says `ended STATUS`, and
    /// stays, so that one sees what is left.
    #[must_use]
    pub fn start(size: (u16, u16), command: &str) -> Option<Self> {
        let program = part::find("tmux", &["/usr/bin/tmux"])?;
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("socket");
        let terminal = Self {
            program,
            socket,
            _dir: dir,
        };
        let [width, height] = [size.0, size.1].map(|length| length.to_string());
        let command = format!("{command}; echo ended $?; exec cat");
        terminal.ask(&[
            "new-session",
            "-d",
            "-x",
            &width,
            "-y",
            &height,
            "sh",
            ";",
            "set-option",
            "-g",
            "status",
            "off",
            ";",
            "respawn-pane",
            "-k",
            &command,
        ]);
        Some(terminal)
    }

    /// What it shows now, a line each.
    #[must_use]
    pub fn screen(&self) -> String {
        self.ask(&["capture-pane", "-p"])
    }

    /// The same with the sequences that make colours.
    #[must_use]
    pub fn coloured(&self) -> String {
        self.ask(&["capture-pane", "-p", "-e"])
    }

    /// Waits until it shows `text`.
    pub fn wait_for(&self, text: &str) {
        wait_until(|| self.screen().contains(text));
    }

    /// Presses keys, by tmux's names of them.
    pub fn press(&self, keys: &[&str]) {
        self.ask(&[&["send-keys"], keys].concat());
    }

    /// Gives it another size.
    pub fn resize(&self, (width, height): (u16, u16)) {
        let [width, height] = [width, height].map(|length| length.to_string());
        self.ask(&["resize-window", "-x", &width, "-y", &height]);
    }

    /// What the program left to the terminal, as a format of tmux's: `alternate_on`, `cursor_flag`.
    #[must_use]
    pub fn state(&self, name: &str) -> String {
        let format = format!("#{{{name}}}");
        self.ask(&["display-message", "-p", &format])
            .trim()
            .to_owned()
    }

    /// The process id of the shell.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.state("pane_pid").parse().unwrap()
    }

    fn ask(&self, arguments: &[&str]) -> String {
        let output = Command::new(self.program)
            .arg("-u")
            .arg("-S")
            .arg(&self.socket)
            .args(["-f", "/dev/null"])
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            .env_remove("TMUX")
            .env_remove("NO_COLOR")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tmux {arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let mut end = Command::new(self.program);
        end.arg("-S").arg(&self.socket).arg("kill-server");
        drop(end.output());
    }
}
