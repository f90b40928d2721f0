//! Upgrades and downgrades of a machine that works.

use crate::packages::OLD;
use crate::site::{self, with_variable};
use serde_json::json;
use venus_tests::numbers::Numbers;
use venus_tests::program::{Running, wait_until};
use venus_tests::recorder::Recorder;

/// Hands the agent one number after the other, each until it has said `ok`, until it is enough.
const SEND: &str = r#"
number=0
until [ -e /run/enough ]; do
    until { exec 3<>/dev/tcp/127.0.0.1/3030; } 2>/dev/null &&
        echo "{\"name\": \"count\", \"output\": \"$number\"}" >&3 &&
        [ "$(head -c 2 <&3)" = ok ]; do
        sleep 0.1
    done
    number=$((number + 1))
    sleep 0.01
done
echo "$number"
"#;

#[test]
fn an_upgrade_under_load_with_the_broker_away_loses_nothing() {
    site::with_machine("venus001", &[], |site, machine, ansible| {
        site.broker.launch();
        let recorder = Recorder::of(&site.vhost);
        // All that waited at once, as nobody else is at the broker.
        let agent = json!({"spool": {"rate": 100_000}});
        let old = with_variable(&site.old_variables(), "venus_agent", agent.clone());
        let new = with_variable(&site.variables(), "venus_agent", agent);
        ansible.play(&old, &[]).success();
        wait_until(|| !recorder.heard().keepalives.is_empty());
        let before = machine.unit("venus-agent", "MainPID");

        let mut sender = Running::start(&mut machine.command(&["bash", "-c", SEND]), None);
        let arrived = || {
            recorder
                .heard()
                .numbers
                .get("count")
                .map_or(0, Numbers::count)
        };
        wait_until(|| arrived() > 0);
        site.broker.kill();
        ansible.play(&new, &[]).success();
        assert_ne!(machine.unit("venus-agent", "MainPID"), before);
        site.broker.launch();
        machine.sh("touch /run/enough");
        assert!(sender.wait().success());
        let sent = sender.rest_of_stdout().trim().parse::<u64>().unwrap();
        wait_until(|| arrived() == sent);
        let twice = recorder.heard().numbers["count"].duplicated();
        eprintln!("{sent} of {sent}, {twice} of them twice");
    });
}

#[test]
fn packages_go_back_and_forth_are_interrupted_and_keep_what_is_the_sites() {
    site::with_machine("venus001", &[], |site, machine, ansible| {
        let (new, old) = (site.variables(), site.old_variables());
        let version =
            || machine.sh("dpkg-query -f '${Version} ${db:Status-Status}\n' -W venus-agent");
        let works = || machine.sh("systemctl is-active venus-agent");
        ansible.play(&new, &[]).success();
        let newest = version();
        // What a site has written itself stays throughout.
        machine.sh(
            "echo '{\"checks\": {}}' >/etc/sensu/conf.d/own.json; echo kept >/var/lib/venus/own",
        );

        // A downgrade is an older file, and no more.
        ansible.play(&old, &[]).success();
        assert_eq!(version(), format!("{OLD} installed\n"));
        works();

        // Power is cut in the middle of an upgrade: what is unpacked is not configured.
        let debs: Vec<&str> = new["venus_files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|deb| deb.as_str().unwrap())
            .collect();
        let agent = debs.iter().find(|deb| deb.contains("venus-agent")).unwrap();
        machine.put(agent.as_ref(), "/root/agent.deb");
        machine.sh("dpkg --unpack /root/agent.deb");
        drop(machine.try_sh("systemctl kill -s KILL venus-agent"));
        assert!(version().ends_with("unpacked\n"));
        ansible.play(&new, &[]).success();
        assert_eq!(version(), newest);
        works();

        // Two at once: one waits for the other.
        let reports = std::thread::scope(|scope| {
            let plays = [&old, &new].map(|variables| scope.spawn(|| ansible.play(variables, &[])));
            plays.map(|play| play.join().unwrap())
        });
        for report in reports {
            report.success();
        }
        works();

        // A removal leaves what is the site's; a purge removes what is the agent's.
        machine.sh("dpkg --remove venus-agent");
        assert!(
            !machine
                .try_sh("systemctl is-active venus-agent")
                .status
                .success()
        );
        machine.sh("test -e /etc/sensu/conf.d/own.json -a -e /etc/sensu/conf.d/venus-client.json -a -e /var/lib/venus/own");
        machine.sh("dpkg --purge venus-agent");
        machine.sh("test -e /etc/sensu/conf.d/own.json -a ! -e /var/lib/venus");
    });
}
