//! What a broker says first, and what its management plugin answers, were recorded from `RabbitMQ`
//! 3.10.8; all else is written down after the specification of AMQP 0-9-1, as far as it is tested
//! with the real one end to end. A client that is served in order cannot tell that from a broker.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::{Server, check, fixture, nobody, run, says};

const PASSWORD: &str = "s3cret-of-rabbitmq";

fn start() -> Vec<u8> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    std::fs::read(fixtures.join("services/rabbitmq/start.bin")).unwrap()
}

fn method(channel: u8, class: u8, number: u8, arguments: &[u8]) -> Vec<u8> {
    let length = u8::try_from(4 + arguments.len()).unwrap();
    let head = [1, 0, channel, 0, 0, 0, length, 0, class, 0, number];
    [&head[..], arguments, &[0xce]].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

fn refusal(code: u16, why: &str) -> Vec<u8> {
    [&code.to_be_bytes()[..], &text(why), &[0; 4]].concat()
}

/// All that a broker says to somebody who may log in, up to the open channel.
fn opened() -> Vec<u8> {
    [
        start(),
        method(0, 10, 30, &[7, 255, 0, 2, 0, 0, 0, 60]),
        method(0, 10, 41, &[0]),
        method(1, 20, 11, &[0; 4]),
    ]
    .concat()
}

fn queue(messages: u32, consumers: u32) -> Vec<u8> {
    let counts = [messages.to_be_bytes(), consumers.to_be_bytes()].concat();
    method(1, 50, 11, &[text("q"), counts].concat())
}

fn closed() -> Vec<u8> {
    [method(1, 20, 41, &[]), method(0, 10, 51, &[])].concat()
}

/// A broker that says all of this to each client, and takes whatever it says.
fn broker(said: &[&[u8]]) -> String {
    let said = said.concat();
    let server = Server::new(move |mut stream| {
        let said = said.clone();
        thread::spawn(move || {
            // Whoever asks may have heard enough.
            drop(stream.write_all(&said));
            drop(stream.read_to_end(&mut Vec::new()));
        });
    });
    server.0.to_string()
}

#[test]
fn a_broker_that_works_and_what_may_be_wrong_with_its_queues() {
    let server = broker(&[&opened(), &queue(3, 1), &queue(1200, 2), &closed()]);
    let args = ["check-rabbitmq", "--server", &server];
    says(
        &[&args[..], &["-w", "2000"]].concat(),
        "CheckRabbitMQ OK: RabbitMQ 3.10.8, takes messages, keepalives taken by 1 consumer, \
         results taken by 2 consumers",
        0,
    );
    says(
        &[&args[..], &["--perfdata"]].concat(),
        "CheckRabbitMQ WARNING: 1200 messages wait in results, threshold 1000 | \
         'keepalives messages'=3;1000;10000;0 'keepalives consumers'=1;;;0 \
         'results messages'=1200;1000;10000;0 'results consumers'=2;;;0",
        1,
    );
    says(
        &[&args[..], &["-c", "1200", "--consumers", "2"]].concat(),
        "CheckRabbitMQ CRITICAL: keepalives taken by 1 consumer, expected 2; \
         1200 messages wait in results, threshold 1200",
        2,
    );
    let (text, status) = check(&[&args[..], &["-w", "5", "-c", "4"]].concat());
    assert!(text.contains("are upside down"), "{text}");
    assert_eq!(status, 3);
}

#[test]
fn alarms_are_told_to_whoever_publishes() {
    let blocked = method(0, 10, 60, &text("low on memory"));
    let server = broker(&[&opened(), &queue(0, 1), &queue(0, 1), &blocked]);
    says(
        &["check-rabbitmq", "--server", &server],
        "CheckRabbitMQ CRITICAL: publishers are blocked: low on memory",
        2,
    );
    assert_eq!(metrics(&["--server", &server])[0], "s.blocked 1".to_owned());
}

#[test]
fn names_from_outside_forge_nothing() {
    let blocked = method(0, 10, 60, &text("low\nCheckX OK: | 'x'=1"));
    let server = broker(&[&opened(), &queue(0, 1), &blocked]);
    let name = "a\nb|'c'=1";
    let args = [
        "check-rabbitmq",
        "--server",
        &server,
        "--perfdata",
        "--queue",
        name,
    ];
    says(
        &args,
        "CheckRabbitMQ CRITICAL: publishers are blocked: low CheckX OK: / 'x'=1 | \
         'a_b_''c''_1 messages'=0;1000;10000;0 'a_b_''c''_1 consumers'=1;;;0",
        2,
    );
}

/// The lines that metrics print without their time, and without how long it took to connect.
fn metrics(args: &[&str]) -> Vec<String> {
    let output = run(&[&["metrics-rabbitmq", "--scheme", "s"], args].concat());
    assert_eq!(str::from_utf8(&output.stderr).unwrap(), "", "{args:?}");
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| line.rsplit_once(' ').unwrap().0);
    let (first, rest) = lines.clone().next().zip(Some(lines.skip(1))).unwrap();
    let seconds = first.strip_prefix("s.connect_seconds ").unwrap();
    assert!(seconds.parse::<f64>().unwrap() > 0.0, "{seconds}");
    rest.map(str::to_owned).collect()
}

