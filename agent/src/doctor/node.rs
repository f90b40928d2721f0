//! This node: who it is, what it runs, its sockets, devices and programs.

use super::report::Report;
use super::spool::may_be_made;
use crate::check::{ChildEnvironment, Collectors, builtin_checks, is_extension, substituted};
use crate::clock;
use crate::local::Peers;
use crate::schedule::Recurrence;
use crate::settings::client::{Socket, UnixSocket, is_shared};
use crate::settings::handler::Kind;
use crate::settings::{Check, Environment, Invocation, Settings};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use tokio::time::timeout;
use venus_collectors::registry;

/// How long whoever listens at a port of ours may take to say who it is.
const ANSWER: Duration = Duration::from_secs(2);
/// How many bytes of its answer are read.
const LONGEST: u64 = 64 << 10;

pub(super) async fn examine(settings: &Settings, environment: &Environment, report: &mut Report) {
    let client = &settings.client;
    match client.lookup("address").and_then(Value::as_str) {
        Some(address) => report.ok("client", format!("{}, {address}", client.name)),
        None => report.warn(
            "client",
            format!("{} has no address; see client.address", client.name),
        ),
    }
    let builtin = builtin_checks(settings);
    subscriptions(settings, &builtin, report);
    let children = ChildEnvironment::of(environment);
    let path = children.path();
    for check in &settings.checks {
        examine_check(check, settings, path, report);
    }
    for handler in &settings.handlers {
        if let Kind::Pipe(command) = &handler.kind {
            report_program("handlers", &handler.name, program(command, path), report);
        }
    }
    for mutator in &settings.mutators {
        let found = program(&mutator.command, path);
        report_program("mutators", &mutator.name, found, report);
    }
    sockets(settings, report).await;
    collectors(settings, report);
}

/// What each subscription will receive.
fn subscriptions(settings: &Settings, builtin: &[Check], report: &mut Report) {
    for name in &settings.client.subscriptions {
        let receives = if is_shared(name) {
            "requests that one of its clients takes"
        } else if name.starts_with("client:") {
            "requests to this client alone"
        } else {
            "requests that each of its clients takes"
        };
        let mut what = format!("{name}: {receives}");
        let of_it = builtin.iter().filter(|check| {
            let extension = check.definition.get("extension").and_then(Value::as_str);
            let spec = extension.and_then(registry::find);
            let builtin = spec.and_then(|spec| spec.builtin);
            builtin.is_some_and(|builtin| builtin.subscription == name)
        });
        let names: Vec<&str> = of_it.map(|check| check.name.as_str()).collect();
        if !names.is_empty() {
            what.push_str(&format!("; built in: {}", names.join(", ")));
        }
        report.ok("subscriptions", what);
    }
}

/// When a check runs, and whether it can.
fn examine_check(check: &Check, settings: &Settings, path: &OsStr, report: &mut Report) {
    const AREA: &str = "checks";
    let name = &check.name;
    let (definition, unmatched) = substituted(&check.definition, &settings.client);
    if let Some(unmatched) = unmatched {
        return report.fail(
            AREA,
            format!("{name}: {unmatched}; see client in the settings"),
        );
    }
    let when = match &check.recurrence {
        Some(Recurrence::Every(interval)) => {
            format!("every {}", humantime::format_duration(*interval))
        }
        Some(Recurrence::Cron(_)) => {
            let cron = definition.get("cron").and_then(Value::as_str);
            format!("at {}", cron.unwrap_or_default())
        }
        None => "when the server asks".to_owned(),
    };
    let name = format!("{name} ({when})");
    let command = definition.get("command").and_then(Invocation::of);
    let extension = definition.get("extension").and_then(Value::as_str);
    match (command, extension) {
        (Some(command), _) => report_program(AREA, &name, program(&command, path), report),
        (None, Some(extension)) if !is_extension(extension) => {
            let what = "venus-agent has no such check extension, and runs none written in Ruby";
            report.fail(AREA, format!("{name}: {extension}: {what}"));
        }
        (None, extension) => {
            let extension = extension.unwrap_or_default();
            report.ok(AREA, format!("{name}: {extension}, built in"));
        }
    }
}

/// The program that a command begins with.
enum Program {
    /// Where it is found.
    Found(String),
    Missing(String),
    /// The command begins with something that only a shell can tell.
    Unknown,
}

fn program(command: &Invocation, path: &OsStr) -> Program {
    let line = match command {
        Invocation::Shell(line) => line,
        Invocation::Program(program, _) => return find(program, path),
    };
    let assigned = |word: &&str| {
        let parts = word.split_once('=');
        parts.is_some_and(|(name, value)| is_plain(name) && (value.is_empty() || is_plain(value)))
    };
    let mut words = line.split_whitespace().skip_while(assigned);
    let Some(word) = words.next().filter(|word| is_plain(word)) else {
        return Program::Unknown;
    };
    find(word, path)
}

/// A program where commands are looked for.
fn find(word: &str, path: &OsStr) -> Program {
    let asked = Command::new("/bin/sh")
        .args(["-c", "command -v -- \"$1\"", "sh", word])
        .env("PATH", path)
        .stdin(Stdio::null())
        .output();
    match asked {
        Ok(output) if output.status.success() => {
            let found = String::from_utf8_lossy(&output.stdout);
            Program::Found(found.trim().to_owned())
        }
        Ok(_) => Program::Missing(word.to_owned()),
        Err(_) => Program::Unknown,
    }
}

/// Whether a shell takes a word as it stands.
fn is_plain(word: &str) -> bool {
    let plain = |char: char| char.is_alphanumeric() || "_./-+".contains(char);
    !word.is_empty() && word.chars().all(plain)
}

