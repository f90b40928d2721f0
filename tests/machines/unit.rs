//! What the unit keeps from the agent is nothing that a check of ours needs; and what its
//! drop-ins give.

use crate::site::{self, with_variable};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use venus_tests::machine::Machine;
use venus_tests::server::Server;

/// What root may and the agent's user may not, without a drop-in.
const OF_ROOT: [&str; 4] = ["check-clock", "check-ping", "metrics-clock", "metrics-ping"];

#[test]
fn every_check_and_metric_works_under_the_unit_as_it_does_for_root() {
    site::with_machine("venus001", &[], |site, machine, ansible| {
        site.broker.launch();
        let mut server = Server::connect(&site.vhost);
        ansible.play(&site.variables(), &[]).success();
        server.keepalive();

        let names = machine.sh("ls /usr/lib/venus/checks");
        let mut differ = BTreeSet::new();
        let mut usable = 0;
        for name in names.lines() {
            let root = machine.try_sh(&format!("/usr/lib/venus/checks/{name}"));
            let root = (
                root.status.code().unwrap(),
                String::from_utf8(root.stdout).unwrap(),
            );
            server.request(
                "client:venus001",
                &json!({"name": name, "command": name, "issued": 1}),
            );
            let mut result: Value = server.result_of(name)["payload"]["check"].take();
            let unit = (
                i32::try_from(result["status"].as_u64().unwrap()).unwrap(),
                result["output"].take().as_str().unwrap().to_owned(),
            );
            usable += u32::from(root.0 != 3);
            if root.0 != unit.0 || metrics(&root.1) != metrics(&unit.1) {
                let (of_root, of_unit) = (metrics(&root.1), metrics(&unit.1));
                let odd: Vec<_> = of_root.symmetric_difference(&of_unit).collect();
                eprintln!("{name}: {odd:?}\nroot {root:?}\nunit {unit:?}");
                differ.insert(name);
            }
        }
        eprintln!("{usable} of {} need no argument", names.lines().count());
        assert!(usable > 50, "nearly all were unknown to root, too");
        assert_eq!(differ, BTreeSet::from(OF_ROOT));
    });
}

/// The names of what a metric prints; of what a check does, nothing, as its figures change.
fn metrics(output: &str) -> BTreeSet<String> {
    let lines = output.lines().map(|line| line.split(' ').collect());
    lines
        .filter_map(|words: Vec<&str>| match words[..] {
            [name, value, time] if value.parse::<f64>().and(time.parse::<f64>()).is_ok() => {
                Some(name.to_owned())
            }
            _ => None,
        })
        .collect()
}

#[test]
fn a_drop_in_gives_what_it_says() {
    // What a host has and a container would not.
    let all = [
        "--capability=CAP_SYS_RAWIO,CAP_SYSLOG",
        "--system-call-filter=adjtimex clock_adjtime",
    ];
    site::with_machine("venus001", &all, |site, machine, ansible| {
        site.broker.launch();
        let mut server = Server::connect(&site.vhost);
        // As packages of Docker and of Debian have them.
        machine.sh("groupadd --system docker; echo 'venus ALL = NOPASSWD: /usr/bin/id' >/etc/sudoers.d/venus");
        let mut ask = |drop_ins: &[&str], command: &str| {
            let wanted = with_variable(&site.variables(), "venus_drop_ins", json!(drop_ins));
            ansible.play(&wanted, &[]).success();
            server.request(
                "client:venus001",
                &json!({"name": "asked", "command": command}),
            );
            let check: Value = server.result_of("asked")["payload"]["check"].take();
            check["output"].as_str().unwrap().trim().to_owned()
        };
        let of_all = [
            "clock",
            "containers",
            "disks",
            "docker",
            "kernel-log",
            "ping",
            "sudo",
        ];
        assert_eq!(ask(&of_all, "sudo -n id -u"), "0");
        assert_eq!(
            effective(machine),
            [
                "cap_dac_read_search",
                "cap_net_admin",
                "cap_net_raw",
                "cap_sys_admin",
                "cap_sys_ptrace",
                "cap_sys_rawio",
                "cap_syslog"
            ]
        );
        assert!(ask(&["ping"], "check-ping").starts_with("CheckPING OK"));
        assert_eq!(ask(&["root"], "id -u"), "0");
        let clock = ask(&["clock"], "check-clock");
        assert!(clock.starts_with("CheckClock WARNING"), "{clock}");
        assert_eq!(
            ask(&[], "sudo -n id -u || id -un").lines().last(),
            Some("venus")
        );
        assert!(effective(machine).is_empty());
    });
}

/// The capabilities that the agent has.
fn effective(machine: &Machine) -> Vec<String> {
    let pid = machine.unit("venus-agent", "MainPID");
    let mask = machine.sh(&format!("sed -n 's/^CapEff:\\s*//p' /proc/{pid}/status"));
    let mask = u64::from_str_radix(mask.trim(), 16).unwrap();
    // linux/capability.h
    let names = [
        (2, "cap_dac_read_search"),
        (12, "cap_net_admin"),
        (13, "cap_net_raw"),
        (21, "cap_sys_admin"),
        (19, "cap_sys_ptrace"),
        (17, "cap_sys_rawio"),
        (34, "cap_syslog"),
    ];
    let rest = names.iter().fold(mask, |mask, (bit, _)| mask & !(1 << bit));
    assert_eq!(rest, 0, "more than these: {mask:x}");
    let held = names.iter().filter(|(bit, _)| mask >> bit & 1 == 1);
    held.map(|(_, name)| (*name).to_owned()).collect()
}
