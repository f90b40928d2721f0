//! check-tls-expiry and check-http against nginx and openssl, with certificates in every state.

use super::{check, says};
use nix::sys::signal::Signal;
use std::fs;
use venus_tests::authority::{Authority, Wish};
use venus_tests::daemon::Daemon;
use venus_tests::{nginx, part, port};

/// nginx with a certificate that can be replaced.
struct Site {
    authority: Authority,
    nginx: Daemon,
    address: String,
}

impl Site {
    fn new() -> Option<Self> {
        let authority = Authority::make()?;
        authority.issue("venus001", Wish::default());
        let (chain, key) = (
            authority.path("venus001.pem"),
            authority.path("venus001.key"),
        );
        let (nginx, port) = nginx::launch(Some((&chain, &key)))?;
        Some(Self {
            authority,
            nginx,
            address: format!("127.0.0.1:{port}"),
        })
    }

    /// Issues another certificate, and serves it with these others.
    fn serve(&mut self, wish: Wish, others: &[&str]) {
        self.authority.issue("venus001", wish);
        let mut chain = fs::read(self.authority.path("venus001.pem")).unwrap();
        for other in others {
            chain.extend(fs::read(self.authority.path(other)).unwrap());
        }
        fs::write(self.nginx.path("server.pem"), chain).unwrap();
        let key = self.authority.path("venus001.key");
        fs::copy(key, self.nginx.path("server.key")).unwrap();
        self.nginx.relaunch();
    }

    /// What check-http says, `@` being the address.
    fn asked(&self, args: &[&str]) -> (String, i32) {
        let url = format!("https://{}/", self.address);
        let ca = self.authority.path("ca.pem");
        let given = [
            "check-http",
            "--url",
            &url,
            "--ca-file",
            ca.to_str().unwrap(),
        ];
        let (text, status) = check(&[&given[..], args].concat());
        (text.replace(&self.address, "@"), status)
    }

    /// What check-tls-expiry says, `@` being the address and `DATE` any date.
    fn said(&self) -> (String, i32) {
        let ca = self.authority.path("ca.pem");
        let ca = ca.to_str().unwrap();
        let args = [
            "check-tls-expiry",
            "--server",
            &self.address,
            "--ca-file",
            ca,
        ];
        let (text, status) = check(&args);
        let words = text.replace(&self.address, "@");
        let words: Vec<&str> = words
            .trim_end()
            .split('(')
            .map(|part| part.split_once(')').map_or(part, |(_, rest)| rest))
            .collect();
        (words.join("(DATE)"), status)
    }
}

const ADVICE: &str = "if that is right, give who vouches for it with --ca-file";

fn fine() -> (String, i32) {
    let line = "CheckTLSExpiry OK: @: certificate venus001 has 90 days left (DATE)";
    (line.to_owned(), 0)
}

#[test]
fn certificates_that_expire() {
    let Some(mut site) = Site::new() else { return };
    assert_eq!(site.said(), fine());
    for (days, status, word, what) in [
        (20, 1, "WARNING", "has 20 days left (DATE), threshold 30"),
        (5, 2, "CRITICAL", "has 5 days left (DATE), threshold 7"),
        (-3, 2, "CRITICAL", "expired 2 days ago (DATE)"),
    ] {
        let wish = Wish::default();
        site.serve(Wish { days, ..wish }, &[]);
        let line = format!("CheckTLSExpiry {word}: @: certificate venus001 {what}");
        assert_eq!(site.said(), (line, status));
        let (text, status) = site.asked(&["--expiry", "30"]);
        if days > 0 {
            let start = "CheckHTTP WARNING: its certificate expires in ";
            assert!(text.starts_with(start) && status == 1, "{text}");
            assert_eq!(site.asked(&[]).0, "CheckHTTP OK: 200, 10 bytes\n");
        } else {
            let start = "CheckHTTP CRITICAL: the certificate of https://@/ expired 2 days ago (";
            assert!(text.starts_with(start) && status == 2, "{text}");
        }
        let address = site.address.clone();
        let (text, _) = check(&["metrics-tls-expiry", "--server", &address, "-s", "s"]);
        assert!(text.starts_with(&format!("s.days_left {days} ")), "{text}");
    }
    site.serve(Wish::default(), &[]);
    assert_eq!(site.said(), fine());
    assert_eq!(
        site.asked(&["--expiry", "30"]).0,
        "CheckHTTP OK: 200, 10 bytes\n"
    );
}

