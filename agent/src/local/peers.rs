//! Who may use the Unix socket: the kernel says who somebody is, the settings whom that lets in.

use nix::unistd::{Gid, Group, Uid, User, geteuid};
use std::collections::HashSet;
use tokio::net::unix::UCred;

/// Who may come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peers {
    users: HashSet<u32>,
    groups: HashSet<u32>,
}

impl Peers {
    /// Root, the agent's own user, these users, and the members of these groups, all by name or
    /// number, as they are known now; and each of them that is not known. It may take as long as
    /// a directory service does.
    pub(crate) fn find(users: &[String], groups: &[String]) -> (Self, Vec<String>) {
        let mut peers = Self {
            users: HashSet::from([0, geteuid().as_raw()]),
            groups: HashSet::new(),
        };
        let mut unknown = Vec::new();
        for name in users {
            match user(name) {
                Ok(user) => _ = peers.users.insert(user),
                Err(why) => unknown.push(why),
            }
        }
        for name in groups {
            match group(name) {
                Ok((group, members)) => {
                    peers.groups.insert(group);
                    let members = members.iter().filter_map(|name| user(name).ok());
                    peers.users.extend(members);
                }
                Err(why) => unknown.push(why),
            }
        }
        (peers, unknown)
    }

    /// Whether this one may.
    pub(super) fn include(&self, peer: UCred) -> bool {
        self.users.contains(&peer.uid()) || self.groups.contains(&peer.gid())
    }
}

fn user(name: &str) -> Result<u32, String> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    match User::from_name(name) {
        Ok(Some(user)) => Ok(Uid::as_raw(user.uid)),
        Ok(None) => Err(format!("no user {name} is known")),
        Err(error) => Err(format!("user {name}: {}", error.desc())),
    }
}

/// A group, and whom it has beside those whose first group it is.
fn group(name: &str) -> Result<(u32, Vec<String>), String> {
    let (found, number) = match name.parse() {
        Ok(number) => (Group::from_gid(Gid::from_raw(number)), Some(number)),
        Err(_) => (Group::from_name(name), None),
    };
    match (found, number) {
        (Ok(Some(group)), _) => Ok((group.gid.as_raw(), group.mem)),
        // A number does without a name.
        (Ok(None), Some(number)) => Ok((number, Vec::new())),
        (Ok(None), None) => Err(format!("no group {name} is known")),
        (Err(error), _) => Err(format!("group {name}: {}", error.desc())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_agents_own_user_may_and_others_that_are_named() {
        let own = geteuid().as_raw();
        let (peers, unknown) = Peers::find(&[], &[]);
        assert_eq!((peers.users, peers.groups.len()), ([0, own].into(), 0));
        assert!(unknown.is_empty());
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        let (peers, unknown) = Peers::find(
            &names(&["nobody", "4711", "no-such-user"]),
            &names(&["root", "4712", "no-such-group"]),
        );
        let nobody = User::from_name("nobody").unwrap().unwrap().uid.as_raw();
        assert!(peers.users.is_superset(&[0, own, nobody, 4711].into()));
        assert_eq!(peers.groups, [0, 4712].into());
        assert_eq!(
            unknown,
            [
                "no user no-such-user is known",
                "no group no-such-group is known"
            ]
        );
    }
}
