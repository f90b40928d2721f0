//! The built program, as Sensu starts it: event on standard input, settings in a folder, and at
//! the other end a stand-in for Carbon that can be made to misbehave.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy.toml relaxes #[test] functions; what they call here is test as well"
)]

mod receiver;

use receiver::{Conduct, Receiver};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, crypto};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use venus_tests::cable::Cable;
use venus_tests::certificates::Certificates;
use venus_tests::port;

const PROGRAM: &str = env!("CARGO_BIN_EXE_handler-graphite");

/// Settings and spool of one handler.
struct Handler {
    dir: TempDir,
    section: Value,
}

impl Handler {
    /// Its section, and what is wanted beside a spool of its own and no pauses.
    fn new(port: u16, more: &Value) -> Self {
        let dir = TempDir::new().unwrap();
        let mut section = json!({
            "port": port, "retry_delay": 0, "spool_dir": dir.path().join("spool"),
        });
        let more = more.as_object().unwrap().clone();
        section.as_object_mut().unwrap().extend(more);
        let mut handler = Self { dir, section };
        handler.set("x", &Value::Null);
        handler
    }

    fn set(&mut self, name: &str, value: &Value) {
        self.section[name] = value.clone();
        fs::create_dir_all(self.settings()).unwrap();
        let all = json!({ "graphite": self.section }).to_string();
        let all = all.replace(",\"x\":null", "");
        fs::write(self.settings().join("graphite.json"), all).unwrap();
    }

    fn settings(&self) -> PathBuf {
        self.dir.path().join("settings")
    }

    fn start(&self, more: &[&str], input: &[u8]) -> Child {
        let mut command = Command::new(PROGRAM);
        // An empty file in the place of the host's own.
        command.args(["-c", "/dev/null", "-d"]).arg(self.settings());
        start(command.args(more), input)
    }

    fn run(&self, event: &str) -> Output {
        self.run_with(&[], event)
    }

    fn run_with(&self, more: &[&str], event: &str) -> Output {
        self.start(more, event.as_bytes())
            .wait_with_output()
            .unwrap()
    }

    /// How many portions of lines wait.
    fn waiting(&self) -> usize {
        let entries = fs::read_dir(self.dir.path().join("spool")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains('-')).count()
    }
}

fn start(command: &mut Command, input: &[u8]) -> Child {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A program that refuses its arguments has ended without reading.
    stdin.write_all(input).unwrap_or_default();
    child
}

#[track_caller]
fn assert_ends(output: &Output, code: i32, stderr: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), said.as_ref()), (Some(code), stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

fn event(output: &str) -> String {
    json!({
        "client": {"name": "venus001", "address": "10.0.2.15", "subscriptions": []},
        "check": {"name": "load", "type": "metric", "status": 0, "output": output},
        "action": "create",
    })
    .to_string()
}

fn line(number: u64) -> String {
    at("a.b", number)
}

fn at(path: &str, number: u64) -> String {
    format!("{path} {number} {}\n", 1_795_477_200 + number)
}

#[test]
fn lines_arrive_and_nothing_waits() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let handler = Handler::new(receiver.port(), &json!({"prefix": "p"}));
    assert_ends(
        &handler.run(&event("a.b 1 1795477200\nc 2.5 1795477201")),
        0,
        "",
    );
    assert_eq!(
        receiver.received(),
        ["p.a.b 1 1795477200\np.c 2.5 1795477201\n"]
    );
    assert_eq!(handler.waiting(), 0);
    // An event without a line is no mistake, and nobody is called for it.
    assert_ends(&handler.run(&event("")), 0, "");
    assert_eq!(receiver.received().len(), 1);
}