/// What the management plugin answers.
fn management(nodes: &str) -> String {
    let overview = fixture("services/rabbitmq/overview.json");
    Server::http([
        ("/api/nodes", 200, nodes),
        ("/api/overview", 200, &overview),
    ])
    .url()
}

#[test]
fn nodes_are_those_of_the_management_plugin() {
    let server = broker(&[&opened(), &queue(3, 1), &closed()]);
    let recorded = fixture("services/rabbitmq/nodes.json");
    let url = management(&recorded);
    let answer = |url: &str, line: &str, status| {
        let place = ["check-rabbitmq", "--server", &server, "--queue", "q"];
        says(
            &[&place[..], &["--management-url", url]].concat(),
            line,
            status,
        );
    };
    answer(
        &url,
        "CheckRabbitMQ OK: RabbitMQ 3.10.8, takes messages, q taken by 1 consumer, 1 node running",
        0,
    );
    // As two nodes would answer that were cut off from each other, and a third that has ended.
    let one = recorded
        .trim()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let cut = |name: &str, other: &str| {
        one.replace("probe@localhost", name).replace(
            "\"partitions\": []",
            &format!("\"partitions\": [\"{other}\"]"),
        )
    };
    let ended = "{\"name\":\"c@h\",\"running\":false,\"type\":\"disc\",\"partitions\":[]}";
    let nodes = format!("[{},{},{ended}]", cut("a@h", "b@h"), cut("b@h", "a@h"));
    answer(
        &management(&nodes),
        "CheckRabbitMQ CRITICAL: node a@h is partitioned from b@h; \
         node b@h is partitioned from a@h; node c@h does not run",
        2,
    );
    let alarms = recorded
        .replace("\"mem_alarm\": false", "\"mem_alarm\": true")
        .replace("\"disk_free_alarm\": false", "\"disk_free_alarm\": true");
    answer(
        &management(&alarms),
        "CheckRabbitMQ CRITICAL: node probe@localhost is low on memory; \
         node probe@localhost is low on disk",
        2,
    );
    // The broker is there, and only this is not known of it.
    let url = format!("http://{}", nobody());
    answer(
        &url,
        &format!(
            "CheckRabbitMQ UNKNOWN: asking {url}/api/nodes failed: Connection refused (os error 111); \
             is it running, and is this its address?"
        ),
        3,
    );
    let url = Server::http([("/api/nodes", 401, "{\"error\":\"not_authorised\"}")]).url();
    answer(
        &url,
        &format!(
            "CheckRabbitMQ UNKNOWN: {url}/api/nodes answers 401 \"{{\"error\":\"not_authorised\"}}\"; \
             give a user or token who may ask, see --help"
        ),
        3,
    );
}

