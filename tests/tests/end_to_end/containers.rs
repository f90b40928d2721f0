//! `metrics-net --name-by container` against Docker and bare network namespaces.

use std::collections::BTreeMap;
use venus_tests::docker::Docker;
use venus_tests::program::{self, run, wait_until};
use venus_tests::room::Room;

/// The counters in the order of the lines.
const METRICS: [&str; 6] = [
    "tx_packets",
    "rx_packets",
    "tx_bytes",
    "rx_bytes",
    "tx_errors",
    "rx_errors",
];

/// What `metrics-net` prints in a room with these options, without the time; and what it says.
pub(crate) fn metrics(room: &Room, options: &[&str]) -> (Vec<String>, String) {
    let mut command = room.command(program::path("venus-checks"));
    command.args(["metrics-net", "-s", "n", "--name-by", "container"]);
    let output = run(command.args(options));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(venus_tests::fixture::without_time);
    (lines.collect(), said)
}

/// The paths of the interfaces among metrics, each once and in their order.
pub(crate) fn interfaces(lines: &[String]) -> Vec<&str> {
    let paths = lines.iter().filter_map(|line| line.split(' ').next());
    let named = paths.filter_map(|path| path.strip_suffix(".tx_packets"));
    named.collect()
}

/// What a namespace itself says of its interfaces, as the lines that it should be shown by.
/// `enter` is how nsenter gets into it.
fn as_seen_inside(room: &Room, enter: &str, path: &str) -> Vec<String> {
    let text = room.sh(&format!("nsenter {enter} cat /proc/self/net/dev"));
    let mut lines = Vec::new();
    for line in text.lines().skip(2) {
        let (name, numbers) = line.split_once(':').unwrap();
        let name = name.trim();
        let numbers: Vec<&str> = numbers.split_ascii_whitespace().collect();
        if name != "lo" {
            let columns = [9, 1, 8, 0, 10, 2].map(|column| numbers[column]);
            for (metric, value) in METRICS.iter().zip(columns) {
                lines.push(format!("n.{path}.{name}.{metric} {value}"));
            }
        }
    }
    lines
}

