//! Runs the `build.command` of a Worker.

use crate::config::{Build, WorkerConfig};
use crate::error::{Error, Result};
use std::path::Path;
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
            "{}: `build.command` failed with {status}; {}",
            worker.path.display(),
            missing_tool(build).await.unwrap_or("its output is above")
        )));
    }
    Ok(())
}

/// The target of components in Rust.
const TARGET: &str = "wasm32-wasip2";

/// Returns what to install if the command needs tools of Rust that are missing.
async fn missing_tool(build: &Build) -> Option<&'static str> {
    if !build.command.contains("cargo") {
        return None;
    }
    let rustc = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(&build.cwd)
        .output();
    let Ok(output) = rustc.await else {
        return Some("Rust is not installed: see https://rustup.rs");
    };
    let libraries = String::from_utf8_lossy(&output.stdout);
    let is_wanted = build.command.contains(TARGET);
    (is_wanted && !Path::new(libraries.trim()).is_dir()).then_some(
        "Rust has no standard library for wasm32-wasip2: rustup target add wasm32-wasip2",
    )
}
