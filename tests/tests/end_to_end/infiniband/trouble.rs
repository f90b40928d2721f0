//! Datagrams that are lost, cables that are out, and devices that may not be opened.

use super::{OURS, facts, ours};
use nix::sys::signal::Signal;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};
use venus_tests::fabric::Fabric;
use venus_tests::program::{self, Running};
use venus_tests::redis::Redis;
use venus_tests::{fixture, network, part};

#[test]
fn what_half_of_the_datagrams_say_is_right_or_is_not_said() {
    network::in_its_own(|| {
        let Some(mut fabric) = Fabric::launch() else {
            return;
        };
        let whole = ours(&fabric, "venus001", &["--remote"]);
        fabric.console("PerformanceSet \"venus001\"[1] PortCounters.SymbolErrorCounter=4711");
        fabric.console("PerformanceSet \"Switch1\"[1] PortCounters.SymbolErrorCounter=815");
        fabric.console("Error \"venus001\"[1] 50");
        let (mut complete, mut said) = (0, 0);
        for _ in 0..20 {
            let started = Instant::now();
            let (here, there, errors) = ours(&fabric, "venus001", &["--remote"]);
            // The budget is 2 s; the rest is for a machine that is busy.
            assert!(started.elapsed() < Duration::from_secs(10));
            for (counters, all, symbol, port) in [
                (&here, &whole.0, 4711, "ibsim0 port 1"),
                (&there, &whole.1, 815, "ibsim0 port 1"),
            ] {
                if counters.is_empty() {
                    assert!(errors.contains(port), "{errors}");
                    said += 1;
                } else {
                    assert_eq!(counters.len(), all.len());
                    assert_eq!(counters["SymbolErrorCounter"], symbol);
                    complete += 1;
                }
            }
        }
        assert!(complete > said, "{complete} answered, {said} not");
    });
}

#[test]
fn a_fabric_without_a_subnet_manager_is_told_apart_from_a_cable_that_is_out() {
    network::in_its_own(|| {
        let Some(fabric) = Fabric::unmanaged() else {
            return;
        };
        let checks = program::path("venus-checks");
        let text = fabric.run(
            "venus001",
            &checks,
            &[&OURS[..], &["--source", "umad"]].concat(),
        );
        let why = "it waits for a subnet manager; is one running?";
        assert!(
            text.contains(&format!("ibsim0 port 1 through umad: {why}\n")),
            "{text}"
        );
        assert!(!text.contains("Errors"), "{text}");
        assert_eq!(facts(&text)["state"], "2");
        drop(fabric);

        let Some(mut fabric) = Fabric::launch() else {
            return;
        };
        fabric.console("Unlink \"venus001\"[1]");
        let text = fabric.run("venus001", &checks, &[&OURS[..], &["--remote"]].concat());
        assert!(
            text.contains("ibsim0 port 1 through umad: its link is down\n"),
            "{text}"
        );
        assert_eq!(facts(&text)["state"], "1");
        assert!(!text.contains("Errors"), "{text}");
    });
}

