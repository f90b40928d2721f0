//! Certificates of servers in every state, made by openssl.

use crate::part;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const SETTINGS: &str = "\
[ca]
default_ca = default
[default]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = policy
unique_subject = no
[policy]
commonName = supplied
[req]
distinguished_name = names
[names]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = keyCertSign,cRLSign
";

/// An authority (`ca`), one that it has made one (`between`), and one of whom nobody knows
/// (`stranger`). PEM files in a folder that goes with this value.
#[derive(Debug)]
pub struct Authority {
    dir: TempDir,
    openssl: &'static Path,
}

/// What a certificate is to be like.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// `IP:127.0.0.1,DNS:venus001`
    pub names: &'static str,
    /// From when it holds, in days from now.
    pub from: i64,
    /// For how many whole days from now.
    pub days: i64,
    /// Who issues it.
    pub by: &'static str,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            names: "IP:127.0.0.1",
            from: -100,
            days: 90,
            by: "ca",
        }
    }
}

impl Authority {
    /// Makes them.
    #[must_use]
    pub fn make() -> Option<Self> {
        let openssl = part::find("openssl", &["/usr/bin/openssl"])?;
        let dir = tempfile::tempdir().unwrap();
        let made = Self { dir, openssl };
        fs::write(made.path("settings"), SETTINGS).unwrap();
        fs::write(made.path("index.txt"), "").unwrap();
        fs::write(made.path("serial"), "1000").unwrap();
        for name in ["ca", "between", "stranger"] {
            made.request(name);
            let by = if name == "between" { "ca" } else { name };
            made.sign(name, -200, 365, "settings", "authority", by);
        }
        Some(made)
    }

    /// One of `ca.pem`, `between.pem`, `stranger.pem`, and what was issued.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Issues a certificate for the host of this name: `NAME.pem`, with `NAME.key`.
    pub fn issue(&self, name: &str, wish: Wish) {
        self.request(name);
        let names = wish.names;
        let extensions = format!("[server]\nextendedKeyUsage=serverAuth\nsubjectAltName={names}\n");
        fs::write(self.path("extensions"), extensions).unwrap();
        let by = if wish.by == "self" { name } else { wish.by };
        self.sign(name, wish.from, wish.days, "extensions", "server", by);
    }

    fn request(&self, name: &str) {
        let (key, csr) = (format!("{name}.key"), format!("{name}.csr"));
        let subject = format!("/CN={name}");
        self.run(&[
            "req",
            "-config",
            "settings",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            &key,
            "-subj",
            &subject,
            "-out",
            &csr,
        ]);
    }

    fn sign(&self, name: &str, from: i64, days: i64, file: &str, section: &str, by: &str) {
        // Half a day more, so that it is as many whole days for as long as the test takes.
        let from = time(&format!("{from} days"));
        let until = time(&format!("{days} days 12 hours"));
        let (csr, pem) = (format!("{name}.csr"), format!("{name}.pem"));
        let (key, own) = (format!("{by}.key"), format!("{by}.pem"));
        let mut arguments = vec![
            "ca",
            "-config",
            "settings",
            "-batch",
            "-notext",
            "-in",
            &csr,
            "-out",
            &pem,
            "-startdate",
            &from,
            "-enddate",
            &until,
            "-extfile",
            file,
            "-extensions",
            section,
            "-keyfile",
            &key,
        ];
        if by == name {
            arguments.push("-selfsign");
        } else {
            arguments.extend(["-cert", &own]);
        }
        self.run(&arguments);
    }

    fn run(&self, arguments: &[&str]) {
        let mut command = Command::new(self.openssl);
        let output = command
            .args(arguments)
            .current_dir(self.dir.path())
            .output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
    }
}

/// A time, as openssl takes it.
fn time(from_now: &str) -> String {
    let mut command = Command::new("date");
    let output = command
        .args(["-u", "-d", from_now, "+%Y%m%d%H%M%SZ"])
        .output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    text.trim().to_owned()
}
