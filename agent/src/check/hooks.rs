//! Hooks: commands that run because of a check's status.

use super::command::{Groups, Limits, input, rounded, run_command};
use super::environment::Variables;
use super::tokens::Tokens;
use crate::clock;
use crate::settings::{Invocation, Settings};
use serde_json::{Value, json};
use std::time::Duration;
use venus_event::{Attributes, Severity};

/// Seconds that a hook may run unless it says otherwise.
const DEFAULT_TIMEOUT: f64 = 60.0;

/// Runs the hook of this status, if the check has one, and writes what came of
/// it into that hook of the check.
///
/// The command that is published stays the one with tokens in it.
pub(super) async fn run_hook(
    check: &mut Attributes,
    status: i64,
    settings: &Settings,
    variables: &Variables,
    groups: &Groups,
) {
    let Some(hooks) = check.get("hooks").and_then(Value::as_object) else {
        return;
    };
    let Some(name) = choose(hooks, status) else {
        return;
    };
    let Some(hook) = hooks.get(&name).and_then(Value::as_object) else {
        return;
    };
    let client = &settings.client;
    let mut tokens = Tokens::of(client);
    let command = tokens.substitute(hook.get("command").unwrap_or(&Value::Null));
    // One that a request has brought may be anything.
    let command = Invocation::of(&command).unwrap_or(Invocation::Shell(String::new()));
    let executed = clock::epoch_seconds();
    let mut done = Attributes::new();
    done.insert("executed".to_owned(), json!(executed));
    if let Some(unmatched) = tokens.unmatched() {
        done.insert("output".to_owned(), json!(unmatched));
        done.insert("status".to_owned(), json!(3));
    } else {
        let input = input(hook, client, check);
        let seconds = hook.get("timeout").and_then(Value::as_f64);
        let limits = Limits {
            time: Duration::try_from_secs_f64(seconds.unwrap_or(DEFAULT_TIMEOUT)).ok(),
            output: settings.venus.max_output,
            ends_with_agent: true,
        };
        let execution = run_command(&command, variables, input, limits, groups).await;
        done.insert("duration".to_owned(), rounded(execution.duration));
        done.insert("output".to_owned(), json!(execution.output));
        done.insert("status".to_owned(), json!(execution.status));
    }
    let hook = check
        .get_mut("hooks")
        .and_then(|hooks| hooks.get_mut(&name))
        .and_then(Value::as_object_mut);
    if let Some(hook) = hook {
        hook.extend(done);
    }
}

/// The first of: the status itself, its severity, `non-zero`.
fn choose(hooks: &Attributes, status: i64) -> Option<String> {
    let severity = Severity::of(status).to_string().to_lowercase();
    let mut names = vec![status.to_string(), severity];
    if status != 0 {
        names.push("non-zero".to_owned());
    }
    names.into_iter().find(|name| hooks.contains_key(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f6_the_status_goes_before_the_severity_before_non_zero() {
        let hooks = |names: &[&str]| {
            names
                .iter()
                .map(|name| ((*name).to_owned(), Value::Null))
                .collect::<Attributes>()
        };
        let all = hooks(&["non-zero", "critical", "2", "unknown"]);
        assert_eq!(choose(&all, 2).as_deref(), Some("2"));
        assert_eq!(choose(&all, 1).as_deref(), Some("non-zero"));
        assert_eq!(choose(&all, 127).as_deref(), Some("unknown"));
        assert_eq!(choose(&all, 0), None);
        assert_eq!(
            choose(&hooks(&["critical"]), 2).as_deref(),
            Some("critical")
        );
    }
}
