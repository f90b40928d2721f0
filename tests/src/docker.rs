//! A Docker Engine of the test's own, in a [`Room`].

use crate::program::{Running, wait_until};
use crate::room::{Groups, Room};
use crate::{part, program};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::symlink;

/// The daemon and its containers; dropped, all of them are killed with their room.
pub struct Docker {
    // Before the room, whose end waits for whatever nobody has waited for.
    daemon: Option<Running>,
    /// Where it runs; its socket is at the usual place there.
    pub room: Room,
    name: &'static str,
    groups: Groups,
}

impl Docker {
    /// Starts one, on a host `docker1`, and gives it the image `bb`, a busybox. `None` if a part is
    /// missing.
    #[must_use]
    pub fn launch() -> Option<Self> {
        Self::on("docker1")
    }

    /// The same on a host of this name.
    #[must_use]
    pub fn on(name: &'static str) -> Option<Self> {
        part::find("Docker", &["/usr/sbin/dockerd"])?;
        part::find("iptables", &["/usr/sbin/iptables"])?;
        let busybox = part::find("busybox-static", &["/bin/busybox"])?;
        let room = Room::new()?;
        let groups = Groups::of(&room);
        let mut docker = Self {
            room,
            name,
            daemon: None,
            groups,
        };
        docker.relaunch();
        let image = docker.room.dir().join("root");
        fs::create_dir_all(image.join("bin")).unwrap();
        fs::copy(busybox, image.join("bin/busybox")).unwrap();
        for name in ["cat", "false", "sh", "sleep", "tail", "test", "true"] {
            symlink("busybox", image.join("bin").join(name)).unwrap();
        }
        let image = image.display();
        docker
            .room
            .sh(&format!("tar -C {image} -c . | docker import - bb:latest"));
        Some(docker)
    }

    /// Starts the daemon, and waits until it answers.
    pub fn relaunch(&mut self) {
        let path = |name: &str| self.room.dir().join(name).display().to_string();
        let mut daemon = self.room.command("/usr/bin/unshare");
        daemon
            .args(["--uts", "/bin/sh", "-c"])
            .arg("hostname \"$1\"; shift; exec \"$@\" >>\"$0\" 2>&1")
            .args([&path("log"), self.name, "dockerd"])
            .args(["--iptables=false", "--data-root", &path("data")])
            .args(["--exec-root", &path("exec"), "--pidfile", &path("pid")])
            .args(["--cgroup-parent", &format!("/{}", self.groups.name())]);
        self.daemon = Some(Running::start(&mut daemon, None));
        wait_until(|| {
            let mut asked = self.room.command("/usr/bin/docker");
            program::run(asked.arg("info")).status.success()
        });
    }

    /// Where it can be asked from outside of its room.
    #[must_use]
    pub fn url(&self) -> String {
        format!("unix://{}", self.room.outside("/run/docker.sock"))
    }

    fn signal(&self, name: &str) {
        let pid = self.room.dir().join("pid").display().to_string();
        self.room.sh(&format!("kill -s {name} $(cat {pid})"));
    }

    /// Lets the daemon hang.
    pub fn stop(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal("CONT");
        // Who leads into the room stops with whom it has led there.
        if let Some(daemon) = &self.daemon {
            daemon.signal(Signal::SIGCONT);
        }
    }

    /// Ends the daemon as a crash does; its containers stay.
    pub fn kill(&mut self) {
        self.signal("KILL");
        fs::remove_file(self.room.dir().join("pid")).unwrap();
        if let Some(mut daemon) = self.daemon.take() {
            daemon.wait();
        }
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        self.groups.thaw();
    }
}