#[test]
fn all_of_it_as_metrics() {
    let server = broker(&[&opened(), &queue(3, 1), &queue(120, 2), &closed()]);
    // Numbers that a node does not know are words.
    let nodes = fixture("services/rabbitmq/nodes.json").replace("41", "\"unknown\"");
    let url = management(&nodes);
    assert_eq!(
        metrics(&["--server", &server, "--management-url", &url]).join("\n"),
        "s.blocked 0\ns.keepalives.messages 3\ns.keepalives.consumers 1\n\
         s.results.messages 120\ns.results.consumers 2\n\
         s.nodes.probe@localhost.running 1\ns.nodes.probe@localhost.partitions 0\n\
         s.nodes.probe@localhost.mem_used 136945664\ns.nodes.probe@localhost.mem_limit 10110604083\n\
         s.nodes.probe@localhost.disk_free 40855031808\n\
         s.nodes.probe@localhost.disk_free_limit 50000000\n\
         s.nodes.probe@localhost.fd_total 20000\ns.nodes.probe@localhost.sockets_used 0\n\
         s.nodes.probe@localhost.sockets_total 17910\ns.nodes.probe@localhost.proc_used 368\n\
         s.nodes.probe@localhost.proc_total 1048576\n\
         s.queue_totals.messages.count 0\ns.queue_totals.messages.rate 0\n\
         s.queue_totals.messages_ready.count 0\ns.queue_totals.messages_ready.rate 0\n\
         s.queue_totals.messages_unacknowledged.count 0\n\
         s.queue_totals.messages_unacknowledged.rate 0\n\
         s.message_stats.drop_unroutable.count 13\ns.message_stats.drop_unroutable.rate 0\n\
         s.message_stats.publish.count 13\ns.message_stats.publish.rate 0\n\
         s.object_totals.channels 0\ns.object_totals.connections 0\n\
         s.object_totals.consumers 0\ns.object_totals.exchanges 14\ns.object_totals.queues 2"
    );
}

#[test]
fn ten_thousand_queues_are_one_line() {
    let names: Vec<String> = (0..10_000).map(|number| format!("q{number}")).collect();
    let names = names.join(",");
    let server = broker(&[&opened(), &queue(1, 1).repeat(10_000), &closed()]);
    let args = ["check-rabbitmq", "--server", &server, "--queue", &names];
    says(
        &args,
        "CheckRabbitMQ OK: RabbitMQ 3.10.8, takes messages, 10000 queues",
        0,
    );
    let (text, status) = check(&[&args[..], &["--consumers", "2"]].concat());
    let first = text.lines().next().unwrap();
    assert!(
        first.ends_with("q4 taken by 1 consumer, expected 2; and 9995 more, below"),
        "{first}"
    );
    assert_eq!((text.lines().count(), status), (102, 2));
}

