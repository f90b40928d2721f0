//! `venus-agent doctor`.

use serde_json::{Value, json};
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Output;
use venus_tests::certificates::Certificates;
use venus_tests::fixture;
use venus_tests::port;
use venus_tests::program::{self, Running, wait_until};
use venus_tests::rabbitmq::{PASSWORD, RabbitMq};
use venus_tests::redis::Redis;
use venus_tests::server::Server;

/// Settings of a client whose sockets listen nowhere.
fn settings(more: &Value) -> Value {
    let closed = json!({"enabled": false});
    let mut settings = json!({
        "client": {
            "name": "one", "address": "192.0.2.1", "subscriptions": ["all", "roundrobin:x"],
            "socket": closed, "http_socket": closed,
        },
        // Not this host's, where other tests have their containers.
        "venus": {"sys_path": fixture::path("plugins/vm/sys")},
    });
    for (key, value) in more.as_object().unwrap() {
        settings[key] = value.clone();
    }
    settings
}

fn doctor(settings: &Value, arguments: &[&str]) -> Output {
    let (mut command, _dir) = program::agent(settings);
    program::run(command.arg("doctor").args(arguments))
}

/// The lines that are not ok; and the exit status has to fit.
fn complaints(settings: &Value) -> Vec<String> {
    let output = doctor(settings, &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        !text.contains(PASSWORD) && !text.contains("s3cret"),
        "{text}"
    );
    let lines = text.lines().map(str::trim);
    let failed = |line: &&str| line.starts_with("FAIL") || line.starts_with("WARN");
    let complaints: Vec<_> = lines.filter(failed).map(str::to_owned).collect();
    let fails = complaints.iter().any(|line| line.starts_with("FAIL"));
    assert_eq!(
        output.status.code(),
        Some(if fails { 2 } else { 0 }),
        "{text}"
    );
    complaints
}

fn assert_complains(settings: &Value, expected: &[&str]) {
    let complaints = complaints(settings);
    let fits = complaints.len() == expected.len()
        && complaints
            .iter()
            .zip(expected)
            .all(|(complaint, expected)| complaint.contains(expected));
    assert!(fits, "{complaints:#?}\nare not\n{expected:#?}");
}

