//! metrics-cgroup where containers come, go, and have names at Docker.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unnecessary_debug_formatting,
    reason = "tests may fail loudly"
)]

mod trees;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use trees::{NOW, collect_at};
use venus_collectors::Presence;

/// A group with a number of processes, in a hierarchy of version 2.
fn group(tree: &Path, path: &str, pids: u32) {
    let root = tree.join("sys/fs/cgroup");
    let group = root.join(path);
    fs::create_dir_all(&group).unwrap();
    fs::write(root.join("cgroup.controllers"), "pids\n").unwrap();
    fs::write(group.join("pids.current"), format!("{pids}\n")).unwrap();
}

fn id(digit: char) -> String {
    String::from(digit).repeat(64)
}

/// A Docker that answers each question with the next of these.
fn docker(socket: &Path, answers: Vec<String>) {
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).unwrap();
            assert!(request[..length].starts_with(b"GET /containers/json?"));
            let head = "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n";
            stream
                .write_all((head.to_owned() + &answer).as_bytes())
                .unwrap();
        }
    });
}

#[test]
fn containers_have_their_names_at_docker_and_may_go() {
    let tree = tempfile::tempdir().unwrap();
    let socket = tree.path().join("docker.sock");
    let uri = format!("unix://{}", socket.display());
    let answer = |names: &[(char, &str)]| {
        let one = |(digit, name): &(char, &str)| {
            format!(
                r#"{{"Id":"{}","Names":["/{name}"],"Created":1}}"#,
                id(*digit)
            )
        };
        format!("[{}]", names.iter().map(one).collect::<Vec<_>>().join(","))
    };
    docker(
        &socket,
        vec![
            answer(&[('a', "hpcg.1")]),
            answer(&[('a', "hpcg.1"), ('b', "web")]),
        ],
    );
    group(tree.path(), &format!("docker/{}", id('a')), 3);
    group(
        tree.path(),
        &format!("machine.slice/libpod-{}.scope", id('c')),
        7,
    );
    let options = [("docker-host", uri.as_str())];
    let mut collector = trees::build("metrics-cgroup", tree.path(), "h", &options);
    let lines = |now: u64, containers: &[(&str, u32)]| -> String {
        let line =
            |(name, pids): &(&str, u32)| format!("h.container.{name}.pids.current {pids} {now}\n");
        containers.iter().map(line).collect::<Vec<_>>().concat()
    };
    let podman = ("cccccccccccc", 7);
    let got = collect_at(&mut *collector, NOW);
    assert_eq!(got.text, lines(NOW, &[podman, ("hpcg_1", 3)]));
    assert_eq!(got.problems, [""; 0]);

    // A new one is found with the next list, whose names Docker is asked for again.
    group(tree.path(), &format!("docker/{}", id('b')), 4);
    let got = collect_at(&mut *collector, NOW + 1);
    assert_eq!(got.text, lines(NOW + 1, &[podman, ("hpcg_1", 3)]));
    let got = collect_at(&mut *collector, NOW + 30);
    assert_eq!(
        got.text,
        lines(NOW + 30, &[podman, ("hpcg_1", 3), ("web", 4)])
    );

    // One that goes is no error.
    fs::remove_dir_all(tree.path().join("sys/fs/cgroup/docker").join(id('a'))).unwrap();
    let got = collect_at(&mut *collector, NOW + 31);
    assert_eq!(got.text, lines(NOW + 31, &[podman, ("web", 4)]));
    assert_eq!(got.problems, [""; 0]);

    // Docker is gone: what it said holds, and what it would have to say has an id.
    fs::remove_file(&socket).unwrap();
    group(tree.path(), &format!("docker/{}", id('d')), 5);
    let expected = [podman, ("dddddddddddd", 5), ("web", 4)];
    for (later, problems) in [(32, 1), (62, 0), (92, 0)] {
        let got = collect_at(&mut *collector, NOW + later);
        assert_eq!(got.text, lines(NOW + later, &expected));
        assert_eq!(got.problems.len(), problems, "{:?}", got.problems);
    }
}

#[test]
fn a_host_without_containers_says_where_it_looked() {
    let tree = tempfile::tempdir().unwrap();
    group(tree.path(), "system.slice/sshd.service", 1);
    let mut collector = trees::build("metrics-cgroup", tree.path(), "h", &[]);
    let Ok(Presence::Absent(reason)) = collect_at(&mut *collector, NOW).presence else {
        panic!("it found something");
    };
    assert!(reason.ends_with("/sys/fs/cgroup"), "{reason}");
}

/// systemd's hybrid layout: version 2 has the groups, and version 1 the controllers.
#[test]
fn nothing_is_told_twice_where_both_versions_are() {
    let tree = tempfile::tempdir().unwrap();
    let root = tree.path().join("sys/fs/cgroup");
    let path = format!("system.slice/docker-{}.scope", id('a'));
    for (hierarchy, mark, file, text) in [
        (
            "unified",
            "cgroup.controllers",
            "cpu.stat",
            "usage_usec 7\n",
        ),
        ("cpuacct", "cgroup.procs", "cpuacct.usage", "7999\n"),
        ("pids", "cgroup.procs", "pids.current", "2\n"),
        ("unified", "cgroup.controllers", "pids.current", "2\n"),
    ] {
        fs::create_dir_all(root.join(hierarchy).join(&path)).unwrap();
        fs::write(root.join(hierarchy).join(mark), "").unwrap();
        fs::write(root.join(hierarchy).join(&path).join(file), text).unwrap();
    }
    let mut collector = trees::build(
        "metrics-cgroup",
        tree.path(),
        "h",
        &[("docker-host", "unix:///nonexistent/s")],
    );
    let got = collect_at(&mut *collector, NOW);
    let expected = ["cpu.usage_usec 7", "pids.current 2"];
    let expected = expected.map(|line| format!("h.container.aaaaaaaaaaaa.{line} {NOW}"));
    assert_eq!(got.text.lines().collect::<Vec<_>>(), expected);
}
