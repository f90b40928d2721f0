//! How containers are, those that cannot be asked, and very many.

use std::thread;
use std::time::Duration;

use super::{ALL, recorded, restarted};
use crate::{Server, check, says};

fn containers() -> Server {
    let path = |start: &str| {
        let all: Vec<serde_json::Value> = serde_json::from_str(&recorded("containers")).unwrap();
        let ids = all.iter().map(|one| one["Id"].as_str().unwrap());
        let id = ids.into_iter().find(|id| id.starts_with(start)).unwrap();
        format!("/containers/{id}/json")
    };
    let other = "{\"RestartCount\":0,\"State\":{}}";
    Server::http([
        (ALL, 200, &recorded("containers")),
        (&path("aaef"), 200, &recorded("container-oom")),
        (&path("f163"), 200, &recorded("container-noexec")),
        (&path("d1fe"), 200, "{\"RestartCount\":7,\"State\":{}}"),
        (&path("fc42"), 200, other),
        (&path("0819"), 200, other),
        (&path("32a1"), 200, other),
        (&path("1397"), 200, other),
        (&path("56e2"), 200, other),
    ])
}

#[test]
fn how_containers_are() {
    let url = containers().url();
    let args = |more: &[&str], line: &str, status| {
        let all = [&["check-docker-container", "--url", &url], more].concat();
        says(&all, &format!("CheckDockerContainer {line}"), status);
    };
    args(
        &["--container", "fine", "-N", "well"],
        "OK: 2 containers run: fine, well",
        0,
    );
    args(
        &["--pattern", "^web", "--containers", "2", "--perfdata"],
        "OK: 2 containers run: web.1, web.2 | 'running'=2;;2:2;0 'unhealthy'=0;;;0",
        0,
    );
    for choice in [
        ["--label", "com.docker.swarm.service.name=web"],
        ["--image", "bb:latest"],
    ] {
        args(&choice, "OK: 2 containers run: web.1, web.2", 0);
    }
    args(&["--label", "tier"], "OK: 1 container runs: fine", 0);
    args(
        &["--container", "32a1ba44fe14"],
        "OK: 1 container runs: fine",
        0,
    );
    args(
        &["--label", "tier=web"],
        "CRITICAL: there is no such container",
        2,
    );
    args(
        &["--container", "fine", "--container", "hpcg1"],
        "CRITICAL: hpcg1 is not there",
        2,
    );
    args(&["--container", "paused"], "WARNING: paused is paused", 1);
    args(&["--container", "sick"], "CRITICAL: sick is unhealthy", 2);
    args(
        &["--container", "killed"],
        "CRITICAL: killed has ended with exit code 137",
        2,
    );
    args(
        &["--container", "oom"],
        "CRITICAL: oom has ended with exit code 137, killed for lack of memory",
        2,
    );
    args(
        &["--container", "noexec"],
        "CRITICAL: noexec was never started: failed to create shim task: OCI runtime create \
         failed: runc create failed: unable to start container process: exec: \"nonexistent\": \
         executable file not found in $PATH: unknown",
        2,
    );
    args(
        &["--container", "loop"],
        "CRITICAL: loop is restarting after exit code 1",
        2,
    );
    args(
        &["--container", "done"],
        "CRITICAL: done has ended with exit code 0",
        2,
    );
    args(
        &[
            "--container",
            "done",
            "--container",
            "fine",
            "--allow-exited",
        ],
        "OK: 1 container runs: fine; 1 has ended well",
        0,
    );
    for (count, says) in [("1", "1"), ("3:", "3:"), ("~:1", "~:1")] {
        args(
            &["--pattern", "^web", "--containers", count],
            &format!("CRITICAL: 2 containers run, expected {says}"),
            2,
        );
    }
    // Where none is chosen, nobody said that those that have ended should run.
    args(
        &[],
        "CRITICAL: loop is restarting after exit code 1; sick is unhealthy; paused is paused",
        2,
    );
    for bad in ["x", "3:2", "-1"] {
        let count = format!("--containers={bad}");
        let (text, status) = check(&["check-docker-container", "--url", &url, &count]);
        assert!(
            text.starts_with("CheckDockerContainer UNKNOWN: ") && status == 3,
            "{text}"
        );
    }
}

/// What one question does not tell hides nothing of what the others do.
#[test]
fn containers_that_cannot_be_asked() {
    let all = r#"[{"Id":"a","Names":["/web"],"State":"exited","Status":"Exited (137) 1 hour ago"},
        {"Id":"b","Names":["/db"],"State":"exited","Status":"Exited (1) now"},
        {"Id":"c","Names":["/hpcg"],"State":"running","Status":"Up 5 hours"}]"#;
    let fails = |id: &str| (format!("/containers/{id}/json"), 500, "broken");
    let failing = ["a", "b", "c"].map(fails);
    let [one, two, three] = [0, 1, 2].map(|at| (failing[at].0.as_str(), 500, failing[at].2));
    let fine = ("/containers/a/json", 200, "{\"State\":{}}");
    let url = Server::http([(ALL, 200, all), fine, two]).url();
    says(
        &["check-docker-container", "--url", &url, "-p", "web|db"],
        &format!(
            "CheckDockerContainer CRITICAL: web has ended with exit code 137; \
             db has ended with exit code 1; {url}/containers/b/json answers 500 \"broken\""
        ),
        2,
    );
    let url = Server::http([(ALL, 200, all), one, two, three]).url();
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let args = [
        "check-docker-container",
        "--url",
        &url,
        "--state-dir",
        state,
    ];
    let broken = |id: &str| format!("{url}/containers/{id}/json answers 500 \"broken\"");
    says(
        &[&args[..], &["-p", ".", "-w", "1"]].concat(),
        &format!(
            "CheckDockerContainer CRITICAL: web has ended with exit code 137; \
             db has ended with exit code 1; {}; 2 others not asked either",
            broken("a")
        ),
        2,
    );
    says(
        &[&args[..], &["-N", "hpcg", "-w", "1", "--perfdata"]].concat(),
        &format!(
            "CheckDockerContainer UNKNOWN: {} | 'running'=1;;;0 'unhealthy'=0;;;0",
            broken("c")
        ),
        3,
    );
}

