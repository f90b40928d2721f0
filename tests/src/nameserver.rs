//! named of BIND as the DNS server that is asked.

use crate::daemon::Daemon;
use crate::{part, port};
use std::fs;

/// What it knows of `venus`.
const ZONE: &str = "\
$TTL 60
@ SOA ns1 root 1 3600 600 86400 60
  NS ns1
  MX 10 mail
  TXT \"v=spf1 \" \"-all\"
ns1 A 127.0.0.1
mail A 192.168.12.1
venus001 A 192.168.12.11
venus001 AAAA 2001:db8::11
alias CNAME venus001
_sensu._tcp SRV 0 5 5671 mail
";

/// One that knows `venus`, with 64 addresses of `many.venus`; and 192.168.12.11. It cannot read
/// what it should know of `broken`, and asks nobody else.
#[must_use]
pub fn launch() -> Option<Daemon> {
    let program = part::find("named", &["/usr/sbin/named"])?;
    let [port] = port::free();
    let dir = tempfile::tempdir().unwrap();
    let many = (0..64).map(|number| format!("many A 10.0.0.{number}\n"));
    let zones = [
        ("venus", ZONE.to_owned() + &many.collect::<String>()),
        (
            "12.168.192.in-addr.arpa",
            "$TTL 60\n@ SOA ns1.venus. root.venus. 1 3600 600 86400 60\n  NS ns1.venus.\n\
             11 PTR venus001.venus.\n"
                .to_owned(),
        ),
        ("broken", "@ SOA\n".to_owned()),
    ];
    let folder = dir.path().display();
    let mut settings = format!(
        "options {{\n\
         directory \"{folder}\"; pid-file none; lock-file none;\n\
         session-keyfile \"{folder}/key\";\n\
         listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 port {port} {{ ::1; }};\n\
         recursion no; dnssec-validation no; empty-zones-enable no; minimal-responses yes;\n\
         }};\n\
         controls {{ }};\n"
    );
    for (name, text) in zones {
        fs::write(dir.path().join(name), text).unwrap();
        settings.push_str(&format!(
            "zone \"{name}\" {{ type primary; file \"{name}\"; }};\n"
        ));
    }
    fs::write(dir.path().join("named.conf"), settings).unwrap();
    let file = dir.path().join("named.conf").display().to_string();
    let arguments = ["-g", "-n", "1", "-c", &file];
    Some(Daemon::launch(program, &arguments, dir, port))
}