#[test]
fn each_veth_is_shown_as_what_is_behind_it_or_reported() {
    let Some(docker) = Docker::launch() else {
        return;
    };
    let room = &docker.room;
    // Eight containers with an interface in two networks each.
    room.sh("docker network create second >&2
        for i in 1 2 3 4 5 6 7 8; do
            docker run -d --name hpcg.$i bb sleep 100000
            docker network connect second hpcg.$i
        done");
    // Eight bare namespaces with two each: four in which nobody is, two with a process, and two
    // that have no name.
    room.sh("for i in 1 2 3 4 5 6; do ip netns add bare$i; done
        ip netns exec bare5 sleep 100000 >&- 2>&- &
        ip netns exec bare6 sleep 100000 >&- 2>&- &
        for i in 1 2 3 4 5 6; do for j in 0 1; do
            ip link add b$i.$j type veth peer name eth$j netns bare$i
            ip link set b$i.$j up
            ip -n bare$i link set eth$j up
        done; done
        for i in 7 8; do
            unshare --net sleep 100000 >&- 2>&- &
            echo $! >/run/bare$i
            until [ \"$(readlink /proc/$!/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]; do :; done
            for j in 0 1; do
                ip link add b$i.$j type veth peer name eth$j netns $!
                ip link set b$i.$j up
            done
        done");
    let mut inside = BTreeMap::new();
    for i in 1..=8 {
        let pid = room.sh(&format!("docker inspect -f '{{{{.State.Pid}}}}' hpcg.{i}"));
        inside.insert(
            format!("container.hpcg_{i}"),
            format!("-n -t {}", pid.trim()),
        );
    }
    for i in 1..=6 {
        inside.insert(
            format!("netns.bare{i}"),
            format!("--net=/run/netns/bare{i}"),
        );
    }
    // More sent than received, and by each another amount.
    for (enter, amount) in inside.values().zip(1..) {
        room.sh(&format!(
            "nsenter {enter} bash -c '
            for device in eth0 eth1; do
                ip link set $device up
                ip neigh replace 10.77.0.1 lladdr 02:00:00:00:00:01 dev $device
                ip route replace 10.77.0.1 dev $device
                for i in $(seq {amount}); do echo hello >/dev/udp/10.77.0.1/9; done
            done' || true"
        ));
    }
    let all_inside = || -> Vec<String> {
        let lines = inside
            .iter()
            .map(|(path, enter)| as_seen_inside(room, enter, path));
        lines.flatten().collect()
    };
    // In a moment in which nothing is sent on the side.
    let (lines, said, mut expected) = loop {
        let before = all_inside();
        let (lines, said) = metrics(room, &["--explain"]);
        if before == all_inside() {
            break (lines, said, before);
        }
    };
    let unequal = expected.chunks(METRICS.len());
    assert_eq!(
        unequal.filter(|one| one[0].ends_with(" 0")).count(),
        0,
        "{expected:?}"
    );

    let mut matched: Vec<String> = lines.clone();
    matched.retain(|line| line.starts_with("n.container.") || line.starts_with("n.netns."));
    matched.retain(|line| !line.contains(".if_speed "));
    matched.sort();
    expected.sort();
    assert_eq!(matched, expected);

    let rest = interfaces(&lines).into_iter();
    let mut rest: Vec<&str> = rest.filter(|path| path.split('.').count() <= 3).collect();
    rest.sort_unstable();
    let unmatched = ["n.b7.0", "n.b7.1", "n.b8.0", "n.b8.1"];
    let (bridges, devices): (Vec<&str>, Vec<&str>) = rest
        .into_iter()
        .partition(|path| path.starts_with("n.br-") || *path == "n.docker0");
    assert_eq!(bridges.len(), 2, "{bridges:?}");
    assert_eq!(devices, unmatched);
    let reported = said
        .lines()
        .find(|line| line.contains("not matched"))
        .unwrap();
    for device in ["b7.0", "b7.1", "b8.0", "b8.1"] {
        assert!(reported.contains(device), "{reported}");
    }

    let (lines, _) = metrics(room, &["--ignore-unmatched-veth"]);
    let left = interfaces(&lines)
        .into_iter()
        .filter(|path| unmatched.contains(path));
    assert_eq!(left.count(), 0);
}

#[test]
fn a_container_that_is_started_anew_keeps_its_series() {
    let Some(docker) = Docker::launch() else {
        return;
    };
    let room = &docker.room;
    room.sh("docker run -d --name hpcg1 bb sleep 100000");
    let shown = || {
        let (lines, _) = metrics(room, &["--include-device", "^veth"]);
        let paths = interfaces(&lines);
        assert_eq!(paths, ["n.container.hpcg1.eth0"], "{lines:?}");
        room.sh("ip -o link show type veth")
    };
    let before = shown();
    room.sh("docker restart -t 0 hpcg1");
    assert_ne!(shown(), before, "another device");
    // Docker is asked in vain: the id instead of the name, and why.
    let id = room.sh("docker ps -q");
    let socket = "unix:///run/none.sock";
    let (lines, said) = metrics(room, &["-i", "^veth", "--docker-host", socket]);
    assert_eq!(
        interfaces(&lines),
        [format!("n.container.{}.eth0", id.trim())]
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains(socket) && said.contains("shown by their short ids"),
        "{said}"
    );
    room.sh("docker rm -f hpcg1");
    assert_eq!(interfaces(&metrics(room, &["-i", "^veth"]).0), [""; 0]);
}

#[test]
fn a_swarm_service_is_shown_by_its_slots_with_its_overlay_network() {
    let Some(docker) = Docker::launch() else {
        return;
    };
    let room = &docker.room;
    room.sh("docker swarm init --advertise-addr 127.0.0.1
        docker network create -d overlay inner
        docker service create --name web --replicas 2 --network inner --detach bb sleep 100000");
    let running = "docker service ls --format '{{.Replicas}}'";
    let are_up = |replicas: &str| room.sh(running).trim() == replicas;
    wait_until(|| are_up("2/2"));
    let shown = || {
        let (lines, said) = metrics(room, &["--explain"]);
        let mut shown: Vec<String> = interfaces(&lines).into_iter().map(str::to_owned).collect();
        shown.retain(|path| path.starts_with("n.container."));
        shown.sort();
        (shown, said)
    };
    // eth0 is the overlay network's, eth1 leads to the host.
    let expected = ["1.eth0", "1.eth1", "2.eth0", "2.eth1"];
    let expected = expected.map(|end| format!("n.container.web_{end}"));
    let (first, said) = shown();
    assert_eq!(first, expected, "{said}");
    assert_eq!(
        said.matches("also counters from /proc/").count(),
        2,
        "{said}"
    );

    // A task that is replaced by another container goes on under the same paths.
    let task = room.sh("docker ps -q --filter name=web.1.");
    room.sh(&format!("docker rm -f {}", task.trim()));
    wait_until(|| {
        let tasks = room.sh("docker ps -q --filter name=web.1.");
        !tasks.trim().is_empty() && tasks != task && are_up("2/2")
    });
    assert_eq!(shown().0, expected);
    let mut command = room.command(program::path("venus-checks"));
    let used = run(command.args(["metrics-cgroup", "-s", "n"]));
    let used = String::from_utf8(used.stdout).unwrap();
    for path in [
        "n.container.web_1.cpu.usage_usec ",
        "n.container.web_2.memory.current ",
    ] {
        assert!(used.contains(path), "{used}");
    }
}
