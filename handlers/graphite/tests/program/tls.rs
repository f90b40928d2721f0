//! Over TLS.

use crate::receiver::{Conduct, Receiver};
use crate::{Handler, assert_ends, event, line};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, crypto};
use serde_json::json;
use std::sync::Arc;
use venus_tests::certificates::Certificates;

/// What a server of the test shows, and whether it wants to know who comes.
fn server(certificates: &Certificates, wants_clients: bool) -> ServerConfig {
    let read = |name: &str| CertificateDer::from_pem_file(certificates.path(name)).unwrap();
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = if wants_clients {
        let mut trusted = RootCertStore::empty();
        trusted.add(read("ca.pem")).unwrap();
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(trusted), provider);
        config.with_client_cert_verifier(clients.build().unwrap())
    } else {
        config.with_no_client_auth()
    };
    let key = PrivateKeyDer::from_pem_file(certificates.path("broker.key")).unwrap();
    config
        .with_single_cert(vec![read("broker.pem")], key)
        .unwrap()
}

#[test]
fn tls_is_verified_both_ways() {
    let (Some(certificates), Some(others)) = (Certificates::make(), Certificates::make()) else {
        return;
    };
    let receiver = Receiver::with_tls(server(&certificates, true));
    let mut tls = certificates.client_with("cacert", json!(certificates.path("ca.pem")));
    let mut handler = Handler::new(receiver.port(), &json!({ "tls": tls }));
    let lines: String = (0..10_000).map(line).collect();
    assert_ends(&handler.run(&event(&lines)), 0, "");
    assert_eq!(receiver.received(), [lines]);
    // Not one of ours: not tried again, as it will not change.
    tls["cacert"] = json!(others.path("ca.pem"));
    handler.set("tls", &tls);
    let output = handler.run(&event(&line(1)));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(": TLS: invalid peer certificate: "), "{said}");
    assert_eq!(receiver.received().len(), 2);
    // It does not know us.
    handler.set("tls", &json!({"cacert": certificates.path("ca.pem")}));
    let output = handler.run(&event(&line(2)));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(": TLS: received fatal alert: "), "{said}");
    // Another name than the one that it shows.
    handler.set(
        "tls",
        &certificates.client_with("cacert", json!(certificates.path("ca.pem"))),
    );
    handler.set("host", &json!("localhost"));
    let said = String::from_utf8(handler.run(&event(&line(3))).stderr).unwrap();
    assert!(said.contains(": TLS: invalid peer certificate: "), "{said}");
    handler.set("host", &json!("127.0.0.1"));
    assert_ends(&handler.run(&event(&line(4))), 0, "");
    let expected: String = (1..5).map(line).collect();
    assert_eq!(receiver.received().last().unwrap(), &expected);
}

#[test]
fn a_file_of_tls_that_is_none_is_named_and_the_lines_wait() {
    let tls = json!({"cacert": "/dev/null"});
    let handler = Handler::new(1, &json!({ "tls": tls }));
    assert_ends(
        &handler.run(&event(&line(1))),
        2,
        "handler-graphite: cannot use /dev/null for TLS: it holds no certificate\n",
    );
    assert_eq!(handler.waiting(), 1);
}

#[test]
fn who_does_not_speak_tls_is_named() {
    let Some(certificates) = Certificates::make() else {
        return;
    };
    let receiver = Receiver::start(&[Conduct::Greet]);
    let tls = json!({"cacert": certificates.path("ca.pem")});
    let handler = Handler::new(receiver.port(), &json!({ "tls": tls }));
    let output = handler.run(&event(&line(1)));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains(": TLS: received corrupt message of type "),
        "{said}"
    );
    assert_eq!((receiver.received().len(), handler.waiting()), (1, 1));
}

#[test]
fn a_greeting_over_plain_tcp_is_nothing_to_us() {
    let receiver = Receiver::start(&[Conduct::Greet]);
    let handler = Handler::new(receiver.port(), &json!({}));
    assert_ends(&handler.run(&event(&line(1))), 0, "");
    assert_eq!(receiver.received(), [line(1)]);
}
