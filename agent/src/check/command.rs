//! One run of a command, by a shell or without one: in its own process group, with a deadline.

use super::agents_end::end_with_agent;
use super::environment::Variables;
use crate::notify;
use crate::settings::{Client, Invocation};
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{sleep, timeout};
use venus_event::Attributes;

/// How long a command has between TERM and KILL.
const GRACE: Duration = Duration::from_secs(2);
/// How many times 8 KiB are read after a command's end: the largest pipe that
/// Linux gives to a user, 1 MiB.
const LAST_CHUNKS: usize = 128;

/// What a command may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long it may run; for ever if none.
    pub time: Option<Duration>,
    /// How many bytes of its output are kept; the rest is read and dropped, so
    /// that the command can end.
    pub output: usize,
    /// Whether it is killed when the agent is gone, however that ends: a check is of no use then,
    /// while a handler has its event still.
    pub ends_with_agent: bool,
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// Standard output and standard error as they came; bytes that are no
    /// UTF-8 are left out.
    pub output: String,
    /// Exit status, or the signal's number where a signal ended it.
    pub status: i64,
    /// How long it ran.
    pub duration: Duration,
}

/// The process groups of commands that are running now.
#[derive(Debug, Clone, Default)]
pub struct Groups(Rc<RefCell<Vec<Pid>>>);

impl Groups {
    /// Kills all of them.
    pub fn kill(&self) {
        for group in self.0.borrow().iter() {
            signal(*group, Signal::SIGKILL);
        }
    }

    /// Whether somebody runs a command of this process and waits for it.
    pub(super) fn contains(&self, leader: Pid) -> bool {
        self.0.borrow().contains(&leader)
    }
}

/// Runs a command with these variables beside the agent's own and `input`
/// on standard input, within `limits`. The input is dropped as soon as the command has it, or is
/// known never to take it.
///
/// Never fails: what prevents a command from starting is an execution with
/// status 3, one that overruns its limit has status 2, as Sensu has it.
pub async fn run_command(
    invocation: &Invocation,
    variables: &Variables,
    input: Option<impl AsRef<[u8]>>,
    limits: Limits,
    groups: &Groups,
) -> Execution {
    let started = Instant::now();
    let (output, status) = match start(invocation, variables, input.is_some(), limits) {
        Ok((child, output)) => run(child, output, input, limits, groups).await,
        Err(error) => (failure(invocation, &error), 3),
    };
    Execution {
        output,
        status,
        duration: started.elapsed(),
    }
}

fn command(invocation: &Invocation) -> Command {
    match invocation {
        Invocation::Shell(line) => {
            let mut command = Command::new("sh");
            command.arg("-c").arg(line);
            command
        }
        Invocation::Program(program, arguments) => {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        }
    }
}

/// Why it does not start.
fn failure(invocation: &Invocation, error: &io::Error) -> String {
    match invocation {
        Invocation::Shell(_) => format!("Unexpected error: {error}"),
        Invocation::Program(program, _) => format!("Unexpected error: {program}: {error}"),
    }
}

