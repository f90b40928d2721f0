//! Standalone checks and metrics as one multi-call binary.
//!
//! [`cli`] finds out which command is meant, by the name that the program was called by or by
//! its first argument, and hands it on: [`metrics`] runs a collector or asks a service, [`check`] a check,
//! [`install`] makes the links. What a command needs of the world comes in by [`World`]; how it
//! ends is a [`status::Status`].

mod arguments;
pub mod check;
mod child;
pub mod cli;
pub mod context;
mod deadline;
mod fault;
pub mod install;
pub mod metrics;
mod roots;
pub mod service;
mod source;
mod state_dir;
pub mod status;
mod world;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use status::Status;
pub use world::{World, complain, print};

/// The whole program, on the real world.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    fault::answer();
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    match World::real(&mut out, &mut err) {
        Ok(mut world) => cli::run(args, &mut world).into(),
        Err(error) => {
            complain(&mut err, "venus-checks", &error);
            Status::Unknown.into()
        }
    }
}
