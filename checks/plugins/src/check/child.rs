//! Another program that a check has to ask, ended if it does not answer.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use crate::context::{Context, Failure};

/// What it prints, if it ends well within nine tenths of the time that is left; else it is killed.
pub(super) fn output(command: &mut Command, context: &Context) -> Result<Vec<u8>, Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    context.step(format!("waiting for {program}"));
    let failed = |why: String| Failure::new(format!("cannot ask {program}: {why}"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::Builder::new().spawn(move || {
        let (mut printed, mut said) = (Vec::new(), Vec::new());
        let read = out.map_or(Ok(0), |mut out| out.read_to_end(&mut printed));
        let read = read.and_then(|_| err.map_or(Ok(0), |mut err| err.read_to_end(&mut said)));
        if sender.send(read.map(|_| (printed, said))).is_err() {
            // The time was up.
        }
    })?;
    let time = context.time_left() * 9 / 10;
    let Ok(read) = receiver.recv_timeout(time) else {
        // It may have ended just now, which is as good.
        child.kill().and_then(|()| child.wait())?;
        return Err(failed(format!(
            "no answer within {:.1} s",
            time.as_secs_f64()
        )));
    };
    let (printed, said) = read?;
    let status = child.wait()?;
    if status.success() {
        return Ok(printed);
    }
    let said = String::from_utf8_lossy(&said);
    let said = said.lines().next().unwrap_or_default();
    Err(failed(format!("{status}: {said}")))
}
