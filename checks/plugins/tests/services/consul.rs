//! No Consul can be had on the machines that test this: its answers are small and written after the
//! documentation of its API, `…-0.6` after that of 0.6 and `…-1` after that of 1.16. They are no
//! recordings.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;

use crate::{Server, answer, check, fixture, prints, run, says};

/// What an agent has for a path that it does not know.
const NO_SUCH_PATH: (u16, &str) = (404, "404 page not found");

/// A server of Consul 0.6, which has no `Stats` and no autopilot.
fn old() -> Server {
    let members = fixture("services/consul/members-0.6.json");
    let own = fixture("services/consul/self-0.6.json");
    Server::http([
        ("/v1/status/leader", 200, "\"192.168.12.11:8300\""),
        ("/v1/status/peers", 200, "[\"192.168.12.11:8300\"]"),
        ("/v1/agent/members", 200, &members),
        ("/v1/agent/self", 200, &own),
        (
            "/v1/operator/autopilot/health",
            NO_SUCH_PATH.0,
            NO_SUCH_PATH.1,
        ),
        (
            "/v1/health/state/any",
            200,
            &fixture("services/consul/state-any.json"),
        ),
    ])
}

const THREE: &str = "[\"192.168.12.11:8300\", \"192.168.12.12:8300\", \"192.168.12.13:8300\"]";

/// A server of Consul 1.16, with these members and this opinion of autopilot.
fn new(members: &str, autopilot: (u16, &str)) -> Server {
    Server::http([
        ("/v1/status/leader", 200, "\"192.168.12.11:8300\""),
        ("/v1/status/peers", 200, THREE),
        ("/v1/agent/members", 200, members),
        (
            "/v1/agent/self",
            200,
            &fixture("services/consul/self-1.json"),
        ),
        ("/v1/operator/autopilot/health", autopilot.0, autopilot.1),
        (
            "/v1/health/state/any",
            200,
            &fixture("services/consul/state-any.json"),
        ),
    ])
}

fn with_failed_server() -> Server {
    let members = fixture("services/consul/members-1.json");
    let autopilot = fixture("services/consul/autopilot-1.json");
    new(&members, (429, &autopilot))
}

fn healthy() -> Server {
    let members = fixture("services/consul/members-1.json");
    let members = members.replace("\"Status\": 4", "\"Status\": 1");
    let autopilot = fixture("services/consul/autopilot-1.json");
    let autopilot = autopilot
        .replace("\"Healthy\": false", "\"Healthy\": true")
        .replace("\"FailureTolerance\": 0", "\"FailureTolerance\": 1");
    new(&members, (200, &autopilot))
}

#[test]
fn an_old_cluster_and_what_it_does_not_tell() {
    let url = old().url();
    let fine = "CheckConsul OK: led by 192.168.12.11:8300, 1 server and 2 members alive";
    says(&["check-consul", "--url", &url], fine, 0);
    says(
        &["check-consul", "--url", &url, "--peers", "1", "--perfdata"],
        &format!(
            "{fine} | 'peers'=1;;;0 'servers alive'=1;;;0 'members alive'=2;;;0 \
             'members failed'=0;1;;0"
        ),
        0,
    );
    says(
        &["check-consul", "--url", &url, "-c", "100"],
        "CheckConsul UNKNOWN: it does not tell how far Raft is; \
         ask a server, of Consul 0.7 or later",
        3,
    );
}

