//! check-http and metrics-http against nginx.

use super::{check, outcome, says};
use nix::sys::signal::Signal;
use std::fs;
use std::process::Command;
use venus_tests::nginx::{self, PASSWORD};
use venus_tests::program;

#[test]
fn what_nginx_answers() {
    let Some((nginx, _)) = nginx::launch(None) else {
        return;
    };
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", nginx.port);
    let (page, moved, broken, secret) = (url("/"), url("/moved"), url("/broken"), url("/secret/"));
    let gone = url("/gone");
    let fine = "CheckHTTP OK: 200, 10 bytes";
    says(&["check-http", "--url", &page], fine, 0);
    says(
        &["check-http", "-u", &page, "-m", "HEAD"],
        "CheckHTTP OK: 200, 0 bytes",
        0,
    );
    says(
        &["check-http", "-u", &page, "-q", "works", "-B", "10"],
        "CheckHTTP OK: 200, found /works/ in 10 bytes",
        0,
    );
    says(
        &["check-http", "-u", &page, "-q", "broken", "-g", "11"],
        "CheckHTTP CRITICAL: 200, did not find /broken/ in 10 bytes; Response was 10 bytes instead \
         of at least 11",
        2,
    );
    says(
        &["check-http", "-u", &gone],
        "CheckHTTP CRITICAL: 404 \"<html>\"",
        2,
    );
    says(
        &[
            "check-http",
            "-u",
            &gone,
            "--response-code",
            "404,410",
            "-m",
            "HEAD",
        ],
        "CheckHTTP OK: 404, 0 bytes",
        0,
    );
    says(
        &["check-http", "-u", &broken],
        "CheckHTTP CRITICAL: 503 \"a / 'b'=1\"",
        2,
    );
    says(
        &["check-http", "-u", &moved],
        "CheckHTTP WARNING: 301, redirects to http://venus001/",
        1,
    );
    says(
        &["check-http", "-u", &moved, "-R", "http://venus001/"],
        "CheckHTTP OK: 301 found redirect to http://venus001/",
        0,
    );

    says(
        &["check-http", "-u", &secret],
        "CheckHTTP CRITICAL: 401 \"<html>\"",
        2,
    );
    let password = nginx.path("password");
    fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    let secret_file = password.to_str().unwrap().to_owned();
    let as_venus = [
        "check-http",
        "-u",
        &secret,
        "-U",
        "venus",
        "--password-file",
        &secret_file,
    ];
    says(&as_venus, fine, 0);

    let (text, status) = check(&["metrics-http", "--url", &gone, "--scheme", "s"]);
    assert!(text.starts_with("s.time_total 0.") && text.contains("\ns.http_code 404 "));
    assert_eq!((text.lines().count(), status), (7, 0));
}

#[test]
fn nginx_up_down_and_hung() {
    let Some((mut nginx, _)) = nginx::launch(None) else {
        return;
    };
    let page = format!("http://127.0.0.1:{}/", nginx.port);
    let fine = "CheckHTTP OK: 200, 10 bytes";
    says(&["check-http", "-u", &page], fine, 0);
    nginx.kill();
    says(
        &["check-http", "-u", &page],
        &format!(
            "CheckHTTP CRITICAL: asking {page} failed: Connection refused (os error 111); is it running, and is \
             this its address?"
        ),
        2,
    );
    nginx.relaunch();
    says(&["check-http", "-u", &page], fine, 0);
    nginx.signal(Signal::SIGSTOP);
    says(
        &["check-http", "-u", &page, "--timeout", "0.5"],
        &format!(
            "CheckHTTP UNKNOWN: no answer within 0.5 s while asking {page}; see what hangs there, or \
             give more with --timeout"
        ),
        3,
    );
    nginx.signal(Signal::SIGCONT);
    says(&["check-http", "-u", &page], fine, 0);
}

/// A secret shows neither in the list of processes nor in what is said.
#[test]
fn secrets_are_kept() {
    let Some((nginx, _)) = nginx::launch(None) else {
        return;
    };
    let password = nginx.path("password");
    fs::write(&password, format!("{PASSWORD}-not\n")).unwrap();
    let mut command = Command::new("strace");
    if venus_tests::part::find("strace", &["/usr/bin/strace"]).is_none() {
        return;
    }
    let log = nginx.path("strace");
    command.args(["-f", "-e", "trace=execve", "-o"]).arg(&log);
    command.arg(program::path("venus-checks"));
    command.args(["check-http", "--url"]);
    command.arg(format!("http://127.0.0.1:{}/secret/", nginx.port));
    command.args(["--user", "venus", "--password-file"]);
    let (text, status) = outcome(command.arg(&password));
    assert_eq!(
        (text.as_str(), status),
        ("CheckHTTP CRITICAL: 401 \"<html>\"\n", 2)
    );
    assert!(!fs::read_to_string(log).unwrap().contains(PASSWORD));
}
