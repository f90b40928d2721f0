//! Docker Swarm: `docker/{info,nodes,services,tasks*}.json` are recorded from a swarm of two
//! Docker 20.10.24, with what is looked at; the real one is tested end to end. No classic Swarm can
//! be had here: `docker/classic-*.json` are no recordings, but written after its source, versions
//! 1.2.5 and 0.4.0, with the engines of the testbed.

use crate::{Server, check, fixture, prints, says};

const TO_RUN: &str = "/tasks?filters=%7B%22desired-state%22%3A%5B%22running%22%5D%7D";

fn recorded(name: &str) -> String {
    fixture(&format!("services/docker/{name}.json"))
}

/// The tasks of a service, by its id.
fn of(id: &str) -> String {
    format!("/tasks?filters=%7B%22service%22%3A%5B%22{id}%22%5D%7D")
}

fn manager(nodes: &str, services: &str, tasks: &str) -> Server {
    Server::http([
        ("/info", 200, &recorded("info")),
        ("/nodes", 200, nodes),
        ("/services?status=true", 200, services),
        (TO_RUN, 200, tasks),
        (
            &of("p07lopadvttp7478th6za87fi"),
            200,
            &recorded("tasks-of-bad"),
        ),
        (
            &of("o05pluqleaw9izbq0vs8tjjph"),
            200,
            &recorded("tasks-of-badjob"),
        ),
    ])
}

#[test]
fn services_that_run_and_that_do_not() {
    let server = manager(
        &recorded("nodes"),
        &recorded("services"),
        &recorded("tasks"),
    );
    let url = server.url();
    let args = |more: &[&str], line: &str, status| {
        let all = [&["check-swarm", "--url", &url], more].concat();
        says(&all, &format!("CheckSwarm {line}"), status);
    };
    args(
        &["--perfdata"],
        "CRITICAL: bad runs 0 of 1 task: task: non-zero exit (7); \
         huge runs 0 of 1 task: no suitable node (insufficient resources on 2 nodes); \
         job badjob has finished 0 of 2 tasks: task: non-zero exit (1); \
         cap runs 2 of 3 tasks: no suitable node (max replicas per node limit exceed) \
         | 'nodes ready'=2;;;0;2 'managers reachable'=1;;;0;1 'bad tasks'=0;;;0;1 \
         'badjob tasks'=0;;;0;2 'big tasks'=4;;;0;4 'cap tasks'=2;;;0;3 'each tasks'=2;;;0;2 \
         'huge tasks'=0;;;0;1 'job tasks'=2;;;0;2 'none tasks'=0;;;0;0 'web tasks'=3;;;0;3",
        2,
    );
    args(&["--service", "web"], "OK: web does 3 of 3 tasks", 0);
    args(
        &["--service", "none", "--service", "job", "--service", "each"],
        "OK: 3 services in order",
        0,
    );
    args(
        &["--service", "cap"],
        "WARNING: cap runs 2 of 3 tasks: no suitable node (max replicas per node limit exceed)",
        1,
    );
    args(
        &["--service", "db", "--service", "web"],
        "CRITICAL: there is no service db",
        2,
    );
    args(
        &["--node", "docker1", "--node", "docker2"],
        "OK: 2 of 2 nodes ready",
        0,
    );
    args(
        &["--node", "docker1", "--node", "docker3"],
        "CRITICAL: there is no node docker3",
        2,
    );
    args(
        &["--node", "docker1", "-w", "5", "-c", "6", "--perfdata"],
        "CRITICAL: docker1 has 6 containers, threshold 6 \
         | 'docker1 containers'=6;5;6;0 'nodes ready'=1;;;0;1",
        2,
    );
    args(
        &["--node", "docker1", "--service", "web", "-w", "7"],
        "OK: 1 of 1 node ready, web does 3 of 3 tasks",
        0,
    );
}

