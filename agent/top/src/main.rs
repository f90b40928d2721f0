//! `venus-top`: the node on which it runs, in a terminal, as its agent sees it.

mod screen;

use clap::{Arg, ArgAction, Command};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use screen::{Screen, Scroll};
use signal_hook::consts::{SIGHUP, SIGTERM};
use signal_hook::iterator::Signals;
use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;
use venus_agent::status::{Node, Running};
use venus_settings::Sources;

/// What was asked for on the command line.
#[derive(Debug)]
struct Arguments {
    sources: Sources,
    interval: Duration,
}

/// What happens while the node is shown.
#[derive(Debug)]
enum Happening {
    /// A key, or another size.
    Terminal(Event),
    /// What the agent says, or why it does not.
    Answer(Result<Node, String>),
    /// A signal to end, or there is no terminal any more.
    End,
}

#[expect(clippy::print_stderr, reason = "there is no screen then")]
fn main() -> ExitCode {
    let arguments = match Arguments::parse(env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() => {
            let text = error.render().to_string();
            let wrong = text.split("\n\n").next().unwrap_or_default();
            let wrong = wrong.strip_prefix("error: ").unwrap_or(wrong);
            let words: Vec<&str> = wrong.split_whitespace().collect();
            eprintln!("venus-top: {}; see venus-top --help", words.join(" "));
            return ExitCode::from(2);
        }
        Err(help_or_version) => {
            // What cannot be printed has no reader.
            drop(help_or_version.print());
            return ExitCode::SUCCESS;
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("venus-top: {why}");
            ExitCode::from(2)
        }
    }
}

impl Arguments {
    /// Reads the command line; the error is help, version, or what is wrong.
    fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let matches = command().try_get_matches_from(arguments)?;
        let dirs = matches.get_many::<PathBuf>("config_dir").into_iter();
        let seconds = matches.get_one::<u64>("interval").copied().unwrap_or(2);
        Ok(Self {
            sources: Sources {
                file: matches.get_one("config").cloned(),
                dirs: dirs.flatten().cloned().collect(),
            },
            interval: Duration::from_secs(seconds),
        })
    }
}

fn command() -> Command {
    let path = |name: &'static str, short: char| {
        Arg::new(name)
            .short(short)
            .long(name)
            .value_parser(clap::value_parser!(PathBuf))
    };
    Command::new("venus-top")
        .version(env!("CARGO_PKG_VERSION"))
        .about("This node in a terminal, as its venus-agent sees it: the last hour, and each check, the worst first.")
        .disable_version_flag(true)
        .arg(path("config", 'c').value_name("FILE").help(
            "The agent's settings file [default: /etc/sensu/config.json, if it exists]",
        ))
        .arg(
            path("config_dir", 'd')
                .value_name("DIR[,DIR]")
                .value_delimiter(',')
                .action(ArgAction::Append)
                .help("Its directories of settings [default: /etc/sensu/conf.d, if it exists]"),
        )
        .arg(
            Arg::new("interval")
                .short('i')
                .long("interval")
                .value_name("SECONDS")
                .value_parser(clap::value_parser!(u64).range(1..=3600))
                .help("How often to ask the agent, 1 to 3600 [default: 2]"),
        )
        .arg(
            Arg::new("version")
                .short('V')
                .long("version")
                .action(ArgAction::Version)
                .help("Print the version and exit"),
        )
        .after_help(
            "Keys: arrows, j, k, page up, page down, Home and End scroll; q, Esc or Ctrl-C ends.\n\
             NO_COLOR=1 in the environment shows it without colours.\n\n\
             Exit status: 0 ended as asked, 2 bad arguments or settings, no terminal, no agent at the start.",
        )
}

fn run(arguments: &Arguments) -> Result<(), String> {
    if !io::stdout().is_terminal() {
        return Err(
            "standard output is no terminal; `venus-agent status` prints the same once".to_owned(),
        );
    }
    let environment = env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let agent = Running::find(&arguments.sources, &environment)?;
    let mut screen = Screen::new(agent.ask()?);
    let signals = Signals::new([SIGHUP, SIGTERM]).map_err(|error| error.to_string())?;
    let (sender, happenings) = mpsc::channel();
    watch(agent, arguments.interval, signals, &sender);
    let mut terminal = ratatui::try_init().map_err(|error| error.to_string())?;
    let shown = show(&mut terminal, &mut screen, &happenings);
    // A terminal that is gone cannot be put back.
    let restored = ratatui::try_restore();
    shown.and(restored).map_err(|error| error.to_string())
}

/// Tells whatever happens, from threads that wait for it.
fn watch(agent: Running, interval: Duration, mut signals: Signals, sender: &Sender<Happening>) {
    let answers = sender.clone();
    thread::spawn(move || {
        loop {
            #[expect(clippy::disallowed_methods, reason = "so often it is asked")]
            thread::sleep(interval);
            if answers.send(Happening::Answer(agent.ask())).is_err() {
                return;
            }
        }
    });
    let keys = sender.clone();
    thread::spawn(move || {
        while let Ok(event) = event::read() {
            if keys.send(Happening::Terminal(event)).is_err() {
                return;
            }
        }
        // Where nobody takes it, it has ended.
        keys.send(Happening::End).unwrap_or_default();
    });
    let ends = sender.clone();
    thread::spawn(move || {
        for _ in signals.forever() {
            if ends.send(Happening::End).is_err() {
                return;
            }
        }
    });
}

/// Until somebody wants it to end.
fn show(
    terminal: &mut DefaultTerminal,
    screen: &mut Screen,
    happenings: &Receiver<Happening>,
) -> io::Result<()> {
    loop {
        terminal.draw(|frame| screen.draw(frame))?;
        // There is a sender as long as there are threads.
        match happenings.recv().unwrap_or(Happening::End) {
            Happening::Answer(answer) => screen.take(answer),
            Happening::Terminal(Event::Key(key)) if key.kind == KeyEventKind::Press => {
                let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
                match key.code {
                    KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                    KeyCode::Char('c') if is_control => return Ok(()),
                    KeyCode::Up | KeyCode::Char('k') => screen.scroll(Scroll::Lines(-1)),
                    KeyCode::Down | KeyCode::Char('j') => screen.scroll(Scroll::Lines(1)),
                    KeyCode::PageUp => screen.scroll(Scroll::Pages(-1)),
                    KeyCode::PageDown | KeyCode::Char(' ') => screen.scroll(Scroll::Pages(1)),
                    KeyCode::Home | KeyCode::Char('g') => screen.scroll(Scroll::First),
                    KeyCode::End | KeyCode::Char('G') => screen.scroll(Scroll::Last),
                    _ => {}
                }
            }
            // Another size: it is drawn anew.
            Happening::Terminal(_) => {}
            Happening::End => return Ok(()),
        }
    }
}
