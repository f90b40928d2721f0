//! Without Ansible: what the packages do by themselves.

use crate::site;
use serde_json::json;
use std::time::{Duration, Instant};
use venus_tests::process::Process;
use venus_tests::server::Server;

/// From the installation to the first keepalive.
const SOON: Duration = Duration::from_secs(5);
/// The most that an agent may have in memory, in kB. It has more where many of its functions are no
/// longer in packaging/order.ld.
const MEMORY: u64 = 6144;
/// The most that another connection may add, in kB.
const RECONNECTED: u64 = 256;
/// After how many cycles.
const CYCLES: usize = 10;

#[test]
fn an_installation_starts_nothing_and_the_first_keepalive_is_there_within_5_s() {
    site::with(|site| {
        let machine = site.machines.boot("venus001", 1, &[]);
        site.broker.launch();
        let mut server = Server::connect(&site.vhost);
        for deb in site.packages.debs() {
            let name = deb.file_name().unwrap().to_str().unwrap();
            machine.put(&deb, &format!("/root/{name}"));
        }
        let broker = site.variables()["venus_rabbitmq"].take();
        let settings = json!({
            "client": {"name": "venus001", "address": "10.99.0.1", "subscriptions": ["physical"]},
            "rabbitmq": broker,
            "venus": {"builtin_checks": true, "interval": 1},
        });
        let began = Instant::now();
        machine.sh("dpkg -i /root/*.deb");
        assert_eq!(machine.unit("venus-agent", "ActiveState"), "inactive");
        machine.sh(&format!(
            "umask 027; echo '{settings}' >/etc/sensu/conf.d/site.json; chgrp sensu /etc/sensu/conf.d/site.json
             systemctl enable --now venus-agent"
        ));
        let keepalive = server.keepalive_within(SOON.saturating_sub(began.elapsed()));
        assert_eq!(keepalive["payload"]["name"], "venus001");
        eprintln!("{:?} after the installation began", began.elapsed());

        // What the programs bring for people.
        machine.sh(
            "venus-top --version; venus-agent status; sudo -u venus venus-agent doctor
             cd /usr/share; ls man/man1/{venus-agent,check-load,handler-slack}.1.gz
             ls bash-completion/completions/venus-agent zsh/vendor-completions/_venus-agent \
                 fish/vendor_completions.d/venus-agent.fish
             bash -n bash-completion/completions/venus-agent",
        );
        // What it has in memory by now is what docs/performance.md promises, the page included.
        for _ in 0..CYCLES {
            server.result_of("mem_metrics");
        }
        let agent = Process(machine.process_of("venus-agent"));
        let resident = agent.status("VmHWM");
        eprintln!("{resident} kB resident");
        assert!(resident <= MEMORY, "{resident} kB are resident");

        // Another connection takes the place of the one before, in memory too.
        let before = agent.status("RssAnon");
        let vhost = site.vhost.name.as_str();
        let broker = &site.broker;
        let all = broker.ctl(&["list_connections", "-p", vhost, "pid", "peer_host"]);
        let of_agent = format!("\t{}", machine.address);
        let mut closed = 0;
        for connection in all.lines().filter_map(|line| line.strip_suffix(&of_agent)) {
            broker.ctl(&["close_connection", connection, "test"]);
            closed += 1;
        }
        assert_eq!(closed, 2, "{all}");
        server.keepalive();
        for _ in 0..CYCLES {
            server.result_of("mem_metrics");
        }
        let more = agent.status("RssAnon").saturating_sub(before);
        eprintln!("{more} kB more after another connection");
        assert!(more <= RECONNECTED, "{more} kB more are resident");

        // With a log file, it is turned over, and written anew.
        machine.sh(
            "echo 'VENUS_AGENT_OPTIONS=-l /var/log/venus/agent.log' >/etc/default/venus-agent
             systemctl restart venus-agent
             logrotate --force /etc/logrotate.d/venus-agent
             test -s /var/log/venus/agent.log.1
             systemctl reload venus-agent
             for _ in $(seq 100); do test -s /var/log/venus/agent.log && exit; sleep 0.1; done; exit 1",
        );
    });
}