/// Starts it. Both its outputs are one pipe, so that lines keep their order.
fn start(
    invocation: &Invocation,
    variables: &Variables,
    wants_input: bool,
    limits: Limits,
) -> io::Result<(Child, pipe::Receiver)> {
    let (reader, writer) = io::pipe()?;
    let mut command = command(invocation);
    command
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(if wants_input {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .kill_on_drop(true);
    // What the service manager wants to hear, it wants to hear from the agent.
    for variable in notify::VARIABLES {
        command.env_remove(variable);
    }
    if limits.ends_with_agent {
        end_with_agent(&mut command);
    }
    let child = command.spawn()?;
    let output = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
    Ok((child, output))
}

async fn run(
    mut child: Child,
    mut output: pipe::Receiver,
    input: Option<impl AsRef<[u8]>>,
    limits: Limits,
    groups: &Groups,
) -> (String, i64) {
    let group = Registered::new(&child, groups);
    let stdin = child.stdin.take();
    let mut kept = Output::new(limits.output);
    let ended = {
        let work = async {
            let read = read_until_exit(&mut child, &mut output, &mut kept);
            let (status, ()) = tokio::join!(read, feed(stdin, input));
            status
        };
        let deadline = async {
            match limits.time {
                Some(limit) => sleep(limit).await,
                None => pending().await,
            }
        };
        tokio::select! {
            ended = work => Some(ended),
            () = deadline => None,
        }
    };
    match ended {
        Some(Ok(status)) => (kept.text(), code(status)),
        Some(Err(error)) => {
            group.end(&mut child).await;
            (format!("Unexpected error: {error}"), 3)
        }
        None => {
            group.end(&mut child).await;
            ("Execution timed out".to_owned(), 2)
        }
    }
}

/// Reads until the command has ended and what it wrote is read.
///
/// A process that it left behind may hold the pipe open for ever; nobody waits
/// for that one.
async fn read_until_exit(
    child: &mut Child,
    output: &mut pipe::Receiver,
    kept: &mut Output,
) -> io::Result<ExitStatus> {
    let mut chunk = [0; 8192];
    let status = loop {
        tokio::select! {
            read = output.read(&mut chunk) => match read? {
                0 => break child.wait().await?,
                count => kept.take(chunk.get(..count).unwrap_or_default()),
            },
            status = child.wait() => break status?,
        }
    };
    // Asked of the kernel: what the runtime knows of the pipe may be older than
    // the exit. A process left behind may go on writing, hence a bound.
    for _ in 0..LAST_CHUNKS {
        match nix::unistd::read(&*output, &mut chunk) {
            Ok(0) | Err(Errno::EAGAIN) => break,
            Ok(count) => kept.take(chunk.get(..count).unwrap_or_default()),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(status)
}

/// The beginning of what a command writes.
struct Output {
    kept: Vec<u8>,
    most: usize,
    cut: usize,
}

impl Output {
    fn new(most: usize) -> Self {
        Self {
            kept: Vec::new(),
            most,
            cut: 0,
        }
    }

    fn take(&mut self, chunk: &[u8]) {
        let room = self.most.saturating_sub(self.kept.len());
        self.kept
            .extend_from_slice(chunk.get(..room).unwrap_or(chunk));
        self.cut += chunk.len().saturating_sub(room);
    }

    /// As UTF-8, without the bytes that are none; says what was cut.
    fn text(self) -> String {
        let mut text = String::from_utf8(self.kept).unwrap_or_else(|error| {
            let chunks = error.as_bytes().utf8_chunks();
            chunks.map(|chunk| chunk.valid()).collect()
        });
        if self.cut > 0 {
            text.push_str(&format!("\n[{} more bytes of output were cut]\n", self.cut));
        }
        text
    }
}

/// Writes the input; a command that does not read it is none of our business.
async fn feed(stdin: Option<ChildStdin>, input: Option<impl AsRef<[u8]>>) {
    if let (Some(mut stdin), Some(input)) = (stdin, input) {
        drop(stdin.write_all(input.as_ref()).await);
        // The end of it is a part of it.
        drop(stdin);
    }
}

fn code(status: ExitStatus) -> i64 {
    status.code().or(status.signal()).map_or(3, i64::from)
}

/// Seconds with three decimals, as Sensu publishes them.
pub(super) fn rounded(duration: Duration) -> Value {
    json!((duration.as_secs_f64() * 1000.0).round() / 1000.0)
}

/// The JSON for the standard input of a check or hook that wants it.
pub(super) fn input(wants: &Attributes, client: &Client, check: &Attributes) -> Option<Vec<u8>> {
    (wants.get("stdin") == Some(&Value::Bool(true))).then(|| {
        json!({ "client": client.attributes, "check": check })
            .to_string()
            .into_bytes()
    })
}

/// A process group that is known while its command runs.
struct Registered<'a> {
    group: Option<Pid>,
    groups: &'a Groups,
}

impl<'a> Registered<'a> {
    fn new(child: &Child, groups: &'a Groups) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let group = id.map(Pid::from_raw);
        groups.0.borrow_mut().extend(group);
        Self { group, groups }
    }

    /// TERM to the whole group, and KILL to what is left of it.
    async fn end(&self, child: &mut Child) {
        let Some(group) = self.group else { return };
        signal(group, Signal::SIGTERM);
        let in_time = timeout(GRACE, child.wait()).await.is_ok();
        signal(group, Signal::SIGKILL);
        if !in_time {
            // Nothing survives KILL; the wait only reaps.
            drop(timeout(GRACE, child.wait()).await);
        }
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        let mut groups = self.groups.0.borrow_mut();
        groups.retain(|group| Some(*group) != self.group);
    }
}

fn signal(group: Pid, signal: Signal) {
    // A group that is gone already is what the signal was for.
    killpg(group, signal).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn execute(command: &str, input: Option<&[u8]>, limit: Duration) -> Execution {
        invoke(&Invocation::Shell(command.to_owned()), input, limit).await
    }

    async fn invoke(command: &Invocation, input: Option<&[u8]>, limit: Duration) -> Execution {
        let input = input.map(<[u8]>::to_vec);
        let limits = Limits {
            time: Some(limit),
            output: 1 << 20,
            ends_with_agent: true,
        };
        run_command(command, &Vec::new(), input, limits, &Groups::default()).await
    }

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test(flavor = "current_thread")]
    async fn f5_both_outputs_are_merged_in_order_and_the_exit_status_is_the_status() {
        let done = execute("echo a; echo b >&2; echo c; exit 7", None, LONG).await;
        assert_eq!((done.output.as_str(), done.status), ("a\nb\nc\n", 7));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn f5_a_timeout_ends_the_whole_group_even_one_that_ignores_term() {
        let dir = tempfile::tempdir().unwrap();
        let pids = dir.path().join("pids");
        let command = format!(
            "trap '' TERM; (trap '' TERM; echo $BASHPID; exec sleep 1000) & echo $! > {}; sleep 1000",
            pids.display()
        );
        let done = execute(&command, None, Duration::from_millis(300)).await;
        assert_eq!(
            (done.output.as_str(), done.status),
            ("Execution timed out", 2)
        );
        let grandchild = std::fs::read_to_string(pids).unwrap();
        let stat = format!("/proc/{}/stat", grandchild.trim());
        let is_dead = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        // It was sent KILL, and dies when the kernel gets to it.
        let dies = async {
            while !is_dead() {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG, dies).await.unwrap();
    }

    #[tokio::test(flavor = "current_thread")]
    async fn f5_a_process_left_behind_does_not_hold_the_result() {
        let done = execute("sleep 1000 & echo $!", None, LONG).await;
        assert_eq!(done.status, 0);
        assert!(done.duration < LONG);
        let left: i32 = done.output.trim().parse().unwrap();
        nix::sys::signal::kill(Pid::from_raw(left), Signal::SIGKILL).unwrap();
    }

    #[tokio::test(flavor = "current_thread")]
    async fn f5_input_is_given_and_bytes_that_are_no_utf8_are_left_out() {
        let done = execute("cat; printf 'a\\377b'", Some(b"in "), LONG).await;
        assert_eq!((done.output.as_str(), done.status), ("in ab", 0));
        let done = execute("exit 1", Some(&vec![b'x'; 1 << 20]), LONG).await;
        assert_eq!(done.status, 1);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn f5_a_signal_is_the_status_and_what_is_no_command_is_the_shells_127() {
        assert_eq!(execute("kill -9 $$", None, LONG).await.status, 9);
        assert_eq!(execute("/nonexistent", None, LONG).await.status, 127);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn of_a_command_that_is_an_array_nothing_is_for_a_shell() {
        let odd = [
            "%s|", "a b", "", "$HOME", "$(id)", "`id`", "; id", "*", "'\"", "\\n", "é\n",
        ];
        let words: Vec<_> = ["printf"].iter().chain(&odd).collect();
        let command = Invocation::of(&json!(words)).unwrap();
        let done = invoke(&command, None, LONG).await;
        let expected = format!("{}|", odd[1..].join("|"));
        assert_eq!((done.output, done.status), (expected, 0));
        for (command, says) in [
            (
                json!(["/nonexistent"]),
                "Unexpected error: /nonexistent: No such file",
            ),
            (
                json!(["/etc/passwd"]),
                "Unexpected error: /etc/passwd: Permission denied",
            ),
            (json!([""]), "Unexpected error: : No such file"),
            (
                json!(["printf", "\0"]),
                "Unexpected error: printf: nul byte",
            ),
        ] {
            let command = Invocation::of(&command).unwrap();
            let done = invoke(&command, None, LONG).await;
            assert!(done.output.starts_with(says), "{}", done.output);
            assert_eq!(done.status, 3);
        }
        for command in [
            json!(null),
            json!(5),
            json!([]),
            json!([5]),
            json!(["a", ["b"]]),
        ] {
            assert_eq!(Invocation::of(&command), None);
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn f5_a_flood_of_output_is_cut() {
        let done = execute("head -c 3000000 /dev/zero", None, LONG).await;
        let (kept, said) = done.output.split_at(1 << 20);
        assert!(kept.bytes().all(|byte| byte == 0));
        assert_eq!(
            (said, done.status),
            ("\n[1951424 more bytes of output were cut]\n", 0)
        );
    }
}
