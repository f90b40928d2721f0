//! How the agent that runs on this node says it is: `venus-agent status`, and who else asks.

mod running;

pub use running::{Check, Node, Running, Trend};

use crate::cli::Arguments;
use crate::configure::print;
use crate::settings::Environment;
use std::fmt::{self, Display};
use std::process::ExitCode;
use venus_event::Severity;
use venus_settings::program;

/// Prints it; the exit code is 0 where there is an agent, else 2.
pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> ExitCode {
    let running = Running::find(&arguments.sources, environment);
    match running.and_then(|running| running.ask()) {
        Ok(node) => print(&node.to_string(), 0),
        Err(why) => {
            program::complain("venus-agent status", &why);
            ExitCode::from(2)
        }
    }
}

impl Node {
    /// Who it is.
    #[must_use]
    pub fn identity(&self) -> String {
        let client = &self.client;
        let subscriptions = client.subscriptions.join(", ");
        format!("{}  {}  {subscriptions}", client.name, client.address)
    }

    /// What it sends its results by, and how many of them wait.
    #[must_use]
    pub fn connection(&self) -> String {
        let connection = match (self.transport.name.as_str(), self.transport.connected) {
            ("embedded", _) => "no broker is needed",
            (_, true) => "connected",
            (_, false) => "not connected, results are kept",
        };
        let waiting = self.waiting.memory + self.waiting.spool;
        let transport = &self.transport.name;
        format!("{transport}: {connection}; {waiting} results wait")
    }
}

/// A line for the node, one for its connection, and one for each check, the worst first.
impl Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", self.identity(), self.connection())?;
        let names = self.checks.iter().map(|check| check.name.chars().count());
        let width = names.max().unwrap_or(0);
        for check in &self.checks {
            let severity = Severity::of(check.status);
            let age = self.client.timestamp.saturating_sub(check.executed);
            let (name, output) = (&check.name, &check.output);
            writeln!(f, "{severity:8}  {name:width$}  {age:>6} s  {output}")?;
        }
        Ok(())
    }
}
