//! check-port against Redis, and a port that a firewall drops.

use super::{check, comes_to_say, outcome, says};
use venus_tests::redis::Redis;
use venus_tests::room::Room;
use venus_tests::{part, program};

#[test]
fn redis_up_and_down() {
    let Some(mut redis) = Redis::launch() else {
        return;
    };
    let port = redis.port.to_string();
    let args = ["check-port", "--host", "127.0.0.1", "--port", &port];
    let heard = [&args[..], &["--send", "PING", "--expect", "^-NOAUTH"]].concat();
    let fine = format!("CheckPort OK: All ports ({port}) are accessible for host 127.0.0.1");
    says(&args, &fine, 0);
    says(&heard, &format!("{fine}, and say /^-NOAUTH/"), 0);
    let (text, status) = check(&["metrics-port", "--port", &port, "--scheme", "s"]);
    let start = format!("s.127_0_0_1.{port}.time_connect 0.");
    assert!(text.starts_with(&start), "{text}");
    assert_eq!(status, 0);
    redis.kill();
    let refused = format!(
        "CheckPort CRITICAL: connecting to 127.0.0.1:{port} failed: Connection refused (os error \
         111); is it running, and is this its address?"
    );
    says(&args, &refused, 2);
    redis.relaunch();
    comes_to_say(&heard, &format!("{fine}, and say /^-NOAUTH/"));
}

/// Nobody says no: what a firewall or a dead host does.
#[test]
fn a_port_that_never_answers() {
    let Some(room) = Room::new() else { return };
    if part::find("iptables", &["/usr/sbin/iptables"]).is_none() {
        return;
    }
    let checked = |args: &[&str]| {
        let mut command = room.command(program::path("venus-checks"));
        outcome(command.arg("check-port").args(args))
    };
    room.sh("iptables -A INPUT -p tcp --dport 7000:7200 -j DROP");
    let (text, status) = checked(&["--port", "7000", "--timeout", "1"]);
    let line = "CheckPort CRITICAL: connecting to 127.0.0.1:7000 failed: no answer in time\n";
    assert_eq!((text.as_str(), status), (line, 2));
    // As many as are not all tried at the same time, and one that says no.
    let (text, status) = checked(&["--port", "7000-7200,7201", "--timeout", "2"]);
    let first = text.lines().next().unwrap();
    assert!(first.starts_with(line.trim_end()), "{text}");
    assert!(first.ends_with("; and 197 more, below"), "{text}");
    // A hundred of the 202, between the first line and that of those left out.
    assert_eq!((text.lines().count(), status), (102, 2));
    assert_eq!(text.lines().last(), Some("and 102 more"));
    let (text, status) = checked(&["--port", "7000-7009,7201", "--timeout", "2"]);
    let last = "CRITICAL: connecting to 127.0.0.1:7201 failed: Connection refused (os error 111)";
    assert_eq!((text.lines().last(), status), (Some(last), 2));
    room.sh("iptables -F");
    let (text, _) = checked(&["--port", "7000"]);
    assert!(text.contains("Connection refused"), "{text}");
}
