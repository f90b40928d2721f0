//! Docker Engine and its containers.

use super::{check, comes_to_say, outcome, says};
use std::fs;
use venus_tests::docker::Docker;
use venus_tests::program::{self, wait_until};

/// Fails unless a check of containers says this and nothing else, and ends so.
fn container_is(url: &str, more: &[&str], line: &str, status: i32) {
    let args = [&["check-docker-container", "--url", url], more].concat();
    says(&args, &format!("CheckDockerContainer {line}"), status);
}

/// Waits until it says this and nothing else.
fn container_comes_to_be(url: &str, name: &str, line: &str) {
    let args = ["check-docker-container", "--url", url, "--container", name];
    comes_to_say(&args, &format!("CheckDockerContainer {line}\n"));
}

#[test]
fn an_engine_that_works_hangs_is_killed_and_comes_back() {
    let Some(mut docker) = Docker::launch() else {
        return;
    };
    let url = docker.url();
    docker
        .room
        .sh("docker run -d --stop-signal KILL --name one bb sleep 100000
        docker run -d --stop-signal KILL --name two bb sleep 100000
        docker run -d --name three bb true
        docker wait three
        docker pause two");
    let told = |format: &str| {
        let told = docker.room.sh(&format!("docker info -f '{format}'"));
        told.trim().to_owned()
    };
    let (version, driver) = (told("{{.ServerVersion}}"), told("{{.Driver}}"));
    let fine = format!(
        "CheckDocker OK: Docker {version}, storage by {driver}, \
         containers: 1 running, 1 paused, 1 stopped"
    );
    // By the usual socket, from inside.
    let program = program::path("venus-checks");
    let inside = outcome(docker.room.command(&program).arg("check-docker"));
    assert_eq!(inside, (format!("{fine}\n"), 0));
    let args = ["check-docker", "--url", &url, "--timeout", "1"];
    let more = ["--min-version", "1.13", "--storage-driver", &driver];
    says(&[&args[..], &more].concat(), &fine, 0);
    says(
        &[&args[..], &["--min-version", "1000"]].concat(),
        &format!("CheckDocker WARNING: Docker {version} is older than 1000"),
        1,
    );
    says(
        &[&args[..], &["--storage-driver", "none"]].concat(),
        &format!("CheckDocker CRITICAL: the storage driver is {driver}, expected none"),
        2,
    );
    let (metrics, status) = check(&["metrics-docker", "--url", &url, "-s", "d", "--restarts"]);
    for line in [
        "d.containers.total 3 ",
        "d.containers.running 1 ",
        "d.containers.paused 1 ",
        "d.containers.exited 1 ",
        "d.images 1 ",
        "d.container.one.restarts 0 ",
        "d.container.two.restarts 0 ",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    assert_eq!(status, 0);

    docker.stop();
    says(
        &args,
        &format!(
            "CheckDocker UNKNOWN: asking {url}/_ping failed: no answer within 0.7 s; \
             see what hangs there, or give more with --timeout"
        ),
        3,
    );
    docker.resume();
    says(&args, &fine, 0);

    docker.kill();
    says(
        &args,
        &format!(
            "CheckDocker CRITICAL: asking {url}/_ping failed: Connection refused (os error 111); \
             is it running, and is this its address?"
        ),
        2,
    );
    docker.relaunch();
    // Its containers have been ended with it, or are taken over.
    comes_to_say(&args, &format!("CheckDocker OK: Docker {version}, "));
}

#[test]
fn containers_that_are_killed_paused_unhealthy_or_out_of_memory_and_recover() {
    let Some(docker) = Docker::launch() else {
        return;
    };
    let (url, room) = (docker.url(), &docker.room);
    room.sh("docker run -d --name hpcg1 --label tier=compute bb sleep 100000");
    let fine = "OK: 1 container runs: hpcg1";
    for choice in [
        ["--container", "hpcg1"],
        ["--pattern", "^hpcg"],
        ["--label", "tier=compute"],
        ["--image", "bb"],
        ["--containers", "1"],
    ] {
        container_is(&url, &choice, fine, 0);
    }
    container_is(
        &url,
        &["--container", "hpcg1", "--container", "hpcg2"],
        "CRITICAL: hpcg2 is not there",
        2,
    );

    let hpcg1 = ["--container", "hpcg1"];
    room.sh("docker kill hpcg1");
    container_is(
        &url,
        &hpcg1,
        "CRITICAL: hpcg1 has ended with exit code 137",
        2,
    );
    container_is(
        &url,
        &["--containers", "1"],
        "CRITICAL: 0 containers run, expected 1",
        2,
    );
    room.sh("docker start hpcg1");
    container_is(&url, &hpcg1, fine, 0);
    room.sh("docker pause hpcg1");
    container_is(&url, &hpcg1, "WARNING: hpcg1 is paused", 1);
    room.sh("docker unpause hpcg1");
    container_is(&url, &hpcg1, fine, 0);

    room.sh(
        "docker run -d --name web --health-cmd 'test -e /well' --health-interval 100ms \
         --health-retries 1 bb sleep 100000",
    );
    container_comes_to_be(&url, "web", "CRITICAL: web is unhealthy");
    room.sh("docker exec web sh -c ': >/well'");
    container_comes_to_be(&url, "web", "OK: 1 container runs: web");

    // That it ended and why comes to Docker in two messages, of which it may miss the second.
    room.sh("docker run -d --name oom -m 8m bb tail /dev/zero
        docker wait oom
        until docker inspect -f '{{.State.OOMKilled}}' oom | grep -q true; do
            docker start oom
            docker wait oom
        done");
    container_is(
        &url,
        &["--container", "oom"],
        "CRITICAL: oom has ended with exit code 137, killed for lack of memory",
        2,
    );
    room.sh("docker rm oom; docker run -d --name oom -m 8m bb sleep 100000");
    container_is(
        &url,
        &["--container", "oom"],
        "OK: 1 container runs: oom",
        0,
    );

    let (text, status) = {
        room.sh("docker run -d --name vain bb nonexistent || true");
        check(&["check-docker-container", "--url", &url, "-N", "vain"])
    };
    let start = "CheckDockerContainer CRITICAL: vain was never started: ";
    assert!(text.starts_with(start) && status == 2, "{text}");
    assert_eq!(text.lines().count(), 1);
    room.sh("docker run -d --name done bb true; docker wait done");
    container_is(
        &url,
        &["--container", "done"],
        "CRITICAL: done has ended with exit code 0",
        2,
    );
    container_is(
        &url,
        &["--container", "done", "-x"],
        "OK: 0 containers run; 1 has ended well",
        0,
    );
}

#[test]
fn a_container_that_is_restarted_over_and_over_and_recovers() {
    let Some(docker) = Docker::launch() else {
        return;
    };
    let (url, room) = (docker.url(), &docker.room);
    room.sh("docker run -d --name loop --restart always bb \
         sh -c 'test -e /well && exec sleep 100000'");
    container_comes_to_be(
        &url,
        "loop",
        "CRITICAL: loop is restarting after exit code 1",
    );
    let well = room.dir().join("well");
    fs::write(&well, "").unwrap();
    room.sh(&format!("docker cp {} loop:/well", well.display()));
    container_comes_to_be(&url, "loop", "OK: 1 container runs: loop");

    let state = room.dir().join("state").display().to_string();
    let restarts = [
        "--container",
        "loop",
        "-w",
        "1",
        "-c",
        "2",
        "--state-dir",
        &state,
    ];
    container_is(
        &url,
        &restarts,
        "OK: 1 container runs: loop; first run, restarts are counted from here on",
        0,
    );
    let count = || {
        let told = "docker inspect -f '{{.RestartCount}} {{.State.Status}}' loop";
        let told = room.sh(told);
        let (count, state) = told.trim().split_once(' ').unwrap();
        (count.parse::<u64>().unwrap(), state == "running")
    };
    let (before, _) = count();
    for times in 1..=2 {
        room.sh("kill -s KILL $(docker inspect -f '{{.State.Pid}}' loop)");
        wait_until(|| count() == (before + times, true));
    }
    container_is(
        &url,
        &restarts,
        "CRITICAL: loop was restarted 2 times since the last run, threshold 2",
        2,
    );
    container_is(&url, &restarts, "OK: 1 container runs: loop", 0);
    let total = before + 2;
    container_is(
        &url,
        &["--container", "loop", "--total", "-w", "2"],
        &format!("WARNING: loop was restarted {total} times in all, threshold 2"),
        1,
    );
}
