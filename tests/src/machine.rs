//! Booted machines: Debian with systemd, several of them in a [`Room`], on one network.

use crate::part;
use crate::program::{Running, run, wait_until};
use crate::room::{Groups, Room, succeed};
use nix::unistd::Pid;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where the room itself can be reached from its machines.
pub const HUB: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 254);
/// What all of them begin with; `tests/machines/prepare` makes it.
const ROOT: &str = "machine-1";
/// Room for as many control groups as a machine needs.
const ENTER: &str = r#"
for hierarchy in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
    [ -e "$hierarchy/cgroup.procs" ] || continue
    mkdir -p "$hierarchy/$0"
    echo $$ >"$hierarchy/$0/cgroup.procs"
done
boot() {
    systemd-nspawn --register=no --keep-unit --quiet --boot --console=read-only \
        --network-bridge=br0 --resolv-conf=off --machine="$1" --directory="$2" "${@:3}"
}
# It ends so where the machine is to boot again, as for a service that is started anew.
until boot "$@" || [ $? != 133 ]; do :; done
"#;

/// Where they are: a room with a bridge.
pub struct Machines {
    /// Its network is theirs.
    pub room: Room,
    groups: Groups,
    root: PathBuf,
}

/// One of them; dropped, its power is cut.
pub struct Machine<'a> {
    /// Its host name.
    pub name: &'static str,
    /// Where it can be reached.
    pub address: Ipv4Addr,
    place: &'a Machines,
    _nspawn: Running,
}

/// The root that all of them begin with. `None` if it is missing.
#[must_use]
pub fn root() -> Option<PathBuf> {
    let root = part::cached(ROOT);
    if !root.join("usr/sbin/sshd").exists() {
        return part::missing("the root of machines, which tests/machines/prepare makes");
    }
    Some(root)
}

impl Machines {
    /// Makes place for them. `None` if a part is missing.
    #[must_use]
    pub fn room() -> Option<Self> {
        part::find("systemd-container", &["/usr/bin/systemd-nspawn"])?;
        let root = root()?;
        let place = Room::new()?;
        let groups = Groups::of(&place);
        place.sh(&format!(
            "ip link add br0 type bridge && ip addr add {HUB}/24 dev br0 && ip link set br0 up
             ssh-keygen -q -t ed25519 -N '' -f {}/key",
            place.dir().display()
        ));
        Some(Self {
            room: place,
            groups,
            root,
        })
    }

    /// The key that opens them.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.room.dir().join("key")
    }

    /// Boots one, with more arguments for `systemd-nspawn`, and waits until it is up.
    #[must_use]
    pub fn boot(&self, name: &'static str, number: u8, more: &[&str]) -> Machine<'_> {
        let address = Ipv4Addr::new(10, 99, 0, number);
        let (dir, key) = (self.room.dir().join(name), self.key());
        let [dir, root, key] = [&dir, &self.root, &key].map(|path| path.display());
        self.room.sh(&format!(
            "mkdir -p {dir}/upper {dir}/work {dir}/root
             mount -t overlay -o lowerdir={root},upperdir={dir}/upper,workdir={dir}/work none {dir}/root
             cd {dir}/root
             echo {name} >etc/hostname
             echo 127.0.0.1 {name} localhost >etc/hosts
             : >etc/resolv.conf
             install -D -m 600 {key}.pub root/.ssh/authorized_keys
             printf '%s\\n' '[Match]' Name=host0 '[Network]' Address={address}/24 Gateway={HUB} >etc/systemd/network/10-host0.network
             ln -sf /lib/systemd/system/systemd-networkd.service etc/systemd/system/multi-user.target.wants/",
        ));
        let mut nspawn = self.room.command("/bin/bash");
        nspawn
            .args(["-ec", ENTER, &self.group(name), name])
            .arg(format!("{dir}/root"))
            .args(more);
        let machine = Machine {
            name,
            address,
            place: self,
            _nspawn: Running::start(&mut nspawn, None),
        };
        machine.wait_until_up();
        machine
    }

    fn group(&self, name: &str) -> String {
        format!("{}/{name}", self.groups.name())
    }
}

impl Machine<'_> {
    /// Its first process, as this namespace numbers it.
    fn first(&self) -> Option<Pid> {
        let group = self.place.group(self.name) + "/payload/init.scope/cgroup.procs";
        let processes = groups_file(&group)?;
        processes.lines().next()?.parse().ok().map(Pid::from_raw)
    }

    fn wait_until_up(&self) {
        wait_until(|| {
            // Where the system is going down, or a unit has failed, is the test's to say.
            let said = self.first().map(|_| {
                let state = ["systemctl", "is-system-running"];
                String::from_utf8(run(&mut self.command(&state)).stdout).unwrap()
            });
            said.is_some_and(|said| ["running\n", "degraded\n"].contains(&said.as_str()))
        });
    }

    /// Has it boot again, and waits until it is up.
    pub fn reboot(&self) {
        let before = self.first();
        self.sh("systemctl --no-block reboot");
        wait_until(|| self.first().is_some_and(|now| Some(now) != before));
        self.wait_until_up();
    }

    /// A program in there, by root.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let first = self.first().expect("the machine is up").to_string();
        let mut command = Command::new("nsenter");
        command
            .args(["-t", &first, "--all", "--", "/usr/bin/env", "-i"])
            .args(["HOME=/root", "LANG=C.UTF-8", "PATH=/usr/sbin:/usr/bin"])
            .args(arguments);
        command
    }

    /// Runs a script of bash's in there, whatever comes of it.
    #[must_use]
    pub fn try_sh(&self, script: &str) -> Output {
        run(&mut self.command(&["bash", "-ec", script]))
    }

    /// Runs a script of bash's in there, which has to succeed. What it prints.
    #[expect(
        clippy::must_use_candidate,
        reason = "most scripts are run for what they do"
    )]
    pub fn sh(&self, script: &str) -> String {
        succeed(&mut self.command(&["bash", "-ec", script]))
    }

    /// What systemd says of a unit.
    #[must_use]
    pub fn unit(&self, unit: &str, property: &str) -> String {
        let said = self.sh(&format!("systemctl show --value -p {property} {unit}"));
        said.trim().to_owned()
    }

    /// The main process of a unit, as this namespace numbers it.
    #[must_use]
    pub fn process_of(&self, unit: &str) -> Pid {
        let group = self.place.group(self.name) + "/payload/system.slice/" + unit + ".service";
        let processes = groups_file(&(group + "/cgroup.procs"));
        let first = processes.and_then(|all| all.lines().next()?.parse().ok());
        Pid::from_raw(first.expect("the unit runs"))
    }

    /// Copies a file to there.
    pub fn put(&self, file: &Path, to: &str) {
        let root = self.place.room.dir().join(self.name).join("root");
        let to = self.place.room.outside(&format!("{}{to}", root.display()));
        fs::copy(file, to).unwrap();
    }
}

/// A file of a control group, of whichever hierarchy has it.
fn groups_file(path: &str) -> Option<String> {
    let mut hierarchies = ["systemd", "unified", ""].iter();
    hierarchies.find_map(|hierarchy| {
        let hierarchy = Path::new("/sys/fs/cgroup").join(hierarchy);
        fs::read_to_string(hierarchy.join(path)).ok()
    })
}
