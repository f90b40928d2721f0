//! The host of the Sensu server and of the dashboards; and a node that had sensu-client.

use crate::site::{self, with_variable};
use serde_json::json;
use venus_tests::machine::Machine;

/// Has a unit run that stands in for one whose package cannot be had here.
fn stand_in(machine: &Machine, unit: &str) {
    machine.sh(&format!(
        "printf '%s\\n' '[Service]' 'ExecStart=/bin/sleep infinity' '[Install]' \
             'WantedBy=multi-user.target' >/etc/systemd/system/{unit}.service
         systemctl enable --now {unit}"
    ));
}

#[test]
fn the_parts_for_the_host_of_the_server_do_theirs() {
    site::with_machine("docker1", &[], |site, machine, ansible| {
        stand_in(machine, "sensu-server");
        stand_in(machine, "grafana-server");
        // As Sensu's package does.
        machine.sh("useradd --system --user-group sensu");
        machine.sh("mkdir -p /etc/carbon /etc/grafana/provisioning/{datasources,dashboards}");
        let pid = |unit| machine.unit(unit, "MainPID");
        let (sensu, grafana) = (pid("sensu-server"), pid("grafana-server"));

        let slack = json!({"webhook_url": "https://127.0.0.1:1/T0K3N", "webhook_retries": 0});
        let variables = with_variable(&site.variables(), "venus_slack", slack);
        let variables = with_variable(&variables, "venus_graphite", json!({"host": "127.0.0.1"}));
        let report = ansible.play_part("handlers", &variables, &[]).success();
        assert!(!report.output.contains("T0K3N"));
        assert_ne!(pid("sensu-server"), sensu);
        assert_eq!(
            machine.sh("stat -c '%U:%G %a' /etc/sensu/conf.d/handler-slack.json"),
            "root:sensu 640\n"
        );
        // As the server runs it.
        let handled = machine.try_sh(
            r#"echo '{"client": {"name": "a"}, "check": {"name": "b", "status": 2, "output": "o"}}' |
                runuser -u sensu -- timeout 30 handler-slack"#,
        );
        let said = String::from_utf8(handled.stderr).unwrap()
            + &String::from_utf8(handled.stdout).unwrap();
        assert!(
            said.contains("127.0.0.1: Connection refused") && !said.contains("T0K3N"),
            "{said}"
        );
        machine.sh("ls /var/spool/venus/slack/*");
        let again = ansible.play_part("handlers", &variables, &[]).success();
        assert_eq!(again.changed()["docker1"], 0, "{}", again.output);

        // What a site has of its own stays in force, behind ours.
        machine.sh("printf '%s\\n' '[default]' 'pattern = .*' 'retentions = 60s:1d' >/etc/carbon/storage-schemas.conf");
        let dashboards = concat!(env!("CARGO_MANIFEST_DIR"), "/../dashboards");
        let variables = json!({ "venus_dashboards": dashboards });
        ansible.play_part("dashboards", &variables, &[]).success();
        assert_ne!(pid("grafana-server"), grafana);
        machine.sh(
            "tail -1 /etc/carbon/storage-schemas.conf | grep -q 60s:1d
             grep -q venus /etc/carbon/storage-schemas.conf /etc/grafana/provisioning/dashboards/venus.yaml
             path=$(sed -n 's/^ *path: *//p' /etc/grafana/provisioning/dashboards/venus.yaml | head -1)
             ls $path/*.json",
        );
        let again = ansible.play_part("dashboards", &variables, &[]).success();
        assert_eq!(again.changed()["docker1"], 0, "{}", again.output);
    });
}

#[test]
fn sensu_client_is_replaced_where_that_is_wanted_and_keeps_its_settings() {
    site::with_machine("venus001", &[], |site, machine, ansible| {
        stand_in(machine, "sensu-client");
        machine.sh(
            r#"mkdir -p /etc/sensu/conf.d
             echo '{"checks": {"of_the_site": {"command": "true", "standalone": true, "interval": 60}}}' >/etc/sensu/conf.d/site.json"#,
        );
        let variables = with_variable(&site.variables(), "venus_replace_sensu_client", json!(true));
        ansible.play(&variables, &["--check"]).success();
        assert_eq!(machine.unit("sensu-client", "ActiveState"), "active");
        ansible.play(&variables, &[]).success();
        assert_eq!(machine.unit("sensu-client", "ActiveState"), "inactive");
        assert_eq!(machine.unit("sensu-client", "UnitFileState"), "disabled");
        assert_eq!(machine.unit("venus-agent", "ActiveState"), "active");
        assert!(
            machine
                .sh("journalctl -u venus-agent")
                .contains("of_the_site")
        );
        let again = ansible.play(&variables, &[]).success();
        assert_eq!(again.changed()["venus001"], 0, "{}", again.output);

        // Once it is gone there is nothing to replace.
        machine.sh("rm /etc/systemd/system/sensu-client.service; systemctl daemon-reload");
        let again = ansible.play(&variables, &[]).success();
        assert_eq!(again.changed()["venus001"], 0, "{}", again.output);
    });
}
