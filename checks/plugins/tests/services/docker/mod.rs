//! Docker Engine: `docker/*.json` is recorded from Docker 20.10.24, of most answers only what is
//! looked at; what a small JSON here says is written after its API's documentation. The real one
//! is tested end to end.

mod containers;
mod restarts;

use crate::{Server, check, fixture, prints, says};

const ALL: &str = "/containers/json?all=1";

fn engine(version: &str, info: &str) -> Server {
    Server::http([
        ("/_ping", 200, "OK"),
        ("/version", 200, version),
        ("/info", 200, info),
    ])
}

/// An engine with these containers, each of which has been restarted as often as is said when it is asked.
fn restarted(all: &str, count: impl Fn() -> usize + Send + Sync + 'static) -> Server {
    let all = all.to_owned();
    Server::new(move |stream| {
        let Some(path) = crate::asked(&stream) else {
            return;
        };
        if path == ALL {
            crate::answer(&stream, 200, &all);
        } else {
            let detail = format!("{{\"RestartCount\":{},\"State\":{{}}}}", count());
            crate::answer(&stream, 200, &detail);
        }
    })
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
