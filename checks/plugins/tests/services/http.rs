//! A web server that answers what the test wants; a real one is asked end to end.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use crate::{Server, check, run, says, without_fractions};

/// A server that answers with these bytes to whatever it is asked, and the requests that it got.
fn server(response: &str) -> (Server, Arc<Mutex<Vec<String>>>) {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let (kept, response) = (requests.clone(), response.to_owned());
    let server = Server::new(move |mut stream: TcpStream| {
        let lines = BufReader::new(&stream).lines().map_while(Result::ok);
        let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        kept.lock().unwrap().push(head.join("\n"));
        drop(stream.write_all(response.as_bytes()));
    });
    (server, requests)
}

/// The whole of an answer.
fn response(status: &str, header: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{header}\r\n{body}"
    )
}

/// Fails unless the answer to a status, a header and a body is this line.
fn judged(answer: [&str; 3], args: &[&str], line: &str, status: i32) {
    let (server, _) = server(&response(answer[0], answer[1], answer[2]));
    let url = server.url();
    let args = [&["check-http", "--url", &url], args].concat();
    says(&args, line, status);
}

const PAGE: [&str; 3] = ["200 OK", "", "It works!"];

#[test]
fn status_text_and_size() {
    for (args, line, status) in [
        (&[][..], "CheckHTTP OK: 200, 9 bytes", 0),
        (
            &["-q", "w.rks"],
            "CheckHTTP OK: 200, found /w.rks/ in 9 bytes",
            0,
        ),
        (
            &["--query", "broken"],
            "CheckHTTP CRITICAL: 200, did not find /broken/ in 9 bytes",
            2,
        ),
        (
            &["--negquery", "works"],
            "CheckHTTP CRITICAL: 200, found /works/ in 9 bytes",
            2,
        ),
        (&["--negquery", "broken"], "CheckHTTP OK: 200, 9 bytes", 0),
        (
            &["-B", "9", "-g", "9", "--max-bytes", "9"],
            "CheckHTTP OK: 200, 9 bytes",
            0,
        ),
        (
            &["--require-bytes", "8"],
            "CheckHTTP CRITICAL: Response was 9 bytes instead of 8",
            2,
        ),
        (
            &["--min-bytes", "10", "--max-bytes", "8"],
            "CheckHTTP CRITICAL: Response was 9 bytes instead of at least 10; \
             Response was 9 bytes instead of at most 8",
            2,
        ),
        (
            &["--response-code", "401,403"],
            "CheckHTTP CRITICAL: 200 \"It works!\", expected 401 or 403",
            2,
        ),
        (
            &["--redirect-to", "http://venus001/"],
            "CheckHTTP CRITICAL: Expected redirect to http://venus001/ but got 200",
            2,
        ),
    ] {
        judged(PAGE, args, line, status);
    }
}

#[test]
fn errors_and_redirections() {
    let error = [
        "503 Service Unavailable",
        "",
        "\n a | 'b'=1\nCheckHTTP OK: x",
    ];
    judged(error, &[], "CheckHTTP CRITICAL: 503 \"a / 'b'=1\"", 2);
    // Its page is not looked at for what the right one has.
    judged(
        error,
        &["-q", "works", "-g", "100"],
        "CheckHTTP CRITICAL: 503 \"a / 'b'=1\"",
        2,
    );
    judged(
        error,
        &["--status", "503"],
        "CheckHTTP OK: 503, 27 bytes",
        0,
    );
    judged(
        ["401 Unauthorized", "", ""],
        &[],
        "CheckHTTP CRITICAL: 401",
        2,
    );
    judged(["600 Odd", "", ""], &[], "CheckHTTP WARNING: 600", 1);
    let moved = [
        "301 Moved Permanently",
        "Location: http://venus001/x\r\n",
        "",
    ];
    judged(
        moved,
        &[],
        "CheckHTTP WARNING: 301, redirects to http://venus001/x",
        1,
    );
    judged(moved, &["-r"], "CheckHTTP OK: 301, 0 bytes", 0);
    judged(
        moved,
        &["-R", "http://venus001/x"],
        "CheckHTTP OK: 301 found redirect to http://venus001/x",
        0,
    );
    judged(
        moved,
        &["-R", "http://venus001/"],
        "CheckHTTP CRITICAL: Expected redirect to http://venus001/ instead redirected to \
         http://venus001/x",
        2,
    );
    judged(
        ["304 X", "", ""],
        &[],
        "CheckHTTP WARNING: 304, redirects to nowhere",
        1,
    );
}