#[test]
fn a_cluster_that_works_and_thresholds_of_raft() {
    let url = healthy().url();
    let args = ["check-consul", "--url", &url];
    let fine = "CheckConsul OK: led by 192.168.12.11:8300, 3 servers and 4 members alive, \
                Raft 8 entries behind";
    says(&args, fine, 0);
    says(
        &[&args[..], &["--perfdata"]].concat(),
        &format!(
            "{fine} | 'peers'=3;;;0 'servers alive'=3;;;0 'members alive'=4;;;0 \
             'members failed'=0;1;;0 'last contact ms'=43;1000;5000;0 'raft lag'=8;250;1000;0 \
             'failure tolerance'=1;;;0"
        ),
        0,
    );
    for (more, line, status) in [
        (
            ["-w", "8"],
            "WARNING: Raft 8 entries behind, threshold 8",
            1,
        ),
        (
            ["-c", "8"],
            "CRITICAL: Raft 8 entries behind, threshold 8",
            2,
        ),
        (
            ["--contact-critical", "43"],
            "CRITICAL: it last heard of the leader 43 ms ago, threshold 43",
            2,
        ),
        (["--peers", "4"], "WARNING: 3 peers, expected 4", 1),
        (["--expect", "7"], "CRITICAL: 3 peers, expected 7", 2),
    ] {
        let line = format!("CheckConsul {line}");
        says(&[&args[..], &more].concat(), &line, status);
    }
    says(
        &[&args[..], &["-w", "9", "-c", "8"]].concat(),
        "CheckConsul UNKNOWN: warning 9 and critical 8 are upside down: \
         critical must not come before the warning",
        3,
    );
    says(
        &[&args[..], &["--dryrun"]].concat(),
        &format!(
            "CheckConsul would look at:\n  {url}/v1/status/leader\n  {url}/v1/status/peers\n  \
             {url}/v1/agent/members\n  {url}/v1/agent/self\n  {url}/v1/operator/autopilot/health"
        ),
        0,
    );
}

#[test]
fn a_server_that_has_failed_and_one_more() {
    let url = with_failed_server().url();
    let args = ["check-consul", "--url", &url];
    let unhealthy = "autopilot finds docker3 unhealthy; 0 more servers may fail";
    let failed = "1 of 5 members failed: docker3";
    says(
        &args,
        &format!(
            "CheckConsul WARNING: 2 of 3 servers are alive; {failed}, threshold 1; {unhealthy}"
        ),
        1,
    );
    says(
        &[&args[..], &["--failed-critical", "1"]].concat(),
        &format!(
            "CheckConsul CRITICAL: {failed}, threshold 1; 2 of 3 servers are alive; {unhealthy}"
        ),
        2,
    );
    let members = fixture("services/consul/members-1.json");
    let members = members.replacen("\"Status\": 1", "\"Status\": 4", 1);
    let url = new(&members, (404, "")).url();
    says(
        &["check-consul", "--url", &url],
        "CheckConsul CRITICAL: 1 of 3 servers is alive, 2 needed for a quorum; \
         2 of 5 members failed: docker1, docker3, threshold 1",
        2,
    );
}

#[test]
fn without_a_leader() {
    let members = fixture("services/consul/members-0.6.json");
    let own = fixture("services/consul/self-0.6.json");
    for (status, leader) in [
        (200, "\"\""),
        (500, "No cluster leader"),
        (500, "rpc error: No known Consul servers"),
    ] {
        let url = Server::http([
            ("/v1/status/leader", status, leader),
            ("/v1/status/peers", 200, "[\"192.168.12.11:8300\"]"),
            ("/v1/agent/members", 200, &members),
            ("/v1/agent/self", 200, &own),
            ("/v1/operator/autopilot/health", 500, "No cluster leader"),
        ])
        .url();
        says(
            &["check-consul", "--url", &url],
            "CheckConsul CRITICAL: the cluster has no leader",
            2,
        );
        let output = run(&["metrics-consul", "--url", &url, "--scheme", "c"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            said,
            "metrics-consul: the cluster has no leader, and tells of no checks\n"
        );
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with("c.leader 0 "), "{text}");
        assert_eq!(output.status.code(), Some(0));
    }
    let url = Server::http([("/v1/status/leader", 500, "disk full | x")]).url();
    says(
        &["check-consul", "--url", &url],
        &format!("CheckConsul UNKNOWN: {url}/v1/status/leader answers 500 \"disk full / x\""),
        3,
    );
}

/// What this token may not read is UNKNOWN, and hides nothing of the rest.
#[test]
fn what_may_not_be_read() {
    let url = Server::http([
        ("/v1/status/leader", 200, "\"192.168.12.11:8300\""),
        ("/v1/status/peers", 200, THREE),
        ("/v1/agent/members", 200, "[]"),
        ("/v1/agent/self", 403, "Permission denied"),
        ("/v1/operator/autopilot/health", 404, ""),
    ])
    .url();
    let cannot = format!(
        "{url}/v1/agent/self answers 403 \"Permission denied\"; give a user or token who may ask, \
         see --help; it tells of no members; give a token that may read nodes with --token-file"
    );
    says(
        &["check-consul", "--url", &url],
        &format!("CheckConsul UNKNOWN: {cannot}"),
        3,
    );
    says(
        &["check-consul", "--url", &url, "--peers", "7"],
        &format!("CheckConsul CRITICAL: 3 peers, expected 7; {cannot}"),
        2,
    );
}

