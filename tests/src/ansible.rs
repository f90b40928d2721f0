//! Plays of the role in `ansible-role`, by the real Ansible, over SSH.

use crate::machine::{Machine, Machines};
use crate::part;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;
use tempfile::{NamedTempFile, TempDir};

/// Ansible of its own version; `tests/machines/prepare` makes it.
const ANSIBLE: &str = "ansible-1/bin/ansible-playbook";
/// How long a play may take, in seconds: on few processors it takes its time.
const LIMIT: &str = "300";

/// A place with an inventory and a play.
pub struct Ansible<'a> {
    machines: &'a Machines,
    program: PathBuf,
    dir: TempDir,
}

/// What came of a play.
#[derive(Debug)]
pub struct Report {
    /// All that it printed.
    pub output: String,
    /// Whether it succeeded on all hosts.
    pub succeeded: bool,
}

impl<'a> Ansible<'a> {
    /// With these machines as its hosts. `None` if it is missing.
    #[must_use]
    pub fn new(machines: &'a Machines, hosts: &[&Machine]) -> Option<Self> {
        let program = part::cached(ANSIBLE);
        if !program.exists() {
            return part::missing("Ansible, which tests/machines/prepare installs");
        }
        part::find("openssh-client", &["/usr/bin/ssh"])?;
        let dir = TempDir::new().unwrap();
        let host = |machine: &&Machine| {
            let address = machine.address.to_string();
            (machine.name.to_owned(), json!({ "ansible_host": address }))
        };
        let inventory = json!({"all": {
            "hosts": hosts.iter().map(host).collect::<BTreeMap<_, _>>(),
            "vars": {
                "ansible_user": "root",
                "ansible_ssh_private_key_file": machines.key(),
                "ansible_python_interpreter": "/usr/bin/python3",
            },
        }});
        // YAML is a superset of JSON.
        fs::write(dir.path().join("inventory.yml"), inventory.to_string()).unwrap();
        let roles = dir.path().join("roles");
        fs::create_dir(&roles).unwrap();
        let role = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ansible-role");
        symlink(role, roles.join("venus.agent")).unwrap();
        Some(Self {
            machines,
            program,
            dir,
        })
    }

    /// Plays a part of the role (`main` is the first), with these variables and arguments.
    #[must_use]
    pub fn play_part(&self, part: &str, variables: &Value, arguments: &[&str]) -> Report {
        let tasks = json!([{
            "name": "The role",
            "ansible.builtin.include_role": {"name": "venus.agent", "tasks_from": part},
        }]);
        self.play_of(&json!({ "tasks": tasks }), variables, arguments)
    }

    /// Plays the role with these variables and arguments.
    #[must_use]
    pub fn play(&self, variables: &Value, arguments: &[&str]) -> Report {
        self.play_of(&json!({"roles": ["venus.agent"]}), variables, arguments)
    }

    /// The same with more attributes of the play.
    #[must_use]
    pub fn play_of(&self, attributes: &Value, variables: &Value, arguments: &[&str]) -> Report {
        let mut play = json!({"hosts": "all"});
        for (name, value) in attributes.as_object().unwrap() {
            play[name] = value.clone();
        }
        // Several may be on at once.
        let file = NamedTempFile::with_suffix_in(".yml", self.dir.path()).unwrap();
        fs::write(&file, json!([play]).to_string()).unwrap();
        let mut command = self.machines.room.command("/usr/bin/timeout");
        command
            .arg(LIMIT)
            .arg(&self.program)
            .stdin(Stdio::null())
            .env("ANSIBLE_HOME", self.dir.path().join("home"))
            .env("ANSIBLE_ROLES_PATH", self.dir.path().join("roles"))
            .env("ANSIBLE_HOST_KEY_CHECKING", "false")
            .env("ANSIBLE_SSH_COMMON_ARGS", "-o UserKnownHostsFile=/dev/null")
            // Short, as a socket's path has to be.
            .env("ANSIBLE_SSH_CONTROL_PATH_DIR", self.machines.room.dir())
            .env("ANSIBLE_PIPELINING", "true")
            .env("ANSIBLE_NOCOLOR", "true")
            .arg("-i")
            .arg(self.dir.path().join("inventory.yml"))
            .args(["-e", &variables.to_string()])
            .args(arguments)
            .arg(file.path());
        let began = Instant::now();
        let output = command.output().unwrap();
        eprintln!("{arguments:?} played in {:?}", began.elapsed());
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Report {
            succeeded: output.status.success(),
            output: text(output.stdout) + &text(output.stderr),
        }
    }
}

impl Report {
    /// Requires that it succeeded.
    #[expect(
        clippy::must_use_candidate,
        clippy::return_self_not_must_use,
        reason = "most plays are played for what they do"
    )]
    pub fn success(self) -> Self {
        assert!(self.succeeded, "{}", self.output);
        self
    }

    /// Requires that it failed, with all of these in what it printed.
    pub fn failure(&self, said: &[&str]) {
        assert!(!self.succeeded, "it succeeded:\n{}", self.output);
        for said in said {
            assert!(
                self.output.contains(said),
                "no {said:?} in:\n{}",
                self.output
            );
        }
    }

    /// How many tasks changed something, by host.
    #[must_use]
    pub fn changed(&self) -> BTreeMap<String, u32> {
        let (_, recap) = self.output.split_once("PLAY RECAP").unwrap();
        let of_line = |line: &str| {
            let (host, counts) = line.split_once(" : ")?;
            let (_, changed) = counts.split_once("changed=")?;
            let changed = changed.split_whitespace().next()?.parse().ok()?;
            Some((host.trim().to_owned(), changed))
        };
        recap.lines().filter_map(of_line).collect()
    }
}