/// What one question does not tell hides nothing of what the others do.
#[test]
fn a_question_that_fails() {
    let nodes = format!("[{}]", node("v2", "active", "down", ""));
    let services = r#"[{"ID":"a","Spec":{"Name":"web","Mode":{"Replicated":{"Replicas":2}}}}]"#;
    let look = |fails: &str, more: &[&str], line: &str| {
        let of = |path: &str, body: &str| {
            let body = if path == fails { "broken" } else { body };
            (if path == fails { 500 } else { 200 }, body.to_owned())
        };
        let answers = [
            ("/nodes", of("/nodes", &nodes)),
            (
                "/services?status=true",
                of("/services?status=true", services),
            ),
            (TO_RUN, of(TO_RUN, "[]")),
        ];
        let [one, two, three] = answers
            .each_ref()
            .map(|(path, (status, body))| (*path, *status, body.as_str()));
        // Why the service does not run is answered by 404.
        let info = recorded("info");
        let url = Server::http([("/info", 200, &info), one, two, three]).url();
        let args = [&["check-swarm", "--url", &url], more].concat();
        let error = format!("{url}{fails} answers 500 \"broken\"");
        says(
            &args,
            &format!("CheckSwarm {}", line.replace('@', &error)),
            2,
        );
    };
    let down = "v2 is down: heartbeat failure";
    let lacks = "web runs 0 of 2 tasks";
    look("", &[], &format!("CRITICAL: {down}; {lacks}"));
    look("/nodes", &[], &format!("CRITICAL: {lacks}; @"));
    look(
        "/services?status=true",
        &["-w", "1"],
        &format!("CRITICAL: {down}; @"),
    );
    look(
        TO_RUN,
        &["-w", "1", "--perfdata"],
        &format!("CRITICAL: {down}; @ | 'nodes ready'=0;;;0;1 'managers reachable'=0;;;0;0"),
    );
}

#[test]
fn what_tells_nothing_is_not_right() {
    let services = r#"[{"ID":"a","Spec":{"Name":"agent","Mode":{"Global":{}}}}]"#;
    let url = manager("[]", services, "[]").url();
    says(
        &["check-swarm", "--url", &url, "--service", "agent"],
        "CheckSwarm WARNING: agent runs on no node",
        1,
    );
    let nodes = [
        node("w1", "active", "", ""),
        node("w2", "", "ready", ""),
        node("w3", "pause", "down", ""),
        node("w4", "pause", "ready", ""),
        node("w5", "drain", "down", ""),
    ];
    let url = manager(&format!("[{}]", nodes.join(",")), "[]", "[]").url();
    says(
        &["check-swarm", "--url", &url, "--allow-drained"],
        "CheckSwarm CRITICAL: w3 is down: heartbeat failure; w1 does not tell how it is; \
         w2 does not tell how it is",
        2,
    );
    let info = r#"{"Containers":0,"SystemStatus":[["Nodes","1"],[" v1","10.0.0.1:2376"],
        ["  └ Status","Healthy"],["  └ Containers","many"]]}"#;
    let url = Server::http([("/info", 200, info)]).url();
    let args = ["check-swarm", "--url", &url];
    says(
        &[&args[..], &["-w", "5"]].concat(),
        "CheckSwarm UNKNOWN: v1 does not tell how many containers it has",
        3,
    );
}

fn node(name: &str, availability: &str, state: &str, manager: &str) -> String {
    format!(
        r#"{{"ID":"id{name}","Spec":{{"Availability":"{availability}"}},
        "Description":{{"Hostname":"{name}"}},"Status":{{"State":"{state}"{}}}{manager}}}"#,
        if state == "down" {
            r#","Message":"heartbeat failure""#
        } else {
            ""
        }
    )
}