#[test]
fn time_is_judged_where_thresholds_are_given() {
    let (server, _) = server(&response(PAGE[0], PAGE[1], PAGE[2]));
    let url = server.url();
    for (limits, status, code, met) in [
        (["-w", "0", "-c", "60"], "WARNING", 1, "threshold 0"),
        (["-w", "0", "-c", "0"], "CRITICAL", 2, "threshold 0"),
    ] {
        let args = ["check-http", "--url", &url, "--perfdata"];
        let (text, got) = check(&[&args[..], &limits].concat());
        let most = limits[3];
        assert_eq!(
            without_fractions(&text),
            format!(
                "CheckHTTP {status}: 200 after 0.# s, {met} | 'time'=0.#s;0;{most};0 'size'=9B;;;0\n"
            )
        );
        assert_eq!(got, code);
    }
}

#[test]
fn what_it_is_asked() {
    let (server, requests) = server(&response(PAGE[0], PAGE[1], PAGE[2]));
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (secret, password) = (file("h", "X-Token: s3cret\n\n"), file("p", "word\n"));
    let url = format!("{}/a/b?c=d", server.url());
    let port = server.0.port();
    let more = [
        "--server-name",
        "venus001",
        "-H",
        "X-Probe: 1",
        "--header-file",
        &secret,
        "--user",
        "me",
        "--password-file",
        &password,
        "-x",
        "me/1",
    ];
    says(
        &[&["check-http", "--url", &url], &more[..]].concat(),
        "CheckHTTP OK: 200, 9 bytes",
        0,
    );
    let request = requests.lock().unwrap().pop().unwrap().to_lowercase();
    let mut lines: Vec<&str> = request.lines().collect();
    assert_eq!(lines.remove(0), "get /a/b?c=d http/1.1");
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "accept: */*",
            "authorization: basic bwu6d29yza==",
            &format!("host: venus001:{port}"),
            "user-agent: me/1",
            "x-probe: 1",
            "x-token: s3cret",
        ]
    );
    // Of HEAD there is no body, however long the server says that it were.
    says(
        &["check-http", "--url", &url, "--method", "HEAD"],
        "CheckHTTP OK: 200, 0 bytes",
        0,
    );
    assert!(
        requests
            .lock()
            .unwrap()
            .pop()
            .unwrap()
            .starts_with("HEAD /a/b?c=d ")
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let help = "see venus-checks check-http --help";
    for (args, why) in [
        (
            &["--url", "http://me:word@venus001/"][..],
            "invalid value 'http://…@venus001/' for '--url <URL>': a password in a URL shows in \
             the list of processes; use --user and --password-file; ",
        ),
        (
            &["--header", "Authorization: Bearer x"],
            "invalid value '…' for '--header <NAME:VALUE>': a secret shows in \
             the list of processes; use --header-file; ",
        ),
        (
            &["--query", "("],
            "invalid value '(' for '--query <REGEX>': found open group without closing ')'; ",
        ),
    ] {
        let args = [&["check-http"], args].concat();
        says(&args, &format!("CheckHTTP UNKNOWN: {why}{help}"), 3);
    }
    says(
        &["check-http", "-w", "2", "-c", "1"],
        "CheckHTTP UNKNOWN: warning 2 and critical 1 are upside down: critical must not come before \
         the warning",
        3,
    );
    // A line of it is not shown, as it may be the secret.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("h");
    std::fs::write(&file, "s3cret\n").unwrap();
    let file = file.to_str().unwrap();
    says(
        &["check-http", "--header-file", file],
        &format!("CheckHTTP UNKNOWN: cannot understand {file}: use NAME:VALUE"),
        3,
    );
}

#[test]
fn what_it_took_as_metrics() {
    let (server, _) = server(&response("404 Not Found", "", "It is gone."));
    let output = run(&["metrics-http", "--url", &server.url(), "--scheme", "s"]);
    assert_eq!(str::from_utf8(&output.stderr).unwrap(), "");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<String> = text
        .lines()
        .map(|line| without_fractions(line.rsplit_once(' ').unwrap().0))
        .collect();
    assert_eq!(
        lines,
        [
            "s.time_total 0.#",
            "s.time_namelookup 0.#",
            "s.time_connect 0.#",
            "s.time_pretransfer 0.#",
            "s.time_starttransfer 0.#",
            "s.http_code 404",
            "s.size_download 11",
        ]
    );
}