/// Whatever a broker does with the password, it is not shown.
#[test]
fn the_password_shows_up_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let settings = dir.path().join("rabbitmq.json");
    let broken = dir.path().join("broken.json");
    std::fs::write(&broken, format!("{{\"rabbitmq\": \"{PASSWORD}")).unwrap();
    let echo = format!("you said {PASSWORD}");
    let refused = [start(), method(0, 10, 50, &refusal(403, &echo))].concat();
    let tuned = method(0, 10, 30, &[7, 255, 0, 2, 0, 0, 0, 60]);
    let blocked = method(0, 10, 60, &text(&echo));
    let no_queue = [
        opened(),
        method(1, 20, 40, &refusal(404, &echo)),
        method(1, 20, 11, &[0; 4]),
        queue(0, 1),
        blocked,
    ]
    .concat();
    let no_vhost = [start(), tuned, method(0, 10, 50, &refusal(530, &echo))].concat();
    for said in [
        refused,
        no_vhost,
        no_queue,
        start(),
        b"AMQP\0\0\x09\x01".to_vec(),
    ] {
        let server = broker(&[&said]);
        let port: u16 = server.rsplit_once(':').unwrap().1.parse().unwrap();
        let rabbitmq = format!(
            "{{\"rabbitmq\": {{\"port\": {port}, \"user\": \"u\", \"password\": \"{PASSWORD}\"}}}}"
        );
        std::fs::write(&settings, rabbitmq).unwrap();
        let by_file = [
            "--server",
            &server,
            "--user",
            "u",
            "--password-file",
            file.to_str().unwrap(),
        ];
        let by_settings = ["--config", settings.to_str().unwrap()];
        let by_nonsense = ["--config", broken.to_str().unwrap()];
        for args in [&by_file[..], &by_settings, &by_nonsense] {
            for command in ["check-rabbitmq", "metrics-rabbitmq"] {
                let output = run(&[&[command, "--timeout", "0.2"], args].concat());
                let text = [output.stdout, output.stderr].concat();
                let text = String::from_utf8(text).unwrap();
                assert!(!text.is_empty() && !text.contains(PASSWORD), "{text}");
            }
        }
    }
    let server = broker(&[&opened(), &queue(0, 1), &queue(0, 1), &closed()]);
    let url = Server::http([("/api/nodes", 500, PASSWORD)]).url();
    let file = file.to_str().unwrap();
    let place = [
        "check-rabbitmq",
        "--server",
        &server,
        "--user",
        "u",
        "--password-file",
        file,
    ];
    says(
        &[&place[..], &["--management-url", &url]].concat(),
        &format!("CheckRabbitMQ UNKNOWN: {url}/api/nodes answers 500 \"…\""),
        3,
    );
    // It cannot even be given where others see it.
    let (text, status) = check(&["check-rabbitmq", "--password", PASSWORD]);
    assert!(
        text.starts_with("CheckRabbitMQ UNKNOWN: unexpected argument '--password'"),
        "{text}"
    );
    assert_eq!(status, 3);
}

#[test]
fn refusals_say_what_to_do() {
    let server = broker(&[
        &start(),
        &method(0, 10, 50, &refusal(403, "ACCESS_REFUSED - no.")),
    ]);
    says(
        &["check-rabbitmq", "--server", &server],
        &format!(
            "CheckRabbitMQ UNKNOWN: logging in as guest to {server} failed: it answers \
             403 ACCESS_REFUSED - no; access refused: are the user and the password right?"
        ),
        3,
    );
    let nobody = nobody();
    let nowhere = "/nonexistent/rabbitmq.json";
    for (args, line) in [
        (
            &["--config", nowhere][..],
            format!(
                "CheckRabbitMQ UNKNOWN: cannot read {nowhere}: No such file or directory (os error 2)"
            ),
        ),
        (
            &["--cert-file", "a", "--key-file", "b"],
            "CheckRabbitMQ UNKNOWN: --cert-file is of no use without --tls".to_owned(),
        ),
        (
            &["--tls", "--ca-file", nowhere],
            format!(
                "CheckRabbitMQ UNKNOWN: cannot read {nowhere}: No such file or directory (os error 2); \
                 is the right path given, and is it mounted?"
            ),
        ),
    ] {
        let nobody = nobody.to_string();
        says(
            &[&["check-rabbitmq", "--server", &nobody], args].concat(),
            &line,
            3,
        );
    }
}