#[test]
fn bad_lines_are_counted_and_the_good_ones_go() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let handler = Handler::new(receiver.port(), &json!({}));
    let output = handler.run(&event("a x 1795477200\nb 1 1795477200\nc/d 1 1795477200\n"));
    assert_ends(
        &output,
        0,
        "handler-graphite: 2 of 3 lines left out, the first is \"a x 1795477200\": \
         its value is no finite number\n",
    );
    assert_eq!(receiver.received(), ["b 1 1795477200\n"]);
    assert_ends(
        &handler.run(&event("OK: all is well")),
        2,
        "handler-graphite: nothing to send: 1 of 1 lines left out, the first is \
         \"OK: all is well\": it is not PATH VALUE TIME\n",
    );
    assert_eq!(receiver.received().len(), 1);
}

#[test]
fn what_is_not_utf_8_costs_only_its_line() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let handler = Handler::new(receiver.port(), &json!({}));
    let event = event("a 1 1795477200\n\u{1} 1 1795477200\n").replace("\\u0001", "\u{1}");
    let bytes: Vec<u8> = event
        .bytes()
        .map(|byte| if byte == 1 { 0xe9 } else { byte })
        .collect();
    let output = handler.start(&[], &bytes).wait_with_output().unwrap();
    assert_ends(
        &output,
        0,
        "handler-graphite: 1 of 2 lines left out, the first is \"\u{fffd} 1 1795477200\": \
         '\u{fffd}' cannot stand in a path\n",
    );
    assert_eq!(receiver.received(), ["a 1 1795477200\n"]);
}

#[test]
fn nobody_listening_is_one_line_and_the_next_event_takes_both_over_one_connection() {
    let [port] = port::free();
    let mut handler = Handler::new(port, &json!({"retry_limit": 2}));
    let spool = handler.dir.path().join("spool");
    assert_ends(
        &handler.run(&event(&line(1))),
        1,
        &format!(
            "handler-graphite: not delivered to 127.0.0.1:{port}: Connection refused \
             (os error 111) (3 tries): the lines wait in {} for the next event\n",
            spool.display()
        ),
    );
    assert_eq!(handler.waiting(), 1);
    let receiver = Receiver::start(&[Conduct::Read]);
    handler.set("port", &json!(receiver.port()));
    assert_ends(&handler.run(&event(&line(2))), 0, "");
    assert_eq!(receiver.received(), [line(1) + &line(2)]);
    assert_eq!(handler.waiting(), 0);
}

#[test]
fn a_connection_that_breaks_midway_is_made_anew_and_everything_sent_again() {
    let receiver = Receiver::start(&[Conduct::Break(5), Conduct::Close, Conduct::Read]);
    let handler = Handler::new(receiver.port(), &json!({}));
    let lines: String = (0..5_000).map(line).collect();
    assert_ends(&handler.run(&event(&lines)), 0, "");
    assert_eq!(receiver.received(), ["a.b 0", "", &lines]);
}

#[test]
fn a_connection_that_closes_is_tried_to_the_end() {
    let receiver = Receiver::start(&[Conduct::Close]);
    let handler = Handler::new(receiver.port(), &json!({"retry_limit": 1}));
    let output = handler.run(&event(&line(1)));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains(": it closed the connection before all was read (2 tries): the lines wait"),
        "{said}"
    );
    assert_eq!((receiver.received().len(), handler.waiting()), (2, 1));
}

#[test]
fn who_does_not_read_or_does_not_close_has_not_taken_the_lines() {
    for conduct in [Conduct::Hang, Conduct::Hold] {
        let receiver = Receiver::start(&[conduct]);
        let handler = Handler::new(receiver.port(), &json!({"retry_limit": 0, "timeout": 1}));
        let output = handler.run(&event(&line(1)));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains(": it did not read all and close within 1 s: the lines wait"),
            "{said}"
        );
        assert_eq!(handler.waiting(), 1);
        receiver.release();
    }
}

#[test]
fn who_stops_reading_is_left_after_the_timeout() {
    let receiver = Receiver::start(&[Conduct::Hang]);
    let handler = Handler::new(receiver.port(), &json!({"retry_limit": 0, "timeout": 1}));
    // More than the buffers of both sockets hold.
    let path = "y.".repeat(1_000) + "z";
    let lines: String = (0..4_900).map(|number| at(&path, number)).collect();
    let output = handler.run(&event(&lines));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(" within 1 s: the lines wait in "), "{said}");
    receiver.release();
}

