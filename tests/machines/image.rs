//! The container image, built and run by a real Docker.

use crate::packages::Packages;
use std::path::Path;
use venus_tests::docker::Docker;
use venus_tests::rabbitmq::RabbitMq;
use venus_tests::server::Server;
use venus_tests::{machine, part};

#[test]
fn the_agent_in_a_container_shows_its_host() {
    let Some(_) = part::find("docker-compose", &["/usr/bin/docker-compose"]) else {
        return;
    };
    let (Some(packages), Some(root)) = (Packages::find(), machine::root()) else {
        return;
    };
    let Some(docker) = Docker::launch() else {
        return;
    };
    docker.room.inside(|| {
        let Some(mut broker) = RabbitMq::own() else {
            return;
        };
        broker.launch();
        let vhost = broker.vhost();
        let mut server = Server::connect(&vhost);
        // Images cannot be fetched here. This base is as Debian's, and RabbitMQ the test's own.
        docker.room.sh(&format!(
            "tar -C {} --exclude=./usr/share --exclude='./usr/lib/python*' --exclude=./var/lib/dpkg -c . |
                docker import - debian:bookworm-slim
             ip link add host0 type bridge",
            root.display()
        ));
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let compose = format!(
            "cd {}; export VENUS_PACKAGES={} VENUS_RABBITMQ_URL='{}'
             docker-compose -f packaging/container/compose.yml",
            project.canonicalize().unwrap().display(),
            packages.dir().display(),
            vhost.uri()
        );
        docker.room.sh(&format!("{compose} config --quiet"));
        docker.room.sh(&format!("{compose} build agent"));
        docker.room.sh(&format!("{compose} up --detach --no-deps agent"));
        let keepalive = server.keepalive();
        assert_eq!(keepalive["payload"]["name"], "docker1");
        let result = server.result_of("net_metrics");
        let output = result["payload"]["check"]["output"].as_str().unwrap();
        assert!(output.contains("docker1.net.host0.rx_bytes "), "{output}");
        // It ends as an agent that is asked to.
        docker.room.sh(&format!("{compose} stop --timeout 20"));
        let ended = "docker inspect --format '{{.State.ExitCode}}' $(docker ps --all --quiet)";
        assert_eq!(docker.room.sh(ended), "0\n");
        docker.room.sh(&format!("{compose} down --volumes"));
    });
}
