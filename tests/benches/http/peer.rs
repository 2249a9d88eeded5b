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

pub(crate) fn find_wasmtime() -> Result<Peer> {
    let root = guests::root().join("target/peers");
    let mut install = Command::new(env!("CARGO"));
    install
        .args(["install", "wasmtime-cli", "--locked", "--version", WASMTIME])
        .arg("--root")
        .arg(&root);
    find("wasmtime", root.join("bin/wasmtime"), install)
}

pub(crate) fn find_workerd() -> Result<Peer> {
    let root = guests::root().join("target/peers/workerd");
    std::fs::create_dir_all(&root)?;
    let mut install = Command::new("npm");
    install
        .args(["install", "--no-audit", "--no-fund", "--loglevel", "error"])
        .arg(format!("workerd@{WORKERD}"))
        .current_dir(&root);
    find("workerd", root.join("node_modules/.bin/workerd"), install)
}

/// Finds a program on the path or where an earlier run has put it, and installs
/// it there otherwise.
fn find(name: &str, installed: PathBuf, mut install: Command) -> Result<Peer> {
    for program in [PathBuf::from(name), installed.clone()] {
        if let Some(version) = version(&program) {
            return Ok(Peer { program, version });
        }
    }
    crate::report::progress(&format!(
        "Installing {name} as {}, once; this may take some minutes",
        installed.display()
    ));
    let status = install
        .status()
        .with_context(|| format!("{install:?} cannot be run"))?;
    ensure!(
        status.success(),
        "{install:?} failed with {status}; put a `{name}` on the path, or leave its rows out with `--only`"
    );
    let version =
        version(&installed).with_context(|| format!("the `{name}` just installed does not run"))?;
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
