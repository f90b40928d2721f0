//! Settings and command line: what is accepted, and what is said of the rest.

use serde_json::{Value, json};
use std::fs;
use std::net::Ipv4Addr;
use std::process::{Command, Output};
use venus_tests::fixture;
use venus_tests::program::{self, Running};

fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

/// The messages of a log.
fn messages(log: &str) -> Vec<String> {
    let line = |line| serde_json::from_str::<Value>(line).unwrap()["message"].take();
    let messages = log.lines().map(line);
    messages
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

/// Settings in files of these names, checked with `--validate_config`.
fn validate(files: &[(&str, &str)]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    program::run(program::agent_in(dir.path()).arg("--validate_config"))
}

#[test]
fn a7_every_mistake_of_the_settings_is_reported_in_one_run() {
    for case in fixture::json("settings/invalid.json").as_array().unwrap() {
        let output = validate(&[("settings.json", &case["settings"].to_string())]);
        let name = &case["case"];
        let mut expected = vec![json!("invalid settings")];
        expected.extend(case["problems"].as_array().unwrap().iter().cloned());
        expected.push(json!("VENUS AGENT NOT RUNNING!"));
        assert_eq!(json!(messages(stderr(&output))), json!(expected), "{name}");
        assert_eq!(
            (output.status.code(), stdout(&output)),
            (Some(2), ""),
            "{name}"
        );
        assert!(!stderr(&output).contains("hunter2"), "{name}");
    }
}

#[test]
fn a7_a_problem_shows_the_object_it_is_in_and_no_secret() {
    let settings = json!({
        "client": {"subscriptions": ["all"], "redact": ["pin"], "pin": "hunter2", "name": "a b"},
        "rabbitmq": [{"port": 0, "password": "hunter2"}, "http://u:hunter2@h/"],
        "checks": {"disk": {"command": "check -p hunter2", "password": "hunter2"}},
    });
    let output = validate(&[("settings.json", &settings.to_string())]);
    let log: Vec<Value> = stderr(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |message: &str| {
        let line = log.iter().find(|line| line["message"] == message);
        line.unwrap_or_else(|| panic!("no {message:?} in {log:?}"))["object"].clone()
    };
    let broker = json!({"port": 0, "password": "REDACTED"});
    assert_eq!(of("rabbitmq port must be from 1 to 65535"), broker);
    let check = of("check subscribers must be an array");
    assert_eq!(check["name"], "disk");
    assert_eq!(check["password"], "REDACTED");
    let client = of("client name cannot contain spaces or special characters");
    assert_eq!(client["pin"], "REDACTED");
    let uri = of("rabbitmq is not an amqp URI (amqp://USER:PASSWORD@HOST:PORT/VHOST)");
    assert_eq!(uri["rabbitmq"][1], "REDACTED");
}

#[test]
fn a6_a_file_that_is_no_json_is_named_with_line_and_column() {
    let output = validate(&[
        (
            "a.json",
            r#"{"client": {"name": "one", "subscriptions": []}}"#,
        ),
        (
            "checks/disk.json",
            "{\"checks\": {\n  \"disk\": {\"command\": \"x\",}\n}}",
        ),
    ]);
    let said = messages(stderr(&output));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("checks/disk.json"), "{said:?}");
    assert!(said[0].contains("line 2 column 27"), "{said:?}");
}

#[test]
fn a6_a_file_that_was_asked_for_and_is_missing_is_named() {
    let mut command = Command::new(program::path("venus-agent"));
    let output = program::run(command.args(["-c", "/nonexistent/sensu.json", "--once"]));
    assert_eq!(output.status.code(), Some(2));
    let said = messages(stderr(&output));
    assert!(said[0].contains("/nonexistent/sensu.json"), "{said:?}");
    assert_eq!(said[1..], ["VENUS AGENT NOT RUNNING!"]);
}

#[test]
fn a1_files_are_merged_in_the_order_of_their_paths() {
    let files = [
        (
            "10.json",
            r#"{"client": {"name": "one", "subscriptions": ["a", "b"]}}"#,
        ),
        (
            "20/x.json",
            "\u{feff}{\"client\": {\"name\": \"two\", \"subscriptions\": [\"b\", \"c\"]}}",
        ),
        ("30.json", ""),
        ("40.txt", "not read"),
    ];
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("20")).unwrap();
    for (name, content) in files {
        fs::write(dir.path().join(name), content).unwrap();
    }
    let output = program::run(program::agent_in(dir.path()).arg("--print_config"));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(printed["client"]["name"], "two");
    let subscriptions = json!(["a", "b", "c", "client:two"]);
    assert_eq!(printed["client"]["subscriptions"], subscriptions);
}

