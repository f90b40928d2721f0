//! Writes what packages carry beside programs: a man page of each, and completions for shells.
//!
//!     venus-documents DIR
//!
//! Pages go to `DIR/man`, completions to `DIR/bash`, `DIR/zsh` and `DIR/fish`.

use clap::Command;
use clap_complete::Shell;
use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        return fail("usage: venus-documents DIR");
    };
    match write_all(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{}: {error}", folder.display())),
    }
}

fn fail(why: &str) -> ExitCode {
    writeln!(io::stderr(), "venus-documents: {why}").unwrap_or_default();
    ExitCode::from(2)
}

fn write_all(folder: &Path) -> io::Result<()> {
    let checks = venus_checks::cli::command();
    // Each check is called by a name of its own.
    for check in checks.get_subcommands() {
        if !["list", "install"].contains(&check.get_name()) {
            page(check.clone(), folder)?;
        }
    }
    let programs = [
        venus_agent::cli::command(),
        venus_top::cli::command(),
        checks,
        handler_slack::cli::command(),
        handler_graphite::cli::command(),
    ];
    for program in programs {
        complete(program.clone(), folder)?;
        page(program, folder)?;
    }
    Ok(())
}

fn page(command: Command, folder: &Path) -> io::Result<()> {
    let folder = folder.join("man");
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{}.1", command.get_name()));
    let mut text = Vec::new();
    clap_mangen::Man::new(command)
        .manual("Venus")
        .render(&mut text)?;
    fs::write(path, text)
}

fn complete(mut command: Command, folder: &Path) -> io::Result<()> {
    let name = command.get_name().to_owned();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let folder = folder.join(shell.to_string());
        fs::create_dir_all(&folder)?;
        clap_complete::generate_to(shell, &mut command, &name, folder)?;
    }
    Ok(())
}
