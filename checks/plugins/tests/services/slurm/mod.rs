//! SLURM's commands are stand-ins here. What they answer was recorded from SLURM 22.05.8 with four
//! nodes, of which one was drained and one had lost its slurmd; what 15.08 answers is written after
//! its manual pages, and is no recording.

mod commands;
mod figures;
mod node;
mod partitions;

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::fixture;
/// When the recording was made; the stand-ins say that it was two hours ago.
const RECORDED: [&str; 3] = ["1795547658", "1795547694", "1795547728"];

/// A folder with stand-ins for SLURM's commands.
struct Bin(TempDir);

impl Bin {
    /// Each of them does the same, by these lines of shell.
    fn each(script: &str) -> Self {
        let bin = Self(tempfile::tempdir().unwrap());
        for program in ["scontrol", "sinfo", "squeue"] {
            bin.script(program, script);
        }
        bin
    }

    /// They answer what was recorded, save where a file is given with something else.
    fn with(other: &[(&str, &str)]) -> Self {
        let bin = Self::each("exit 1");
        fs::create_dir(bin.0.path().join("said")).unwrap();
        let names = [
            "ping",
            "sinfo-nodes",
            "sinfo-by-partition",
            "sinfo-all",
            "squeue",
            "show-nodes",
            "show-node-drained",
            "show-node-idle",
            "show-slurmd",
            "show-config",
        ];
        for name in names {
            let recorded = || fixture(&format!("services/slurm/22.05/{name}"));
            let given = other.iter().find(|(other, _)| *other == name);
            bin.write(
                &format!("said/{name}"),
                &given.map_or_else(recorded, |(_, text)| (*text).to_owned()),
            );
        }
        let say = RECORDED.map(|time| format!("-e s/{time}/$(($(date +%s) - 7230))/g"));
        let say = format!(
            "say() {{ sed {} \"{}/said/$1\"; }}",
            say.join(" "),
            bin.dir()
        );
        bin.script(
            "scontrol",
            &format!(
                "{say}\ncase \"$*\" in\n\
                 ping) say ping; grep -q UP {}/said/ping ;;\n\
                 'show config') say show-config ;;\n\
                 'show slurmd') say show-slurmd ;;\n\
                 'show node hpcg1') say show-node-idle ;;\n\
                 'show node hpcg2') say show-node-drained ;;\n\
                 '-a show node') say show-nodes ;;\n\
                 'show node '*) echo \"Node $3 not found\"; exit 1 ;;\n\
                 *) echo \"$*?\" >&2; exit 1 ;;\nesac",
                bin.dir()
            ),
        );
        bin.script(
            "sinfo",
            &format!(
                "{say}\ncase \"$*\" in\n*%N*) say sinfo-nodes ;;\n*%R*) say sinfo-by-partition ;;\n\
                 *) say sinfo-all ;;\nesac"
            ),
        );
        bin.script("squeue", &format!("{say}\nsay squeue"));
        bin
    }

    fn dir(&self) -> String {
        self.0.path().display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    /// Written by another process: a file that is open for writing here, and so in what another
    /// test starts at that moment, cannot be run (ETXTBSY).
    fn script(&self, program: &str, script: &str) {
        let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" >\"$0\" && chmod 755 \"$0\"";
        let mut command = Command::new("sh");
        command.args(["-c", write]).arg(self.0.path().join(program));
        assert!(command.arg(script).status().unwrap().success());
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_venus-checks"));
        command.args(args).args(["--slurm-bin", &self.dir()]);
        command
    }

    /// What a command says, its folder as `BIN`, and how it ends.
    fn said(&self, args: &[&str]) -> (String, i32) {
        let output = self.command(args).output().unwrap();
        said(&output, &self.dir())
    }

    fn says(&self, args: &[&str], line: &str, status: i32) {
        assert_eq!(self.said(args), (format!("{line}\n"), status), "{args:?}");
    }
}

fn said(output: &Output, dir: &str) -> (String, i32) {
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8(text).unwrap().replace(dir, "BIN");
    (text, output.status.code().unwrap())
}

/// A record as sinfo and squeue are asked for it.
fn record(fields: &[&str]) -> String {
    format!("{}\x1e\n", fields.join("\x1f"))
}
