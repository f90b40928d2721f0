//! A Chromium of the test's own, led by its driver (`WebDriver` of the W3C, over HTTP).

use crate::daemon::Daemon;
use crate::{part, port};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;

/// Headless; dropped, it ends.
#[derive(Debug)]
pub struct Browser {
    driver: Daemon,
    session: String,
}

impl Browser {
    /// Starts one, whose window is as large as a laptop's.
    #[must_use]
    pub fn launch() -> Option<Self> {
        let chromium = part::find("chromium", &["/usr/bin/chromium"])?;
        let program = part::find("chromium-driver", &["/usr/bin/chromedriver"])?;
        let dir = tempfile::tempdir().unwrap();
        let [port] = port::free();
        let profile = format!("--user-data-dir={}", dir.path().join("profile").display());
        let driver = Daemon::launch(program, &[&format!("--port={port}")], dir, port);
        let options = json!({
            "binary": chromium,
            "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic",
                "--disable-background-networking", "--disable-component-update",
                "--disable-sync", "--no-first-run", "--disable-breakpad", "--window-size=1280,900", profile,
            ],
        });
        let wanted = json!({
            "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"},
        });
        let asked = json!({"capabilities": {"alwaysMatch": wanted}});
        let answer = call(driver.port, "/session", &asked);
        let session = answer["sessionId"].as_str().unwrap().to_owned();
        Some(Self { driver, session })
    }

    /// Loads a page.
    pub fn open(&self, url: &str) {
        self.post("url", &json!({ "url": url }));
    }

    /// What a function with this body returns in the page.
    #[must_use]
    pub fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({"script": script, "args": []}))
    }

    /// The same of one that hands its result to `done`.
    #[must_use]
    pub fn run_until_done(&self, script: &str) -> Value {
        let script = format!("const done = arguments[0]; {script}");
        self.post("execute/async", &json!({"script": script, "args": []}))
    }

    /// What its window shows, as PNG.
    #[must_use]
    pub fn picture(&self) -> Vec<u8> {
        let path = format!("/session/{}/screenshot", self.session);
        let picture = call_by("GET", self.driver.port, &path, "");
        BASE64_STANDARD.decode(picture.as_str().unwrap()).unwrap()
    }

    /// Presses a key.
    pub fn press(&self, key: &str) {
        let strokes = ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key}));
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": strokes});
        self.post("actions", &json!({ "actions": [keyboard] }));
    }

    /// Has its window so wide, in pixels.
    pub fn be_wide(&self, width: u32) {
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false}),
        );
    }

    /// Has its user prefer this, as of a media query: `prefers-color-scheme`, `dark`.
    pub fn prefer(&self, name: &str, value: &str) {
        let features = json!({"features": [{"name": name, "value": value}]});
        self.devtools("Emulation.setEmulatedMedia", &features);
    }

    /// Runs no script any more of the pages that it loads.
    pub fn forbid_scripts(&self) {
        let off = json!({"value": true});
        self.devtools("Emulation.setScriptExecutionDisabled", &off);
    }

    /// What pages have complained of since the last time.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let log = self.post("se/log", &json!({"type": "browser"}));
        let lines = log.as_array().unwrap().iter();
        lines.map(|line| line["message"].to_string()).collect()
    }

    fn devtools(&self, command: &str, parameters: &Value) {
        let asked = json!({"cmd": command, "params": parameters});
        self.post("goog/cdp/execute", &asked);
    }

    fn post(&self, command: &str, body: &Value) -> Value {
        let path = format!("/session/{}/{command}", self.session);
        call(self.driver.port, &path, body)
    }
}

fn call(port: u16, path: &str, body: &Value) -> Value {
    call_by("POST", port, path, &body.to_string())
}

fn call_by(method: &str, port: u16, path: &str, body: &str) -> Value {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).unwrap();
    // The driver keeps the connection.
    let mut answer = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        answer.read_line(&mut head).unwrap();
    }
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let mut body = vec![0; length.unwrap().1.trim().parse().unwrap()];
    answer.read_exact(&mut body).unwrap();
    let mut body: Value = serde_json::from_slice(&body).unwrap();
    assert!(head.contains(" 200 "), "{path}: {body}");
    body["value"].take()
}

/// Keeps a picture for the documentation where somebody wants it: `VENUS_PICTURES` is a folder.
pub fn keep_picture(name: &str, picture: &[u8]) {
    assert!(picture.starts_with(b"\x89PNG"), "{name} is no PNG");
    if let Some(folder) = std::env::var_os("VENUS_PICTURES") {
        std::fs::write(Path::new(&folder).join(name), picture).unwrap();
    }
}

/// axe, which finds what people with a screen reader or without a mouse cannot use: its script.
#[must_use]
pub fn axe() -> Option<String> {
    let script = part::cached("axe-core-4.10.3/package/axe.min.js");
    match std::fs::read_to_string(script) {
        Ok(script) => Some(script),
        Err(_) => part::missing("axe-core 4.10.3, which tests/run fetches with npm"),
    }
}