#[test]
fn a_broker_is_examined_step_by_step_and_left_as_it_was() {
    let Some(broker) = RabbitMq::shared() else {
        return;
    };
    let vhost = broker.vhost();
    let _server = Server::connect(&vhost);
    let output = doctor(&settings(&json!({"rabbitmq": vhost.settings()})), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for line in [
        "ok    one, 192.0.2.1",
        "ok    all: requests that each of its clients takes",
        "ok    roundrobin:x: requests that one of its clients takes",
        "ok    login: as sensu",
        "ok    permissions: publishes, declares and subscribes as the agent does",
        "ok    clock: the same as the broker's",
        "Nothing is wrong.",
    ] {
        assert!(text.contains(line), "no {line} in {text}");
    }
    let queues = broker.ctl(&["list_queues", "-p", &vhost.name, "name"]);
    let mut queues: Vec<_> = queues.lines().filter(|line| !line.is_empty()).collect();
    queues.sort_unstable();
    assert_eq!(queues, ["keepalives", "results"]);

    let limited = "doctor-limited";
    broker.ctl(&["add_user", limited, "s3cret"]);
    broker.ctl(&[
        "set_permissions",
        "-p",
        &vhost.name,
        limited,
        "^all$",
        "^keepalives$",
        ".*",
    ]);
    let unread = "doctor-unread";
    broker.ctl(&["add_user", unread, "s3cret"]);
    broker.ctl(&[
        "set_permissions",
        "-p",
        &vhost.name,
        unread,
        ".*",
        ".*",
        "^$",
    ]);
    let with = |changes: Value| {
        let mut rabbitmq = vhost.settings();
        for (key, value) in changes.as_object().unwrap() {
            rabbitmq[key] = value.clone();
        }
        settings(&json!({ "rabbitmq": rabbitmq }))
    };
    for (changes, expected) in [
        (
            json!({"host": "nowhere.invalid"}),
            &["name: nowhere.invalid is not found"][..],
        ),
        (
            json!({"port": 1}),
            &["address: 127.0.0.1:1: Connection refused"],
        ),
        (
            json!({"password": "s3cret-but-wrong"}),
            &["login: ACCESS_REFUSED"],
        ),
        (json!({"vhost": "/nowhere"}), &["vhost: NOT_ALLOWED"]),
        (json!({"ssl": {}}), &["TLS: "]),
        (
            json!({"user": unread, "password": "s3cret"}),
            &[
                "permissions: declare the queue one-1.9.0-",
                "permissions: subscribe to all: ACCESS_REFUSED",
                "permissions: subscribe to roundrobin:x: ACCESS_REFUSED",
                "permissions: subscribe to client:one: ACCESS_REFUSED",
                "clock: not compared with the broker's: ACCESS_REFUSED",
            ],
        ),
        (
            json!({"user": limited, "password": "s3cret"}),
            &[
                "permissions: publish to keepalives: ACCESS_REFUSED",
                "permissions: publish to results: ACCESS_REFUSED",
                "permissions: declare the queue one-1.9.0-",
                "permissions: subscribe to all: ACCESS_REFUSED",
                "permissions: subscribe to roundrobin:x: ACCESS_REFUSED",
                "permissions: subscribe to client:one: ACCESS_REFUSED",
                "clock: not compared with the broker's: ACCESS_REFUSED",
            ],
        ),
    ] {
        assert_complains(&with(changes), expected);
    }
}

#[test]
fn the_folder_where_results_wait_is_examined() {
    let dir = tempfile::tempdir().unwrap();
    let at = |place: &Path| {
        let mut settings = settings(&json!({"rabbitmq": {"host": "127.0.0.1", "port": 1}}));
        settings["venus"]["spool"] = json!({"dir": place});
        settings
    };
    let no_broker = "address: 127.0.0.1:1: Connection refused";
    assert_complains(&at(&dir.path().join("new")), &[no_broker]);
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let no_folder = format!("spool/one: {}: Not a directory", file.display());
    assert_complains(&at(&file), &[&no_folder, no_broker]);

    fs::create_dir_all(dir.path().join("spool/one")).unwrap();
    let settings = at(dir.path());
    let _agent = Running::agent(&settings);
    wait_until(|| {
        let report = doctor(&settings, &["--json"]);
        let report = String::from_utf8_lossy(&report.stdout).into_owned();
        report.contains("spool/one is kept by an agent that runs")
    });
}

#[test]
fn tls_is_examined() {
    let Some(certificates) = Certificates::make() else {
        return;
    };
    let Some(mut broker) = RabbitMq::own() else {
        return;
    };
    let port = broker.use_tls(&certificates);
    broker.launch();
    let mut rabbitmq = broker.vhost().settings();
    rabbitmq["port"] = json!(port);
    let authority = json!(certificates.path("ca.pem"));
    rabbitmq["ssl"] = certificates.client_with("cacert", authority);
    assert_complains(&settings(&json!({"rabbitmq": rabbitmq})), &[]);
    rabbitmq["ssl"]["cacert"].take();
    let unknown = settings(&json!({"rabbitmq": rabbitmq}));
    assert_complains(&unknown, &["TLS: "]);
    assert!(complaints(&unknown)[0].contains("see ssl.cacert"));
}

#[test]
fn redis_and_its_sentinels_are_examined() {
    let Some(redis) = Redis::launch() else {
        return;
    };
    let (Some(replica), Some(sentinel)) = (redis.replica(), redis.sentinel()) else {
        return;
    };
    let through =
        |redis: &Value| settings(&json!({"transport": {"name": "redis"}, "redis": redis}));
    assert_complains(&through(&redis.settings()), &[]);
    assert_complains(&through(&replica.settings()), &["role: it is a replica"]);
    let mut sentinels = redis.settings();
    sentinels["sentinels"] = json!([{"host": "127.0.0.1", "port": sentinel.port}]);
    assert_complains(&through(&sentinels), &["it knows no master mymaster"]);
    sentinels["master"] = json!("venus");
    assert_complains(&through(&sentinels), &[]);
    sentinels["password"] = json!("s3cret-but-wrong");
    assert_complains(
        &through(&sentinels),
        &["see password in the redis settings"],
    );
}

#[test]
fn what_is_wrong_on_this_node_is_found_without_a_broker() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let taken_port = taken.local_addr().unwrap().port();
    let [port] = port::free();
    let mut settings = settings(&json!({
        "checks": {
            "gone": {"command": "LANG=C check-gone -w 1", "standalone": true, "interval": 60},
            "rack": {"command": "echo :::rack:::", "standalone": true, "interval": 60},
            "ruby": {"extension": "check-ruby", "standalone": true, "interval": 60},
            "quoted": {"command": "OPTIONS='-a s3cret' check-gone", "standalone": true, "interval": 60},
            "shell": {"command": "(exit 1)", "standalone": true, "interval": 60},
            "disk": {"comand": "df", "command": "df", "standalone": true, "interval": 60},
            "mistyped": {"command": "df", "intervall": 5, "standalone": true, "cron": "* * * * *"},
        },
        "handlers": {"slack": {"type": "pipe", "command": "handler-gone"}},
        "venus": {"proc_path": "/nonexistent", "sys_path": "/nonexistent"},
    }));
    settings["client"]["socket"] = json!({"port": port});
    settings["client"]["http_socket"] = json!({"port": taken_port});
    assert_complains(
        &settings,
        &[
            "intervall in checks.mistyped: do you mean interval?",
            "gone (every 1m): check-gone is not found",
            "rack: Unmatched client token(s): rack",
            "ruby (every 1m): check-ruby",
            "slack: handler-gone is not found",
            &format!("HTTP 127.0.0.1:{taken_port}: Address already in use"),
            "metrics-cpu: ",
            "metrics-load: ",
            "metrics-memory: ",
            "metrics-net: ",
        ],
    );

    // What an agent of ours holds is as it should be.
    drop(taken);
    settings["venus"].take();
    settings["handlers"].take();
    let own = json!({"extension": "metrics-agent", "standalone": true, "interval": 60});
    settings["checks"] = json!({"own": own});
    let _agent = Running::agent(&settings);
    wait_until(|| TcpStream::connect((Ipv4Addr::LOCALHOST, taken_port)).is_ok());
    let output = doctor(&settings, &["--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["healthy"], true, "{report:#}");
    let findings = report["findings"].as_array().unwrap();
    let taken = findings.iter().filter(|finding| {
        let what = finding["what"].as_str().unwrap();
        finding["area"] == "sockets" && what.ends_with("is taken, by a Sensu client")
    });
    assert_eq!(taken.count(), 3);

    assert_complains(
        &json!({"client": {"name": "a b", "address": 5}, "checks": {"x": {"interval": 0}}}),
        &[
            "client name cannot contain",
            "client address must be a string",
            "either check command or extension must be set (x)",
            "check interval must be greater than 0 (x)",
            "check subscribers must be an array (x)",
        ],
    );
}

#[test]
fn what_cannot_be_printed_was_not_said() {
    let (mut command, _dir) = program::agent(&settings(&json!({})));
    let full = fs::File::create("/dev/full").unwrap();
    let output = command.arg("doctor").stdout(full).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("cannot write to standard output"), "{said}");
}