#[test]
fn a_cable_that_is_stalled_costs_the_timeout_and_no_line() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let cable = Cable::to(receiver.port());
    cable.stall();
    let handler = Handler::new(cable.port, &json!({"retry_limit": 0, "timeout": 1}));
    assert_eq!(handler.run(&event(&line(1))).status.code(), Some(1));
    cable.mend();
    assert_ends(&handler.run(&event(&line(2))), 0, "");
    // The cable closes before the receiver has read all.
    let expected = line(1) + &line(2);
    receiver.wait_until(|received| received.concat().ends_with(expected.as_bytes()));
}

#[test]
fn who_reads_slowly_gets_all() {
    let receiver = Receiver::start(&[Conduct::Slow]);
    let handler = Handler::new(receiver.port(), &json!({}));
    let lines: String = (0..20_000).map(line).collect();
    assert_ends(&handler.run(&event(&lines)), 0, "");
    assert_eq!(receiver.received().concat(), lines);
}

#[test]
fn what_is_more_than_a_connection_takes_goes_over_several() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let handler = Handler::new(receiver.port(), &json!({}));
    let lines: String = (0..130_000).map(line).collect();
    assert_ends(&handler.run(&event(&lines)), 0, "");
    let parts = receiver.received();
    assert_eq!(parts.concat(), lines);
    assert_eq!(parts.len(), 3, "{} bytes", lines.len());
    assert!(parts.iter().all(|part| part.ends_with('\n')));
}

#[test]
fn while_one_delivers_others_hand_over_and_leave() {
    let receiver = Receiver::start(&[Conduct::Hold]);
    let handler = Handler::new(receiver.port(), &json!({}));
    let first = handler.start(&[], event(&line(1)).as_bytes());
    receiver.wait_until(|received| received.first().is_some_and(|bytes| !bytes.is_empty()));
    for number in 2..5 {
        assert_ends(&handler.run(&event(&line(number))), 0, "");
    }
    assert_eq!(receiver.received().len(), 1);
    receiver.release();
    assert_ends(&first.wait_with_output().unwrap(), 0, "");
    let rest: String = (2..5).map(line).collect();
    assert_eq!(receiver.received(), [line(1), rest]);
    assert_eq!(handler.waiting(), 0);
}

