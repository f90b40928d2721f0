//! `metrics-net --name-by container` against Docker and bare network namespaces.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use venus_tests::docker::Docker;
use venus_tests::part;
use venus_tests::program::{self, Running, run, wait_until};
use venus_tests::room::{Groups, Room};

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
fn metrics(room: &Room, options: &[&str]) -> (Vec<String>, String) {
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
fn interfaces(lines: &[String]) -> Vec<&str> {
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

/// An agent's settings: the built-in checks each second, network by container.
fn settings(docker: &str) -> Value {
    let net = json!({"metrics-net": {"name_by": "container"}});
    json!({
        "client": {"name": "n", "address": "127.0.0.1", "subscriptions": ["physical"],
            "socket": {"enabled": false}, "http_socket": {"enabled": false}},
        "venus": {"interval": 1, "metrics": net, "docker_host": docker},
    })
}

/// Each namespace has an interface of a name that no other has.
#[test]
fn what_comes_and_goes_meanwhile_never_has_anothers_name() {
    let Some(room) = Room::new() else {
        return;
    };
    let mut churn = room.command("/bin/bash");
    churn.args([
        "-c",
        "while :; do
            i=$((RANDOM % 8))
            ip netns del n$i; ip netns add n$i
            ip link add host$i type veth peer name inner$i netns n$i
            [ $i -lt 4 ] || ip netns exec n$i sleep 0.05 &
        done 2>&-",
    ]);
    let churn = Running::start(&mut churn, None);
    let mut shown = 0;
    for _ in 0..100 {
        let (lines, said) = metrics(&room, &[]);
        assert_eq!(
            said.lines()
                .filter(|line| !line.contains("no network interface"))
                .count(),
            0
        );
        for path in interfaces(&lines) {
            let parts: Vec<&str> = path.split('.').collect();
            let is_right = match parts[..] {
                ["n", "netns", name, inner] => {
                    name.strip_prefix('n') == inner.strip_prefix("inner")
                }
                // Not matched, as it was just coming or going.
                ["n", device] => device.starts_with("host"),
                _ => false,
            };
            assert!(is_right, "{path}");
            shown += usize::from(parts.len() == 4);
        }
    }
    drop(churn);
    assert!(shown > 100, "{shown}");
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

#[test]
fn a_failing_check_says_which_containers_and_jobs_run() {
    let Some(docker) = Docker::launch() else {
        return;
    };
    let room = &docker.room;
    room.sh("docker run -d --name hpcg.1 bb sleep 100000");
    // A job on a site whose SLURM makes no control groups: its step daemon has this title.
    let daemon = room.dir().join("slurmstepd");
    fs::copy("/bin/sleep", &daemon).unwrap();
    let daemon = daemon.display();
    room.sh(&format!(
        "(exec -a 'slurmstepd: [4711.batch]' {daemon} 100000) >&- 2>&- &"
    ));
    let events = room.dir().join("events");
    let mut settings = settings("unix:///var/run/docker.sock");
    settings["venus"]["builtin_checks"] = json!(false);
    let both = json!(["containers", "jobs"]);
    let check = |name: &str, command: &str, context: &Value| {
        json!({"command": format!("echo {name}; {command}"), "standalone": true, "interval": 1,
            "handler": "file", "context": context})
    };
    settings["checks"] = json!({
        "bad": check("bad", "exit 2", &both),
        "jobs": check("jobs", "exit 1", &json!(["jobs"])),
        "good": check("good", "exit 0", &both),
        "collector": {"extension": "metrics-net", "scheme": "a b", "standalone": true,
            "interval": 1, "handler": "file", "context": &both},
    });
    settings["handlers"] = json!({"file": {"type": "pipe",
        "command": format!("(cat; echo) >>{}", events.display())}});
    let mut agent = room.agent(&settings);
    let seen = |name: &str| -> Option<Value> {
        let text = fs::read_to_string(&events).unwrap_or_default();
        let mut events = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let is_it = |event: &Value| event["check"]["name"] == name;
        events
            .find(is_it)
            .map(|mut event: Value| event["check"]["context"].take())
    };
    wait_until(|| {
        ["bad", "jobs", "collector"]
            .iter()
            .all(|name| seen(name).is_some())
    });
    let whole = json!({"containers": ["hpcg_1"], "jobs": ["4711"]});
    assert_eq!(seen("bad"), Some(whole.clone()));
    assert_eq!(seen("collector"), Some(whole));
    assert_eq!(seen("jobs"), Some(json!({"jobs": ["4711"]})));
    assert_eq!(seen("good"), None);
    // Docker goes: its containers are still there, under their ids, and that is said once.
    room.sh("mv /run/docker.sock /run/gone.sock");
    agent.stderr_line("the context of failing checks is not known in full");
}

/// A process in a namespace of its own and in the control group of a container, without Docker;
/// it has an interface vethX, eth0 inside.
fn container(room: &Room, groups: &Groups) -> String {
    let id = "0123456789abcdef".repeat(4);
    let group = format!("{}/{id}", groups.name());
    room.sh(&format!(
        "root=/sys/fs/cgroup; [ -e $root/cgroup.procs ] || root=$root/pids
        mkdir -p $root/{group}
        sh -c 'echo $$ >'$root/{group}'/cgroup.procs; exec unshare --net sleep 100000' >&- 2>&- &
        until [ \"$(readlink /proc/$!/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]; do :; done
        ip link add vethX type veth peer name eth0 netns $!
        ip link set vethX up
        nsenter -n -t $! ip link set eth0 up"
    ));
    id
}

#[test]
fn a_docker_that_hangs_costs_only_the_names() {
    let Some(room) = Room::new() else {
        return;
    };
    let groups = Groups::of(&room);
    let id = container(&room, &groups);
    let socket = room.dir().join("docker.sock");
    let docker = UnixListener::bind(&socket).unwrap();
    let mut agent = room.agent(&settings(&format!("unix://{}", socket.display())));
    agent.stdout_line("n.net.vethX.rx_bytes ");
    agent.stderr_line("no answer within 500 ms");
    // The other checks keep their second, while Docker is asked again and again.
    let time = |line: String| -> u64 { line.rsplit(' ').next().unwrap().parse().unwrap() };
    let first = time(agent.stdout_line("n.load_avg.one "));
    for later in 1..=4 {
        assert_eq!(time(agent.stdout_line("n.load_avg.one ")), first + later);
    }
    // It comes to itself.
    let answers = std::thread::spawn(move || {
        let body = format!(r#"[{{"Id":"{id}","Names":["/hpcg1"],"Created":1}}]"#);
        let answer = format!("HTTP/1.0 200 OK\r\n\r\n{body}");
        // Those who gave up are still in the queue.
        while let Ok((mut stream, _)) = docker.accept() {
            let mut request = [0; 4096];
            if stream.read(&mut request).is_ok() {
                drop(stream.write_all(answer.as_bytes()));
            }
        }
    });
    agent.stdout_line("n.net.container.hpcg1.eth0.rx_bytes ");
    drop(answers);
    drop(room);
    drop(groups);
    assert_eq!(agent.seen().matches("no answer within").count(), 1);
}

#[test]
fn whoever_may_not_ask_docker_is_told_in_one_line() {
    let Some(room) = Room::new() else {
        return;
    };
    let groups = Groups::of(&room);
    let id = container(&room, &groups);
    let socket = room.dir().join("docker.sock");
    let _docker = UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(room.dir(), fs::Permissions::from_mode(0o755)).unwrap();
    // The program is below a folder that only root may enter.
    let program = room.dir().join("venus-checks");
    fs::copy(program::path("venus-checks"), &program).unwrap();
    let mut command = room.command("/usr/bin/setpriv");
    command.args([
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        "--",
    ]);
    command
        .arg(&program)
        .args(["metrics-net", "-s", "n", "--name-by", "container"]);
    let output = run(command.args(["--docker-host", &format!("unix://{}", socket.display())]));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    for part in [
        "docker.sock",
        "Permission denied",
        "group of the socket",
        "short ids",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let path = format!("n.container.{}.eth0.rx_bytes ", id.get(..12).unwrap());
    assert!(text.contains(&path), "{text}");
    drop(room);
    drop(groups);
}

#[test]
fn in_the_steady_state_no_process_is_looked_at() {
    if part::find("strace", &["/usr/bin/strace"]).is_none() {
        return;
    }
    let Some(room) = Room::new() else {
        return;
    };
    room.sh("for i in 1 2 3; do
            ip netns add n$i
            ip link add veth$i type veth peer name eth0 netns n$i
            ip link set veth$i up
            ip -n n$i link set eth0 up
        done
        ip netns exec n3 sleep 100000 >&- 2>&- &");
    let trace = room.dir().join("trace");
    let (agent, _dir) = program::agent(&settings("unix:///run/docker.sock"));
    let mut command = room.command("/usr/bin/strace");
    command.args(["-f", "-o"]).arg(&trace);
    command.args(["-e", "trace=%file,getdents64,recvfrom"]);
    command.arg(agent.get_program()).args(agent.get_args());
    let mut agent = Running::start(&mut command, None);
    for _ in 0..12 {
        agent.stdout_line("n.net.netns.n3.eth0.rx_bytes ");
    }
    let trace = fs::read_to_string(&trace).unwrap();
    // What is asked each time, and answered with "nothing happened".
    let polls: Vec<usize> = trace
        .match_indices(", 1, 0, NULL, NULL) = -1 EAGAIN")
        .map(|(place, _)| place)
        .collect();
    assert!(polls.len() >= 8, "{trace}");
    let is_walk = |line: &&str| line.contains("\"/proc/") || line.contains("getdents64(");
    let (before, steady) = trace.split_at(polls[polls.len() - 6]);
    let walked = before.lines().filter(is_walk).count();
    assert!(walked > 3, "it never looked: {before}");
    let mut walks = steady.lines().filter(is_walk);
    assert_eq!(walks.next(), None);
    // What changes is noticed, and looked at.
    room.sh("ip netns add n4
        ip link add veth4 type veth peer name eth0 netns n4");
    agent.stdout_line("n.net.netns.n4.eth0.rx_bytes ");
}
