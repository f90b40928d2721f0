//! Certificates of the test's own, made by openssl.

use crate::part;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// An authority, and what it has signed for a broker and for a client: PEM
/// files in a folder that goes with this value.
#[derive(Debug)]
pub struct Certificates {
    dir: TempDir,
    openssl: &'static Path,
}

impl Certificates {
    /// Makes them. The broker's is for the address 127.0.0.1 only.
    #[must_use]
    pub fn make() -> Option<Self> {
        let openssl = part::find("openssl", &["/usr/bin/openssl"])?;
        let dir = tempfile::tempdir().unwrap();
        let made = Self { dir, openssl };
        let self_signed = ["-x509", "-days", "2", "-subj", "/CN=authority of the test"];
        made.request("ca", &self_signed, "ca.pem");
        for (name, usage) in [("broker", "serverAuth"), ("client", "clientAuth")] {
            let subject = format!("/CN={name}");
            made.request(name, &["-subj", &subject], &format!("{name}.csr"));
            let extensions = format!("extendedKeyUsage={usage}\nsubjectAltName=IP:127.0.0.1\n");
            fs::write(made.path("extensions"), extensions).unwrap();
            made.run(&[
                "x509",
                "-req",
                "-days",
                "2",
                "-CAcreateserial",
                "-CA",
                "ca.pem",
                "-CAkey",
                "ca.key",
                "-extfile",
                "extensions",
                "-in",
                &format!("{name}.csr"),
                "-out",
                &format!("{name}.pem"),
            ]);
        }
        Some(made)
    }

    /// `ca`, `broker` or `client`, ending in `.pem` or `.key`.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The `ssl` settings of a client with a certificate, and one entry more.
    #[must_use]
    pub fn client_with(&self, key: &str, value: Value) -> Value {
        let mut ssl = json!({
            "cert_chain_file": self.path("client.pem"),
            "private_key_file": self.path("client.key"),
        });
        ssl[key] = value;
        ssl
    }

    fn request(&self, name: &str, more: &[&str], out: &str) {
        let key = format!("{name}.key");
        let mut arguments = vec![
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            &key,
            "-out",
            out,
        ];
        arguments.extend(more);
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
