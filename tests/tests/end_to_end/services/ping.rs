//! check-ping and metrics-ping in network namespaces: hosts that are near, slow, lossy, away.

use super::outcome;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use venus_tests::program::wait_until;
use venus_tests::room::Room;
use venus_tests::{part, program};

/// This host is 10.9.0.1 and `fd09::1`, the other one 10.9.0.2 and `fd09::2`.
const LINK: &str = "\
ip netns add other
ip link add veth1 type veth peer name veth2 netns other
ip addr add 10.9.0.1/24 dev veth1
ip addr add fd09::1/64 dev veth1 nodad
ip -n other addr add 10.9.0.2/24 dev veth2
ip -n other addr add fd09::2/64 dev veth2 nodad
ip link set veth1 up
ip -n other link set veth2 up
ip -n other link set lo up
# Give up soon where nobody answers who has an address.
sysctl -qw net.ipv4.neigh.veth1.mcast_solicit=1 net.ipv4.neigh.veth1.retrans_time_ms=50
";

fn room() -> Option<Room> {
    part::find("iptables", &["/usr/sbin/iptables"])?;
    let room = Room::new()?;
    room.sh(LINK);
    // Until the two have found each other.
    for host in ["10.9.0.2", "fd09::2"] {
        wait_until(|| {
            let command = room.command(program::path("venus-checks"));
            ping(command, &["--host", host]).1 == 0
        });
    }
    Some(room)
}

/// What check-ping says, with what leads to it, and how it ends.
fn ping(mut command: Command, args: &[&str]) -> (String, i32) {
    command.args(["check-ping", "--count", "8", "--interval", "0.01"]);
    // Those that come back do so at once.
    command.args(["--wait", "0.3"]);
    outcome(command.args(args))
}

/// What it says, without the time that it took, which must be there.
fn without_time((text, status): (String, i32)) -> (String, i32) {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    let unit = words.iter().position(|word| *word == "ms");
    if let Some(time) = unit.map(|unit| &mut words[unit - 1]) {
        assert!(time.parse::<f64>().is_ok(), "{text}");
        *time = "#";
    }
    (words.join(" "), status)
}

fn fine(host: &str) -> (String, i32) {
    let line =
        format!("CheckPING OK: ICMP ping successful for host: {host} (8/8), # ms on average");
    (line, 0)
}

