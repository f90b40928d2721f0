//! nginx as the web server that is asked.

use crate::daemon::Daemon;
use crate::{part, port};
use std::fs;
use std::path::Path;

/// The password of `venus` for `/secret/`.
pub const PASSWORD: &str = "s3cret-of-nginx";

/// One with a page at `/`, a redirection at `/moved`, an error at `/broken`, and `/secret/`, which
/// wants to know who asks. And its port for TLS, where it has `server.pem` and `server.key` of its
/// folder, if these are given.
#[must_use]
pub fn launch(certificate: Option<(&Path, &Path)>) -> Option<(Daemon, u16)> {
    let program = part::find("nginx", &["/usr/sbin/nginx"])?;
    let [plain, tls] = port::free();
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let with_tls = certificate.map_or(String::new(), |(chain, key)| {
        fs::copy(chain, folder.join("server.pem")).unwrap();
        fs::copy(key, folder.join("server.key")).unwrap();
        format!(
            "server {{ listen 127.0.0.1:{tls} ssl; root page; ssl_certificate server.pem; \
             ssl_certificate_key server.key; }}"
        )
    });
    for page in ["page", "page/secret"] {
        fs::create_dir(folder.join(page)).unwrap();
        fs::write(folder.join(page).join("index.html"), "It works!\n").unwrap();
    }
    fs::write(folder.join("users"), format!("venus:{{PLAIN}}{PASSWORD}\n")).unwrap();
    let prefix = folder.display().to_string() + "/";
    let settings = format!(
        "daemon off; master_process off; error_log stderr warn; pid pid;\n\
         events {{ }}\n\
         http {{\n\
         access_log off; client_body_temp_path a; proxy_temp_path b; fastcgi_temp_path c;\n\
         uwsgi_temp_path d; scgi_temp_path e;\n\
         server {{\n\
         listen 127.0.0.1:{plain}; root page;\n\
         location /moved {{ return 301 http://venus001/; }}\n\
         location /broken {{ return 503 \"a | 'b'=1\"; }}\n\
         location /secret/ {{ auth_basic venus; auth_basic_user_file {prefix}users; }}\n\
         }}\n\
         {with_tls}\n\
         }}\n"
    );
    fs::write(folder.join("nginx.conf"), settings).unwrap();
    let file = folder.join("nginx.conf").display().to_string();
    let arguments = ["-p", &prefix, "-c", &file, "-e", "stderr"];
    Some((Daemon::launch(program, &arguments, dir, plain), tls))
}