#[test]
fn nodes_and_managers() {
    let manager_is = |how: &str| format!(r#","ManagerStatus":{{"Reachability":"{how}"}}"#);
    let (here, lost) = (manager_is("reachable"), manager_is("unreachable"));
    let nodes = |nodes: &[String]| format!("[{}]", nodes.join(","));
    let look = |nodes: &str, more: &[&str], line: &str, status| {
        let url = manager(nodes, "[]", "[]").url();
        let all = [&["check-swarm", "--url", &url], more].concat();
        says(&all, &format!("CheckSwarm {line}"), status);
    };
    let fine = nodes(&[
        node("m1", "active", "ready", &here),
        node("w1", "active", "ready", ""),
    ]);
    look(
        &fine,
        &[],
        "OK: 2 of 2 nodes ready, 1 of 1 manager reachable, 0 services in order",
        0,
    );
    let odd = nodes(&[
        node("m1", "active", "ready", &here),
        node("w1", "drain", "ready", ""),
        node("w2", "pause", "ready", ""),
        node("w3", "drain", "down", ""),
    ]);
    look(
        &odd,
        &[],
        "CRITICAL: w3 is down: heartbeat failure; w1 is drained; w2 is paused",
        2,
    );
    look(
        &odd,
        &["--allow-drained"],
        "OK: 1 of 4 nodes ready, 1 of 1 manager reachable, 0 services in order",
        0,
    );
    let one_lost = nodes(&[
        node("m1", "active", "ready", &here),
        node("m2", "active", "ready", &here),
        node("m3", "active", "ready", &lost),
    ]);
    look(
        &one_lost,
        &[],
        "WARNING: 2 of 3 managers reachable (m3 not), 2 needed",
        1,
    );
    let two_lost = nodes(&[
        node("m1", "active", "ready", &here),
        node("m2", "active", "ready", &lost),
        node("m3", "active", "ready", &lost),
    ]);
    look(
        &two_lost,
        &[],
        "CRITICAL: 1 of 3 managers reachable (m2, m3 not), 2 needed",
        2,
    );
}

#[test]
fn an_update_that_is_stuck_and_a_name_that_would_forge() {
    let services = r#"[{"ID":"a","Spec":{"Name":"web|x=1\nCheckY OK","Mode":{"Replicated":
        {"Replicas":0}}},"UpdateStatus":{"State":"paused","Message":"update paused due to failure"}}]"#;
    let url = manager("[]", services, "[]").url();
    let (text, status) = check(&["check-swarm", "--url", &url, "--perfdata"]);
    assert_eq!(
        text,
        "CheckSwarm WARNING: the update of web/x=1 CheckY OK is paused: \
         update paused due to failure | 'nodes ready'=0;;;0;0 'managers reachable'=0;;;0;0 \
         'web_x_1_CheckY OK tasks'=0;;;0;0\n"
    );
    assert_eq!(status, 1);
}

