//! `wasmtime` and `workerd`, the peers that the figures are compared with.

use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::process::Command;
use taffrail_tests::guests;

/// The release whose engine Taffrail is built on.
const WASMTIME: &str = "48.0.8";

/// The release that Taffrail is compared with in its conformance tests, too.
const WORKERD: &str = "1.20261117.1";

/// One that runs.
pub(crate) struct Peer {
    pub(crate) program: PathBuf,
    /// What it says of its version.
    pub(crate) version: String,
}

/// Finds `wasmtime` on the path or where an earlier run has put it, and
/// installs it there otherwise.
pub(crate) fn find_wasmtime() -> Result<Peer> {
    let root = guests::root().join("target/peers");
    let installed = root.join("bin/wasmtime");
    for program in [PathBuf::from("wasmtime"), installed.clone()] {
        if let Some(version) = version(&program) {
            return Ok(Peer { program, version });
        }
    }
    crate::report::progress(&format!(
        "Installing wasmtime {WASMTIME} in {}; this takes some minutes, once",
        root.display()
    ));
    let status = Command::new(env!("CARGO"))
        .args(["install", "wasmtime-cli", "--locked", "--version", WASMTIME])
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

/// Finds `workerd` on the path or where an earlier run has put it, and installs
/// it there otherwise.
pub(crate) fn find_workerd() -> Result<Peer> {
    let root = guests::root().join("target/peers/workerd");
    let installed = root.join("node_modules/.bin/workerd");
    for program in [PathBuf::from("workerd"), installed.clone()] {
        if let Some(version) = version(&program) {
            return Ok(Peer { program, version });
        }
    }
    crate::report::progress(&format!(
        "Installing workerd {WORKERD} in {}",
        root.display()
    ));
    std::fs::create_dir_all(&root)?;
    let status = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--loglevel", "error"])
        .arg(format!("workerd@{WORKERD}"))
        .current_dir(&root)
        .status()
        .context("npm cannot be run")?;
    ensure!(
        status.success(),
        "`npm install workerd` failed with {status}; put a `workerd` on the path, or leave its rows out with `--only`"
    );
    let version = version(&installed).context("the `workerd` just installed does not run")?;
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
