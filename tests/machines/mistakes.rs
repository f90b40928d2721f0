//! Plays that cannot work: what is wrong is said, and nothing else happens.

use crate::site::{self, with_variable};
use serde_json::{Value, json};
use venus_tests::server::Server;

#[test]
fn a_play_with_a_mistake_names_it_and_leaves_the_machine_alone() {
    site::with_machine("venus001", &[], |site, machine, ansible| {
        let good = site.variables();
        let play = |name, value| ansible.play(&with_variable(&good, name, value), &[]);

        play("venus_install", json!("ftp")).failure(&["venus_install", "package, file, tarball"]);
        play("venus_checks", json!("check-load")).failure(&["venus_checks", "dict"]);
        play("venus_drop_ins", json!(["everything"])).failure(&["venus_drop_ins", "containers"]);
        play("venus_files", json!([])).failure(&["venus_files", "venus-agent"]);
        let nothing = json!({});
        let report = ansible.play_part("dashboards", &nothing, &[]);
        report.failure(&["venus_dashboards", "required"]);
        let nobody = json!({"roles": ["venus.agent"], "become": true, "become_user": "nobody"});
        let report = ansible.play_of(&nobody, &good, &[]);
        report.failure(&["become: true"]);
        // The room itself has no systemd.
        let here = json!({"roles": ["venus.agent"], "hosts": "localhost", "connection": "local"});
        let report = ansible.play_of(&here, &good, &["--check"]);
        report.failure(&["systemd"]);
        machine.sh("test ! -e /etc/sensu -a ! -e /usr/bin/venus-agent");

        // The disk is full in the middle of the installation.
        machine.sh("mkdir -p /usr/share/fish; mount -t tmpfs -o size=4k none /usr/share/fish");
        ansible
            .play(&good, &[])
            .failure(&["No space left on device"]);
        machine.sh("umount /usr/share/fish");

        // Nobody is there yet: the agent goes on trying, and what it sees is shown.
        let report = ansible.play(&good, &[]).success();
        assert!(
            report.output.contains("Connection refused"),
            "{}",
            report.output
        );
        site.broker.launch();
        let mut server = Server::connect(&site.vhost);
        let keepalive: Value = server.keepalive()["payload"].take();
        assert_eq!(keepalive["name"], "venus001");
    });
}
