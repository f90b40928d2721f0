//! What the server asks for, and what it gets.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use venus_tests::fixture;
use venus_tests::program::Running;
use venus_tests::rabbitmq::Vhost;
use venus_tests::server::Server;

/// A client with these subscriptions, and more settings of its own.
fn settings(vhost: &Vhost, name: &str, subscriptions: &[&str], more: &Value) -> Value {
    let mut settings = json!({
        "client": {"name": name, "address": "192.0.2.1", "subscriptions": subscriptions},
        "rabbitmq": vhost.settings(),
    });
    for (key, value) in more.as_object().unwrap() {
        settings[key] = value.clone();
    }
    settings
}

/// A running client, subscribed.
fn client(server: &mut Server, settings: &Value) -> Running {
    let agent = Running::agent(settings);
    server.keepalive();
    agent
}

/// What became of a check: `output` and `status`.
fn outcome(result: &Value) -> (&str, i64) {
    let check = &result["payload"]["check"];
    let status = check["status"].as_i64().unwrap();
    (check["output"].as_str().unwrap(), status)
}

#[test]
fn f1_a_request_is_answered_by_every_client_of_the_subscription() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let none = &json!({});
    let _one = client(&mut server, &settings(&vhost, "one", &["infiniband"], none));
    let _two = client(
        &mut server,
        &settings(&vhost, "two", &["infiniband", "physical"], none),
    );
    let mut captured = fixture::json("wire/result-ib_probe.json");
    let check = &captured["payload"]["check"];
    let request = json!({
        "command": check["command"], "name": check["name"], "issued": check["issued"],
    });
    server.request("infiniband", &request);
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut result = server.result();
        let client = result["payload"]["client"].take();
        let check = &mut result["payload"]["check"];
        let executed = check["executed"].take();
        assert!(executed.as_u64() >= request["issued"].as_u64());
        assert!(check["duration"].take().is_f64());
        let expected = &mut captured["payload"];
        expected["client"] = Value::Null;
        expected["check"]["executed"] = Value::Null;
        expected["check"]["duration"] = Value::Null;
        assert_eq!(result.to_string(), captured.to_string());
        clients.push(client.as_str().unwrap().to_owned());
    }
    clients.sort();
    assert_eq!(clients, ["one", "two"]);
}

#[test]
fn c_direct_and_roundrobin_requests_are_answered_by_one_client_each() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let subscriptions = ["direct:one-of-us", "roundrobin:in-turn", "all"];
    let agents = ["one", "two"].map(|name| {
        let settings = settings(&vhost, name, &subscriptions, &json!({}));
        client(&mut server, &settings)
    });
    let mut answers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for number in 0..20 {
        for subscription in &subscriptions[..2] {
            let name = format!("{}-{number}", subscription.replace(':', "-"));
            server.request(subscription, &json!({"name": name, "command": "true"}));
        }
    }
    // Forty answers; then one of each client, which no other can come after:
    // a client takes what it was sent in order.
    for _ in 0..40 {
        let result = server.result();
        let name = result["payload"]["check"]["name"].as_str().unwrap();
        let client = result["payload"]["client"].as_str().unwrap();
        let clients = answers.entry(name.to_owned()).or_default();
        clients.push(client.to_owned());
    }
    server.request("all", &json!({"name": "last", "command": "true"}));
    for _ in &agents {
        assert_eq!(server.result()["payload"]["check"]["name"], "last");
    }
    assert_eq!(answers.len(), 40, "{answers:?}");
    assert!(answers.values().all(|clients| clients.len() == 1));
    let of = |client: &str| {
        let turns = answers
            .iter()
            .filter(|(name, clients)| name.starts_with("roundrobin") && clients[0] == client);
        turns.count()
    };
    assert_eq!((of("one"), of("two")), (10, 10), "{answers:?}");
}

#[test]
fn f4_tokens_of_a_request_become_attributes_of_the_client() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let mut settings = settings(&vhost, "one", &["all"], &json!({}));
    settings["client"]["disk"] = json!({"warning": 80, "password": "hunter2", "none": null});
    let _agent = client(&mut server, &settings);
    let request = json!({
        "name": "disk", "command": "echo :::disk.warning::: :::disk.critical|90::: :::disk.password:::",
        "text": ":::name:::", "deep": [{"a": ":::disk.warning:::"}],
    });
    server.request("all", &request);
    let result = server.result();
    assert_eq!(outcome(&result), ("80 90 hunter2\n", 0));
    let check = &result["payload"]["check"];
    // The command as it came, so that no secret leaks.
    assert_eq!(check["command"], request["command"]);
    assert_eq!(
        (&check["text"], &check["deep"]),
        (&json!("one"), &json!([{"a": "80"}]))
    );
    for (command, unmatched) in [
        (":::disk:::", "disk"),
        (":::disk.none::: :::rack.unit:::", "disk.none, rack.unit"),
    ] {
        server.request("all", &json!({"name": "disk", "command": command}));
        let result = server.result();
        let expected = format!("Unmatched client token(s): {unmatched}");
        assert_eq!(outcome(&result), (expected.as_str(), 3));
        let check = &result["payload"]["check"];
        assert_eq!(check["handle"], false);
        assert!(check.get("duration").is_none());
    }
}

