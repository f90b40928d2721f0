//! `handler-slack`: reads its arguments and calls [`handler_slack::handle`].

use handler_slack::cli::{KEY, NAME, command};
use handler_slack::{HandlerError, World, handle, preview, test};
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};
use venus_settings::program;

fn main() -> ExitCode {
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return program::explain(NAME, &error),
    };
    let sources = program::sources(&matches);
    let key = program::key(&matches, KEY);
    let env = |name: &str| std::env::var(name).ok();
    let warn = &mut |warning: &str| complain(&warning);
    if matches.get_flag("dry-run") {
        return show(preview(&sources, key, io::stdin().lock(), &env, warn));
    }
    let sent = if matches.get_flag("test") {
        test(&sources, key, &host(), &env, &mut pause, warn)
    } else {
        let world = World {
            env: &env,
            now: &clock,
            wait: &mut pause,
            warn,
        };
        handle(&sources, key, io::stdin().lock(), world)
    };
    match sent {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// What would be sent, or why nothing would.
fn show(shown: Result<Result<Vec<String>, &str>, HandlerError>) -> ExitCode {
    match shown {
        Ok(Ok(payloads)) => {
            let text = payloads.join("\n") + "\n";
            // Whoever reads it may stop early.
            io::stdout().write_all(text.as_bytes()).unwrap_or_default();
            ExitCode::SUCCESS
        }
        Ok(Err(reason)) => {
            complain(&format_args!("nothing would be sent: {reason}"));
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

fn fail(error: &HandlerError) -> ExitCode {
    complain(error);
    ExitCode::from(error.exit_code())
}

/// The name of this host, as far as a test message needs one.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim_end().to_owned()
}

fn complain(line: &dyn Display) {
    program::complain(NAME, line);
}

#[allow(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the clock"
)]
fn clock() -> SystemTime {
    SystemTime::now()
}

#[allow(
    clippy::disallowed_methods,
    reason = "a pause between two tries is a time, there is no event to wait for"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
