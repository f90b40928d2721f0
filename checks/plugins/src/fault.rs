//! A fault of the program's own, which ends it: the answer is UNKNOWN all the same, not a signal.
//!
//! What ships aborts on a panic, so that nothing can answer after it but its hook.

use std::io;
use std::panic::{self, PanicHookInfo};
use std::process;
use std::sync::OnceLock;

use crate::status::{Outcome, Status};

/// What the line of the check begins with that runs.
static TITLE: OnceLock<&str> = OnceLock::new();

/// Says which check it is that may break off from here on.
pub(crate) fn of(title: &'static str) {
    // The first: a process runs one.
    TITLE.get_or_init(|| title);
}

/// Answers where any thread panics, and ends the process.
pub(crate) fn answer() {
    panic::set_hook(Box::new(|info| {
        let text = text(TITLE.get().copied(), info);
        // Whoever holds the lock of stdout waits for the thread that has just panicked.
        let written = match TITLE.get() {
            Some(_) => nix::unistd::write(io::stdout(), text.as_bytes()),
            None => nix::unistd::write(io::stderr(), text.as_bytes()),
        };
        if written.is_err() {
            // Nobody reads it; the exit code says it.
        }
        #[expect(
            clippy::exit,
            clippy::disallowed_methods,
            reason = "nothing can be trusted to go on"
        )]
        process::exit(i32::from(Status::Unknown.code()))
    }));
}

fn text(title: Option<&str>, info: &PanicHookInfo<'_>) -> String {
    let place = info.location().map(|place| format!(" at {place}"));
    let what = format!(
        "it broke off{}, which is a fault of its own: please report it",
        place.unwrap_or_default()
    );
    match title {
        Some(title) => Outcome::new(Status::Unknown, what).text(title, false),
        None => format!("venus-checks: {what}\n"),
    }
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::Command;
    use std::thread;

    use super::*;

    #[test]
    #[ignore = "it ends the process; the test below runs it as one of its own"]
    fn breaks_off() {
        of("CheckMadeUp");
        answer();
        let _held = io::stdout().lock();
        let thread = thread::spawn(|| panic!("a fault"));
        thread.join().unwrap();
    }

    #[test]
    fn a_fault_is_unknown() {
        let output = Command::new(env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "--nocapture",
                "fault::tests::breaks_off",
            ])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let start = "CheckMadeUp UNKNOWN: it broke off at checks/plugins/src/fault.rs:";
        assert!(text.contains(start), "{text}");
        assert!(
            text.ends_with(", which is a fault of its own: please report it\n"),
            "{text}"
        );
        assert_eq!(output.status.code(), Some(3));
    }
}
