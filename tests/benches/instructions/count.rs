//! Counts the instructions of a piece of work, one by one.
//!
//! A child process does the work and raises a signal before and after it. In between, this
//! process lets it run from one instruction to the next, and its other threads not at all: what
//! they do would depend on the time, of which this takes ten thousand times as much as usual.
//! Hardware counters would be quicker, but a virtual machine has none.

use anyhow::{Context, Result, bail};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// What the child raises before and after its work.
const MARK: Signal = Signal::SIGUSR1;

/// How long one piece of work may take. One that waits for another thread never ends.
const PATIENCE: Duration = Duration::from_secs(120);

/// Functions of the C library that have a version for each kind of processor are to be the same
/// on all of them.
const PLAIN: &str = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-ERMS,-FSRM,-RTM,-BMI2,-SSE4_2,-SSE4_1,-SSSE3";

/// Does some work as the child: the work between both marks is counted.
pub(crate) fn counted<T>(work: impl FnOnce() -> T) -> Result<T> {
    raise(MARK)?;
    let result = work();
    raise(MARK)?;
    Ok(result)
}

/// Lets the process that counts follow this one.
pub(crate) fn follow() -> Result<()> {
    ptrace::traceme().context("this process cannot be followed")
}

/// Keeps this thread, and what it starts, on one processor: both processes take turns, and wake
/// each other sooner there.
pub(crate) fn keep_to(processor: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(processor)?;
    // Not all processors may be for this process. It is slower then.
    _ = sched_setaffinity(Pid::from_raw(0), &set);
    Ok(())
}

/// Counts the instructions of the piece of work of this name.
pub(crate) fn count(name: &str) -> Result<u64> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--subject", name])
        .env("GLIBC_TUNABLES", PLAIN)
        .stdin(Stdio::null())
        .spawn()?;
    let pid = Pid::from_raw(child.id().try_into()?);
    let (ended, end) = channel::<()>();
    let watchdog = thread::spawn(move || {
        if end.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            // It is there: nobody has waited for its end.
            _ = kill(pid, Signal::SIGKILL);
        }
    });
    let counted = until_end(pid);
    drop(ended);
    _ = watchdog.join();
    // It has been waited for, or something went wrong.
    _ = child.kill();
    counted
}

/// Follows a child to its end.
fn until_end(pid: Pid) -> Result<u64> {
    let mut counted = None;
    loop {
        match waitpid(pid, Some(WaitPidFlag::__WALL))? {
            WaitStatus::Stopped(_, MARK) => {
                let others = freeze_others(pid)?;
                counted = Some(steps(pid)?);
                for other in others {
                    ptrace::detach(other, None)?;
                }
                ptrace::cont(pid, None)?;
            }
            WaitStatus::Stopped(_, signal) => ptrace::cont(pid, signal)?,
            WaitStatus::Exited(_, 0) => return counted.context("it has raised no signal"),
            ended => bail!("the process that does the work ended with {ended:?}"),
        }
    }
}

/// Runs a stopped thread to its next mark, and returns the number of instructions.
fn steps(pid: Pid) -> Result<u64> {
    let mut steps = 0;
    loop {
        ptrace::step(pid, None)?;
        match waitpid(pid, Some(WaitPidFlag::__WALL))? {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => steps += 1,
            WaitStatus::Stopped(_, MARK) => return Ok(steps),
            other => bail!("in its work, the process got {other:?}"),
        }
    }
}

/// Stops the other threads of a process.
fn freeze_others(pid: Pid) -> Result<Vec<Pid>> {
    let mut frozen = Vec::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let name = thread?.file_name();
        let thread = Pid::from_raw(name.to_string_lossy().parse()?);
        if thread != pid {
            ptrace::seize(thread, ptrace::Options::empty())?;
            ptrace::interrupt(thread)?;
            waitpid(thread, Some(WaitPidFlag::__WALL))?;
            frozen.push(thread);
        }
    }
    Ok(frozen)
}
