//! SLURM, by its own commands: `scontrol`, `sinfo` and `squeue`.
//!
//! They are asked with fixed formats, which all versions since 15.08 have; `--json` came with 20.11,
//! needs plugins, and is laid out anew by each version. Between two fields is what no name has
//! (`\x1f`), at the end of a record `\x1e`: a reason may have blanks, bars and new lines.
//!
//! With a controller that is away, `sinfo` and its kin try again until `SlurmctldTimeout` is over;
//! `scontrol ping` says so at once. So [`Slurm::controllers`] is to be asked first.

mod controller;
mod daemon;
mod jobs;
mod nodes;
mod state;

use std::path::PathBuf;
use std::process::Command;

use clap::{Arg, ArgMatches, value_parser};

use crate::child::{self, ChildError, Said};
use crate::context::Context;
use crate::service::ServiceError;

pub use controller::{Controller, controllers_of};
pub use daemon::{Daemon, daemon_of, version_of};
pub use jobs::{Job, jobs_of};
pub use nodes::{
    Amounts, Cpus, Memory, Node, Nodes, Reason, amounts_of, memory_of, node_of, nodes_of,
};
pub use state::State;

/// Between two fields.
const FIELD: char = '\x1f';

/// At the end of a record, before its line ends.
const RECORD: char = '\x1e';

/// How much of an error is shown, in characters.
const SHOWN: usize = 200;

/// What an administrator may have set for sessions at the shell, and what would change the answers.
const UNWANTED: [&str; 27] = [
    "SINFO_ALL",
    "SINFO_FEDERATION",
    "SINFO_FORMAT",
    "SINFO_LOCAL",
    "SINFO_PARTITION",
    "SINFO_SORT",
    "SLURM_CLUSTERS",
    "SLURM_DEBUG_FLAGS",
    "SQUEUE_ACCOUNT",
    "SQUEUE_ALL",
    "SQUEUE_ARRAY",
    "SQUEUE_FEDERATION",
    "SQUEUE_FORMAT",
    "SQUEUE_FORMAT2",
    "SQUEUE_LICENSES",
    "SQUEUE_LOCAL",
    "SQUEUE_NAMES",
    "SQUEUE_PARTITION",
    "SQUEUE_PRIORITY",
    "SQUEUE_QOS",
    "SQUEUE_SIBLING",
    "SQUEUE_SORT",
    "SQUEUE_STATES",
    "SQUEUE_USERS",
    "SCONTROL_ALL",
    "SCONTROL_FEDERATION",
    "SCONTROL_LOCAL",
];

/// `--slurm-bin`.
#[must_use]
pub fn arguments() -> [Arg; 1] {
    [Arg::new("slurm-bin")
        .long("slurm-bin")
        .value_name("DIR")
        .value_parser(value_parser!(PathBuf))
        .help("Where scontrol, sinfo and squeue are [default: on the PATH]")]
}

/// SLURM's commands, for the cluster that `SLURM_CONF` means, or else this host's.
#[derive(Debug)]
pub struct Slurm {
    bin: Option<PathBuf>,
}

impl Slurm {
    /// Those that the arguments mean.
    #[must_use]
    pub fn of(matches: &ArgMatches) -> Self {
        Self {
            bin: matches.get_one::<PathBuf>("slurm-bin").cloned(),
        }
    }

    /// Every controller, or [`ServiceError::Away`] where none answers.
    pub fn controllers(&self, context: &Context) -> Result<Vec<Controller>, ServiceError> {
        let mut command = self.command("scontrol");
        // It fails if none answers.
        let said = ask(command.arg("ping"), context)?;
        let controllers = controllers_of(&text(&said.printed));
        if controllers.is_empty() {
            return Err(unclear(&command, &said));
        }
        if controllers.iter().any(|one| one.up) {
            return Ok(controllers);
        }
        // Whoever cannot prove who he is gets no answer.
        if said.complained.contains("authentication") {
            return Err(unclear(&command, &said));
        }
        let all: Vec<String> = controllers.iter().map(ToString::to_string).collect();
        Err(ServiceError::Away(format!(
            "no controller answers: {}",
            all.join(", ")
        )))
    }

    /// The controller's version.
    pub fn version(&self, context: &Context) -> Result<String, ServiceError> {
        let printed = self.printed("scontrol", &["show", "config"], context)?;
        let lacking = || misunderstood("scontrol show config", "it has no SLURM_VERSION");
        version_of(&printed).map(str::to_owned).ok_or_else(lacking)
    }

    /// The nodes of all partitions, those of a state together.
    pub fn nodes(&self, context: &Context) -> Result<Vec<Nodes>, ServiceError> {
        let format = format_of(&["%R", "%a", "%T", "%N", "%E"]);
        let printed = self.printed("sinfo", &["-a", "-h", "-o", &format], context)?;
        nodes_of(&printed).map_err(|why| misunderstood("sinfo", why))
    }

