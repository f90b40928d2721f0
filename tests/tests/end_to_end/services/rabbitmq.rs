//! `check-rabbitmq` and `metrics-rabbitmq` against real brokers.

use nix::sys::signal::Signal;
use serde_json::json;
use std::fs;
use tempfile::TempDir;
use venus_tests::certificates::Certificates;
use venus_tests::program::wait_until;
use venus_tests::rabbitmq::{PASSWORD, RabbitMq, USER, Vhost};
use venus_tests::server::Server;

use super::{check, comes_to_say, says};

/// A virtual host, and what leads a check there.
struct Asked {
    dir: TempDir,
    server: String,
    vhost: String,
}

impl Asked {
    fn new(vhost: &Vhost, port: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, secret) in [("password", PASSWORD), ("wrong", "wrong-but-s3cret")] {
            fs::write(dir.path().join(name), secret).unwrap();
        }
        let settings = json!({ "rabbitmq": vhost.settings() });
        fs::write(dir.path().join("rabbitmq.json"), settings.to_string()).unwrap();
        Self {
            dir,
            server: format!("127.0.0.1:{port}"),
            vhost: vhost.name.clone(),
        }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// The command line of a command.
    fn args(&self, command: &str, more: &[&str]) -> Vec<String> {
        let password = self.path("password");
        let login = ["--user", USER, "--password-file", &password];
        let place = [command, "--server", &self.server, "--vhost", &self.vhost];
        let all = [&place[..], &login, more].concat();
        all.into_iter().map(str::to_owned).collect()
    }

    fn says(&self, more: &[&str], line: &str, status: i32) {
        let args = self.args("check-rabbitmq", more);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        says(&args, &format!("CheckRabbitMQ {line}"), status);
    }

    fn comes_to_say(&self, more: &[&str], start: &str) {
        let args = self.args("check-rabbitmq", more);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        comes_to_say(&args, &format!("CheckRabbitMQ {start}"));
    }

    fn metrics(&self, more: &[&str]) -> String {
        let args = self.args("metrics-rabbitmq", &[&["--scheme", "s"], more].concat());
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        check(&args).0
    }
}

/// What a broker says where all is well.
fn fine(broker: &RabbitMq) -> String {
    let version = broker.ctl(&["version"]);
    format!(
        "OK: RabbitMQ {}, takes messages, keepalives taken by 1 consumer, results taken by 1 consumer",
        version.trim()
    )
}

/// What is said of a queue that there is not.
fn missing(queue: &str, vhost: &Vhost) -> String {
    format!(
        "queue {queue}: 404 NOT_FOUND - no queue '{queue}' in vhost '{}'; has a server ever been there?",
        vhost.name
    )
}

/// What is said where no server has ever been.
fn untouched(vhost: &Vhost) -> String {
    let [keepalives, results] = ["keepalives", "results"].map(|queue| missing(queue, vhost));
    format!("CRITICAL: {keepalives}; {results}")
}

#[test]
fn queues_and_their_consumers() {
    let Some(broker) = RabbitMq::shared() else {
        return;
    };
    let vhost = broker.vhost();
    let asked = Asked::new(&vhost, broker.port());
    asked.says(&[], &untouched(&vhost), 2);
    let sensu = Server::connect(&vhost);
    let fine = fine(broker);
    asked.says(&[], &fine, 0);
    let settings = asked.path("rabbitmq.json");
    let (text, status) = check(&["check-rabbitmq", "--config", &settings]);
    assert_eq!((text, status), (format!("CheckRabbitMQ {fine}\n"), 0));
    asked.says(
        &["--consumers", "2", "--queue", "results"],
        "CRITICAL: results taken by 1 consumer, expected 2",
        2,
    );

    // One that there is not hides nothing of the others.
    let first = ["--queue", "none,keepalives,results", "--consumers", "2"];
    asked.says(
        &first,
        &format!(
            "CRITICAL: {}; keepalives taken by 1 consumer, expected 2; \
             results taken by 1 consumer, expected 2",
            missing("none", &vhost)
        ),
        2,
    );

    // What waits, and is gone again.
    sensu.pile_up("backlog", 30);
    let backlog = ["--queue", "backlog", "--consumers", "0"];
    let limits = |warning, critical| [&backlog[..], &["-w", warning, "-c", critical]].concat();
    asked.comes_to_say(&limits("10", "30"), "CRITICAL: 30 messages wait in backlog");
    asked.says(
        &limits("30", "31"),
        "WARNING: 30 messages wait in backlog, threshold 30",
        1,
    );
    broker.ctl(&["purge_queue", "-p", &vhost.name, "backlog"]);
    let (all, _) = fine.split_once("keepalives").unwrap();
    let empty = format!("{all}backlog taken by 0 consumers");
    asked.says(&limits("10", "30"), &empty, 0);
    sensu.delete_queue("backlog");
    asked.says(
        &backlog,
        &format!("CRITICAL: {}", missing("backlog", &vhost)),
        2,
    );
}