/// 30 of them, each 0.1 s, where there are 2 s in all.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "what is slow takes its time, and nothing is waited for"
)]
fn containers_for_which_no_time_is_left() {
    let container = |id: usize| {
        let state = if id == 29 { "dead" } else { "running" };
        format!(r#"{{"Id":"{id}","Names":["/hpcg{id}"],"State":"{state}","Status":""}}"#)
    };
    let all: Vec<String> = (0..30).map(container).collect();
    let all = format!("[{}]", all.join(","));
    let server = restarted(&all, || {
        thread::sleep(Duration::from_millis(100));
        9
    });
    let url = server.url();
    let args = ["check-docker-container", "--url", &url, "--timeout", "2"];
    let (text, status) = check(&[&args[..], &["--total", "-w", "10"]].concat());
    let start = "CheckDockerContainer CRITICAL: hpcg29 is dead; no time to ask ";
    let end = " containers; choose fewer, or give a longer --timeout\n";
    assert!(text.starts_with(start) && text.ends_with(end), "{text}");
    assert_eq!(status, 2);
}

#[test]
fn those_that_have_ended_are_told_of_where_none_is_chosen() {
    let all = r#"[{"Id":"a","Names":["/web"],"State":"exited","Status":"Exited (137) 1 hour ago"},
        {"Id":"b","Names":["/db"],"State":"created","Status":"Created"}]"#;
    let url = Server::http([(ALL, 200, all)]).url();
    says(
        &["check-docker-container", "--url", &url],
        "CheckDockerContainer OK: 0 containers run; \
         2 that ended or never started are not looked at",
        0,
    );
}

/// A container on an engine that the classic Swarm has lost, and one that goes in between.
#[test]
fn what_is_seldom() {
    let all = r#"[{"Id":"a","Names":["/docker1/hpcg1"],"Status":"Host Down"},
        {"Id":"b","Names":["/gone"],"State":"exited","Status":"Exited (1) now"},
        {"Id":"c","Names":["/odd"],"State":"asleep","Status":"Asleep"},
        {"Id":"d","Names":["/lost"],"State":"running","Status":"Up 1 second"}]"#;
    let url = Server::http([
        (ALL, 200, all),
        ("/containers/a/json", 200, "{\"State\":{}}"),
        ("/containers/c/json", 200, "{\"State\":{}}"),
        (
            "/containers/d/json",
            200,
            "{\"State\":{\"OOMKilled\":true},\"RestartCount\":0}",
        ),
    ])
    .url();
    says(
        &[
            "check-docker-container",
            "--url",
            &url,
            "--pattern",
            "gone|hpcg|odd",
        ],
        "CheckDockerContainer CRITICAL: docker1/hpcg1 is on an engine that is down; \
         odd is in an unknown state",
        2,
    );
    let args = ["check-docker-container", "--url", &url, "-N", "lost"];
    says(
        &[&args[..], &["--total", "-w", "1"]].concat(),
        "CheckDockerContainer WARNING: lost has lost a process for lack of memory",
        1,
    );
}

#[test]
fn ten_thousand_containers_and_names_that_would_forge() {
    let container = |id: usize, state: &str, status: &str| {
        format!(
            r#"{{"Id":"{id:064x}","Names":["/hpcg{id}"],"Image":"bb","Created":1795546971,
            "Labels":{{"a":"b"}},"State":"{state}","Status":"{status}","Mounts":[],
            "NetworkSettings":{{"Networks":{{"bridge":{{"MacAddress":"02:42:ac:11:00:02"}}}}}}}}"#
        )
    };
    let mut all: Vec<String> = (0..10_000)
        .map(|id| container(id, "running", "Up 5 hours"))
        .collect();
    let url = Server::http([(ALL, 200, &format!("[{}]", all.join(",")))]).url();
    says(
        &[
            "check-docker-container",
            "--url",
            &url,
            "--pattern",
            "^hpcg",
            "--containers",
            "10000",
        ],
        "CheckDockerContainer OK: 10000 containers run",
        0,
    );
    for (id, one) in all.iter_mut().enumerate().take(7) {
        *one = container(id, "running", "Up 5 hours (unhealthy)");
    }
    let forger = r#"{"Id":"f","Names":["/a|b=1\nCheckX OK: c"],"State":"paused","Status":""}"#;
    all.push(forger.to_owned());
    let url = Server::http([(ALL, 200, &format!("[{}]", all.join(",")))]).url();
    let (text, status) = check(&["check-docker-container", "--url", &url, "--perfdata"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "CheckDockerContainer CRITICAL: hpcg0 is unhealthy; hpcg1 is unhealthy; \
         hpcg2 is unhealthy; hpcg3 is unhealthy; hpcg4 is unhealthy; and 3 more, below \
         | 'running'=10000;;;0 'unhealthy'=7;;;0"
    );
    assert_eq!(lines[8], "WARNING: a/b=1 CheckX OK: c is paused");
    assert_eq!((lines.len(), status), (9, 2));
}