#[test]
fn loss_and_the_end_of_it() {
    let Some(room) = room() else { return };
    let said = |args: &[&str]| ping(room.command(program::path("venus-checks")), args);
    let host = ["--host", "10.9.0.2"];
    assert_eq!(without_time(said(&host)), fine("10.9.0.2"));
    assert_eq!(without_time(said(&["--host", "fd09::2"])), fine("fd09::2"));
    let drop = |every: u8| {
        let rule = format!("-m statistic --mode nth --every {every} --packet 0 -j DROP");
        room.sh(&format!(
            "for tables in iptables ip6tables; do ip netns exec other $tables -F; done\n\
             ip netns exec other iptables -A INPUT -p icmp --icmp-type echo-request {rule}\n\
             ip netns exec other ip6tables -A INPUT -p icmpv6 --icmpv6-type echo-request {rule}"
        ));
    };
    for host in ["10.9.0.2", "fd09::2"] {
        let unsuccessful = format!("ICMP ping unsuccessful for host: {host} (successful:");
        for (every, args, line, status) in [
            (
                4,
                &[][..],
                format!("WARNING: {unsuccessful} 6/8), 25% lost, threshold 20"),
                1,
            ),
            (
                4,
                &["-c", "25%"],
                format!("CRITICAL: {unsuccessful} 6/8), 25% lost, threshold 25"),
                2,
            ),
            (
                2,
                &["-C", "0.5"],
                format!("CRITICAL: {unsuccessful} 4/8), 50% lost, threshold 50"),
                2,
            ),
            (1, &[], format!("CRITICAL: {unsuccessful} 0/8)"), 2),
        ] {
            drop(every);
            let args = [&["--host", host], args].concat();
            assert_eq!(said(&args), (format!("CheckPING {line}\n"), status));
        }
    }
    drop(4);
    let metrics = room.command(program::path("venus-checks"));
    let asked = [
        "--count",
        "4",
        "--interval",
        "0.01",
        "--wait",
        "0.3",
        "--host",
        "10.9.0.2",
        "-s",
        "s",
    ];
    let (text, status) = outcome({ metrics }.arg("metrics-ping").args(asked));
    for line in [
        "s.packets_transmitted 4 ",
        "s.packets_received 3 ",
        "s.packet_loss 25 ",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert_eq!((text.lines().count(), status), (8, 0));
    room.sh("for tables in iptables ip6tables; do ip netns exec other $tables -F; done");
    assert_eq!(without_time(said(&host)), fine("10.9.0.2"));
}

/// A line of 8 kbit/s, on which each of 98 bytes waits for those before it.
#[test]
fn a_slow_line() {
    let Some(room) = room() else { return };
    let said = |args: &[&str]| ping(room.command(program::path("venus-checks")), args);
    let host = ["--host", "10.9.0.2"];
    room.sh("tc qdisc add dev veth1 root tbf rate 8kbit burst 100 limit 3000");
    let slow = "10.9.0.2 answers after # ms on average,";
    let host = [&host[..], &["--wait", "5"]].concat();
    let (text, status) = without_time(said(&host));
    assert_eq!(text, format!("CheckPING WARNING: {slow} threshold 100"));
    assert_eq!(status, 1);
    let (text, status) = without_time(said(&[&host[..], &["-c", "200"]].concat()));
    assert_eq!(text, format!("CheckPING CRITICAL: {slow} threshold 200"));
    assert_eq!(status, 2);
    room.sh("tc qdisc del dev veth1 root");
    assert_eq!(without_time(said(&host)), fine("10.9.0.2"));
}

#[test]
fn hosts_that_are_away() {
    let Some(room) = room() else { return };
    room.sh("ip route add 10.8.0.0/24 via 10.9.0.2\n\
         ip route add fd08::/64 via fd09::2\n\
         ip netns exec other sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1\n\
         ip netns exec other sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0\n\
         ip -n other route add unreachable 10.8.0.0/24\n\
         ip -n other route add unreachable fd08::/64");
    // With the kernel's own sockets for it, and with raw ones.
    for groups in ["0 0", "1 0"] {
        room.sh(&format!("sysctl -qw net.ipv4.ping_group_range='{groups}'"));
        let said = |host: &str| {
            let command = room.command(program::path("venus-checks"));
            ping(command, &["--host", host])
        };
        for (host, why) in [
            // Nobody on the link has it.
            ("10.9.0.3", "No route to host (os error 113)"),
            // A router says so.
            ("10.8.0.1", "No route to host (os error 113)"),
            ("fd08::1", "Network is unreachable (os error 101)"),
            // This host knows no way.
            ("10.99.0.1", "Network is unreachable (os error 101)"),
            ("fd99::1", "Network is unreachable (os error 101)"),
        ] {
            let line = format!(
                "CheckPING CRITICAL: ICMP ping unsuccessful for host: {host} (successful: 0/8): {why}\n"
            );
            assert_eq!(said(host), (line, 2), "{groups}");
        }
    }
    room.sh("ip -n other addr add 10.9.0.3/24 dev veth2");
    let said = ping(
        room.command(program::path("venus-checks")),
        &["--host", "10.9.0.3"],
    );
    assert_eq!(without_time(said), fine("10.9.0.3"));
}

#[test]
fn who_may_ping() {
    let Some(room) = room() else { return };
    if part::find("util-linux", &["/usr/bin/setpriv"]).is_none() {
        return;
    }
    // Where a user who is nobody may run it.
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("venus-checks");
    fs::copy(program::path("venus-checks"), &program).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let by = |rights: &[&str]| {
        let mut command = room.command("setpriv");
        command.args(rights).arg(&program);
        command
    };
    let without = |host: &str| {
        let rights = ["--bounding-set", "-net_raw", "--inh-caps", "-net_raw"];
        ping(by(&rights), &["--host", host])
    };
    let nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let refused = "this user may not ping; run as root or with CAP_NET_RAW, or add its group to those of \
                   sysctl net.ipv4.ping_group_range\n";
    let unknown = (format!("CheckPING UNKNOWN: {refused}"), 3);
    for host in ["10.9.0.2", "fd09::2"] {
        room.sh("sysctl -qw net.ipv4.ping_group_range='1 0'");
        assert_eq!(without(host), unknown);
        let metrics = outcome(by(&nobody).args(["metrics-ping", "--host", host]));
        assert_eq!(metrics, (format!("metrics-ping: {refused}"), 3));
        // A raw socket, as it may open one.
        let said = ping(
            room.command(program::path("venus-checks")),
            &["--host", host],
        );
        assert_eq!(without_time(said), fine(host));
        room.sh("sysctl -qw net.ipv4.ping_group_range='0 0'");
        assert_eq!(without_time(without(host)), fine(host));
        // Another's group helps nobody.
        assert_eq!(ping(by(&nobody), &["--host", host]), unknown);
        room.sh("sysctl -qw net.ipv4.ping_group_range='65534 65534'");
        let said = ping(by(&nobody), &["--host", host]);
        assert_eq!(without_time(said), fine(host));
    }
}