#[test]
fn a_process_that_is_killed_loses_nothing() {
    let receiver = Receiver::start(&[Conduct::Hold, Conduct::Hold, Conduct::Hold, Conduct::Read]);
    let handler = Handler::new(receiver.port(), &json!({}));
    // More often than the spool lets anything be tried that may not be repeated.
    for number in 0..3 {
        let mut child = handler.start(&[], event(&line(number)).as_bytes());
        let index = usize::try_from(number).unwrap();
        receiver.wait_until(|received| received.get(index).is_some_and(|bytes| !bytes.is_empty()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_ends(&handler.run(&event(&line(3))), 0, "");
    assert_eq!(receiver.received()[3], (0..4).map(line).collect::<String>());
    receiver.release();
}

#[test]
fn what_a_carbon_that_has_gone_took_lately_is_sent_again() {
    for (repeat, again) in [(60, true), (0, false)] {
        let receiver = Receiver::start(&[Conduct::Read]);
        let mut handler = Handler::new(receiver.port(), &json!({"repeat": repeat}));
        for number in 0..3 {
            assert_ends(&handler.run(&event(&line(number))), 0, "");
        }
        let [nobody] = port::free();
        handler.set("port", &json!(nobody));
        assert_eq!(handler.run(&event(&line(3))).status.code(), Some(1));
        handler.set("port", &json!(receiver.port()));
        assert_ends(&handler.run(&event(&line(4))), 0, "");
        let expected: String = (if again { 0 } else { 3 }..5).map(line).collect();
        assert_eq!(receiver.received()[3], expected);
        // And once.
        assert_ends(&handler.run(&event(&line(5))), 0, "");
        assert_eq!(receiver.received()[4], line(5));
    }
}

#[test]
fn at_its_bound_the_spool_loses_the_oldest_and_says_so() {
    let [nobody] = port::free();
    let more = json!({"retry_limit": 0, "spool_bytes": 1 << 20});
    let mut handler = Handler::new(nobody, &more);
    let lines = |name: &str| -> String {
        let path = format!("{name}.b.c");
        (0..15_000).map(|number| at(&path, number)).collect()
    };
    for name in ["first", "second", "third"] {
        let output = handler.run(&event(&lines(name)));
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.contains("are lost"), name == "third", "{said}");
    }
    let receiver = Receiver::start(&[Conduct::Read]);
    handler.set("port", &json!(receiver.port()));
    assert_ends(&handler.run(&event(&line(1))), 0, "");
    let all = receiver.received().concat();
    assert!(all.ends_with(&(lines("third") + &line(1))));
    assert!(!all.contains("first.b.c 0 "));
    assert!(all.len() <= 1 << 20);
}

#[test]
fn what_is_named_like_its_lines_and_is_none_stops_nobody() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let handler = Handler::new(receiver.port(), &json!({}));
    let spool = handler.dir.path().join("spool");
    fs::create_dir(&spool).unwrap();
    let link = spool.join("00000000000000000001-1-0");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    fs::set_permissions(&spool, PermissionsExt::from_mode(0o770)).unwrap();
    let said = format!(
        "handler-graphite: the spool {0} can be written by others, who can change what is sent: \
         chmod 700 {0}\nhandler-graphite: {1} is no file of this user's: left alone\n",
        spool.display(),
        link.display()
    );
    assert_ends(&handler.run(&event(&line(1))), 0, &said);
    assert_eq!(receiver.received(), [line(1)]);
}

#[test]
fn without_a_spool_lines_are_sent_all_the_same() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let mut handler = Handler::new(receiver.port(), &json!({"spool_dir": "/proc/none"}));
    assert_ends(
        &handler.run(&event(&line(1))),
        0,
        "handler-graphite: cannot make the spool /proc/none: No such file or directory \
         (os error 2): nothing is kept\n",
    );
    assert_eq!(receiver.received(), [line(1)]);
    let [nobody] = port::free();
    handler.set("port", &json!(nobody));
    let output = handler.run(&event(&line(2)));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.ends_with(": Connection refused (os error 111) (4 tries): the lines are lost\n"),
        "{said}"
    );
}

#[test]
fn pickles_are_framed() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let handler = Handler::new(receiver.port(), &json!({"protocol": "pickle"}));
    assert_ends(&handler.run(&event(&line(1))), 0, "");
    let bytes = receiver.bytes().remove(0);
    let length = u32::from_be_bytes(bytes[..4].try_into().unwrap());
    assert_eq!(usize::try_from(length).unwrap(), bytes.len() - 4);
    assert!(bytes[4..].starts_with(b"\x80\x02](X\x03\0\0\0a.bG"));
}

#[test]
fn datagrams_hold_whole_lines() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let port = socket.local_addr().unwrap().port();
    let handler = Handler::new(port, &json!({"protocol": "udp"}));
    let lines: String = (0..200).map(line).collect();
    assert_ends(&handler.run(&event(&lines)), 0, "");
    let mut received = String::new();
    let mut buffer = vec![0; 65_536];
    while received.len() < lines.len() {
        let count = socket.recv(&mut buffer).unwrap();
        assert!(count <= 1_400);
        received.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    assert_eq!(received, lines);
}