/// A broker that says to each client what comes next, and to later ones the last; then nothing for ever,
/// or a heartbeat as often as it can.
fn broker_by_turn(said: Vec<Vec<u8>>, beats: bool) -> String {
    let turn = AtomicUsize::new(0);
    let server = Server::new(move |mut stream| {
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        let said = said[turn.min(said.len() - 1)].clone();
        thread::spawn(move || {
            let heartbeat = [8, 0, 0, 0, 0, 0, 0, 0xce];
            let mut all = stream.write_all(&said);
            while beats && all.is_ok() {
                all = stream.write_all(&heartbeat);
            }
            // Whoever asks may have heard enough.
            drop(stream.read_to_end(&mut Vec::new()));
        });
    });
    server.0.to_string()
}

#[test]
fn what_is_wrong_with_one_queue_hides_nothing_of_the_others() {
    let names = ["--queue", "a,b,c"];
    let no_queue = method(1, 20, 40, &refusal(404, "NOT_FOUND - no queue 'b'"));
    let locked = method(1, 20, 40, &refusal(405, "RESOURCE_LOCKED - no"));
    let reopened = method(1, 20, 11, &[0; 4]);
    for (refused, status, what, code) in [
        (
            no_queue,
            "CRITICAL",
            "queue b: 404 NOT_FOUND - no queue 'b'; has a server ever been there?",
            2,
        ),
        (locked, "UNKNOWN", "queue b: 405 RESOURCE_LOCKED - no", 3),
    ] {
        let (first, last) = (queue(3, 1), queue(4, 1));
        let server = broker(&[&opened(), &first, &refused, &reopened, &last, &closed()]);
        let args = ["check-rabbitmq", "--server", &server, "--perfdata"];
        says(
            &[&args[..], &names].concat(),
            &format!(
                "CheckRabbitMQ {status}: {what} | 'a messages'=3;1000;10000;0 'a consumers'=1;;;0 \
                 'c messages'=4;1000;10000;0 'c consumers'=1;;;0"
            ),
            code,
        );
    }
    // Some mishaps end the connection: the others are looked at in a new one.
    let ended = method(0, 10, 50, &refusal(541, "INTERNAL_ERROR - b is broken"));
    let first = [opened(), queue(3, 0), ended].concat();
    let second = [opened(), queue(4, 1), closed()].concat();
    let server = broker_by_turn(vec![first.clone(), second], false);
    let args = ["check-rabbitmq", "--server", &server, "--perfdata"];
    says(
        &[&args[..], &names].concat(),
        &format!(
            "CheckRabbitMQ CRITICAL: a taken by 0 consumers, expected 1; \
             looking at queue b of {server} failed: it answers 541 INTERNAL_ERROR - b is broken | \
             'a messages'=3;1000;10000;0 'a consumers'=0;;;0 \
             'c messages'=4;1000;10000;0 'c consumers'=1;;;0"
        ),
        2,
    );
    // Where there is no new one, this is told of each.
    let server = broker_by_turn(vec![first, b"no".to_vec()], false);
    let args = ["check-rabbitmq", "--server", &server, "--no-publish"];
    let lost = format!("greeting {server} failed: it does not speak AMQP; is it a broker?");
    says(
        &[&args[..], &["--queue", "a,b,c,d"]].concat(),
        &format!(
            "CheckRabbitMQ CRITICAL: a taken by 0 consumers, expected 1; \
             looking at queue b of {server} failed: it answers 541 INTERNAL_ERROR - b is broken; \
             queue c was not looked at: {lost}; queue d was not looked at: {lost}"
        ),
        2,
    );
}