fn report_program(area: &str, name: &str, program: Program, report: &mut Report) {
    match program {
        Program::Found(program) => report.ok(area, format!("{name}: {program}")),
        Program::Missing(program) => {
            let advice = "install it, or give its path in the command";
            report.fail(area, format!("{name}: {program} is not found: {advice}"));
        }
        Program::Unknown => report.ok(area, format!("{name}: a shell command")),
    }
}

async fn sockets(settings: &Settings, report: &mut Report) {
    let client = &settings.client;
    let socket = &client.socket;
    if socket.enabled {
        let address = (socket.bind.as_str(), socket.port);
        let tcp = TcpListener::bind(address).await.map(drop);
        report_socket("TCP", socket, "client.socket", tcp, report).await;
        let udp = UdpSocket::bind(address).await.map(drop);
        report_socket("UDP", socket, "client.socket", udp, report).await;
    }
    if let Some(socket) = &client.unix_socket {
        unix_socket(socket, report).await;
    }
    let socket = &client.http_socket.socket;
    if socket.enabled {
        let bound = TcpListener::bind((socket.bind.as_str(), socket.port)).await;
        let bound = bound.map(drop);
        report_socket("HTTP", socket, "client.http_socket", bound, report).await;
    }
}

async fn report_socket(
    protocol: &str,
    socket: &Socket,
    settings: &str,
    bound: io::Result<()>,
    report: &mut Report,
) {
    const AREA: &str = "sockets";
    let address = format!("{protocol} {}", socket.address());
    match bound {
        Ok(()) => report.ok(AREA, format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_sensu(protocol, socket).await => {
            report.ok(AREA, format!("{address} is taken, by a Sensu client"));
        }
        Err(error) => {
            let what = format!("{address}: {error}: see {settings} in the settings");
            report.fail(AREA, what);
        }
    }
}

/// Nothing is made or removed: an agent replaces a file that nobody listens at.
async fn unix_socket(socket: &UnixSocket, report: &mut Report) {
    const AREA: &str = "sockets";
    let path = socket.path.display();
    let (_, unknown) = Peers::find(&socket.users, &socket.groups);
    for why in unknown {
        report.fail(
            AREA,
            format!("{path}: {why}: see client.unix_socket in the settings"),
        );
    }
    let ask = async { ask(UnixStream::connect(&socket.path).await?, "ping").await };
    match timeout(ANSWER, ask).await {
        Ok(Ok(answer)) if answer == "pong" || answer == "forbidden" => {
            report.ok(AREA, format!("{path} is taken, by a Sensu client"));
        }
        Ok(Err(error))
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::ConnectionRefused
            ) =>
        {
            // An agent makes the folder itself.
            match may_be_made(socket.path.parent().unwrap_or(&socket.path)) {
                Err((place, error)) => {
                    let what = format!("{path}: {}: {}", place.display(), error.desc());
                    let unit = if socket.path.starts_with("/run/venus") {
                        " (RuntimeDirectory=venus in its unit)"
                    } else {
                        ""
                    };
                    let to_do = format!("give the agent's user a folder there{unit}");
                    report.fail(AREA, format!("{what}: {to_do}"));
                }
                Ok(()) => report.ok(AREA, format!("{path} is free")),
            }
        }
        Ok(Err(error)) => report.fail(AREA, format!("{path}: {error}")),
        Ok(Ok(_)) | Err(_) => report.fail(AREA, format!("{path} is taken, by another program")),
    }
}

/// Whether a client answers there: with `pong`, or over HTTP with its name.
async fn is_sensu(protocol: &str, socket: &Socket) -> bool {
    let (request, answers) = if protocol == "HTTP" {
        ("GET /info HTTP/1.0\r\n\r\n", ["\"sensu\"", "Basic realm="])
    } else {
        ("ping", ["pong", "pong"])
    };
    let ask = async {
        let stream = TcpStream::connect((socket.bind.as_str(), socket.port)).await?;
        ask(stream, request).await
    };
    match timeout(ANSWER, ask).await {
        Ok(Ok(answer)) => answers.iter().any(|known| {
            let answer = answer.to_ascii_lowercase();
            answer.contains(&known.to_ascii_lowercase())
        }),
        Ok(Err(_)) | Err(_) => false,
    }
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> io::Result<String> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(LONGEST).read_to_string(&mut answer).await?;
    Ok(answer)
}

/// What each collector that a check uses, or one of our own, finds on this host.
fn collectors(settings: &Settings, report: &mut Report) {
    const AREA: &str = "collectors";
    let mut collectors = Collectors::new();
    let host = &settings.client.name;
    let is_named = |name: &str| {
        let mut checks = settings.checks.iter();
        let extension = json!(name);
        checks.any(|check| check.definition.get("extension") == Some(&extension))
    };
    let used = registry::all().iter();
    let used = used.filter(|spec| spec.builtin.is_some() || is_named(spec.name));
    for spec in used {
        let options = settings.venus.metrics.get(spec.name).cloned();
        let now = clock::epoch_seconds();
        let name = spec.name;
        let collected = collectors
            .take(spec, &options.unwrap_or_default(), host, &settings.venus)
            .and_then(|mut collector| collector.collect(now));
        match collected {
            Ok(collected) => {
                let count = collected.lines.lines().count();
                if count > 0 {
                    report.ok(AREA, format!("{name}: {count} metrics"));
                }
                for note in collected.notes {
                    let what = format!("{name}: {note}");
                    if count > 0 {
                        report.warn(AREA, what);
                    } else {
                        report.ok(AREA, what);
                    }
                }
            }
            Err(error) => report.fail(AREA, format!("{name}: {error}")),
        }
    }
}