/// What a server of the test shows, and whether it wants to know who comes.
fn server(certificates: &Certificates, wants_clients: bool) -> ServerConfig {
    let read = |name: &str| CertificateDer::from_pem_file(certificates.path(name)).unwrap();
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = if wants_clients {
        let mut trusted = RootCertStore::empty();
        trusted.add(read("ca.pem")).unwrap();
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(trusted), provider);
        config.with_client_cert_verifier(clients.build().unwrap())
    } else {
        config.with_no_client_auth()
    };
    let key = PrivateKeyDer::from_pem_file(certificates.path("broker.key")).unwrap();
    config
        .with_single_cert(vec![read("broker.pem")], key)
        .unwrap()
}

#[test]
fn tls_is_verified_both_ways() {
    let (Some(certificates), Some(others)) = (Certificates::make(), Certificates::make()) else {
        return;
    };
    let receiver = Receiver::with_tls(server(&certificates, true));
    let mut tls = certificates.client_with("cacert", json!(certificates.path("ca.pem")));
    let mut handler = Handler::new(receiver.port(), &json!({ "tls": tls }));
    let lines: String = (0..10_000).map(line).collect();
    assert_ends(&handler.run(&event(&lines)), 0, "");
    assert_eq!(receiver.received(), [lines]);
    // Not one of ours: not tried again, as it will not change.
    tls["cacert"] = json!(others.path("ca.pem"));
    handler.set("tls", &tls);
    let output = handler.run(&event(&line(1)));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(": TLS: invalid peer certificate: "), "{said}");
    assert_eq!(receiver.received().len(), 2);
    // It does not know us.
    handler.set("tls", &json!({"cacert": certificates.path("ca.pem")}));
    let output = handler.run(&event(&line(2)));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(": TLS: received fatal alert: "), "{said}");
    // Another name than the one that it shows.
    handler.set(
        "tls",
        &certificates.client_with("cacert", json!(certificates.path("ca.pem"))),
    );
    handler.set("host", &json!("localhost"));
    let said = String::from_utf8(handler.run(&event(&line(3))).stderr).unwrap();
    assert!(said.contains(": TLS: invalid peer certificate: "), "{said}");
    handler.set("host", &json!("127.0.0.1"));
    assert_ends(&handler.run(&event(&line(4))), 0, "");
    let expected: String = (1..5).map(line).collect();
    assert_eq!(receiver.received().last().unwrap(), &expected);
}

#[test]
fn a_file_of_tls_that_is_none_is_named_and_the_lines_wait() {
    let tls = json!({"cacert": "/dev/null"});
    let handler = Handler::new(1, &json!({ "tls": tls }));
    assert_ends(
        &handler.run(&event(&line(1))),
        2,
        "handler-graphite: cannot use /dev/null for TLS: it holds no certificate\n",
    );
    assert_eq!(handler.waiting(), 1);
}

#[test]
fn who_does_not_speak_tls_is_named() {
    let Some(certificates) = Certificates::make() else {
        return;
    };
    let receiver = Receiver::start(&[Conduct::Greet]);
    let tls = json!({"cacert": certificates.path("ca.pem")});
    let handler = Handler::new(receiver.port(), &json!({ "tls": tls }));
    let output = handler.run(&event(&line(1)));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains(": TLS: received corrupt message of type "),
        "{said}"
    );
    assert_eq!((receiver.received().len(), handler.waiting()), (1, 1));
}

#[test]
fn a_greeting_over_plain_tcp_is_nothing_to_us() {
    let receiver = Receiver::start(&[Conduct::Greet]);
    let handler = Handler::new(receiver.port(), &json!({}));
    assert_ends(&handler.run(&event(&line(1))), 0, "");
    assert_eq!(receiver.received(), [line(1)]);
}

#[test]
fn a_dry_run_prints_and_neither_sends_nor_keeps() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let handler = Handler::new(
        receiver.port(),
        &json!({"prefix": "p", "protocol": "pickle"}),
    );
    let output = handler.run_with(&["--dry-run"], &event("a 1 1795477200\nb\n"));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"p.a 1 1795477200\n");
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "handler-graphite: 1 of 2 lines left out, the first is \"b\": it is not PATH VALUE TIME\n"
    );
    assert_eq!(receiver.received().len(), 0);
    assert!(!handler.dir.path().join("spool").exists());
}

