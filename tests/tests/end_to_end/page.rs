//! The page of a node, and the same for programs.

use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use tempfile::TempDir;
use venus_tests::browser::{self, Browser};
use venus_tests::part;
use venus_tests::port;
use venus_tests::program::{self, Running, wait_until};

/// An agent without a broker, and where its page is.
struct Node {
    _agent: Running,
    port: u16,
    socket: u16,
    dir: TempDir,
}

impl Node {
    fn start(more: &Value) -> Self {
        let [port, socket] = port::free();
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        fs::write(&state, "1").unwrap();
        let command = format!(
            "echo '<script>alert(1)</script> & \"91 %\"'; exit $(cat {})",
            state.display()
        );
        let mut settings = json!({
            "client": {
                "name": "venus001", "address": "192.0.2.1", "subscriptions": ["physical"],
                "socket": {"port": socket, "max_rate": 2000}, "http_socket": {"port": port},
            },
            "checks": {
                "disk": {"command": command, "standalone": true, "interval": 1},
                "load": {"command": "echo fine", "standalone": true, "interval": 60},
            },
            "venus": {"interval": 1},
        });
        for (key, value) in more.as_object().unwrap() {
            settings["venus"][key] = value.clone();
        }
        let agent = Running::agent(&settings);
        wait_until(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        Self {
            _agent: agent,
            port,
            socket,
            dir,
        }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        write!(stream, "{request} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn node(&self) -> Value {
        let answer = self.ask("GET /api/node");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }

    fn check(&self, name: &str) -> Option<Value> {
        let node = self.node();
        let mut checks = node["checks"].as_array().unwrap().iter();
        checks.find(|check| check["name"] == name).cloned()
    }

    /// Hands in results, one by one over one connection each.
    fn hand_in(&self, result: &Value) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.socket)).unwrap();
        stream.write_all(result.to_string().as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "ok");
    }
}

#[test]
fn it_says_who_the_node_is_and_how_its_checks_are() {
    let node = Node::start(&json!({}));
    wait_until(|| node.check("disk").is_some() && node.check("load").is_some());
    let page = node.ask("GET /");
    for shown in [
        "content-type: text/html; charset=utf-8",
        "default-src 'none'",
        "<h1>venus001</h1>",
        "192.0.2.1",
        "physical, client:venus001",
        "1.9.0",
        "<b>WARNING</b></td><td>&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;91 %&quot;</td>",
        "<b>OK</b></td><td>fine</td>",
    ] {
        assert!(page.contains(shown), "{shown} in {page}");
    }
    assert!(!page.contains("<script>"), "{page}");
    // All of its looks are in it: one request, and not a large one.
    assert!(!page.contains("<link"), "{page}");
    assert!(page.len() < 100_000, "{} bytes", page.len());
    let worst = page.find("check-disk").unwrap();
    assert!(worst < page.find("check-load").unwrap(), "the worst first");

    let shown = node.node();
    assert_eq!(shown["client"]["name"], "venus001");
    assert_eq!(shown["client"]["version"], "1.9.0");
    let disk = node.check("disk").unwrap();
    assert_eq!(disk["status"], 1);
    let executed = disk["executed"].as_u64().unwrap();
    assert_eq!(disk["next"], executed + 1);
    wait_until(|| {
        node.check("disk").unwrap()["history"]
            .as_array()
            .unwrap()
            .len()
            > 1
    });
    wait_until(|| {
        !node.node()["trends"]["cpu"]["points"]
            .as_array()
            .unwrap()
            .is_empty()
    });
    assert!(node.ask("POST /").contains(" 405 "));
}

#[test]
fn what_nobody_wants_to_show_is_not_there() {
    let node = Node::start(&json!({"page": false}));
    for path in ["/", "/api/node", "/events", "/page.js"] {
        let answer = node.ask(&format!("GET {path}"));
        assert!(answer.contains(" 404 "), "{answer}");
        assert!(!answer.contains("/api/node"), "{answer}");
    }
    assert!(node.ask("GET /metrics").contains("venus_load1 "));
}

#[test]
fn a_thousand_checks_and_more_are_bounded() {
    let node = Node::start(&json!({}));
    let results = |from: u32| {
        let results = (from..from + 150).map(|number| {
            json!({"name": format!("check-{number}"), "output": "x".repeat(5000), "status": 0})
        });
        Value::Array(results.collect())
    };
    for from in [0, 150, 300, 450, 600, 750, 900, 1050] {
        node.hand_in(&results(from));
    }
    let page = node.ask("GET /");
    let rows = page.matches("<tr id=").count();
    assert!((1000..=1024).contains(&rows), "{rows}");
    assert!(page.len() < 1 << 20, "{}", page.len());
}

/// Browsers that take events and then nothing any more.
#[test]
fn browsers_that_hang_hold_nobody() {
    let node = Node::start(&json!({}));
    let mut hung: Vec<TcpStream> = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, node.port)).unwrap();
        stream
            .write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        let mut head = [0; 15];
        stream.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"HTTP/1.1 200 OK");
        hung.push(stream);
    }
    assert!(node.ask("GET /events").contains(" 503 "));
    assert!(node.ask("GET /").contains(" 200 "));
    drop(hung);
    // A place is free when it is noticed that the browser is gone.
    let follows = || {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, node.port)).unwrap();
        stream
            .write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        &head == b"HTTP/1.1 200"
    };
    wait_until(follows);
}

