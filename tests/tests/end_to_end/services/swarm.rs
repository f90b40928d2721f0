//! Docker's Swarm mode: two engines, a manager and a worker. Of the classic Swarm no real one can
//! be had.

use super::{check, comes_to_say, says};
use venus_tests::docker::Docker;
use venus_tests::program::wait_until;

/// Two engines on hosts of their own with a cable between them, the second a worker of the first.
fn swarm() -> Option<(Docker, Docker)> {
    let (manager, worker) = (Docker::on("docker1")?, Docker::on("docker2")?);
    says(
        &["check-swarm", "--url", &manager.url()],
        "CheckSwarm CRITICAL: docker1 is in no swarm",
        2,
    );
    manager.room.connect(&worker.room, "cable");
    for (engine, address) in [(&manager, "10.77.0.1"), (&worker, "10.77.0.2")] {
        engine.room.sh(&format!(
            "ip address add {address}/24 dev cable; ip link set cable up"
        ));
    }
    let token = manager
        .room
        .sh("docker swarm init --dispatcher-heartbeat 1s \
             --advertise-addr 10.77.0.1 --listen-addr 10.77.0.1:2377 >&2
        docker swarm join-token -q worker");
    worker.room.sh(&format!(
        "docker swarm join --advertise-addr 10.77.0.2 --listen-addr 10.77.0.2:2377 \
         --token {} 10.77.0.1:2377",
        token.trim()
    ));
    Some((manager, worker))
}

#[test]
fn a_swarm_whose_nodes_and_services_fail_and_recover() {
    let Some((manager, mut worker)) = swarm() else {
        return;
    };
    let (url, room) = (manager.url(), &manager.room);
    let args = ["check-swarm", "--url", &url];
    let comes_to = |line: &str| comes_to_say(&args, &format!("CheckSwarm {line}\n"));
    let fine = |services: &str| {
        comes_to(&format!(
            "OK: 2 of 2 nodes ready, 1 of 1 manager reachable, {services} in order"
        ));
    };
    room.sh(
        "docker service create --detach --name web --replicas 2 --restart-delay 100ms \
            --stop-signal KILL bb sleep 100000
        docker service create --detach --name each --mode global --restart-delay 100ms \
            --stop-signal KILL bb sleep 100000
        docker service create --detach --name none --replicas 0 bb sleep 100000",
    );
    fine("3 services");
    says(
        &["check-swarm", "--url", &worker.url()],
        "CheckSwarm UNKNOWN: docker2 is a worker, which knows nothing of the swarm; \
         run this on a manager (10.77.0.1), or give its --url",
        3,
    );
    for (more, line, status) in [
        (["--service", "web"], "OK: web does 2 of 2 tasks", 0),
        (["--service", "db"], "CRITICAL: there is no service db", 2),
        (["--node", "docker2"], "OK: 1 of 1 node ready", 0),
        (
            ["--node", "docker3"],
            "CRITICAL: there is no node docker3",
            2,
        ),
        (
            ["--url", "unix:///nowhere/docker.sock"],
            "CRITICAL: asking unix:///nowhere/docker.sock/info failed: No such file or directory \
             (os error 2); is it running, and is this its address?",
            2,
        ),
    ] {
        says(
            &[&args[..], &more].concat(),
            &format!("CheckSwarm {line}"),
            status,
        );
    }

    // A node that is drained, and one that is paused.
    room.sh("docker node update --availability drain docker2");
    comes_to("WARNING: docker2 is drained");
    room.sh("docker node update --availability pause docker2");
    comes_to("WARNING: docker2 is paused");
    room.sh("docker node update --availability active docker2");
    fine("3 services");

    // More than fits, on each node and on any.
    room.sh(
        "docker service create --detach --name cap --replicas 3 --replicas-max-per-node 1 \
            --restart-delay 100ms --stop-signal KILL bb sleep 100000",
    );
    comes_to(
        "WARNING: cap runs 2 of 3 tasks: no suitable node (max replicas per node limit exceed)",
    );
    room.sh("docker service scale --detach cap=2");
    fine("4 services");
    room.sh("docker service rm cap
        docker service create --detach --name huge --reserve-memory 1000G \
            --stop-signal KILL bb sleep 100000");
    comes_to(
        "CRITICAL: huge runs 0 of 1 task: no suitable node (insufficient resources on 2 nodes)",
    );
    room.sh("docker service update --detach --reserve-memory 8M huge");
    fine("4 services");

    // Tasks that fail, of a service and of a job.
    room.sh("docker service rm huge
        docker service create --detach --name bad --restart-delay 1s \
            --stop-signal KILL bb sh -c 'exit 7'");
    comes_to("CRITICAL: bad runs 0 of 1 task: task: non-zero exit (7)");
    room.sh("docker service update --detach --args 'sleep 100000' bad");
    fine("4 services");
    room.sh("docker service rm bad
        docker service create --detach --name job --mode replicated-job --restart-delay 1s bb false");
    comes_to("WARNING: job job has finished 0 of 1 task: task: non-zero exit (1)");
    room.sh("docker service update --detach --args true job");
    fine("4 services");
    room.sh("docker service rm job");

    // A node that is gone: what ran there does not count, and runs elsewhere.
    worker.kill();
    comes_to("CRITICAL: docker2 is down: heartbeat failure");
    numbers_without_the_worker(&url);
    worker.relaunch();
    fine("3 services");

    one_manager_of_two_is_not_enough(&manager, &mut worker);
}

fn numbers_without_the_worker(url: &str) {
    let (metrics, status) = check(&["metrics-swarm", "--url", url, "-s", "s"]);
    for line in [
        "s.nodes.total 2 ",
        "s.nodes.ready 1 ",
        "s.nodes.down 1 ",
        "s.managers.reachable 1 ",
        "s.service.each.running 1 ",
        "s.service.each.desired 1 ",
        "s.service.web.running 2 ",
        "s.service.web.desired 2 ",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    assert_eq!(status, 0);
}

/// Two managers, of which one is lost and comes back.
fn one_manager_of_two_is_not_enough(manager: &Docker, worker: &mut Docker) {
    let url = manager.url();
    let args = ["check-swarm", "--url", &url];
    let comes_to = |line: &str| comes_to_say(&args, &format!("CheckSwarm {line}\n"));
    manager.room.sh("docker node promote docker2");
    let two = "OK: 2 of 2 nodes ready, 2 of 2 managers reachable, 3 services in order";
    comes_to(two);
    // The second knows it, too: before, it would come back as a worker.
    let of_second = ["check-swarm", "--url", &worker.url()];
    comes_to_say(&of_second, &format!("CheckSwarm {two}\n"));
    worker.kill();
    // Meanwhile the first does not answer at all.
    let hurried = [&args[..], &["--timeout", "1"]].concat();
    wait_until(|| {
        let (text, status) = check(&hurried);
        text.contains("The swarm does not have a leader") && status == 2
    });
    worker.relaunch();
    comes_to(two);
}