/// check-http refuses what check-tls-expiry does, and says the same of it.
#[test]
fn certificates_that_nobody_trusts() {
    let Some(mut site) = Site::new() else { return };
    let wish = Wish::default();
    let not_yet = Wish { from: 10, ..wish };
    let elsewhere = Wish {
        names: "DNS:other.venus",
        ..wish
    };
    let by = |by| Wish { by, ..wish };
    for (wish, what) in [
        (not_yet, "is not valid before DAY".to_owned()),
        (
            elsewhere,
            "is for other.venus, not for 127.0.0.1".to_owned(),
        ),
        (
            by("stranger"),
            format!("was issued by stranger, who is not trusted; {ADVICE}"),
        ),
        (by("self"), format!("is self-signed; {ADVICE}")),
        // The one between is not shown.
        (
            by("between"),
            format!("was issued by between, who is not trusted; {ADVICE}"),
        ),
    ] {
        site.serve(wish, &[]);
        let (text, status) = site.said();
        let (today, _) = text.split_once(" before ").unwrap_or((&text, ""));
        let text = if today == text {
            text
        } else {
            format!("{today} before DAY")
        };
        let line = format!("CheckTLSExpiry CRITICAL: @: certificate venus001 {what}");
        assert_eq!((text, status), (line, 2));
        let (text, status) = site.asked(&[]);
        let start = "CheckHTTP CRITICAL: the certificate of https://@/ ";
        let rest = text.strip_prefix(start).unwrap();
        assert!(rest.starts_with(what.trim_end_matches("DAY")), "{text}");
        assert_eq!(status, 2);
    }
    // All of the chain is shown, and counts: that of `between` has 365 days.
    site.serve(by("between"), &["between.pem"]);
    let line = "CheckTLSExpiry OK: @: all 2 certificates have 90 days left (DATE)";
    assert_eq!(site.said(), (line.to_owned(), 0));
    site.serve(wish, &[]);
    assert_eq!(site.said(), fine());
}

#[test]
fn a_server_that_hangs_is_away_or_has_no_tls() {
    let Some(mut site) = Site::new() else { return };
    let address = site.address.clone();
    site.nginx.signal(Signal::SIGSTOP);
    says(
        &["check-tls-expiry", "--server", &address, "--timeout", "0.5"],
        &format!(
            "CheckTLSExpiry UNKNOWN: no answer within 0.5 s while asking {address} for its \
             certificate; see what hangs there, or give more with --timeout"
        ),
        3,
    );
    site.nginx.signal(Signal::SIGCONT);
    assert_eq!(site.said(), fine());
    site.nginx.kill();
    says(
        &["check-tls-expiry", "--server", &address],
        &format!(
            "CheckTLSExpiry CRITICAL: connecting to {address} failed: Connection refused (os error \
             111); is it running, and is this its address?"
        ),
        2,
    );
    site.nginx.relaunch();
    assert_eq!(site.said(), fine());
    let plain = format!("127.0.0.1:{}", site.nginx.port);
    says(
        &["check-tls-expiry", "--server", &plain],
        &format!(
            "CheckTLSExpiry UNKNOWN: asking {plain} for its certificate failed: it does not speak TLS"
        ),
        3,
    );
}

/// `RabbitMQ` can be told to want a certificate of each client: it has shown its own by then.
#[test]
fn a_server_that_wants_to_know_who_asks() {
    let Some(authority) = Authority::make() else {
        return;
    };
    let Some(openssl) = part::find("openssl", &["/usr/bin/openssl"]) else {
        return;
    };
    authority.issue("venus001", Wish::default());
    let path = |name: &str| authority.path(name).to_str().unwrap().to_owned();
    let (chain, key, ca) = (path("venus001.pem"), path("venus001.key"), path("ca.pem"));
    for version in ["-tls1_2", "-tls1_3"] {
        let [port] = port::free();
        let address = format!("127.0.0.1:{port}");
        let arguments = [
            "s_server", "-accept", &address, "-cert", &chain, "-key", &key, "-CAfile", &ca,
            "-Verify", "1", "-quiet", version,
        ];
        let dir = tempfile::tempdir().unwrap();
        let _server = Daemon::launch(openssl, &arguments, dir, port);
        let (text, status) = check(&["check-tls-expiry", "--server", &address, "--ca-file", &ca]);
        let start = format!("CheckTLSExpiry OK: {address}: all 2 certificates have 90 days left (");
        assert!(text.starts_with(&start), "{version}: {text}");
        assert_eq!(status, 0);
    }
}