#[test]
fn who_may_not_look_is_told_why() {
    let Some(broker) = RabbitMq::shared() else {
        return;
    };
    let vhost = broker.vhost();
    let asked = Asked::new(&vhost, broker.port());
    let (server, name) = (&asked.server, &vhost.name);
    let _sensu = Server::connect(&vhost);
    let wrong = asked.path("wrong");
    asked.says(
        &["--password-file", &wrong],
        &format!(
            "UNKNOWN: logging in as sensu to {server} failed: it answers 403 ACCESS_REFUSED - Login was \
             refused using authentication mechanism PLAIN. For details see the broker logfile; \
             access refused: are the user and the password right?"
        ),
        3,
    );
    broker.ctl(&["add_vhost", "/closed"]);
    for (vhost, why) in [
        ("/none", "vhost /none not found"),
        (
            "/closed",
            "access to vhost '/closed' refused for user 'sensu'",
        ),
    ] {
        asked.says(
            &["--vhost", vhost],
            &format!(
                "UNKNOWN: opening the virtual host {vhost} of {server} failed: it answers \
                 530 NOT_ALLOWED - {why}; is the virtual host right, and may this user use it?"
            ),
            3,
        );
    }
    let may = |pattern| {
        broker.ctl(&[
            "set_permissions",
            "-p",
            name,
            USER,
            pattern,
            pattern,
            pattern,
        ])
    };
    may("^$");
    asked.says(
        &[],
        &format!(
            "UNKNOWN: whether publishers are blocked is not known: 403 ACCESS_REFUSED - access to \
             exchange 'amq.default' in vhost '{name}' refused for user 'sensu'; \
             let this user write there, or give --no-publish"
        ),
        3,
    );
    asked.says(
        &["--no-publish"],
        &fine(broker).replace(", takes messages", ""),
        0,
    );
    may(".*");
}

#[test]
fn a_broker_in_alarm_or_gone() {
    let Some(mut broker) = RabbitMq::own() else {
        return;
    };
    let management = broker.use_management();
    broker.launch();
    broker.ctl(&["set_user_tags", USER, "monitoring"]);
    let vhost = broker.vhost();
    let asked = Asked::new(&vhost, broker.port());
    let _sensu = Server::connect(&vhost);
    let (server, fine) = (asked.server.clone(), fine(&broker));
    let url = format!("http://127.0.0.1:{management}");
    let with_nodes = ["--management-url", &url];
    asked.says(&with_nodes, &format!("{fine}, 1 node running"), 0);

    // Alarms, which the management plugin hears of later.
    broker.ctl(&["set_vm_memory_high_watermark", "0"]);
    let memory = "CRITICAL: publishers are blocked: low on memory";
    asked.comes_to_say(&[], memory);
    asked.comes_to_say(
        &with_nodes,
        &format!("{memory}; node {} is low on memory", broker.name()),
    );
    assert!(asked.metrics(&[]).contains("s.blocked 1 "));
    // What was blocked is not kept: it is noticed that whoever asked has gone.
    wait_until(|| {
        !broker
            .ctl(&["list_connections", "state"])
            .contains("blocked")
    });
    broker.ctl(&["set_vm_memory_high_watermark", "0.4"]);
    asked.comes_to_say(&with_nodes, "OK: ");
    broker.ctl(&["set_disk_free_limit", "1000000000000000"]);
    asked.comes_to_say(&[], "CRITICAL: publishers are blocked: low on disk");
    broker.ctl(&["set_disk_free_limit", "50MB"]);
    asked.comes_to_say(&[], &fine);

    let metrics = asked.metrics(&with_nodes);
    for path in [
        "s.blocked 0 ".to_owned(),
        "s.keepalives.messages 0 ".to_owned(),
        "s.results.consumers 1 ".to_owned(),
        format!("s.nodes.{}.running 1 ", broker.name()),
        format!("s.nodes.{}.mem_used ", broker.name()),
        format!("s.nodes.{}.fd_used ", broker.name()),
        "s.object_totals.queues 2 ".to_owned(),
        "s.message_stats.publish.rate ".to_owned(),
    ] {
        assert!(metrics.contains(&path), "{path} in {metrics}");
    }

    // It hangs, is gone, and comes back without what it had.
    broker.signal(Signal::SIGSTOP);
    asked.says(
        &["--timeout", "0.3"],
        &format!(
            "UNKNOWN: no answer within 0.3 s while greeting {server}; \
             see what hangs there, or give more with --timeout"
        ),
        3,
    );
    broker.signal(Signal::SIGCONT);
    asked.says(&[], &fine, 0);
    broker.kill();
    asked.says(
        &[],
        &format!(
            "CRITICAL: connecting to {server} failed: Connection refused (os error 111); \
             is it running, and is this its address?"
        ),
        2,
    );
    broker.launch();
    asked.says(&[], &untouched(&vhost), 2);
    let _sensu = Server::connect(&vhost);
    asked.says(&[], &fine, 0);
}