#[test]
fn a_broken_event_sends_nothing() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let handler = Handler::new(receiver.port(), &json!({}));
    for (input, said) in [
        (
            "",
            "standard input is empty: there should be an event, or lines PATH VALUE TIME",
        ),
        (
            "{\"client\":",
            "the event is not one: EOF while parsing a value at line 1 column 10",
        ),
        (
            r#"{"client":{"name":"c"},"check":{"name":"k","status":1,"output":"OK"}}"#,
            "c/k has no metrics: give the check \"type\": \"metric\" or an \
             \"output_metric_format\", or take this handler from it",
        ),
    ] {
        assert_ends(
            &handler.run(input),
            2,
            &format!("handler-graphite: {said}\n"),
        );
    }
    let endless = " ".repeat((10 << 20) + 1);
    assert_ends(
        &handler.run(&endless),
        2,
        "handler-graphite: the event on standard input is longer than 10 MB\n",
    );
    assert_eq!(receiver.received().len(), 0);
}

#[test]
fn wrong_settings_and_options_are_one_line() {
    let handler = Handler::new(1, &json!({"protocol": "tcp"}));
    assert_ends(
        &handler.run(&event(&line(1))),
        2,
        "handler-graphite: graphite.protocol must be \"plaintext\", \"pickle\" or \"udp\"\n",
    );
    assert_ends(
        &handler.run_with(&["-j", "other"], &event(&line(1))),
        2,
        &format!(
            "handler-graphite: no settings key \"other\" in /dev/null and {}: \
             add {{\"other\": {{\"host\": \"127.0.0.1\"}}}}\n",
            handler.settings().display()
        ),
    );
    assert_ends(
        &handler.run_with(&["--colour"], ""),
        2,
        "handler-graphite: unexpected argument '--colour' found (see handler-graphite --help)\n",
    );
}

#[test]
fn a_misspelt_setting_is_named_and_the_lines_sent() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let handler = Handler::new(receiver.port(), &json!({"prefx": "p"}));
    assert_ends(
        &handler.run(&event(&line(1))),
        0,
        "handler-graphite: graphite.prefx is no setting: ignored\n",
    );
    assert_eq!(receiver.received(), [line(1)]);
}

#[test]
fn a_name_is_resolved_and_one_that_is_none_is_named() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let mut handler = Handler::new(
        receiver.port(),
        &json!({"host": "localhost", "retry_limit": 0}),
    );
    assert_ends(&handler.run(&event(&line(1))), 0, "");
    handler.set("host", &json!("no.such.host.invalid"));
    let output = handler.run(&event(&line(2)));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.starts_with("handler-graphite: not delivered to no.such.host.invalid:"),
        "{said}"
    );
}

#[test]
fn the_example_of_the_help_works() {
    let mut command = Command::new(PROGRAM);
    let help = start(command.arg("--help"), b"")
        .wait_with_output()
        .unwrap();
    assert_eq!(help.status.code(), Some(0));
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, example) = help.split_once("Example, with ").unwrap();
    let (section, example) = example.split_once(" in try/graphite.json:\n").unwrap();
    let receiver = Receiver::start(&[Conduct::Read]);
    let port = format!("\"127.0.0.1\", \"port\": {}", receiver.port());
    let section = section.replace("\"127.0.0.1\"", &port);
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("try")).unwrap();
    fs::write(folder.path().join("try/graphite.json"), section).unwrap();
    let dir = Path::new(PROGRAM).parent().unwrap().to_str().unwrap();
    let status = Command::new("sh")
        .args(["-c", &format!("PATH={dir}:$PATH; {example}")])
        .current_dir(folder.path())
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(
        receiver.received(),
        ["venus001.load_avg.one 0.39 1795477200\n"]
    );
}
