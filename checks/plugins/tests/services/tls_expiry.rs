//! Servers that show certificates which openssl made (`tests/fixtures/services/tls/make.sh`), with
//! fixed dates; and files with them.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion, version};

use crate::{Server, check, run, says};

fn path(name: &str) -> PathBuf {
    let folder = "../../tests/fixtures/services/tls";
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(folder)
        .join(name)
}

/// A web server with this certificate.
fn server(name: &str, version: &'static SupportedProtocolVersion) -> Server {
    let chain = CertificateDer::pem_file_iter(path(name)).unwrap();
    let chain = chain.collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(path("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    Server::new(move |stream| {
        let connection = ServerConnection::new(config.clone()).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        let mut request = [0; 4096];
        // Who does not trust it hangs up.
        if stream.read(&mut request).is_ok_and(|read| read > 0) {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nIt works!"));
            stream.conn.send_close_notify();
            drop(stream.flush());
        }
    })
}

/// Whole days from now until a time of the fixtures.
fn days_until(time: i64) -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "what is told is counted from now"
    )]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    (time - i64::try_from(now.as_secs()).unwrap()).div_euclid(86_400)
}

const IN_2021: i64 = 1_609_459_200;
const IN_2099: i64 = 4_070_908_800;
const IN_2100: i64 = 4_102_444_800;

/// What check-tls-expiry says of a server with this certificate, its address being `@`.
fn said(name: &str, args: &[&str]) -> (String, i32) {
    let mut all = [&version::TLS12, &version::TLS13].map(|version| {
        let address = server(name, version).0.to_string();
        let ca = path("ca.pem");
        let given = [
            "check-tls-expiry",
            "--server",
            &address,
            "--ca-file",
            ca.to_str().unwrap(),
        ];
        let (text, status) = check(&[&given[..], args].concat());
        (text.replace(&address, "@"), status)
    });
    assert_eq!(all[0], all[1], "the same with either version of TLS");
    std::mem::take(&mut all[0])
}

#[test]
fn one_that_is_valid_for_long() {
    let days = days_until(IN_2100);
    let line =
        format!("CheckTLSExpiry OK: @: certificate venus001 has {days} days left (2100-01-01)\n");
    assert_eq!(said("good.pem", &[]), (line.clone(), 0));
    assert_eq!(
        said("good.pem", &["--server-name", "a.cluster.venus"]),
        (line, 0)
    );
    let (text, status) = said("good.pem", &["--perfdata", "-w", "99999", "-c", "99998"]);
    assert_eq!(
        text,
        format!(
            "CheckTLSExpiry CRITICAL: @: certificate venus001 has {days} days left (2100-01-01), \
             threshold 99998 | 'days left'={days};99999:;99998:\n"
        )
    );
    assert_eq!(status, 2);
    let (text, status) = said("good.pem", &["-w", "99999"]);
    assert_eq!(
        text,
        format!(
            "CheckTLSExpiry WARNING: @: certificate venus001 has {days} days left (2100-01-01), \
             threshold 99999\n"
        )
    );
    assert_eq!(status, 1);
}

#[test]
fn all_of_a_chain_counts() {
    let (own, between) = (days_until(IN_2100), days_until(IN_2099));
    let line =
        format!("CheckTLSExpiry OK: @: all 2 certificates have {between} days left (2099-01-01)\n");
    assert_eq!(said("chain.pem", &[]), (line, 0));
    let limit = (own - 1).to_string();
    let (text, status) = said("chain.pem", &["-w", &limit, "--perfdata"]);
    assert_eq!(
        text,
        format!(
            "CheckTLSExpiry WARNING: @: certificate authority between has {between} days left \
             (2099-01-01), threshold {limit} | 'days left'={own};{limit}:;7: \
             'days left of authority between'={between};{limit}:;7:\n"
        )
    );
    assert_eq!(status, 1);
    let line =
        format!("CheckTLSExpiry OK: @: certificate venus001 has {own} days left (2100-01-01)\n");
    assert_eq!(
        said("chain.pem", &["-w", &limit, "--skip-chain-verification"]),
        (line, 0)
    );
}

#[test]
fn each_thing_that_is_wrong_is_named() {
    let ago = -1 - days_until(IN_2021);
    let advice = "if that is right, give who vouches for it with --ca-file";
    let elsewhere = ["--server-name", "venus002"];
    for (name, args, what) in [
        ("expired.pem", &[][..], format!("venus001 expired {ago} days ago (2021-01-01)")),
        ("early.pem", &[], "venus001 is not valid before 2099-01-01".to_owned()),
        (
            "other-name.pem",
            &[],
            "venus001 is for other.venus, docker1, not for 127.0.0.1".to_owned(),
        ),
        (
            "expired.pem",
            &elsewhere,
            format!(
                "venus001 expired {ago} days ago (2021-01-01); @: certificate venus001 is for \
                 venus001, *.cluster.venus, 127.0.0.1, ::1, not for venus002"
            ),
        ),
        ("self.pem", &[], format!("venus001 is self-signed; {advice}")),
        (
            "client.pem",
            &[],
            "venus001 is refused: invalid peer certificate: certificate does not allow extended key \
             usage for server authentication, allows client authentication"
                .to_owned(),
        ),
    ] {
        let line = format!("CheckTLSExpiry CRITICAL: @: certificate {what}\n");
        assert_eq!(said(name, args), (line, 2));
    }
    let days = days_until(IN_2100);
    let fine =
        format!("CheckTLSExpiry OK: @: certificate venus001 has {days} days left (2100-01-01)\n");
    for (name, skip) in [
        ("other-name.pem", "--skip-hostname-verification"),
        ("self.pem", "--skip-chain-verification"),
    ] {
        assert_eq!(said(name, &[skip]), (fine.clone(), 0));
    }
    // Only what was asked for is left out.
    assert_eq!(said("self.pem", &["--skip-hostname-verification"]).1, 2);
    assert_eq!(said("expired.pem", &["--skip-chain-verification"]).1, 2);
}

