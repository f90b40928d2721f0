//! From the command line to valid settings and an open log, or to an exit code.

use crate::cli::{Arguments, Mode};
use crate::host;
use crate::log::{Format, Level, Log};
use crate::settings::typos::{self, Typo};
use crate::settings::{Environment, Settings, Transport, client, exposed, load};
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
    let stderr = Log::stderr(arguments.level, format());
    let Some(found) = read(arguments, environment, &stderr, Level::Fatal) else {
        return Err(not_running(&stderr));
    };
    let settings = &found.settings;
    match arguments.mode {
        Mode::Run | Mode::Once | Mode::Doctor { .. } | Mode::Status => {}
        Mode::ValidateConfig => {
            found.warn(&stderr);
            let data = json!({ "files": settings.files });
            stderr.info("configuration is valid", data);
            return Err(ExitCode::SUCCESS);
        }
        Mode::PrintConfig { secrets } => {
            let shown = if secrets {
                stderr.warn("what is printed holds secrets", Value::Null);
                settings.merged.clone()
            } else {
                redact::shown(&settings.merged, &settings.client.redact)
            };
            return Err(print(&format!("{:#}\n", Value::Object(shown)), 0));
        }
    }
    let log = open_log(arguments, settings)?;
    found.tell(arguments, &log);
    Ok((found.settings, log))
}

/// Reads the settings again; none if they are wrong, which was logged.
pub(crate) fn reconfigure(
    arguments: &Arguments,
    environment: &Environment,
    log: &Log,
) -> Option<Settings> {
    let found = read(arguments, environment, log, Level::Error)?;
    found.tell(arguments, log);
    Some(found.settings)
}

/// Valid settings, and what there is to say of them.
struct Found {
    settings: Settings,
    typos: Vec<Typo>,
}

/// Reads the settings, or logs at `level` what is wrong with them.
fn read(
    arguments: &Arguments,
    environment: &Environment,
    log: &Log,
    level: Level,
) -> Option<Found> {
    let (merged, files) = load::load(&arguments.sources, environment, &host::discover())
        .inspect_err(|error| log.write(level, &error.to_string(), Value::Null))
        .ok()?;
    log.redact(&client::redact_keys(&merged));
    let typos = typos::find(&merged);
    let settings = Settings::compile(merged, files).inspect_err(|problems| {
        let data = json!({ "problems": problems.len() });
        log.write(level, "invalid settings", data);
        for problem in problems {
            let data = json!({ "object": problem.object });
            log.write(level, &problem.message, data);
        }
        warn_of(&typos, log);
    });
    Some(Found {
        settings: settings.ok()?,
        typos,
    })
}

impl Found {
    fn warn(&self, log: &Log) {
        warn_of(&self.typos, log);
        let scheme = self.settings.venus.scheme.as_deref().map(Scheme::new);
        if let Some(Err(error)) = scheme {
            let scheme = &self.settings.venus.scheme;
            let data = json!({ "scheme": scheme, "error": error.to_string() });
            log.warn("a character of venus.scheme becomes _", data);
        }
    }

    fn tell(&self, arguments: &Arguments, log: &Log) {
        for file in &self.settings.files {
            log.info("settings file read", json!({ "file": file }));
        }
        self.warn(log);
        let Settings { files, client, .. } = &self.settings;
        for found in exposed::find(files, &client.redact, Some(&exposed::own_groups())) {
            let data = json!({ "file": found.file, "to_do": found.advice() });
            log.warn(&found.to_string(), data);
        }
        if let Some(dir) = &arguments.extension_dir {
            let data = json!({ "extension_dir": dir });
            log.warn("Ruby extensions are not run", data);
        }
    }
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

/// Prints to standard output and ends with this code; a reader that went away is no error.
pub(crate) fn print(text: &str, code: u8) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let log = Log::stderr(Level::Info, format());
            log.fatal(
                &format!("cannot write to standard output: {error}"),
                Value::Null,
            );
            ExitCode::from(INVALID)
        }
        Ok(()) | Err(_) => ExitCode::from(code),
    }
}
