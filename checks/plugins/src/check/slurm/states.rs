//! Which states of a node are how bad.

use clap::{Arg, ArgAction, ArgMatches};

use crate::service::slurm::State;
use crate::status::Status;

/// It works, waits for work, or is switched off to save power.
const OK: [&str; 16] = [
    "allocated",
    "blocked",
    "cloud",
    "completing",
    "dynamic_future",
    "dynamic_norm",
    "idle",
    "mixed",
    "perfctrs",
    "planned",
    "power_down",
    "powered_down",
    "powering_down",
    "powering_up",
    "reserved",
    "reboot_canceled",
];

/// Somebody has taken it out of use, or it is not there yet.
const WARNING: [&str; 9] = [
    "drained",
    "draining",
    "future",
    "maint",
    "reboot_issued",
    "reboot_requested",
    "unknown",
    "undrain",
    "resume",
];

/// It is broken.
const CRITICAL: [&str; 6] = [
    "down",
    "error",
    "fail",
    "failing",
    "inval",
    "not_responding",
];

/// Which states are how bad, as the arguments have it.
pub(super) struct States {
    given: Vec<(State, Status)>,
}

pub(super) fn arguments() -> [Arg; 3] {
    let argument = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("STATES")
            .action(ArgAction::Append)
            .value_delimiter(',')
            .help(help)
    };
    [
        argument(
            "ok-states",
            "States that are fine, beside idle, allocated and the like",
        ),
        argument(
            "warning-states",
            "States worth a warning, beside drained, maint and the like",
        ),
        argument(
            "critical-states",
            "Critical states, beside down, fail and not_responding",
        ),
    ]
}

impl States {
    pub(super) fn given(matches: &ArgMatches) -> Self {
        // Where one is given twice, the worst counts, which comes first.
        let given = [
            ("critical-states", Status::Critical),
            ("warning-states", Status::Warning),
            ("ok-states", Status::Ok),
        ];
        let given = given.into_iter().flat_map(|(name, status)| {
            let states = matches.get_many::<String>(name).unwrap_or_default();
            states.map(move |state| (State::of(state), status))
        });
        Self {
            given: given.collect(),
        }
    }

    /// The worst of what a state's words mean. One that is not known is [`Status::Unknown`].
    pub(super) fn judge(&self, state: &State) -> Status {
        let given = self.given.iter();
        if let Some((_, status)) = given.clone().find(|(given, _)| given == state) {
            return *status;
        }
        let judge = |word: &str| {
            let mut given = given.clone();
            let found = given.find(|(state, _)| state.words().eq([word]));
            match found {
                Some((_, status)) => *status,
                None if OK.contains(&word) => Status::Ok,
                None if WARNING.contains(&word) => Status::Warning,
                None if CRITICAL.contains(&word) => Status::Critical,
                None => Status::Unknown,
            }
        };
        let words = state.words().map(judge);
        words.fold(Status::Ok, Status::worst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Command;

    fn judge(args: &[&str], state: &str) -> Status {
        let command = Command::new("x").args(arguments());
        let matches = command.get_matches_from([&["x"], args].concat());
        States::given(&matches).judge(&State::of(state))
    }

    #[test]
    fn the_worst_word_counts_unless_something_else_is_given() {
        use Status::{Critical, Ok, Unknown, Warning};
        for (args, state, status) in [
            (&[][..], "idle", Ok),
            (&[], "allocated+", Ok),
            (&[], "mixed-", Ok),
            (&[], "idle~", Ok),
            (&[], "drained", Warning),
            (&[], "idle@", Warning),
            (&[], "idle*", Critical),
            (&[], "drained*", Critical),
            (&[], "down", Critical),
            (&[], "made_up", Unknown),
            (&[], "made_up*", Critical),
            (&["--ok-states", "drain,maint"], "drained", Ok),
            (&["--ok-states", "drained"], "drained*", Critical),
            (&["--ok-states", "drained*"], "drained*", Ok),
            (&["--ok-states", "drained*"], "drained", Warning),
            (
                &["--warning-states", "down", "--warning-states=fail"],
                "fail",
                Warning,
            ),
            (
                &["--critical-states", "drng", "--ok-states", "drng"],
                "MIXED+DRAIN",
                Critical,
            ),
        ] {
            assert_eq!(judge(args, state), status, "{args:?} {state}");
        }
    }
}