#[test]
fn a4_the_environment_comes_before_the_files_and_b_p_hides_its_secrets() {
    let settings = json!({"client": {"address": "192.0.2.7", "webhook_url": "hunter2"}});
    let (mut command, _dir) = program::agent(&settings);
    command
        .env("RABBITMQ_URL", "amqp://sensu:hunter2@192.0.2.1/%2Fsensu")
        .env("SENSU_CLIENT_NAME", "from-environment")
        .env("SENSU_CLIENT_ADDRESS", "192.0.2.8")
        .env("SENSU_CLIENT_SUBSCRIPTIONS", "physical, infiniband");
    let output = program::run(command.arg("-P"));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        printed,
        json!({
            "client": {
                "name": "from-environment",
                "address": "192.0.2.7",
                "subscriptions": ["physical", "infiniband", "client:from-environment"],
                "webhook_url": "REDACTED",
            },
            "rabbitmq": "amqp://sensu:REDACTED@192.0.2.1/%2Fsensu",
        })
    );
}

#[test]
fn a3_what_nobody_sets_has_sensus_defaults() {
    let (mut command, _dir) = program::agent(&json!({}));
    let output = program::run(command.arg("-P"));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(printed["client"]["name"], host.trim());
    // None on a host that has only a loopback interface.
    if let Some(address) = printed["client"]["address"].as_str() {
        let address: Ipv4Addr = address.parse().unwrap();
        assert!(!address.is_loopback());
    }
}

#[test]
fn a5_a_client_subscribes_to_its_own_name_once() {
    for (subscriptions, all) in [
        (json!(["all"]), json!(["all", "client:one"])),
        (json!(["client:one", "all"]), json!(["client:one", "all"])),
    ] {
        let client = json!({"name": "one", "subscriptions": subscriptions});
        let (mut command, _dir) = program::agent(&json!({ "client": client }));
        let output = program::run(command.arg("-P"));
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(printed["client"]["subscriptions"], all);
    }
}

#[test]
fn a7_the_password_of_a_uri_that_is_none_is_not_shown() {
    for settings in [
        json!({"rabbitmq": "sensu:hunter2@broker:5672/sensu"}),
        json!({"rabbitmq": ["amqp:/sensu:hunter2@broker"]}),
        json!({"redis": "hunter2@broker", "transport": {"name": "redis"}}),
        json!({"redis": {"sentinels": ["hunter2@s1", {"host": "s2"}]}, "transport": {"name": "redis"}}),
    ] {
        let (mut command, _dir) = program::agent(&settings);
        let output = program::run(command.arg("--validate_config"));
        assert_eq!(output.status.code(), Some(2));
        assert!(!stderr(&output).contains("hunter2"), "{}", stderr(&output));
    }
}

#[test]
fn a8_secrets_are_printed_only_for_who_asks() {
    let settings = json!({
        "client": {"name": "one", "api_key": "hunter2"},
        "rabbitmq": "amqp://sensu:hunter2@broker/sensu",
        "slack": {
            "token": "xoxb-hunter2", "proxy_password": "hunter2",
            "webhook_url": "https://hooks.slack.com/services/hunter2",
        },
        "handlers": {"slack": {
            "type": "pipe", "command": "SLACK_WEBHOOK_URL=https://h/hunter2 handler-slack",
        }},
    });
    for (arguments, key, warnings) in [
        (&["--print_config"][..], "REDACTED", 0),
        (&["--print_config", "--secrets"], "hunter2", 1),
    ] {
        let (mut command, _dir) = program::agent(&settings);
        let output = program::run(command.args(arguments));
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(printed["client"]["api_key"], key);
        let count = printed.to_string().matches("hunter2").count();
        assert_eq!(count, if key == "hunter2" { 6 } else { 0 }, "{printed}");
        let warned = stderr(&output).matches("secrets").count();
        assert_eq!(warned, warnings, "{}", stderr(&output));
    }
}

