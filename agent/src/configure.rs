//! From the command line to valid settings and an open log, or to an exit code.

use crate::cli::Arguments;
use crate::host;
use crate::log::{Format, Level, Log};
use crate::settings::typos::{self, Typo};
use crate::settings::{Environment, Settings, Transport, client, load};
use serde_json::{Value, json};
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use venus_collectors::graphite::Scheme;
use venus_event::redact;

/// Settings or arguments that are wrong; Sensu's own exit code for it.
const INVALID: u8 = 2;

/// Reads the settings and opens the log.
///
/// The error is the exit code where there is nothing to run: the settings are
/// wrong (what is wrong was logged), or were only to be shown or checked.
pub(crate) fn configure(
    arguments: &Arguments,
    environment: &Environment,
) -> Result<(Settings, Log), ExitCode> {
    let stderr = || Log::stderr(arguments.level, format());
    let (merged, files) =
        load::load(&arguments.sources, environment, &host::discover()).map_err(|error| {
            stderr().fatal(&error.to_string(), Value::Null);
            not_running(&stderr())
        })?;
    let secrets = client::redact_keys(&merged);
    let typos = typos::find(&merged);
    let settings = Settings::compile(merged).map_err(|problems| {
        let log = stderr();
        log.redact(&secrets);
        log.fatal("invalid settings", json!({ "problems": problems.len() }));
        for problem in problems {
            log.fatal(&problem.message, json!({ "object": problem.object }));
        }
        warn_of(&typos, &log);
        not_running(&log)
    })?;
    if arguments.print_config {
        let shown = Value::Object(redact::shown(&settings.merged, &settings.client.redact));
        return Err(print(&format!("{shown:#}\n")));
    }
    if arguments.validate_config {
        let log = stderr();
        log.redact(&settings.client.redact);
        warn_of(&typos, &log);
        for (message, data) in warnings(arguments, &settings) {
            log.warn(message, data);
        }
        log.info("configuration is valid", json!({ "files": files }));
        return Err(ExitCode::SUCCESS);
    }
    let log = open_log(arguments, &settings)?;
    log.redact(&settings.client.redact);
    for file in files {
        log.info("settings file read", json!({ "file": file }));
    }
    warn_of(&typos, &log);
    for (message, data) in warnings(arguments, &settings) {
        log.warn(message, data);
    }
    Ok((settings, log))
}

fn warn_of(typos: &[Typo], log: &Log) {
    for typo in typos {
        let message = "an attribute looks misspelt, it is taken as one of your own";
        log.warn(message, typo.data());
    }
}

fn not_running(log: &Log) -> ExitCode {
    log.fatal("VENUS AGENT NOT RUNNING!", Value::Null);
    ExitCode::from(INVALID)
}

/// Words for a person at a terminal, JSON for everything else.
fn format() -> Format {
    if io::stderr().is_terminal() {
        Format::Words {
            colours: std::env::var_os("NO_COLOR").is_none(),
        }
    } else {
        Format::Json
    }
}

/// Where sensu-client logs, unless standard output is for metrics.
fn open_log(arguments: &Arguments, settings: &Settings) -> Result<Log, ExitCode> {
    match &arguments.log_file {
        Some(path) => Log::file(arguments.level, path).map_err(|error| {
            let log = Log::stderr(arguments.level, format());
            let message = format!("cannot write the log file {}: {error}", path.display());
            log.fatal(&message, Value::Null);
            not_running(&log)
        }),
        None if settings.transport == Transport::Embedded => {
            Ok(Log::stderr(arguments.level, format()))
        }
        None => Ok(Log::stdout(arguments.level)),
    }
}

/// What is in the settings, but not in this version.
fn warnings(arguments: &Arguments, settings: &Settings) -> Vec<(&'static str, Value)> {
    let mut warnings = Vec::new();
    if let Some(dir) = &arguments.extension_dir {
        let data = json!({ "extension_dir": dir });
        warnings.push(("Ruby extensions are not run", data));
    }
    let scheme = settings.venus.scheme.as_deref().map(Scheme::new);
    if let Some(Err(error)) = scheme {
        let data = json!({ "scheme": settings.venus.scheme, "error": error.to_string() });
        warnings.push(("a character of venus.scheme becomes _", data));
    }
    warnings
}

/// Prints to standard output; a reader that went away is no error.
fn print(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let log = Log::stderr(Level::Info, format());
            log.fatal(
                &format!("cannot write to standard output: {error}"),
                Value::Null,
            );
            ExitCode::from(INVALID)
        }
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}