#[test]
fn who_is_no_manager_of_a_swarm() {
    let member = |swarm: &str, line: &str, status| {
        let info = format!(r#"{{"Containers":0,"Name":"docker2"{swarm}}}"#);
        let url = Server::http([("/info", 200, &info)]).url();
        says(
            &["check-swarm", "--url", &url],
            &format!("CheckSwarm {line}"),
            status,
        );
    };
    member(
        r#","Swarm":{"LocalNodeState":"active","ControlAvailable":false,
            "RemoteManagers":[{"Addr":"192.168.12.11:2377"},{"Addr":"192.168.12.12:2377"}]}"#,
        "UNKNOWN: docker2 is a worker, which knows nothing of the swarm; \
         run this on a manager (192.168.12.11, 192.168.12.12), or give its --url",
        3,
    );
    member(
        r#","Swarm":{"LocalNodeState":"inactive"}"#,
        "CRITICAL: docker2 is in no swarm",
        2,
    );
    member(
        r#","Swarm":{"LocalNodeState":"pending"}"#,
        "WARNING: docker2 is joining a swarm",
        1,
    );
    member(
        r#","Swarm":{"LocalNodeState":"locked"}"#,
        "CRITICAL: docker2 is locked; unlock it with docker swarm unlock",
        2,
    );
    member(
        r#","Swarm":{"LocalNodeState":"error","Error":"certificate has expired"}"#,
        "CRITICAL: docker2 cannot be in its swarm: certificate has expired",
        2,
    );
    member(
        "",
        "CRITICAL: docker2 is older than Swarm mode, and no manager of the classic Swarm",
        2,
    );
    member(
        r#","Swarm":{"LocalNodeState":"dreaming"}"#,
        "UNKNOWN: docker2 is a member of a swarm in a way that is not known: dreaming",
        3,
    );
    let url = Server::http([
        ("/info", 200, &recorded("info")),
        (
            "/nodes",
            503,
            r#"{"message":"rpc error: code = Unknown desc = The swarm does not have a leader."}"#,
        ),
    ])
    .url();
    let (text, status) = check(&["check-swarm", "--url", &url]);
    assert!(text.contains("The swarm does not have a leader."), "{text}");
    assert_eq!(status, 2, "{text}");
    let output = crate::run(&["metrics-swarm", "--url", &url]);
    assert_eq!(output.status.code(), Some(3));
    let info = r#"{"Containers":0,"Name":"docker2"}"#;
    let url = Server::http([("/info", 200, info)]).url();
    let output = crate::run(&["metrics-swarm", "--url", &url]);
    assert_eq!(
        str::from_utf8(&output.stderr).unwrap(),
        "metrics-swarm: docker2 is no manager of a swarm, and only these know of it\n"
    );
}

