//! From a repository, and from a tarball.

use crate::packages::OLD;
use crate::site::{self, with_variable};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use venus_tests::machine::Machine;
use venus_tests::server::Server;

/// Makes a repository of the packages in a folder, as `dpkg-scanpackages` does.
const INDEX: &str = r#"
cd /srv/repository
for deb in *.deb; do
    dpkg-deb -f "$deb" | sed '/^$/d'
    echo "Filename: ./$deb"
    echo "Size: $(stat -c %s "$deb")"
    echo "SHA256: $(sha256sum "$deb" | cut -d ' ' -f 1)"
    echo
done >Packages
echo 'deb [trusted=yes] file:/srv/repository ./' >/etc/apt/sources.list
apt-get -q update
"#;

#[test]
fn packages_come_from_a_repository_and_stay_as_they_are_until_told() {
    site::with_machine("venus001", &[], |site, machine, ansible| {
        site.broker.launch();
        let mut server = Server::connect(&site.vhost);
        machine.sh("mkdir /srv/repository");
        let dir = site.machines.room.dir().join("old");
        std::fs::create_dir(&dir).unwrap();
        let put = |debs: Vec<PathBuf>| {
            for deb in debs {
                let name = deb.file_name().unwrap().to_str().unwrap();
                machine.put(&deb, &format!("/srv/repository/{name}"));
            }
            machine.sh(INDEX);
        };
        put(site.packages.old_debs(&dir));
        let version = || {
            let versions = machine.sh("dpkg-query -f '${Version}' -W venus-agent venus-checks");
            versions.trim().to_owned()
        };
        let variables = with_variable(&site.variables(), "venus_install", json!("package"));
        ansible.play(&variables, &[]).success();
        assert_eq!(version(), OLD.repeat(2));
        assert_eq!(server.keepalive()["payload"]["name"], "venus001");

        // A newer one is nobody's wish yet.
        put(site.packages.debs());
        assert_eq!(
            unchanged(machine),
            ansible.play(&variables, &[]).success().changed()
        );
        assert_eq!(version(), OLD.repeat(2));
        let new = concat!(env!("CARGO_PKG_VERSION"), "-1");
        let wished = with_variable(&variables, "venus_version", json!(new));
        ansible.play(&wished, &[]).success();
        assert_eq!(version(), new.repeat(2));
        machine.sh("systemctl is-active venus-agent");
    });
}

#[test]
fn a_tarball_does_for_a_machine_without_packages() {
    site::with_machine("venus001", &[], |site, machine, ansible| {
        site.broker.launch();
        let mut server = Server::connect(&site.vhost);
        let tarball = site.packages.ending(".tar.gz").remove(0);
        let variables = with_variable(&site.variables(), "venus_install", json!("tarball"));
        let variables = with_variable(&variables, "venus_tarball", json!(tarball));
        let checks =
            json!({"links": {"command": "metrics-uptime", "standalone": true, "interval": 1}});
        let variables = with_variable(&variables, "venus_checks", checks);
        ansible.play(&variables, &["--check"]).success();
        ansible.play(&variables, &[]).success();
        assert_eq!(server.keepalive()["payload"]["name"], "venus001");
        assert_eq!(server.result_of("links")["payload"]["check"]["status"], 0);
        assert_eq!(
            unchanged(machine),
            ansible.play(&variables, &[]).success().changed()
        );
    });
}

fn unchanged(machine: &Machine) -> BTreeMap<String, u32> {
    [(machine.name.to_owned(), 0)].into()
}
