//! The node on which it runs, in a terminal, as its agent sees it.

pub mod cli;
mod screen;

use cli::Arguments;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use screen::{Screen, Scroll};
use signal_hook::consts::{SIGHUP, SIGTERM};
use signal_hook::iterator::Signals;
use std::env;
use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;
use venus_agent::status::{Node, Running};

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

/// Shows it until somebody wants it to end; the error says why it cannot be shown.
pub fn run(arguments: &Arguments) -> Result<(), String> {
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