    /// How many nodes and processors there are by partition and state.
    pub fn amounts_by_partition(&self, context: &Context) -> Result<Vec<Amounts>, ServiceError> {
        self.amounts("%R", context)
    }

    /// The same of the whole cluster: a node in two partitions counts once. The partition is empty.
    pub fn amounts_of_all(&self, context: &Context) -> Result<Vec<Amounts>, ServiceError> {
        self.amounts("", context)
    }

    fn amounts(&self, partition: &str, context: &Context) -> Result<Vec<Amounts>, ServiceError> {
        let format = format_of(&["%D", "%T", "%C", partition]);
        let printed = self.printed("sinfo", &["-a", "-h", "-o", &format], context)?;
        amounts_of(&printed).map_err(|why| misunderstood("sinfo", why))
    }

    /// The memory of all nodes together.
    pub fn memory(&self, context: &Context) -> Result<Memory, ServiceError> {
        let printed = self.printed("scontrol", &["-a", "show", "node"], context)?;
        memory_of(&printed).map_err(|why| misunderstood("scontrol show node", why))
    }

    /// One node, or none if SLURM does not know it. Unlike `sinfo`, this has the controller pack
    /// that one alone.
    pub fn node(&self, name: &str, context: &Context) -> Result<Option<Node>, ServiceError> {
        let mut command = self.command("scontrol");
        let said = ask(command.args(["show", "node", name]), context)?;
        let printed = text(&said.printed);
        if !said.status.success() {
            let not_found = format!("Node {name} not found");
            if printed.contains(&not_found) || said.complained.contains(&not_found) {
                return Ok(None);
            }
            return Err(unclear(&command, &said));
        }
        let node = node_of(&printed).map_err(|why| misunderstood("scontrol show node", why))?;
        Ok(Some(node))
    }

    /// All jobs that are not over.
    pub fn jobs(&self, context: &Context) -> Result<Vec<Job>, ServiceError> {
        let format = format_of(&["%i", "%P", "%T", "%u", "%V", "%e", "%r"]);
        let printed = self.printed("squeue", &["-a", "-h", "-o", &format], context)?;
        jobs_of(&printed).map_err(|why| misunderstood("squeue", why))
    }