#[test]
fn the_engines_of_the_classic_swarm() {
    let new = Server::http([("/info", 200, &recorded("classic-1.2"))]).url();
    let args = |url: &str, more: &[&str], line: &str, status| {
        let all = [&["check-swarm", "--url", url], more].concat();
        says(&all, &format!("CheckSwarm {line}"), status);
    };
    args(
        &new,
        &["--perfdata"],
        "CRITICAL: docker3 (192.168.12.13:2376) is unhealthy: cannot connect to the docker engine \
         endpoint; (unknown) (192.168.12.14:2376) is pending: connection refused \
         | 'engines healthy'=2;;;0;4 'docker1 containers'=13;;;0 'docker2 containers'=4;;;0 \
         'docker3 containers'=2;;;0 '(unknown) containers'=0;;;0",
        2,
    );
    args(
        &new,
        &[
            "--engine",
            "docker1",
            "--engine",
            "192.168.12.12:2376",
            "--classic",
        ],
        "OK: classic Swarm, 2 of 2 engines healthy, 17 containers",
        0,
    );
    args(
        &new,
        &["--node", "docker1", "-w", "10"],
        "WARNING: docker1 has 13 containers, threshold 10",
        1,
    );
    args(
        &new,
        &["--node", "docker1", "--node", "docker9"],
        "CRITICAL: there is no engine docker9",
        2,
    );
    args(
        &new,
        &["--service", "web"],
        "UNKNOWN: the classic Swarm has no services; leave out --service",
        3,
    );
    let old = Server::http([("/info", 200, &recorded("classic-0.4"))]).url();
    args(
        &old,
        &["-c", "5", "--engine", "docker2", "--engine", "docker1"],
        "CRITICAL: docker1 has 9 containers, threshold 5",
        2,
    );
    args(
        &old,
        &[],
        "OK: classic Swarm, 2 of 2 engines healthy, 9 containers",
        0,
    );
    let none = r#"{"Containers":0,"DriverStatus":[["\bNodes","0"]]}"#;
    let none = Server::http([("/info", 200, none)]).url();
    args(&none, &[], "CRITICAL: there is no engine", 2);
    let mode = Server::http([("/info", 200, &recorded("info"))]).url();
    args(
        &mode,
        &["--classic"],
        &format!(
            "UNKNOWN: {mode}/info answers as no manager of the classic Swarm does; \
             is it the right service?"
        ),
        3,
    );
    prints(
        &["metrics-swarm", "--url", &old, "--scheme", "s"],
        &[
            "s.engines.total 2 @TS@",
            "s.engine.docker1.containers 9 @TS@",
            "s.engine.docker1.cpus.reserved 2 @TS@",
            "s.engine.docker1.cpus.total 8 @TS@",
            "s.engine.docker1.memory.reserved 1610612736 @TS@",
            "s.engine.docker1.memory.total 33747705528 @TS@",
            "s.engine.docker2.containers 0 @TS@",
            "s.engine.docker2.cpus.reserved 0 @TS@",
            "s.engine.docker2.cpus.total 8 @TS@",
            "s.engine.docker2.memory.reserved 0 @TS@",
            "s.engine.docker2.memory.total 33747705528 @TS@",
        ],
    );
    let output = crate::run(&["metrics-swarm", "--url", &new, "--scheme", "s"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "s.engines.healthy 2 ",
        "s.engine.192_168_12_14:2376.containers 0 ",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn numbers_of_a_swarm() {
    let services = r#"[{"ID":"a","Spec":{"Name":"web.x","Mode":{"Replicated":{"Replicas":3}}}},
        {"ID":"b","Spec":{"Name":"job","Mode":{"GlobalJob":{}}},
         "ServiceStatus":{"RunningTasks":1,"DesiredTasks":2,"CompletedTasks":1}}]"#;
    let url = manager(&recorded("nodes"), services, "[]").url();
    prints(
        &["metrics-swarm", "--url", &url, "--scheme", "s"],
        &[
            "s.nodes.total 2 @TS@",
            "s.nodes.ready 2 @TS@",
            "s.nodes.down 0 @TS@",
            "s.nodes.disconnected 0 @TS@",
            "s.nodes.unknown 0 @TS@",
            "s.nodes.drained 0 @TS@",
            "s.nodes.paused 0 @TS@",
            "s.managers.total 1 @TS@",
            "s.managers.reachable 1 @TS@",
            "s.service.job.finished 1 @TS@",
            "s.service.job.desired 2 @TS@",
            "s.service.web_x.running 0 @TS@",
            "s.service.web_x.desired 3 @TS@",
        ],
    );
}

/// 4,096 nodes with 10,000 tasks, seven of them on nodes that are down.
#[test]
fn a_large_swarm() {
    let nodes: Vec<String> = (0..4096)
        .map(|number| {
            let state = if number < 7 { "down" } else { "ready" };
            node(&format!("n{number:04}"), "active", state, "")
        })
        .collect();
    let tasks: Vec<String> = (0..10_000)
        .map(|number| {
            let node = number % 4096;
            format!(r#"{{"ServiceID":"a","NodeID":"idn{node:04}","Status":{{"State":"running"}}}}"#)
        })
        .collect();
    let services =
        r#"[{"ID":"a","Spec":{"Name":"hpcg","Mode":{"Replicated":{"Replicas":10000}}}}]"#;
    let url = Server::http([
        ("/info", 200, &recorded("info")),
        ("/nodes", 200, &format!("[{}]", nodes.join(","))),
        ("/services?status=true", 200, services),
        (TO_RUN, 200, &format!("[{}]", tasks.join(","))),
        (&of("a"), 200, "[]"),
    ])
    .url();
    let (text, status) = check(&["check-swarm", "--url", &url, "--allow-drained"]);
    assert_eq!(
        text.lines().next().unwrap(),
        "CheckSwarm CRITICAL: n0000 is down: heartbeat failure; n0001 is down: heartbeat failure; \
         n0002 is down: heartbeat failure; n0003 is down: heartbeat failure; \
         n0004 is down: heartbeat failure; and 3 more, below"
    );
    assert_eq!(
        text.lines().last().unwrap(),
        "WARNING: hpcg runs 9979 of 10000 tasks"
    );
    assert_eq!(status, 2);
}
