//! No Sensu server runs on the machines that test this: its answers are written after the
//! documentation of its API (Sensu Core 0.21 and 1.9), and are no recordings.

use crate::{Server, check, fixture, prints, says};

fn server(info: &str, health: (u16, &str)) -> Server {
    Server::http([("/info", 200, info), ("/health", health.0, health.1)])
}

#[test]
fn a_server_that_works_and_what_may_be_wrong_with_it() {
    let healthy = fixture("services/sensu/info.json");
    let url = server(&healthy, (204, "")).url();
    let args = ["check-sensu", "--url", &url];
    let fine =
        "CheckSensu OK: Sensu 0.21.0, keepalives taken by 1 server, results taken by 1 server";
    says(&args, fine, 0);
    says(
        &[&args[..], &["--perfdata"]].concat(),
        &format!(
            "{fine} | 'keepalives consumers'=1;;;0 'keepalives messages'=3;1000;10000;0 \
             'results consumers'=1;;;0 'results messages'=120;1000;10000;0"
        ),
        0,
    );
    says(
        &[&args[..], &["-w", "100", "-c", "500"]].concat(),
        "CheckSensu WARNING: 120 results wait, threshold 100",
        1,
    );
    says(
        &[&args[..], &["--consumers", "2"]].concat(),
        "CheckSensu CRITICAL: keepalives taken by 1 server, expected 2; \
         results taken by 1 server, expected 2",
        2,
    );
    let url = server(&healthy, (412, "[\"not connected to redis\"]")).url();
    says(
        &["check-sensu", "--url", &url],
        "CheckSensu CRITICAL: /health answers 412 \"[\"not connected to redis\"]\"",
        2,
    );
    // Neither hides the other.
    let url = server(&healthy, (412, "no")).url();
    says(
        &["check-sensu", "--url", &url, "-w", "100", "-c", "500"],
        "CheckSensu CRITICAL: /health answers 412 \"no\"; 120 results wait, threshold 100",
        2,
    );
    let silent = healthy
        .replace("3,", "null,")
        .replace("120,", "null,")
        .replace(":1}", ":null}");
    let url = server(&silent, (204, "")).url();
    says(
        &["check-sensu", "--url", &url],
        "CheckSensu UNKNOWN: the API does not tell who takes keepalives; \
         the API does not tell how many keepalives wait; \
         the API does not tell who takes results; the API does not tell how many results wait",
        3,
    );
    let cut_off = fixture("services/sensu/info-without-transport.json");
    let url = server(&cut_off, (503, "")).url();
    says(
        &["check-sensu", "--url", &url],
        "CheckSensu CRITICAL: the API has no connection to the transport",
        2,
    );
}

/// That one is as it should be says nothing of the other.
#[test]
fn each_of_the_two_queues_is_judged_by_itself() {
    let of = |keepalives: &str, results: &str| {
        format!(
            "{{\"sensu\": {{\"version\": \"0.21.0\"}}, \"redis\": {{\"connected\": true}}, \
             \"transport\": {{\"connected\": true, \"keepalives\": {keepalives}, \
             \"results\": {results}}}}}"
        )
    };
    let fine = "{\"messages\": 3, \"consumers\": 1}";
    for (wrong, what, status) in [
        (
            "{\"messages\": 3, \"consumers\": 0}",
            "CRITICAL: NAME taken by 0 servers, expected 1",
            2,
        ),
        (
            "{\"messages\": 10000, \"consumers\": 1}",
            "CRITICAL: 10000 NAME wait, threshold 10000",
            2,
        ),
        (
            "{\"messages\": 1000, \"consumers\": 1}",
            "WARNING: 1000 NAME wait, threshold 1000",
            1,
        ),
        (
            "{\"messages\": 3, \"consumers\": null}",
            "UNKNOWN: the API does not tell who takes NAME",
            3,
        ),
        (
            "{\"messages\": null, \"consumers\": 1}",
            "UNKNOWN: the API does not tell how many NAME wait",
            3,
        ),
    ] {
        let pairs = [
            (of(wrong, fine), "keepalives"),
            (of(fine, wrong), "results"),
        ];
        for (info, name) in pairs {
            let url = server(&info, (204, "")).url();
            let line = format!("CheckSensu {}", what.replace("NAME", name));
            says(&["check-sensu", "--url", &url], &line, status);
        }
    }
}

#[test]
fn what_is_no_answer_of_sensu() {
    let url = server("{\"sensu\":{}}", (204, "")).url();
    let (text, status) = check(&["check-sensu", "--url", &url]);
    let start = format!(
        "CheckSensu UNKNOWN: {url}/info answers what cannot be understood: missing field `version`"
    );
    assert!(text.starts_with(&start), "{text}");
    assert_eq!(status, 3);
}

#[test]
fn what_waits_as_metrics() {
    let url = server(&fixture("services/sensu/info.json"), (204, "")).url();
    prints(
        &["metrics-sensu", "--url", &url, "--scheme", "s"],
        &[
            "s.transport.connected 1 @TS@",
            "s.transport.keepalives.messages 3 @TS@",
            "s.transport.keepalives.consumers 1 @TS@",
            "s.transport.results.messages 120 @TS@",
            "s.transport.results.consumers 1 @TS@",
            "s.redis.connected 1 @TS@",
        ],
    );
}