/// A user who may not open the device is told so, and has what sysfs tells.
#[test]
fn a_user_without_permission_gets_what_sysfs_has() {
    const NOBODY: u32 = 65_534;
    if !nix::unistd::geteuid().is_root() {
        part::missing::<()>("root, to become somebody else").unwrap_or_default();
        return;
    }
    let tree = tempfile::tempdir().unwrap();
    let root = tree.path();
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
    let checks = root.join("venus-checks");
    fs::copy(program::path("venus-checks"), &checks).unwrap();
    let sys = root.join("sys");
    let copied = Command::new("cp")
        .arg("-r")
        .arg(fixture::path("infiniband/single/sys"))
        .arg(&sys)
        .status();
    assert!(copied.unwrap().success());
    for (file, text) in [
        ("sys/class/infiniband_mad/umad0/ibdev", "mlx4_0\n"),
        ("sys/class/infiniband_mad/umad0/port", "1\n"),
        ("dev/infiniband/umad0", ""),
    ] {
        fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
        fs::write(root.join(file), text).unwrap();
    }
    let device = root.join("dev/infiniband/umad0");
    fs::set_permissions(&device, fs::Permissions::from_mode(0o600)).unwrap();
    let run = |options: &[&str]| {
        let mut command = Command::new(&checks);
        command.args(OURS).args(options).uid(NOBODY).gid(NOBODY);
        command
            .arg("--sys-path")
            .arg(&sys)
            .arg("--dev-path")
            .arg(root.join("dev"));
        let output = program::run(&mut command);
        assert!(output.status.success(), "{output:?}");
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr))
    };
    let why = format!(
        "cannot read the counters of mlx4_0 port 1 through umad: cannot open {device}: Permission \
         denied (os error 13); this user needs read and write permission on {device}, by a udev \
         rule or a group",
        device = device.display()
    );
    let (out, err) = run(&["--explain"]);
    assert!(out.starts_with("s.port1.SymbolErrorCounter 0 "), "{out}");
    assert!(err.contains(&why), "{err}");
    let (out, err) = run(&["--source", "umad"]);
    assert!(
        !out.contains("SymbolErrorCounter") && out.contains("s.port1.state 4 "),
        "{out}"
    );
    assert_eq!(err.matches(&why).count(), 1, "{err}");
}

/// A fabric where nothing answers holds neither other checks nor keepalives.
#[test]
fn an_agent_that_waits_for_the_fabric_goes_on_with_all_else() {
    network::in_its_own(|| {
        let (Some(mut fabric), Some(redis)) = (Fabric::launch(), Redis::launch()) else {
            return;
        };
        fabric.console("Error \"venus001\"[1] 100");
        let dir = tempfile::tempdir().unwrap();
        let settings = json!({
            "client": {
                "name": "venus001",
                "address": "127.0.0.1",
                "subscriptions": ["physical"],
            },
            "transport": { "name": "redis" },
            "redis": redis.settings(),
            "checks": {
                "ib": {
                    "extension": "metrics-infiniband",
                    "standalone": true,
                    "interval": 1,
                    "source": "umad",
                    "umad_timeout": 12,
                },
                "load": { "extension": "metrics-load", "standalone": true, "interval": 1 },
            },
        });
        fs::write(dir.path().join("settings.json"), settings.to_string()).unwrap();
        let mut agent = fabric.on("venus001", program::path("venus-agent"));
        agent.args(["-c", "/dev/null", "-d"]).arg(dir.path());
        let mut agent = Running::start(&mut agent, None);
        agent.stdout_line("previous check execution still in progress");
        let mut server = redis.server(0);
        server.keepalive();
        let mut executed = Vec::new();
        while executed.len() < 6 {
            let check = server.result()["check"].take();
            if check["name"] == "load" {
                executed.push(check["executed"].as_u64().unwrap());
            }
        }
        // A second more where one ends just then.
        let gaps = executed.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.max() <= Some(2), "{executed:?}");
        let span = executed.last().unwrap() - executed[0];
        assert!((4..=6).contains(&span), "each second: {executed:?}");
        agent.stdout_line("cannot read the counters of ibsim0 port 1 through umad: no answer");

        fabric.console("Error \"venus001\"[1] 0");
        let answered = |check: &serde_json::Value| {
            let output = check["output"].as_str().unwrap();
            check["name"] == "ib" && output.contains(".port1.SymbolErrorCounter 0 ")
        };
        while !answered(&server.result()["check"]) {}

        fabric.console("Unlink \"venus001\"[1]");
        let output = loop {
            let check = server.result()["check"].take();
            let output = check["output"].as_str().unwrap();
            if check["name"] == "ib" && !answered(&check) {
                break output.to_owned();
            }
        };
        assert!(output.contains(".port1.state 1 "), "{output}");
        assert!(!output.contains("Errors"), "no old number: {output}");
        agent.stdout_line(
            "cannot read all counters of ibsim0 port 1 through umad: its link is down",
        );
        fabric.console("Relink \"venus001\"[1]");
        fabric.manage();
        while !answered(&server.result()["check"]) {}
        agent.signal(Signal::SIGTERM);
        assert_eq!(agent.wait().code(), Some(0));
    });
}