#[test]
fn a_command_that_is_an_array_needs_no_shell_and_shows_it_no_token() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let touched = dir.path().join("touched");
    let evil = format!("'; touch {0}; $(touch {0}); echo '", touched.display());
    let by_array = json!(["printf", "%s|", ":::evil:::", "$HOME", ":::no|:::", "a b"]);
    let local = json!({"command": ["echo", "local"], "subscribers": [], "interval": 60});
    let more = json!({"checks": {"local": local}});
    let mut settings = settings(&vhost, "one", &["all"], &more);
    settings["client"]["evil"] = json!(evil);
    let mut agent = client(&mut server, &settings);
    let hooks = json!({"ok": {"command": ["echo", ":::evil:::"]}});
    let request = json!({"name": "array", "command": by_array, "hooks": hooks});
    server.request("all", &request);
    let result = server.result();
    let check = &result["payload"]["check"];
    let printed = format!("{evil}|$HOME||a b|");
    assert_eq!(
        (&check["output"], &check["status"]),
        (&json!(printed), &json!(0))
    );
    // What the server sees has the tokens in it, as ever.
    assert_eq!(check["command"], by_array);
    let hook = &check["hooks"]["ok"];
    assert_eq!(hook["output"], json!(format!("{evil}\n")));
    assert_eq!(hook["command"], hooks["ok"]["command"]);
    assert!(!touched.exists());
    // A shell, on the other hand, does what the text says.
    server.request(
        "all",
        &json!({"name": "line", "command": "echo ':::evil:::'"}),
    );
    server.result_of("line");
    assert!(touched.exists());

    server.request("all", &json!({"name": "local"}));
    let result = server.result_of("local");
    assert_eq!(result["payload"]["check"]["output"], "local\n");
    server.request(
        "all",
        &json!({"name": "none", "command": ["no-such-program", "x"]}),
    );
    let result = server.result_of("none");
    assert_eq!(
        outcome(&result),
        (
            "Unexpected error: no-such-program: No such file or directory (os error 2)",
            3
        )
    );
    for command in [
        json!([]),
        json!(["echo", ""]),
        json!(["echo", 5]),
        json!({}),
    ] {
        server.request("all", &json!({"name": "bad", "command": command}));
        agent.stdout_line("check command must be a string, or an array");
    }
}

#[test]
fn f5_a_command_finds_programs_and_the_files_of_the_settings() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let settings = settings(&vhost, "one", &["all"], &json!({}));
    let _agent = client(&mut server, &settings);
    let command = "echo $PATH; echo $SENSU_CONFIG_FILES";
    server.request("all", &json!({"name": "environment", "command": command}));
    let result = server.result();
    let (path, files) = outcome(&result).0.split_once('\n').unwrap();
    assert!(path.ends_with(":/usr/lib/venus/checks:/etc/sensu/plugins:/etc/sensu/handlers"));
    let files: Vec<&str> = files.trim().split(':').collect();
    let names: Vec<_> = files.iter().map(|file| file.rsplit('/').next()).collect();
    assert_eq!(names, [Some(".none"), Some("settings.json")]);
}

#[test]
fn f6_the_hook_of_a_status_runs_and_its_outcome_is_in_the_result() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let settings = settings(&vhost, "one", &["all"], &json!({}));
    let _agent = client(&mut server, &settings);
    let hooks = json!({
        "0": {"command": "echo zero"},
        "warning": {"command": "cat | grep -o '\"status\":1'", "stdin": true},
        "critical": {"command": "sleep 1000", "timeout": 0.2},
        "non-zero": {"command": "echo :::name:::"},
    });
    for (exit, hook, output, status) in [
        (0, "0", "zero\n", 0),
        (1, "warning", "\"status\":1\n", 0),
        (2, "critical", "Execution timed out", 2),
        (7, "non-zero", "one\n", 0),
    ] {
        let command = format!("exit {exit}");
        server.request(
            "all",
            &json!({"name": "hooked", "command": command, "hooks": hooks}),
        );
        let result = server.result();
        let seen = &result["payload"]["check"]["hooks"];
        for (name, definition) in hooks.as_object().unwrap() {
            if name == hook {
                assert_eq!(
                    (&seen[name]["output"], &seen[name]["status"]),
                    (&json!(output), &json!(status))
                );
                assert_eq!(seen[name]["command"], definition["command"]);
            } else {
                assert_eq!(&seen[name], definition);
            }
        }
    }
    // A token of a hook that nothing stands for keeps the check from running.
    let hooks = json!({"ok": {"command": "echo :::missing:::"}});
    server.request(
        "all",
        &json!({"name": "hooked", "command": "true", "hooks": hooks}),
    );
    assert_eq!(
        outcome(&server.result()),
        ("Unmatched client token(s): missing", 3)
    );
}

