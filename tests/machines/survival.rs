//! What ends an agent, and how it is back.

use crate::site;
use std::time::Instant;
use venus_tests::machine::Machine;
use venus_tests::memory_group::MemoryGroup;
use venus_tests::program::wait_until;
use venus_tests::recorder::Recorder;

/// Has the agent take results, and only ends when it has said `ok` to all.
fn send(machine: &Machine, numbers: std::ops::Range<u64>) {
    let numbers = numbers.map(|number| number.to_string());
    let numbers = numbers.collect::<Vec<_>>().join(" ");
    machine.sh(&format!(
        r#"for number in {numbers}; do
            exec 3<>/dev/tcp/127.0.0.1/3030
            echo "{{\"name\": \"count\", \"output\": \"$number\"}}" >&3
            test "$(head -c 2 <&3)" = ok
        done"#
    ));
}

#[test]
fn an_agent_that_hangs_is_killed_or_boots_again_is_back_with_all_it_had() {
    site::with_machine("venus001", &[], |site, machine, ansible| {
        let Some(group) = MemoryGroup::new() else {
            return;
        };
        site.broker.launch();
        let recorder = Recorder::of(&site.vhost);
        ansible.play(&site.variables(), &[]).success();
        wait_until(|| !recorder.heard().keepalives.is_empty());
        let restarts = || {
            machine
                .unit("venus-agent", "NRestarts")
                .parse::<u32>()
                .unwrap()
        };
        let is_back = |after| {
            wait_until(|| {
                restarts() == after && machine.unit("venus-agent", "SubState") == "running"
            });
        };
        site.broker.kill();

        // The watchdog, a minute by itself.
        machine.sh(
            "mkdir -p /run/systemd/system/venus-agent.service.d
             printf '%s\\n' '[Service]' WatchdogSec=2 >/run/systemd/system/venus-agent.service.d/soon.conf
             systemctl daemon-reload; systemctl restart venus-agent",
        );
        send(machine, 0..100);
        let before = restarts();
        machine.sh("systemctl kill -s STOP --kill-whom=main venus-agent");
        is_back(before + 1);
        assert!(machine.sh("journalctl -u venus-agent").contains("watchdog"));

        // The kernel, for want of memory.
        send(machine, 100..200);
        group.add(machine.process_of("venus-agent"));
        group.limit(64 << 10);
        // Nobody has heard that this one was taken.
        let large = r#"exec 3<>/dev/tcp/127.0.0.1/3030
            printf '{"name": "large", "output": "%0400000d"}' 0 >&3; head -c 2 <&3"#;
        drop(machine.try_sh(large));
        is_back(before + 2);
        assert_eq!(group.killed(), 1);

        // A power cut and a boot.
        send(machine, 200..300);
        machine.reboot();
        send(machine, 300..400);
        site.broker.launch();
        let back = Instant::now();
        let arrived = || {
            recorder
                .heard()
                .numbers
                .get("count")
                .map_or(0, venus_tests::numbers::Numbers::count)
        };
        wait_until(|| arrived() == 400);
        eprintln!("400 of 400, {:?} after the broker's return", back.elapsed());
    });
}
