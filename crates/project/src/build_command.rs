//! Runs the `build.command` of a Worker.

use crate::config::{Build, WorkerConfig};
use crate::error::{Error, Result};
use std::process::Stdio;
use tokio::process::Command;

/// Runs the command. Its output goes to stderr.
pub(crate) async fn run(worker: &WorkerConfig, build: &Build) -> Result<()> {
    let status = Command::new("sh")
        .args(["-c", &build.command])
        .current_dir(&build.cwd)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .kill_on_drop(true)
        .status()
        .await
        .map_err(|error| {
            Error::build(format!(
                "{}: `build.command` cannot be run in `{}`: {error}; check `build.cwd`",
                worker.path.display(),
                build.cwd.display()
            ))
        })?;
    if !status.success() {
        return Err(Error::build(format!(
            "{}: `build.command` failed with {status}; its output is above",
            worker.path.display()
        )));
    }
    Ok(())
}
