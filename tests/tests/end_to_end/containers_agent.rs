//! Who is behind an interface, in the agent and where something is in the way.

use crate::containers::{interfaces, metrics};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use venus_tests::docker::Docker;
use venus_tests::part;
use venus_tests::program::{self, Running, run, wait_until};
use venus_tests::room::{Groups, Room};

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

/// A process in a namespace of its own and in this control group; it has an interface vethX, eth0
/// inside.
fn process(room: &Room, groups: &Groups, group: &str) {
    let group = format!("{}/{group}", groups.name());
    room.sh(&format!(
        "root=/sys/fs/cgroup; [ -e $root/cgroup.procs ] || root=$root/pids
        mkdir -p $root/{group}
        sh -c 'echo $$ >'$root/{group}'/cgroup.procs; exec unshare --net sleep 100000' >&- 2>&- &
        until [ \"$(readlink /proc/$!/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]; do :; done
        echo $! >/run/first.pid
        ip link add vethX type veth peer name eth0 netns $!
        ip link set vethX up
        nsenter -n -t $! ip link set eth0 up"
    ));
}

/// The same in the group of a container, without Docker. Its id.
fn container(room: &Room, groups: &Groups) -> String {
    let id = "0123456789abcdef".repeat(4);
    process(room, groups, &id);
    id
}

#[test]
fn a_service_with_a_network_of_its_own_is_known_when_it_is_seen_again() {
    let Some(room) = Room::new() else {
        return;
    };
    let groups = Groups::of(&room);
    room.sh("ip link add left type veth peer name right");
    let mut agent = room.agent(&settings("unix:///run/docker.sock"));
    agent.stdout_line("n.net.left.rx_bytes ");
    process(&room, &groups, "vpn.service");
    agent.stdout_line("n.net.container.vpn.eth0.rx_bytes ");
    drop(room);
    drop(groups);
    assert!(!agent.seen().contains("n.net.vethX."));
}

/// Its interfaces live for as long as its namespace, which whoever reads there would hold.
#[test]
fn a_container_that_is_read_itself_is_let_go_when_it_ends() {
    let Some(room) = Room::new() else {
        return;
    };
    let groups = Groups::of(&room);
    let id = container(&room, &groups);
    room.sh("ip link add outer type veth peer name inner
        ip link set outer up
        ip link add mac0 link outer type macvlan
        ip link set mac0 netns $(cat /run/first.pid)");
    let path = format!("n.net.container.{}", id.get(..12).unwrap());
    let mut agent = room.agent(&settings("unix:///run/docker.sock"));
    for _ in 0..3 {
        agent.stdout_line(&format!("{path}.eth0.rx_bytes "));
        agent.stdout_line(&format!("{path}.mac0.rx_bytes "));
    }
    room.sh("kill -KILL $(cat /run/first.pid)");
    wait_until(|| !room.sh("ip -o link").contains("vethX"));
    for _ in 0..3 {
        agent.stdout_line("n.net.outer.rx_bytes ");
    }
    drop(room);
    drop(groups);
    let after = agent.rest_of_stdout();
    assert!(!after.contains(&path), "{after}");
    let said = agent.seen();
    assert_eq!(
        said.matches("a collector complains").count(),
        1,
        "only Docker is missing: {said}"
    );
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
