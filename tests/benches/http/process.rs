//! A server as a process, and what it has used so far.

use crate::servers::Server;
use anyhow::{Context, Result, anyhow, bail};
use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long a server may take to listen: wasmtime compiles first.
const START: Duration = Duration::from_secs(60);

/// How long to wait before it is tried again to connect.
const PAUSE: Duration = Duration::from_millis(10);

/// A server that used no CPU time for so long has nothing left to do.
const REST: Duration = Duration::from_millis(50);

/// How often it is looked at before it counts as one that never rests.
const LOOKS: u32 = 200;

/// A running server, killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What it writes to stderr after it has said where.
    stderr: Option<JoinHandle<Vec<String>>>,
}

/// What a server has used since it started.
#[derive(Clone, Copy, Default)]
pub(crate) struct Usage {
    /// CPU time of its own code and of guests.
    pub(crate) user: Duration,
    /// CPU time of the kernel on its behalf.
    pub(crate) system: Duration,
    /// Resident memory, in KiB, at this moment.
    pub(crate) resident_kib: u64,
}

/// How it is known where a server listens.
pub(crate) enum Listening {
    /// The server says it on stderr.
    IsSaid,
    /// It was told where.
    At(SocketAddr),
}

impl Process {
    /// Starts a server and waits until it listens.
    pub(crate) fn start((mut command, listening): (Command, Listening)) -> Result<Self> {
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{command:?} cannot be run"))?;
        let stderr = child.stderr.take().context("stderr is piped")?;
        let (sender, receiver) = channel();
        let mut process = Self {
            child,
            address: ([127, 0, 0, 1], 0).into(),
            stderr: Some(thread::spawn(move || read_stderr(stderr, &sender))),
        };
        if let Listening::At(address) = listening {
            process.address = address;
            wait_for(address).with_context(|| format!("{command:?} does not listen"))?;
            return Ok(process);
        }
        match receiver.recv_timeout(START) {
            Ok(address) => process.address = address,
            Err(_) => {
                process.child.kill()?;
                let said = process.rest_of_stderr()?.join("\n");
                bail!("{command:?} does not listen, but says:\n{said}");
            }
        }
        Ok(process)
    }

    /// What it has used, as soon as it uses no more.
    pub(crate) fn at_rest(&self) -> Result<Usage> {
        let mut last = self.usage()?;
        for _ in 0..LOOKS {
            thread::sleep(REST);
            let now = self.usage()?;
            if (now.user, now.system) == (last.user, last.system) {
                return Ok(now);
            }
            last = now;
        }
        bail!("it goes on working although no request is under way");
    }

    fn usage(&self) -> Result<Usage> {
        let mut sum = Usage::default();
        add_usage(self.child.id(), &mut sum)
            .context("what a process has used is read from /proc, which Linux has")?;
        Ok(sum)
    }

    /// Asks it to stop, and returns what it complained about.
    pub(crate) fn stop(mut self, server: &Server) -> Result<Vec<String>> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let status = self.child.wait()?;
        let said: Vec<_> = self
            .rest_of_stderr()?
            .into_iter()
            .filter(|line| !line.starts_with("Stopping"))
            .collect();
        let mut problems = Vec::new();
        if let [first, more @ ..] = said.as_slice() {
            problems.push(format!("it says: {first} (and {} more lines)", more.len()));
        }
        if server.stops_gracefully() && !status.success() {
            problems.push(format!("it stopped with {status}"));
        }
        Ok(problems)
    }

    fn rest_of_stderr(&mut self) -> Result<Vec<String>> {
        let reader = self.stderr.take().context("stderr is read once")?;
        reader.join().map_err(|_| anyhow!("stderr cannot be read"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has stopped already, unless something went wrong before.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Waits until somebody listens.
fn wait_for(address: SocketAddr) -> Result<()> {
    let mut tries = START.as_millis() / PAUSE.as_millis();
    loop {
        match TcpStream::connect(address) {
            Ok(_) => return Ok(()),
            Err(error) if tries == 0 => return Err(error.into()),
            Err(_) => thread::sleep(PAUSE),
        }
        tries -= 1;
    }
}

/// Sends the address in the line that tells it, and returns the lines behind it,
/// or all of them if there is none.
fn read_stderr(stderr: ChildStderr, sender: &Sender<SocketAddr>) -> Vec<String> {
    let mut rest = Vec::new();
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let address = line
            .split_once(" on http://")
            .and_then(|(_, address)| address.trim_end_matches('/').parse().ok());
        match address {
            Some(address) => {
                // What it had to make first is no complaint.
                rest.clear();
                // Nobody waits for it only if that took too long.
                _ = sender.send(address);
            }
            None => rest.push(line),
        }
    }
    rest
}

/// Adds what a process and the processes that it started have used.
fn add_usage(id: u32, sum: &mut Usage) -> Result<()> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The second field is a name in parentheses, which may hold anything. See
    // proc_pid_stat(5).
    let (_, fields) = stat.rsplit_once(')').context("/proc/…/stat has a name")?;
    let fields: Vec<_> = fields.split_whitespace().collect();
    let time = |field: usize| -> Result<Duration> {
        let ticks: f64 = fields
            .get(field - 3)
            .context("a field is missing")?
            .parse()?;
        Ok(Duration::from_secs_f64(
            ticks / clock_ticks_per_second() as f64,
        ))
    };
    sum.user += time(14)?;
    sum.system += time(15)?;
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let resident = status.lines().find_map(|line| {
        let kib = line.strip_prefix("VmRSS:")?.strip_suffix("kB")?;
        kib.trim().parse::<u64>().ok()
    });
    sum.resident_kib += resident.unwrap_or(0);
    for task in fs::read_dir(format!("/proc/{id}/task"))? {
        // A thread may end while it is looked at.
        let children = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            add_usage(child.parse()?, sum)?;
        }
    }
    Ok(())
}
