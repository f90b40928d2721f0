//! What others on a node may do and see; docs/security.md names these tests.

use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use venus_tests::port;
use venus_tests::program::{self, Running};

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Settings of an agent that is alone, and does nothing by itself.
fn alone(client: &Value) -> Value {
    let closed = json!({"enabled": false});
    let mut settings = json!({
        "client": {
            "name": "one", "address": "192.0.2.1", "subscriptions": ["all"],
            "socket": closed, "http_socket": closed,
        },
        "venus": {"builtin_checks": false},
    });
    for (key, value) in client.as_object().unwrap() {
        settings["client"][key] = value.clone();
    }
    settings
}

#[test]
fn a_settings_file_with_secrets_that_everybody_can_read_is_said_at_the_start_and_by_doctor() {
    let [http] = port::free();
    let login = json!({"port": http, "user": "admin", "password": "s3cret"});
    let settings = alone(&json!({ "http_socket": login }));
    for (mode, is_said) in [(0o644, true), (0o600, false)] {
        let (mut command, dir) = program::agent(&settings);
        let file = dir.path().join("settings.json");
        // Without secrets, for everybody to read.
        fs::write(
            dir.path().join("plain.json"),
            "{\"client\": {\"rack\": \"r1\"}}",
        )
        .unwrap();
        allow(dir.path(), 0o755);
        allow(&file, mode);
        let doctor = program::run(program::agent_in(dir.path()).arg("doctor"));
        let doctor = String::from_utf8(doctor.stdout).unwrap();
        let mut agent = Running::start(&mut command, Some(dir));
        agent.stderr_line("venus-agent 0.1.0 starts");
        agent.signal(nix::sys::signal::Signal::SIGTERM);
        agent.wait();
        let log = agent.seen();
        let file = file.to_str().unwrap();
        for text in [&log, &doctor] {
            let lines = text.lines().filter(|line| line.contains("can read"));
            let lines: Vec<_> = lines.collect();
            assert_eq!(lines.len(), usize::from(is_said), "{text}");
            let todo = format!("chmod 640 {file}");
            assert!(lines.iter().all(|line| line.contains(&todo)), "{text}");
            assert!(!text.contains("s3cret"), "{text}");
        }
    }
}
