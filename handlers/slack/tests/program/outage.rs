//! What becomes of events while Slack is away, and of those whose handler is killed.

use crate::queue::{DOWN, of, once, told};
use crate::{assert_ends, command, end, from, run, sensu_channel, settings, start};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use venus_tests::endpoint::{Answer, Endpoint, OK};
use venus_tests::port;
use venus_tests::program::wait_until;

/// The names of the items in a folder's spool; that of one that was begun does not end with `-0`.
fn items(folder: &TempDir) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder.path().join("spool")) else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.contains('-') && !name.contains('.'))
        .collect()
}

fn have_begun(folder: &TempDir) -> usize {
    let items = items(folder);
    items.iter().filter(|name| !name.ends_with("-0")).count()
}

#[test]
fn killed_in_the_pauses_of_an_outage_nothing_is_lost() {
    let busy = Answer::Http("503 Service Unavailable", "", "");
    let endpoint = Endpoint::start(&[busy, busy, busy, OK]);
    let mut section = sensu_channel(&endpoint.url());
    section["webhook_retry_sleep"] = json!(3600);
    let folder = settings(&section);
    // The first leaves its event to the others, whose own is not announced.
    let [event, silenced] = [json!({}), json!({"silenced": true})].map(|more| of("a", 2, &more));
    for (number, event) in [(1, &event), (2, &silenced), (3, &silenced)] {
        let mut child = start(&from(&folder), event.as_bytes());
        endpoint.wait_for(number);
        // That it is not taken is noted before the pause.
        wait_until(|| have_begun(&folder) == 0);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_ends(&run(&folder, &of("c", 2, &json!({}))), 0, "");
    let requests = endpoint.requests();
    assert_eq!(told(&requests[3..]), ["a CRITICAL", "c CRITICAL"]);
}

#[test]
fn where_it_is_unknown_whether_slack_has_it_a_death_counts() {
    let endpoint = Endpoint::start(&[Answer::Close]);
    let mut section = sensu_channel(&endpoint.url());
    section["webhook_retry_sleep"] = json!(3600);
    let folder = settings(&section);
    let mut child = start(&from(&folder), of("a", 2, &json!({})).as_bytes());
    endpoint.wait_for(1);
    assert_eq!(have_begun(&folder), 1);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(have_begun(&folder), 1);
    assert_eq!(endpoint.requests().len(), 1);
}

/// As in an outage that swallows packets, which costs each handler all of its time.
#[test]
fn killed_on_the_way_to_slack_nothing_counts() {
    // A proxy that takes connections and says nothing.
    let proxy = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = Endpoint::start(&[OK]);
    let mut section = sensu_channel(&endpoint.url());
    section["proxy_address"] = json!(proxy.local_addr().unwrap().to_string());
    let folder = settings(&section);
    for _ in 0..3 {
        let mut child = start(&from(&folder), of("a", 2, &json!({})).as_bytes());
        let (connection, _) = proxy.accept().unwrap();
        let mut asked = String::new();
        BufReader::new(&connection).read_line(&mut asked).unwrap();
        assert!(asked.starts_with("CONNECT "), "{asked}");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(have_begun(&folder), 0);
    }
    assert_eq!(endpoint.requests().len(), 0);
}

/// What holds wherever it is killed: whatever was in the spool by then is told, nothing more than
/// twice, and twice only what was killed between its request and its end.
#[test]
fn killed_at_any_moment_nothing_is_lost_and_few_are_repeated() {
    let endpoint = Endpoint::start(&[OK]);
    let folder = once(&endpoint, &json!({}));
    let (mut kept, mut between) = (Vec::new(), 0);
    for number in 0..100 {
        let client = format!("venus{number:03}");
        let before = endpoint.arrived();
        let mut child = start(&from(&folder), of(&client, 2, &json!({})).as_bytes());
        if number % 2 == 0 {
            endpoint.wait_for(before + 1);
        }
        for _ in 0..fastrand::u32(..200_000) {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        between += have_begun(&folder);
        let waits = items(&folder).into_iter().any(|name| {
            let text = fs::read_to_string(folder.path().join("spool").join(name)).unwrap();
            text.contains(&client)
        });
        if waits {
            kept.push(client);
        }
    }
    assert!(
        !kept.is_empty(),
        "none was killed while it had something to tell"
    );
    let last = run(&folder, &of("last", 2, &json!({})));
    assert_eq!(last.status.code(), Some(0));
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for told in told(&endpoint.requests()) {
        *times.entry(told).or_default() += 1;
    }
    for client in kept.iter().chain([&"last".to_owned()]) {
        let told = times.contains_key(&format!("{client} CRITICAL"));
        assert!(told, "{client}: {times:?}");
    }
    // Of all, those included that had left the spool by then.
    assert!(times.values().all(|count| *count <= 2), "{times:?}");
    let repeated = times.values().filter(|count| **count > 1).count();
    assert!(repeated <= between, "{repeated} twice of {between}");
}

#[test]
fn while_slack_is_away_an_event_does_not_cost_all_that_waits() {
    let endpoint = Endpoint::start(&[DOWN]);
    let folder = once(&endpoint, &json!({}));
    let said = |behind| {
        format!(
            "handler-slack: not delivered to 127.0.0.1: Peer disconnected; \
             kept in {}/spool, with {behind} behind it\n",
            folder.path().display()
        )
    };
    assert_ends(&run(&folder, &of("a", 2, &json!({}))), 1, &said(0));
    // Who read it would say what it is.
    let broken = folder.path().join("spool/09000000000000000000-1-0");
    fs::write(broken, "no event").unwrap();
    assert_ends(&run(&folder, &of("b", 2, &json!({}))), 1, &said(2));
}

#[test]
fn one_that_cannot_be_read_stops_none_of_the_others() {
    let endpoint = Endpoint::start(&[DOWN, OK]);
    let folder = once(&endpoint, &json!({}));
    assert_eq!(run(&folder, &of("a", 2, &json!({}))).status.code(), Some(1));
    let broken = folder.path().join("spool/00000000000000000001-1-0");
    fs::write(&broken, "no event").unwrap();
    let place = broken.display();
    assert_ends(
        &run(&folder, &of("b", 2, &json!({}))),
        0,
        &format!("handler-slack: {place} is no event: set aside\n"),
    );
    assert_eq!(
        told(&endpoint.requests()),
        ["a CRITICAL", "a CRITICAL", "b CRITICAL"]
    );
}

#[test]
fn what_is_given_up_is_named_after_the_alerts_and_until_it_is_told() {
    let endpoint = Endpoint::start(&[DOWN, DOWN, OK, DOWN, OK]);
    let folder = once(&endpoint, &json!({"spool_bytes": 1640}));
    let long = json!({"id": "x".repeat(600)});
    let loss = format!(
        "1 event is lost, which waited too long in {}/spool or had no room there: a/keepalive \
         CRITICAL: look at them, and see spool_age and spool_bytes",
        folder.path().display()
    );
    assert_eq!(run(&folder, &of("a", 2, &long)).status.code(), Some(1));
    let second = run(&folder, &of("b", 2, &long));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains(&format!("handler-slack: {loss}\n")), "{said}");
    // The alert is taken, and then Slack is away again.
    let silenced = of("c", 2, &json!({"silenced": true}));
    assert_eq!(run(&folder, &silenced).status.code(), Some(1));
    assert_ends(&run(&folder, &of("d", 2, &json!({}))), 0, "");
    let requests = endpoint.requests();
    let texts: Vec<String> = requests[2..]
        .iter()
        .map(|request| {
            request.body["attachments"][0]["text"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let start = |client: &str| format!(" {client}/keepalive: o : 10.0.2.15 : physical");
    let loss = format!(" {loss}");
    assert_eq!(texts, [start("b"), loss.clone(), start("d"), loss]);
}

#[test]
fn that_it_flaps_is_said_once_however_often_it_waited() {
    let endpoint = Endpoint::start(&[DOWN, DOWN, OK]);
    let folder = once(&endpoint, &json!({}));
    for (occurrences, code) in [(1, 1), (2, 1), (3, 0)] {
        let flapping = json!({"action": "flapping", "occurrences": occurrences});
        let output = run(&folder, &of("a", 2, &flapping));
        assert_eq!(output.status.code(), Some(code));
    }
    assert_eq!(endpoint.requests().len(), 3);
}

#[test]
fn an_end_that_waited_behind_its_beginning_is_told() {
    let endpoint = Endpoint::start(&[DOWN, OK]);
    let folder = once(&endpoint, &json!({}));
    let kept_back = json!({"occurrences": 1, "occurrences_watermark": 0});
    assert_eq!(run(&folder, &of("a", 2, &json!({}))).status.code(), Some(1));
    assert_eq!(run(&folder, &of("a", 0, &kept_back)).status.code(), Some(0));
    assert_eq!(told(&endpoint.requests()[1..]), ["a CRITICAL", "a OK"]);
}

/// Only root can set that up.
#[test]
fn what_root_did_by_hand_stops_no_other_user() {
    let endpoint = Endpoint::start(&[DOWN, OK]);
    let folder = once(&endpoint, &json!({}));
    let nobody = 65_534;
    let spool = folder.path().join("spool");
    fs::create_dir(&spool).unwrap();
    let give = |path: &Path| std::os::unix::fs::chown(path, Some(nobody), Some(nobody));
    if give(&spool).is_err() || give(folder.path()).is_err() {
        return;
    }
    assert_eq!(run(&folder, &of("a", 2, &json!({}))).status.code(), Some(1));
    // As an older version, or an admin's copy, would have left them.
    let lock = spool.join("lock");
    std::os::unix::fs::chown(&lock, Some(0), Some(0)).unwrap();
    let foreign = spool.join("00000000000000000001-1-0");
    fs::write(&foreign, "").unwrap();
    let event = of("b", 2, &json!({}));
    let copy = folder.path().join("handler-slack");
    // By another process: what this one writes may be open in a neighbour's child, and cannot run.
    let copied = Command::new("cp").arg(crate::PROGRAM).arg(&copy).status();
    assert!(copied.unwrap().success());
    let mut handler = command(copy.to_str().unwrap());
    handler.args(from(&folder));
    std::os::unix::process::CommandExt::uid(&mut handler, nobody);
    let output = end(crate::feed(&mut handler, event.as_bytes()));
    let said = format!(
        "handler-slack: {} is no file of this user's: left alone\n",
        foreign.display()
    );
    assert_ends(&output, 0, &said);
    assert_eq!(
        told(&endpoint.requests()[1..]),
        ["a CRITICAL", "b CRITICAL"]
    );
}

#[test]
fn a_proxy_that_cannot_be_reached_is_named() {
    let [port] = port::free();
    let mut section = sensu_channel("https://slack.invalid/services/topsecret");
    section["webhook_retries"] = json!(0);
    section["proxy_address"] = json!(format!("127.0.0.1:{port}"));
    let folder = settings(&section);
    let said = format!(
        "handler-slack: not delivered to slack.invalid through the proxy 127.0.0.1:{port} (the \
         setting proxy_address): Connection refused (os error 111); kept in {}/spool, with 0 \
         behind it\n",
        folder.path().display()
    );
    assert_ends(&run(&folder, &of("a", 2, &json!({}))), 1, &said);
}

#[test]
fn a_wrong_number_costs_a_line_and_not_the_alert() {
    let endpoint = Endpoint::start(&[OK]);
    let folder = once(&endpoint, &json!({"webhook_timeout": "soon"}));
    assert_ends(
        &run(&folder, &of("a", 2, &json!({}))),
        0,
        "handler-slack: slack.webhook_timeout must be a whole number of seconds, 1 to 3600: \
         ignored\n",
    );
    assert_eq!(endpoint.requests().len(), 1);
}