/// Stand-ins, as no real broker can be made to fall silent just there.
#[test]
fn a_broker_that_falls_silent_is_told_by_what_was_asked() {
    let tune = method(0, 10, 30, &[7, 255, 0, 2, 0, 0, 0, 60]);
    for (said, doing) in [
        (vec![], "greeting"),
        (start(), "logging in as guest to"),
        (
            [start(), tune].concat(),
            "opening the virtual host /sensu of",
        ),
    ] {
        let server = broker(&[&said]);
        says(
            &["check-rabbitmq", "--server", &server, "--timeout", "0.5"],
            &format!(
                "CheckRabbitMQ UNKNOWN: no answer within 0.5 s while {doing} {server}; \
                 see what hangs there, or give more with --timeout"
            ),
            3,
        );
    }
    // By then something is known.
    let server = broker(&[&opened()]);
    let args = ["check-rabbitmq", "--timeout", "1", "--no-publish"];
    says(
        &[&args[..], &["--server", &server, "--queue", "a"]].concat(),
        &format!("CheckRabbitMQ UNKNOWN: looking at queue a of {server} failed: no answer in time"),
        3,
    );
    let silent = vec![[opened(), queue(3, 0)].concat(), Vec::new()];
    let server = broker_by_turn(silent, false);
    says(
        &[&args[..], &["--server", &server, "--queue", "a,b,c"]].concat(),
        &format!(
            "CheckRabbitMQ CRITICAL: a taken by 0 consumers, expected 1; \
             looking at queue b of {server} failed: no answer in time; \
             queue c was not looked at: greeting {server} failed: no answer in time"
        ),
        2,
    );
}

/// Heartbeats are no answer, however many come.
#[test]
fn heartbeats_do_not_outlast_what_is_known() {
    let args = ["check-rabbitmq", "--timeout", "1", "--queue", "a"];
    let said = vec![[opened(), queue(3, 0)].concat()];
    let server = broker_by_turn(said, true);
    says(
        &[&args[..], &["--server", &server]].concat(),
        &format!(
            "CheckRabbitMQ CRITICAL: a taken by 0 consumers, expected 1; \
             whether publishers are blocked is not known: publishing to nobody at {server} failed: \
             no answer in time"
        ),
        2,
    );
    // The goodbye, which is all that it owes.
    let left = method(1, 20, 41, &[]);
    let server = broker_by_turn(vec![[opened(), queue(3, 1), left].concat()], true);
    says(
        &[&args[..], &["--server", &server]].concat(),
        "CheckRabbitMQ OK: RabbitMQ 3.10.8, takes messages, a taken by 1 consumer",
        0,
    );
}

/// Which server and virtual host it is, by what Sensu's settings say.
#[test]
fn settings_of_sensu_lead_there() {
    let server = broker(&[&opened(), &queue(0, 1), &queue(0, 1), &closed()]);
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    let args = ["check-rabbitmq", "--config", folder];
    let (_, port) = server.rsplit_once(':').unwrap();
    for settings in [
        format!("{{\"rabbitmq\": {{\"port\": {port}}}}}"),
        format!("{{\"rabbitmq\": [\"amqp://u:p@{server}/%2Fsensu\", {{\"port\": 1}}]}}"),
    ] {
        std::fs::write(dir.path().join("rabbitmq.json"), settings).unwrap();
        let (text, status) = check(&args);
        assert!(text.starts_with("CheckRabbitMQ OK: "), "{text}");
        assert_eq!(status, 0);
    }
    let (text, _) = check(&[&args[..], &["--server", "127.0.0.1:1"]].concat());
    assert!(text.contains("connecting to 127.0.0.1:1 failed"), "{text}");
    let unverified =
        format!("{{\"rabbitmq\": {{\"port\": {port}, \"ssl\": {{\"verify\": false}}}}}}");
    std::fs::write(dir.path().join("rabbitmq.json"), unverified).unwrap();
    let (text, status) = check(&args);
    assert!(
        text.ends_with("give who vouches for it with --ca-file\n"),
        "{text}"
    );
    assert_eq!(status, 3);
    let dry = run(&[&args[..], &["--dryrun"]].concat());
    assert_eq!(
        String::from_utf8(dry.stdout).unwrap(),
        format!(
            "CheckRabbitMQ would look at:\n  rabbitmq of {folder}\n  \
             queue keepalives of {server}\n  queue results of {server}\n  \
             publishing to nobody at {server}\n"
        )
    );
}
