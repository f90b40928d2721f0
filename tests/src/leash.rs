//! What a test started may not outlive it.

use nix::unistd::Pid;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Kills the process group $1 and removes the folder $2 when its standard input
/// ends without a line.
const WATCH: &str = r#"
trap '' INT TERM HUP
read -r _ && exit
kill -s KILL -- "-$1"
for _ in 1 2 3 4 5; do
    rm -rf "$2" 2>/dev/null && exit
    sleep 0.2
done
"#;

/// Ends a process group with this process, however this process ends.
#[derive(Debug)]
pub struct Leash {
    watch: Child,
}

impl Leash {
    /// Holds `group`, whose files are below `dir`.
    #[must_use]
    pub fn of(group: Pid, dir: &Path) -> Self {
        let mut watch = Command::new("sh");
        watch
            .args(["-c", WATCH, "leash", &group.to_string()])
            .arg(dir)
            .stdin(Stdio::piped())
            // Out of reach of whoever interrupts or ends the tests as a group.
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self {
            watch: watch.spawn().unwrap(),
        }
    }

    /// Lets it go: it has ended.
    pub fn release(&mut self) {
        if let Some(mut stdin) = self.watch.stdin.take() {
            stdin.write_all(b"ended\n").unwrap();
        }
        self.watch.wait().unwrap();
    }
}