/// Each question stands for itself: two of three servers have failed, whatever the others answer.
#[test]
fn a_question_that_fails_hides_none_of_the_others() {
    let members = fixture("services/consul/members-1.json");
    let members = members.replacen("\"Status\": 1", "\"Status\": 4", 1);
    let own = fixture("services/consul/self-1.json");
    let url = Server::http([
        ("/v1/status/leader", 200, "\"192.168.12.11:8300\""),
        ("/v1/status/peers", 500, "disk full"),
        ("/v1/agent/members", 200, &members),
        ("/v1/agent/self", 200, &own),
        ("/v1/operator/autopilot/health", 404, ""),
    ])
    .url();
    let failed = "2 of 5 members failed: docker1, docker3, threshold";
    let cannot = format!("{url}/v1/status/peers answers 500 \"disk full\"");
    says(
        &["check-consul", "--url", &url],
        &format!("CheckConsul WARNING: {failed} 1; {cannot}"),
        1,
    );
    says(
        &["check-consul", "--url", &url, "--failed-critical", "2"],
        &format!("CheckConsul CRITICAL: {failed} 2; {cannot}"),
        2,
    );
    let url = Server::http([
        ("/v1/status/leader", 200, "\"192.168.12.11:8300\""),
        ("/v1/status/peers", 200, THREE),
        ("/v1/agent/members", 500, "disk full"),
        ("/v1/agent/self", 200, &own),
        ("/v1/operator/autopilot/health", 404, ""),
    ])
    .url();
    says(
        &["check-consul", "--url", &url, "--peers", "7"],
        &format!(
            "CheckConsul CRITICAL: 3 peers, expected 7; \
             {url}/v1/agent/members answers 500 \"disk full\""
        ),
        2,
    );
}

/// What is wrong with an answer is said of that one, not of another.
#[test]
fn what_fails_is_asked_once() {
    let times = std::sync::atomic::AtomicU16::new(0);
    let server = Server::new(move |stream: TcpStream| {
        let lines = BufReader::new(&stream).lines().map_while(Result::ok);
        if lines.take_while(|line| !line.is_empty()).count() > 0 {
            let time = times.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            answer(&stream, 500 + time, "disk full");
        }
    });
    let url = server.url();
    says(
        &["check-consul", "--url", &url],
        &format!("CheckConsul UNKNOWN: {url}/v1/status/leader answers 500 \"disk full\""),
        3,
    );
}

