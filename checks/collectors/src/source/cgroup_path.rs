//! Whose a control group is, by its path: a container's, a job's, a machine's or a unit's.
//!
//! Container engines, SLURM, systemd and LXC each name the groups that they make in their own
//! way, the same below cgroup v1 and v2.

/// Whom a control group belongs to; the first of these that applies is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// A container of Docker, Podman, containerd or CRI-O, by its id of 64 hexadecimal digits.
    Container(String),
    /// A SLURM job, by its id.
    Job(String),
    /// A container of systemd-nspawn or LXC, by its name.
    Machine(String),
    /// Another service or scope of systemd's, by its name without the ending.
    Unit(String),
}

/// How many digits an engine shows of a container's id.
const SHORT: usize = 12;

/// The first digits of a container's id, by which the engines show it.
#[must_use]
pub fn short(id: &str) -> &str {
    id.get(..SHORT).unwrap_or(id)
}

/// The owners of a group: at most one container or machine (the outermost, as those inside are
/// not this host's) and one job; a unit only where there is neither.
#[must_use]
pub fn owners(path: &str) -> Vec<Owner> {
    let mut guest = None;
    let mut job = None;
    let mut before = "";
    for part in path.split('/').filter(|part| !part.is_empty()) {
        guest = guest.or_else(|| container(part).or_else(|| machine(before, part)));
        job = job.or_else(|| slurm_job(before, part));
        before = part;
    }
    let mut owners: Vec<Owner> = guest.into_iter().chain(job).collect();
    if owners.is_empty() {
        owners.extend(unit(before));
    }
    owners
}

/// `ID`, `docker-ID.scope`, `libpod-ID`, `kubepods-….slice:cri-containerd:ID`, …
fn container(part: &str) -> Option<Owner> {
    let part = part.strip_suffix(".scope").unwrap_or(part);
    let id = match part.rsplit_once(['-', ':']) {
        // The monitors of Podman and CRI-O are outside of their containers.
        Some((engine, _)) if engine.ends_with("conmon") => return None,
        Some((_, id)) => id,
        None => part,
    };
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (id.len() == 64 && id.bytes().all(is_hex)).then(|| Owner::Container(id.to_owned()))
}

/// `machine-NAME.scope`, `systemd-nspawn@NAME.service`, `lxc.payload.NAME`, `lxc/NAME`
fn machine(before: &str, part: &str) -> Option<Owner> {
    let between = |start, end| part.strip_prefix(start)?.strip_suffix(end);
    let name = between("machine-", ".scope")
        .or_else(|| between("systemd-nspawn@", ".service"))
        .or_else(|| part.strip_prefix("lxc.payload."))
        .or_else(|| matches!(before, "lxc" | "lxc.payload").then_some(part))
        .filter(|name| !name.is_empty())?;
    Some(Owner::Machine(unescaped(name)))
}

/// `slurm/uid_1000/job_42`, `slurm_NODE/…`, `slurmstepd.scope/job_42`, `NODE_slurmstepd.scope/…`
fn slurm_job(before: &str, part: &str) -> Option<Owner> {
    let id = part.strip_prefix("job_")?;
    let is_slurm = before.starts_with("uid_") || before.ends_with("slurmstepd.scope");
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    (is_slurm && is_id).then(|| Owner::Job(id.to_owned()))
}

/// A session's number or a user's manager names nothing that would be known tomorrow.
fn unit(part: &str) -> Option<Owner> {
    let name = part
        .strip_suffix(".service")
        .or_else(|| part.strip_suffix(".scope"))?;
    let is_fleeting = name.starts_with("session-") || name.starts_with("user@") || name == "init";
    (!name.is_empty() && !is_fleeting).then(|| Owner::Unit(unescaped(name)))
}

