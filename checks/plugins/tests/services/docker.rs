//! Docker Engine: `docker/*.json` is recorded from Docker 20.10.24, of most answers only what is
//! looked at; what a small JSON here says is written after its API's documentation. The real one
//! is tested end to end.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::{Server, check, fixture, prints, says};

const ALL: &str = "/containers/json?all=1";

fn engine(version: &str, info: &str) -> Server {
    Server::http([
        ("/_ping", 200, "OK"),
        ("/version", 200, version),
        ("/info", 200, info),
    ])
}

fn recorded(name: &str) -> String {
    fixture(&format!("services/docker/{name}.json"))
}

#[test]
fn an_engine_its_version_and_its_storage() {
    let url = engine(&recorded("version"), &recorded("info")).url();
    let args = ["check-docker", "--url", &url];
    let fine = "CheckDocker OK: Docker 20.10.24+dfsg1, storage by overlay2, \
                containers: 5 running, 1 paused, 5 stopped";
    says(&args, fine, 0);
    let more = ["--min-version", "20.10.24", "--storage-driver", "overlay2"];
    says(
        &[&args[..], &more, &["--perfdata"]].concat(),
        &format!("{fine} | 'running'=5;;;0 'paused'=1;;;0 'stopped'=5;;;0"),
        0,
    );
    says(
        &[&args[..], &["--min-version", "23"]].concat(),
        "CheckDocker WARNING: Docker 20.10.24+dfsg1 is older than 23",
        1,
    );
    says(
        &[&args[..], &["--storage-driver", "devicemapper"]].concat(),
        "CheckDocker CRITICAL: the storage driver is overlay2, expected devicemapper",
        2,
    );
    let url = engine("{\"Version\":\"dev\"}", "{\"Containers\":2}").url();
    let args = ["check-docker", "--url", &url];
    says(&args, "CheckDocker OK: Docker dev, 2 containers", 0);
    says(
        &[&args[..], &["--min-version", "1.13"]].concat(),
        "CheckDocker UNKNOWN: its version \"dev\" cannot be compared with 1.13",
        3,
    );
}

#[test]
fn the_room_of_devicemapper_and_what_the_engine_says_itself() {
    let info = r#"{"Containers":1,"ContainersRunning":1,"ContainersPaused":0,"ContainersStopped":0,
        "Driver":"devicemapper","DriverStatus":[["Data Space Used","85.92 GB"],
        ["Data Space Total","107.4 GB"],["Metadata Space Used","1.2 MB"],
        ["Metadata Space Total","2.147 GB"]],
        "Warnings":["WARNING: bridge-nf-call-iptables is disabled","a|b\nc"]}"#;
    let url = engine("{\"Version\":\"1.13.1\"}", info).url();
    let args = ["check-docker", "--url", &url];
    says(
        &[&args[..], &["--perfdata"]].concat(),
        "CheckDocker WARNING: 80% of devicemapper's data space used, threshold 80 \
         | 'data space used'=80%;80;90;0;100 'metadata space used'=0.06%;80;90;0;100 \
         'running'=1;;;0 'paused'=0;;;0 'stopped'=0;;;0\n\
         bridge-nf-call-iptables is disabled\na/b c",
        1,
    );
    says(
        &[&args[..], &["-w", "70", "-c", "80", "--warnings"]].concat(),
        "CheckDocker CRITICAL: 80% of devicemapper's data space used, threshold 80; \
         it says: bridge-nf-call-iptables is disabled; it says: a/b c",
        2,
    );
    says(
        &[&args[..], &["-w", "81"]].concat(),
        "CheckDocker OK: Docker 1.13.1, storage by devicemapper, \
         80% of devicemapper's data space used, 0.06% of devicemapper's metadata space used, \
         2 warnings of its own, below, containers: 1 running, 0 paused, 0 stopped\n\
         bridge-nf-call-iptables is disabled\na/b c",
        0,
    );
    for (bad, why) in [
        (["-w", "90", "-c", "80"], "are upside down"),
        (["-w", "80", "-c", "x"], "not a range"),
        (
            ["-w", "80", "--min-version", "x"],
            "use numbers, as in 20.10",
        ),
    ] {
        let (text, status) = check(&[&args[..], &bad].concat());
        assert!(text.contains(why) && status == 3, "{text}");
    }
}