#[test]
fn an_authority_that_nobody_trusts_here() {
    let address = server("good.pem", &version::TLS13).0.to_string();
    let other = path("self.pem");
    let args = [
        "check-tls-expiry",
        "--server",
        &address,
        "--ca-file",
        other.to_str().unwrap(),
    ];
    says(
        &args,
        &format!(
            "CheckTLSExpiry CRITICAL: {address}: certificate venus001 was issued by authority of the \
             test, who is not trusted; if that is right, give who vouches for it with --ca-file"
        ),
        2,
    );
    // As whoever this machine trusts, too.
    assert_eq!(check(&args[..3]).1, 2);
    says(
        &[
            "check-tls-expiry",
            "--server",
            &address,
            "--ca-file",
            "/nowhere",
        ],
        "CheckTLSExpiry UNKNOWN: cannot read /nowhere: No such file or directory (os error 2); \
         is the right path given, and is it mounted?",
        3,
    );
}

#[test]
fn files() {
    let chain = path("chain.pem");
    let file = chain.to_str().unwrap();
    let days = days_until(IN_2099);
    says(
        &["check-tls-expiry", "--file", file],
        &format!(
            "CheckTLSExpiry OK: {file}: all 2 certificates have {days} days left (2099-01-01)"
        ),
        0,
    );
    let expired = path("expired.pem");
    let expired = expired.to_str().unwrap();
    let ago = -1 - days_until(IN_2021);
    says(
        &["check-tls-expiry", "--pem", expired],
        &format!(
            "CheckTLSExpiry CRITICAL: {expired}: certificate venus001 expired {ago} days ago (2021-01-01)"
        ),
        2,
    );
    let key = path("server.key");
    let key = key.to_str().unwrap();
    says(
        &["check-tls-expiry", "-P", key],
        &format!("CheckTLSExpiry UNKNOWN: cannot understand {key}: it has no certificate in PEM"),
        3,
    );
    let output = run(&["metrics-tls-expiry", "--file", file, "--scheme", "s"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let own = days_until(IN_2100);
    assert!(text.starts_with(&format!("s.days_left {own} ")), "{text}");
    assert!(
        text.contains(&format!("\ns.chain_days_left {days} ")),
        "{text}"
    );
}

/// Days are days, whether it is trusted or not.
#[test]
fn metrics_of_a_server() {
    for (name, time) in [("good.pem", IN_2100), ("expired.pem", IN_2021)] {
        let address = server(name, &version::TLS13).0.to_string();
        let output = run(&["metrics-tls-expiry", "--server", &address, "--scheme", "s"]);
        let text = String::from_utf8(output.stdout).unwrap();
        let days = days_until(time);
        assert!(text.starts_with(&format!("s.days_left {days} ")), "{text}");
    }
}

#[test]
fn web_servers_with_tls() {
    let ca = path("ca.pem");
    let args = |server: &Server| format!("https://{}/", server.0);
    let good = server("good.pem", &version::TLS13);
    let url = args(&good);
    let given = [
        "check-http",
        "--url",
        &url,
        "--ca-file",
        ca.to_str().unwrap(),
    ];
    says(&given, "CheckHTTP OK: 200, 9 bytes", 0);
    says(
        &[&given[..], &["--server-name", "b.cluster.venus"]].concat(),
        "CheckHTTP OK: 200, 9 bytes",
        0,
    );
    says(
        &[&given[..], &["--server-name", "b"]].concat(),
        &format!(
            "CheckHTTP CRITICAL: the certificate of {url} is for venus001, *.cluster.venus, 127.0.0.1, ::1, \
             not for b"
        ),
        2,
    );
    let days = days_until(IN_2100);
    says(
        &[&given[..], &["--expiry", "99999"]].concat(),
        &format!(
            "CheckHTTP WARNING: its certificate expires in {days} days (2100-01-01), threshold 99999"
        ),
        1,
    );
    let expired = server("expired.pem", &version::TLS12);
    let url = args(&expired);
    let ago = -1 - days_until(IN_2021);
    says(
        &["check-http", "--url", &url],
        &format!(
            "CheckHTTP CRITICAL: the certificate of {url} expired {ago} days ago (2021-01-01); the \
             certificate of {url} was issued by authority of the test, who is not trusted; if that \
             is right, give who vouches for it with --ca-file"
        ),
        2,
    );
    let output = run(&["metrics-http", "--url", &url]);
    let said = String::from_utf8(output.stderr).unwrap();
    let start = format!("metrics-http: the certificate of {url} expired {ago} days ago");
    assert!(said.starts_with(&start), "{said}");
    assert_eq!((output.stdout.len(), output.status.code()), (0, Some(3)));
}
