//! `wasmtime`, the peer that the figures are compared with.

use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::process::Command;
use taffrail_tests::guests;

/// The release whose engine Taffrail is built on.
const VERSION: &str = "48.0.8";

/// A `wasmtime` that runs.
pub(crate) struct Peer {
    pub(crate) program: PathBuf,
    /// What it says of its version.
    pub(crate) version: String,
}

/// Finds `wasmtime` on the path or where an earlier run has put it, and
/// installs it there otherwise.
pub(crate) fn find() -> Result<Peer> {
    let root = guests::root().join("target/peers");
    let installed = root.join("bin/wasmtime");
    for program in [PathBuf::from("wasmtime"), installed.clone()] {
        if let Some(version) = version(&program) {
            return Ok(Peer { program, version });
        }
    }
    crate::report::progress(&format!(
        "Installing wasmtime {VERSION} in {}; this takes some minutes, once",
        root.display()
    ));
    let status = Command::new(env!("CARGO"))
        .args(["install", "wasmtime-cli", "--locked", "--version", VERSION])
        .arg("--root")
        .arg(&root)
        .status()
        .context("cargo cannot be run")?;
    ensure!(
        status.success(),
        "`cargo install wasmtime-cli` failed with {status}; put a `wasmtime` on the path, or leave its rows out with `--only`"
    );
    let version = version(&installed).context("the `wasmtime` just installed does not run")?;
    Ok(Peer {
        program: installed,
        version,
    })
}

fn version(program: &PathBuf) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| version.trim().to_owned())
}
