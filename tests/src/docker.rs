//! A Docker Engine of the test's own, in a [`Room`].

use crate::program::{Running, wait_until};
use crate::room::{Groups, Room};
use crate::{part, program};
use std::fs;
use std::os::unix::fs::symlink;

/// The daemon and its containers; dropped, all of them are killed with their room.
pub struct Docker {
    /// Where it runs; its socket is at the usual place there.
    pub room: Room,
    _daemon: Running,
    _groups: Groups,
}

impl Docker {
    /// Starts one and gives it the image `bb`, a busybox. `None` if a part is missing.
    #[must_use]
    pub fn launch() -> Option<Self> {
        part::find("Docker", &["/usr/sbin/dockerd"])?;
        part::find("iptables", &["/usr/sbin/iptables"])?;
        let busybox = part::find("busybox-static", &["/bin/busybox"])?;
        let room = Room::new()?;
        let path = |name: &str| room.dir().join(name).display().to_string();
        let groups = Groups::of(&room);
        let mut daemon = room.command("/bin/sh");
        daemon
            .args(["-c", "exec \"$@\" >\"$0\" 2>&1", &path("log"), "dockerd"])
            .args(["--iptables=false", "--data-root", &path("data")])
            .args(["--exec-root", &path("exec"), "--pidfile", &path("pid")])
            .args(["--cgroup-parent", &format!("/{}", groups.name())]);
        let docker = Self {
            _daemon: Running::start(&mut daemon, None),
            room,
            _groups: groups,
        };
        wait_until(|| {
            let mut asked = docker.room.command("/usr/bin/docker");
            program::run(asked.arg("info")).status.success()
        });
        let image = docker.room.dir().join("root");
        fs::create_dir_all(image.join("bin")).unwrap();
        fs::copy(busybox, image.join("bin/busybox")).unwrap();
        for name in ["sh", "sleep"] {
            symlink("busybox", image.join("bin").join(name)).unwrap();
        }
        let image = image.display();
        docker
            .room
            .sh(&format!("tar -C {image} -c . | docker import - bb:latest"));
        Some(docker)
    }
}