/// Autopilot alone needs `operator:read`, which a token of a check need not have.
#[test]
fn autopilot_that_may_not_be_read() {
    let members =
        fixture("services/consul/members-1.json").replace("\"Status\": 4", "\"Status\": 1");
    let url = new(&members, (403, "Permission denied")).url();
    says(
        &["check-consul", "--url", &url],
        "CheckConsul OK: led by 192.168.12.11:8300, 3 servers and 4 members alive, \
         Raft 8 entries behind, autopilot not looked at, as the token lacks operator:read",
        0,
    );
    let (text, status) = check(&["check-consul", "--url", &url, "-c", "8"]);
    assert_eq!(
        (text.as_str(), status),
        (
            "CheckConsul CRITICAL: Raft 8 entries behind, threshold 8\n",
            2
        )
    );
    let output = run(&["metrics-consul", "--url", &url, "--scheme", "c"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("c.raft.lag 8 ") && !text.contains("autopilot"),
        "{text}"
    );
    assert_eq!(
        (output.stderr.as_slice(), output.status.code()),
        (&b""[..], Some(0))
    );
}

/// The token comes from a file, goes to Consul, and is shown to nobody.
#[test]
fn a_token_from_a_file() {
    const TOKEN: &str = "b1gs33cr3t-token";
    let server = Server::new(|stream: TcpStream| {
        let lines = BufReader::new(&stream).lines().map_while(Result::ok);
        let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        let sent = |line: &String| {
            let (name, value) = line.split_once(": ").unwrap_or_default();
            name.eq_ignore_ascii_case("x-consul-token") && value == TOKEN
        };
        if head.iter().any(sent) {
            answer(&stream, 200, &fixture("services/consul/service-web.json"));
        } else {
            answer(&stream, 403, "Permission denied");
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let url = server.url();
    let args = ["check-consul-service", "--service", "web", "--url", &url];
    let path = format!("{url}/v1/health/service/web");
    says(
        &args,
        &format!(
            "CheckConsulService UNKNOWN: {path} answers 403 \"Permission denied\"; \
             give a user or token who may ask, see --help"
        ),
        3,
    );
    let with = [&args[..], &["--token-file", file.to_str().unwrap()]].concat();
    let (text, status) = check(&with);
    assert_eq!(status, 1, "{text}");
    assert!(!text.contains(TOKEN));
    let without = [&args[..], &["--token-file", "/nonexistent"]].concat();
    let (text, status) = check(&without);
    assert!(text.contains("cannot read /nonexistent"), "{text}");
    assert_eq!(status, 3);
}

#[test]
fn the_instances_of_a_service() {
    let web = fixture("services/consul/service-web.json");
    let url = Server::http([
        ("/v1/health/service/web", 200, web.as_str()),
        ("/v1/health/service/web?dc=dc2", 200, "[]"),
        ("/v1/health/service/a%2Fb%3F", 200, "null"),
        ("/v1/health/service/db", 500, "No cluster leader"),
    ])
    .url();
    let failing = "web-2 on venus002 is warning: Service 'web' check; \
                   web-3 on venus003 is critical: Serf Health Status";
    let some = "1 of 3 instances of web passes";
    let of = |service: &'static str, more: &[&'static str]| {
        let args = [
            &["check-consul-service", "--url", &url, "--service", service][..],
            more,
        ]
        .concat();
        let (text, status) = check(&args);
        (text.trim_end().to_owned(), status)
    };
    for (more, line, status) in [
        (&[][..], format!("WARNING: {failing}"), 1),
        (
            &["--instances", "2"],
            format!("CRITICAL: {some}, expected 2; {failing}"),
            2,
        ),
        (
            &["-w", "1"],
            format!("WARNING: {some}, threshold 1; {failing}"),
            1,
        ),
        (
            &["-c", "1"],
            format!("CRITICAL: {some}, threshold 1; {failing}"),
            2,
        ),
        (
            &["--tag", "v1", "--tag", "blue", "--perfdata"],
            "OK: 1 of 1 instance of web with v1, blue passes | 'passing'=1;;;0 'warning'=0;;;0 \
             'unknown'=0;;;0 'critical'=0;;;0"
                .to_owned(),
            0,
        ),
        (
            &["--tag", "v2"],
            "CRITICAL: no instance of web with v2 is registered, expected 1".to_owned(),
            2,
        ),
        (
            &["--dc", "dc2"],
            "CRITICAL: no instance of web is registered, expected 1".to_owned(),
            2,
        ),
        (
            &["-w", "1", "-c", "2"],
            "UNKNOWN: warning 1 and critical 2 are upside down: \
             critical must not come before the warning"
                .to_owned(),
            3,
        ),
        (
            &["--dc", "dc2", "--dryrun"],
            format!("would look at:\n  {url}/v1/health/service/web?dc=dc2"),
            0,
        ),
    ] {
        assert_eq!(
            of("web", more),
            (format!("CheckConsulService {line}"), status)
        );
    }
    assert_eq!(
        of("a/b?", &[]),
        (
            "CheckConsulService CRITICAL: no instance of a/b? is registered, expected 1".to_owned(),
            2
        )
    );
    assert_eq!(
        of("db", &[]),
        (
            format!(
                "CheckConsulService UNKNOWN: {url}/v1/health/service/db answers 500 \
                 \"No cluster leader\""
            ),
            3
        )
    );
}

#[test]
fn ten_thousand_instances() {
    let instance = |number: usize, state: &str| {
        format!(
            "{{\"Node\": {{\"Node\": \"n|{number}\\nCheckX OK\"}}, \
             \"Service\": {{\"ID\": \"web-{number}\", \"Tags\": []}}, \
             \"Checks\": [{{\"Node\": \"n\", \"Name\": \"'a'=1\", \"Status\": \"{state}\"}}]}}"
        )
    };
    let found = ["passing", "passing", "passing", "critical"];
    let all: Vec<String> = (0..10_000)
        .map(|number| instance(number, found[number % 4]))
        .collect();
    let body = format!("[{}]", all.join(","));
    let url = Server::http([("/v1/health/service/web", 200, body.as_str())]).url();
    let (text, status) = check(&["check-consul-service", "--url", &url, "--service", "web"]);
    let first = text.lines().next().unwrap();
    assert!(
        first.starts_with(
            "CheckConsulService WARNING: web-3 on n/3 CheckX OK is critical: 'a'=1; web-7 on "
        ),
        "{first}"
    );
    assert!(first.ends_with("; and 2495 more, below"), "{first}");
    assert_eq!((text.lines().count(), status), (102, 1));
}

#[test]
fn four_thousand_members() {
    let member = |number: usize| {
        let status = if number < 4000 { 1 } else { 4 };
        let role = if number < 3 { "consul" } else { "node" };
        format!(
            "{{\"Name\": \"n{number}\", \"Tags\": {{\"role\": \"{role}\"}}, \"Status\": {status}}}"
        )
    };
    let all: Vec<String> = (0..4096).map(member).collect();
    let url = new(&format!("[{}]", all.join(",")), (404, "")).url();
    says(
        &["check-consul", "--url", &url, "--failed-warning", "100"],
        "CheckConsul OK: led by 192.168.12.11:8300, 3 servers and 4000 members alive, \
         Raft 8 entries behind",
        0,
    );
    says(
        &["check-consul", "--url", &url],
        "CheckConsul WARNING: 96 of 4096 members failed: n4000, n4001, n4002, n4003, n4004, \
         and 91 more, threshold 1",
        1,
    );
}

#[test]
fn what_it_tells_as_metrics() {
    let checks = [
        "c.checks.passing 4 @TS@",
        "c.checks.warning 1 @TS@",
        "c.checks.critical 1 @TS@",
        "c.checks.unknown 0 @TS@",
        "c.services.passing 1 @TS@",
        "c.services.warning 1 @TS@",
        "c.services.critical 1 @TS@",
        "c.services.unknown 0 @TS@",
    ];
    let members = |alive, servers, left, failed, failed_servers| {
        [
            format!("c.members.alive {alive} @TS@"),
            format!("c.servers.alive {servers} @TS@"),
            "c.members.leaving 0 @TS@".to_owned(),
            "c.servers.leaving 0 @TS@".to_owned(),
            format!("c.members.left {left} @TS@"),
            "c.servers.left 0 @TS@".to_owned(),
            format!("c.members.failed {failed} @TS@"),
            format!("c.servers.failed {failed_servers} @TS@"),
        ]
    };
    let told = |url: &str, peers: &str, members: [String; 8], more: &[&str]| {
        let mut lines = vec!["c.leader 1 @TS@", peers];
        lines.extend(members.iter().map(String::as_str));
        lines.extend(more);
        lines.extend(checks);
        prints(&["metrics-consul", "--url", url, "--scheme", "c"], &lines);
    };
    told(&old().url(), "c.peers 1 @TS@", members(2, 1, 0, 0, 0), &[]);
    told(
        &with_failed_server().url(),
        "c.peers 3 @TS@",
        members(3, 2, 1, 1, 1),
        &[
            "c.raft.applied_index 111090 @TS@",
            "c.raft.commit_index 111098 @TS@",
            "c.raft.fsm_pending 0 @TS@",
            "c.raft.last_log_index 111098 @TS@",
            "c.raft.last_log_term 7 @TS@",
            "c.raft.last_snapshot_index 108465 @TS@",
            "c.raft.last_snapshot_term 7 @TS@",
            "c.raft.latest_configuration_index 0 @TS@",
            "c.raft.num_peers 2 @TS@",
            "c.raft.protocol_version 3 @TS@",
            "c.raft.term 7 @TS@",
            "c.raft.lag 8 @TS@",
            "c.raft.last_contact_ms 43.302939 @TS@",
            "c.autopilot.healthy 0 @TS@",
            "c.autopilot.failure_tolerance 0 @TS@",
        ],
    );
}