#[test]
fn what_is_no_answer_of_docker() {
    let url = Server::http([("/_ping", 200, "pong")]).url();
    says(
        &["check-docker", "--url", &url],
        &format!(
            "CheckDocker UNKNOWN: {url}/_ping answers something else than OK; \
             is it the right service?"
        ),
        3,
    );
    let url = Server::http([(ALL, 500, "{\"message\":\"no such | thing\"}")]).url();
    says(
        &["check-docker-container", "--url", &url],
        &format!(
            "CheckDockerContainer UNKNOWN: {url}{ALL} answers 500 \
             \"{{\"message\":\"no such / thing\"}}\""
        ),
        3,
    );
}

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
        &["--name", "fine", "-N", "well"],
        "OK: 2 containers run: fine, well",
        0,
    );
    args(
        &["--pattern", "^web", "--count", "2", "--perfdata"],
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
    args(&["--name", "32a1ba44fe14"], "OK: 1 container runs: fine", 0);
    args(
        &["--label", "tier=web"],
        "CRITICAL: there is no such container",
        2,
    );
    args(
        &["--name", "fine", "--name", "hpcg1"],
        "CRITICAL: hpcg1 is not there",
        2,
    );
    args(&["--name", "paused"], "WARNING: paused is paused", 1);
    args(&["--name", "sick"], "CRITICAL: sick is unhealthy", 2);
    args(
        &["--name", "killed"],
        "CRITICAL: killed has ended with exit code 137",
        2,
    );
    args(
        &["--name", "oom"],
        "CRITICAL: oom has ended with exit code 137, killed for lack of memory",
        2,
    );
    args(
        &["--name", "noexec"],
        "CRITICAL: noexec was never started: failed to create shim task: OCI runtime create \
         failed: runc create failed: unable to start container process: exec: \"nonexistent\": \
         executable file not found in $PATH: unknown",
        2,
    );
    args(
        &["--name", "loop"],
        "CRITICAL: loop is restarting after exit code 1",
        2,
    );
    args(
        &["--name", "done"],
        "CRITICAL: done has ended with exit code 0",
        2,
    );
    args(
        &["--name", "done", "--name", "fine", "--allow-exited"],
        "OK: 1 container runs: fine; 1 has ended well",
        0,
    );
    for (count, says) in [("1", "1"), ("3:", "3:"), ("~:1", "~:1")] {
        args(
            &["--pattern", "^web", "--count", count],
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
        let count = format!("--count={bad}");
        let (text, status) = check(&["check-docker-container", "--url", &url, &count]);
        assert!(
            text.starts_with("CheckDockerContainer UNKNOWN: ") && status == 3,
            "{text}"
        );
    }
}

#[test]
fn restarts_are_counted_from_one_run_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let all = r#"[{"Id":"a1","Names":["/web"],"State":"running","Status":"Up 5 seconds"}]"#;
    let count = |count: u64| format!("{{\"RestartCount\":{count},\"State\":{{}}}}");
    let path = folder.path().join("answer");
    fs::write(&path, count(3)).unwrap();
    let answer = path.clone();
    let server = Server::new(move |stream| {
        let Some(asked) = crate::asked(&stream) else {
            return;
        };
        let detail = fs::read_to_string(&answer).unwrap();
        let body = if asked == ALL { all } else { &detail };
        crate::answer(&stream, 200, body);
    });
    let url = server.url();
    let run = |more: &[&str], line: &str, status| {
        let args = [
            "check-docker-container",
            "--url",
            &url,
            "--state-dir",
            state,
        ];
        let args = [&args[..], &["-w", "1", "-c", "3"], more].concat();
        says(&args, &format!("CheckDockerContainer {line}"), status);
    };
    run(
        &["--total"],
        "CRITICAL: web was restarted 3 times in all, threshold 3",
        2,
    );
    run(
        &[],
        "OK: 1 container runs: web; first run, restarts are counted from here on",
        0,
    );
    run(&[], "OK: 1 container runs: web", 0);
    fs::write(&path, count(4)).unwrap();
    run(
        &["--perfdata"],
        "WARNING: web was restarted 1 time since the last run, threshold 1 \
         | 'running'=1;;;0 'unhealthy'=0;;;0 'web restarts'=1;1;3;0",
        1,
    );
    run(&[], "OK: 1 container runs: web", 0);
    // Somebody has started it again, and it was counted anew.
    fs::write(&path, count(3)).unwrap();
    run(
        &[],
        "CRITICAL: web was restarted 3 times since the last run, threshold 3",
        2,
    );
    // Others that are looked at are counted for themselves.
    run(
        &["--name", "web"],
        "OK: 1 container runs: web; first run, restarts are counted from here on",
        0,
    );
    let (text, _) = check(&[
        "check-docker-container",
        "--url",
        &url,
        "--state-dir",
        state,
        "-w",
        "1",
        "--dryrun",
    ]);
    assert!(
        text.contains(&format!("\n  {state}/check-docker-container-")),
        "{text}"
    );
    let files = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 3, "two states and the answer");
    for entry in fs::read_dir(folder.path()).unwrap() {
        let file = entry.unwrap().path();
        if file != path {
            fs::write(file, "{").unwrap();
        }
    }
    let (text, status) = check(&[
        "check-docker-container",
        "--url",
        &url,
        "--state-dir",
        state,
        "-w",
        "1",
        "-c",
        "3",
    ]);
    assert!(text.contains("is damaged") && status == 0, "{text}");
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
    let server = Server::new(move |stream| {
        let Some(path) = crate::asked(&stream) else {
            return;
        };
        if path == ALL {
            crate::answer(&stream, 200, &all);
        } else {
            thread::sleep(Duration::from_millis(100));
            crate::answer(&stream, 200, "{\"RestartCount\":9,\"State\":{}}");
        }
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
fn a_state_that_cannot_be_kept() {
    let all =
        r#"[{"Id":"a","Names":["/web"],"State":"exited","Status":"Exited (137) 1 hour ago"}]"#;
    let detail = ("/containers/a/json", 200, "{\"State\":{}}");
    let url = Server::http([(ALL, 200, all), detail]).url();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let (text, status) = check(&[
        "check-docker-container",
        "--url",
        &url,
        "-N",
        "web",
        "-w",
        "1",
        "--state-dir",
        file.to_str().unwrap(),
    ]);
    let start = "CheckDockerContainer CRITICAL: web has ended with exit code 137; \
                 cannot read the state file ";
    assert!(text.starts_with(start) && status == 2, "{text}");
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

/// A check with other thresholds, in between, takes nothing away.
#[test]
fn restarts_are_counted_for_each_check_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let all = r#"[{"Id":"a1","Names":["/web"],"State":"running","Status":"Up 5 seconds"}]"#;
    let restarts = Arc::new(AtomicUsize::new(3));
    let count = Arc::clone(&restarts);
    let server = Server::new(move |stream| {
        let Some(asked) = crate::asked(&stream) else {
            return;
        };
        let count = count.load(Ordering::Relaxed);
        let detail = format!("{{\"RestartCount\":{count},\"State\":{{}}}}");
        crate::answer(&stream, 200, if asked == ALL { all } else { &detail });
    });
    let url = server.url();
    let run = |more: &[&str], line: &str, status| {
        let args = [
            "check-docker-container",
            "--url",
            &url,
            "--state-dir",
            state,
        ];
        says(
            &[&args[..], more].concat(),
            &format!("CheckDockerContainer {line}"),
            status,
        );
    };
    let (strict, patient) = (["-w", "1", "-c", "5"], ["-w", "100"]);
    let fine = "OK: 1 container runs: web";
    let first = format!("{fine}; first run, restarts are counted from here on");
    run(&strict, &first, 0);
    run(&patient, &first, 0);
    restarts.store(10, Ordering::Relaxed);
    run(&patient, fine, 0);
    let seven = "CRITICAL: web was restarted 7 times since the last run, threshold 5";
    run(&strict, seven, 2);
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
            "--count",
            "10000",
        ],
        "CheckDockerContainer OK: 10000 containers run",
        0,
    );
    many_are_asked_once(&format!("[{}]", all[..1001].join(",")));
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

/// The first run asks all of them, as far as it comes; the next only what it has to.
fn many_are_asked_once(all: &str) {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let (all, counter) = (all.to_owned(), Arc::clone(&asked));
    let server = Server::new(move |stream| {
        let Some(path) = crate::asked(&stream) else {
            return;
        };
        if path == ALL {
            crate::answer(&stream, 200, &all);
        } else {
            counter.fetch_add(1, Ordering::Relaxed);
            crate::answer(&stream, 200, "{\"RestartCount\":9,\"State\":{}}");
        }
    });
    let url = server.url();
    let args = [
        "check-docker-container",
        "--url",
        &url,
        "--state-dir",
        state,
    ];
    let args = [&args[..], &["-w", "1", "--timeout", "60"]].concat();
    let fine = "CheckDockerContainer OK: 1001 containers run";
    let first = format!("{fine}; first run, restarts are counted from here on");
    says(&args, &first, 0);
    assert_eq!(asked.swap(0, Ordering::Relaxed), 1001);
    says(&args, fine, 0);
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[test]
fn numbers_of_an_engine() {
    let url = Server::http([
        ("/info", 200, &recorded("info")),
        (ALL, 200, &recorded("containers")),
    ])
    .url();
    prints(
        &["metrics-docker", "--url", &url, "--scheme", "s"],
        &[
            "s.containers.total 11 @TS@",
            "s.containers.created 1 @TS@",
            "s.containers.running 5 @TS@",
            "s.containers.paused 1 @TS@",
            "s.containers.restarting 1 @TS@",
            "s.containers.removing 0 @TS@",
            "s.containers.exited 3 @TS@",
            "s.containers.dead 0 @TS@",
            "s.containers.healthy 1 @TS@",
            "s.containers.unhealthy 1 @TS@",
            "s.images 1 @TS@",
            "s.daemon.file_descriptors 76 @TS@",
            "s.daemon.goroutines 209 @TS@",
            "s.daemon.event_listeners 2 @TS@",
        ],
    );
    let all = r#"[{"Id":"a","Names":["/a.b|c"],"State":"running","Status":"Up"},
        {"Id":"b","Names":["/gone"],"State":"running","Status":"Up"},
        {"Id":"c","Names":["/ended"],"State":"exited","Status":"Exited (0)"}]"#;
    let url = Server::http([
        (
            "/info",
            200,
            r#"{"Containers":3,"DriverStatus":[["Data Space Used","1.5 GB"],
                ["Data Space Total","107.4 GB"]]}"#,
        ),
        (ALL, 200, all),
        (
            "/containers/a/json",
            200,
            "{\"RestartCount\":4,\"State\":{}}",
        ),
    ])
    .url();
    let output = crate::run(&[
        "metrics-docker",
        "--url",
        &url,
        "--scheme",
        "s",
        "--restarts",
    ]);
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "s.storage.data.used 1500000000 ",
        "s.storage.data.total 107400000000 ",
        "s.container.a_b_c.restarts 4 ",
    ] {
        assert!(text.contains(&format!("\n{line}")), "{line} in {text}");
    }
    assert!(!text.contains("gone") && !text.contains("ended"), "{text}");
}
