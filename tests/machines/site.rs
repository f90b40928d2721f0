//! Machines, a broker that they can reach, and Ansible.

use crate::packages::Packages;
use serde_json::{Value, json};
use std::path::PathBuf;
use venus_tests::ansible::Ansible;
use venus_tests::machine::{HUB, Machine, Machines};
use venus_tests::rabbitmq::{RabbitMq, Vhost};

/// A site, with no machine yet.
pub(crate) struct Site<'a> {
    pub(crate) machines: &'a Machines,
    pub(crate) packages: Packages,
    /// Not started yet.
    pub(crate) broker: RabbitMq,
    pub(crate) vhost: Vhost,
}

/// Runs a test in the network of a site, unless a part of it is missing.
pub(crate) fn with(test: impl FnOnce(&mut Site) + Send) {
    let Some(packages) = Packages::find() else {
        return;
    };
    let Some(machines) = Machines::room() else {
        return;
    };
    machines.room.inside(|| {
        let Some(broker) = RabbitMq::own() else {
            return;
        };
        broker.listen_at(HUB);
        let vhost = broker.vhost();
        test(&mut Site {
            machines: &machines,
            packages,
            broker,
            vhost,
        });
    });
}

/// Runs a test on one machine of a site, booted with these arguments of `systemd-nspawn`.
pub(crate) fn with_machine(
    name: &'static str,
    more: &[&str],
    test: impl FnOnce(&mut Site, &Machine, &Ansible) + Send,
) {
    with(|site| {
        let machine = site.machines.boot(name, 1, more);
        if let Some(ansible) = Ansible::new(site.machines, &[&machine]) {
            test(site, &machine, &ansible);
        }
    });
}

impl Site<'_> {
    /// Variables of a play that installs this version.
    pub(crate) fn variables(&self) -> Value {
        variables_of(&self.packages.debs(), &self.vhost)
    }

    /// The same for the version before.
    pub(crate) fn old_variables(&self) -> Value {
        let dir = self.machines.room.dir().join("old");
        std::fs::create_dir_all(&dir).unwrap();
        variables_of(&self.packages.old_debs(&dir), &self.vhost)
    }
}

fn variables_of(debs: &[PathBuf], vhost: &Vhost) -> Value {
    let mut broker = vhost.settings();
    broker["host"] = json!(HUB);
    json!({"venus_install": "file", "venus_files": debs, "venus_rabbitmq": broker})
}

/// The value of `name` in a JSON object, changed.
pub(crate) fn with_variable(variables: &Value, name: &str, value: Value) -> Value {
    let mut changed = variables.clone();
    changed[name] = value;
    changed
}
