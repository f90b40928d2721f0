//! What `scontrol ping` says.

use std::fmt;

/// A controller, `slurmctld`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// `primary`, `backup`, `backup1`.
    pub role: String,
    /// Its host.
    pub host: String,
    /// Whether it answers.
    pub up: bool,
}

impl fmt::Display for Controller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is = if self.up { "up" } else { "down" };
        write!(formatter, "{} at {} is {is}", self.role, self.host)
    }
}

/// All that it tells of: a line each (`Slurmctld(primary) at a is UP`), or before 18.08 one for both
/// (`Slurmctld(primary/backup) at a/(NULL) are UP/DOWN`), where there may be no backup.
#[must_use]
pub fn controllers_of(printed: &str) -> Vec<Controller> {
    let lines = printed.lines().filter_map(|line| {
        let (roles, rest) = line
            .trim()
            .strip_prefix("Slurmctld(")?
            .split_once(") at ")?;
        let is = rest.rsplit_once(" is ");
        let (hosts, states) = is.or_else(|| rest.rsplit_once(" are "))?;
        let of = |text| split(text, roles.contains('/'));
        Some(of(roles).zip(of(hosts).zip(of(states))))
    });
    let all = lines
        .flatten()
        .filter(|(_, (host, _))| !host.eq_ignore_ascii_case("(null)"));
    all.map(|(role, (host, state))| Controller {
        role: role.to_owned(),
        host: host.to_owned(),
        up: state.trim() == "UP",
    })
    .collect()
}

/// Its parts, if it is of both.
fn split(text: &str, both: bool) -> impl Iterator<Item = &str> {
    text.split(move |character| both && character == '/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        for (printed, all) in [
            ("Slurmctld(primary) at vm is UP\n", "primary at vm is up"),
            (
                "Slurmctld(primary) at vm is DOWN\n*****\n** RESTORE SLURMCTLD DAEMON TO SERVICE **\n",
                "primary at vm is down",
            ),
            (
                "Slurmctld(primary) at a is DOWN\nSlurmctld(backup) at b is UP\n",
                "primary at a is down, backup at b is up",
            ),
            (
                "Slurmctld(primary/backup) at a/(NULL) are UP/DOWN\n",
                "primary at a is up",
            ),
            (
                "Slurmctld(primary/backup) at a/b are UP/DOWN\n",
                "primary at a is up, backup at b is down",
            ),
            ("x\n", ""),
        ] {
            let got: Vec<String> = controllers_of(printed)
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(got.join(", "), all);
        }
    }
}