#[test]
fn f9_a_source_stands_in_the_result_so_that_the_server_makes_a_proxy_client() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let mut settings = settings(&vhost, "one", &["all"], &json!({}));
    settings["client"]["switch"] = json!("ib-switch-1");
    let _agent = client(&mut server, &settings);
    let request = json!({
        "name": "ping", "command": "echo pong", "source": ":::switch:::",
        "aggregates": ["switches"], "ttl": 60, "custom": {"any": [1]},
    });
    server.request("all", &request);
    let result = server.result();
    assert_eq!(result["payload"]["client"], "one");
    let check = &result["payload"]["check"];
    assert_eq!(check["source"], "ib-switch-1");
    for carried in ["aggregates", "ttl", "custom"] {
        assert_eq!(check[carried], request[carried]);
    }
}

#[test]
fn f7_a_request_without_a_command_runs_the_check_extension() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let roots = json!({"proc_path": fixture::path("plugins/venus001/proc")});
    let more = json!({"venus": roots});
    let settings = settings(&vhost, "venus001", &["physical"], &more);
    let _agent = client(&mut server, &settings);

    let request = json!({"name": "cpu", "extension": "metrics-cpu", "issued": 1_453_048_230});
    server.request("physical", &request);
    let result = server.result();
    let (output, status) = outcome(&result);
    let lines: Vec<_> = output.lines().map(fixture::without_time).collect();
    let expected = fixture::expected_metrics("plugins/venus001/expected/metrics-cpu.txt");
    assert_eq!((lines, status), (expected, 0));
    assert_eq!(result["payload"]["check"]["issued"], 1_453_048_230);

    // The name stands in for the extension, attributes are its options, which
    // may hold tokens.
    let request = json!({"name": "metrics-load", "scheme": ":::rack|rack1:::.:::name:::"});
    server.request("physical", &request);
    let result = server.result();
    let first = outcome(&result).0.lines().next().unwrap();
    assert_eq!(
        fixture::without_time(first),
        "rack1.venus001.load_avg.one 0.39"
    );

    let request = json!({"name": "metrics-agent", "scheme": ":::rack|rack1:::"});
    server.request("physical", &request);
    let result = server.result();
    let connected = "rack1.connected 1";
    let mut lines = outcome(&result).0.lines().map(fixture::without_time);
    assert!(lines.any(|line| line == connected), "{result}");

    for (request, output) in [
        (
            json!({"name": "x", "extension": "check-nothing"}),
            "Unknown check extension: check-nothing",
        ),
        (
            json!({"name": "metrics-load", "scheme": ":::nothing:::"}),
            "Unmatched client token(s): nothing",
        ),
        (
            json!({"name": "metrics-agent", "scheme": "a b"}),
            "metrics-agent: the scheme has ' ' at position 2, which Graphite cannot take in a path\n",
        ),
        (
            json!({"name": "metrics-load", "scheme": "a b"}),
            "metrics-load: the scheme has ' ' at position 2, which Graphite cannot take in a path\n",
        ),
    ] {
        server.request("physical", &request);
        assert_eq!(outcome(&server.result()), (output, 3));
    }
}

#[test]
fn f1_the_local_definition_is_merged_over_the_request() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let check = json!({"command": "echo local", "subscribers": [], "interval": 60});
    let more = json!({"checks": {"which": check}});
    let settings = settings(&vhost, "one", &["all"], &more);
    let _agent = client(&mut server, &settings);
    let mut request = json!({"name": "which", "command": "echo remote", "team": "hpc"});
    server.request("all", &request);
    let result = server.result();
    assert_eq!(outcome(&result), ("local\n", 0));
    assert_eq!(result["payload"]["check"]["team"], "hpc");
    request["proxy_requests"] = json!({"client_attributes": {}});
    server.request("all", &request);
    assert_eq!(outcome(&server.result()), ("remote\n", 0));
}