    /// What the `slurmd` of this host says of itself; of several on one host, that of this node.
    pub fn daemon(&self, node: Option<&str>, context: &Context) -> Result<Daemon, ServiceError> {
        let mut command = self.command("scontrol");
        command.args(["show", "slurmd"]);
        if let Some(node) = node {
            command.env("SLURMD_NODENAME", node);
        }
        let said = ask(&mut command, context)?;
        if said.status.success() {
            let daemon = daemon_of(&text(&said.printed));
            let lacking = || misunderstood("scontrol show slurmd", "it has no version");
            return daemon.ok_or_else(lacking);
        }
        let error = unclear(&command, &said);
        match error {
            ServiceError::Unclear(what) if said.complained.contains("Connection refused") => {
                Err(ServiceError::Away(what))
            }
            other => Err(other),
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = match &self.bin {
            Some(bin) => Command::new(bin.join(program)),
            None => Command::new(program),
        };
        for name in UNWANTED {
            command.env_remove(name);
        }
        // Seconds since the epoch instead of local time.
        command.env("SLURM_TIME_FORMAT", "%s");
        command
    }

    /// What a command prints that succeeds.
    fn printed(
        &self,
        program: &str,
        args: &[&str],
        context: &Context,
    ) -> Result<String, ServiceError> {
        let mut command = self.command(program);
        let said = ask(command.args(args), context)?;
        if said.status.success() {
            Ok(text(&said.printed))
        } else {
            Err(unclear(&command, &said))
        }
    }
}

fn ask(command: &mut Command, context: &Context) -> Result<Said, ServiceError> {
    child::run(command, context).map_err(|error| {
        let advice = match &error {
            ChildError::Start { error, .. } if error.kind() == std::io::ErrorKind::NotFound => {
                "; is SLURM installed here? If it is, say where with --slurm-bin"
            }
            ChildError::Slow { .. } => {
                "; is slurmctld busy, as sdiag says? If it only needs longer, give that by --timeout"
            }
            _ => "",
        };
        ServiceError::Unclear(format!("{error}{advice}"))
    })
}

/// It failed, and this is why.
fn unclear(command: &Command, said: &Said) -> ServiceError {
    let program = command.get_program().to_string_lossy();
    let why = match why(&said.complained) {
        "" => format!("{}, and it does not say why", said.status),
        why => why.chars().take(SHOWN).collect(),
    };
    ServiceError::Unclear(format!("cannot ask {program}: {why}"))
}

/// The line that tells most of what a command complained of: the last, but where munge is the
/// matter, that.
fn why(complained: &str) -> &str {
    let mut lines = complained.lines().map(str::trim);
    let munge = lines.clone().find(|line| line.contains("Munge"));
    let last = lines.rfind(|line| !line.is_empty());
    let line = munge.or(last).unwrap_or_default();
    // `scontrol: error: `
    let marks = [": error: ", ": fatal: "];
    let after = marks.iter().find_map(|mark| line.split_once(mark));
    after.map_or(line, |(_, after)| after)
}

fn misunderstood(command: &str, why: impl std::fmt::Display) -> ServiceError {
    ServiceError::Unclear(format!(
        "{command} answers what cannot be understood: {why}"
    ))
}

fn text(printed: &[u8]) -> String {
    String::from_utf8_lossy(printed).into_owned()
}

fn format_of(fields: &[&str]) -> String {
    format!("{}{RECORD}", fields.join(&FIELD.to_string()))
}

/// An answer that has not the form that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misunderstood {
    /// A record with too few fields, which begins so, or one that does not end.
    #[error("\"{0}\" is no record")]
    Record(String),
    /// A field that is no number.
    #[error("\"{0}\" is no {1}")]
    Field(String, &'static str),
    /// A list of nodes.
    #[error("of the nodes \"{0}\", {1}")]
    Hosts(String, venus_hostlist::HostlistError),
    /// It would take too much memory.
    #[error("its partitions have more than {} nodes together", nodes::MOST)]
    Many,
    /// Something that has to be there.
    #[error("it has no {0}")]
    Lacks(&'static str),
}

impl Misunderstood {
    fn field(text: &str, what: &'static str) -> Self {
        Self::Field(beginning(text), what)
    }
}

fn beginning(text: &str) -> String {
    text.trim().chars().take(SHOWN).collect()
}

/// The records of an answer, each of so many fields. The last of them may have anything in it.
fn records<const FIELDS: usize>(
    printed: &str,
) -> impl Iterator<Item = Result<[&str; FIELDS], Misunderstood>> {
    let mut parts = printed.split(RECORD).peekable();
    std::iter::from_fn(move || {
        let part = parts.next()?;
        let record = part.strip_prefix('\n').unwrap_or(part);
        let is_end = parts.peek().is_none();
        if is_end && record.trim().is_empty() {
            return None;
        }
        let fields: Vec<&str> = record.splitn(FIELDS, FIELD).collect();
        let fields = fields.try_into().ok().filter(|_| !is_end);
        Some(fields.ok_or_else(|| Misunderstood::Record(beginning(record))))
    })
}

/// Seconds since the epoch, where there are any: not `N/A`, `Unknown` and `NONE`.
fn time(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_record_ends_where_it_says() {
        let good = "a\x1fb | c\nd\x1fe\x1e\n\x1f\x1e\n";
        let got: Result<Vec<[&str; 2]>, _> = records(good).collect();
        assert_eq!(got.unwrap(), [["a", "b | c\nd\x1fe"], ["", ""]]);
        assert_eq!(records::<2>("").count(), 0);
        for bad in ["a", "a\x1fb\n", "a\x1e\n", "a\x1fb\x1e\nc"] {
            let got: Result<Vec<[&str; 2]>, _> = records(bad).collect();
            assert!(got.is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_line_that_tells_most() {
        for (said, line) in [
            ("", ""),
            (
                "slurm_load_partitions: Unable to contact slurm controller (connect failure)\n",
                "slurm_load_partitions: Unable to contact slurm controller (connect failure)",
            ),
            (
                "scontrol: error: fetch_config: DNS SRV lookup failed\nscontrol: fatal: Could not establish a configuration source\n\n",
                "Could not establish a configuration source",
            ),
            (
                "sinfo: error: If munged is up, restart with --num-threads=10\nsinfo: error: Munge encode failed: x\nsinfo: error: y\n",
                "Munge encode failed: x",
            ),
        ] {
            assert_eq!(why(said), line);
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_said_breaks_it(said in "[a-z0-9=@\\[\\]/%+*.,:()\\x1f\\x1e\\n ]{0,80}|.{0,80}") {
            drop(nodes_of(&said));
            drop(amounts_of(&said));
            drop(memory_of(&said));
            drop(node_of(&said));
            drop(jobs_of(&said));
            drop(daemon_of(&said));
            prop_assert!(version_of(&said).is_none_or(|version| said.contains(version)));
            drop(controllers_of(&said));
            drop(State::of(&said));
        }
    }
}