#[test]
fn figures_are_as_prometheus_wants_them() {
    let Some(promtool) = part::find("prometheus", &["/usr/bin/promtool"]) else {
        return;
    };
    let node = Node::start(&json!({}));
    wait_until(|| node.ask("GET /metrics").contains("venus_cpu_seconds_total"));
    let answer = node.ask("GET /metrics");
    let (_, figures) = answer.split_once("\r\n\r\n").unwrap();
    let mut check = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = check.stdin.take().unwrap();
    input.write_all(figures.as_bytes()).unwrap();
    drop(input);
    let output = check.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{figures}");
    assert_eq!(said, "");
}

#[test]
fn a_browser_shows_it_and_keeps_it_up_to_date() {
    let Some(browser) = Browser::launch() else {
        return;
    };
    let node = Node::start(&json!({}));
    wait_until(|| node.check("disk").is_some());
    let says = |script: &str, wanted: Value| wait_until(|| browser.run(script) == wanted);
    browser.open(&node.url());
    assert_eq!(browser.run("return window.isTheSame = true"), true);
    let status = "return document.querySelector('#check-disk b').textContent";
    says(status, json!("WARNING"));
    fs::write(node.dir.path().join("state"), "2").unwrap();
    says(status, json!("CRITICAL"));
    assert_eq!(
        browser.run("return window.isTheSame"),
        true,
        "it was loaded anew"
    );

    // By keyboard: each link is reached, and seen.
    let focused = "return document.activeElement.getAttribute('href')";
    let mut reached = Vec::new();
    for _ in 0..3 {
        browser.press("\u{e004}");
        reached.push(browser.run(focused));
    }
    assert_eq!(reached, ["api/node", "metrics", "info"]);
    let outline = "return getComputedStyle(document.activeElement).outlineStyle";
    assert_eq!(browser.run(outline), "solid");

    // Dark, and on a phone.
    let back = "return getComputedStyle(document.body).backgroundColor";
    let bright = browser.run(back);
    browser::keep_picture("page.png", &browser.picture());
    browser.prefer("prefers-color-scheme", "dark");
    assert_ne!(browser.run(back), bright);
    browser::keep_picture("page-dark.png", &browser.picture());
    for width in [360, 1280] {
        browser.be_wide(width);
        let overflow = "const all = document.documentElement; \
                        return all.scrollWidth - all.clientWidth";
        assert_eq!(browser.run(overflow), 0, "{width} pixels");
    }
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[test]
fn it_can_be_used_by_all() {
    let (Some(browser), Some(axe)) = (Browser::launch(), browser::axe()) else {
        return;
    };
    let node = Node::start(&json!({}));
    wait_until(|| {
        !node.node()["trends"]["cpu"]["points"]
            .as_array()
            .unwrap()
            .is_empty()
    });
    browser.open(&node.url());
    for scheme in ["light", "dark"] {
        browser.prefer("prefers-color-scheme", scheme);
        let found = browser.run_until_done(&format!(
            "{axe}; axe.run().then((found) => done(found.violations.map(\
             (one) => [one.impact, one.id, one.nodes.map((node) => node.html)])))"
        ));
        assert_eq!(found, json!([]), "{scheme}");
    }
}

#[test]
fn it_can_be_read_without_scripts() {
    let Some(browser) = Browser::launch() else {
        return;
    };
    let node = Node::start(&json!({}));
    wait_until(|| node.check("disk").is_some());
    browser.forbid_scripts();
    browser.open(&node.url());
    let shown = browser.run("return document.querySelector('#check-disk').innerText");
    let shown = shown.as_str().unwrap();
    assert!(
        shown.contains("WARNING") && shown.contains("91 %"),
        "{shown}"
    );
}

#[test]
fn status_prints_it_as_text() {
    let node = Node::start(&json!({}));
    wait_until(|| node.check("disk").is_some() && node.check("load").is_some());
    let status = |settings: &Value| {
        let (mut command, _dir) = program::agent(settings);
        program::run(command.arg("status"))
    };
    let http = json!({"client": {"name": "venus001", "http_socket": {"port": node.port}}});
    let output = status(&http);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines();
    let first = lines.next().unwrap();
    assert_eq!(first, "venus001  192.0.2.1  physical, client:venus001");
    assert_eq!(
        lines.next(),
        Some("embedded: no broker is needed; 0 results wait")
    );
    let worst = lines.next().unwrap();
    assert!(worst.starts_with("WARNING   disk "), "{text}");
    assert!(
        worst.ends_with("<script>alert(1)</script> & \"91 %\""),
        "{text}"
    );

    let (mut command, _dir) = program::agent(&http);
    let full = fs::File::create("/dev/full").unwrap();
    let status_code = command.arg("status").stdout(full).status().unwrap().code();
    assert_eq!(status_code, Some(2), "what cannot be printed was not said");

    let [nobody] = port::free();
    let hangs = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let hangs = (hangs.local_addr().unwrap().port(), hangs);
    for (port, why) in [
        (nobody, "Connection refused"),
        (hangs.0, "no answer within 5 s"),
    ] {
        let output =
            status(&json!({"client": {"name": "venus001", "http_socket": {"port": port}}}));
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(why) && said.lines().count() == 1, "{said}");
    }
}
