//! What is EL's own: its packages with their scripts, by the real rpm and dnf.
//!
//! No root of EL can be had here, so this is Debian that says it is Rocky Linux.

use crate::site::{self, with_variable};
use serde_json::json;
use venus_tests::server::Server;

/// Has the machine be what it is not, with what the packages want of every EL.
const PRETEND: &str = r#"
rm -f /etc/os-release /etc/debian_version
printf '%s\n' 'NAME="Rocky Linux"' 'ID="rocky"' 'ID_LIKE="rhel centos fedora"' 'VERSION_ID="9.4"' >/etc/os-release
echo 'Rocky Linux release 9.4 (Blue Onyx)' >/etc/redhat-release
mkdir -p /etc/sysconfig /etc/yum.repos.d
cat >/tmp/base.spec <<END
Name: base
Version: 1
Release: 1
Summary: Stands in for bash
License: none
Provides: /bin/sh glibc = 2.34 shadow-utils systemd
BuildArch: noarch
%description
%files
END
rpmbuild --quiet -bb --define '_topdir /tmp/rpm' /tmp/base.spec
rpm -i --nodeps /tmp/rpm/RPMS/noarch/base-1-1.noarch.rpm
"#;

#[test]
fn the_role_does_the_same_on_el() {
    site::with_machine("venus001", &[], |site, machine, ansible| {
        site.broker.launch();
        let mut server = Server::connect(&site.vhost);
        machine.sh(PRETEND);
        let rpms = site.packages.ending(".rpm");
        let variables = with_variable(&site.variables(), "venus_files", json!(rpms));
        let variables = with_variable(
            &variables,
            "venus_options",
            json!("-l /var/log/venus/agent.log"),
        );
        ansible.play(&variables, &["--check"]).success();
        ansible.play(&variables, &[]).success();
        assert_eq!(server.keepalive()["payload"]["name"], "venus001");
        machine.sh("rpm -q venus-agent venus-checks && test -L /usr/lib/venus/checks/check-load");
        // Of /etc/sysconfig.
        machine.sh("test -s /var/log/venus/agent.log");
        let again = ansible.play(&variables, &[]).success();
        assert_eq!(again.changed()["venus001"], 0, "{}", again.output);

        // An upgrade restarts what runs; a removal leaves what is the site's.
        let before = machine.unit("venus-agent", "MainPID");
        machine.sh("rpm -U --replacepkgs /var/cache/venus-packages/venus-agent*.rpm");
        assert_ne!(machine.unit("venus-agent", "MainPID"), before);
        assert_eq!(machine.unit("venus-agent", "ActiveState"), "active");
        machine.sh("rpm -e venus-agent venus-checks");
        assert_eq!(machine.unit("venus-agent", "ActiveState"), "inactive");
        machine.sh("test -e /etc/sensu/conf.d/venus-client.json -a -d /var/lib/venus -a ! -e /usr/lib/venus/checks");
    });
}