#[test]
fn a8_valid_settings_are_called_valid() {
    let captured = fixture::text("wire/captured-with-client.json");
    let output = validate(&[("client.json", &captured)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(messages(stderr(&output)), ["configuration is valid"]);
}

#[test]
fn b_arguments_that_are_wrong_are_said_in_one_line() {
    for (arguments, says) in [
        (&["--bogus"][..], "unexpected argument '--bogus' found"),
        (
            &["-L", "loud"],
            "invalid value 'loud' for '--log_level <LEVEL>'",
        ),
        (&["-c"], "a value is required for '--config <FILE>'"),
        (&["left-over"], "unrecognized subcommand 'left-over'"),
    ] {
        let mut command = Command::new(program::path("venus-agent"));
        let output = program::run(command.args(arguments));
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.starts_with("venus-agent: "), "{said}");
        assert!(said.contains(says), "{said}");
        assert_eq!((said.lines().count(), stdout(&output)), (1, ""), "{said}");
    }
}

#[test]
fn b_help_and_version_are_printed() {
    for (argument, says) in [
        ("-V", "(for sensu-client 1.9.0)"),
        ("-h", "--validate_config"),
    ] {
        let output = program::run(Command::new(program::path("venus-agent")).arg(argument));
        assert_eq!(output.status.code(), Some(0));
        assert!(stdout(&output).contains(says), "{}", stdout(&output));
    }
}

#[test]
fn b_the_log_goes_where_it_is_sent_and_holds_what_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("agent.log");
    for (level, says) in [("info", "venus-agent stopped"), ("fatal", "")] {
        let (mut command, _dir) = program::agent(&json!({"client": {"name": "one"}}));
        command.arg("-l").arg(&log).args(["-L", level, "--once"]);
        let output = program::run(&mut command);
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
        let written = fs::read_to_string(&log).unwrap();
        assert!(written.contains(says), "{written}");
        assert_eq!(written.is_empty(), says.is_empty());
        fs::remove_file(&log).unwrap();
    }
    let (mut command, _dir) = program::agent(&json!({"client": {"name": "one"}}));
    command.args(["-l", "/nonexistent/agent.log", "--once"]);
    let output = program::run(&mut command);
    assert_eq!(output.status.code(), Some(2));
    let said = messages(stderr(&output));
    assert!(said[0].contains("/nonexistent/agent.log"), "{said:?}");
}

#[test]
fn b_what_this_version_leaves_out_is_said() {
    let (mut command, dir) = program::agent(&json!({"client": {"name": "one"}}));
    command.args(["-e", "/etc/sensu/extensions"]);
    let mut agent = Running::start(&mut command, Some(dir));
    agent.stderr_line("Ruby extensions are not run");
}

#[test]
fn a_misspelt_attribute_earns_a_warning_that_names_the_right_one() {
    for (settings, status) in [
        (
            json!({"client": {"name": "one", "subscriptons": ["all"]}}),
            0,
        ),
        // Where the mistake has made the settings invalid it is said as well.
        (
            json!({
                "client": {"name": "one", "subscriptons": ["all"]},
                "checks": {"c": {"command": "true", "standalone": true}},
            }),
            2,
        ),
    ] {
        let output = validate(&[("settings.json", &settings.to_string())]);
        assert_eq!(output.status.code(), Some(status));
        let log: Vec<Value> = stderr(&output)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let warning = log.iter().find(|line| line["level"] == "warn").unwrap();
        assert_eq!(warning["in"], "client");
        assert_eq!(warning["attribute"], "subscriptons");
        assert_eq!(warning["did_you_mean"], "subscriptions");
    }
}