#[test]
fn tls_is_verified_both_ways() {
    let Some(certificates) = Certificates::make() else {
        return;
    };
    let Some(mut broker) = RabbitMq::own() else {
        return;
    };
    let port = broker.use_tls(&certificates);
    broker.launch();
    let vhost = broker.vhost();
    let asked = Asked::new(&vhost, port);
    let _sensu = Server::connect(&vhost);
    let [ca, certificate, key] = ["ca.pem", "client.pem", "client.key"]
        .map(|name| certificates.path(name).display().to_string());
    let ours = ["--cert-file", &certificate, "--key-file", &key];
    let trusting = ["--tls", "--ca-file", &ca];
    asked.comes_to_say(&[&trusting[..], &ours].concat(), "OK: ");
    let server = &asked.server;
    asked.says(
        &[&["--tls"], &ours[..]].concat(),
        &format!(
            "UNKNOWN: beginning TLS with {server} failed: invalid peer certificate: UnknownIssuer; \
             if that is the right one, give who vouches for it with --ca-file"
        ),
        3,
    );
    asked.comes_to_say(&trusting, "UNKNOWN: greeting ");
    asked.says(
        &[],
        &format!("UNKNOWN: greeting {server} failed: it speaks TLS; give --tls"),
        3,
    );
    let plain = format!("127.0.0.1:{}", broker.port());
    asked.says(
        &[&trusting[..], &["--server", &plain]].concat(),
        &format!(
            "UNKNOWN: beginning TLS with {plain} failed: it does not speak TLS; \
             leave --tls out, or give the port that does"
        ),
        3,
    );
    let by_name = format!("localhost:{port}");
    asked.comes_to_say(
        &[&trusting[..], &ours, &["--server", &by_name]].concat(),
        &format!("UNKNOWN: beginning TLS with {by_name} failed: invalid peer certificate: certificate not valid for name"),
    );

    // All of it by Sensu's settings.
    let mut settings = vhost.settings();
    settings["port"] = json!(port);
    settings["ssl"] = certificates.client_with("cacert", json!(ca));
    let file = asked.path("rabbitmq.json");
    fs::write(&file, json!({ "rabbitmq": settings }).to_string()).unwrap();
    let (text, status) = check(&["check-rabbitmq", "--config", &file]);
    assert!(text.starts_with("CheckRabbitMQ OK: "), "{text}");
    assert_eq!(status, 0);
}

#[test]
fn nodes_that_are_parted_or_gone() {
    let Some(([one, mut other], management)) = RabbitMq::cluster_with_management() else {
        return;
    };
    one.ctl(&["set_user_tags", USER, "monitoring"]);
    let vhost = one.vhost();
    let asked = Asked::new(&vhost, one.port());
    let _sensu = Server::connect(&vhost);
    let url = format!("http://127.0.0.1:{management}");
    let args = ["--management-url", &url, "--queue", "results"];
    let is_fine = || {
        wait_until(|| {
            let args = asked.args("check-rabbitmq", &args);
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            check(&args)
                .0
                .ends_with("results taken by 1 consumer, 2 nodes running\n")
        });
    };
    is_fine();

    one.part(&other);
    let gone = format!("CRITICAL: node {} does not run", other.name());
    asked.comes_to_say(&args, &gone);
    one.rejoin(&other);
    let parted = format!(
        "CRITICAL: node {} is partitioned from {}",
        other.name(),
        one.name()
    );
    asked.comes_to_say(&args, &parted);
    other.ctl(&["stop_app"]);
    other.ctl(&["start_app"]);
    is_fine();

    other.kill();
    asked.comes_to_say(&args, &gone);
    other.launch();
    is_fine();
}