/// systemd writes what cannot stand in a unit's name as `\x2d`.
fn unescaped(name: &str) -> String {
    let mut parts = name.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let byte = part
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let Some(byte) = byte {
            bytes.push(byte);
            bytes.extend_from_slice(part.as_bytes().get(2..).unwrap_or_default());
        } else {
            bytes.extend_from_slice(b"\\x");
            bytes.extend_from_slice(part.as_bytes());
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "3f4e7fbe1dd1c7b2a5d0f9c8e1b7a6d5c4b3a291807f6e5d4c3b2a1908f7e6d5";

    #[test]
    fn each_engine_names_its_groups_in_its_own_way() {
        let id = || vec![Owner::Container(ID.to_owned())];
        let job = || vec![Owner::Job("42".to_owned())];
        let machine = |name: &str| vec![Owner::Machine(name.to_owned())];
        let unit = |name: &str| vec![Owner::Unit(name.to_owned())];
        for (path, expected) in [
            ("/docker/ID", id()),
            ("/docker/ID/docker/0000", id()),
            ("/system.slice/docker-ID.scope", id()),
            ("/machine.slice/libpod-ID.scope", id()),
            ("/machine.slice/libpod-ID.scope/container", id()),
            ("/libpod_parent/libpod-ID", id()),
            (
                "/machine.slice/libpod-conmon-ID.scope",
                unit("libpod-conmon-ID"),
            ),
            (
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-ID.scope",
                id(),
            ),
            ("/kubepods.slice/kubepods-pod1.slice/crio-ID.scope", id()),
            ("/kubepods/burstable/pod0f3a/ID", id()),
            (
                "/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:ID",
                id(),
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope",
                id(),
            ),
            ("/slurm/uid_1000/job_42", job()),
            ("/slurm/uid_1000/job_42/step_0/task_1", job()),
            ("/slurm_venus001/uid_0/job_42/step_batch", job()),
            (
                "/system.slice/slurmstepd.scope/job_42/step_extern/slurm",
                job(),
            ),
            ("/system.slice/venus001_slurmstepd.scope/job_42", job()),
            ("/system.slice/slurmstepd.scope/system", vec![]),
            ("/system.slice/slurmd.service", unit("slurmd")),
            ("/slurm/uid_1000/job_", vec![]),
            ("/slurm/uid_1000/job_x", vec![]),
            ("/build/job_42", vec![]),
            (
                "/machine.slice/machine-web\\x2d1.scope/payload",
                machine("web-1"),
            ),
            ("/machine.slice/systemd-nspawn@db.service", machine("db")),
            ("/lxc.payload.c1/system.slice/cron.service", machine("c1")),
            ("/lxc/c1", machine("c1")),
            ("/lxc.monitor.c1", vec![]),
            ("/machine.slice/machine-.scope", unit("machine-")),
            (
                "/machine.slice/systemd-nspawn@db.service/payload/docker/ID",
                machine("db"),
            ),
            (
                "/system.slice/openvpn@site\\x2db.service",
                unit("openvpn@site-b"),
            ),
            ("/user.slice/user-0.slice/session-3.scope", vec![]),
            ("/user.slice/user-0.slice/user@0.service", vec![]),
            ("/init.scope", vec![]),
            ("/", vec![]),
            ("", vec![]),
            ("/../../x", vec![]),
        ] {
            let expected: Vec<_> = expected
                .into_iter()
                .map(|owner| match owner {
                    Owner::Unit(name) => Owner::Unit(name.replace("ID", ID)),
                    other => other,
                })
                .collect();
            assert_eq!(owners(&path.replace("ID", ID)), expected, "{path}");
        }
        let both = format!("/slurm/uid_1/job_42/step_0/libpod-{ID}.scope");
        assert_eq!(owners(&both), [id(), job()].concat());
        let upper = format!("/docker/{}", ID.to_uppercase());
        assert_eq!(owners(&upper), []);
        assert_eq!(short(ID), "3f4e7fbe1dd1");
    }

    #[test]
    fn what_systemd_escapes_is_read_back() {
        for (name, plain) in [
            ("a\\x2db", "a-b"),
            ("\\x2d\\x2e", "-."),
            ("a\\xzz", "a\\xzz"),
            ("a\\x", "a\\x"),
            ("\\xc3\\xbc", "ü"),
            ("\\xfü", "\\xfü"),
        ] {
            assert_eq!(unescaped(name), plain);
        }
    }

    proptest! {
        #[test]
        fn no_path_makes_it_panic(path: String, near in "(/[a-z_0-9.:@\\\\-]{0,12}){0,5}") {
            drop((owners(&path), owners(&near)));
        }
    }
}