#[test]
fn f2_in_safe_mode_only_commands_of_this_node_run() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let check = json!({"command": "echo local", "subscribers": [], "interval": 60});
    let more = json!({"checks": {"known": check}});
    let mut settings = settings(&vhost, "one", &["all"], &more);
    settings["client"]["safe_mode"] = json!(true);
    let _agent = client(&mut server, &settings);
    server.request("all", &json!({"name": "new", "command": "echo remote"}));
    let result = server.result();
    let refused = ("Check is not locally defined (safe mode)", 3);
    assert_eq!(outcome(&result), refused);
    assert_eq!(result["payload"]["check"]["handle"], false);
    assert!(result["payload"]["check"]["executed"].is_u64());
    server.request("all", &json!({"name": "known", "command": "echo remote"}));
    assert_eq!(outcome(&server.result()), ("local\n", 0));
    // A known name does not let another command in.
    let mut smuggled = json!({"name": "known", "command": "echo remote", "proxy_requests": {}});
    server.request("all", &smuggled);
    assert_eq!(outcome(&server.result()), refused);
    smuggled["command"] = json!("echo local");
    server.request("all", &smuggled);
    assert_eq!(outcome(&server.result()), ("local\n", 0));
    // Nor does a known command let another one in as its hook.
    let hooked = json!({"name": "known", "hooks": {"ok": {"command": "echo remote"}}});
    server.request("all", &hooked);
    let result = server.result();
    assert_eq!(outcome(&result), ("local\n", 0));
    assert!(result["payload"]["check"].get("hooks").is_none());
}

#[test]
fn f1_what_is_no_request_is_logged_and_dropped() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let settings = settings(&vhost, "one", &["all"], &json!({}));
    let mut agent = client(&mut server, &settings);
    for (payload, why) in [
        (&b"{\"name\": \"half"[..], "EOF while parsing"),
        (b"\xff\xfe", "expected value"),
        (b"[1, 2]", "not an object"),
        (b"{\"command\": \"true\"}", "no name"),
        (
            b"{\"name\": \"x\", \"command\": {\"a\": 1}}",
            "must be a string",
        ),
    ] {
        server.publish("all", payload);
        let line: Value = serde_json::from_str(&agent.stdout_line(why)).unwrap();
        assert_eq!(line["level"], "error");
    }
    server.request("all", &json!({"name": "good", "command": "echo good"}));
    assert_eq!(outcome(&server.result()), ("good\n", 0));
}

#[test]
fn f3_a_check_runs_once_at_a_time() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let settings = settings(&vhost, "one", &["all"], &json!({}));
    let mut agent = client(&mut server, &settings);
    let dir = tempfile::tempdir().unwrap();
    let gate = dir.path().join("gate");
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let command = format!("cat {}", gate.display());
    let request = json!({"name": "slow", "command": command});
    server.request("all", &request);
    server.request("all", &request);
    agent.stdout_line("previous check execution still in progress");
    // The same name for another source is another check.
    let other = json!({"name": "slow", "source": "switch-1", "command": "echo other"});
    server.request("all", &other);
    assert_eq!(outcome(&server.result()), ("other\n", 0));
    // Opens when the check reads.
    fs::write(&gate, "through\n").unwrap();
    assert_eq!(outcome(&server.result()), ("through\n", 0));
    server.request("all", &json!({"name": "last", "command": "echo last"}));
    assert_eq!(outcome(&server.result()), ("last\n", 0));
}

#[test]
fn f5_a_check_without_a_timeout_has_one_and_durations_are_published_as_numbers() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let more = json!({
        "venus": {"check_timeout": "200ms", "max_output": 8},
        "checks": {
            "endless": {"command": "sleep 1000", "standalone": true, "interval": "1s"},
            "wordy": {
                "command": "echo 0123456789; sleep 0.4", "timeout": "1m", "ttl": "2m 30s",
                "standalone": true, "interval": 1,
            },
        },
    });
    let settings = settings(&vhost, "one", &["all"], &more);
    let _agent = Running::agent(&settings);
    let result = server.result_of("endless");
    assert_eq!(outcome(&result), ("Execution timed out", 2));
    assert_eq!(result["payload"]["check"]["interval"], 1);
    let result = server.result_of("wordy");
    let cut = "01234567\n[3 more bytes of output were cut]\n";
    assert_eq!(outcome(&result), (cut, 0));
    assert_eq!(result["payload"]["check"]["timeout"], 60);
    assert_eq!(result["payload"]["check"]["ttl"], 150);
}
